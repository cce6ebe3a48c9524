"""What a Redis address may look like. No message repeats any of it: a password stands in its middle."""

from __future__ import annotations

from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

SCHEMES: Final = ("redis", "rediss")
QUERY: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
"""All that may stand behind `?`: the client takes its other arguments there too, its timeouts among them."""


def check_redis_url(url: str) -> None:
    """ValueError if this is no `redis[s]://[user:password@]host[:port][/number][?ssl_…=file]`."""
    parts = _split(url)
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise ValueError("must be redis://host:port/number, or rediss:// with TLS")
    number = parts.path.removeprefix("/")
    if parts.fragment or (number and not number.isdecimal()):
        raise ValueError("behind the host comes a port and the number of a database; a password's / ? # are %-encoded")
    if unknown := [name for name, _ in parse_qsl(parts.query, keep_blank_values=True) if name not in QUERY]:
        raise ValueError(f"has {len(unknown)} unknown options behind the ?; known are {', '.join(QUERY)}")


def secrets_of(url: str) -> tuple[str, ...]:
    """What of it must not appear anywhere, in each way it may be written."""
    parts = _split(url)
    given = [text for text in (parts.password, parts.username) if text]
    return tuple(dict.fromkeys(form for text in given for form in (unquote(text), text)))


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # computed when it is read, and then it may fail
    except ValueError:
        raise ValueError("its host or port cannot be read; a password's / ? # are %-encoded") from None
    return parts
