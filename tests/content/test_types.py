"""Every content type is sent as in D7's API reference: literal, in columns, in templates, or as a table alone."""

from __future__ import annotations

from typing import Any

import pytest

import d7nb
from d7nb import Template, col
from tests.support.contents import CASES, Case, in_columns
from tests.support.plans import PHONES, contents_by_row, plan_of, problem_cells


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_content_is_sent_as_d7_documents_it(case: Case, sandbox: d7nb.Sandbox) -> None:
    """Literally, with every leaf a column, and with every leaf a template."""
    forms = [
        (case.build(lambda value: value), {}),
        in_columns(case.build, col),
        in_columns(case.build, lambda name: f"{{{name}}}"),
    ]
    for number, (content, row) in enumerate(forms):
        plan = plan_of(row, content=content, campaign=str(number))
        assert problem_cells(plan) == []
        assert contents_by_row(plan) == {0: case.expected}
        assert plan.send(sandbox.client(), progress=False).summary["accepted"] == 1
    assert sandbox.messages["content"].tolist() == [case.expected] * len(forms)
    assert sandbox.messages["warnings"].tolist() == [[]] * len(forms)


def flat(node: Any, path: str = "") -> dict[str, Any]:
    """D7's JSON as columns: a dotted path for each leaf."""
    branches = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else None
    if branches is None:
        return {path: node}
    return {at: leaf for key, child in branches for at, leaf in flat(child, f"{path}.{key}".lstrip(".")).items()}


TABLED = [case for case in CASES if case.name != "template_buttons_in_short"]  # an empty object is no cell


def test_a_table_alone_may_hold_every_content(sandbox: d7nb.Sandbox) -> None:
    """One table with a column for each leaf of them all, named by its path: what comes out is what went in."""
    plan = plan_of(*(flat(case.expected) for case in TABLED))
    assert problem_cells(plan) == []
    assert contents_by_row(plan) == {row: case.expected for row, case in enumerate(TABLED)}
    assert plan.send(sandbox.client(), progress=False).summary["accepted"] == len(TABLED)
    arrived = dict(zip(sandbox.messages["recipient"], sandbox.messages["content"], strict=True))
    assert [arrived[phone] for phone in PHONES[: len(TABLED)]] == [case.expected for case in TABLED]


def test_parameters_stand_in_their_order_however_they_are_given() -> None:
    numbered = {str(number): f"p{number}" for number in (10, 2, 0, 1, 3, 4, 5, 6, 7, 8, 9)}
    (content,) = contents_by_row(plan_of({}, content=Template("due", "en", body_parameters=numbered))).values()
    assert list(content["template"]["body_parameter_values"].values()) == [f"p{number}" for number in range(11)]
