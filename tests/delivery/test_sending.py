"""The send loop against a sandbox in which things go wrong: what is tried again, what never is, and when it stops."""

from __future__ import annotations

import io
import json
import math
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import d7nb
from d7nb import Sandbox, Text, by_column, col
from d7nb.delivery.sending.loop import SendLoop
from d7nb.errors import ConfirmError, Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ORIGINATOR, SECOND = "+12025550100", "+12125550100"
NUMBERS = [f"+1{area}55501{last:02}" for area in (202, 212, 213, 305) for last in range(1, 100)]
CODED = {"detail": {"code": "TEMPLATE_PARAMETER_COUNT_MISMATCH", "message": "one too many"}}

Connect = Any
"""From a sandbox and a client's options to a client that ends with the test."""


@pytest.fixture
def connect() -> Iterator[Callable[..., d7nb.Client]]:
    with ExitStack() as stack:
        yield lambda sandbox, **options: stack.enter_context(sandbox.client(**{"rate": None} | options))


@pytest.fixture
def one_by_one(connect: Connect, sandbox: Sandbox) -> d7nb.Client:
    """A client that sends each row alone and one after another, in the order of the table."""
    return connect(sandbox, workers=1, batch_size=1)


def planned(count: int, content: Any = None, **columns: Any) -> d7nb.Plan:
    """A plan of so many ready rows."""
    frame = pd.DataFrame({"phone": NUMBERS[:count], **columns})
    originator = col("originator") if "originator" in columns else ORIGINATOR
    return d7nb.plan(frame, content or Text("Hello"), to="phone", originator=originator)


def outcomes(delivery: d7nb.Delivery) -> list[str]:
    return [str(outcome) for outcome in delivery.frame["d7_outcome"]]


def reasons(delivery: d7nb.Delivery) -> list[Any]:
    return [None if pd.isna(reason) else reason for reason in delivery.frame["d7_reason"]]


def went_to(sandbox: Sandbox) -> list[str]:
    return [str(number) for number in sandbox.messages["recipient"]]


def accepted(delivery: d7nb.Delivery) -> list[str]:
    return list(delivery.frame.loc[delivery.frame["d7_outcome"] == "accepted", "d7_recipient"])


# A refusal, case by case


def test_a_422_that_names_rows_costs_those_rows_alone(sandbox: Sandbox, connect: Connect) -> None:
    for bad in (NUMBERS[1], NUMBERS[7]):
        sandbox.fail_next("refuse", recipient=bad)
    delivery = planned(10).send(connect(sandbox), progress=False)
    assert [row for row, outcome in enumerate(outcomes(delivery)) if outcome == "rejected"] == [1, 7]
    assert delivery.summary["accepted"] == 8
    assert reasons(delivery)[1] == "D7 answered 422: recipient: The recipient can't be reached (fix the data)"
    assert delivery.frame.loc[1, "d7_decided_by"] == "D7"
    assert delivery.requests[["outcome", "rows", "status"]].values.tolist() == [
        ["rejected", 2, 422],
        ["accepted", 8, 200],
    ]
    assert went_to(sandbox) == accepted(delivery)


def test_a_422_that_names_a_message_costs_the_rows_of_that_message(sandbox: Sandbox, connect: Connect) -> None:
    detail = [{"loc": ["body", "messages", 1, "content", "text", "body"], "msg": "Not this", "type": "value_error"}]
    sandbox.fail_next("status", code=422, body={"detail": detail})
    plan = planned(5, Text(col("body")), body=["a", "b", "a", "b", "c"])
    delivery = plan.send(connect(sandbox), progress=False)
    assert outcomes(delivery) == ["accepted", "rejected", "accepted", "rejected", "accepted"]
    assert reasons(delivery)[1] == "D7 answered 422: content.text.body: Not this (fix the data)"


def test_a_422_that_names_every_row_leaves_nothing_to_try(sandbox: Sandbox, connect: Connect) -> None:
    sandbox.fail_next("status", code=422, body={"detail": [{"loc": ["body", "messages", 0], "msg": "No", "type": "x"}]})
    delivery = planned(4).send(connect(sandbox), progress=False)
    assert outcomes(delivery) == ["rejected"] * 4
    assert set(reasons(delivery)) == {"D7 answered 422: No (fix the data)"}
    assert len(delivery.requests) == 1


FIRST_ROW = ["body", "messages", 0, "recipients", 0]


@pytest.mark.parametrize(
    "locs",
    [
        [["body"]],
        [["body", "message_globals", "schedule_time"]],
        [["body", "messages", 0, "recipients", 99]],
        [["body", "messages", 0, "recipients", -2]],
        [["body", "messages", 7]],
        [[]],
        [],
        [FIRST_ROW, ["body", "message_globals"]],
    ],
    ids=str,
)
def test_a_422_that_names_not_just_rows_halves_the_request(
    sandbox: Sandbox, connect: Connect, locs: list[list[Any]]
) -> None:
    details = [{"loc": loc, "msg": "Something is wrong", "type": "value_error"} for loc in locs]
    sandbox.fail_next("status", code=422, body={"detail": details})
    delivery = planned(4).send(connect(sandbox, workers=1), progress=False)
    assert delivery.requests[["outcome", "rows"]].values.tolist() == [
        ["taken apart", 4],
        ["accepted", 2],
        ["accepted", 2],
    ]
    assert went_to(sandbox) == NUMBERS[:4]


@pytest.mark.parametrize("status", [400, 413, 422])
@pytest.mark.parametrize(
    ("count", "bad"),
    [(1, [0]), (2, [1]), (7, [3]), (64, [0]), (100, [99]), (100, [0, 50, 51]), (33, [*range(4, 12)])],
    ids=str,
)
def test_a_request_is_halved_until_the_bad_rows_stand_alone(
    sandbox: Sandbox, connect: Connect, status: int, count: int, bad: list[int]
) -> None:
    for row in bad:
        sandbox.fail_next("refuse", recipient=NUMBERS[row], named=False, status=status)
    delivery = planned(count).send(connect(sandbox, workers=4), progress=False)
    assert [row for row, outcome in enumerate(outcomes(delivery)) if outcome != "accepted"] == bad
    assert {reasons(delivery)[row] for row in bad} == {
        f"D7 answered {status} INVALID_RECIPIENT: A recipient can't be reached"
        + (": the request is too large; choose a smaller batch size" if status == 413 else "")
        + " (fix the data)"
    }
    assert Counter(went_to(sandbox)) == Counter(accepted(delivery))
    assert len(delivery.requests) - 1 <= (2 * math.log2(count) + 2) * len(bad)


def test_a_413_halves_a_request_until_it_is_small_enough(connect: Connect) -> None:
    with Sandbox(max_recipients=3) as sandbox:
        delivery = planned(20).send(connect(sandbox), progress=False)
        assert outcomes(delivery) == ["accepted"] * 20
        assert sorted(went_to(sandbox)) == NUMBERS[:20]
    assert set(delivery.requests.loc[delivery.requests["outcome"] == "taken apart", "status"]) == {413}


def test_a_404_gives_up_the_originator_and_another_goes_on(connect: Connect) -> None:
    senders = [SECOND, ORIGINATOR] * 4
    with Sandbox(originators=[ORIGINATOR]) as sandbox:
        plan = planned(8, originator=senders)
        delivery = plan.send(connect(sandbox, workers=1, batch_size=1), progress=False)
        assert outcomes(delivery) == ["rejected", "accepted"] * 4
        assert set(sandbox.messages["originator"]) == {ORIGINATOR}
    assert "INVALID_WHATSAPP_ORIGINATOR" in reasons(delivery)[6]
    assert (delivery.requests["originator"] == SECOND).sum() == 1
    assert set(delivery.frame.loc[delivery.frame["d7_outcome"] == "rejected", "d7_decided_by"]) == {"D7"}


STOPS: dict[str, tuple[str, dict[str, Any]]] = {
    "401": ("status", {"code": 401}),
    "402": ("status", {"code": 402}),
    "403": ("status", {"code": 403}),
    "403 with a code": ("status", {"code": 403, "body": CODED}),
    "redirect": ("redirect", {}),
    "404 of a proxy": ("status", {"code": 404, "body": {"detail": "Not Found"}}),
    "400 in words": ("status", {"code": 400, "body": "Bad Request"}),
    "407": ("status", {"code": 407, "body": "<h1>who are you?</h1>"}),
    "418 with JSON but no code": ("status", {"code": 418, "body": {"error": "teapot"}}),
}


@pytest.mark.parametrize(("kind", "options"), STOPS.values(), ids=list(STOPS))
def test_what_is_not_the_rows_fault_stops_the_send(
    sandbox: Sandbox, one_by_one: d7nb.Client, kind: str, options: dict[str, Any]
) -> None:
    sandbox.fail_next("delay", seconds=0)
    sandbox.fail_next(kind, **options)
    delivery = planned(5).send(one_by_one, progress=False)
    assert outcomes(delivery) == ["accepted", *["unsent"] * 4]
    why = delivery.requests.loc[1, "reason"]
    assert why.startswith("D7")
    assert reasons(delivery) == [None, why, *[f"not tried: {why}"] * 3]
    assert went_to(sandbox) == NUMBERS[:1]


def test_a_wrong_token_stops_the_send_at_once(sandbox: Sandbox) -> None:
    with d7nb.Client("not-a-real-token", base_url=sandbox.url) as client:
        delivery = planned(200).send(client, progress=False)
    assert delivery.summary["unsent"] == 200
    assert "the token is not valid" in reasons(delivery)[0]
    assert went_to(sandbox) == []


def test_ten_rows_refused_alone_in_a_row_end_their_content(sandbox: Sandbox, one_by_one: d7nb.Client) -> None:
    sandbox.fail_next("status", times=10, code=400, body=CODED)
    kinds = by_column("kind", {"a": Text("Hello"), "b": Text("Hello, too")})
    delivery = planned(30, kinds, kind=["a", "b"] * 15).send(one_by_one, progress=False)
    assert outcomes(delivery) == ["rejected", "accepted"] * 10 + ["unsent", "accepted"] * 5
    assert "D7 refused 10 rows in a row, each sent alone" in reasons(delivery)[20]
    assert "TEMPLATE_PARAMETER_COUNT_MISMATCH" in reasons(delivery)[20]
    assert delivery.frame.loc[20, "d7_decided_by"] == "d7nb"


def test_the_brake_is_also_one_originator_s_own(sandbox: Sandbox, one_by_one: d7nb.Client) -> None:
    sandbox.fail_next("status", times=10, code=400, body=CODED)
    delivery = planned(15, originator=[ORIGINATOR] * 12 + [SECOND] * 3).send(one_by_one, progress=False)
    assert outcomes(delivery) == ["rejected"] * 10 + ["unsent"] * 2 + ["accepted"] * 3


def test_the_brake_stops_a_batch_that_is_bad_as_a_whole(sandbox: Sandbox, connect: Connect) -> None:
    sandbox.fail_next("status", times=1000, code=400, body=CODED)
    delivery = planned(300).send(connect(sandbox, workers=1), progress=False)
    assert delivery.summary["rejected"] == 10
    assert delivery.summary["unsent"] == 290
    assert len(delivery.requests) < 40


def test_an_accepted_row_or_another_code_takes_the_foot_off_the_brake(
    sandbox: Sandbox, one_by_one: d7nb.Client
) -> None:
    other = {"detail": {"code": "SOMETHING_ELSE", "message": "no"}}
    sandbox.fail_next("status", times=9, code=400, body=CODED)
    sandbox.fail_next("delay", seconds=0)
    sandbox.fail_next("status", times=9, code=400, body=CODED)
    sandbox.fail_next("status", times=9, code=400, body=other)
    delivery = planned(30).send(one_by_one, progress=False)
    assert outcomes(delivery) == ["rejected"] * 9 + ["accepted"] + ["rejected"] * 18 + ["accepted"] * 2


def test_a_200_that_says_rejected_is_a_rejection(sandbox: Sandbox, one_by_one: d7nb.Client) -> None:
    sandbox.fail_next("rejected")
    delivery = planned(2).send(one_by_one, progress=False)
    assert outcomes(delivery) == ["rejected", "accepted"]
    assert reasons(delivery)[0] == "D7 took the request and rejected it (ask D7)"
    assert delivery.frame["d7_request_id"].notna().all()
    assert went_to(sandbox) == NUMBERS[1:2]


@pytest.mark.parametrize("named", [True, False])
def test_without_split_a_refused_request_is_given_up(sandbox: Sandbox, connect: Connect, named: bool) -> None:
    sandbox.fail_next("refuse", recipient=NUMBERS[1], named=named)
    delivery = planned(6).send(connect(sandbox, batch_size=3, workers=1), progress=False, split=False)
    assert outcomes(delivery) == ["rejected"] * 3 + ["accepted"] * 3
    assert len(delivery.requests) == 2


# It may have gone out


UNKNOWN: dict[str, tuple[str, dict[str, Any], bool]] = {
    "dropped after": ("drop_after", {}, True),
    "dropped before": ("drop_before", {}, False),
    "500": ("status", {"code": 500}, False),
    "503 with Retry-After": ("status", {"code": 503, "retry_after": 0}, False),
    "502 after all": ("status", {"code": 502, "taken": True, "body": "<h1>Bad Gateway</h1>"}, True),
    "408": ("status", {"code": 408, "taken": True}, True),
    "409": ("status", {"code": 409, "body": CODED}, False),
    "garbage": ("garbage", {}, True),
    "empty": ("empty", {}, True),
    "204": ("status", {"code": 204, "taken": True}, True),
    "another word": ("status", {"code": 200, "body": {"request_id": "1", "status": "pending"}, "taken": True}, True),
    "time-out": ("delay", {"seconds": 30}, True),
}


@pytest.mark.parametrize(("kind", "options", "taken"), UNKNOWN.values(), ids=list(UNKNOWN))
def test_what_may_have_gone_out_is_unknown_and_never_sent_again(
    sandbox: Sandbox, connect: Connect, kind: str, options: dict[str, Any], taken: bool
) -> None:
    sandbox.fail_next(kind, **options)
    client = connect(sandbox, workers=1, batch_size=2, timeout=(5, 0.3))
    delivery = planned(4).send(client, progress=False)
    assert outcomes(delivery) == ["unknown", "unknown", "accepted", "accepted"]
    assert set(delivery.frame["d7_decided_by"].dropna()) == {"d7nb"}
    assert None not in reasons(delivery)[:2]
    assert delivery.requests["attempts"].tolist() == [1, 1]
    assert went_to(sandbox) == NUMBERS[0 if taken else 2 : 4]


def test_ten_silences_in_a_row_stop_the_send(sandbox: Sandbox, one_by_one: d7nb.Client) -> None:
    sandbox.fail_next("status", times=9, code=500)
    sandbox.fail_next("delay", seconds=0)
    sandbox.fail_next("drop_after", times=10)
    delivery = planned(30).send(one_by_one, progress=False)
    assert outcomes(delivery) == ["unknown"] * 9 + ["accepted"] + ["unknown"] * 10 + ["unsent"] * 10
    assert reasons(delivery)[-1].startswith("not tried: 10 requests in a row had no readable answer; the last one: ")
    assert len(sandbox.messages) == 11


# Tried again


@pytest.mark.parametrize("retry_after", [0, "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_429_is_tried_again_when_d7_says(sandbox: Sandbox, one_by_one: d7nb.Client, retry_after: Any) -> None:
    sandbox.fail_next("status", times=2, code=429, retry_after=retry_after)
    delivery = planned(2).send(one_by_one, progress=False)
    assert outcomes(delivery) == ["accepted"] * 2
    assert delivery.requests["attempts"].tolist() == [3, 1]
    assert went_to(sandbox) == NUMBERS[:2]


def test_a_429_without_a_time_is_tried_again_after_growing_waits(
    sandbox: Sandbox, one_by_one: d7nb.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(one_by_one.rate_limiter, "pause", waits.append)
    sandbox.fail_next("status", times=4, code=429)
    delivery = planned(1).send(one_by_one, progress=False)
    assert delivery.requests["attempts"].tolist() == [5]
    assert [base <= wait <= base * 1.2 + 0.1 for base, wait in zip([0.5, 1, 2, 4], waits, strict=True)] == [True] * 4


def test_a_429_that_does_not_end_stops_the_send(sandbox: Sandbox, one_by_one: d7nb.Client) -> None:
    sandbox.fail_next("status", times=100, code=429, retry_after=0)
    delivery = planned(3).send(one_by_one, progress=False)
    assert outcomes(delivery) == ["unsent"] * 3
    assert delivery.requests["attempts"].tolist() == [5]
    assert "429" in reasons(delivery)[0]
    assert reasons(delivery)[1] == f"not tried: {reasons(delivery)[0]}"


@pytest.mark.parametrize("retry_after", [121, "Wed, 21 Oct 2099 07:28:00 GMT", 10**14])
def test_a_429_that_asks_for_more_than_two_minutes_stops_the_send_and_says_when_to_go_on(
    sandbox: Sandbox, one_by_one: d7nb.Client, retry_after: Any
) -> None:
    sandbox.fail_next("status", code=429, retry_after=retry_after)
    before = pd.Timestamp.now(tz="UTC").floor("s")
    delivery = planned(3).send(one_by_one, progress=False)
    assert outcomes(delivery) == ["unsent"] * 3
    assert delivery.requests["attempts"].tolist() == [1]
    for reason in reasons(delivery):
        assert pd.Timestamp(reason.partition("send again after ")[2]) >= before + pd.Timedelta(seconds=121)


def test_a_connection_that_is_never_made_is_tried_again_and_then_nothing_was_sent(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("d7nb.api.retry.FIRST_WAIT", 0)
    with Sandbox() as sandbox:
        client = connect(sandbox, workers=1, batch_size=1)
    delivery = planned(3).send(client, progress=False)
    assert outcomes(delivery) == ["unsent"] * 3
    assert reasons(delivery)[0].startswith("no connection to D7: check your internet connection")
    assert delivery.requests[["outcome", "attempts"]].values.tolist() == [["unsent", 5]]
    assert pd.isna(delivery.requests.loc[0, "status"])


def test_a_connection_that_comes_back_carries_the_send_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("d7nb.api.retry.FIRST_WAIT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with d7nb.Client("sandbox", base_url=f"http://127.0.0.1:{port}", workers=1) as client:
        paused, pause = threading.Event(), client.rate_limiter.pause
        monkeypatch.setattr(client.rate_limiter, "pause", lambda seconds: (pause(seconds), paused.set()))
        delivery = planned(3).send(client, progress=False, wait=False)
        assert paused.wait(30)
        with Sandbox(port=port) as sandbox:
            assert outcomes(delivery.wait()) == ["accepted"] * 3
            assert went_to(sandbox) == NUMBERS[:3]
    assert delivery.requests.loc[0, "attempts"] > 1


# Everything at once


@pytest.mark.parametrize("seed", range(6))
def test_whatever_goes_wrong_nobody_gets_it_twice_and_every_row_is_accounted_for(
    sandbox: Sandbox, connect: Connect, seed: int
) -> None:
    sandbox.fail_next("refuse", recipient=NUMBERS[5])
    sandbox.fail_next("refuse", recipient=NUMBERS[50 + seed], named=False)
    sandbox.fail_next("status", code=429, retry_after=0, probability=0.1, seed=seed)
    sandbox.fail_next("drop_after", probability=0.08, seed=seed + 100)
    sandbox.fail_next("status", code=503, probability=0.05, seed=seed + 200)
    sandbox.fail_next("rejected", probability=0.05, seed=seed + 300)
    plan = planned(120, Text(col("body")), body=[f"Hello {row % 9}" for row in range(120)])
    delivery = plan.send(connect(sandbox, batch_size=6), progress=False)
    frame, taken = delivery.frame.set_index("phone"), Counter(went_to(sandbox))
    assert max(taken.values()) == 1
    assert {number for number in taken if frame.loc[number, "d7_outcome"] not in {"accepted", "unknown"}} == set()
    assert {number for number in accepted(delivery) if number not in taken} == set()
    assert sum(delivery.summary.values()) == 120
    assert frame["d7_reason"].isna().equals(frame["d7_outcome"] == "accepted")
    assert delivery.summary["accepted"] > 0
    ids = sandbox.messages.set_index("recipient")["request_id"]
    assert frame.loc[accepted(delivery), "d7_request_id"].to_dict() == ids[accepted(delivery)].to_dict()


# Confirm


def test_the_number_to_confirm_must_be_the_number_about_to_go(sandbox: Sandbox, one_by_one: d7nb.Client) -> None:
    frame = pd.DataFrame({"phone": [*NUMBERS[:3], "nobody"]})
    plan = d7nb.plan(frame, Text("Hello"), to="phone", originator=ORIGINATOR)
    for wrong in (4, 0, "3"):
        with pytest.raises(
            ConfirmError, match=rf"you confirmed {wrong!r} rows, but 3 would be sent\. Nothing was sent"
        ):
            plan.send(one_by_one, confirm=wrong, progress=False)
    assert sandbox.messages.empty
    assert plan.send(one_by_one, confirm=3, progress=False).summary["accepted"] == 3


# In the background, stopped, interrupted


class Gate:
    """Keeps a client's requests in flight until it is opened."""

    def __init__(self, client: d7nb.Client) -> None:
        self.reached, self._opened = threading.Event(), threading.Event()
        self._exchange = client.exchange
        client.exchange = self._pass  # type: ignore[method-assign]

    def _pass(self, body: bytes) -> Any:
        self.reached.set()
        assert self._opened.wait(60)
        return self._exchange(body)

    def open(self) -> None:
        self._opened.set()


def test_a_send_in_the_background_tells_how_far_it_has_come(connect: Connect, sandbox: Sandbox) -> None:
    client = connect(sandbox, workers=1, batch_size=3)
    gate = Gate(client)
    delivery = planned(6).send(client, wait=False)
    assert gate.reached.wait(60)
    assert not delivery.done
    assert outcomes(delivery) == ["unknown"] * 3 + ["unsent"] * 3
    assert reasons(delivery)[0] == "being sent: D7 has not answered yet"
    assert reasons(delivery)[3] == "not tried yet: its turn has not come"
    assert "still being sent" in repr(delivery)
    gate.open()
    assert delivery.wait() is delivery
    assert delivery.done
    assert "still" not in repr(delivery)
    assert outcomes(delivery) == ["accepted"] * 6


def test_stopping_finishes_what_is_in_flight_and_leaves_the_rest(connect: Connect, sandbox: Sandbox) -> None:
    client = connect(sandbox, workers=2, batch_size=1)
    gate = Gate(client)
    delivery = planned(30).send(client, wait=False)
    assert gate.reached.wait(60)
    delivery.stop()
    gate.open()
    delivery.wait()
    assert sorted(went_to(sandbox)) == accepted(delivery)
    assert 1 <= delivery.summary["accepted"] <= 2
    assert delivery.summary["unsent"] == 30 - delivery.summary["accepted"]
    assert set(reasons(delivery)) == {None, "not tried: the send was stopped"}


def test_a_stop_ends_the_wait_that_d7_asked_for(sandbox: Sandbox, one_by_one: d7nb.Client) -> None:
    sandbox.fail_next("status", code=429, retry_after=100)
    paused, pause = threading.Event(), one_by_one.rate_limiter.pause
    one_by_one.rate_limiter.pause = lambda seconds: (pause(seconds), paused.set())[0]  # type: ignore[method-assign]
    delivery = planned(3).send(one_by_one, wait=False)
    assert paused.wait(30)
    delivery.stop()
    assert outcomes(delivery.wait()) == ["unsent"] * 3
    assert sandbox.messages.empty


def test_a_plan_can_be_sent_again_after_a_stop(sandbox: Sandbox, one_by_one: d7nb.Client) -> None:
    sandbox.fail_next("status", code=401)
    plan = planned(3)
    assert plan.send(one_by_one, progress=False).summary["unsent"] == 3
    assert plan.send(one_by_one, progress=False).summary["accepted"] == 3


@pytest.mark.parametrize("wait", [True, False], ids=["waiting", "background"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_interrupt_while_the_send_is_being_started_leaves_nothing_running(
    connect: Connect, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, when: str, wait: bool
) -> None:
    client = connect(sandbox, workers=2, batch_size=1)
    gate, start, stop = Gate(client), threading.Thread.start, SendLoop.stop

    def interrupted(thread: threading.Thread) -> None:
        if thread.name != "d7nb-send" or when == "after":
            start(thread)
        if thread.name == "d7nb-send":
            assert when == "before" or gate.reached.wait(60)
            raise KeyboardInterrupt

    def stopped(sending: SendLoop, why: str) -> None:
        stop(sending, why)
        gate.open()

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    monkeypatch.setattr(SendLoop, "stop", stopped)
    with pytest.raises(Interrupted) as caught:
        planned(9).send(client, wait=wait)
    delivery = caught.value.delivery
    assert delivery.done
    assert sorted(went_to(sandbox)) == accepted(delivery)
    assert len(accepted(delivery)) in ({0} if when == "before" else {1, 2})
    assert delivery.summary["unsent"] == 9 - len(accepted(delivery))
    assert set(reasons(delivery)) <= {None, "not tried: the send was interrupted"}
    assert delivery.wait() is delivery


CHILD = """
import json, sys, threading
import pandas as pd
import d7nb
from d7nb.delivery.sending.loop import SendLoop

def said(word):
    print(word, flush=True)

def exchange(body):
    said("posting")
    gate.wait(60)
    return post(body)

def stop(self, why):
    real_stop(self, why)
    said("stopping")
    if not hangs:
        gate.set()

url, hangs, gate = sys.argv[1], sys.argv[2] == "hangs", threading.Event()
client = d7nb.Client("sandbox", base_url=url, workers=2, batch_size=1, rate=None)
real_stop, post, client.exchange, SendLoop.stop = SendLoop.stop, client.exchange, exchange, stop
frame = pd.DataFrame({"phone": [f"+1202555{number:04}" for number in range(101, 121)]})
plan = d7nb.plan(frame, d7nb.Text("Hello"), to="phone", originator="+12025550100")
try:
    plan.send(client)
except KeyboardInterrupt as interrupted:
    delivery = interrupted.delivery
    said("result " + json.dumps({
        "type": type(interrupted).__name__,
        "done": delivery.done,
        "outcomes": delivery.frame["d7_outcome"].tolist(),
        "reasons": delivery.frame["d7_reason"].dropna().unique().tolist(),
        "requests": delivery.requests["outcome"].tolist(),
    }))
gate.set()
"""


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a Python of its own that sends to a sandbox."""
    script = tmp_path / "sends.py"
    script.write_text(CHILD)
    with ExitStack() as stack:

        def start(sandbox: Sandbox, answers: str) -> subprocess.Popen[str]:
            command = [sys.executable, str(script), sandbox.url, answers]
            paths = {"PYTHONPATH": str(next(iter(d7nb.__path__)) + "/.."), "PATH": ""}
            environment = paths | {name: os.environ[name] for name in ("D7NB_LEDGER", "XDG_DATA_HOME")}
            process = stack.enter_context(
                subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            )
            stack.callback(process.kill)
            return process

        yield start


def heard(process: subprocess.Popen[str], word: str) -> str:
    """Read what a child prints until it says a word; the rest of that line."""
    assert process.stdout is not None
    assert process.stderr is not None
    for line in process.stdout:
        if line.startswith(word):
            return line.removeprefix(word).strip()
    raise AssertionError(f"the child never said {word}: {process.stderr.read()}")


def test_ctrl_c_finishes_what_is_in_flight_and_hands_over_the_delivery(
    sandbox: Sandbox, child: Callable[..., Any]
) -> None:
    process = child(sandbox, "answers")
    heard(process, "posting")
    process.send_signal(signal.SIGINT)
    result = json.loads(heard(process, "result"))
    assert process.wait(60) == 0
    went = went_to(sandbox)
    assert result["type"] == "Interrupted"
    assert result["done"] is True
    assert 1 <= len(went) <= 2
    assert result["outcomes"].count("accepted") == len(went)
    assert result["outcomes"].count("unsent") == 20 - len(went)
    assert result["reasons"] == ["not tried: the send was interrupted"]
    assert result["requests"] == ["accepted"] * len(went)


def test_a_second_ctrl_c_does_not_wait(sandbox: Sandbox, child: Callable[..., Any]) -> None:
    process = child(sandbox, "hangs")
    heard(process, "posting")
    process.send_signal(signal.SIGINT)
    heard(process, "stopping")
    process.send_signal(signal.SIGINT)
    result = json.loads(heard(process, "result"))
    assert result["type"] == "Interrupted"
    assert result["done"] is False
    assert result["outcomes"].count("unknown") in {1, 2}
    assert set(result["outcomes"]) == {"unknown", "unsent"}
    assert process.wait(60) == 0


def test_a_failure_of_d7nb_itself_leaves_no_row_without_its_outcome(
    connect: Connect, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = connect(sandbox, workers=1, batch_size=2)
    exchange = client.exchange

    def failing(body: bytes) -> Any:
        answer = exchange(body)
        if len(sandbox.messages) > 2:
            raise MemoryError
        return answer

    monkeypatch.setattr(client, "exchange", failing)
    delivery = planned(6).send(client, progress=False, wait=False)
    with pytest.raises(MemoryError):
        delivery.wait()
    assert delivery.done
    assert outcomes(delivery) == ["accepted"] * 2 + ["unknown"] * 2 + ["unsent"] * 2
    assert reasons(delivery)[2] == "d7nb failed before D7 answered"
    assert reasons(delivery)[4] == "not tried: d7nb failed: MemoryError"


# The progress bar


def test_the_progress_bar_goes_to_stderr(
    sandbox: Sandbox, one_by_one: d7nb.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    planned(3).send(one_by_one)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "3/3" in shown.err
    planned(3).send(one_by_one, progress=False)
    assert capsys.readouterr().err == ""


class Stream(io.StringIO):
    """A stream that may break."""

    def __init__(self, *, broken: bool = False) -> None:
        super().__init__()
        self.broken = broken

    def write(self, text: str, /) -> int:
        if self.broken:
            raise OSError(32, "Broken pipe")
        return super().write(text)


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize(
    "stream", [None, closed(), Stream(broken=True), Stream()], ids=["none", "closed", "broken", "breaks"]
)
def test_a_progress_bar_that_can_t_be_shown_stops_nothing(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, stream: Any
) -> None:
    def breaking(body: bytes) -> Any:
        if stream is not None:
            stream.broken = True
        return exchange(body)

    with Sandbox(latency=0.3) as sandbox, monkeypatch.context() as patched:
        client = connect(sandbox)
        exchange = client.exchange
        patched.setattr(client, "exchange", breaking)
        patched.setattr(sys, "stderr", stream)
        delivery = planned(3).send(client)
    assert outcomes(delivery) == ["accepted"] * 3
