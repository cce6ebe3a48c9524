"""The door: a whole body is admitted as a unit by its predicted cost in tokens, or refused at once.

A body is refused where there is no room for it, or where the work ahead would make it miss its deadline: a late answer
helps nobody, and takes time from one that would be on time. Nothing waits here and nothing is tokenised yet. The
ticket holds the tokens until the answer is made.

A prediction errs. So what is let in is looked at once more when its turn has come: the same rule says until when each
request can begin (`latest_start`), and the queue passes over what cannot any more.
"""

from __future__ import annotations

import time
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
    due: float = inf
    """When it should be answered, in the clock's seconds, by when it began; infinite before, or without a deadline."""
    submitted: bool = False
    """Whether its work is in the queue."""


class Admission:
    """Keeps the admitted tokens within `capacity`, and predicts whether a deadline can be met."""

    def __init__(
        self,
        template: Template,
        capacity: int,
        speed: EngineSpeed,
        backlog: Backlog,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.outstanding = 0
        self.margin = LateMargin()
        self._template = template
        self._capacity = capacity
        self._speed = speed
        self._backlog = backlog
        self._clock = clock
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
        ticket = Ticket(cost, guess, catalogue_tokens)
        self.outstanding += cost
        self._not_submitted += cost
        self._bodies += 1
        try:
            yield ticket
        except DeadlineExceededError:
            self._learn(ticket)
            raise
        else:
            self._learn(ticket)
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

    def latest_start(self, tokens: int, deadline: float) -> float:
        """Until when a request of so many tokens can begin to be whole by `deadline`; both in the clock's seconds.

        Infinite for one that is too large for its deadline: there is nothing to miss.
        """
        now = self._clock()
        spare = self._spare_seconds(tokens, deadline - now)
        return now + spare if spare >= 0 else inf

    def began(self, ticket: Ticket, when: float) -> None:
        """Tell when the first micro-batch of a body with a deadline was cut: by when it is answered is learnt from.

        Without a deadline a body may rightly be overtaken, and says nothing.
        """
        ticket.due = when + ticket.tokens / self._speed.tokens_per_second

    def too_late(self, priority: int) -> OverloadedError:
        """The refusal of a body that was let in and could not begin in time."""
        return OverloadedError(
            "The work ahead took longer than predicted, too long for this request's deadline; "
            "try again after the stated seconds.",
            retry_after=self._backlog(priority) / self._speed.tokens_per_second,
        )

    def _most(self, requests: Sequence[Request]) -> int:
        """Tokens that the template lets the model read of what was sent.

        The learnt share may belong to other texts; without this bound a body could be taken for one that never fits.
        """
        return self._template.max_length * sum(not one.by_id for request in requests for one in request.candidates)

    def _learn(self, ticket: Ticket) -> None:
        if ticket.due < inf:
            self.margin.answered(self._clock() - ticket.due)

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
        spare = self._spare_seconds(cost, seconds_left)
        # What is too large for its deadline even on an idle service gets the best that half of its time can give.
        if delay > (spare if spare >= 0 else max(0.0, seconds_left) / 2):
            raise OverloadedError(
                "The work ahead would make this request miss its deadline; try again after the stated seconds.",
                retry_after=delay,
            )

    def _spare_seconds(self, cost: int, seconds_left: float) -> float:
        """For how long work of `cost` can wait and still be done in time; negative if it cannot be done in time."""
        return seconds_left - self.margin.seconds - cost / self._speed.tokens_per_second

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
