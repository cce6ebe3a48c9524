from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.datasets.html_text import html_text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("plain  text\n here", "plain text here"),
        ("<p>Warm<br/>and <b class='x'>soft</b></p><p>Two</p>", "Warm and soft Two"),
        ("salt &amp; pepper&nbsp;mill &#39;L&#39;", "salt & pepper mill 'L'"),
        ("for x < 5 and y > 3", "for x < 5 and y > 3"),
        ("I <3 it, a<5", "I <3 it, a<5"),
        ("a<!-- not <b>this</b> -->b", "a b"),
        ("a<STYLE type='t'>p {color: red}</style>b<script>f('<p>')</script >c", "a b c"),
        ("shown <script>never closed", "shown"),
        ("size &lt;b&gt; kept as text", "size <b> kept as text"),
        ("", ""),
    ],
)
def test_tags_go_and_text_stays(source: str, text: str) -> None:
    assert html_text(source) == text


@settings(deadline=None)
@given(st.text(st.characters(exclude_characters="<&", exclude_categories=["Cs"])))
def test_text_without_markup_keeps_its_words(source: str) -> None:
    assert html_text(source).split() == source.split()


@pytest.mark.parametrize("part", ["<!--", "<script>", "<a ", "</", "<"])
def test_broken_markup_costs_no_more_than_its_length(part: str) -> None:
    started = time.process_time()
    html_text(part * 20_000)
    assert time.process_time() - started < 2.0
