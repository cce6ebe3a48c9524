"""Calibration: from a model's logit to a probability of relevance that one can threshold."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field


class Calibration(BaseModel):
    """Platt scaling: probability = sigmoid(scale · logit + bias). `scale` > 0 keeps the order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    bias: Annotated[float, Field(allow_inf_nan=False)] = 0.0

    def probability(self, logits: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """Map logits of any shape to probabilities of the same shape; computed in fp64, given in fp32."""
        scaled = self.scale * np.asarray(logits, dtype=np.float64) + self.bias
        # exp of a non-positive number only: no overflow for logits of any size.
        decay = np.exp(-np.abs(scaled))
        return np.asarray(np.where(scaled >= 0, 1.0, decay) / (1.0 + decay), dtype=np.float32)


class LabelBand(BaseModel):
    """A named band of scores, from `min_score` up to the next band's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1)]
    min_score: Annotated[float, Field(ge=0, le=1)]


class Labels:
    """Names of the bands that scores lie in."""

    def __init__(self, bands: Sequence[LabelBand]) -> None:
        # Of bands that begin at one score the first counts: it must be the last before any higher score.
        ordered = sorted(enumerate(bands), key=lambda place: (place[1].min_score, -place[0]))
        self._starts = [band.min_score for _, band in ordered]
        self._names = [None, *(band.name for _, band in ordered)]

    def of(self, score: float) -> str | None:
        """Name of the highest band whose `min_score` is reached, or None without bands."""
        return self._names[bisect_right(self._starts, score)]
