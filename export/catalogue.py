"""Build the catalogue of a shop: `python -m export.catalogue products.parquet -o catalogue/ --bundle DIR --verify`.

Every row is checked before the first is encoded, and the file must not change until the last one is. A build that was
stopped goes on when the same command is run again.
`--verify` reads every record once more; without a file of products it is all that is done.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

from export.catalogue_build import Encoder, build_catalogue, verify_catalogue
from export.errors import INTERRUPTED, ExportError
from export.product_encoder import open_encoder
from export.product_file import ProductFile
from relevance.bundle import BundleError, Precision
from relevance.catalogue import CatalogueError

log = logging.getLogger("aisle.export")

OpenEncoder = Callable[[Path, Precision], Encoder]
"""From a bundle's directory to its product encoder of that precision."""


def main(arguments: Sequence[str] | None = None, open_encoder: OpenEncoder = open_encoder) -> int:
    """Run the command; the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.products is None and not options.verify:
        parser.error("give a file of products, or --verify")
    if options.products is not None and options.bundle is None:
        parser.error("--bundle is missing: its encoder makes the records")
    try:
        if options.products is not None:
            _build(options, open_encoder)
        if options.verify:
            log.info("%s: %d records, all whole", options.output, verify_catalogue(options.output))
    except (CatalogueError, ExportError, BundleError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        kept = "" if options.products is None else "; finished shards are kept, and the same command goes on from them"
        print(f"interrupted{kept}", file=sys.stderr)
        return INTERRUPTED
    return 0


def _build(options: argparse.Namespace, open_encoder: OpenEncoder) -> None:
    encoder = open_encoder(options.bundle, options.precision)
    manifest = build_catalogue(ProductFile(options.products), options.output, encoder)
    size = sum(file.bytes for file in manifest.files.values())
    shared = manifest.products - manifest.records
    log.info(
        "%s: %d products, %d of them with the record of another; %.1f MB, %.0f bytes a product",
        *(options.output, manifest.products, shared, size / 1e6, size / max(1, manifest.products)),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m export.catalogue", description=__doc__)
    parser.add_argument("products", type=Path, nargs="?", help="Parquet or JSON lines, also gzipped, of products")
    parser.add_argument("-o", "--output", type=Path, required=True, help="directory of the catalogue")
    parser.add_argument(
        "--precision",
        choices=get_args(Precision),
        default="int8",
        help="of the encoder: the one that is served, int8 on a CPU and fp16 on a GPU",
    )
    parser.add_argument("--bundle", type=Path, help="bundle of the split student whose encoder makes the records")
    parser.add_argument("--verify", action="store_true", help="read every record again and check it")
    return parser


if __name__ == "__main__":
    sys.exit(main())
