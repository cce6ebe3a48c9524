from __future__ import annotations

import pytest

from service.redis_url import check_redis_url, secrets_of


@pytest.mark.parametrize(
    "url",
    [
        "redis://cache", "redis://cache/", "redis://cache:6379/0", "rediss://cache:6380/3", "redis://[::1]:6379/0",
        "redis://shop:hush%2Fhush@cache:6379/0", "redis://:hush@cache", f"rediss://cache/0?ssl_ca_certs={__file__}",
    ],
)  # fmt: skip
def test_an_address_is_taken(url: str) -> None:
    check_redis_url(url)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "must be redis://"),
        ("cache:6379", "must be redis://"),
        ("http://hush@cache", "must be redis://"),
        ("redis:///0", "must be redis://"),
        ("redis://:hush@:6379", "must be redis://"),
        ("redis://:hush/hush@cache:6379/0", "%-encoded"),
        ("redis://:hush#hush@cache:6379/0", "%-encoded"),
        ("redis://cache:hush/0", "%-encoded"),
        ("redis://cache:99999/0", "%-encoded"),
        ("redis://cache/hush", "number of a database"),
        ("redis://cache/0/hush", "number of a database"),
        ("redis://cache/0?hush=1", "1 unknown options"),
        ("REDIS://cache", "must be redis://"),
        ("  redis://cache", "must be redis://"),
        (f"redis://cache?ssl_ca_certs={__file__}", "ssl_ca_certs behind the \\? is for TLS; begin with rediss://"),
        ("rediss://:hush@cache?ssl_keyfile=/hush/absent.pem", "ssl_keyfile behind .* cannot be read \\(No such file"),
        ("redis://cache/0?socket_timeout=100&decode_responses=", "2 unknown options"),
    ],
)
def test_what_is_none_is_refused_and_not_repeated(url: str, told: str) -> None:
    with pytest.raises(ValueError, match=told) as refused:
        check_redis_url(url)
    assert "hush" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_secrets_are_found_as_written_and_as_meant() -> None:
    assert secrets_of("redis://cache") == ()
    assert secrets_of("redis://shop:hush%2Fhush@cache") == ("hush/hush", "hush%2Fhush", "shop")
