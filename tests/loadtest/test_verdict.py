from __future__ import annotations

import pytest

from loadtest.budget import Limits
from loadtest.report.record import Figures
from loadtest.verdict import checks_of, thin_quantiles

FIGURES = Figures(
    requests=1000,
    answered=990,
    offered_per_s=10.0,
    p50_ms=20.0,
    p95_ms=45.0,
    p99_ms=None,
    error_rate=0.01,
    degraded_share=0.1,
)


@pytest.mark.parametrize(
    ("name", "limit", "holds"),
    [
        ("p50_ms", 20.0, True),
        ("p50_ms", 19.9, False),
        ("p95_ms", 50.0, True),
        ("p99_ms", 1e9, False),
        ("error_rate", 0.01, True),
        ("error_rate", 0.0099, False),
        ("degraded_share", 0.05, False),
    ],
)
def test_each_limit_is_held_against_its_own_figure(name: str, limit: float, holds: bool) -> None:
    (check,) = checks_of(Limits.model_validate({name: limit}), FIGURES)
    assert (check.name, check.holds) == (name, holds)


def test_a_check_says_what_was_measured_and_allowed() -> None:
    checks = checks_of(Limits(p50_ms=15, p99_ms=50, error_rate=0.001), FIGURES)
    assert [str(check) for check in checks] == [
        "p50_ms: 20 ms, 15 ms at most",
        "p99_ms: no answer, 50 ms at most",
        "error_rate: 0.01, 0.001 at most",
    ]


@pytest.mark.parametrize(("requests", "thin"), [(99, ["p99_ms of 99 requests"]), (100, []), (19, ["p95_ms", "p99_ms"])])
def test_too_few_requests_for_a_quantile_are_told(requests: int, thin: list[str]) -> None:
    lines = thin_quantiles(Limits(p95_ms=1, p99_ms=1), FIGURES.model_copy(update={"requests": requests}))
    assert [line[: len(start)] for line, start in zip(lines, thin, strict=True)] == thin
