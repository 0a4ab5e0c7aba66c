"""Test messages to one's own phone: the same words, and no part of the campaign."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import d7nb
from d7nb import Text, by_column
from d7nb.errors import PlanError
from d7nb.testing import numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d7nb import Sandbox

OWN = "+46701740605"
PHONES = numbers(6)


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[d7nb.Client]:
    with sandbox.client(rate=None) as connected:
        yield connected


def planned(content: Any = None, **options: Any) -> d7nb.Plan:
    names = ["Ali", "Žofie with a long name indeed", "عمر", "😀", "1.0", "Ali"]
    frame = pd.DataFrame({"phone": PHONES, "name": names, "kind": ["a", "b"] * 3})
    return d7nb.plan(frame, content or Text("Hi {name}"), **{"to": "phone", "originator": "+12025550100"} | options)


def said(sandbox: Sandbox) -> list[str]:
    return [content["text"]["body"] for content in sandbox.messages["content"]]


def test_the_strangest_messages_go_to_one_s_own_phone_and_nowhere_else(sandbox: Sandbox, client: d7nb.Client) -> None:
    plan = planned()
    delivery = plan.test(client, to=OWN, n=4)
    assert set(sandbox.messages["recipient"]) == {OWN}
    assert sorted(said(sandbox)) == sorted(plan.preview(4).frame["text"])
    assert delivery.summary["accepted"] == len(delivery) == 4


def test_a_test_is_no_part_of_the_campaign_and_can_be_done_again(sandbox: Sandbox, client: d7nb.Client) -> None:
    plan = planned(
        reference={"cust_ref": "{name}"}, report_url="https://example.com/r", schedule="2100-01-01T09:00+04:00"
    )
    for _ in range(2):
        assert plan.test(client, to=OWN, n=1).summary["accepted"] == 1
    assert len(sandbox.messages) == 2
    assert sandbox.messages[["report_url", "schedule_time"]].isna().all(axis=None)
    assert all("cust_ref" not in reference for reference in sandbox.messages["reference"])
    assert plan.going(client).all()
    assert plan.send(client, progress=False).summary["accepted"] == 6
    assert plan.test(client, to=OWN, n=1).summary["accepted"] == 1


def test_a_corrected_text_can_be_tested_at_once(sandbox: Sandbox, client: d7nb.Client) -> None:
    planned(Text("Helo")).test(client, to=OWN)
    planned(Text("Hello")).test(client, to=OWN)
    assert said(sandbox) == ["Helo", "Hello"]


def test_rows_that_say_the_same_make_one_message(sandbox: Sandbox, client: d7nb.Client) -> None:
    delivery = planned(Text("Hello, all")).test(client, to=OWN, n=5)
    assert delivery.summary["accepted"] == len(delivery) == len(sandbox.messages) == 1


def test_the_text_still_names_the_row_s_own_number(sandbox: Sandbox, client: d7nb.Client) -> None:
    planned(Text("Your number is {phone}")).test(client, to=OWN, n=1)
    assert said(sandbox)[0].removeprefix("Your number is ") in PHONES


def test_every_kind_of_content_can_be_tested(sandbox: Sandbox, client: d7nb.Client) -> None:
    plan = planned(by_column("kind", {"a": Text("A {name}"), "b": Text("B {name}")}), key="phone")
    assert plan.test(client, to=OWN, n=6).summary["accepted"] == 6
    frame = pd.DataFrame({"recipient": PHONES[:2], "text.body": ["one", "two"], "originator": "+12025550100"})
    assert d7nb.plan(frame).test(client, to=OWN).summary["accepted"] == 2


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("call me", "the number to test with can't be used: it has letters"),
        ("", r"type your own number with '\+' and the country code"),
        (None, "type your own number"),
    ],
)
def test_a_number_that_is_none_is_refused(sandbox: Sandbox, client: d7nb.Client, to: Any, words: str) -> None:
    with pytest.raises(PlanError, match=words):
        planned().test(client, to=to)
    assert sandbox.messages.empty


def test_a_plan_with_nothing_to_send_has_nothing_to_test(client: d7nb.Client) -> None:
    with pytest.raises(PlanError, match="no row of this plan is ready"):
        planned(Text("{name}"), to="name").test(client, to=OWN)
