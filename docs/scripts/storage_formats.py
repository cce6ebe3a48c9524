"""What a product costs to keep, and what ranks by it: forms of storage side by side, with nothing trained again.

`python -m docs.scripts.storage_formats --run-dir runs/bundled` scores the held-out queries of a run of
`training.distill` and the general check in fp32 arithmetic, with the products' latents as each form would give them
back. A width that was trained is another student: `training.study split-details` has those of 64 and 384.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from export.parity import NDCG_CUTOFF
from export.split_runner import Logits, SplitList
from relevance.ranking_metrics import bootstrap_interval, soft_target_ndcg
from relevance.split_graphs import LATENT_STEPS
from training.checks import general_check
from training.command_line import settings_of_run
from training.models.backbone import load_pair_encoder
from training.models.split.files import load_split
from training.models.split.graphs import latent_scale
from training.models.split.joint_layer import unflatten
from training.models.split.student import Products
from training.stages import load_split as load_queries
from training.student.split_export import exact_logits, split_lists

ID_BYTES = 4
"""Of a token's id, which matches a query's tokens in every form."""


@dataclass(frozen=True, slots=True)
class Form:
    """How latents come back, and the bytes of one vector; `tokens_together` tokens share one."""

    restored: Callable[[Products], Products]
    vector_bytes: float
    tokens_together: int = 1

    def bytes_of(self, tokens: int) -> float:
        """Bytes of a product of that many tokens."""
        return tokens * ID_BYTES + -(-tokens // self.tokens_together) * self.vector_bytes


def forms(width: int, scale: Tensor) -> dict[str, Form]:
    """The forms by name. `scale` (D,) is the largest size of each number."""
    half = width // 2
    return {
        "fp32": Form(lambda products: products, 4 * width),
        "fp16": Form(lambda products: products._replace(latents=products.latents.half().float()), 2 * width),
        "**int8**": Form(lambda products: stepped(products, scale, LATENT_STEPS), width),
        "int4": Form(lambda products: stepped(products, scale, 7), width / 2),
        "int8, half the numbers": Form(lambda products: stepped(first(products, half), scale, LATENT_STEPS), half),
        "int8, 2 tokens together": Form(lambda products: stepped(pooled(products, 2), scale, LATENT_STEPS), width, 2),
        "int8, 4 tokens together": Form(lambda products: stepped(pooled(products, 4), scale, LATENT_STEPS), width, 4),
        "int8, one vector": Form(lambda products: stepped(pooled(products, 10**6), scale, LATENT_STEPS), width, 10**6),
    }


def stepped(products: Products, scale: Tensor, steps: int) -> Products:
    """Latents rounded to `steps` on either side of zero."""
    rounded = (products.latents / scale * steps).round().clamp(-steps, steps) * scale / steps
    return products._replace(latents=rounded)


def first(products: Products, count: int) -> Products:
    """The first `count` numbers of each vector, along which the untrained states reach furthest; zeros behind."""
    kept = products.latents.clone()
    kept[..., count:] = 0.0
    return products._replace(latents=kept)


def pooled(products: Products, count: int) -> Products:
    """The unit vector of the mean of each `count` tokens that follow each other."""
    latents, mask = products.latents * products.mask[..., None], products.mask
    missing = -mask.shape[1] % min(count, mask.shape[1])
    latents = torch.nn.functional.pad(latents, (0, 0, 0, missing))
    mask = torch.nn.functional.pad(mask, (0, missing))
    together = min(count, mask.shape[1])
    means = unflatten(latents, 1, (-1, together)).sum(2)
    return Products(torch.nn.functional.normalize(means, dim=-1), unflatten(mask, 1, (-1, together)).amax(2))


def main() -> None:
    """Print a row a form."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run-dir", type=Path, required=True)
    options = parser.parse_args()
    settings = settings_of_run(options.run_dir)
    student = load_split(options.run_dir / "student").to("cpu")
    rule = load_pair_encoder(settings.student.template, settings.student.backbone)
    split = load_queries(settings)
    sets = {
        name: [judged for judged in split_lists(data, rule) if judged.targets.max() > 0]
        for name, data in {"held out": split.held_out, "general": general_check()}.items()
    }
    lengths = [len(ids) for lists in sets.values() for judged in lists for ids in judged.products]
    # As the export: by the products that it learnt from.
    learnt = {ids for judged in split_lists(split.train, rule) for ids in judged.products}
    texts = [torch.tensor([ids]) for ids in sorted(learnt)]
    scale = latent_scale(student, [(ids, torch.ones_like(ids)) for ids in texts])
    print(f"| kept of a product | bytes | {' | '.join(f'{name}: nDCG@10 | − fp32' for name in sets)} |")
    print(f"| --- | --: |{' --: | --: |' * len(sets)}")
    exact: dict[str, Sequence[float]] = {}
    for name, form in forms(student.settings.latent_width, scale).items():
        student.keep = form.restored
        cells = []
        for place, lists in sets.items():
            values = gains(lists, [exact_logits(student, judged, rule.pad_id) for judged in lists])
            cells.append(cell(values, exact.setdefault(place, values)))
        print(f"| {name} | {np.mean([form.bytes_of(count) for count in lengths]):,.0f} | {' | '.join(cells)} |")


def gains(lists: Sequence[SplitList], logits: Sequence[Logits]) -> list[float]:
    """nDCG@10 of each list."""
    return [soft_target_ndcg(judged.targets, own, NDCG_CUTOFF) for judged, own in zip(lists, logits, strict=True)]


def cell(values: Sequence[float], exact: Sequence[float]) -> str:
    """Mean, and the paired difference with its 95 % interval."""
    difference = bootstrap_interval(np.array(values) - np.array(exact))
    return f"{np.mean(values):.4f} | {difference.mean:+.4f} [{difference.low:+.3f}, {difference.high:+.3f}]"


if __name__ == "__main__":
    main()
