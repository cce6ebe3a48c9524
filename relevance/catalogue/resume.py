"""What a build finds in its directory: nothing, a build to go on with, or something it must not touch."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from pydantic_core import from_json

from relevance.bundle import MANIFEST
from relevance.catalogue.errors import CatalogueError, FinishedError
from relevance.catalogue.index_file import ShardIndex, index_path, parse_index, shard_path
from relevance.catalogue.whole_files import PARTIAL, write_whole

log = logging.getLogger("aisle.catalogue")

PLAN: Final = "plan.json"
FILES_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Plan:
    """What must be the same when a build goes on: shards of two encoders or sources do not make one catalogue."""

    encoder_version: str
    width: int
    source: str


def begin_or_resume(directory: Path, plan: Plan) -> list[ShardIndex]:
    """The finished shards of this build, none at its beginning; leftovers of unfinished ones are removed.

    FinishedError if the directory holds a finished catalogue; CatalogueError if a build with another plan, a damaged
    shard, or what is none of a catalogue.
    """
    if (directory / MANIFEST).exists():
        raise FinishedError(
            f"{directory / MANIFEST} is there: this catalogue is finished and never changed; build into a new "
            "directory and let it take this one's place by rename"
        )
    check_directory(directory)
    _check_plan(directory / PLAN, plan)
    shards = _finished_shards(directory)
    _remove_unfinished(directory, len(shards))
    return shards


def check_directory(directory: Path) -> None:
    """CatalogueError for what is no directory, and for one of other files, which a catalogue would lie among."""
    if os.path.lexists(directory) and not directory.is_dir():
        kind = "a file" if directory.exists() else "a link that leads nowhere"
        raise CatalogueError(f"{directory} is {kind}, where a directory is wanted; choose a new or an empty one")
    if not directory.is_dir() or any((directory / name).exists() for name in (MANIFEST, PLAN)):
        return
    begun = (f"{PLAN}{PARTIAL}", f"{MANIFEST}{PARTIAL}")
    names = sorted(path.name for path in directory.iterdir())
    other = [name for name in names if name not in begun and not name.startswith(("records-", "."))]
    if other:
        shown = ", ".join(other[:FILES_NAMED]) + (", …" if len(other) > FILES_NAMED else "")
        raise CatalogueError(
            f"{directory} holds other files ({shown}) and is no catalogue; choose a new or an empty directory"
        )


def _check_plan(path: Path, plan: Plan) -> None:
    wanted = asdict(plan)
    if not path.exists():
        if any(path.parent.glob("records-*")):
            raise CatalogueError(f"{path} is not there but shards are; delete {path.parent} to build anew")
        _write_plan(path, wanted)
        return
    try:
        begun = from_json(path.read_bytes())
    except ValueError as error:
        raise CatalogueError(f"{path} cannot be read ({error}); delete {path.parent} to build anew") from error
    if begun == wanted:
        return
    is_plan = isinstance(begun, dict) and begun.keys() == wanted.keys()
    if is_plan and not any(path.parent.glob("records-*.idx")):
        # No shard of the other build is finished: there is nothing that this one could go on from, or lose.
        _write_plan(path, wanted)
        return
    other = [name for name in wanted if not isinstance(begun, dict) or begun.get(name) != wanted[name]]
    raise CatalogueError(
        f"{path}: this build was begun with another {', '.join(other)}; "
        f"delete {path.parent} to build anew, or choose another directory"
    )


def _write_plan(path: Path, wanted: dict[str, Any]) -> None:
    write_whole(path, (json.dumps(wanted, indent=2) + "\n").encode())


def _finished_shards(directory: Path) -> list[ShardIndex]:
    shards: list[ShardIndex] = []
    while (path := index_path(directory, len(shards))).exists():
        records = shard_path(directory, len(shards))
        mend = _written_again(path.stem)
        index = parse_index(path, path.read_bytes(), mend)
        if not records.is_file() or records.stat().st_size != index.shard_bytes:
            raise CatalogueError(f"{records} is not the file that {path.name} tells of; {mend}")
        shards.append(index)
    return shards


def _written_again(shard: str) -> str:
    """What to do about a damaged shard. Later ones refer to its records, so a gap among them cannot be filled."""
    behind = f"delete all files of {shard} and of the shards behind it"
    return f"restore it, or {behind} and run again: those before it are kept"


def _remove_unfinished(directory: Path, finished: int) -> None:
    kept = {file(directory, number) for number in range(finished) for file in (shard_path, index_path)}
    left, missing = set(directory.glob("records-*")) - kept, index_path(directory, finished)
    # Only what a killed build can leave: a shard behind a gap was finished, and someone took its neighbour away.
    unfinished = {path for path in left if path.name.endswith(PARTIAL) or path == shard_path(directory, finished)}
    if behind := sorted(left - unfinished):
        raise CatalogueError(
            f"{behind[0]} is there, but {missing.name} before it is not; {_written_again(missing.stem)}"
        )
    for path in unfinished:
        path.unlink()
