"""The little grammar that shop text needs: plurals, kinds before names, features, uses, audiences."""

from __future__ import annotations


def words_of(text: str) -> frozenset[str]:
    """The words of a text, each once."""
    return frozenset(text.split())


MASS_NOUNS = words_of(
    "bacon bedding bread butter cereal cheese chocolate clothing coffee decking detergent equipment fabric flooring "
    "flour food footwear furniture granola gravel hardware honey hosiery jam jerky jewelry ketchup litter art lumber "
    "makeup milk mulch mustard oatmeal oil paint pasta pet popcorn rice rope salmon salsa salt sand shampoo soap "
    "soil software stationery string sugar sunscreen tape tea toothpaste turf twine vinegar water wax wire yarn yogurt"
)
"""Words that shoppers leave in the singular."""

IRREGULAR = {
    **{"knife": "knives", "shelf": "shelves", "scarf": "scarves", "leaf": "leaves", "loaf": "loaves"},
    **{"man": "men", "woman": "women", "child": "children", "mouse": "mice", "foot": "feet", "tooth": "teeth"},
    **{"half": "halves", "lens": "lenses", "canvas": "canvases", "atlas": "atlases"},
}

ADJECTIVE_ENDINGS = (
    *("able", "ible", "ed", "ing", "free", "proof", "less", "resistant", "friendly", "slip", "grade", "safe", "duty"),
    *("fit", "style", "flavor", "flavour", "ready", "rise", "tech", "fat", "weight", "dry", "close", "gloss", "soft"),
    *("firm", "cut", "adhesive", "dark", " up", " on", " off", " in", " out", " over", " under", " down"),
)
"""How a feature ends that stands before the noun: 'waterproof', 'quick dry', 'lace up'."""

LONE_ADJECTIVES = words_of(
    "compact vegan natural stretch slim thick wide mini smart heavy quiet retro modern vintage elastic organic fluffy "
    "ergonomic digital solar dual electric manual automatic magnetic hydraulic hypoallergenic antibacterial reversible "
    "underwire decaf spicy sweet salty creamy crunchy dark mild bold fresh vertical horizontal universal reflective "
    "transparent translucent antique rustic floral geometric thermal orthopedic acoustic analog stereo rotary ceramic"
)
"""One-word features without such an ending that stand before the noun all the same."""

NOUNS_IN_ING = words_of(
    "netting lining padding piping stitching ring string spring coating lighting backing housing opening setting "
    "cushioning ceiling covering trimming dressing filling topping wing tubing bearing fitting handling seasoning"
)

PREPOSITIONS = ("with ", "for ", "in ", "on ", "made ", "no ", "under ", "over ", "behind ", "without ", "from ")
OWNERS = {
    **{"men's": "men", "mens": "men", "women's": "women", "womens": "women", "ladies": "women", "baby": "baby"},
    **{"boys": "boys", "boys'": "boys", "girls": "girls", "girls'": "girls", "kids": "kids", "kids'": "kids"},
    **{"childrens": "kids", "children's": "kids", "unisex": "unisex"},
}
"""First words of a name that tell whom the thing is for."""

POSSESSIVE = {"men": "men's", "women": "women's", "boys": "boys'", "girls": "girls'", "kids": "kids'"}


def plural(name: str) -> str:
    """The plural of a type's name: 'chest of drawers' → 'chests of drawers'; mass nouns stay as they are."""
    head, link, rest = name, "", ""
    for word in (" of ", " for ", " with "):
        if word in name:
            head, link, rest = name.partition(word)
            break
    before, space, noun = head.rpartition(" ")
    return f"{before}{space}{_plural_word(noun)}{link}{rest}"


def _plural_word(noun: str) -> str:
    if noun in IRREGULAR:
        return IRREGULAR[noun]
    if noun in MASS_NOUNS or noun.endswith(("ware", "wear", "ics")) or (noun.endswith("s") and noun[-2:] != "ss"):
        return noun
    if noun.endswith(("ss", "sh", "ch", "x", "z")):
        return noun + "es"
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


def split_owner(name: str) -> tuple[str, str]:
    """The word that says whom a thing is for, and the rest: "men's vest" → "men's", "vest"; "" if there is none."""
    first, space, rest = name.partition(" ")
    return (first, rest) if space and first in OWNERS else ("", name)


def joined_kind(kind: str, name: str) -> str:
    """'dining' + 'table' → 'dining table'; "trench" + "women's coat" → "women's trench coat"; nothing is said twice."""
    if f" {kind} " in f" {name} ":
        return name
    owner, rest = split_owner(name)
    phrase = kind if kind.endswith(f" {rest}") else joined(kind, rest)
    return f"{owner} {phrase}" if owner and split_owner(kind)[0] == "" else phrase


def joined(text: str, part: str) -> str:
    """Text and part with one space; a word that ends the one and begins the other is said once."""
    shared = text.rpartition(" ")[2].lower() == part.partition(" ")[0].lower()
    return f"{text}{part[len(part.partition(' ')[0]) :]}" if shared else f"{text} {part}"


def possessive(audience: str) -> str:
    """'men' → "men's"; baby and unisex stand as they are."""
    return POSSESSIVE.get(audience, audience)


def is_adjective(feature: str) -> bool:
    """Whether a feature stands before a noun ('waterproof', 'scratch resistant') and not after 'with'."""
    words = feature.split()
    if len(words) > 3 or feature.startswith(PREPOSITIONS) or words[-1] in NOUNS_IN_ING:
        return False
    return words[-1] in LONE_ADJECTIVES or feature.endswith(ADJECTIVE_ENDINGS)


def reads_after_with(feature: str) -> bool:
    """Whether 'with' and the feature make sense; 'soft on skin', 'heated with battery' and 'overnight' do not."""
    if feature.startswith("with "):
        return True
    if is_adjective(feature) or feature.startswith(PREPOSITIONS):
        return False
    return not any(word in feature for word in (" on ", " to ", " with ")) and (
        " " in feature or (feature.endswith("s") and not feature.endswith(("ss", "ous")))
    )


def with_feature(feature: str) -> str:
    """'removable covers' → 'with removable covers'; what begins with a preposition stays as it is."""
    return f"with {feature}" if reads_after_with(feature) and not feature.startswith("with ") else feature


def for_use(use: str) -> str:
    """'small apartments' → 'for small apartments'; 'outdoor' → 'for outdoor use'; 'under desk' as it is."""
    plain = use.removeprefix("for ")
    if plain.startswith(PREPOSITIONS):
        return plain
    return f"for {plain} use" if plain in ("indoor", "outdoor", "everyday", "daily", "commercial") else f"for {plain}"
