"""How long before its deadline a request must be predicted to be done to be let in: learnt from what became of others.

A prediction counts tokens. What it leaves out (requests that rightly overtake, the last micro-batch's idle cores, the
reply, other processes) differs from machine to machine, and shows in how many deadlines are missed.
"""

from __future__ import annotations

IN_TIME = 0.97
"""Part of the requests with a deadline that shall be whole by it. For more the door would let in too little to do."""

STEP_SECONDS = 0.005
"""How far one missed deadline moves the margin: a few of them make up for a wrong start."""


class LateMargin:
    """Seconds to keep between prediction and deadline so that `IN_TIME` of the requests keep it.

    Stochastic approximation (Robbins and Monro, 1951): a request that misses its deadline moves the margin up by q
    steps, every other one down by 1 − q, which is in balance where the part q of them is in time.
    """

    def __init__(self) -> None:
        self.seconds = 0.0

    def answered(self, in_time: bool, most: float) -> None:
        """A request kept its deadline or missed it, which says nothing of margins above `most`: it had none such."""
        if in_time:
            self.seconds = max(0.0, self.seconds - STEP_SECONDS * (1 - IN_TIME))
        elif self.seconds < most:
            self.seconds = min(most, self.seconds + STEP_SECONDS * IN_TIME)
