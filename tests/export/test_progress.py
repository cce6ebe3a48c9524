from __future__ import annotations

import io

from export.progress import ProgressLines


def test_a_log_gets_a_line_now_and_then_with_rate_and_time_left() -> None:
    now, stream = 0.0, io.StringIO()
    lines = ProgressLines("labels", stream, clock=lambda: now)
    now = 20.0  # what the reading of 1000 finished pairs took
    lines.report(1000, 4000, "")
    for second in range(1, 101):
        now = 20.0 + second
        lines.report(1000 + 10 * second, 4000, "")
    # Of a resumed run's 4000 pairs 1000 were there before: neither they nor their time count as speed.
    written = stream.getvalue().splitlines()
    assert len(written) == 4
    assert written[0] == "labels: 1100/4000, 10.0/s, 290 s left"


def test_the_end_is_always_told() -> None:
    stream = io.StringIO()
    ProgressLines("teacher", stream, clock=lambda: 0.0).report(5, 5, "loss 0.1000")
    assert stream.getvalue() == "teacher: 5/5, loss 0.1000\n"
