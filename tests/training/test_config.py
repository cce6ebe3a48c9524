from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from training.config import TEACHER_TEMPLATE, DistillSettings, StudentSettings, TeacherSettings
from training.config_file import load_settings
from training.errors import ConfigError

DECODER = {"kind": "decoder", "backbone": "owner/model"}


def test_the_command_line_overrides_the_file(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text('seed = 4\ndata = "chorus:x"\n[pool]\npairs = 99\n', encoding="utf-8")
    settings = load_settings(file, {"seed": 7})
    assert (settings.seed, settings.data, settings.pool.pairs) == (7, "chorus:x", 99)


def test_the_command_line_overrides_one_setting_of_a_table(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text("[labelling]\nray_workers = 5\n", encoding="utf-8")
    labelling = load_settings(file, {"labelling": {"engine": "ray"}}).labelling
    assert (labelling.engine, labelling.ray_workers) == ("ray", 5)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("sede = 4", "sede"),
        ("[pool]\npairs = 0", r"pool\.pairs"),
        ("[pool]\npairs = 99999999999999999999999999", r"pool\.pairs: .*less than 2147483648"),
        ("[pool]\ncandidates_per_query = 99999999999999999999999999", r"pool\.candidates_per_query: .*less than"),
        ("[pool]\nlexical_share = 0.5\ndense_share = 0.5", "must not exceed 1 together, they are 1.3"),
        ("[student]\nlayers = [2, 0]", "layers must be distinct and ascending"),
        ("[teacher]\nlearning_rate = -1", r"teacher\.learning_rate"),
        ("seed = ", "not valid TOML"),
        ("seed = -1", "seed"),
        ("seed = 18446744073709551616", "seed: .*less than"),
        ("[student]\ninitial_share = 0.5", "initial_share needs all layers"),
        ("[student]\nlayers = [0, 2]\nfrozen_layers = 2", "frozen_layers is 2"),
        ('[student]\nloss = "hinge"', r"student\.loss"),
        ("[student]\ntemperature = 0", r"student\.temperature"),
        ("[student]\nlayers = [0, 6]", r"student\.layers\.1"),
        (
            '[student]\ninitialise_from = "backbone"\nlayers = [0, 1, 2, 3, 4, 5]\ninitial_share = 0.5',
            "from the teacher",
        ),
        ('[[teacher.members]]\nkind = "decoder"\nbackbone = "x"', "initialise_from is 'teacher'"),
        ('[[teacher.members]]\nkind = "decoder"', r"teacher\.members\.0\.decoder\.backbone"),
        ('[[teacher.members]]\nkind = "encoder"\nmax_tokens = 9', r"teacher\.members\.0\.encoder\.max_tokens"),
        ("[teacher]\nmembers = []", r"teacher\.members"),
        ("[teacher]\nclasses = 0", r"teacher\.classes"),
        ('[student.template]\nquery_max_tokens = 300\nfields = [{field = "title", max_tokens = 400}]', "703 tokens"),
        ('[[teacher.members]]\nbackbone = "x"', r"toml: teacher\.members\.0: kind is missing: .* or 'decoder'$"),
        ("[student]\nhuman_weight = inf", r"student\.human_weight: .*finite"),
        ("[student]\ntemperature = inf", r"student\.temperature: .*finite"),
        ("[student.split]\njoint_rate = nan", r"student\.split\.joint_rate: .*finite"),
        ("seed = true", "seed can not be true or false"),
        ("[student]\nlayers = [true, 2]", "student: layers can not be true or false"),
        ("student = 3", "student: must be a table of settings, got 3"),
        ("[student]\nepoch = 2", r"student\.epoch: there is no such setting; did you mean 'epochs'\?$"),
        ("[pool]\nzzz = 2", r"pool\.zzz: there is no such setting$"),
        ("[[teacher.members]]\nkind = 'encoder'\nrank = 2", r"teacher\.members.*rank: there is no such setting$"),
        (
            '[student.template]\nquery_max_tokens = 9\nfields = [{field = "brand", max_tokens = 9}]',
            r"title_only_share is 0\.4, but student\.template has no field 'title'.*title_only_share to 0",
        ),
        (
            "[student.split]\njoint_layers = 2\nlatent_width = 64",
            r"'cross-encoder' does not read student\.split\.joint_layers, student\.split\.latent_width; .* to 'split'",
        ),
        ('[student]\nkind = "split"\nlayers = [0]', r"'split' does not read student\.layers; .* to 'cross-encoder'"),
    ],
)
def test_a_setting_that_can_not_work_is_named(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "run.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=named):
        load_settings(file, {})


def test_the_command_line_hides_no_setting_of_a_wrong_type(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text("student = 3\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="student: must be a table of settings, got 3"):
        load_settings(file, {"student": {"kind": "split"}})


def test_a_byte_order_mark_is_no_part_of_the_settings(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text("seed = 4\n", encoding="utf-8-sig")
    assert load_settings(file, {}).seed == 4


def test_a_student_may_read_no_title_if_it_is_never_shown_one_alone() -> None:
    template = {"query_max_tokens": 9, "fields": [{"field": "brand", "max_tokens": 9}]}
    assert load_settings(None, {"student": {"template": template, "title_only_share": 0.0}}).student.template.fields


@pytest.mark.parametrize("changes", [{"kind": "split", "split": {"joint_layers": 2}}, {"layers": [0]}])
def test_settings_of_its_own_kind_and_those_of_a_run_read_again_are_taken(changes: dict[str, Any]) -> None:
    settings = load_settings(None, {"student": changes})
    assert DistillSettings.model_validate_json(settings.model_dump_json()) == settings


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml"):
        load_settings(tmp_path / "absent.toml", {})


def test_the_public_settings_hold_no_path(tmp_path: Path) -> None:
    settings = load_settings(None, {"data": f"jsonl:{tmp_path}/shop", "query_logs": [tmp_path / "log.txt"]})
    public = settings.public()
    assert not {"name", "licences", "precisions", "labelling"} & settings.weight_settings().keys()
    assert public["data"] == "jsonl:shop"
    assert public["query_logs"] == ["log.txt"]
    assert str(tmp_path) not in str(public)


def test_a_run_may_go_on_with_smaller_micro_batches() -> None:
    usual = load_settings(None, {}).weight_settings()
    smaller = {"teacher": {"micro_batch_pairs": 4}, "student": {"micro_batch_pairs": 8}}
    assert load_settings(None, smaller).weight_settings() == usual
    assert load_settings(None, {"student": {"loss": "ranknet"}}).weight_settings() != usual


def test_a_backbones_folder_is_told_without_its_place(tmp_path: Path) -> None:
    members = [{"kind": "encoder", "backbone": str(tmp_path)}, {"kind": "decoder", "backbone": "owner/model"}]
    settings = load_settings(None, {"teacher": {"members": members}, "student": {"backbone": "/far/away/bert"}})
    public = settings.public()
    assert [member["backbone"] for member in public["teacher"]["members"]] == [tmp_path.name, "owner/model"]
    assert public["student"]["backbone"] == "bert"
    assert str(tmp_path) not in str(settings.weight_settings())


def test_the_pool_is_needed_for_warm_up_or_retention() -> None:
    def needed(**changes: float) -> bool:
        return TeacherSettings.model_validate({"warm_up_pairs": 0, "retention_share": 0.0, **changes}).needs_pool

    assert not needed()
    assert needed(warm_up_pairs=1)
    assert needed(retention_share=0.1)


CONFIGS = Path(__file__).parents[2] / "configs"
OF_THE_LOAD_TEST = {"load-budget.toml"}


@pytest.mark.parametrize(
    "file", sorted(file for file in CONFIGS.glob("*.toml") if file.name not in OF_THE_LOAD_TEST), ids=lambda f: f.name
)
def test_every_example_loads(file: Path) -> None:
    load_settings(file, {})


def test_a_split_student_reads_what_the_teacher_reads_unless_told_otherwise() -> None:
    split = StudentSettings.model_validate({"kind": "split"})
    assert (split.template, split.frozen_layers, split.learning_rate) == (TEACHER_TEMPLATE, 2, 1e-4)
    assert StudentSettings.model_validate({"kind": "split", "learning_rate": 1e-3}).learning_rate == 1e-3
    assert StudentSettings().template != TEACHER_TEMPLATE


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"student": {"kind": "split", "initial_share": 0.5, "split": {"fitted_head": False}}},
            "initial_share needs a split student that scores at its start",
        ),
        (
            {"student": {"kind": "split", "split": {"start": "teacher"}}, "teacher": {"members": [DECODER]}},
            "are no BERT's",
        ),
        ({"student": {"kind": "split", "match_weight": 0.3}}, "overlap_weight and .* are for cross-encoders"),
    ],
)
def test_what_does_not_suit_a_split_student_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_settings(None, changes)


def test_a_split_student_may_learn_from_a_decoder() -> None:
    settings = load_settings(None, {"student": {"kind": "split"}, "teacher": {"members": [DECODER]}})
    assert settings.student.kind == "split"


def test_a_runs_settings_find_their_files_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bert").mkdir()
    monkeypatch.chdir(tmp_path)
    given = {
        "data": "esci:data/esci?version=small",
        "query_logs": ["log.txt"],
        "teacher": {"members": [{"kind": "encoder", "backbone": "owner/model"}]},
        "student": {"backbone": "bert"},
    }
    settings = load_settings(None, given)
    kept = DistillSettings.model_validate(settings.with_absolute_paths())
    assert kept.data == f"esci:{tmp_path}/data/esci?version=small"
    assert kept.query_logs == (tmp_path / "log.txt",)
    assert (kept.student.backbone, kept.teacher.members[0].backbone) == (str(tmp_path / "bert"), "owner/model")
    # It is the same run.
    assert kept.weight_settings() == settings.weight_settings()
    assert DistillSettings.model_validate(DistillSettings().with_absolute_paths()) == DistillSettings()


def test_the_current_folder_is_the_same_run_when_its_place_is_told_in_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = {
        "data": "jsonl:.",
        "teacher": {"members": [{"kind": "encoder", "backbone": "."}]},
        "student": {"backbone": "."},
    }
    settings = load_settings(None, given)
    public = settings.public()
    assert public["data"] == f"jsonl:{tmp_path.name}"
    assert public["teacher"]["members"][0]["backbone"] == public["student"]["backbone"] == tmp_path.name
    kept = DistillSettings.model_validate(settings.with_absolute_paths())
    assert kept.weight_settings() == settings.weight_settings()


@pytest.mark.parametrize(
    ("data", "public"),
    [
        ("esci:data/esci?version=small", "esci:esci?version=small"),
        ("esci:.?locale=us", "esci:.?locale=us"),
        ("esci:data/?locale=us", "esci:?locale=us"),
        ("jsonl:..", "jsonl:.."),
        ("jsonl:data/", "jsonl:data"),
        ("synthetic", "synthetic"),
    ],
)
def test_what_earlier_runs_say_of_their_data_stays(data: str, public: str) -> None:
    settings = DistillSettings(data=data)
    assert settings.public()["data"] == public
    assert DistillSettings.model_validate(settings.with_absolute_paths()).public()["data"] == public
