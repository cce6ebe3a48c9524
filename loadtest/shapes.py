"""How long a shop's requests and products are: a histogram for each, read from a JSON file or the one that comes along.

`{"candidates": {"50": 3, "100": 1}, "query_words": …, "title_words": …, "description_words": …, "attributes": …}`:
value → weight. `shapes.json` says where its weights come from.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

DEFAULT_SHAPES = Path(__file__).with_name("shapes.json")


def _has_weight(weights: Mapping[int, float]) -> Mapping[int, float]:
    if not sum(weights.values()) > 0:
        raise ValueError("some value needs a weight above 0")
    return weights


Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Histogram = Annotated[Mapping[Annotated[int, Field(ge=0)], Weight], AfterValidator(_has_weight)]
FromOne = Annotated[Mapping[Annotated[int, Field(ge=1)], Weight], AfterValidator(_has_weight)]


class Shapes(BaseModel):
    """Weights of candidates per request, words of a query, a title and a description, attributes of a product."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str = ""
    candidates: FromOne
    query_words: FromOne
    title_words: FromOne
    description_words: Histogram
    attributes: Histogram

    @property
    def most_candidates(self) -> int:
        """The longest list that is drawn."""
        return max(count for count, weight in self.candidates.items() if weight > 0)

    @property
    def mean_candidates(self) -> float:
        """Candidates per request on average."""
        return sum(count * weight for count, weight in self.candidates.items()) / sum(self.candidates.values())

    def of_length(self, candidates: int | str | None) -> Shapes:
        """The same with lists of one length, if one is given; a length below 1 is a ValueError."""
        if candidates is None:
            return self
        return Shapes.model_validate(self.model_dump() | {"candidates": {candidates: 1}})


class ShapesError(Exception):
    """A file of histograms that cannot be used; names the file and what is wrong in it."""


def load_shapes(path: Path = DEFAULT_SHAPES) -> Shapes:
    """The histograms in `path`; ShapesError if it cannot be read or does not hold them."""
    try:
        return Shapes.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ShapesError(f"cannot read {path}: {error.strerror}") from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'file'}: {one['msg']}" for one in error.errors())
        raise ShapesError(f"{path}: {problems}") from error


class Draw:
    """Draws values of a histogram by its weights."""

    def __init__(self, weights: Mapping[int, float]) -> None:
        self._values = sorted(weights)
        self._below = list(accumulate(weights[value] for value in self._values))

    def at(self, share: float) -> int:
        """The value below which `share` (in [0, 1)) of the weight lies."""
        return self._values[bisect_right(self._below, share * self._below[-1])]
