from __future__ import annotations

import json
from pathlib import Path

import pytest

from relevance.bundle import manifest_digest
from relevance.catalogue import CatalogueError
from relevance.catalogue.verification import verify_records
from tests.relevance.catalogue.hand_made import write_numbered


def test_a_file_that_goes_away_at_the_end_is_named(tmp_path: Path) -> None:
    directory = write_numbered(tmp_path / "catalogue", 25)

    def lose_one(_: int) -> None:
        (directory / "records-00001.bin").unlink(missing_ok=True)

    with pytest.raises(CatalogueError, match=r"records-00001\.bin cannot be read \(No such file.*\); restore it"):
        verify_records(directory, lose_one)


def test_a_file_that_the_manifest_names_beside_the_shards_is_read_too(tmp_path: Path) -> None:
    directory = write_numbered(tmp_path / "catalogue", 25)
    path = directory / "manifest.json"
    content = json.loads(path.read_bytes())
    del content["sha256"]
    content["files"]["other"] = {"sha256": "0" * 64, "bytes": 1}
    path.write_text(json.dumps({**content, "sha256": manifest_digest(content)}))
    with pytest.raises(CatalogueError, match=r"other cannot be read \(No such file"):
        verify_records(directory, lambda _: None)
    (directory / "other").mkdir()
    with pytest.raises(CatalogueError, match=r"other cannot be read \(Is a directory"):
        verify_records(directory, lambda _: None)
