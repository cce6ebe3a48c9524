"""The split student's part of the bench: its graphs driven directly, and services with and without a catalogue."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from loadtest.shapes import load_shapes
from loadtest.shop_workload import ProductsAs, Shop
from loadtest.workload import Body
from relevance.bundle import Bundle, Precision

NO_SCORES = {"score_cache_mb": 0}
"""Every pair is scored every time."""

COLD = {**NO_SCORES, "product_cache_mb": 0, "candidate_cache_mb": 0, "token_cache_mb": 0, "query_cache_mb": 0}


def shop(candidates: int, products: int, products_as: ProductsAs = "full", zipf: float = 1.0) -> Shop:
    """A shop with lists of `candidates` and texts as long as an electronics shop's."""
    return Shop(load_shapes().of_length(candidates), products=products, products_as=products_as, zipf=zipf)


def write_catalogue(bundle: Bundle, bodies: Sequence[Body], folder: Path, precision: Precision = "int8") -> Path:
    """The products of all bodies as a catalogue, built by the command that users run; RuntimeError if that fails."""
    products = {candidate["id"]: candidate for body in bodies for candidate in body["candidates"]}
    file, catalogue = folder / "products.jsonl", folder / "catalogue"
    file.write_text("".join(json.dumps(product) + "\n" for product in products.values()), encoding="utf-8")
    command = (sys.executable, "-m", "export.catalogue", str(file), "-o", str(catalogue))
    done = subprocess.run(
        (*command, "--bundle", str(bundle.directory), "--precision", precision),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"export.catalogue failed: {done.stderr.strip()[-1000:]}")
    return catalogue
