"""How relevant an item truly is to an intent.

| the item is …                                             | and …                                    | relevance |
|-----------------------------------------------------------|------------------------------------------|-----------|
| of the wanted type                                        | meets every constraint                   | 1.0       |
| of the wanted type                                        | violates one, or has what is excluded    | 0.5       |
| of a narrower neighbour ("standing desk" for "desk")      | meets every constraint but the kind      | 0.5       |
| of another neighbour (either type names the other)        | meets every constraint but the kind      | 0.25      |
| of a narrower neighbour                                   | violates one of them                     | 0.25      |
| of another neighbour                                      | violates one of them                     | 0.0       |
| an accessory of the wanted type, or what it belongs to    | anything                                 | 0.0       |
| of any other type                                         | anything                                 | 0.0       |

A type whose name only adds for whom or where ("kids leggings", "outdoor sofa") is a neighbour of the plain one, too.

A constraint is met by the item's own value, or by a value that is narrower: "blue" by "navy blue",
"leather" by "brown leather" but not by "faux leather"; "men" and "women" by "unisex", "kids" by "boys" and
"girls", and these two by "kids". A kind, material, feature or use may be met by any of the four, since shops file
one fact under either name.
"""

from __future__ import annotations

from training.datasets.synthetic.generator import Item
from training.datasets.synthetic.grammar import split_owner
from training.datasets.synthetic.queries import Intent
from training.datasets.synthetic.vocabulary import ProductType

MATCH, VIOLATED, NEIGHBOUR, IRRELEVANT = 1.0, 0.5, 0.25, 0.0

ALSO_MEETS = {
    "men": ("men", "unisex"),
    "women": ("women", "unisex"),
    "boys": ("boys", "kids"),
    "girls": ("girls", "kids"),
    "kids": ("kids", "boys", "girls"),
}
PLACES = frozenset({"outdoor", "patio", "travel", "portable", "mini"})
NOT_REALLY = frozenset({"faux", "vegan", "imitation", "artificial", "non", "no", "off", "rose", "bonded", "mock"})
"""Words that make the thing they stand before another one."""


def true_relevance(intent: Intent, item: Item) -> float:
    """The relevance of the table above."""
    wanted, offered = intent.wanted, item.type
    if offered.name == wanted.name:
        return MATCH if _meets_kind(intent, item) and _meets_rest(intent, item) else VIOLATED
    if _is_accessory(wanted, offered) or not _are_neighbours(wanted, offered):
        return IRRELEVANT
    narrower = offered.name in wanted.neighbours and offered.name.endswith(f" {wanted.name}")
    met, violated = (VIOLATED, NEIGHBOUR) if narrower else (NEIGHBOUR, IRRELEVANT)
    return met if _meets_rest(intent, item) else violated


def _is_accessory(one: ProductType, other: ProductType) -> bool:
    return other.name in one.accessories or one.name in other.accessories


def _are_neighbours(one: ProductType, other: ProductType) -> bool:
    return other.name in one.neighbours or one.name in other.neighbours or plain_name(one) == plain_name(other)


def plain_name(kind: ProductType) -> str:
    """The name without a first word that says for whom or where: "kids leggings" → "leggings"."""
    owner, rest = split_owner(kind.name)
    if owner:
        return rest
    first, _, rest = kind.name.partition(" ")
    return rest if rest and first in PLACES else kind.name


def _meets_kind(intent: Intent, item: Item) -> bool:
    return intent.kind is None or intent.kind in _descriptive(item)


def _meets_rest(intent: Intent, item: Item) -> bool:
    """Every constraint but the kind."""
    said = _descriptive(item)
    return (
        intent.brand in (None, item.brand)
        and intent.size in (None, item.size)
        and intent.model in (None, item.model)
        and (intent.color is None or _narrows(item.color, intent.color))
        and (intent.audience is None or item.audience in ALSO_MEETS.get(intent.audience, (intent.audience,)))
        and (intent.feature is None or intent.feature in said)
        and (intent.use is None or intent.use in said)
        and (intent.material is None or any(_narrows(value, intent.material) for value in said))
        and (intent.excluded is None or not _has(item, intent.excluded))
    )


def _has(item: Item, excluded: str) -> bool:
    return any(_narrows(value, excluded) for value in (*_descriptive(item), item.color))


def _descriptive(item: Item) -> tuple[str | None, ...]:
    return (item.kind, item.material, item.use, *item.features)


def _narrows(value: str | None, wanted: str) -> bool:
    """Whether a value is what is wanted, or a narrower sort of it."""
    if value is None or value == wanted:
        return value == wanted
    return value.endswith(f" {wanted}") and value.split()[-len(wanted.split()) - 1] not in NOT_REALLY
