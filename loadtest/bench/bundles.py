"""Bundles as the benches name them: each option takes one kind, which is told before anything starts."""

from __future__ import annotations

from pathlib import Path

from relevance.bundle import Bundle, load_bundle


def cross_encoder(directory: Path) -> Bundle:
    """That of --bundle; RuntimeError if it is a split student, BundleError if it cannot be used."""
    bundle = load_bundle(directory)
    if bundle.manifest.split is not None:
        raise RuntimeError(f"{directory} is a split student, and --bundle takes a cross-encoder: use --split")
    return bundle


def split_student(directory: Path) -> Bundle:
    """That of --split; RuntimeError if it is a cross-encoder, BundleError if it cannot be used."""
    bundle = load_bundle(directory)
    if bundle.manifest.split is None:
        raise RuntimeError(f"{directory} is a cross-encoder, and --split takes a split student: use --bundle")
    return bundle
