"""A person's word on rows whose number can be read in two ways; and what the plan says of guessed numbers."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

import d7nb
from d7nb.errors import PlanError

FROM = "+12025550100"
MODERN, LEGACY = "+525512345678", "+5215512345678"  # an example, as short of sense as 5512345678


@pytest.fixture
def people() -> pd.DataFrame:
    return pd.DataFrame({"phone": [LEGACY, "+12025550123", "551123456789x", LEGACY], "name": ["Ana", "Bo", "Cy", "Di"]})


def planned(frame: pd.DataFrame, **options: Any) -> d7nb.Plan:
    return d7nb.plan(frame, d7nb.Text("Hi {name}"), to="phone", originator=FROM, **options)


def test_nothing_ambiguous_goes_without_a_word(people: pd.DataFrame, sandbox: d7nb.Sandbox) -> None:
    plan = planned(people)
    assert plan.rows["verdict"].tolist() == ["held", "ready", "invalid", "held"]
    held = plan.problems.query("severity == 'held'")
    assert held["row"].tolist() == [0, 3]
    assert held["hint"].unique().tolist() == [
        "correct the number in the table; or take the likelier one with plan = plan.release(), and send this plan"
    ]
    assert plan.send(sandbox.client(), progress=False).summary["held"] == 2
    assert sandbox.messages["recipient"].tolist() == ["+12025550123"]


def test_all_that_are_held_are_released_to_the_first_candidate(people: pd.DataFrame, sandbox: d7nb.Sandbox) -> None:
    plan = planned(people)
    released = plan.release()
    assert released.rows["verdict"].tolist() == ["ready", "ready", "invalid", "ready"]
    assert released.rows["recipient"].tolist()[0] == MODERN
    assert released.rows["decided_by"].tolist()[0] == "released"
    assert plan.summary["held"] == 2, "the plan itself is frozen"
    delivery = released.send(sandbox.client(), progress=False)
    assert delivery.frame["d7_outcome"].tolist() == ["accepted", "accepted", "invalid", "accepted"]
    assert sorted(sandbox.messages["recipient"]) == sorted(["+12025550123", MODERN, MODERN])


def test_one_row_to_a_number_of_choice(people: pd.DataFrame) -> None:
    released = planned(people).release(choose={3: LEGACY})
    assert released.rows["verdict"].tolist() == ["held", "ready", "invalid", "ready"]
    assert released.rows["recipient"].tolist()[3] == LEGACY
    both = released.release([0])
    assert both.rows["recipient"].tolist()[::3] == [MODERN, LEGACY]


def test_a_mask_names_rows_too(people: pd.DataFrame) -> None:
    assert planned(people).release(people["name"] == "Ana").summary["held"] == 1


@pytest.mark.parametrize(
    ("rows", "choose", "told"),
    [
        ([1], "first", "the row at position 1 is not held"),
        ([0], {0: "+12025550199"}, "give one of its candidates, .* shows them unmasked"),
        ([0], "last", "choose= takes 'first', or a number for each row"),
        ([9], "first", "positions from 0 to 3"),
        ([True], "first", "rows= has 1 value for 4 rows: give True or False for each row"),
        (["Ana"], "first", "positions from 0 to 3"),
    ],
)
def test_a_word_that_makes_no_sense_is_told(people: pd.DataFrame, rows: Any, choose: Any, told: str) -> None:
    with pytest.raises(PlanError, match=told) as error:
        planned(people).release(rows, choose)
    assert "5512345678" not in str(error.value)


def test_releasing_nothing_changes_nothing(people: pd.DataFrame) -> None:
    plan = planned(people.iloc[[1]])
    assert list(plan.release().requests()) == list(plan.requests())


def test_guessed_numbers_are_one_warning_with_the_countries() -> None:
    frame = pd.DataFrame({"phone": ["12025550123", "12025550124", "61491570006", "+61491570156"], "name": list("abcd")})
    plan = planned(frame)
    assert plan.summary["ready"] == 4
    (warning,) = plan.problems.to_dict("records")
    assert (warning["code"], warning["severity"]) == ("plus_assumed", "warning")
    assert "US 2, AU 1" in warning["message"]
    assert pd.isna(warning["row"])
