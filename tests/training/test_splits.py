from __future__ import annotations

import logging
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relevance.product import Product
from training.datasets.schema import Dataset, Judgement
from training.errors import DataError
from training.splits import check_leakage, held_out_digest, query_key, split_as_ever, split_by_query, without_held_out


def dataset(queries: list[str]) -> Dataset:
    return Dataset("d", {"p": Product(id="p", title="t")}, [Judgement(query, "p", 0.5) for query in queries])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Bluetooth Speaker", "bluetooth speakers"),
        ("usb c cable", "cable USB C"),
        ("batteries", "battery"),
        ("red dress", "red dresses"),
        ("watch", "watches"),
        ("box", "boxes"),
        ("hoodie", "hoodies"),
        ("tv", "tvs"),
        ("men's shoes", "mens shoes"),
        ("café table", "cafe tables"),
        ("cafe\u0301 table", "café table"),
        ("Ёлка", "елка"),
        ("καφές", "καφες"),
        ("バス", "ハ\u3099ス"),
        ("ﾊﾞｽ", "バス"),
        ("काला जूता", "जूता काला"),
        ("1\ufe0f\u20e3 candle", "1 candle"),
        ("❤\ufe0f shirt", "❤ shirt"),
        (" 👟 ", "👟"),
    ],
)
def test_near_duplicates_share_a_key(first: str, second: str) -> None:
    assert query_key(first) == query_key(second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("iphone 7", "iphone 8"),
        ("aa battery", "aaa battery"),
        ("dress", "dre"),
        ("काला", "कील"),
        ("कल", "काल"),
        ("バス", "ハス"),
        ("プリン", "ブリン"),
        ("น้ำ", "นา"),
        ("👟", "🎁"),
        ("&", "+"),
    ],
)
def test_different_wishes_do_not(first: str, second: str) -> None:
    assert query_key(first) != query_key(second)


LATIN = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x24F), max_size=12)
ACCENTS = st.characters(min_codepoint=0x300, max_codepoint=0x32F)


@given(st.lists(st.tuples(st.sampled_from("aeioucnsyzAEIOUCNSYZ "), st.text(ACCENTS, max_size=2)), min_size=1))
def test_accents_of_latin_change_no_key(letters: list[tuple[str, str]]) -> None:
    plain = "".join(letter for letter, _ in letters)
    accented = "".join(letter + accents for letter, accents in letters)
    if plain.strip():
        assert query_key(accented) == query_key(unicodedata.normalize("NFC", accented)) == query_key(plain)


@given(LATIN)
def test_a_query_in_latin_has_the_key_of_its_letters_without_accents(query: str) -> None:
    decomposed = unicodedata.normalize("NFD", query)
    plain = "".join(character for character in decomposed if not unicodedata.combining(character))
    if any(map(str.isalnum, plain)):
        assert query_key(query) == query_key(plain)


@given(st.text(max_size=8))
def test_a_key_is_empty_only_for_a_blank_query(query: str) -> None:
    assert bool(query_key(query)) == bool(query.strip())


@given(st.sets(st.text("abcd ", min_size=1, max_size=6).filter(str.strip), min_size=2), st.integers(0, 9))
def test_no_key_is_on_both_sides_and_nothing_is_lost(queries: set[str], seed: int) -> None:
    names = sorted(queries)
    if len({query_key(name) for name in names}) < 2:
        with pytest.raises(DataError, match="two distinct queries"):
            split_by_query(dataset(names), 0.3, seed)
        return
    split = split_by_query(dataset(names), 0.3, seed)
    train, held_out = split.train.by_query().keys(), split.held_out.by_query().keys()
    assert sorted([*train, *held_out]) == names
    assert train
    assert held_out
    assert not {query_key(q) for q in train} & {query_key(q) for q in held_out}


def test_the_seed_decides_the_split() -> None:
    data = dataset([f"query number {word}" for word in "abcdefghijklmnop"])
    assert split_by_query(data, 0.25, 3) == split_by_query(data, 0.25, 3)
    assert len(split_by_query(data, 0.25, 3).held_out.by_query()) == 4


def test_leakage_is_an_error_that_names_both_queries() -> None:
    with pytest.raises(DataError, match=r"'red shoe'.*'Shoes red'"):
        check_leakage(["blue hat", "red shoe"], ["Shoes red"])


def test_held_out_queries_are_filtered_from_a_log() -> None:
    assert without_held_out(["shoes red", "blue hat"], ["red shoe"]) == ["blue hat"]


@given(st.integers(6, 60), st.integers(2, 5), st.integers(0, 99))
def test_folds_of_one_seed_hold_out_every_query_once(count: int, folds: int, seed: int) -> None:
    data = dataset([f"query{number} thing" for number in range(count)])
    wanted = max(1, round(count / folds))
    held_out: list[str] = []
    for fold in range(-(-count // wanted)):
        split = split_by_query(data, 1 / folds, seed, fold)
        assert not set(split.train.by_query()) & set(split.held_out.by_query())
        held_out += split.held_out.by_query()
    assert sorted(held_out) == sorted(data.by_query())


def test_a_fold_past_the_last_query_is_refused() -> None:
    with pytest.raises(DataError, match="fold 2 of 2 queries each lies past its 4 queries"):
        split_by_query(dataset(["a", "b", "c", "d"]), 0.5, 0, fold=2)


def official(queries: list[str], held_out: set[str]) -> Dataset:
    return Dataset(
        "d", *(getattr(dataset(queries), name) for name in ("products", "judgements")), (), frozenset(held_out)
    )


def test_a_split_of_the_datasets_own_goes_before_fraction_and_seed() -> None:
    data = official(["oak desk", "red shoe", "blue hat", "green tea"], {"red shoe", "green tea"})
    split = split_by_query(data, 0.9, 5)
    assert list(split.train.by_query()) == ["oak desk", "blue hat"]
    assert list(split.held_out.by_query()) == ["red shoe", "green tea"]
    assert split == split_by_query(data, 0.1, 6)


def test_a_split_of_the_datasets_own_has_one_fold() -> None:
    with pytest.raises(DataError, match="fold is 1, but its own split"):
        split_by_query(official(["oak desk", "red shoe"], {"red shoe"}), 0.5, 0, fold=1)


def test_near_duplicates_of_its_held_out_queries_leave_the_training_side_and_are_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO):
        split = split_by_query(official(["oak desk", "Shoes red", "shoe, red", "red shoe"], {"red shoe"}), 0.5, 0)
    assert list(split.train.by_query()) == ["oak desk"]
    assert list(split.held_out.by_query()) == ["red shoe"]
    assert "d: training queries left out as near-duplicates of held-out ones: 2" in caplog.text


@pytest.mark.parametrize(
    ("held_out", "side"),
    [(set(), "held-out"), ({"gone"}, "held-out"), ({"hat", "cap"}, "training"), ({"hats"}, "held-out")],
)
def test_a_split_of_its_own_with_an_empty_side_is_an_error(held_out: set[str], side: str) -> None:
    with pytest.raises(DataError, match=f"its own split leaves no {side} queries"):
        split_by_query(official(["hat", "cap"], held_out), 0.5, 0)


def test_a_side_of_a_split_has_no_held_out_queries_of_its_own() -> None:
    split = split_by_query(official(["oak desk", "hat", "cap"], {"cap"}), 0.5, 0)
    assert split.train.held_out_queries is None
    assert list(split_by_query(split.train, 0.5, 0).train.by_query())


@pytest.mark.parametrize("of_its_own", [True, False])
def test_what_the_general_check_asks_may_be_held_out_but_not_learnt_from(
    of_its_own: bool, caplog: pytest.LogCaptureFixture
) -> None:
    queries = ["dog beds", "kettle", "oak desk", "blue hat"]
    held_out: list[str] = []
    for fold in range(1 if of_its_own else 4):
        caplog.clear()
        with caplog.at_level(logging.INFO, "training.splits"):
            split = (
                split_by_query(official(queries, {"kettle"}), 0.5, 0)
                if of_its_own
                else split_by_query(dataset(queries), 0.25, 0, fold)
            )
        held_out += split.held_out.by_query()
        assert set(split.train.by_query()) == {"oak desk", "blue hat"} - {*split.held_out.by_query()}
        left_out = len({"dog beds", "kettle"} - {*split.held_out.by_query()})
        assert f"d: training queries left out as near-duplicates of the general check's: {left_out}" in caplog.text
    assert sorted(held_out) == (["kettle"] if of_its_own else sorted(queries))


def test_a_dataset_of_nothing_but_the_general_checks_queries_is_an_error() -> None:
    with pytest.raises(DataError, match="dataset d: all of its training queries"):
        split_by_query(dataset(["dog bed", "kettle"]), 0.5, 0)


def test_the_digest_of_what_is_held_out_is_that_of_its_queries() -> None:
    data = dataset([f"word{letter}" for letter in "abcdefghij"])
    one, other = (split_by_query(data, 0.3, seed) for seed in (0, 1))
    assert held_out_digest(one) == held_out_digest(replace(one, train=other.train))
    assert held_out_digest(one) != held_out_digest(other)


def test_only_a_split_of_ascii_queries_is_that_of_every_version() -> None:
    assert split_as_ever(split_by_query(dataset(["lamp", "desk"]), 0.5, 0))
    assert not split_as_ever(split_by_query(dataset(["lamp", "\u30ab\u30d0\u30f3"]), 0.5, 0))


NEAR_DUPLICATES = ["red shoe", "red shoes", "shoe red", "Red Shoe", "shoes red", "RED SHOES"]


def test_a_share_that_near_duplicates_make_another_is_said(caplog: pytest.LogCaptureFixture) -> None:
    data = dataset([*NEAR_DUPLICATES, "oak desk", "blue hat"])
    shares = {len(split_by_query(data, 0.25, seed).held_out.by_query()) for seed in range(9)}
    assert 6 in shares
    assert (
        "d: 6 of 8 queries (75 %) are held out, where 25 % are asked for (held_out_fraction): near-dup" in caplog.text
    )


@pytest.mark.parametrize(("fraction", "fold"), [(0.25, 0), (0.4, 2), (0.9, 0)])
def test_a_share_as_asked_for_and_one_that_only_rounds_are_not(
    fraction: float, fold: int, caplog: pytest.LogCaptureFixture
) -> None:
    split_by_query(dataset([f"query {letter} thing" for letter in "abcde"]), fraction, 0, fold)
    split_by_query(dataset(["desk", "desks", *(f"query {letter} thing" for letter in "abcdefgh")]), 0.5, 0)
    assert "asked for" not in caplog.text


def test_queries_that_are_one_to_a_split_are_named_as_near_duplicates() -> None:
    with pytest.raises(DataError, match=r"found 1: its 6 queries, such as 'red shoe' and 'red shoes', count as near-"):
        split_by_query(dataset(NEAR_DUPLICATES), 0.25, 0)
    for queries in (["red shoe"], []):
        with pytest.raises(DataError, match=f"found {len(queries)}$"):
            split_by_query(dataset(queries), 0.25, 0)
