"""What a Redis address may look like. No message repeats any of it: a password stands in its middle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

SCHEMES: Final = ("redis", "rediss")
QUERY: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
"""All that may stand behind `?`: the client takes its other arguments there too, its timeouts among them."""


def check_redis_url(url: str) -> None:
    """ValueError if this is no `redis[s]://[user:password@]host[:port][/number][?ssl_…=file]`."""
    parts = _split(url)
    # As it is written: the client takes neither capitals nor spaces before it.
    if not url.startswith(tuple(f"{scheme}://" for scheme in SCHEMES)) or not parts.hostname:
        raise ValueError("must be redis://host:port/number, or rediss:// with TLS")
    number = parts.path.removeprefix("/")
    if parts.fragment or (number and not number.isdecimal()):
        raise ValueError("behind the host comes a port and the number of a database; a password's / ? # are %-encoded")
    options = parse_qsl(parts.query, keep_blank_values=True)
    if unknown := [name for name, _ in options if name not in QUERY]:
        raise ValueError(f"has {len(unknown)} unknown options behind the ?; known are {', '.join(QUERY)}")
    _check_tls(parts.scheme, dict(options))


def _check_tls(scheme: str, files: Mapping[str, str]) -> None:
    """ValueError for what would fail with each connection, where only the log tells of it."""
    if files and scheme != "rediss":
        raise ValueError(f"{', '.join(files)} behind the ? is for TLS; begin with rediss://, or leave it out")
    for name, file in files.items():
        try:
            Path(file).read_bytes()
        except OSError as error:
            raise ValueError(f"{name} behind the ? names a file that cannot be read ({error.strerror})") from None


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
