"""Items: what a product truly is; and the products that a shop would show for them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache

from relevance.product import AttributeValue, Product
from training.datasets.synthetic.brands import brands_of_type
from training.datasets.synthetic.descriptions import write_description
from training.datasets.synthetic.grammar import OWNERS, is_adjective, plural, split_owner, words_of
from training.datasets.synthetic.titles import write_title
from training.datasets.synthetic.vocabulary import ProductType
from training.datasets.synthetic.wording import title_case

THIN = 0.12
"""Share of the products that have a title and nothing else, as in many feeds."""

MODELLED_WORDS = words_of(
    """
    appliance appliances audio automotive camera cameras car computer computers computing drone electrical
    electronics electronic gaming gadgets hvac headphones laptop laptops mobile monitor networking phone
    phones photography plumbing power printer printers printing security smart solar tablet tablets tech
    technology tools tool tv video wearables
    """
)
UNMODELLED_WORDS = words_of("clothing furniture tableware plants")
"""A department with a word of the first set in its name, and none of the second, has model numbers."""

COUNTED_UNITS = (" oz", " ml", " count", " g", " lb", " sheets", " bags", " tablets", " capsules", " l")
LETTERS = "ABCDEFGHKLMNPRSTVXZ"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing for sale and everything that is true of it; None or () where the type has no such attribute."""

    type: ProductType
    brand: str
    kind: str | None = None
    material: str | None = None
    color: str | None = None
    size: str | None = None
    features: tuple[str, ...] = ()
    use: str | None = None
    audience: str | None = None
    model: str | None = None
    pack: int | None = None


def generate_item(rng: random.Random, kind: ProductType) -> Item:
    """Draw one item of a type. Brands come by popularity, everything else evenly."""
    brands = brands_of_type(kind.department, kind.name)
    audience = _maybe(rng, kind.audiences, 1.0)
    size = _maybe(rng, _sizes_for(audience, kind.sizes), 0.9)
    counted = size is not None and size.endswith(COUNTED_UNITS)
    modelled = has_models(kind.department) and rng.random() < 0.6
    return Item(
        type=kind,
        brand=brands[min(rng.randrange(len(brands)), rng.randrange(len(brands)))],
        kind=_maybe(rng, kind.kinds, 0.8),
        material=_maybe(rng, kind.materials, 0.9),
        color=_maybe(rng, kind.colors, 0.9),
        size=size,
        features=tuple(rng.sample(kind.features, min(len(kind.features), rng.choice((1, 1, 2, 2, 3))))),
        use=_maybe(rng, kind.uses, 0.7),
        audience=audience,
        model=model_number(rng) if modelled else None,
        pack=rng.choice((2, 3, 4, 6, 12)) if counted and rng.random() < 0.2 else None,
    )


@cache
def has_models(department: str) -> bool:
    """Whether the things of a department carry model numbers."""
    words = words_of(department.lower().replace("-", " "))
    return bool(words & MODELLED_WORDS) and not words & UNMODELLED_WORDS


def model_number(rng: random.Random) -> str:
    """An invented model number: 'XR-240', 'B350', 'KLM1200', 'T45S'."""
    letters = "".join(rng.choices(LETTERS, k=rng.choice((1, 2, 2, 3))))
    number = rng.choice((rng.randrange(10, 100), rng.randrange(10, 100) * 10, rng.randrange(100, 10000)))
    return f"{letters}{rng.choice(('-', '', ''))}{number}{rng.choice(('', '', '', 'S', 'X', 'B'))}"


def to_product(rng: random.Random, item: Item, product_id: str) -> Product:
    """The product as a shop shows it. Whatever the title leaves out, description or attributes say."""
    if rng.random() < THIN:
        return Product(id=product_id, title=write_title(rng, item, full=True))
    described = rng.random() < 0.7
    return Product(
        id=product_id,
        title=write_title(rng, item),
        brand=item.brand if not described or rng.random() < 0.92 else None,
        product_type=_type_field(rng, item),
        color=title_case(item.color) if item.color and rng.random() < 0.7 else None,
        gender=item.audience if item.audience not in ("kids", "baby") and rng.random() < 0.8 else None,
        description=write_description(rng, item) if described else None,
        attributes=_attributes(rng, item, 0.6 if described else 1.0),
    )


def _maybe(rng: random.Random, values: tuple[str, ...], chance: float) -> str | None:
    return rng.choice(values) if values and rng.random() < chance else None


def _sizes_for(audience: str | None, sizes: tuple[str, ...]) -> tuple[str, ...]:
    """The sizes without those that name another audience: no "women's 8" for men."""
    if audience in (None, "unisex"):
        return sizes
    return tuple(size for size in sizes if OWNERS.get(split_owner(size)[0], audience) == audience) or sizes


def _type_field(rng: random.Random, item: Item) -> str | None:
    style = rng.random()
    if style < 0.25:
        return None
    if style < 0.6:
        return title_case(plural(item.type.name))
    if style < 0.8:
        return item.type.name
    return title_case(f"{item.type.department} > {plural(item.type.name)}")


def _attributes(rng: random.Random, item: Item, chance: float) -> dict[str, AttributeValue]:
    """Every attribute of the item, each with `chance`."""
    known: dict[str, AttributeValue | None] = {
        "style": item.kind,
        "material": item.material,
        "color": item.color,
        "size": item.size,
        "recommended use": item.use and item.use.removeprefix("for "),
        "audience": item.audience,
        "model number": item.model,
        "pack count": item.pack,
    }
    nouns = [feature.removeprefix("with ") for feature in item.features]
    for feature in item.features[:1]:
        if is_adjective(feature) and " " not in feature and rng.random() < 0.5:
            known[feature] = True
            nouns.remove(feature)
    known["features"] = "; ".join(nouns) or None
    return {name: value for name, value in known.items() if value is not None and rng.random() < chance}
