"""The model artefact: one directory that is proven whole before anything of it is used.

`manifest.json` is written last and carries its own digest, so a directory with a valid manifest is a
finished, unaltered bundle. Errors:

    BundleError                 anything that makes a bundle unusable
    ├── BundleMissingError      the directory or one of its files is not there
    ├── BundleAlteredError      a file's digest differs from the manifest
    └── BundleFormatError       the manifest cannot be read, or is of another format version
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import from_json
from tokenizers import Tokenizer

from relevance.calibration import Calibration, LabelBand
from relevance.pair_encoding import PairEncoder
from relevance.template import Template

FORMAT_VERSION: Final = 1
MANIFEST = "manifest.json"
TOKENIZER = "tokenizer.json"
CARD = "README.md"
CATALOGUE_FIELDS: Final = frozenset(("encoder_version", "products", "records", "shards"))
"""By which the manifest of a catalogue is known, see `relevance/catalogue/manifest.py`."""
GIVE_A_BUNDLE: Final = "give the directory of a bundle, as a training run or an export writes it"

Precision = Literal["fp32", "fp16", "int8"]
GRAPH_FILES: dict[Precision, str] = {"fp32": "model.onnx", "fp16": "model.fp16.onnx", "int8": "model.int8.onnx"}


SplitPart = Literal["encoder", "query", "joint"]
SPLIT_PARTS: tuple[SplitPart, ...] = get_args(SplitPart)
"""The graphs of a split student, see `split_graphs.py`."""


class BundleError(Exception):
    """A bundle that cannot be used; the message names the file and what to do."""


class BundleMissingError(BundleError):
    """The bundle, or a file that its manifest names, is not there."""


class BundleAlteredError(BundleError):
    """A file is not the one that the manifest describes."""


class BundleFormatError(BundleError):
    """The manifest cannot be understood by this version of Aisle."""


FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
"""A plain name inside the bundle's directory: a manifest can not point outside of it."""


class FileRecord(BaseModel):
    """What a file must be: its sha256 and its size in bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(ge=0)]


class SplitManifest(BaseModel):
    """What a manifest says of a split student. `graphs` are file names by precision and part."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    latent_width: Annotated[int, Field(ge=1)]
    joint_layers: Annotated[int, Field(ge=1)]
    graphs: dict[Precision, dict[SplitPart, FileName]]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for precision, parts in self.graphs.items():
            if missing := sorted(set(SPLIT_PARTS) - set(parts)):
                raise ValueError(f"split.graphs.{precision} lacks {', '.join(missing)}")
        return self


class Manifest(BaseModel):
    """All that is known of a bundle: what to run, how it was made, how good it was measured to be."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: Literal[1] = FORMAT_VERSION
    name: Annotated[str, Field(min_length=1)]
    version: Annotated[str, Field(min_length=1)]
    architecture: Literal["cross_encoder", "split_cross_encoder"] = "cross_encoder"
    template: Template
    calibration: Calibration
    labels: tuple[LabelBand, ...] = ()
    graphs: dict[Precision, FileName] = {}
    """A cross-encoder's graphs."""
    split: SplitManifest | None = None
    files: dict[FileName, FileRecord]
    training: dict[str, Any] = {}
    metrics: dict[str, Any] = {}
    parity: dict[str, Any] = {}
    licences: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _graphs_suit_the_architecture(self) -> Self:
        if self.architecture == "cross_encoder" and (self.split or not self.graphs):
            raise ValueError("a cross_encoder has 'graphs', and no 'split'")
        if self.architecture == "split_cross_encoder" and (not self.split or self.graphs):
            raise ValueError("a split_cross_encoder has 'split', and no 'graphs'")
        return self

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """In which it can be run."""
        return tuple(self.split.graphs if self.split else self.graphs)

    @property
    def graph_files(self) -> tuple[str, ...]:
        """All graphs."""
        if self.split:
            return tuple(name for parts in self.split.graphs.values() for name in parts.values())
        return tuple(self.graphs.values())


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose files have been checked."""

    directory: Path
    manifest: Manifest

    def graph_path(self, precision: Precision) -> Path:
        """Path of the graph of that precision, or BundleMissingError naming those there are."""
        self._check_precision(precision)
        return self.directory / self.manifest.graphs[precision]

    def split_path(self, precision: Precision, part: SplitPart) -> Path:
        """Path of a split student's graph, or BundleMissingError naming the precisions that there are."""
        self._check_precision(precision)
        assert self.manifest.split is not None
        return self.directory / self.manifest.split.graphs[precision][part]

    def encoder_version(self, precision: Precision) -> str:
        """What the product records of a split student depend on: the encoder's graph, the tokenizer, the template."""
        graph = self.manifest.files[self.split_path(precision, "encoder").name].sha256
        parts = (graph, self.manifest.files[TOKENIZER].sha256, self.manifest.template.model_dump_json())
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def _check_precision(self, precision: Precision) -> None:
        if precision not in self.manifest.precisions:
            there = ", ".join(sorted(self.manifest.precisions))
            raise BundleMissingError(
                f"bundle {self.directory} has no {precision} graph, only: {there}; export it again with one"
            )

    def tokenizer(self) -> Tokenizer:
        """A tokenizer of its own."""
        return Tokenizer.from_file(str(self.directory / TOKENIZER))

    def pair_encoder(self) -> PairEncoder:
        """The pair rule with this bundle's tokenizer and template."""
        return PairEncoder(self.tokenizer(), self.manifest.template)


def load_bundle(directory: Path) -> Bundle:
    """Read and check a bundle: the manifest's digest, format version, and every file's digest.

    BundleError, whatever is wrong with it.
    """
    try:
        return _load(directory)
    except OSError as error:
        raise BundleMissingError(
            f"{error.filename or directory} cannot be read ({error.strerror}); check the permissions of this process"
        ) from error


def _load(directory: Path) -> Bundle:
    manifest = _read_manifest(directory)
    for required in (TOKENIZER, *manifest.graph_files):
        if required not in manifest.files:
            raise BundleFormatError(
                f"{directory / MANIFEST}: {required} is used but has no entry under 'files'; export the bundle again"
            )
    for name, record in manifest.files.items():
        _check_file(directory, name, record)
    return Bundle(directory, manifest)


def save_bundle(directory: Path, manifest_fields: Mapping[str, Any]) -> Bundle:
    """Finish a bundle whose graphs, tokenizer and card already lie in `directory`.

    `manifest_fields` are those of `Manifest` except `files`, which are measured here. The manifest is
    written last and atomically: a killed save leaves no bundle.
    """
    unfinished = Manifest(files={}, **manifest_fields)
    files = {name: _record(directory, name) for name in (TOKENIZER, CARD, *unfinished.graph_files)}
    manifest = unfinished.model_copy(update={"files": files})
    content = manifest.model_dump(mode="json")
    content["sha256"] = manifest_digest(content)
    partial = directory / f"{MANIFEST}.partial"
    partial.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(directory / MANIFEST)
    return load_bundle(directory)


def sha256_of(path: Path) -> str:
    """Hex digest of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_manifest(directory: Path) -> Manifest:
    path = directory / MANIFEST
    if not path.is_file():
        raise BundleMissingError(f"{path} is not there, so this is no finished bundle; check the path or export again")
    try:
        content = from_json(path.read_bytes())
    except ValueError as error:
        raise BundleFormatError(f"{path} is not valid JSON ({error}); restore the bundle from its source") from error
    if not isinstance(content, dict):
        raise BundleFormatError(f"{path} must hold a JSON object; restore the bundle from its source")
    _refuse_others(path, content)
    if content.get("format_version") != FORMAT_VERSION:
        raise BundleFormatError(
            f"{path} has format_version {content.get('format_version')!r}, this Aisle reads {FORMAT_VERSION}; "
            "upgrade Aisle, or export the bundle again with this version"
        )
    if content.pop("sha256", None) != manifest_digest(content):
        raise BundleAlteredError(f"{path} was altered after it was written; restore the bundle from its source")
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        raise BundleFormatError(f"{path} is no bundle's: {first_fault(error)}; {GIVE_A_BUNDLE}") from error


def _refuse_others(path: Path, content: Mapping[str, Any]) -> None:
    """BundleFormatError for the manifest of something else: that it was altered, or is of another version, misleads."""
    if content.keys() >= CATALOGUE_FIELDS:
        raise BundleFormatError(f"{path.parent} is a catalogue of product records and no bundle; {GIVE_A_BUNDLE}")
    if "format_version" not in content:
        raise BundleFormatError(f"{path} is no bundle's: it has no format_version; {GIVE_A_BUNDLE}")


def first_fault(error: ValidationError) -> str:
    """The first of what is wrong with a manifest, in one line."""
    first = error.errors(include_url=False)[0]
    field = ".".join(map(str, first["loc"]))
    return f"{field}: {first['msg']}" if field else first["msg"]


def _check_file(directory: Path, name: str, record: FileRecord) -> None:
    path = directory / name
    if not path.is_file():
        raise BundleMissingError(f"{path} is in the manifest but not there; restore the bundle from its source")
    if path.stat().st_size != record.bytes or sha256_of(path) != record.sha256:
        raise BundleAlteredError(f"{path} is not the file the manifest describes; restore the bundle from its source")


def _record(directory: Path, name: str) -> FileRecord:
    path = directory / name
    if not path.is_file():
        raise BundleMissingError(f"{path} must be written before the bundle is saved")
    return FileRecord(sha256=sha256_of(path), bytes=path.stat().st_size)


def manifest_digest(content: Mapping[str, Any]) -> str:
    """Hex digest of a manifest's fields, whatever their order or layout; its own `sha256` is not among them."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()
