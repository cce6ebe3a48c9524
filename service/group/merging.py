"""The metrics of several replicas as one text: each sample with the replica's number, each family once.

Works on either format of `service.exposition`. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

LABEL: Final = "replica"
_END: Final = "# EOF"
_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


def merged(texts: Mapping[int, str]) -> str:
    """The texts by number as one, families in the order of the first that has them."""
    families: dict[str, tuple[list[str], list[str]]] = {}
    ended = False
    for number, text in texts.items():
        samples: list[str] = []
        for line in text.splitlines():
            if line == _END:
                ended = True
            elif line.startswith("# "):
                _, keyword, name, *_ = line.split(" ", 3)
                head, samples = families.setdefault(name, ([], []))
                if not any(known.startswith(f"# {keyword} ") for known in head):
                    head.append(line)
            elif line:
                samples.append(labelled(line, number))
    lines = [line for head, samples in families.values() for line in (*head, *samples)]
    return "\n".join([*lines, *([_END] if ended else []), ""])


def labelled(sample: str, number: int) -> str:
    """A sample's line with the label in the first place; an exemplar behind it stays as it is."""
    name = _NAME.match(sample)
    if name is None:
        return sample
    rest = sample[name.end() :]
    label = f'{LABEL}="{number}"'
    if rest.startswith("{"):
        return f"{name.group()}{{{label}{'' if rest.startswith('{}') else ','}{rest[1:]}"
    return f"{name.group()}{{{label}}}{rest}"
