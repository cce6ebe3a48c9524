from __future__ import annotations

from loadtest.workload import LARGE, SMALL, RepeatingShop, Workload, mixed_bodies, random_sizes


def test_a_seed_draws_the_same_requests_again() -> None:
    assert Workload(seed=3, candidates=5).bodies(4) == Workload(seed=3, candidates=5).bodies(4)
    assert Workload(seed=3, candidates=5).bodies(4) != Workload(seed=4, candidates=5).bodies(4)


def test_requests_have_the_shape_of_the_contract() -> None:
    for body in Workload(seed=0, candidates=50).bodies(3):
        assert body.keys() == {"query", "candidates"}
        assert len(body["candidates"]) == 50
        assert len({candidate["id"] for candidate in body["candidates"]}) == 50
        assert 8 <= sum(len(candidate["title"].split()) for candidate in body["candidates"]) / 50 <= 20


def test_one_request_in_ten_of_a_mix_is_large() -> None:
    sizes = [len(body["candidates"]) for body in mixed_bodies(seed=1, count=100)]
    assert {sizes[start : start + 10].count(LARGE) for start in range(0, 100, 10)} == {1}
    assert set(sizes) == {SMALL, LARGE}
    # Not always the same place: an open loop would beat in time with it.
    assert len({sizes[start : start + 10].index(LARGE) for start in range(0, 100, 10)}) > 3


def test_random_sizes_span_the_range() -> None:
    sizes = {len(body["candidates"]) for body in random_sizes(seed=1, count=2000)}
    assert sizes == set(range(1, 101))


def test_a_repeating_shop_repeats_its_share_and_nothing_else() -> None:
    shop = RepeatingShop(seed=5, share=0.8, candidates=50)
    known = {(body["query"], candidate["title"]) for body in shop.known() for candidate in body["candidates"]}
    fresh: list[str] = []
    for body in shop.bodies(100):
        titles = [candidate["title"] for candidate in body["candidates"]]
        new = [title for title in titles if (body["query"], title) not in known]
        assert len(titles) == 50
        assert len(new) == 10
        fresh += new
    assert len(set(fresh)) == len(fresh)
