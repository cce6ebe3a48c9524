from __future__ import annotations

import pytest
from pydantic import SecretStr
from starlette.datastructures import Headers

from service.api_keys import ApiKeys
from service.errors import UnauthorizedError

KEYS = ApiKeys([SecretStr("first"), SecretStr("second")])


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer first"},
        {"Authorization": "bearer second"},
        {"authorization": "Bearer   first  "},
        {"x-api-key": "second"},
        {"authorization": "Basic abc", "x-api-key": "first"},
        {"authorization": "first"},
        {"authorization": "Negotiate", "x-api-key": "first"},
        {"api-key": "second"},
    ],
)
def test_an_accepted_key_lets_in(headers: dict[str, str]) -> None:
    KEYS.check(Headers(headers))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer"},
        {"authorization": "Bearer third"},
        {"authorization": "Basic first"},
        {"authorization": "third"},
        {"api-key": "third"},
        {"x-api-key": ""},
        {"x-api-key": "firs"},
        {"x-api-key": "first "},
        {"x-api-key": "f\u00efrst"},
    ],
)
def test_anything_else_does_not_and_is_not_repeated(headers: dict[str, str]) -> None:
    with pytest.raises(UnauthorizedError) as refused:
        KEYS.check(Headers(headers))
    assert "third" not in refused.value.detail


def test_without_keys_everybody_is_let_in() -> None:
    ApiKeys([]).check(Headers({}))
