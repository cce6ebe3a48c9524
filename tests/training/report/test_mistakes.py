from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.training.hand_made import dataset, scored
from training.report.document import Paragraph, Table
from training.report.mistakes import mistakes_section, worst_pairs, worst_queries

shares = st.floats(0, 1)


@given(st.lists(st.tuples(shares, shares), min_size=1, max_size=20), st.integers(1, 25))
def test_no_pair_left_out_is_worse_than_one_shown(pairs: list[tuple[float, float]], count: int) -> None:
    targets, probabilities = (np.array(part) for part in zip(*pairs, strict=True))
    rows = worst_pairs(targets, probabilities, count)
    errors = np.abs(probabilities - targets)
    assert len(set(rows.tolist())) == len(rows) == min(count, len(pairs))
    assert (np.diff(errors[rows]) <= 0).all()
    assert np.delete(errors, rows).max(initial=0.0) <= errors[rows[-1]]


def test_the_worst_queries_and_what_stands_on_top() -> None:
    best, worst = [4.0, 3.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0]
    pairs = scored(dataset(("good", "bad", "fair")), student=[*best, *worst, 3.0, 4.0, 2.0, 1.0])
    found = worst_queries(pairs, "student", 2)
    assert [(each.query, each.candidates, each.relevant) for each in found] == [("bad", 4, 2), ("fair", 4, 2)]
    assert found[0].top == [7, 6, 5, 4]
    assert found[1].top == [9, 8, 10, 11]


def test_a_pair_is_shown_with_its_text_its_target_and_both_probabilities() -> None:
    data = dataset(("lamp", "cup", "tea"))
    logits = [2.0, 0.0, -2.0, -2.0] * 3
    # One pair is very wrong: it is the student's first, and not the teacher's.
    student = [*logits[:11], 9.0]
    blocks = mistakes_section(scored(data, teacher=logits, student=student))
    of_student, of_teacher = (
        next(table for table in blocks[start:] if isinstance(table, Table))
        for start, block in enumerate(blocks)
        if isinstance(block, Paragraph) and block.text.startswith("Error:")
    )
    assert [column.name for column in of_student.columns[:3]] == ["query", "title", "target"]
    assert list(of_student.rows[0][:3]) == ["tea", "product 3 for tea", "0.00"]
    assert float(of_student.rows[0][4]) > 0.6 > float(of_student.rows[0][3])
    assert of_student.rows[0][5].startswith("+")
    assert list(of_teacher.rows[0][:2]) != ["tea", "product 3 for tea"]
