from __future__ import annotations

from training.report.document import Column, Heading, Paragraph, Table
from training.report.pool_text import blocks_of_markdown


def test_headings_tables_and_lines() -> None:
    text = "# The pool\n\n- 9 pairs\n\n| source | pairs |\n| --- | --: |\n| a \\| b | 9 |\n\n## More\nlast"
    assert blocks_of_markdown(text) == [
        Heading("The pool", 2),
        Paragraph("- 9 pairs"),
        Table([Column("source", False), Column("pairs", True)], [["a | b", "9"]]),
        Heading("More", 3),
        Paragraph("last"),
    ]


def test_what_only_looks_like_a_table_stays_text() -> None:
    for text in ("| a | b |\n| 1 | 2 |", "| a |\n| --- |\n| 1 | 2 |", "| a |"):
        assert blocks_of_markdown(text) == [Paragraph(line) for line in text.splitlines()]
