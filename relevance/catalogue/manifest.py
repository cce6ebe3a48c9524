"""`manifest.json` of a catalogue: what it holds and for which encoder, with the digest of every file and its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from relevance.bundle import MANIFEST, FileName, FileRecord, first_fault, manifest_digest
from relevance.catalogue.errors import CatalogueError
from relevance.catalogue.index_file import index_path, shard_path
from relevance.catalogue.whole_files import write_whole

FORMAT_VERSION: Final = 1
AGAIN: Final = "build the catalogue again in another directory"

Count = Annotated[int, Field(ge=0)]


class CatalogueManifest(BaseModel):
    """`products` ids point to `records` stored once each; `source` names what they were read from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: Literal[1] = FORMAT_VERSION
    encoder_version: str
    width: Annotated[int, Field(ge=1)]
    source: str = ""
    products: Count
    records: Count
    shards: Count
    files: dict[FileName, FileRecord]


def write_manifest(directory: Path, manifest: CatalogueManifest) -> None:
    """Write the manifest whole, as the last file of a catalogue."""
    content = manifest.model_dump(mode="json")
    content["sha256"] = manifest_digest(content)
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    write_whole(directory / MANIFEST, text.encode("utf-8", "surrogatepass"))


def read_manifest(directory: Path) -> tuple[CatalogueManifest, str]:
    """The manifest and its digest; CatalogueError if it is not there, altered, or of another format."""
    path = directory / MANIFEST
    content = _read_object(path)
    if "format_version" not in content:
        raise CatalogueError(f"{path} is no catalogue's: it has no format_version; check the path")
    if content.get("format_version") != FORMAT_VERSION:
        found = content.get("format_version")
        raise CatalogueError(
            f"{path} has format_version {found!r}, this Aisle reads {FORMAT_VERSION}; build the catalogue again"
        )
    digest = manifest_digest({name: value for name, value in content.items() if name != "sha256"})
    if content.pop("sha256", None) != digest:
        raise CatalogueError(f"{path} was altered after it was written; {AGAIN}")
    try:
        manifest = CatalogueManifest.model_validate(content)
    except ValidationError as error:
        raise CatalogueError(f"{path} is no catalogue's: {first_fault(error)}; check the path") from error
    for number in range(manifest.shards):
        for file in (shard_path(directory, number), index_path(directory, number)):
            if file.name not in manifest.files:
                raise CatalogueError(f"{path}: {file.name} is used but has no entry under 'files'; {AGAIN}")
    return manifest, digest


def read_digest(directory: Path) -> str | None:
    """The digest that the manifest carries, unchecked: enough to see that it is another one. None if unreadable."""
    try:
        digest = _read_object(directory / MANIFEST).get("sha256")
    except CatalogueError:
        return None
    return digest if isinstance(digest, str) else None


def _read_object(path: Path) -> dict[str, Any]:
    try:
        content = from_json(path.read_bytes())
    except FileNotFoundError as error:
        raise CatalogueError(
            f"{path} is not there, so this is no finished catalogue; check the path, or run its build to the end"
        ) from error
    except (OSError, ValueError) as error:
        raise CatalogueError(f"{path} cannot be read ({error}); {AGAIN}") from error
    if not isinstance(content, dict):
        raise CatalogueError(f"{path} must hold a JSON object; {AGAIN}")
    return content
