"""From a file of products to a catalogue, through whatever encodes them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, Protocol

from export.hashed_file import HashedFile
from export.product_file import ProductFile
from export.progress import progress_bar
from relevance.bundle import MANIFEST
from relevance.catalogue import Catalogue, CatalogueError, CatalogueWriter
from relevance.catalogue.errors import FinishedError
from relevance.catalogue.manifest import CatalogueManifest, read_manifest
from relevance.catalogue.resume import check_directory
from relevance.catalogue.verification import verify_records
from relevance.catalogue.whole_files import disk_errors_named
from relevance.catalogue.writer import PRODUCTS_PER_SHARD
from relevance.product import Product
from relevance.product_record import ProductRecord

log = logging.getLogger("aisle.export")

PRODUCTS_PER_BLOCK: Final = 512
"""Enough to sort by length and fill the encoder's batches."""


Encoding = Callable[[], list[tuple[bytes, ProductRecord]]]


class Encoder(Protocol):
    """Gives products their keys and records, each product for itself: a block's size changes nothing."""

    @property
    def version(self) -> str:
        """What the keys are made for; another one makes every record another."""

    @property
    def width(self) -> int:
        """Numbers in a token's latent."""

    def begin(self, products: Sequence[Product]) -> Encoding:
        """Begin to encode; what comes back waits for key and record of each product, in their order."""


def build_catalogue(
    products: ProductFile, directory: Path, encoder: Encoder, products_per_shard: int = PRODUCTS_PER_SHARD
) -> CatalogueManifest:
    """Encode all products of the file into a catalogue; goes on with a build that was stopped.

    All rows are checked before the first is encoded: a mended file is another source, whose build begins anew.
    A catalogue that is finished already, of this file and this encoder, is left as it is. CatalogueError for one of
    others and for one with a file that is missing or cut; ProductFileError for a row that is no product and for a
    file that changes meanwhile.
    """
    file = HashedFile.of(products.path)
    source = f"sha256:{file.sha256}"
    with disk_errors_named(directory):
        if (directory / MANIFEST).exists():
            return _finished(directory, source, encoder)
        check_directory(directory)
    log.info("%s: every row is checked before any is encoded", products.path)
    with file.unchanged():
        count = products.check()
    try:
        writer = CatalogueWriter(directory, encoder.version, encoder.width, source, products_per_shard)
    except FinishedError:
        # Another build finished it while the rows were checked here.
        return _finished(directory, source, encoder)
    with closing(writer):
        with file.unchanged(), progress_bar("products", count) as advance:
            held = _encode_rest(products, file, encoder, writer, advance)
        if held != count:
            raise CatalogueError(
                f"{directory} would hold {held} products, but {products.path} has {count}: its finished shards are not "
                f"of this file; delete {directory} to build anew"
            )
        return writer.finish()


def _encode_rest(
    products: ProductFile, file: HashedFile, encoder: Encoder, writer: CatalogueWriter, advance: Callable[[int], None]
) -> int:
    """Write what no finished shard holds; how many products the writer then has."""
    held = writer.products
    advance(held)
    for block, encoded in _one_ahead(products.blocks(PRODUCTS_PER_BLOCK, skip=held), encoder):
        columns = _columns(encoded())
        # After its rows were read and before a shard of them is finished: that one will be gone on from.
        file.check_unchanged()
        writer.add([product.id or "" for product in block], *columns)
        advance(len(block))
        held += len(block)
    return held


def verify_catalogue(directory: Path) -> int:
    """Read every record again; returns how many. CatalogueError naming the file if one is damaged or missing."""
    manifest, _ = read_manifest(directory)
    with progress_bar("records verified", manifest.records) as advance:
        return verify_records(directory, advance)


def _finished(directory: Path, source: str, encoder: Encoder) -> CatalogueManifest:
    manifest, _ = read_manifest(directory)
    if (manifest.source, manifest.encoder_version, manifest.width) != (source, encoder.version, encoder.width):
        raise CatalogueError(
            f"{directory} holds a finished catalogue of other products or another encoder; build into a new directory "
            "and let it take this one's place by rename"
        )
    # The manifest is all that says so far that it is whole: its indexes are read and the sizes of its shards compared.
    Catalogue.open(directory, encoder.version)
    log.info("%s is finished already", directory)
    return manifest


def _one_ahead(blocks: Iterable[list[Product]], encoder: Encoder) -> Iterator[tuple[list[Product], Encoding]]:
    """Each block with its encoding, while the next one is read and begun: no core waits for the other's tokens."""
    begun: tuple[list[Product], Encoding] | None = None
    try:
        for block in blocks:
            before, begun = begun, (block, encoder.begin(block))
            if before is not None:
                yield before
    except Exception:
        # Of a file that was changed meanwhile, say; what was begun before is kept all the same.
        if begun is not None:
            yield begun
        raise
    if begun is not None:
        yield begun


def _columns(encoded: Sequence[tuple[bytes, ProductRecord]]) -> tuple[list[bytes], list[ProductRecord]]:
    return [key for key, _ in encoded], [record for _, record in encoded]
