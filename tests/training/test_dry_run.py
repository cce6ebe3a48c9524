from __future__ import annotations

import pytest

from training import distill
from training.config import DistillSettings
from training.dry_run import Plan, Speeds, describe, plan_run
from training.pool.sources import gather_sources
from training.stages import load_split


def test_each_stage_takes_its_work_over_its_speed() -> None:
    plan = Plan(10, 5, 2, 7, 3, 40, texts=600, pool_pairs=1200, teacher_pairs=100, student_pairs=2400)
    told = describe(plan, Speeds(texts=10.0, teacher_training=5.0, labelling=100.0, student_training=20.0))
    times = {line.split()[0]: line.rpartition(": ")[2] for line in told.splitlines() if "/s here" in line}
    assert times == {"pool": "60 s", "teacher": "20 s", "labels": "12 s", "student": "2 min"}
    assert "about 4 min together" in told
    assert "10 of 2 queries to learn from, 5 held out" in told


def test_the_plan_counts_what_the_stages_will_go_through() -> None:
    content = {
        "synthetic_judged_queries": 8,
        "teacher": {"warm_up_pairs": 50, "judged_epochs": 2, "retention_share": 0.5},
        "pool": {"pairs": 300, "synthetic_products": 0, "synthetic_queries": 0},
        "student": {"epochs": 3, "pairs_per_batch": 10, "max_steps": 20},
    }
    settings = DistillSettings.model_validate(content)
    split = load_split(settings)
    plan = plan_run(settings, split, gather_sources(settings, split))
    assert (plan.judged, plan.held_out, plan.queries) == (120, 40, 6)
    assert plan.pool_pairs == 420
    # Warm-up, then two epochs of the judged pairs with as many retention pairs beside them.
    assert plan.teacher_pairs == 50 + 4 * 120
    assert plan.student_pairs == 200


@pytest.mark.parametrize(("main", "told"), [(True, "the estimate\n"), (False, "")])
def test_of_several_processes_one_tries_and_tells(
    main: bool, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(distill, "is_main", lambda: main)
    monkeypatch.setattr(distill, "estimate", lambda settings: "the estimate")
    assert distill.main(["--dry-run"]) == 0
    assert capsys.readouterr().out == told
