"""Sends that meet one another, end too early, or are told two things at once: still nobody twice, nobody lost."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pytest

import d7nb
from d7nb import Ledger, Sandbox, Text
from d7nb.errors import PlanError
from d7nb.testing import numbers
from tests.support.ledgers import postgres
from tests.support.servers import Handler, serving

ROOT = Path(__file__).parents[2]
ORIGINATOR, SECOND = "+12025550100", "+12125550100"
NUMBERS = numbers(200)


def planned(count: int, text: str = "Hi {name}", **options: Any) -> d7nb.Plan:
    frame = pd.DataFrame({"phone": NUMBERS[:count], "name": [f"N{row}" for row in range(count)]})
    return d7nb.plan(frame, Text(text), **{"to": "phone", "originator": ORIGINATOR, "campaign": "spring"} | options)


def outcomes(delivery: d7nb.Delivery) -> list[str]:
    return [str(outcome) for outcome in delivery.frame["d7_outcome"]]


def went_to(sandbox: Sandbox) -> Counter[str]:
    return Counter(sandbox.messages["recipient"].tolist())


def until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + 30
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < end
        pause.wait(0.01)


# A person's word


def test_two_words_on_the_same_rows_don_t_pass_each_other_unseen(sandbox: Sandbox, place: str) -> None:
    sandbox.fail_next("drop_after")
    with sandbox.client() as client:
        planned(2).send(client, ledger=place, progress=False)
        first, second = (planned(2).delivery(client, ledger=place) for _ in range(2))
        first.settle("sent")
        with pytest.raises(PlanError, match="2 rows had been settled differently before"):
            second.settle("not_sent")
        assert outcomes(second) == ["accepted"] * 2


def test_a_word_can_be_taken_back_towards_safety(sandbox: Sandbox, place: str) -> None:
    sandbox.fail_next("drop_after")
    with sandbox.client() as client:
        planned(2).send(client, ledger=place, progress=False)
        delivery = planned(2).delivery(client, ledger=place).settle("not_sent")
        assert planned(2).going(client, ledger=place).all()
        assert outcomes(delivery.settle("sent", rows=[0, 1])) == ["accepted"] * 2
        assert not planned(2).going(client, ledger=place).any()
        with pytest.raises(PlanError, match="needs no settling"):
            delivery.settle("not_sent", rows=[0])


@pytest.mark.parametrize("column", [pd.Series([0, 0, 1]), [0, 0, 1], pd.Series([0, 0, 1]).to_numpy()], ids=type)
def test_zeros_and_ones_are_not_taken_for_positions(sandbox: Sandbox, column: Any) -> None:
    with sandbox.client() as client:
        planned(3).send(client, progress=False)
        with pytest.raises(PlanError, match="resend= holds 0 and 1 for each row, which could be positions"):
            planned(3).send(client, progress=False, resend=column)
        pair = pd.Series([1, 0])
        with pytest.raises(PlanError, match="which could be positions: give True or False for each row"):
            planned(2).send(client, progress=False, resend=pair)


# Two sends at once


class Slow:
    """Keeps a client from posting until it is told to go on."""

    def __init__(self, client: d7nb.Client, after: int) -> None:
        self.reached, self.go_on = threading.Event(), threading.Event()
        exchange, left = client.exchange, iter(range(after))

        def post(body: bytes) -> Any:
            if next(left, None) is None:
                self.reached.set()
                assert self.go_on.wait(30)
            return exchange(body)

        client.exchange = post  # type: ignore[method-assign]


def test_who_just_got_another_text_from_another_run_is_held(sandbox: Sandbox, place: str) -> None:
    with (
        sandbox.client(rate=None, workers=1, batch_size=2) as first,
        sandbox.client(rate=None, workers=1, batch_size=2) as second,
    ):
        slow = Slow(first, after=1)
        old = planned(8, "Hi {name}, yuor parcel").send(first, ledger=place, wait=False)
        assert slow.reached.wait(30)
        new = planned(8, "Hi {name}, your parcel").send(second, ledger=place, progress=False)
        slow.go_on.set()
        old.wait()
    assert outcomes(new) == ["held"] * 4 + ["accepted"] * 4
    assert outcomes(old) == ["accepted"] * 4 + ["held"] * 4
    assert set(old.frame["d7_reason"].iloc[4:]) == set(new.frame["d7_reason"].iloc[:4])
    assert set(went_to(sandbox).values()) == {1}


def test_everything_again_from_two_at_once_goes_once_more(sandbox: Sandbox, place: str) -> None:
    with sandbox.client(rate=None, workers=1, batch_size=1) as client, sandbox.client(rate=None) as other:
        planned(10).send(other, ledger=place, progress=False)
        slow = Slow(client, after=2)
        first = planned(10).send(client, ledger=place, resend=True, confirm=10, wait=False)
        assert slow.reached.wait(30)
        second = planned(10).send(other, ledger=place, resend=True, confirm=9, progress=False)  # one is on its way
        slow.go_on.set()
        first.wait()
    assert Counter(went_to(sandbox).values()) == {2: 8, 3: 2}  # two of them were done when the second began
    assert second.summary["accepted"] == 9


def test_a_send_that_waits_for_another_s_turn_holds_no_claim(sandbox: Sandbox, place: str) -> None:
    with sandbox.client(rate=20, workers=4, batch_size=10) as client, Ledger(place) as ledger:
        first = planned(60, campaign="a").send(client, ledger=place, wait=False)
        second = planned(60, campaign="b").send(client, ledger=place, wait=False)
        most = 0
        while not (first.done and second.done):
            most = max(most, int(ledger.campaigns()["claimed"].sum()))
        assert most <= 40  # what is on its way, and no more
    assert outcomes(first.wait()) == outcomes(second.wait()) == ["accepted"] * 60


def test_two_sends_of_one_client_keep_its_rate_even_where_d7_is_slow() -> None:
    arrivals: list[float] = []
    first = threading.Event()

    def arrive(handler: Handler) -> None:
        body = orjson.loads(handler.server.requests[-1].body)
        arrivals.extend([time.monotonic()] * sum(len(message["recipients"]) for message in body["messages"]))
        if not first.is_set():
            first.set()
            threading.Event().wait(1.5)
        handler.reply()

    with serving(arrive) as server, d7nb.Client("x", base_url=server.url, rate=20, workers=1, batch_size=10) as client:
        sends = [planned(40, campaign=name).send(client, wait=False) for name in ("a", "b")]
        for each in sends:
            each.wait()
    assert len(arrivals) == 80
    assert max(sum(begin <= at < begin + 1 for at in arrivals) for begin in arrivals) <= 20


# Ends that come too early

ENDS_EARLY = """
import atexit, json, sys, time
from tests.delivery.test_sending_mishaps import planned
import d7nb

client = d7nb.Client("sandbox", base_url=sys.argv[1], rate=None, workers=2, batch_size=2)
delivery = planned(60).send(client, ledger=sys.argv[2], wait=False)
time.sleep(0.5)
"""


def test_a_program_that_ends_leaves_no_answer_unrecorded(sandbox: Sandbox, tmp_path: Path) -> None:
    place = str(tmp_path / "ledger.sqlite3")
    sandbox.fail_next("delay", seconds=0.1, probability=1.0)
    subprocess.run([sys.executable, "-c", ENDS_EARLY, sandbox.url, place], cwd=ROOT, check=True)
    with d7nb.Client("sandbox", base_url=sandbox.url) as client:
        delivery = planned(60).delivery(client, ledger=place)
    assert delivery.summary["unknown"] == 0
    assert 0 < delivery.summary["accepted"] == len(sandbox.messages)
    assert delivery.summary["accepted"] + delivery.summary["unsent"] == 60


def test_a_failure_of_our_own_keeps_every_answer(sandbox: Sandbox, place: str) -> None:
    calls = iter(range(1_000_000))

    def clock() -> datetime:
        if next(calls) == 7:
            raise OverflowError("no such day")
        return datetime.now(UTC)

    sandbox.fail_next("delay", times=8, seconds=0.2)
    with sandbox.client(rate=None, workers=4, batch_size=2) as client:
        plan = planned(20, clock=clock)
        delivery = plan.send(client, ledger=place, wait=False)
        with pytest.raises(OverflowError):
            delivery.wait()
        assert delivery.summary["accepted"] == len(sandbox.messages) > 0
        assert delivery.summary["unknown"] == 0
        assert "not tried: d7nb failed: OverflowError" in set(delivery.frame["d7_reason"])
        assert planned(20).delivery(client, ledger=place).summary["accepted"] == len(sandbox.messages)


def test_an_id_that_a_database_can_t_hold_hurts_nobody() -> None:
    body = json.dumps({"request_id": "a\0b", "status": "accepted", "created_at": "\0"}).encode()
    with postgres() as place, serving(lambda handler: handler.reply(200, body)) as server:
        with d7nb.Client("x", base_url=server.url, rate=None, batch_size=2) as client:
            assert planned(6).send(client, ledger=place, progress=False).summary["accepted"] == 6
            assert planned(6).delivery(client, ledger=place).frame["d7_request_id"].tolist() == ["ab"] * 6


# The canary, and an originator that is none


def test_rows_that_drop_out_of_the_canary_are_replaced(sandbox: Sandbox) -> None:
    class Lately(d7nb.filters.RowFilter):
        """Skips two rows when their turn comes."""

        name, reads_clock = "lately", True

        def check(self, rows: pd.DataFrame) -> pd.Series:
            return d7nb.filters.reasons(rows, [False] * len(rows), "")

        def check_at_request(self, rows: pd.DataFrame) -> pd.Series:
            return d7nb.filters.reasons(rows, rows["name"].isin(["N0", "N1"]).tolist(), "too late")

    for number in NUMBERS[2:4]:
        sandbox.fail_next("refuse", recipient=number)
    with sandbox.client(rate=None, batch_size=1) as client:
        delivery = planned(20, filters=[Lately()]).send(client, canary=2, stop_if=0.0, progress=False)
    assert outcomes(delivery) == ["skipped"] * 2 + ["rejected"] * 2 + ["unsent"] * 16


def test_rows_of_an_originator_that_is_none_are_remembered_as_rejected(place: str) -> None:
    with Sandbox(originators=[SECOND]) as sandbox, sandbox.client(rate=None, workers=1, batch_size=2) as client:
        delivery = planned(8).send(client, ledger=place, progress=False)
        later = planned(8).delivery(client, ledger=place)
        assert outcomes(delivery) == outcomes(later) == ["rejected"] * 8
        assert later.frame["d7_reason"].tolist() == delivery.frame["d7_reason"].tolist()
        assert len(delivery.requests) == 1
        assert planned(8, originator=SECOND).send(client, ledger=place, progress=False).summary["accepted"] == 8


def test_a_refusal_in_many_words_is_one_record(sandbox: Sandbox, place: str) -> None:
    detail = [
        {"loc": ["body", "messages", row, "recipients", 0], "msg": f"Not {row}", "type": "value_error"}
        for row in range(0, 20, 2)
    ]
    sandbox.fail_next("status", code=422, body={"detail": detail})
    with sandbox.client(rate=None, workers=1) as client:
        delivery = planned(20).send(client, ledger=place, progress=False)
        assert outcomes(delivery) == ["rejected", "accepted"] * 10
        later = planned(20).delivery(client, ledger=place)
        assert later.frame["d7_reason"].tolist()[::2] == [
            f"D7 answered 422: Not {row} (fix the data)" for row in range(0, 20, 2)
        ]
