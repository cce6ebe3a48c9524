"""Noticing that another catalogue has taken the place of the one that is served, or that its files were restored."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from pathlib import Path

from relevance.catalogue import Catalogue, CatalogueError
from relevance.catalogue.identity import Identity
from relevance.catalogue.manifest import read_digest
from service.product_store import ProductStore

logger = logging.getLogger(__name__)


async def follow(follower: CatalogueFollower, wait: Callable[[], Awaitable[None]]) -> None:
    """Look for another catalogue after each `wait()`, in a thread, until cancelled; what goes wrong is logged."""
    while True:
        await wait()
        try:
            await _in_a_thread_of_its_own(follower.reload_if_changed)
        except Exception:
            logger.exception("looking for another catalogue failed")


async def _in_a_thread_of_its_own(function: Callable[[], object]) -> None:
    """Not in the event loop's: their end is waited for when the loop ends, and a disk may hang for ever."""
    running: Future[object] = Future()
    running.set_running_or_notify_cancel()

    def run() -> None:
        try:
            running.set_result(function())
        except Exception as error:
            running.set_exception(error)

    threading.Thread(target=run, name="catalogue-reload", daemon=True).start()
    await asyncio.wrap_future(running)


class CatalogueFollower:
    """Keeps a store on the catalogue that lies in `directory`. It has no timer: its owner asks, on one or on a signal.

    A new catalogue that cannot be opened leaves the old one in use. That is logged once for each reason, and tried
    again at the next call: it may still be on its way.

    The same one is opened again when its files are others, as after a repair or a rebuild, or when a record of it could
    not be read: once, for what is damaged on the disk stays so until its files are others.
    """

    def __init__(self, store: ProductStore, directory: Path, encoder_version: str) -> None:
        self._store, self._directory, self._encoder_version = store, directory, encoder_version
        self._refused = ""
        self._known_as_damaged: Identity | None = None

    @property
    def refused(self) -> bool:
        """Whether what lay in the directory at the last look cannot be used."""
        return self._refused != ""

    def reload_if_changed(self) -> bool:
        """Use the catalogue in the directory if it is another one and whole; True if the store has changed.

        Reads one small file, and asks for each shard's number, when nothing has changed. Opening reads every index:
        call it outside the event loop.
        """
        current = self._store.disk.catalogue
        if current is not None and self._is_still_good(current):
            self._tell_good(current)
            return False
        try:
            catalogue = Catalogue.open(self._directory, self._encoder_version)
        except CatalogueError as error:
            self._tell(str(error), current)
            return False
        self._refused = ""
        self._known_as_damaged = current.identity if current is not None and current.damaged else None
        self._store.use(catalogue)
        fields = {"directory": str(self._directory), "products": catalogue.manifest.products, "records": len(catalogue)}
        is_same = current is not None and catalogue.digest == current.digest
        message = "the catalogue was opened again" if is_same else "another catalogue is used"
        logger.info(message, extra={"fields": fields})
        return True

    def _is_still_good(self, current: Catalogue) -> bool:
        if read_digest(self._directory) != current.digest or not current.is_at(self._directory):
            return False
        return not current.damaged or current.identity == self._known_as_damaged

    def _tell_good(self, current: Catalogue) -> None:
        if self._refused:
            self._refused = ""
            fields = {"directory": str(self._directory), "products": current.manifest.products}
            logger.info("the catalogue in use is in its directory again", extra={"fields": fields})

    def _tell(self, reason: str, current: Catalogue | None) -> None:
        if reason == self._refused:
            return
        self._refused = reason
        fields: dict[str, object] = {"directory": str(self._directory), "reason": reason}
        if current is None:
            logger.error("the catalogue cannot be used, there is none", extra={"fields": fields})
        else:
            fields["products_in_use"] = current.manifest.products
            logger.error("the catalogue cannot be used, the one opened before stays", extra={"fields": fields})
