"""By how much answers come later than predicted at their beginning: a running quantile, learnt from the answers.

A prediction counts tokens. What it leaves out (others that rightly overtake, the last micro-batch's idle cores, the
reply, other processes) shows in the answers, and differs from machine to machine.
"""

from __future__ import annotations

QUANTILE = 0.85
"""Part of the requests that begin which shall keep their deadline.

More of them would leave the engine idle: the rare answer that is far too late would hold back all others."""

STEP_SECONDS = 0.005
"""How far one late answer moves the margin: a few of them make up for a wrong start."""


class LateMargin:
    """Seconds to add to a prediction so that `QUANTILE` of the answers come within it.

    Stochastic approximation (Robbins and Monro, 1951): an answer that is later moves the margin up by
    q steps, every other one down by 1 − q, which is in balance at the quantile q.
    """

    def __init__(self) -> None:
        self.seconds = 0.0

    def answered(self, late_by: float) -> None:
        """An answer came `late_by` seconds after its prediction, or is not there after so long."""
        step = QUANTILE if late_by > self.seconds else QUANTILE - 1
        self.seconds = max(0.0, self.seconds + STEP_SECONDS * step)
