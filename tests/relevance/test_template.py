from __future__ import annotations

import pytest
from pydantic import ValidationError

from relevance.template import FieldBudget, Template


def test_the_longest_pair_is_the_sum_of_the_budgets_and_three_special_tokens() -> None:
    fields = (FieldBudget(field="title", max_tokens=30), FieldBudget(field="brand", max_tokens=5))
    assert Template(query_max_tokens=10, fields=fields).max_length == 48


@pytest.mark.parametrize("fields", [(), ("title", "title"), ("price",)])
def test_a_template_names_known_fields_once(fields: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError):
        Template.model_validate({"query_max_tokens": 8, "fields": [{"field": f, "max_tokens": 4} for f in fields]})
