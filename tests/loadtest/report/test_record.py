from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.report.record import RecordError, read_record


def test_a_file_that_is_no_record_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="cannot read"):
        read_record(tmp_path / "none.json")
    (tmp_path / "other.json").write_text('{"version": 2}')
    with pytest.raises(RecordError, match=r"other\.json is not the record of a run: version"):
        read_record(tmp_path / "other.json")
