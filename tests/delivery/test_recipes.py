"""How a campaign's rows are told apart: who changes that, tells nobody anything twice without a word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
import sqlalchemy

import d7nb
from d7nb import Ledger, Sandbox, Text
from d7nb.testing import numbers
from tests.support.old_ledgers import connected

NUMBERS = numbers(20)
KEYS: list[Any] = [None, "order", ["order", "part"], ["part", "order"]]


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[d7nb.Client]:
    with sandbox.client(rate=None) as connected_client:
        yield connected_client


def table(rows: range) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "phone": [NUMBERS[row] for row in rows],
            "order": [f"o{row}" for row in rows],
            "part": [f"p{row}" for row in rows],
        }
    )


def planned(rows: range, key: Any, text: str = "Your order {order}") -> d7nb.Plan:
    content = Text(text)
    return d7nb.plan(table(rows), content, to="phone", originator="+12025550100", campaign="orders", key=key)


def outcomes(plan: d7nb.Plan, client: d7nb.Client, place: str, **options: Any) -> list[str]:
    return plan.send(client, ledger=place, progress=False, **options).frame["d7_outcome"].tolist()


def forget_recipes(place: str) -> None:
    """Leave the ledger as an upgrade leaves it: version 2 did not know how rows were told apart."""
    with connected(place) as connection:
        connection.execute(sqlalchemy.text("UPDATE d7nb_ledger_campaigns SET recipe = NULL"))


def stored_recipes(place: str) -> list[str | None]:
    with connected(place) as connection:
        return list(connection.execute(sqlalchemy.text("SELECT recipe FROM d7nb_ledger_campaigns")).scalars())


@pytest.mark.parametrize("first", KEYS, ids=str)
@pytest.mark.parametrize("second", KEYS, ids=str)
def test_another_way_to_tell_rows_apart_writes_to_nobody_again(
    sandbox: Sandbox, client: d7nb.Client, place: str, first: Any, second: Any
) -> None:
    """Under the same key, whoever has it has it; under another, they are held, and only new people are written to."""
    assert outcomes(planned(range(3), first), client, place) == ["accepted"] * 3
    again = outcomes(planned(range(5), second), client, place)
    assert again == ["already_sent" if first == second else "held"] * 3 + ["accepted"] * 2
    assert set(Counter(sandbox.messages["recipient"]).values()) == {1}
    assert len(stored_recipes(place)) == 1


@pytest.mark.parametrize("second", KEYS, ids=str)
def test_after_an_upgrade_whoever_was_written_to_counts_as_written_to(
    sandbox: Sandbox, client: d7nb.Client, place: str, second: Any
) -> None:
    """It is not known how their rows were told apart, until a plan finds one of them under its key."""
    outcomes(planned(range(3), "order"), client, place)
    forget_recipes(place)
    again = outcomes(planned(range(2, 5), second), client, place)
    assert again == ["already_sent" if second == "order" else "held", "accepted", "accepted"]
    assert stored_recipes(place) == (['["order"]'] if second == "order" else [None])
    assert set(Counter(sandbox.messages["recipient"]).values()) == {1}


def test_after_an_upgrade_a_standing_job_goes_on_once_it_finds_a_row(
    sandbox: Sandbox, client: d7nb.Client, place: str
) -> None:
    """With key columns, one person may have many rows; at the upgrade, they wait until the recipe is known."""
    outcomes(planned(range(3), "order"), client, place)
    forget_recipes(place)
    next_orders = table(range(3)).assign(order=["o10", "o11", "o12"])
    plan = d7nb.plan(
        next_orders, Text("Your order {order}"), to="phone", originator="+12025550100", campaign="orders", key="order"
    )
    assert outcomes(plan, client, place) == ["held"] * 3
    assert outcomes(planned(range(1), "order"), client, place) == ["already_sent"]
    assert outcomes(plan, client, place) == ["accepted"] * 3


def test_or_once_it_is_told_to_send_what_has_changed(sandbox: Sandbox, client: d7nb.Client, place: str) -> None:
    outcomes(planned(range(3), "order"), client, place)
    forget_recipes(place)
    later = table(range(2)).assign(order=["o10", "o11"])
    options: dict[str, Any] = {"to": "phone", "originator": "+12025550100", "campaign": "orders", "key": "order"}
    plan = d7nb.plan(later[:1], Text("Your order {order}"), **options)
    assert outcomes(plan, client, place) == ["held"]
    assert outcomes(plan, client, place, resend="changed") == ["accepted"]
    assert stored_recipes(place) == ['["order"]']
    assert outcomes(d7nb.plan(later, Text("{order}"), **options), client, place) == ["already_sent", "accepted"]


def test_a_campaign_whose_first_rows_were_all_refused_is_open(
    client: d7nb.Client, sandbox: Sandbox, place: str
) -> None:
    """Nobody was written to, so that another way to tell rows apart holds nobody."""
    sandbox.fail_next("rejected")
    outcomes(planned(range(2), "order"), client, place)
    assert outcomes(planned(range(2), None), client, place) == ["accepted"] * 2


def test_looking_records_no_recipe(client: d7nb.Client, place: str) -> None:
    outcomes(planned(range(3), "order"), client, place)
    forget_recipes(place)
    with Ledger(place) as ledger:
        assert planned(range(3), "order").going(client, ledger=ledger).sum() == 0
        assert len(planned(range(3), "order").delivery(client, ledger=ledger)) == 3
    assert stored_recipes(place) == [None]


def test_what_went_out_otherwise_counts_though_the_campaign_s_recipe_is_the_plan_s(
    sandbox: Sandbox, client: d7nb.Client, place: str
) -> None:
    """The campaign's rows are told apart by order; somebody wrote to one more person by content, in between."""
    assert outcomes(planned(range(1), "order"), client, place) == ["accepted"]
    assert outcomes(planned(range(2), None), client, place) == ["held", "accepted"]
    assert stored_recipes(place) == ['["order"]']
    assert outcomes(planned(range(3), "order"), client, place) == ["already_sent", "held", "accepted"]
    assert set(Counter(sandbox.messages["recipient"]).values()) == {1}
