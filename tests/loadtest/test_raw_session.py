from __future__ import annotations

import pytest

from loadtest.raw_session import Drive, RawSessions
from loadtest.workload import Workload
from relevance.bundle import Bundle

BODIES = Workload(seed=0, candidates=20).bodies(4)


@pytest.fixture(scope="module")
def raw(bundle: Bundle) -> RawSessions:
    return RawSessions(bundle, BODIES)


def pairs_of(drive: Drive) -> int:
    return sum(len(feed["input_ids"]) for feed in drive.feeds)


def test_the_ceiling_is_driven_in_batches_of_pairs_sorted_by_length(raw: RawSessions) -> None:
    drive = raw.ceiling(trial_seconds=0.01)
    assert drive.batch in (8, 16, 32)
    assert pairs_of(drive) == 80 - 80 % drive.batch
    for feed in drive.feeds:
        assert feed["attention_mask"].mean() > 0.8
    assert str(drive) == f"{drive.workers} worker(s) of {drive.threads} thread(s), {drive.batch} pair(s) a batch"


def test_short_batches_do_not_come_first(bundle: Bundle) -> None:
    # A short measurement, which does not get through all of them, would be one of short pairs.
    titles = [{"query": "sofa", "candidates": [{"title": "blue " * words}] * 32} for words in range(1, 9)]
    drive = RawSessions(bundle, titles).ceiling(trial_seconds=0.01)
    widths = [feed["input_ids"].shape[1] for feed in drive.feeds]
    assert widths != sorted(widths)


def test_one_pair_at_a_time_is_one_worker(raw: RawSessions) -> None:
    drive = raw.one_pair(trial_seconds=0.01)
    assert (drive.workers, drive.batch, pairs_of(drive)) == (1, 1, 80)


def test_every_batch_is_timed(raw: RawSessions) -> None:
    drive = raw.ceiling(trial_seconds=0.01)
    measured = drive.measure(seconds=0.1)
    assert measured.pairs == drive.batch * len(measured.latencies) > 0
    assert measured.seconds >= 0.1
    assert 0 < min(measured.latencies) <= max(measured.latencies) <= measured.seconds


def test_tokens_are_those_of_the_pair_rule(raw: RawSessions, bundle: Bundle) -> None:
    encoder = bundle.pair_encoder()
    query = encoder.encode_queries([BODIES[0]["query"]])[0]
    longest = max(len(query.ids) for _ in BODIES) + encoder.template.product_max_tokens + 3
    assert 3 < raw.mean_tokens <= max(longest, encoder.template.max_length)
