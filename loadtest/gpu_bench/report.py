"""The figures as they come in: tables for people, and the whole as JSON."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from loadtest.bench.result import LoadResult
from loadtest.gpu_bench.arithmetic import best_at, bucket_name, flop_per_pair, utilisation
from loadtest.gpu_bench.buckets import Speeds
from loadtest.gpu_bench.models import Model
from loadtest.gpu_bench.plan import CANDIDATES, LENGTH, Plan
from loadtest.gpu_bench.targets import NOT_MEASURED, Target, judge

TARGET_MODEL, LARGE_MODEL, LARGE_LENGTH = "minilm-l6", "bert-base", 64
"""What the targets are about."""
Rows = Mapping[str, Mapping[str, float | None]]


@dataclass(slots=True)
class Report:
    """The figures so far; `left_out` says of each part that is missing why."""

    plan: Plan
    left_out: dict[str, str] = field(default_factory=dict)
    correctness: dict[str, dict[str, float]] = field(default_factory=dict)
    torch: dict[str, Any] = field(default_factory=dict)
    speeds: dict[str, Speeds] = field(default_factory=dict)
    http: dict[str, dict[str, float | None]] = field(default_factory=dict)
    shares: dict[str, dict[str, float]] = field(default_factory=dict)
    """Of the ceiling, by model and bucket."""

    def leave_out(self, part: str, reason: object) -> None:
        """Said at once, and kept."""
        self.left_out[part] = str(reason)
        print(f"left out: {part}: {reason}", file=sys.stderr, flush=True)

    @property
    def ceiling(self) -> float | None:
        """10¹² operations a second of the type in which graphs run on the device."""
        tflops = self.torch.get("matmul_tflops", {})
        value: float | None = tflops.get("float16" if self.plan.device == "cuda" else "float32")
        return value

    def add_speeds(self, model: Model, speeds: Speeds) -> None:
        """Keep them with their shares of the ceiling, if shape and ceiling are known, and show them."""
        self.speeds[model.name] = speeds
        self.left_out |= {f"{model.name}: {way}": why for way, why in speeds.left_out.items()}
        rows = by_name(speeds)
        if shares := self._shares(model, speeds):
            rows["share_of_ceiling"] = self.shares[model.name] = shares
        show(f"{model.name} {model.precision}", "pairs/s by bucket (pairs × tokens)", rows)

    def _shares(self, model: Model, speeds: Speeds) -> dict[str, float]:
        """Of the ceiling by bucket; none where one passes it, for then the ceiling was measured too low."""
        if model.shape is None or self.ceiling is None:
            return {}
        shares = {
            bucket_name(bucket): utilisation(speed, flop_per_pair(model.shape, bucket[1]), self.ceiling)
            for bucket, speed in speeds.best().items()
        }
        if (most := max(shares.values(), default=0.0)) > 1.0:
            reason = (
                f"a bucket would use {most:,.4g} of the matmul ceiling of {self.ceiling:g} TFLOPS, which is too low"
            )
            self.leave_out(f"{model.name}: share of the ceiling", reason)
            return {}
        return shares

    def show_end(self) -> None:
        """The service's figures, and the targets."""
        if self.http:
            figures = next(iter(self.http.values()))
            rows = {figure: {load: own[figure] for load, own in self.http.items()} for figure in figures}
            show("HTTP", f"{self.plan.candidates} candidates of {LENGTH} tokens, × clients", rows)
        print("| target | bound | measured | |\n| --- | --: | --: | --- |")
        for target, value, verdict in self.verdicts():
            measured = NOT_MEASURED if value is None else f"{value:,.4g}"
            print(f"| {target.what} | {target.kind} {target.bound:,g} | {measured} | {verdict} |")
        print(flush=True)

    def verdicts(self) -> list[tuple[Target, float | None, str]]:
        """Of the targets: a CPU's figures, and those of other requests, say nothing about them."""
        return judge(headline(self), comparable=self.plan.device == "cuda" and self.plan.candidates == CANDIDATES)

    def as_json(self) -> dict[str, Any]:
        """Everything."""
        return {
            "device": self.plan.device,
            "left_out": self.left_out,
            "correctness": self.correctness,
            "torch": self.torch,
            "raw": {name: by_name(speeds) for name, speeds in self.speeds.items()},
            "share_of_ceiling": self.shares,
            "http": self.http,
            "targets": {
                target.figure: {"measured": value, "verdict": verdict} for target, value, verdict in self.verdicts()
            },
        }


def by_name(speeds: Speeds) -> dict[str, dict[str, float]]:
    """With buckets as in `128x32`."""
    return {way: {bucket_name(bucket): speed for bucket, speed in own.items()} for way, own in speeds.found.items()}


def headline(report: Report) -> dict[str, float | None]:
    """The figures that have targets, by their names; None where one was left out."""
    alone = report.http.get(f"{TARGET_MODEL} x1", {})
    full = report.http.get(f"{TARGET_MODEL} x{report.plan.clients}", {})
    raw = report.speeds.get(TARGET_MODEL, Speeds()).best()
    baseline = report.torch.get("shapes", {}).get(TARGET_MODEL, {})
    texts = (baseline.get("compiled") or baseline.get("eager") or {}).get("texts")
    through_http = full.get("pairs_per_s")
    large = [
        share for bucket, share in report.shares.get(LARGE_MODEL, {}).items() if bucket.endswith(f"x{LARGE_LENGTH}")
    ]
    return {
        "http_p99_ms": alone.get("p99_ms"),
        "http_pairs_per_s": through_http,
        "raw_pairs_per_s": best_at(LENGTH, raw),
        "bert_base_utilisation": max(large, default=None),
        "times_torch": round(through_http / texts, 3) if through_http and texts else None,
        "ndcg_lost": report.correctness.get(TARGET_MODEL, {}).get("ndcg_lost"),
    }


def show(load: str, title: str, rows: Rows) -> None:
    """A table, if there is anything in it."""
    if rows:
        print(f"{LoadResult(load, title, rows).as_markdown()}\n", flush=True)
