from __future__ import annotations

import pytest
from pydantic import ValidationError

from service.autotune.tuning import BucketSpeed, Layout, OperatingPoint, Tuning


def test_a_tuning_knows_its_choice_and_the_rows_of_its_layout() -> None:
    rows = tuple(BucketSpeed(sessions=sessions, threads=1, pairs=1, length=8, ns_per_token=5.0) for sessions in (1, 2))
    tuning = Tuning(sessions=2, threads=1, micro_batch_tokens=64, table=rows)
    assert tuning.choice == OperatingPoint(Layout(2, 1), 64)
    assert tuning.buckets() == [rows[1]]


@pytest.mark.parametrize("field", ["sessions", "threads", "micro_batch_tokens", "tokens_per_second"])
def test_a_tuning_holds_no_impossible_figure(field: str) -> None:
    good = {"sessions": 1, "threads": 1, "micro_batch_tokens": 1, "tokens_per_second": 1.0}
    with pytest.raises(ValidationError, match=field):
        Tuning.model_validate(good | {field: 0})
