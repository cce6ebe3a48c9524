from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.group.member import VARIABLE, Member, environment_of, member_of_group, share_of
from service.settings import Settings


def member(number: int = 0, replicas: int = 2, group: str = "none") -> Member:
    return Member(number, replicas, channel=7, group=group)


@given(cores=st.integers(1, 200), replicas=st.integers(1, 200))
def test_the_shares_of_the_cores_are_all_of_them_and_alike(cores: int, replicas: int) -> None:
    shares = [share_of(cores, member(number, replicas)) for number in range(replicas)]
    assert sum(shares) == max(cores, replicas)
    assert max(shares) - min(shares) <= 1


def test_a_replica_finds_its_place_and_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(replicas=3, token_cache_mb=100, score_cache_mb=0, max_connections=100)
    base = {"PATH": "/bin", "AISLE_REPLICAS": "3", "aisle_token_cache_mb": "100", "AISLE_PORT": "9000"}
    environment = environment_of(member(1, 3), settings, cores=8, base=base)
    assert "AISLE_REPLICAS" not in environment
    assert "aisle_token_cache_mb" not in environment
    assert (environment["PATH"], environment["AISLE_PORT"]) == ("/bin", "9000")
    for name in list(environment):
        monkeypatch.setenv(name, environment[name])
    assert member_of_group() == member(1, 3)
    own = Settings()
    assert (own.replicas, own.cores, own.token_cache_mb, own.max_connections) == (1, 3, 34, 34)
    # Off is off for all; what nobody gave is shared, too.
    assert (own.score_cache_mb, own.product_cache_mb) == (0, -(-Settings.model_fields["product_cache_mb"].default // 3))


def test_a_process_by_itself_is_no_member(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert member_of_group() is None


def test_a_replica_listens_where_the_others_find_it_also_when_started_again() -> None:
    first, second = (member(number, group="test-of-listening") for number in range(2))
    assert second.others() == {0: first.place_of(0)}
    for _ in range(2):
        with first.listen() as listening:
            assert listening.getsockname() == second.others()[0].encode()
