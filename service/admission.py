"""The door: a whole body is admitted as a unit by its predicted cost in tokens, or refused at once.

Nothing waits here and nothing is tokenised yet. The ticket holds the tokens until the answer is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from relevance.product import field_text
from relevance.template import SPECIAL_TOKENS_PER_PAIR, Template
from service.backend import BatchRun
from service.batch_queue import DropReason
from service.errors import OverloadedError
from service.schemas import ScoreRequest

CHARS_PER_TOKEN = 4
"""Of product titles in Latin script, spaces included; the true cost replaces the guess after tokenising."""

SMOOTHING = 0.05
"""Weight of the newest micro-batch in the measured speed: the last 20 or so count."""


class Ticket:
    """The tokens that one admitted body holds."""

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens


class Admission:
    """Keeps the admitted tokens within `capacity`, and knows how fast they are worked off."""

    def __init__(self, template: Template, capacity: int, concurrency: int, tokens_per_second: float) -> None:
        """`tokens_per_second` is a first guess for one of the `concurrency` micro-batches that run at a time."""
        self.outstanding = 0
        self._template = template
        self._capacity = capacity
        self._concurrency = concurrency
        self._tokens_per_second = tokens_per_second

    @contextmanager
    def admit(self, requests: Sequence[ScoreRequest]) -> Iterator[Ticket]:
        """Hold room for `requests`; OverloadedError, with the predicted wait for room, if there is none."""
        cost = sum(predicted_tokens(request, self._template) for request in requests)
        excess = self.outstanding + cost - self._capacity
        if excess > 0:
            raise OverloadedError(
                "The service has all the work it can finish in time; try again after the stated seconds.",
                retry_after=excess / (self._tokens_per_second * self._concurrency),
            )
        ticket = Ticket(cost)
        self.outstanding += cost
        try:
            yield ticket
        finally:
            self.outstanding -= ticket.tokens

    def settle(self, ticket: Ticket, tokens: int) -> None:
        """Replace the predicted cost of an admitted body by its true one."""
        self.outstanding += tokens - ticket.tokens
        ticket.tokens = tokens

    def batch_done(self, run: BatchRun) -> None:
        """Learn the speed from a micro-batch."""
        if run.seconds > 0:
            self._tokens_per_second += SMOOTHING * (run.tokens / run.seconds - self._tokens_per_second)

    def work_dropped(self, reason: DropReason, pairs: int) -> None:
        """Dropped work says nothing about speed; its tokens are given back with the ticket."""


def predicted_tokens(request: ScoreRequest, template: Template) -> int:
    """Tokens that the model will read for `request`, guessed from its characters."""
    query = _guess(request.query, template.query_max_tokens)
    return sum(
        SPECIAL_TOKENS_PER_PAIR
        + query
        + sum(_guess(field_text(product, budget.field), budget.max_tokens) for budget in template.fields)
        for product in request.candidates
    )


def _guess(text: str, budget: int) -> int:
    return min(budget, -(-len(text) // CHARS_PER_TOKEN))
