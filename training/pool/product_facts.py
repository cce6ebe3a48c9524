"""What a product's fields give a shopper to ask for: a noun, and qualifiers that stand before or after it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from relevance.product import AttributeValue, Product

LONGEST_VALUE = 3
"""A value of more words is a sentence of the shop, nothing that anyone types."""
LONGEST_UNIT = 4
LONGEST_NUMBER = 6
"""A number of more digits is an article's, as an EAN, and no measure."""
_SPLIT = re.compile(r"[,;/|(]| - | with | for | & ")
_COMPATIBLE = re.compile(r"compatib|fits|suitable", re.IGNORECASE)
_PRICE = re.compile(r"\b(price|cost|rrp|msrp)\b", re.IGNORECASE)
_NUMBER = re.compile(r"\d+(\.\d+)?")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_LONG_NUMBER = re.compile(rf"\d{{{LONGEST_NUMBER + 1},}}")
_DIGIT = re.compile(r"\d")
_WORD = re.compile(r"[^\W_][\w.\-'\"]*")
_YES = frozenset(("yes", "true", "y"))
_NOTHING = frozenset(("no", "false", "n", "n/a", "na", "none", "other", "unknown", "unspecified", "various"))
_AUDIENCES = {
    **{"male": "men", "man": "men", "men": "men", "mens": "men", "men's": "men"},
    **{"female": "women", "woman": "women", "women": "women", "womens": "women", "women's": "women"},
    **{"boy": "boys", "boys": "boys", "girl": "girls", "girls": "girls"},
    **{"kid": "kids", "kids": "kids", "children": "kids", "child": "kids", "baby": "babies", "infant": "babies"},
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What can be asked of one product; all lower case, () or None where its fields say nothing.

    `traits` stand before the noun (brand, colour, material), `measures` hold a number, `values` are the
    traits that another product of the same kind may lack, so that they can be asked to be absent.
    """

    noun: str
    traits: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    compatible: tuple[str, ...] = ()
    audience: str | None = None
    price: float | None = None


def read_facts(product: Product) -> Facts | None:
    """The facts of a product, or None where neither its type nor its title holds a noun."""
    noun = _noun(product)
    if not noun:
        return None
    attributes = list(product.attributes.items())
    values = tuple(dict.fromkeys(filter(None, (_short(product.color), *_traits(attributes)))))
    brand = _short(product.brand)
    return Facts(
        noun=noun,
        traits=(brand, *values) if brand else values,
        measures=tuple(dict.fromkeys(_measures(attributes))),
        values=values,
        compatible=tuple(dict.fromkeys(_compatible(attributes))),
        audience=_AUDIENCES.get((product.gender or "").strip().lower()),
        price=next(_prices(attributes), None),
    )


def _noun(product: Product) -> str | None:
    kind = product.product_type or ""
    # Types are often paths: the last part is what the thing is called.
    if kind.strip().lower() not in _NOTHING and (noun := _short(re.split(r"[>/]", kind)[-1])):
        return noun
    # English titles name the thing at the end of their first part: "Acme Trail Running Shoe, size 9".
    words = [word.lower() for word in _WORD.findall(_SPLIT.split(product.title, maxsplit=1)[0])]
    # Neither numbers nor the units that follow them.
    plain = [
        word
        for before, word in zip(["", *words], words, strict=False)
        if not _DIGIT.search(word) and not (_DIGIT.search(before) and len(word) <= LONGEST_UNIT)
    ]
    return " ".join(plain[-2:]) or None


def _short(value: str | None) -> str | None:
    """The first part of a value as typed, None if nothing is left or it is a whole sentence."""
    if (value or "").strip().lower() in _NOTHING:
        return None
    words = _SPLIT.split(value or "", maxsplit=1)[0].lower().split()
    return " ".join(words) if 0 < len(words) <= LONGEST_VALUE else None


def _traits(attributes: list[tuple[str, AttributeValue]]) -> Iterator[str]:
    """Values in words; the attribute's name where its value is yes."""
    for name, value in attributes:
        if _COMPATIBLE.search(name) or _PRICE.search(name) or not (value is True or isinstance(value, str)):
            continue
        text = _short(name if value is True or value.strip().lower() in _YES else value)
        if text and not _NUMBER.search(text):
            yield text


def _measures(attributes: list[tuple[str, AttributeValue]]) -> Iterator[str]:
    for name, value in attributes:
        if _PRICE.search(name) or _COMPATIBLE.search(name) or isinstance(value, bool):
            continue
        if isinstance(value, int | float):
            number = _in_full(value)
            text = f"size {number}" if name.lower() == "size" else f"{number} {name.lower()}"
        else:
            text = _short(value) or ""
        if _NUMBER.search(text) and not _LONG_NUMBER.search(text):
            yield text


def _in_full(value: float) -> str:
    """The number to six digits, as people write it: never with an exponent."""
    return str(value) if isinstance(value, int) else f"{Decimal(f'{value:g}'):f}"


def _compatible(attributes: list[tuple[str, AttributeValue]]) -> Iterator[str]:
    for name, value in attributes:
        if _COMPATIBLE.search(name) and isinstance(value, str) and (text := _short(value)):
            yield text.removeprefix("for ")


def _prices(attributes: list[tuple[str, AttributeValue]]) -> Iterator[float]:
    for name, value in attributes:
        if not _PRICE.search(name) or isinstance(value, bool):
            continue
        found = _NUMBER.search(_THOUSANDS.sub("", str(value)))
        if found and float(found.group()) > 0:
            yield float(found.group())
