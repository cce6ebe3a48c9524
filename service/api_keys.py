"""Who may score: `Authorization: Bearer k` or `X-API-Key: k`.

Some clients of other servers send the bare key as `Authorization` (LlamaIndex's for TEI) or as `Api-Key`: taken too.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping

from pydantic import SecretStr

from service.errors import UnauthorizedError


class ApiKeys:
    """The accepted keys; none means that everybody is let in."""

    def __init__(self, keys: Iterable[SecretStr]) -> None:
        self._keys = [key.get_secret_value().encode() for key in keys]

    def check(self, headers: Mapping[str, str]) -> None:
        """Raise UnauthorizedError unless the headers carry an accepted key."""
        if not self._keys:
            return
        given = _given(headers).encode("latin-1", "replace")
        # Every key is compared, in constant time: how long it takes tells nothing about any of them.
        matches = [hmac.compare_digest(given, key) for key in self._keys]
        if not any(matches):
            raise UnauthorizedError("This route needs an API key: 'Authorization: Bearer <key>' or 'X-API-Key: <key>'.")


def _given(headers: Mapping[str, str]) -> str:
    scheme, _, token = headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    # A bare word comes last: a proxy may have put it there.
    return headers.get("x-api-key") or headers.get("api-key") or ("" if token else scheme)
