"""Fixtures: the tiny bundle, and a running app that serves it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from relevance.bundle import Bundle
from service.app import Service, create_service
from service.engine import load
from service.settings import Settings
from tests.service.app_client import AppClient, running
from tests.service.redis_stub import RedisStub
from tests.service.tiny_bundle import write_bundle

MakeService = Callable[..., Service]
Serve = Callable[..., AppClient]


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The tiny bundle."""
    return write_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def redis() -> Iterator[RedisStub]:
    """A server that speaks as Redis does, and misbehaves as told."""
    stub = RedisStub()
    yield stub
    stub.answers.set()
    stub.stop()


@pytest.fixture
def make_service(bundle: Bundle) -> MakeService:
    """Wires a service of the tiny bundle; arguments are settings."""

    def make(**settings: object) -> Service:
        # One micro-batch at a time, so that order can be told; buckets have a setting of their own for that.
        sessions = {} if settings.get("buckets") == "on" else {"sessions": 1}
        given = {"bundle": bundle.directory, **sessions, "autotune": False, **settings}
        return create_service(load(Settings.model_validate(given)))

    return make


@pytest.fixture
def serve(make_service: MakeService) -> Iterator[Serve]:
    """Starts apps and gives clients of them; arguments are settings."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(running(make_service(**settings)))


@pytest.fixture
def client(serve: Serve) -> AppClient:
    """A client of an app with default settings."""
    return serve()
