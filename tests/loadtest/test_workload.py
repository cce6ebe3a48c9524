from __future__ import annotations

from loadtest.workload import Workload


def test_a_seed_draws_the_same_requests_again() -> None:
    assert Workload(seed=3, candidates=5).bodies(4) == Workload(seed=3, candidates=5).bodies(4)
    assert Workload(seed=3, candidates=5).bodies(4) != Workload(seed=4, candidates=5).bodies(4)


def test_requests_have_the_shape_of_the_contract() -> None:
    for body in Workload(seed=0, candidates=50).bodies(3):
        assert body.keys() == {"query", "candidates"}
        assert len(body["candidates"]) == 50
        assert len({candidate["id"] for candidate in body["candidates"]}) == 50
        assert 8 <= sum(len(candidate["title"].split()) for candidate in body["candidates"]) / 50 <= 20
