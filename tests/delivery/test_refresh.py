"""What became of messages: refreshed, watched, counted and drawn; in this kernel, another, or without the plan."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

import d7nb
from d7nb import Sandbox, Text, errors
from d7nb.api.client import SEND_PATH
from d7nb.api.statuses import StatusUpdate
from d7nb.delivery.plotting import COLOURS
from d7nb.store.keys import base32
from tests.support.receiver_process import SECRET, remote_receiver
from tests.support.sender_process import fictional
from tests.support.servers import Handler, serving

ROOT = Path(__file__).parents[2]
ORIGINATOR = "+12025550100"
ADDED = ["d7_msg_id", "d7_status", "d7_status_reason", "d7_status_at"]


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[d7nb.Client]:
    with sandbox.client(rate=None) as client:
        yield client


@pytest.fixture
def table() -> pd.DataFrame:
    """Twelve customers of three cities, under a repeated index."""
    cities = ["Dubai", "Oslo", None]
    return pd.DataFrame(
        {"phone": fictional(12), "city": cities * 4, "name": [f"N{row}" for row in range(12)]}, index=[7] * 12
    )


def planned(table: pd.DataFrame, **terms: Any) -> d7nb.Plan:
    return d7nb.plan(table, Text("Hi {name}"), **{"to": "phone", "originator": ORIGINATOR, "campaign": "x"} | terms)


def statuses(delivery: d7nb.Delivery) -> list[str | None]:
    return delivery.frame["d7_status"].astype("object").where(delivery.frame["d7_status"].notna(), None).tolist()


# refresh


def test_statuses_come_onto_their_rows(sandbox: Sandbox, client: d7nb.Client, table: pd.DataFrame) -> None:
    sandbox.script(table["phone"].iloc[1], "never_delivered")
    sandbox.script(table["phone"].iloc[2], "not_on_whatsapp")
    table = pd.concat([table, pd.DataFrame({"phone": ["nobody"], "name": ["N"]}, index=[7])])
    delivery = planned(table).send(client, progress=False)
    assert not set(ADDED) & set(delivery.frame)
    sandbox.advance(minutes=1)
    asked_at = datetime.now(UTC) + timedelta(minutes=1)  # by the sandbox's clock, in whole seconds
    frame = delivery.refresh().frame
    assert list(frame.columns[-4:]) == ADDED
    assert frame.index.equals(table.index)
    assert statuses(delivery) == ["read", "sent", "failed", *["read"] * 9, None]
    assert frame["d7_status_reason"].tolist()[:3] == ["Read by the user", np.nan, "131026: Message undeliverable"]
    ids = sandbox.messages.set_index("recipient")["msg_id"]
    assert frame["d7_msg_id"].tolist()[:-1] == ids.loc[table["phone"].iloc[:-1]].tolist()
    told = frame["d7_status_at"].iloc[:-1]
    assert told.between(asked_at - timedelta(seconds=1), asked_at + timedelta(seconds=20)).all()
    assert str(frame["d7_status_at"].dtype) == "datetime64[us, UTC]"
    assert frame.iloc[-1][ADDED].isna().all()
    assert frame["d7_outcome"].tolist() == [*["accepted"] * 12, "invalid"]
    assert frame["d7_reason"].iloc[2] == "failed after D7 accepted it: 131026: Message undeliverable (fix the data)"
    assert frame["d7_decided_by"].iloc[2] == "D7"
    assert frame["d7_reason"].iloc[:2].isna().all()


def test_only_what_is_not_final_is_asked_for(sandbox: Sandbox, table: pd.DataFrame) -> None:
    with sandbox.client(rate=None, batch_size=4) as client:
        delivery = planned(table).send(client, progress=False)
        sandbox.script(table["phone"].iloc[0], "never_read")  # too late for the first message
        sandbox.advance(minutes=1)
        delivery.refresh()
        assert set(statuses(delivery)) == {"read"}
        sandbox.close()
        delivery.refresh()  # nobody is asked
        assert set(statuses(delivery)) == {"read"}


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["sent", "queued"], "sent"),
        (["delivered", "Sent", "queued"], "delivered"),
        (["Throttled", "queued"], "Throttled"),
        (["Throttled", "sent", "Throttled"], "sent"),
        (["UNDELIVERED"], "failed"),
    ],
)
def test_reports_that_go_backwards_change_nothing(table: pd.DataFrame, words: list[str], status: str) -> None:
    told = iter(words)
    with reporting(lambda message: message | {"status": next(told)}) as client:
        delivery = planned(table[:1]).send(client, progress=False)
        for _ in words:
            delivery.refresh()
    assert statuses(delivery) == [status]


def test_what_has_no_report_yet_is_asked_again(sandbox: Sandbox, client: d7nb.Client, table: pd.DataFrame) -> None:
    delivery = planned(table).send(client, progress=False)
    body = {"detail": {"code": "WHATSAPP_LOG_NOT_EXISTS", "message": "none"}}
    sandbox.fail_next("status", code=404, body=body, path="/whatsapp/v2/report")
    delivery.refresh()
    assert statuses(delivery) == [None] * 12
    assert "D7 has no report on 1 request yet: call delivery.refresh() again later" in repr(delivery)
    delivery.refresh()
    assert "no report yet" not in repr(delivery)
    assert set(statuses(delivery)) <= {"queued", "sent"}


def test_reports_that_can_t_be_had_are_told_and_the_others_kept(sandbox: Sandbox, table: pd.DataFrame) -> None:
    with sandbox.client(rate=None, batch_size=4, workers=1) as client:
        delivery = planned(table).send(client, progress=False)
        sandbox.fail_next("status", code=503, path="/whatsapp/v2/report")
        delivery.refresh()
        assert statuses(delivery).count(None) == 4
        assert "1 report could not be read" in repr(delivery)
        sandbox.fail_next("drop_before", times=2, path="/whatsapp/v2/report")
        sandbox.fail_next("garbage", path="/whatsapp/v2/report")
        with pytest.raises(errors.ApiError, match="try again"):
            delivery.refresh()  # none of the three could be had
        delivery.refresh()
        assert None not in statuses(delivery)
        assert "could not be read" not in repr(delivery)


def test_a_429_is_waited_for_and_a_refused_token_ends_it(sandbox: Sandbox, table: pd.DataFrame) -> None:
    with sandbox.client(rate=None, batch_size=4) as client:
        delivery = planned(table).send(client, progress=False)
        sandbox.fail_next("status", code=429, retry_after="0.2", path="/whatsapp/v2/report")
        sandbox.fail_next("status", code=429, retry_after=0, path="/whatsapp/v2/report")
        delivery.refresh()
        assert None not in statuses(delivery)
        sandbox.fail_next("status", code=401, times=2, path="/whatsapp/v2/report")
        with pytest.raises(errors.Unauthorized):
            delivery.refresh()


@pytest.mark.parametrize("wait", [3600, "9" * 30, "9" * 400])
def test_where_d7_asks_to_wait_for_long_nobody_waits(sandbox: Sandbox, table: pd.DataFrame, wait: Any) -> None:
    with sandbox.client(rate=None, batch_size=1, workers=1) as client:
        delivery = planned(table).send(client, progress=False)
        sandbox.fail_next("status", code=429, retry_after=wait, path="/whatsapp/v2/report")
        with suppress(errors.RateLimited):  # raised only where no other report was under way
            delivery.refresh()
        assert statuses(delivery).count(None) >= len(table) - 1
        assert client.rate_limiter.delay("+12025550100", 1) <= 1
        delivery.refresh()
    assert None not in statuses(delivery)


def test_no_more_reports_a_second_than_the_rate_allows(sandbox: Sandbox, table: pd.DataFrame) -> None:
    with sandbox.client(rate=None, batch_size=1) as client:
        planned(table).send(client, progress=False)
    with sandbox.client(rate=5) as client:
        began = time.monotonic()
        delivery = planned(table).delivery(client).refresh()
        assert time.monotonic() - began >= 2  # twelve reports: five, five, two
    assert None not in statuses(delivery)


# which row is meant


@contextmanager
def reporting(edit: Callable[[dict[str, Any]], dict[str, Any] | None]) -> Iterator[d7nb.Client]:
    """A client of a server that accepts every request, and reports on its messages as a function makes of them."""
    bodies: list[Any] = []

    def script(handler: Handler) -> None:
        if handler.path.startswith(SEND_PATH):
            bodies.append(orjson.loads(handler.server.requests[-1].body))
            answer = {"request_id": f"request-{len(bodies)}", "status": "accepted", "created_at": "2026-11-23T10:00Z"}
        else:
            request_id = handler.path.rpartition("/")[2]
            sent = bodies[int(request_id.removeprefix("request-")) - 1]["messages"]
            told = [
                {"msg_id": "m", "status": "sent", "reason": None} | to for each in sent for to in each["recipients"]
            ]
            answer = {"request_id": request_id, "messages": [made for one in told if (made := edit(one)) is not None]}
        handler.reply(200, orjson.dumps(answer))

    with serving(script) as server, d7nb.Client("not-a-token", base_url=server.url, rate=None) as client:
        yield client


FORMS = {
    "nested": lambda message: message,
    "flat": lambda message: {**message, **message.pop("reference")},
    "in another field": lambda message: message | {"reference": {"cust_ref": message["reference"]["message_tag5"]}},
    "by recipient": lambda message: message | {"reference": None},
    "by digits alone": lambda message: message | {"reference": {}, "recipient": message["recipient"][1:]},
    "without a recipient": lambda message: message | {"recipient": None},
}


@pytest.mark.parametrize("form", FORMS)
def test_a_report_s_message_finds_its_row_in_any_form(table: pd.DataFrame, form: str) -> None:
    words = dict(zip(table["phone"], ["sent", "read", "Held up"] * 4, strict=True))
    with reporting(lambda message: FORMS[form](message | {"status": words[message["recipient"]]})) as client:
        delivery = planned(table).send(client, progress=False).refresh()
    assert statuses(delivery) == list(words.values())


def test_a_message_that_is_no_row_s_is_told_and_changes_nothing(table: pd.DataFrame) -> None:
    def edit(message: dict[str, Any]) -> dict[str, Any]:
        last = message["recipient"] == table["phone"].iloc[-1]
        return message | ({"reference": {"message_tag5": "A" * 26}, "recipient": "+12025550199"} if last else {})

    with reporting(edit) as client:
        delivery = planned(table).send(client, progress=False).refresh().refresh()
    assert statuses(delivery) == [*["sent"] * 11, None]
    assert "D7 reported on 1 message not in this ledger: d7nb.Ledger().aside() lists them" in repr(delivery)
    with d7nb.Ledger() as ledger:
        assert len(ledger.aside()) == 1  # though both reports told of it


@pytest.mark.parametrize(
    "body",
    [
        {"request_id": "request-1", "recipients": [{}], "schedule_time": "2026-12-01T09:00+04:00"},
        {"request_id": "request-1", "messages": None},
        {"request_id": "request-1", "messages": [None, 7, {}, {"status": None}, {"status": "sent", "recipient": []}]},
    ],
)
def test_a_report_in_another_form_breaks_nothing(table: pd.DataFrame, body: dict[str, Any]) -> None:
    def script(handler: Handler) -> None:
        accepted = {"request_id": "request-1", "status": "accepted", "created_at": "2026-11-23T10:00Z"}
        handler.reply(200, orjson.dumps(accepted if handler.path.startswith(SEND_PATH) else body))

    with serving(script) as server, d7nb.Client("not-a-token", base_url=server.url) as client:
        delivery = planned(table).send(client, progress=False).refresh()
    assert statuses(delivery) == [None] * 12


def test_without_a_key_in_the_reference_a_row_is_found_by_its_number(
    sandbox: Sandbox, client: d7nb.Client, table: pd.DataFrame
) -> None:
    sandbox.script(table["phone"].iloc[3], "never_delivered")
    delivery = planned(table, key_in=None).send(client, progress=False)
    sandbox.advance(minutes=1)
    assert statuses(delivery.refresh()) == ["read", "read", "read", "sent", *["read"] * 8]


# another day, another kernel


def test_another_kernel_knows_it_all(sandbox: Sandbox, client: d7nb.Client, table: pd.DataFrame) -> None:
    sandbox.script(table["phone"].iloc[0], "not_on_whatsapp")
    delivery = planned(table).send(client, progress=False)
    sandbox.advance(minutes=1)
    delivery.refresh()
    again = planned(table).delivery(client)
    columns = [name for name in delivery.frame if name != "d7_created_at"]
    pd.testing.assert_frame_equal(again.frame[columns], delivery.frame[columns])
    pd.testing.assert_frame_equal(again.funnel("city"), delivery.funnel("city"))
    assert repr(again).count("read: it was read") == 1
    sandbox.close()
    assert again.refresh().summary["accepted"] == 12  # all is final: nobody is asked


@pytest.mark.parametrize("terms", ["a window that has closed", "a schedule that is past", "people who said stop"])
def test_what_went_out_is_known_though_it_could_not_go_today(
    sandbox: Sandbox, client: d7nb.Client, table: pd.DataFrame, terms: str
) -> None:
    table = pd.concat([table[:3], table[:1]])  # the last is the first again
    now = datetime.now(UTC)
    table["at"], table["when"] = now.isoformat(), (now + timedelta(hours=1)).isoformat()

    def made(clock: Callable[[], datetime], stopped: list[str]) -> d7nb.Plan:
        wanted: dict[str, dict[str, Any]] = {
            "a window that has closed": {"filters": [d7nb.filters.ServiceWindow("at", clock=clock)]},
            "a schedule that is past": {"schedule": d7nb.col("when")},
            "people who said stop": {"filters": [d7nb.filters.OptOut(stopped)]},
        }
        return planned(table, clock=clock, **wanted[terms])

    assert made(lambda: now, []).send(client, progress=False).summary["accepted"] == 3
    sandbox.advance(hours=2)
    tomorrow = made(lambda: now + timedelta(days=2), table["phone"].tolist())
    assert tomorrow.summary["ready"] == 0
    assert tomorrow.going(client).sum() == 0
    known = tomorrow.delivery(client).refresh()
    assert known.summary["accepted"] == 3
    assert statuses(known) == ["read", "read", "read", None]
    assert known.frame["d7_reason"].notna().tolist() == [False, False, False, True]
    assert known.funnel()["read"].tolist() == [3]
    assert tomorrow.delivery().summary["accepted"] == 0  # nothing went to the real API


def test_a_second_send_is_followed_like_the_first(sandbox: Sandbox, client: d7nb.Client, table: pd.DataFrame) -> None:
    planned(table).send(client, progress=False)
    sandbox.advance(minutes=1)
    second = planned(table).send(client, progress=False)
    assert second.summary["already_sent"] == 12
    assert set(statuses(second.refresh())) == {"read"}
    assert second.funnel()["accepted"].tolist() == [12]


def test_history_joins_another_table_by_number_or_key(
    sandbox: Sandbox, client: d7nb.Client, table: pd.DataFrame
) -> None:
    sandbox.script(table["phone"].iloc[1], "never_read")
    planned(table[:3]).send(client, progress=False)
    planned(table[:3], key="name", campaign="keyed").send(client, progress=False)
    sandbox.advance(minutes=1)
    numbers = ["00" + table["phone"].iloc[1][1:], table["phone"].iloc[0], "nobody", table["phone"].iloc[9], None]
    others = pd.DataFrame({"who": numbers, "name": ["N2", "N0", "N77", " N1", None]})
    with d7nb.Ledger() as ledger:
        by_number = ledger.delivery(others, campaign="x", to="who", client=client).refresh()
        assert by_number.frame["d7_outcome"].tolist() == ["accepted", "accepted", "invalid", "unsent", "invalid"]
        assert statuses(by_number) == ["delivered", "read", None, None, None]
        told = by_number.frame["d7_reason"].iloc[3]
        assert told == "the ledger knows of no message to this number in this campaign"
        assert by_number.funnel()[["rows", "accepted", "delivered", "read"]].to_numpy().tolist() == [[5, 2, 2, 1]]
        by_key = ledger.delivery(others, campaign="keyed", key="name", client=client).refresh()
        assert by_key.frame["d7_outcome"].tolist() == ["accepted", "accepted", "unsent", "accepted", "invalid"]
        assert statuses(by_key) == ["read", "read", None, "delivered", None]
        assert by_key.frame["d7_recipient"].isna().all()  # no column of numbers was named
        assert ledger.delivery(others, campaign="x", to="who").summary["unsent"] == 3  # nothing went to the real API
        with pytest.raises(errors.ColumnError, match="'phone'"):
            ledger.delivery(others, campaign="x", to="phone")
        with pytest.raises(errors.PlanError, match="campaign"):
            ledger.delivery(others, campaign="", to="who")


def test_history_of_a_person_is_what_they_got_last(sandbox: Sandbox, client: d7nb.Client, table: pd.DataFrame) -> None:
    d7nb.plan(table[:2], Text("one"), to="phone", originator=ORIGINATOR, campaign="x").send(client, progress=False)
    sandbox.fail_next("rejected")
    d7nb.plan(table[:2], Text("two"), to="phone", originator=ORIGINATOR, campaign="x").send(
        client, progress=False, resend="changed"
    )
    first = sandbox.messages["request_id"].iloc[0]
    with d7nb.Ledger() as ledger:
        joined = ledger.delivery(table[:2], campaign="x", to="phone", client=client)
        assert set(joined.frame["d7_request_id"]) == {first}  # what was refused reached nobody
        third = d7nb.plan(table[:2], Text("three"), to="phone", originator=ORIGINATOR, campaign="x")
        third.send(client, progress=False, resend="changed")
        joined = ledger.delivery(table[:2], campaign="x", to="phone", client=client)
        assert set(joined.frame["d7_request_id"]) == {sandbox.messages["request_id"].iloc[-1]}


def test_late_news_of_an_earlier_text_does_not_make_it_the_last(
    sandbox: Sandbox, client: d7nb.Client, table: pd.DataFrame
) -> None:
    one, two = (
        d7nb.plan(table[:1], Text(text), to="phone", originator=ORIGINATOR, campaign="x") for text in ("one", "two")
    )
    sandbox.fail_next("drop_after")
    one.send(client, progress=False)
    two.send(client, progress=False, resend="changed")
    first, second = sandbox.messages["request_id"]
    mark = sandbox.messages["reference"].iloc[0]["message_tag5"]
    now = datetime.now(UTC)
    with d7nb.Ledger() as ledger:
        ledger.take_in(client.destination, updates=[StatusUpdate(first, "read", now, "m", "", (mark,))], at=now)
        assert one.delivery(client).frame["d7_request_id"].tolist() == [first]
        joined = ledger.delivery(table[:1], campaign="x", to="phone", client=client)
        assert joined.frame["d7_request_id"].tolist() == [second]


def test_without_a_client_the_real_api_is_meant(
    sandbox: Sandbox, client: d7nb.Client, table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(table)
    plan.send(client, progress=False)
    assert plan.delivery().summary["unsent"] == 12
    assert plan.delivery().refresh(d7nb.Client("not-a-token")).summary["unsent"] == 12  # nothing to ask for
    with pytest.raises(errors.PlanError, match=r"these messages went to https://api\.d7networks\.com"):
        plan.delivery().refresh(client)
    with d7nb.Ledger() as ledger, pytest.raises(errors.TokenError, match="no D7 token"):
        ledger.delivery(table, campaign="x", to="phone").refresh()


# in doubt


def test_rows_in_doubt_are_settled_by_a_report_on_their_neighbour(
    sandbox: Sandbox, client: d7nb.Client, table: pd.DataFrame
) -> None:
    """An event tells of one row; D7's report on that request tells of the others."""
    sandbox.fail_next("drop_after")
    plan = planned(table)
    delivery = plan.send(client, progress=False)
    assert delivery.summary["unknown"] == 12
    delivery.refresh()
    assert delivery.summary["unknown"] == 12  # nobody knows which request it was
    message = sandbox.messages.iloc[4]
    told = StatusUpdate(
        message["request_id"], "read", datetime.now(UTC), "m", "", (message["reference"]["message_tag5"],)
    )
    with d7nb.Ledger() as ledger:
        ledger.take_in(client.destination, updates=[told], at=datetime.now(UTC))
    assert delivery.refresh().summary["accepted"] == 12
    assert set(delivery.frame["d7_request_id"]) == {message["request_id"]}
    assert statuses(delivery)[4] == "read"
    assert None not in statuses(delivery)
    assert plan.send(client, progress=False).summary["already_sent"] == 12
    assert len(sandbox.messages) == 12


def test_events_reach_the_frame_through_a_receiver(sandbox: Sandbox, table: pd.DataFrame) -> None:
    """The whole way: D7 posts to our receiver, in another process, while a send goes on, and one row is in doubt."""
    place = os.environ["D7NB_LEDGER"]
    with remote_receiver(place, "--base-url", sandbox.url) as running:
        url = f"http://127.0.0.1:{running.port}/{SECRET}"
        sandbox.callback_url = url
        sandbox.script(table["phone"].iloc[5], "not_on_whatsapp")
        with d7nb.Client("sandbox", base_url=sandbox.url, rate=None, batch_size=5) as client:
            sandbox.fail_next("drop_after")
            plan = planned(table, report_url=url)
            delivery = plan.send(client, progress=False)
            assert delivery.summary["unknown"] == 5
            sandbox.advance(hours=1)
            sandbox.flush()
            sandbox.close()  # nothing can be asked: all that follows came by events
            known = plan.delivery(client)
        assert known.summary["accepted"] == 12
        assert statuses(known) == [*["read"] * 5, "failed", *["read"] * 6]
        sent = sandbox.messages.set_index("recipient")["created_at"].loc[table["phone"]]
        seen = known.frame["d7_status_at"].array - pd.to_datetime(sent).array
        assert set(seen.total_seconds().round(2)) == {4.0, 1.0}  # by D7's clock, not by ours
        assert known.funnel()["sent"].tolist() == [11]


def test_people_who_wrote_open_their_window_and_who_says_stop_is_spared(sandbox: Sandbox, table: pd.DataFrame) -> None:
    place = os.environ["D7NB_LEDGER"]
    with remote_receiver(place, "--base-url", sandbox.url) as running, d7nb.Ledger(place) as ledger:
        sandbox.callback_url = f"http://127.0.0.1:{running.port}/{SECRET}"
        with d7nb.Client("sandbox", base_url=sandbox.url, rate=None) as client:
            wrote, stopped, elsewhere = table["phone"].iloc[:3]
            sandbox.reply(wrote, "Hello?", originator=ORIGINATOR)
            sandbox.reply(stopped, " stop! ", originator=ORIGINATOR)
            sandbox.reply(elsewhere, "Hello?", originator="+12025550199")
            window = d7nb.filters.ServiceWindow(ledger, client=client)
            spared = d7nb.filters.OptOut(ledger, client=client)
            plan = planned(table, filters=[window, spared])
            assert plan.summary == {"ready": 1, "invalid": 0, "held": 0, "skipped": 11}
            assert plan.rows["decided_by"].tolist()[1:3] == ["opt-out", "service-window"]
            real = planned(table, filters=[d7nb.filters.ServiceWindow(ledger), d7nb.filters.OptOut(ledger)])
            assert real.summary["skipped"] == 12
            assert set(real.rows["decided_by"]) == {"service-window"}
            sandbox.reply(wrote, "BAJA", originator=ORIGINATOR)  # between the plan and the send
            delivery = plan.send(client, progress=False)
            assert delivery.summary["accepted"] == 0
            assert delivery.frame["d7_reason"].iloc[0].startswith("opted out (at the time of sending")


# send again what failed


def test_resend_failed_sends_what_may_yet_arrive(sandbox: Sandbox, client: d7nb.Client, table: pd.DataFrame) -> None:
    ways = {0: [(0, "failed", "131049: cap")], 1: [(0, "failed", "131050: stopped")], 2: [(0, "failed", None)]}
    for row, life in ways.items():
        sandbox.script(table["phone"].iloc[row], life)
    plan = planned(table)
    plan.send(client, progress=False).refresh()
    for row in ways:
        sandbox.script(table["phone"].iloc[row], None)
    assert plan.going(client).sum() == 0
    assert np.flatnonzero(plan.going(client, resend="failed")).tolist() == [0, 2]  # 131050: never again
    second = plan.send(client, progress=False, resend="failed")
    assert second.summary["accepted"] == 2
    assert second.summary["already_sent"] == 10
    sandbox.advance(minutes=1)
    assert statuses(second.refresh()) == ["read", "failed", *["read"] * 10]
    told = second.frame["d7_reason"].iloc[1]
    assert told.startswith("already sent on ")
    assert told.endswith("; failed after D7 accepted it: 131050: stopped (never again)")
    assert plan.going(client, resend="failed").sum() == 0


def test_what_was_sent_again_elsewhere_is_told_of_by_its_last_message_alone(
    sandbox: Sandbox, client: d7nb.Client, table: pd.DataFrame
) -> None:
    sandbox.script(table["phone"].iloc[0], [(0, "failed", "131049: cap")])
    plan = planned(table[:2])
    delivery = plan.send(client, progress=False).refresh()
    sandbox.script(table["phone"].iloc[0], None)
    again = plan.send(client, progress=False, resend="failed")
    sandbox.advance(minutes=1)
    told = ["d7_request_id", "d7_msg_id", "d7_status"]
    frame = delivery.refresh().frame
    pd.testing.assert_frame_equal(frame[told], again.refresh().frame[told])
    assert frame["d7_outcome"].tolist() == ["accepted"] * 2
    assert statuses(delivery) == ["read"] * 2


def test_resend_failed_spares_whom_an_earlier_message_may_have_reached(
    sandbox: Sandbox, client: d7nb.Client, table: pd.DataFrame
) -> None:
    """The first message is in doubt; the second, sent on purpose, failed."""
    plan = planned(table[:2])
    sandbox.fail_next("drop_before")
    plan.send(client, progress=False)
    for phone in table["phone"].iloc[:2]:
        sandbox.script(phone, [(0, "failed", "131000")])
    plan.send(client, progress=False, resend=[0, 1]).refresh()
    assert plan.going(client, resend="failed").tolist() == [False, False]
    assert plan.going(client, resend=[0]).tolist() == [True, False]


def test_resend_failed_spares_whom_the_message_reaches_meanwhile(
    sandbox: Sandbox, client: d7nb.Client, table: pd.DataFrame
) -> None:
    sandbox.script(table["phone"].iloc[0], [(0, "failed", "131000")])
    told: list[int] = []

    class Late(d7nb.filters.RowFilter):
        """Just before the request goes, D7 tells that the message arrived after all."""

        name, reads_clock = "late", True

        def check(self, rows: pd.DataFrame) -> pd.Series:
            return d7nb.filters.reasons(rows, np.zeros(len(rows), dtype=bool), "")

        def check_at_request(self, rows: pd.DataFrame) -> pd.Series:
            if told:
                message = sandbox.messages.iloc[0]
                marks, now = (message["reference"]["message_tag5"],), datetime.now(UTC)
                with d7nb.Ledger() as ledger:
                    update = StatusUpdate(message["request_id"], "delivered", now, "m", "", marks)
                    assert ledger.take_in(client.destination, updates=[update], at=now) == 1
            return self.check(rows)

    plan = planned(table[:1], filters=[Late()])
    plan.send(client, progress=False).refresh()
    told.append(1)
    again = plan.send(client, progress=False, resend="failed")
    assert again.summary["already_sent"] == 1
    assert len(sandbox.messages) == 1


# watch


def test_watching_ends_when_all_have_come_so_far(sandbox: Sandbox, client: d7nb.Client, table: pd.DataFrame) -> None:
    sandbox.script(table["phone"].iloc[0], "not_on_whatsapp")
    delivery = planned(table).send(client, progress=False)
    assert delivery.watch("delivered", every=0.05, timeout=60, progress=False) is delivery
    assert set(statuses(delivery)) <= {"delivered", "read", "failed"}


def test_watching_ends_in_time_or_by_a_word_of_ones_own(
    sandbox: Sandbox, client: d7nb.Client, table: pd.DataFrame
) -> None:
    sandbox.script(table["phone"].iloc[0], "never_read")
    delivery = planned(table).send(client, progress=False)
    sandbox.advance(minutes=1)
    began = time.monotonic()
    delivery.watch("read", every=0.05, timeout=0.3, progress=False)
    assert 0.3 <= time.monotonic() - began < 20
    rounds: list[int] = []
    delivery.watch(lambda each: len(rounds) == 3 or bool(rounds.append(len(each))), every=0.01, progress=False)
    assert rounds == [12] * 3


@pytest.mark.parametrize("options", [{"until": "opened"}, {"every": 0}, {"every": float("nan")}, {"until": "failed"}])
def test_what_can_t_be_waited_for_is_refused(
    sandbox: Sandbox, client: d7nb.Client, table: pd.DataFrame, options: dict[str, Any]
) -> None:
    with pytest.raises(errors.PlanError):
        planned(table).send(client, progress=False).watch(**options)


def test_a_round_that_fails_is_made_up_for_by_the_next(sandbox: Sandbox, table: pd.DataFrame) -> None:
    with sandbox.client(rate=None) as client:
        delivery = planned(table).send(client, progress=False)
        sandbox.fail_next("status", code=503, path="/whatsapp/v2/report")
        with pytest.raises(errors.ApiError):
            delivery.watch(every=0.05, timeout=20, progress=False)  # in the first round, something is wrong for good
        asked: list[int] = []

        def until(_: d7nb.Delivery) -> bool:
            asked.append(len(asked))
            if len(asked) == 1:
                sandbox.fail_next("status", code=503, path="/whatsapp/v2/report")
            return len(asked) == 3

        delivery.watch(until, every=0.01, progress=False)
        assert None not in statuses(delivery)


WATCHER = """
import pandas as pd, sys, d7nb
from tests.support.sender_process import fictional
people = pd.DataFrame({{"phone": fictional(12), "name": [f"N{{row}}" for row in range(12)]}})
plan = d7nb.plan(people, d7nb.Text("Hi {{name}}"), to="phone", originator="+12025550100", campaign="x")
client = d7nb.Client("sandbox", base_url="{url}", rate=None, batch_size=1, workers=2)
delivery = plan.send(client, progress=False)
print("watching", flush=True)
try:
    delivery.{call}
except KeyboardInterrupt as interrupted:
    print(type(interrupted).__name__, interrupted.delivery is delivery, delivery.frame["d7_status"].notna().sum())
"""


def interrupted(process: subprocess.Popen[str]) -> tuple[str, str, int]:
    """Ctrl-C: what was raised, whether it has the delivery, and of how many rows something was heard."""
    assert process.stdout is not None
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    name, same, heard = process.stdout.read().split()
    assert time.monotonic() - began < 10
    return name, same, int(heard)


@contextmanager
def another_kernel(sandbox: Sandbox, call: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has sent, and is about to call something of its delivery."""
    script = WATCHER.format(url=sandbox.url, call=call)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "watching\n"
        yield process
    assert process.returncode == 0


def test_ctrl_c_between_two_rounds_keeps_what_was_heard(sandbox: Sandbox, table: pd.DataFrame) -> None:
    with another_kernel(sandbox, 'watch("read", every=60, progress=False)') as process:
        with d7nb.Client("sandbox", base_url=sandbox.url) as client:
            while planned(table).delivery(client).frame["d7_status"].isna().any():
                assert process.poll() is None
        assert interrupted(process) == ("Interrupted", "True", 12)


def test_ctrl_c_while_reports_are_asked_for_keeps_what_was_heard() -> None:
    with d7nb.Sandbox(latency=0.5) as sandbox, another_kernel(sandbox, "refresh()") as process:
        time.sleep(0.8)  # of twelve reports, two at a time, some are there
        name, same, heard = interrupted(process)
        assert (name, same) == ("Interrupted", "True")
        assert 1 <= heard < 12


# counting


def told_by(frame: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """The same numbers, by pandas from the delivery's own frame."""
    went = frame["d7_outcome"].isin(["accepted", "already_sent"])
    words = {"sent": ["sent", "delivered", "read"], "delivered": ["delivered", "read"], "read": ["read"]}
    counted = {"rows": True, "accepted": went} | {
        name: went & frame["d7_status"].isin(those) for name, those in words.items()
    }
    counted["failed"] = frame["d7_status"] == "failed"
    counts = pd.DataFrame({name: pd.Series(there, index=frame.index).astype(int) for name, there in counted.items()})
    groups = [frame[name].astype("object") for name in by]
    return counts.groupby(groups, dropna=False).sum()


LIVES = st.sampled_from(["queued", "sent", "delivered", "read", "failed", "Throttled", ""])


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from(["Dubai", "Oslo", None]), st.integers(0, 2), LIVES), min_size=1, max_size=12))
def test_a_funnel_is_what_the_frame_says(rows: list[tuple[str | None, int, str]]) -> None:
    people = pd.DataFrame({"phone": fictional(len(rows)), "name": "N", "rows": [tier for _, tier, _ in rows]})
    people["city"] = [city for city, _, _ in rows]
    with (
        tempfile.TemporaryDirectory() as folder,
        d7nb.Ledger(f"{folder}/ledger.sqlite3") as ledger,
        reporting(lambda message: message) as client,
    ):
        delivery = planned(people).send(client, progress=False, ledger=ledger)
        ids, marks = delivery.frame["d7_request_id"], base32(delivery._mailing.keys)
        now = datetime.now(UTC)
        updates = [
            StatusUpdate(request_id, word, now, "m", "", (mark,))
            for request_id, mark, (_, _, word) in zip(ids, marks, rows, strict=True)
            if word
        ]
        ledger.take_in(client.destination, updates=updates, at=now)
        delivery = planned(people).delivery(client, ledger=ledger)
        for by in (["city"], ["rows"], ["city", "rows"]):
            found, wanted = delivery.funnel(by), told_by(delivery.frame, by)
            assert list(found.columns) == [*by, "rows", "accepted", "sent", "delivered", "read", "failed"]
            assert found.iloc[:, len(by) :].to_numpy().tolist() == wanted.to_numpy().tolist()
        assert len(delivery.plot(["city", "rows"]).axes) == 2
        whole = delivery.funnel()
        assert whole.shape == (1, 6)
        assert whole["rows"].tolist() == [len(rows)]


def test_a_funnel_by_a_column_that_is_not_there(client: d7nb.Client, table: pd.DataFrame) -> None:
    delivery = planned(table).send(client, progress=False)
    with pytest.raises(errors.ColumnError, match="did you mean 'city'"):
        delivery.funnel("citty")
    with pytest.raises(errors.ColumnError):
        delivery.plot(["city", "tier"])


def test_a_funnel_of_nobody(client: d7nb.Client, table: pd.DataFrame) -> None:
    delivery = planned(table[:0]).send(client, progress=False).refresh()
    assert delivery.funnel().to_numpy().tolist() == [[0] * 6]
    assert delivery.funnel("city").empty
    assert delivery.plot("city").axes


# drawing


def test_a_plot_shows_what_the_funnel_counts(sandbox: Sandbox, client: d7nb.Client, table: pd.DataFrame) -> None:
    sandbox.script(table["phone"].iloc[0], "not_on_whatsapp")
    delivery = planned(table).send(client, progress=False)
    sandbox.advance(minutes=1)
    delivery.refresh()
    figure = delivery.plot("city")
    left, right = figure.axes
    counts = delivery.funnel("city")
    assert [text.get_text() for text in left.get_yticklabels()] == [str(city) for city in counts["city"]]
    labels = [text.get_text() for text in left.texts]
    assert labels == [str(count) for name in counts.columns[2:] for count in counts[name]]
    assert [text.get_text() for text in right.get_legend().get_texts()] == ["Dubai", "Oslo", "nan"]
    for line, count in zip(right.lines, counts["delivered"], strict=True):
        assert len(line.get_xdata()) == count + 1
    assert "seconds after D7 accepted it" in right.get_xlabel()


def test_a_plot_shows_names_as_they_are(
    sandbox: Sandbox, client: d7nb.Client, table: pd.DataFrame, tmp_path: Path
) -> None:
    """Prices are no formulas, and a name may begin with anything."""
    names = ["$10-$20", "$^$", "_hidden", "a\\b"]
    delivery = planned(table.assign(price=names * 3)).send(client, progress=False)
    sandbox.advance(minutes=1)
    figure = delivery.refresh().plot("price")
    figure.savefig(tmp_path / "prices.png")  # a formula that is none would be found here
    left, right = figure.axes
    for texts in (left.get_yticklabels(), right.get_legend().get_texts()):
        assert sorted(text.get_text() for text in texts) == sorted(names)
        assert not any(text.get_parse_math() for text in texts)


@pytest.mark.parametrize("cells", [[[1], [2]], [("a",), 2.5]])
def test_a_funnel_by_what_can_t_be_put_in_order(client: d7nb.Client, table: pd.DataFrame, cells: list[Any]) -> None:
    delivery = planned(table.assign(odd=cells * 6)).send(client, progress=False)
    with pytest.raises(errors.PlanError, match="by= takes columns of plain values"):
        delivery.funnel("odd")
    assert delivery.funnel([]).equals(delivery.funnel())


def test_no_two_colours_look_alike_to_colour_blind_eyes() -> None:
    """Simulated by Viénot, Brettel and Mollon (1999) for the two common kinds; distances in CIE Lab."""
    kinds = {
        "deuteranopia": [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
        "protanopia": [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
        "everybody": np.eye(3).tolist(),
    }
    for matrix in kinds.values():
        seen = [lab(np.clip(np.array(matrix) @ linear(colour), 0, 1)) for colour in COLOURS.values()]
        for one, other in itertools.combinations(seen, 2):
            assert np.linalg.norm(one - other) > 10


def linear(colour: str) -> np.ndarray:
    channels = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lab(channels: np.ndarray) -> np.ndarray:
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    scaled = to_xyz @ channels / np.array([0.9505, 1.0, 1.089])
    root = np.where(scaled > 0.008856, np.cbrt(scaled), 7.787 * scaled + 16 / 116)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


def test_a_plot_without_matplotlib_says_what_to_install(
    client: d7nb.Client, table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = planned(table).send(client, progress=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(errors.PlanError, match=r"pip install 'd7nb\[plot\]'"):
        delivery.plot()


def test_a_running_delivery_can_be_refreshed(sandbox: Sandbox, table: pd.DataFrame) -> None:
    with sandbox.client(rate=4, batch_size=1) as client:
        delivery = planned(table).send(client, wait=False)
        while not delivery.summary["accepted"]:
            time.sleep(0.01)
        delivery.refresh()
        assert any(statuses(delivery))
        assert not delivery.done
        delivery.stop()
        delivery.wait()
