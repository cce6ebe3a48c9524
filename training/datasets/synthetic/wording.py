"""How the same thing is spelled: sizes and units, colours, capitals, slips of the finger."""

from __future__ import annotations

import random

from training.datasets.synthetic.grammar import words_of

UNITS = {
    "inch": (" inch", " in", '"', "-inch"),
    "in": (" in", " inch", '"'),
    "ft": (" ft", "-foot", "ft", " foot"),
    "oz": (" oz", "oz", "-ounce", " ounce"),
    "lb": (" lb", "lb", " lbs", "-pound"),
    "ml": (" ml", "ml"),
    "cm": (" cm", "cm"),
    "mm": (" mm", "mm"),
    "kg": (" kg", "kg"),
    "g": (" g", "g"),
    "count": (" count", " ct", " pack", " pcs"),
    "pack": (" pack", "-pack", " count"),
    "piece": (" piece", "-piece", " pc"),
    "gallon": (" gallon", "-gallon", " gal"),
    "quart": (" quart", "-quart", " qt"),
    "seater": (" seater", "-seater"),
    "gb": ("gb", " gb"),
    "tb": ("tb", " tb"),
}
"""Spellings of a unit after its number."""

BED_SIZES = frozenset({"twin", "full", "queen", "king", "california king", "twin xl"})

SMALL_WORDS = frozenset(("a", "and", "as", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with"))
UNITS_AS_WRITTEN = {
    unit.lower(): unit
    for unit in (
        *("cm", "ct", "ft", "fl", "g", "gal", "in", "kg", "lb", "lbs", "m", "mg", "ml", "mm", "oz", "pc", "pcs"),
        *("qt", "yd", "mAh", "Ah", "GHz", "MHz", "kHz", "Hz", "kW", "Wh", "Mbps", "Gbps", "th", "st", "nd", "rd"),
    )
}
ACRONYMS = words_of(
    """
    2xl 3xl 4xl 5xl aa aaa abs ac aha am anc apu atv bcaa bha bpa bt btu cbd cpr cpu dc ddr diy dslr dvd epdm eva fm gb
    gmo gps gpu gsm hd hdmi hdpe hdr hepa hiit hvac hvlp ip id ipx7 led lcd ldpe lp mdf mp nfc npk npt nvme oled pc pcie
    pd pe peva pla poe pp ps pu pvc ptfe qled ram rc rfid rgb rv sata sd sim spf ssd tb tpe tpr tpu tv uhd upf upvc usa
    dha usb uv uva vga vr wpc xl xpe xs xxl
    """
)


def size_forms(size: str) -> tuple[str, ...]:
    """The ways to write a size, its own first: '12 oz' → '12 oz', '12oz', '12-ounce', '12 ounce'."""
    number, _, unit = size.rpartition(" ")
    if number[-1:].isdigit() and unit.lower() in UNITS and "x" not in number.split():
        return tuple(dict.fromkeys((size, *(number + form for form in UNITS[unit.lower()]))))
    if size.startswith("pack of "):
        count = size.removeprefix("pack of ")
        return (size, f"{count} pack", f"{count}-pack", f"{count} count")
    if size in BED_SIZES:
        return (size, f"{size} size")
    return (size,)


def pick_size_form(rng: random.Random, size: str) -> str:
    """The size's own form half of the time, else any of its forms."""
    return size if rng.random() < 0.5 else rng.choice(size_forms(size))


def spelled(rng: random.Random, color: str) -> str:
    """Grey and gray are both written."""
    return color.replace("grey", "gray") if "grey" in color and rng.random() < 0.5 else color


def title_case(text: str) -> str:
    """Capitals as in a shop title; words with capitals of their own, small words and units are kept."""
    words = text.split(" ")
    return " ".join(_title_word(word, words[place - 1] if place else "") for place, word in enumerate(words))


def _title_word(word: str, before: str) -> str:
    bare = word.strip(",()|;.")
    if bare != bare.lower() or (before and bare in SMALL_WORDS):
        return word
    if before[-1:].isdigit() and (bare == "x" or bare in UNITS_AS_WRITTEN):
        return word.replace(bare, UNITS_AS_WRITTEN.get(bare, bare))
    if bare in ACRONYMS or (bare.isalnum() and bare[:1].isalpha() and bare[-1:].isdigit()):
        return word.upper()
    if bare[:1].isdigit() and bare.isalnum():
        return word.replace(bare, _numbered(bare))
    return "-".join(part if part in SMALL_WORDS else part[:1].upper() + part[1:] for part in word.split("-"))


def _numbered(word: str) -> str:
    """'38c' → '38C', '64gb' → '64GB', '12oz' and '4th' as they are."""
    number = word.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = word.removeprefix(number)
    return number + (UNITS_AS_WRITTEN.get(unit) or (unit.upper() if len(unit) <= 3 else unit))


def misspell(rng: random.Random, text: str) -> str:
    """Swap, drop or double one letter of one longer word; a text without such a word is returned as it is."""
    words = text.split(" ")
    places = [place for place, word in enumerate(words) if len(word) >= 5 and word.isalpha()]
    if not places:
        return text
    place = rng.choice(places)
    word, at = words[place], rng.randrange(1, len(words[place]) - 2)
    slips = (
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        word[:at] + word[at + 1 :],
        word[:at] + word[at] + word[at:],
    )
    words[place] = rng.choice(slips)
    return " ".join(words)
