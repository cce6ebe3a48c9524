from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.training.hand_made import dataset, finished_run
from training.datasets.schema import Dataset, Judgement
from training.errors import RunDirectoryError
from training.evaluation.scored_pairs import SCORES
from training.report.__main__ import main
from training.report.write import write_report

SECTIONS = ["Systems", "Paired tests", "Slices", "Calibration", "Scores of teacher and student", "The worst mistakes"]


class Page(HTMLParser):
    """The tags and the text of a page, as a browser takes them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def report_of(run: Path) -> tuple[Page, str]:
    html = write_report(run)
    assert html == run / "report" / "report.html"
    return Page(html.read_text(encoding="utf-8")), (run / "report" / "report.md").read_text(encoding="utf-8")


def test_both_have_each_section_and_markdowns_pictures_are_there(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "run", losses=3)
    (run / "pool").mkdir()
    (run / "pool" / "report.md").write_text(
        "# The pool\n\n| a | pairs |\n| --- | --: |\n| bm25 | 9 |\n", encoding="utf-8"
    )
    page, markdown = report_of(run)
    for section in [*SECTIONS, "Training", "Pool", "Settings"]:
        assert section in page.texts
        assert f"## {section}\n" in markdown
    assert "| bm25 | 9 |" in markdown
    assert "| pool.pairs | 64 |" in markdown
    links = re.findall(r"\]\((.+?)\)", markdown)
    assert len(links) == sum(tag == "img" for tag, _ in page.tags) == 5
    assert all((run / "report" / link).read_bytes().startswith(b"\x89PNG") for link in links)
    assert not list((run / "report").glob("*.partial"))


def test_the_page_needs_nothing_from_outside_and_runs_nothing(tmp_path: Path) -> None:
    titles = (
        "<script>alert(1)</script>",
        '" onerror="alert(2)',
        "![x](https://evil.example/p.png)",
        "[x](javascript:alert(3)) www.evil.example",
        "a | b\n\n# c <img src=//evil.example>",
        "\x00\x1b[31m &lt;b&gt; `code`",
    )
    page, markdown = report_of(finished_run(tmp_path / "run", dataset(titles=titles)))
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "iframe", "object", "a", "base", "form"})
    for _, attributes in page.tags:
        assert not any(name.startswith("on") or name == "href" for name in attributes)
        assert (attributes.get("src") or "data:image/png;base64,").startswith("data:image/png;base64,")
    html = (tmp_path / "run" / "report" / "report.html").read_text(encoding="utf-8")
    assert "url(" not in html
    assert "@import" not in html
    assert "default-src 'none'" in html
    # All titles are there as text.
    assert titles[0] in page.texts
    assert titles[1] in page.texts
    # In Markdown they are neither a tag, a picture, a link, a heading nor a cell's end.
    assert "<" not in markdown.replace("\\<", "")
    assert not re.search(r"(?<!\\)!\[(?!nDCG|Reliability|Histograms)", markdown)
    assert "https:" not in markdown
    assert "www." not in markdown
    assert "a \\| b \\# c" in markdown
    assert "\x00" not in markdown + html


def test_it_says_what_the_figures_are_and_claims_nothing_of_few_queries(tmp_path: Path) -> None:
    page, markdown = report_of(finished_run(tmp_path / "run"))
    assert "Held-out queries: 5 queries, 20 pairs" in page.texts
    assert "too few queries to tell" in page.texts
    assert "– undefined" not in markdown
    numbers = [attributes for tag, attributes in page.tags if tag == "td" and attributes.get("class") == "number"]
    assert len(numbers) > 50


def one_query() -> Dataset:
    return dataset(("lamp",))


def nothing_relevant() -> Dataset:
    data = dataset(("lamp", "cup"))
    return Dataset("d", data.products, [Judgement(j.query, j.product_id, 0.0) for j in data.judgements])


def all_equal() -> Dataset:
    data = dataset(("lamp", "cup"))
    return Dataset("d", data.products, [Judgement(j.query, j.product_id, 1.0) for j in data.judgements])


@pytest.mark.parametrize("data", [one_query(), nothing_relevant(), all_equal()], ids=["one", "nothing", "equal"])
def test_undefined_figures_are_dashes_and_never_nan(tmp_path: Path, data: Dataset) -> None:
    page, markdown = report_of(finished_run(tmp_path / "run", data))
    assert set(SECTIONS) <= set(page.texts)
    assert not {"nan", "None", "null"} & set(re.findall(r"\w+", markdown))


def test_a_rebuilt_report_is_the_same_to_the_byte(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = finished_run(tmp_path / "run")
    first = write_report(run).read_bytes()
    assert main(["--run-dir", str(run)]) == 0
    assert capsys.readouterr().out.strip() == str(run / "report" / "report.html")
    assert (run / "report" / "report.html").read_bytes() == first


def test_an_unfinished_run_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--run-dir", str(tmp_path)]) == 1
    assert "holds no finished evaluation; run python -m training.distill --resume --run-dir" in capsys.readouterr().err


def test_an_evaluation_of_an_older_version_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = finished_run(tmp_path / "run")
    (run / "evaluation" / SCORES).unlink()
    assert main(["--run-dir", str(run)]) == 1
    assert f"delete {run / 'evaluation'} and run training.distill again" in capsys.readouterr().err


def test_a_damaged_fingerprint_is_named(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "run")
    (run / "run.json").write_text("{", encoding="utf-8")
    with pytest.raises(RunDirectoryError, match=r"run\.json is damaged"):
        write_report(run)


def as_a_file(path: Path) -> None:
    path.write_text("x", encoding="utf-8")


def of_no_text(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"caf\xe9\n")


@pytest.mark.parametrize(
    ("name", "damage", "told"),
    [
        ("report", as_a_file, "File exists; mend that"),
        ("pool/report.md", of_no_text, "cannot be read (UnicodeDecodeError: "),
        ("pool/report.md", lambda path: path.mkdir(parents=True), "cannot be read (Is a directory); delete it"),
        ("student/losses.jsonl", of_no_text, "cannot be read (UnicodeDecodeError: "),
        ("run.json", lambda path: path.write_text("[]"), "is damaged (it holds no settings)"),
        ("run.json", lambda path: path.write_text("{}"), "holds no settings, so"),
        (
            "evaluation/manifest.json",
            lambda path: path.write_text("{}"),
            "(it lacks 'held_out'); delete",
        ),
    ],
)
def test_what_a_report_can_not_be_made_from_is_one_line_that_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, damage: Callable[[Path], object], told: str
) -> None:
    run = finished_run(tmp_path / "run")
    damage(run / name)
    assert main(["--run-dir", str(run)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {run / name}")
    assert told in error
    assert error.count("\n") == 1
