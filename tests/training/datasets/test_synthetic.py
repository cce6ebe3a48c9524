"""The embedded catalogue: same seed, same data; the targets are the true relevance."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from relevance.product import PRODUCT_FIELDS, field_text
from training.datasets.schema import Dataset
from training.datasets.synthetic import DEPARTMENTS, SyntheticSize, build_synthetic
from training.datasets.synthetic.brands import BRANDS, brands_of_department, brands_of_type
from training.datasets.synthetic.generator import Item, generate_item, to_product
from training.datasets.synthetic.grammar import for_use, is_adjective, joined_kind, plural, with_feature
from training.datasets.synthetic.queries import Intent, intent_for, write_query
from training.datasets.synthetic.truth import true_relevance
from training.datasets.synthetic.vocabulary import LISTS, ProductType, load_vocabulary
from training.datasets.synthetic.wording import misspell, size_forms, title_case
from training.errors import DataError

SMALL = SyntheticSize(products=3000, queries=120, judged_per_query=20, log_queries=300)

SOFA = ProductType("seats", "sofa", accessories=("sofa cover",), neighbours=("corner sofa", "futon"))
CORNER_SOFA = ProductType("seats", "corner sofa")
FUTON = ProductType("seats", "futon")
SOFA_COVER = ProductType("seats", "sofa cover", goes_with=("sofa",), neighbours=("sofa",))
LEGGINGS = ProductType("women", "leggings")
KIDS_LEGGINGS = ProductType("kids", "kids leggings")
LAMP = ProductType("lights", "lamp")

RED_SOFA = Item(SOFA, "Mosswick", "sleeper", "faux leather", "dark red", "84 inch", ("tufted back",), audience="unisex")


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return build_synthetic(7, SMALL)


def test_same_seed_gives_the_same_dataset(dataset: Dataset) -> None:
    assert build_synthetic(7, SMALL) == dataset


def test_another_seed_gives_another_dataset(dataset: Dataset) -> None:
    other = build_synthetic(8, SMALL)
    titles = {product.title for product in dataset.products.values()}
    assert sum(product.title in titles for product in other.products.values()) < 0.2 * len(other.products)


def test_sizes_are_met_and_every_id_joins(dataset: Dataset) -> None:
    assert dataset.name == "synthetic"
    assert (len(dataset.products), len(dataset.by_query()), len(dataset.query_log)) == (3000, 120, 300)
    assert all(product.id == key for key, product in dataset.products.items())
    assert next(iter(dataset.products)) == "syn-000000"
    for judgements in dataset.by_query().values():
        ids = [judgement.product_id for judgement in judgements]
        assert len(set(ids)) == len(ids) == 20
        assert dataset.products.keys() >= set(ids)


def test_texts_are_clean(dataset: Dataset) -> None:
    texts = [product.title for product in dataset.products.values()]
    texts += [*dataset.by_query(), *(query.text for query in dataset.query_log)]
    assert [text for text in texts if not text.strip() or text != text.strip() or "  " in text or "None" in text] == []


def test_log_is_distinct_and_holds_no_judged_query(dataset: Dataset) -> None:
    texts = [query.text for query in dataset.query_log]
    assert len(set(texts)) == len(texts)
    assert not set(texts) & dataset.by_query().keys()
    assert all(query.weight > 0 for query in dataset.query_log)


def test_queries_have_several_grades(dataset: Dataset) -> None:
    grades = [{judgement.target for judgement in judgements} for judgements in dataset.by_query().values()]
    assert sum(len(targets) >= 2 for targets in grades) >= 0.9 * len(grades)
    assert sum(1.0 in targets for targets in grades) >= 0.8 * len(grades)
    counts = Counter(judgement.target for judgement in dataset.judgements)
    assert counts.keys() == {0.0, 0.25, 0.5, 1.0}
    assert min(counts.values()) >= 0.03 * len(dataset.judgements)


def test_department_filter() -> None:
    one = DEPARTMENTS[0]
    types = {kind.name for kind in load_vocabulary() if kind.department == one}
    small = build_synthetic(1, SyntheticSize(200, 20, 10, 30), [one])
    named = {product.product_type.lower() for product in small.products.values() if product.product_type}
    allowed = types | {plural(name) for name in types} | {f"{one} > {plural(name)}".lower() for name in types}
    assert named and named <= {name.lower() for name in allowed}


def test_unknown_department_is_refused() -> None:
    with pytest.raises(DataError, match="no department 'moon rocks'"):
        build_synthetic(1, SMALL, ["moon rocks"])


@pytest.mark.parametrize(
    ("intent", "item", "relevance"),
    [
        (Intent(SOFA), RED_SOFA, 1.0),
        (Intent(SOFA, kind="sleeper", color="red", size="84 inch", brand="Mosswick"), RED_SOFA, 1.0),
        (Intent(SOFA, feature="tufted back", audience="men"), RED_SOFA, 1.0),
        (Intent(SOFA, color="blue"), RED_SOFA, 0.5),
        (Intent(SOFA, kind="sectional"), RED_SOFA, 0.5),
        (Intent(SOFA, brand="Larkfell"), RED_SOFA, 0.5),
        (Intent(SOFA, size="72 inch"), RED_SOFA, 0.5),
        (Intent(SOFA, audience="kids"), RED_SOFA, 0.5),
        (Intent(SOFA, model="XR-240"), RED_SOFA, 0.5),
        (Intent(SOFA, material="leather"), RED_SOFA, 0.5),
        (Intent(SOFA, excluded="tufted back"), RED_SOFA, 0.5),
        (Intent(SOFA, excluded="red"), RED_SOFA, 0.5),
        (Intent(SOFA, excluded="leather"), RED_SOFA, 1.0),
        (Intent(SOFA, color="red"), Item(CORNER_SOFA, "Mosswick", color="red"), 0.5),
        (Intent(SOFA, color="red"), Item(CORNER_SOFA, "Mosswick", color="blue"), 0.25),
        (Intent(SOFA, kind="sleeper", color="red"), Item(FUTON, "Mosswick", color="red"), 0.25),
        (Intent(SOFA, color="red"), Item(FUTON, "Mosswick", color="blue"), 0.0),
        (Intent(FUTON), RED_SOFA, 0.25),
        (Intent(LEGGINGS), Item(KIDS_LEGGINGS, "Mosswick"), 0.25),
        (Intent(SOFA), Item(SOFA_COVER, "Mosswick"), 0.0),
        (Intent(SOFA_COVER), RED_SOFA, 0.0),
        (Intent(SOFA), Item(LAMP, "Mosswick"), 0.0),
    ],
)
def test_relevance_table(intent: Intent, item: Item, relevance: float) -> None:
    assert true_relevance(intent, item) == relevance


def test_an_item_fulfils_the_intent_drawn_from_it() -> None:
    rng = random.Random(3)
    for kind in load_vocabulary():
        item = generate_item(rng, kind)
        intent = intent_for(rng, item)
        assert true_relevance(intent, item) == 1.0, (intent, item)


def test_a_product_says_what_is_true_of_its_item() -> None:
    rng = random.Random(4)
    for kind in load_vocabulary():
        item = generate_item(rng, kind)
        product = to_product(rng, item, "x")
        text = " ".join(field_text(product, field) for field in PRODUCT_FIELDS).lower().replace("gray", "grey")
        sizes = {form.removeprefix("size ") for form in size_forms(item.size or "")}
        facts = (item.brand, item.kind, item.color, item.material, item.model, *item.features)
        missing = [
            fact for fact in facts if fact and fact.removeprefix("with ").lower().replace("gray", "grey") not in text
        ]
        assert missing == [], (item, product)
        assert any(size.lower() in text for size in sizes), (item, product)


def test_queries_name_the_type_and_are_mostly_lower_case() -> None:
    rng = random.Random(5)
    kind = ProductType("seats", "sofa", synonyms=("couch",))
    queries = [write_query(rng, Intent(kind, color="blue", excluded="tufted back")) for _ in range(400)]
    assert sum(query == query.lower() for query in queries) > 340
    exact = [
        query for query in queries if ("sofa" in query.lower() or "couch" in query.lower()) and "blue" in query.lower()
    ]
    assert 0.85 * len(queries) < len(exact) < len(queries)
    assert len(set(queries)) > 8


def test_vocabulary_is_broad_and_its_references_hold() -> None:
    types = load_vocabulary()
    by_name = {kind.name: kind for kind in types}
    assert len(by_name) == len(types) >= 550
    assert len(DEPARTMENTS) >= 40
    for kind in types:
        for name in (*kind.accessories, *kind.neighbours, *kind.goes_with):
            assert by_name[name].department == kind.department
        assert not set(kind.synonyms) & by_name.keys()


def _write(path: Path, department: str, row: dict[str, str]) -> None:
    lines = [f'department = "{department}"', "[[type]]", *(f"{key} = {value}" for key, value in row.items())]
    path.write_text("\n".join(lines), encoding="utf-8")


GOOD = {**dict.fromkeys(LISTS, "[]"), "name": '"chair"', "features": '["soft"]'}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"neighbours": '["stool"]'}, "type 'chair': 'neighbours' names 'stool'"),
        ({"accessories": '["chair"]'}, "type 'chair': 'accessories' names 'chair'"),
        ({"audiences": '["robots"]'}, "type 'chair': 'audiences' knows .* not 'robots'"),
        ({"sizes": '"big"'}, "type 'chair': 'sizes' must be a list"),
        ({"kinds": '[""]'}, "type 'chair': 'kinds' must be a list of non-empty strings"),
        ({"shape": "[]"}, "type 'chair': unknown key 'shape'"),
        ({"name": '""'}, r"a \[\[type\]\] has no 'name'"),
        ({"features": "[["}, "not valid TOML"),
    ],
)
def test_bad_vocabulary_names_file_and_type(tmp_path: Path, change: dict[str, str], message: str) -> None:
    _write(tmp_path / "seats.toml", "seats", {**GOOD, **change})
    with pytest.raises(DataError, match=rf"seats\.toml: {message}"):
        load_vocabulary(tmp_path)


def test_missing_key_and_doubled_type_are_refused(tmp_path: Path) -> None:
    _write(tmp_path / "a.toml", "a", GOOD)
    _write(tmp_path / "b.toml", "b", GOOD)
    with pytest.raises(DataError, match=r"b\.toml: type 'chair' is also in .*a\.toml"):
        load_vocabulary(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    _write(other / "a.toml", "a", {key: value for key, value in GOOD.items() if key != "uses"})
    with pytest.raises(DataError, match=r"a\.toml: type 'chair': 'uses' must be a list"):
        load_vocabulary(other)


def test_names_that_would_mean_two_types_are_dropped(tmp_path: Path) -> None:
    _write(tmp_path / "a.toml", "a", {**GOOD, "synonyms": '["seat", "stool"]', "kinds": '["bar", "soft"]'})
    _write(tmp_path / "b.toml", "b", {**GOOD, "name": '"stool"', "synonyms": '["seat", "perch"]'})
    _write(tmp_path / "c.toml", "c", {**GOOD, "name": '"bar chair"'})
    chair, stool, _ = load_vocabulary(tmp_path)
    assert (chair.synonyms, chair.kinds, stool.synonyms) == ((), ("soft",), ("perch",))


def test_brands_are_distinct_and_belong_to_departments() -> None:
    assert len(set(BRANDS)) == len(BRANDS) == 250
    assert set(brands_of_type("seats", "sofa")) < set(brands_of_department("seats")) < set(BRANDS)


def test_grammar() -> None:
    names = ("chest of drawers", "shelf", "scissors", "dress", "cookware", "battery", "toy", "men's watch")
    plurals = ["chests of drawers", "shelves", "scissors", "dresses", "cookware", "batteries", "toys", "men's watches"]
    assert [plural(name) for name in names] == plurals
    assert joined_kind("trench", "women's coat") == "women's trench coat"
    assert joined_kind("corner sofa", "sofa") == "corner sofa"
    assert joined_kind("freeze dried", "dried fruit") == "freeze dried fruit"
    assert [is_adjective(text) for text in ("scratch resistant", "removable covers", "quick dry")] == [
        True,
        False,
        True,
    ]
    assert with_feature("with wheels") == with_feature("wheels") == "with wheels"
    assert [for_use(use) for use in ("for dogs", "outdoor", "under desk")] == [
        "for dogs",
        "for outdoor use",
        "under desk",
    ]


def test_wording() -> None:
    assert size_forms("12 oz") == ("12 oz", "12oz", "12-ounce", "12 ounce")
    assert size_forms("30 x 40 cm") == ("30 x 40 cm",)
    assert title_case("usb c cable for 38c bra, 64gb, 12 oz") == "USB C Cable for 38C Bra, 64GB, 12 oz"
    rng = random.Random(1)
    slips = {misspell(rng, "red sofa for lounge") for _ in range(50)}
    assert len(slips) > 5
    assert all(slip.startswith("red sofa for ") for slip in slips)
    assert misspell(rng, "red sofa") == "red sofa"
