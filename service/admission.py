"""The door: a whole body is admitted as a unit by its predicted cost in tokens, or refused at once.

A body is refused where there is no room for it, or where the work ahead would make it miss its deadline: a late answer
helps nobody, and takes time from one that would be on time. Nothing waits here and nothing is tokenised yet. The
ticket holds the tokens until the answer is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf

from relevance.template import SPECIAL_TOKENS_PER_PAIR, Template
from service.decaying_ratio import DecayingRatio
from service.engine_speed import EngineSpeed
from service.errors import DeadlineExceededError, OverloadedError
from service.fair_clock import MAX_SHARERS
from service.late_margin import LateMargin
from service.predicted_cost import KNOWN_COST, guess_query
from service.request import Request

READY_AGAIN = 0.5
"""A full queue turns readiness off until it has come down to this part of its capacity."""

SHARE_TOKENS = 20_000
"""Guessed tokens of the latest bodies, over which it is learnt what share of a guess bodies really cost.

Texts differ in their characters per token, and a split student computes almost nothing for products that it knows.
"""

MOST_OF_SLACK = 0.5
"""The margin takes no more of a request's slack: it is learnt from what is let in, so it must never shut the door."""

Backlog = Callable[[int], int]
"""Priority → tokens of submitted work at least as urgent that is not done."""


@dataclass(slots=True, eq=False)
class Ticket:
    """What one admitted body holds until its answer is made."""

    tokens: int
    """Its cost: predicted, and the true one once it is tokenised."""
    guess: int
    """Tokens of its texts, guessed from their characters."""
    catalogue_tokens: int
    """Of `tokens`, those of the products that are named by their ids."""
    slack: float
    """Seconds that its deadline leaves beside its own work: infinite without one, negative if it cannot be whole."""
    submitted: bool = False
    """Whether its work is in the queue."""


class Admission:
    """Keeps the admitted tokens within `capacity`, and predicts whether a deadline can be met."""

    def __init__(self, template: Template, capacity: int, speed: EngineSpeed, backlog: Backlog) -> None:
        self.outstanding = 0
        self.margin = LateMargin()
        self._template = template
        self._capacity = capacity
        self._speed = speed
        self._backlog = backlog
        self._bodies = 0
        self._not_submitted = 0
        self._full = False
        self._share = DecayingRatio(1.0, SHARE_TOKENS)

    @property
    def saturated(self) -> bool:
        """Whether the queue has been full and has not come down far enough since."""
        self._full = self._full and self.outstanding > READY_AGAIN * self._capacity
        return self._full

    @contextmanager
    def admit(self, requests: Sequence[Request], seconds_left: float = inf) -> Iterator[Ticket]:
        """Hold room for `requests`, whose earliest deadline is `seconds_left` away.

        Raises OverloadedError, with the predicted wait, where there is no room or no time.
        """
        guess = sum(predicted_tokens(request, self._template) for request in requests)
        catalogue_tokens = KNOWN_COST * sum(one.by_id for request in requests for one in request.candidates)
        cost = max(1, min(round(guess * self._share.value), self._most(requests)) + catalogue_tokens)
        self._check_room(cost)
        self._check_time(cost, min(request.priority for request in requests), seconds_left)
        ticket = Ticket(cost, guess, catalogue_tokens, self._slack(cost, seconds_left))
        self.outstanding += cost
        self._not_submitted += cost
        self._bodies += 1
        try:
            yield ticket
        except DeadlineExceededError:
            self.answered(ticket, in_time=False)
            raise
        finally:
            self._bodies -= 1
            self.outstanding -= ticket.tokens
            self._submit(ticket)

    def settle(self, ticket: Ticket, tokens: int) -> None:
        """Replace the predicted cost of an admitted body by its true one; its work is submitted from here on."""
        self._submit(ticket)
        self.outstanding += tokens - ticket.tokens
        ticket.tokens = tokens
        self._share.add(max(0, tokens - ticket.catalogue_tokens), ticket.guess)

    def is_hurried(self, tokens: int, seconds_left: float) -> bool:
        """Whether so many tokens of work are not expected to be done in time, even with nothing ahead of them.

        The whole margin counts here: this shuts nobody out.
        """
        return self._slack(tokens, seconds_left) < self.margin.seconds

    def answered(self, ticket: Ticket, in_time: bool) -> None:
        """Tell whether a body was scored whole and by its deadline, which is learnt from where it could be."""
        if 0 <= ticket.slack < inf:
            self.margin.answered(in_time, most=ticket.slack * MOST_OF_SLACK)

    def _most(self, requests: Sequence[Request]) -> int:
        """Tokens that the template lets the model read of what was sent.

        The learnt share may belong to other texts; without this bound a body could be taken for one that never fits.
        """
        return self._template.max_length * sum(not one.by_id for request in requests for one in request.candidates)

    def _submit(self, ticket: Ticket) -> None:
        if not ticket.submitted:
            ticket.submitted = True
            self._not_submitted -= ticket.tokens

    def _check_room(self, cost: int) -> None:
        excess = self.outstanding + cost - self._capacity
        if excess > 0:
            self._full = True
            raise OverloadedError(
                "The service has all the work it can finish in time; try again after the stated seconds.",
                retry_after=excess / self._speed.tokens_per_second,
            )

    def _check_time(self, cost: int, priority: int, seconds_left: float) -> None:
        delay = self._tokens_before(cost, priority) / self._speed.tokens_per_second
        slack = self._slack(cost, seconds_left)
        # What is too large for its deadline even on an idle service gets the best that half of its time can give.
        usable = slack - min(self.margin.seconds, MOST_OF_SLACK * slack) if slack >= 0 else max(0.0, seconds_left) / 2
        if delay > usable:
            raise OverloadedError(
                "The work ahead would make this request miss its deadline; try again after the stated seconds.",
                retry_after=delay,
            )

    def _slack(self, tokens: int, seconds_left: float) -> float:
        """Seconds for which so many tokens of work can wait and be done in time, if nothing goes wrong."""
        return seconds_left - tokens / self._speed.tokens_per_second

    def _tokens_before(self, cost: int, priority: int) -> int:
        """Tokens that will be served before a body of `cost` is done, beside its own.

        In fair sharing no other body gets more than this one meanwhile, and all others together no more
        than the clock's largest number of sharers.
        """
        ahead = self._backlog(priority) + self._not_submitted
        return min(ahead, cost * min(self._bodies, MAX_SHARERS))


def predicted_tokens(request: Request, template: Template) -> int:
    """Tokens that the model will read for `request`, guessed from its characters."""
    sent = sum(not candidate.by_id for candidate in request.candidates)
    each = SPECIAL_TOKENS_PER_PAIR + guess_query(request.query, template)
    return sent * each + sum(candidate.guess for candidate in request.candidates)
