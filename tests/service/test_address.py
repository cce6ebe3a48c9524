from __future__ import annotations

import errno
import socket
from unittest.mock import Mock

import pytest

from service.address import check_address, listen
from service.errors import SettingsError


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_where_nobody_listens_there_is_nothing_to_say(host: str) -> None:
    check_address(host, 0)


def test_a_port_that_somebody_listens_on_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            SettingsError, match=rf"AISLE_HOST='127.0.0.1', AISLE_PORT={port}: .*in use; stop .* another AISLE_PORT"
        ):
            check_address("127.0.0.1", port)
    check_address("127.0.0.1", port)


@pytest.mark.parametrize("host", ["256.1.1.1", " 127.0.0.1", "a" * 70 + ".example", "no-such-host.invalid"])
def test_what_is_no_address_is_named(host: str) -> None:
    with pytest.raises(SettingsError, match=r"AISLE_HOST=.* is no address of this machine"):
        check_address(host, 0)


def test_an_address_of_another_machine_is_named() -> None:
    with pytest.raises(SettingsError, match=r"nothing can listen at AISLE_HOST='192\.0\.2\.1', .*; set AISLE_HOST to"):
        check_address("192.0.2.1", 0)


def test_a_port_that_this_process_may_not_listen_at_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", forbidden)
    with pytest.raises(SettingsError, match=r"AISLE_PORT=80: Permission denied; set another AISLE_PORT, from 1024 on"):
        check_address("127.0.0.1", 80)


def test_it_listens_at_each_address_once() -> None:
    sockets = listen("localhost", 0, backlog=5)
    try:
        addresses = [one.getsockname() for one in sockets]
        assert len(set(addresses)) == len(addresses)
        for address in addresses:
            socket.create_connection(address[:2]).close()
    finally:
        for one in sockets:
            one.close()


def test_a_port_that_was_taken_since_it_was_checked_is_named() -> None:
    # Bound, and not listened at: a check finds nothing.
    with socket.socket() as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        check_address("127.0.0.1", port)
        bound.listen()
        with pytest.raises(SettingsError, match=rf"AISLE_PORT={port}: .*in use; stop .* another AISLE_PORT"):
            listen("127.0.0.1", port, backlog=5)


def test_of_two_that_are_bound_to_a_port_the_second_to_listen_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = OSError(errno.EADDRINUSE, "Address already in use")
    monkeypatch.setattr(socket.socket, "listen", Mock(side_effect=taken))
    with pytest.raises(SettingsError, match=r"AISLE_PORT=0: Address already in use; stop what listens there"):
        listen("127.0.0.1", 0, backlog=5)
