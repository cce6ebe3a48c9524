from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.budget import PATHS, BudgetError, load_budget
from loadtest.loads import ReplayLoad
from loadtest.server import CHOSEN_HERE
from service.settings import Settings

LOAD = '[load]\nkind = "poisson"\nrate = 20\nseconds = 5\n'
LIMITS = "[limits]\np99_ms = 50\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "budget.toml"
    path.write_text(text)
    return path


def test_a_budget_says_what_is_sent_and_what_must_hold(tmp_path: Path) -> None:
    budget = load_budget(write(tmp_path, LOAD + LIMITS + "error_rate = 0.01\n"))
    assert budget.load.seconds == 5
    assert budget.limits.given == {"p99_ms": 50, "error_rate": 0.01}
    assert budget.workload.shapes is None


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    text = f'[load]\nkind = "replay"\nlog = "log.jsonl"\n{LIMITS}[workload]\nshapes = "shapes.json"\n'
    budget = load_budget(write(tmp_path, text))
    assert isinstance(budget.load, ReplayLoad)
    assert budget.load.log == tmp_path / "log.jsonl"
    assert budget.workload.shapes == tmp_path / "shapes.json"


def test_paths_of_the_services_settings_are_too(tmp_path: Path) -> None:
    of_the_service = {
        name
        for name, field in Settings.model_fields.items()
        if field.annotation in (Path, Path | None) and name not in CHOSEN_HERE
    }
    assert set(PATHS["service"]) == of_the_service
    lines = "".join(f'{name} = "{name}"\n' for name in sorted(of_the_service))
    budget = load_budget(write(tmp_path, f"{LOAD}{LIMITS}[service]\nthreads = 2\n{lines}"))
    assert budget.service == {"threads": 2, **{name: str(tmp_path / name) for name in of_the_service}}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (LOAD + LIMITS + "p90_ms = 5\n", "limits.p90_ms: unknown key"),
        (LOAD + "rats = 3\n" + LIMITS, "load.rats: unknown key"),
        (LOAD + LIMITS + "[extra]\n", "extra: unknown key"),
        (LOAD + LIMITS + "[workload]\nquery = 3\n", "workload.query: unknown key"),
        (LOAD.replace("20", "-1") + LIMITS, "load.rate: Input should be greater than 0"),
        (LOAD + "[limits]\n", "limits: give one of p50_ms, p95_ms, p99_ms, error_rate, degraded_share"),
        (LOAD + "[limits]\nerror_rate = 2\n", "limits.error_rate: Input should be less than or equal to 1"),
        (LOAD, "limits: Field required"),
        (LOAD.replace("poisson", "tide") + LIMITS, "load: Input tag 'tide' found using 'kind' does not match any of"),
        ("warm_up_seconds = 5\n" + LOAD + LIMITS, "budget: warm_up_seconds has to be less than the load's 5 seconds"),
        (LOAD + LIMITS + "[service]\nport = 8080\n", "service: port: the run chooses where its service listens"),
        (LOAD + LIMITS + '[service]\nhost = "::"\nbundle = "b"\n', "service: bundle, host: the run chooses"),
        (LOAD + LIMITS + "[service]\nThreads = 2\n", "service: Threads: settings are written in small letters"),
        ("load = ", "is not valid TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(BudgetError) as caught:
        load_budget(write(tmp_path, text))
    assert str(tmp_path / "budget.toml") in str(caught.value)
    assert reason in str(caught.value)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match=r"cannot read .*none\.toml: No such file"):
        load_budget(tmp_path / "none.toml")


def test_the_budget_of_make_loadtest_measures_thirty_seconds() -> None:
    budget = load_budget(Path(__file__).parents[2] / "configs" / "load-budget.toml")
    assert budget.load.seconds is not None
    assert budget.load.seconds - budget.warm_up_seconds == 30
