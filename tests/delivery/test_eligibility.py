"""Nobody gets it twice: what a second send does, whoever starts it, and how a person has the last word."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import d7nb
from d7nb import Ledger, Sandbox, Text
from d7nb.errors import ConfirmError, LedgerError, LedgerWarning, PlanError
from d7nb.testing import numbers
from tests.support.servers import serving

ROOT = Path(__file__).parents[2]
ORIGINATOR, SECOND = "+12025550100", "+12125550100"
NUMBERS = numbers(200)


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[d7nb.Client]:
    """One request of two rows after another."""
    with sandbox.client(rate=None, workers=1, batch_size=2) as connected:
        yield connected


def table(count: int, **columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"phone": NUMBERS[:count], "name": [f"N{row}" for row in range(count)], **columns})


def planned(frame: pd.DataFrame | int, text: str = "Hi {name}", **options: Any) -> d7nb.Plan:
    frame = table(frame) if isinstance(frame, int) else frame
    return d7nb.plan(frame, Text(text), **{"to": "phone", "originator": ORIGINATOR, "campaign": "spring"} | options)


def send(plan: d7nb.Plan, client: d7nb.Client, **options: Any) -> d7nb.Delivery:
    return plan.send(client, progress=False, **options)


def outcomes(delivery: d7nb.Delivery) -> list[str]:
    return [str(outcome) for outcome in delivery.frame["d7_outcome"]]


def went_to(sandbox: Sandbox) -> Counter[str]:
    return Counter(sandbox.messages["recipient"].tolist())


# The same plan again


def test_the_same_plan_again_sends_nothing_and_says_so(sandbox: Sandbox, client: d7nb.Client, place: str) -> None:
    first = send(planned(5), client, ledger=place)
    again = send(planned(5), client, ledger=place)
    assert outcomes(first) == ["accepted"] * 5
    assert outcomes(again) == ["already_sent"] * 5
    assert again.requests.empty
    assert set(went_to(sandbox).values()) == {1}
    assert again.frame["d7_request_id"].tolist() == first.frame["d7_request_id"].tolist()
    assert again.frame["d7_created_at"].tolist() == first.frame["d7_created_at"].tolist()
    assert set(again.frame["d7_decided_by"]) == {"ledger"}
    assert again.frame["d7_reason"].str.match(r"already sent on \d{4}-\d\d-\d\d at \d\d:\d\d UTC$").all()
    assert "campaign=" in repr(again)
    assert "resend=" in repr(again)


OTHER_KERNEL = """
import json, sys
import d7nb, pandas as pd
from d7nb.testing import numbers

url, ledger = sys.argv[1:]
people = pd.DataFrame({"phone": numbers(5), "name": [f"N{row}" for row in range(5)]})
plan = d7nb.plan(people, d7nb.Text("Hi {name}"), to="phone", originator="+12025550100", campaign="spring")
with d7nb.Client("sandbox", base_url=url) as client:
    remembered = plan.delivery(client, ledger=ledger)
    sent = plan.send(client, ledger=ledger, progress=False)
print(json.dumps([remembered.summary, sent.summary]))
"""


def test_another_kernel_remembers(sandbox: Sandbox, place: str) -> None:
    with d7nb.Client("sandbox", base_url=sandbox.url, rate=None) as client:
        send(planned(3), client, ledger=place)
    command = [sys.executable, "-c", OTHER_KERNEL, sandbox.url, place]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    remembered, sent = json.loads(ran.stdout)
    assert (remembered["accepted"], remembered["unsent"]) == (3, 2)
    assert (sent["already_sent"], sent["accepted"]) == (3, 2)
    assert went_to(sandbox) == Counter(NUMBERS[:5])


def test_of_a_table_that_grew_only_the_new_rows_go(sandbox: Sandbox, client: d7nb.Client) -> None:
    send(planned(3), client)
    grown = table(6).iloc[::-1].reset_index(drop=True)
    assert outcomes(send(planned(grown), client, confirm=3)) == ["accepted"] * 3 + ["already_sent"] * 3
    assert went_to(sandbox) == Counter(NUMBERS[:6])


def test_spellings_and_variants_of_a_number_are_one_person(sandbox: Sandbox, client: d7nb.Client) -> None:
    """The Mexican number is made up of ones to eight: it is nobody's."""
    for phone in ("+525512345678", "+52 1 55 1234 5678", "00 52 55 1234 5678"):
        plan = planned(pd.DataFrame({"phone": [phone], "name": ["Ana"]}))
        send(plan.release() if plan.summary["held"] else plan, client)
    assert len(sandbox.messages) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"originator": SECOND},
        {"reference": {"cust_ref": "7"}},
        {"report_url": "https://example.com/report"},
        {"schedule": "2100-01-01T09:00+04:00"},
        {"key_in": "message_tag4"},
        {"country": "AE"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_how_it_is_sent_is_no_part_of_who_gets_it(sandbox: Sandbox, client: d7nb.Client, other: dict[str, Any]) -> None:
    send(planned(2), client)
    assert outcomes(send(planned(2, **other), client)) == ["already_sent"] * 2


def test_another_campaign_or_destination_is_another_mailing(sandbox: Sandbox, client: d7nb.Client) -> None:
    send(planned(2), client)
    assert outcomes(send(planned(2, campaign="autumn"), client)) == ["accepted"] * 2
    with Sandbox() as second, second.client() as rehearsal:
        assert outcomes(send(planned(2), rehearsal)) == ["accepted"] * 2
    assert set(went_to(sandbox).values()) == {2}


def test_a_rehearsal_never_counts_as_real() -> None:
    """Not even where a sandbox stands at the same address afterwards."""
    with Sandbox() as sandbox, sandbox.client() as client:
        send(planned(2), client)
        with d7nb.Client("sandbox", base_url=sandbox.url) as real:
            assert outcomes(planned(2).delivery(real)) == ["unsent"] * 2
            assert outcomes(planned(2).delivery()) == ["unsent"] * 2
            assert outcomes(planned(2).delivery(client)) == ["accepted"] * 2


# A corrected text


def test_who_got_the_old_text_is_held_when_a_slip_is_mended(sandbox: Sandbox, client: d7nb.Client) -> None:
    sandbox.fail_next("delay", seconds=0)
    sandbox.fail_next("delay", seconds=0)
    sandbox.fail_next("status", code=401)  # as if it had been interrupted
    assert Counter(outcomes(send(planned(8, "Hi {name}, yuor parcel is here"), client))) == {"accepted": 4, "unsent": 4}
    mended = planned(8, "Hi {name}, your parcel is here")
    assert mended.going(client).tolist() == [False] * 4 + [True] * 4
    delivery = send(mended, client, confirm=4)
    assert outcomes(delivery) == ["held"] * 4 + ["accepted"] * 4
    assert went_to(sandbox) == Counter(NUMBERS[:8])
    assert delivery.frame["d7_reason"].iloc[0].startswith('already got another text in this campaign; resend="changed"')
    assert delivery.frame["d7_decided_by"].iloc[0] == "ledger"
    assert outcomes(mended.delivery(client)) == ["held"] * 4 + ["accepted"] * 4
    corrected = send(mended, client, resend="changed")
    assert outcomes(corrected) == ["accepted"] * 4 + ["already_sent"] * 4
    assert went_to(sandbox) == Counter(NUMBERS[:4]) + Counter(NUMBERS[:8])


def test_a_second_message_of_the_same_plan_is_no_corrected_text(sandbox: Sandbox, client: d7nb.Client) -> None:
    frame = pd.DataFrame({"phone": [NUMBERS[0]] * 2, "name": ["Ali", "Sara"]})
    sandbox.fail_next("refuse", recipient=NUMBERS[0])
    send(planned(frame), client)
    sandbox.reset()
    assert outcomes(send(planned(frame.iloc[:1]), client)) == ["accepted"]
    assert outcomes(send(planned(frame), client)) == ["already_sent", "accepted"]


def test_a_filter_that_skips_the_old_text_does_not_let_the_new_one_through(
    sandbox: Sandbox, client: d7nb.Client
) -> None:
    """The row that was sent is still a row of the plan, though a filter says no to it now."""
    frame = pd.DataFrame({"phone": [NUMBERS[0]] * 2, "name": ["Ali", "Sara"]})
    send(planned(frame.iloc[:1]), client)

    @d7nb.row_filter(register=False)
    def not_ali(rows: pd.DataFrame) -> pd.Series:
        return (rows["name"] == "Ali").map({True: "not today"})

    assert outcomes(send(planned(frame, filters=[not_ali]), client)) == ["skipped", "accepted"]


def test_another_text_that_goes_just_before_the_first_claim_holds_this_one(
    sandbox: Sandbox, client: d7nb.Client
) -> None:
    """Two press the button at once: whoever comes second to a person holds the row, from the first request on."""
    faster: list[d7nb.Plan] = [planned(2, text="Hello {name}")]

    class Meanwhile(d7nb.filters.RowFilter):
        """Asked just before a request is claimed, long after the send began; then somebody else is faster."""

        name, reads_clock = "meanwhile", True

        def check(self, rows: pd.DataFrame) -> pd.Series:
            return d7nb.filters.reasons(rows, np.zeros(len(rows), dtype=bool), "")

        def check_at_request(self, rows: pd.DataFrame) -> pd.Series:
            if faster:
                with sandbox.client(rate=None) as another:
                    assert send(faster.pop(), another).summary["accepted"] == 2
            return self.check(rows)

    late = send(planned(2, filters=[Meanwhile()]), client)
    assert outcomes(late) == ["held", "held"]
    assert set(went_to(sandbox).values()) == {1}


def test_with_key_columns_a_corrected_text_is_the_same_row(sandbox: Sandbox, client: d7nb.Client) -> None:
    send(planned(3, "Hi {name}, yuor parcel", key="name"), client)
    mended = planned(3, "Hi {name}, your parcel", key="name")
    assert outcomes(send(mended, client)) == ["already_sent"] * 3
    with pytest.raises(PlanError, match='resend="changed" does nothing with key='):
        send(mended, client, resend="changed")
    assert outcomes(send(mended, client, resend=[2])) == ["already_sent"] * 2 + ["accepted"]


# On purpose


def test_chosen_rows_go_again_and_their_first_sending_is_still_told(sandbox: Sandbox, client: d7nb.Client) -> None:
    plan, people = planned(4), table(4)
    first = send(plan, client)
    again = send(plan, client, resend=people["name"] == "N2")
    assert outcomes(again) == ["already_sent"] * 2 + ["accepted", "already_sent"]
    assert again.frame["d7_request_id"].tolist()[2] != first.frame["d7_request_id"].tolist()[2]
    assert went_to(sandbox) == Counter([*NUMBERS[:4], NUMBERS[2]])
    assert outcomes(send(plan, client)) == ["already_sent"] * 4


@pytest.mark.parametrize(
    "chosen",
    [
        [False, True, False],
        np.array([False, True, False]),
        pd.Series([False, True, False], dtype="boolean"),
        pd.Series([False, True, False], dtype="object"),
        [1],
        np.array([1]),
    ],
    ids=["list", "array", "nullable", "objects", "position", "positions"],
)
def test_rows_may_be_chosen_in_every_usual_way(sandbox: Sandbox, client: d7nb.Client, chosen: Any) -> None:
    send(planned(3), client)
    assert outcomes(send(planned(3), client, resend=chosen)) == ["already_sent", "accepted", "already_sent"]


def test_everything_goes_again_only_with_its_number(sandbox: Sandbox, client: d7nb.Client) -> None:
    plan = planned(4)
    send(plan, client)
    with pytest.raises(ConfirmError, match=r"resend=True .* confirm="):
        send(plan, client, resend=True)
    with pytest.raises(ConfirmError, match=r"you confirmed 3 rows, but 4 would be sent\. Nothing was sent"):
        send(plan, client, resend=True, confirm=3)
    assert outcomes(send(plan, client, resend=True, confirm=4)) == ["accepted"] * 4
    assert set(went_to(sandbox).values()) == {2}


def test_what_failed_goes_again_and_nothing_else(sandbox: Sandbox, client: d7nb.Client) -> None:
    sandbox.fail_next("refuse", recipient=NUMBERS[1])
    plan = planned(4)
    assert outcomes(send(plan, client)) == ["accepted", "rejected", "accepted", "accepted"]
    assert outcomes(plan.delivery(client)) == ["accepted", "rejected", "accepted", "accepted"]
    sandbox.reset()
    assert outcomes(send(plan, client, resend="failed")) == ["already_sent", "accepted", "already_sent", "already_sent"]
    assert went_to(sandbox) == Counter([NUMBERS[1]])


@pytest.mark.parametrize(
    ("resend", "words"),
    [
        ("all", "resend= takes 'failed', 'changed', True, or a boolean for each row, not 'all'"),
        ([True], "resend= has 1 value for 3 rows"),
        (pd.Series([True, False, True], index=[1, 2, 3]), "a series with another index"),
        ([3], "resend= takes positions from 0 to 2"),
        ([None, True, False], "resend= takes positions"),
    ],
    ids=repr,
)
def test_rows_that_can_t_be_meant_are_refused(sandbox: Sandbox, client: d7nb.Client, resend: Any, words: str) -> None:
    with pytest.raises(PlanError, match=words):
        send(planned(3), client, resend=resend)
    assert sandbox.messages.empty


def test_the_number_to_confirm_is_that_of_the_rows_still_to_go(sandbox: Sandbox, client: d7nb.Client) -> None:
    send(planned(3), client)
    plan = planned(5)
    with pytest.raises(ConfirmError, match="you confirmed 5 rows, but 2 would be sent; 3 were sent before or are held"):
        send(plan, client, confirm=5)
    assert plan.going(client).sum() == 2
    assert send(plan, client, confirm=2).summary["accepted"] == 2


# In doubt


def doubtful(sandbox: Sandbox, client: d7nb.Client, place: str) -> d7nb.Delivery:
    """Six rows, of which the third and fourth may have gone out."""
    sandbox.fail_next("delay", seconds=0)
    sandbox.fail_next("drop_after")
    return send(planned(6), client, ledger=place)


def test_what_is_in_doubt_stays_so_until_a_person_says(sandbox: Sandbox, client: d7nb.Client, place: str) -> None:
    doubtful(sandbox, client, place)
    again = send(planned(6), client, ledger=place)
    assert outcomes(again) == [*["already_sent"] * 2, *["unknown"] * 2, *["already_sent"] * 2]
    assert again.frame["d7_reason"].iloc[2].startswith("may have gone out on ")
    assert set(went_to(sandbox).values()) == {1}


@pytest.mark.parametrize(
    ("word", "outcome", "then"), [("sent", "accepted", "already_sent"), ("not_sent", "unsent", "accepted")]
)
def test_a_person_s_word_is_kept_with_its_time(
    sandbox: Sandbox, client: d7nb.Client, place: str, word: Any, outcome: str, then: str
) -> None:
    delivery = doubtful(sandbox, client, place)
    before = pd.Timestamp.now(tz="UTC").floor("us")
    assert delivery.settle(word) is delivery
    frame = delivery.frame
    assert outcomes(delivery) == [*["accepted"] * 2, *[outcome] * 2, *["accepted"] * 2]
    assert frame["d7_decided_by"].tolist()[2:4] == ["settled"] * 2
    assert frame["d7_reason"].tolist()[2].startswith("you said that it was")
    with Ledger(place) as ledger:
        settled = ledger.frame().query("code == 'settled'")
    assert len(settled) == 2
    assert (settled["recorded_at"] >= before).all()
    assert outcomes(planned(6).delivery(client, ledger=place)) == outcomes(delivery)
    assert outcomes(send(planned(6), client, ledger=place)) == [
        *["already_sent"] * 2,
        *[then] * 2,
        *["already_sent"] * 2,
    ]


def test_rows_may_be_settled_one_by_one_another_day(sandbox: Sandbox, client: d7nb.Client, place: str) -> None:
    doubtful(sandbox, client, place)
    delivery = planned(6).delivery(client, ledger=place)
    delivery.settle("sent", rows=[2]).settle("not_sent", rows=[False] * 3 + [True] + [False] * 2)
    assert outcomes(delivery) == [*["accepted"] * 3, "unsent", *["accepted"] * 2]


def test_only_what_is_in_doubt_can_be_settled(sandbox: Sandbox, client: d7nb.Client, place: str) -> None:
    delivery = doubtful(sandbox, client, place)
    with pytest.raises(PlanError, match="the row at position 1 needs no settling"):
        delivery.settle("sent", rows=[1, 2])
    with pytest.raises(PlanError, match="settle\\(\\) takes 'sent' or 'not_sent', not 'yes'"):
        delivery.settle("yes")  # type: ignore[arg-type]
    assert delivery.summary["unknown"] == 2


def test_what_is_just_being_sent_can_t_be_settled(sandbox: Sandbox, place: str) -> None:
    sandbox.fail_next("delay", seconds=30)
    with sandbox.client(rate=None, timeout=60) as client:
        delivery = send(planned(2), client, ledger=place, wait=False)
        while not delivery.summary["unknown"]:
            assert not delivery.done
        for settle in (delivery.settle, planned(2).delivery(client, ledger=place).settle):
            with pytest.raises((LedgerError, PlanError)):
                settle("not_sent", rows=[0])
        other = send(planned(2), client, ledger=place)
        assert outcomes(other) == ["unsent"] * 2
        assert other.frame["d7_reason"].str.startswith("being sent by another run since ").all()
        assert outcomes(send(planned(2), client, ledger=place, resend=True, confirm=0)) == ["unsent"] * 2
        sandbox.close()
        assert outcomes(delivery.wait()) == ["unknown"] * 2
    assert went_to(sandbox) == Counter(NUMBERS[:2])


# A few first


def test_a_canary_that_lives_lets_the_rest_follow(sandbox: Sandbox, client: d7nb.Client) -> None:
    assert outcomes(send(planned(20), client, canary=5)) == ["accepted"] * 20
    assert set(went_to(sandbox).values()) == {1}


@pytest.mark.parametrize("workers", [1, 8])
def test_the_rest_waits_for_the_canary_s_outcome(sandbox: Sandbox, workers: int) -> None:
    for row in (0, 3):
        sandbox.fail_next("refuse", recipient=NUMBERS[row])
    with sandbox.client(rate=None, workers=workers, batch_size=1) as client:
        delivery = send(planned(50), client, canary=10, stop_if=0.1)
    assert Counter(outcomes(delivery)) == {"accepted": 8, "rejected": 2, "unsent": 40}
    assert sum(went_to(sandbox).values()) == 8
    why = "not tried: D7 did not accept 2 of the first 10 rows, more than stop_if=0.1 allows"
    assert set(delivery.frame["d7_reason"].iloc[10:]) == {why}


def test_as_many_failures_as_are_allowed_stop_nothing(sandbox: Sandbox, client: d7nb.Client) -> None:
    sandbox.fail_next("refuse", recipient=NUMBERS[0])
    assert send(planned(30), client, canary=10, stop_if=0.1).summary["accepted"] == 29


def test_a_canary_in_doubt_counts_as_failed(sandbox: Sandbox, client: d7nb.Client) -> None:
    sandbox.fail_next("garbage")
    delivery = send(planned(10), client, canary=4)
    assert Counter(outcomes(delivery)) == {"unknown": 2, "accepted": 2, "unsent": 6}


def test_a_canary_larger_than_the_table_is_the_table(sandbox: Sandbox, client: d7nb.Client) -> None:
    sandbox.fail_next("refuse", recipient=NUMBERS[0])
    assert Counter(outcomes(send(planned(3), client, canary=20))) == {"rejected": 1, "accepted": 2}


@pytest.mark.parametrize("options", [{"canary": 0}, {"canary": 5, "stop_if": 1.5}, {"canary": 5, "stop_if": -0.1}])
def test_a_canary_that_makes_no_sense_is_refused(client: d7nb.Client, options: dict[str, Any]) -> None:
    with pytest.raises(PlanError, match="canary= must be 1 row or more, and stop_if= a share"):
        send(planned(2), client, **options)


# The ledger fails


def broken(path: Path, how: str) -> str:
    if how == "corrupt":
        path.write_bytes(b"this is no database, and never was one" * 40)
    elif how == "newer":
        with Ledger(path):
            pass
        connection = sqlite3.connect(path)
        with connection:
            connection.execute("UPDATE d7nb_meta SET value = '99' WHERE name = 'schema_version'")
        connection.close()
    elif how == "folder":
        path.mkdir()
    elif how == "no secret":
        with Ledger(path):
            pass
        path.with_name(path.name + ".companion").unlink()
    return str(path.parent / "gone" / path.name) if how == "no folder" else str(path)


@pytest.mark.parametrize("how", ["corrupt", "newer", "folder", "no secret", "no folder"])
def test_without_a_ledger_that_works_nothing_goes(
    sandbox: Sandbox, client: d7nb.Client, tmp_path: Path, how: str
) -> None:
    place = broken(tmp_path / "other.sqlite3", how)
    for act in (lambda: send(planned(2), client, ledger=place), lambda: planned(2).delivery(client, ledger=place)):
        with pytest.raises(LedgerError, match=r"ledger other\.sqlite3"):
            act()
    assert sandbox.messages.empty


def test_a_locked_ledger_stops_a_send_before_it_begins(sandbox: Sandbox, client: d7nb.Client, tmp_path: Path) -> None:
    path = tmp_path / "locked.sqlite3"
    with Ledger(path, patience=0.05) as ledger:
        locker = sqlite3.connect(path, isolation_level=None)
        locker.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match=r"the ledger locked\.sqlite3 is locked by another program"):
            send(planned(2), client, ledger=ledger)
        assert sandbox.messages.empty
        locker.execute("ROLLBACK")
        locker.close()
        assert outcomes(send(planned(2), client, ledger=ledger)) == ["accepted"] * 2


Act = Callable[[], None]


def at_exchange(client: d7nb.Client, number: int, act: Act, *, after: bool) -> None:
    """Do something just before or just after the client's n-th exchange with D7."""
    exchange, count = client.exchange, iter(range(1, 1_000_000))

    def acting(body: bytes) -> Any:
        mine = next(count) == number
        if mine and not after:
            act()
        answer = exchange(body)
        if mine and after:
            act()
        return answer

    client.exchange = acting  # type: ignore[method-assign]


def test_what_can_t_be_recorded_stays_claimed_and_the_send_stops(
    sandbox: Sandbox, client: d7nb.Client, tmp_path: Path
) -> None:
    path = tmp_path / "locked.sqlite3"
    with ExitStack() as stack:
        ledger = stack.enter_context(Ledger(path, patience=0.05))
        locker = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        at_exchange(client, 2, lambda: locker.execute("BEGIN IMMEDIATE").close(), after=True)
        delivery = send(planned(6), client, ledger=ledger)
        locker.execute("ROLLBACK")
        locker.close()
        assert outcomes(delivery) == [*["accepted"] * 4, *["unsent"] * 2]
        assert "is locked by another program" in delivery.frame["d7_reason"].iloc[5]
        (warning,) = delivery.warnings
        assert warning.startswith("the outcome of 2 rows could not be written to the ledger, so a later run will call")
        assert warning in repr(delivery)
    with Ledger(path) as ledger:
        at_once = planned(6).delivery(client, ledger=ledger)
        assert at_once.frame["d7_reason"].iloc[2].startswith("being sent by another run")  # it could not say it ended
        later = planned(6, clock=lambda: datetime.now(UTC) + timedelta(hours=1))
        sent = ["already_sent"] * 2
        assert outcomes(send(later, client, ledger=ledger)) == [*sent, *["unknown"] * 2, *["accepted"] * 2]
    assert set(went_to(sandbox).values()) == {1}


def test_a_record_that_failed_once_is_written_when_that_is_over(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two requests are in flight when the ledger is locked; it is free again before the second is answered."""
    path = tmp_path / "locked.sqlite3"
    locker = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    with (
        Ledger(path, patience=0.05) as ledger,
        sandbox.client(rate=None, workers=2, batch_size=2) as client,
    ):
        at_exchange(client, 1, lambda: locker.execute("BEGIN IMMEDIATE").close(), after=True)
        free = threading.Event()
        at_exchange(client, 2, lambda: free.wait(30), after=True)
        stop = d7nb.delivery.sending.loop.SendLoop.stop

        def stopped(sending: Any, why: str) -> None:
            stop(sending, why)
            if locker.in_transaction:
                locker.execute("ROLLBACK")
                free.set()

        monkeypatch.setattr("d7nb.delivery.sending.loop.SendLoop.stop", stopped)
        delivery = send(planned(8), client, ledger=ledger)
        locker.close()
        assert delivery.warnings == []
        assert delivery.summary["accepted"] in {2, 4}
        assert planned(8).delivery(client, ledger=ledger).summary["accepted"] == delivery.summary["accepted"]


def test_before_the_first_real_send_a_ledger_that_may_not_last_is_named(
    client: d7nb.Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("d7nb.store.database.filesystem_of", lambda *_: "nfs4")
    path = tmp_path / "ledger.sqlite3"
    assert outcomes(send(planned(1), client, ledger=path)) == ["accepted"]  # a rehearsal loses nothing
    with d7nb.Client("not-a-real-token", base_url="https://d7.invalid") as real:
        with pytest.warns(LedgerWarning, match=r"the ledger is on a network file system \(nfs4\)") as caught:
            delivery = planned(0).send(real, progress=False, ledger=path)
        assert delivery.warnings == [str(caught[0].message)]
        assert [warning.filename for warning in caught] == [__file__]


# Time


def test_a_clock_that_goes_backwards_sends_nobody_anything_twice(
    sandbox: Sandbox, client: d7nb.Client, place: str
) -> None:
    now = datetime(2026, 11, 24, 9, tzinfo=UTC)
    steps = iter([timedelta(hours=-hours) for hours in range(1_000)])
    doubt = planned(6, clock=lambda: now + next(steps))
    sandbox.fail_next("delay", seconds=0)
    sandbox.fail_next("drop_after")
    assert outcomes(send(doubt, client, ledger=place)) == [*["accepted"] * 2, *["unknown"] * 2, *["accepted"] * 2]
    earlier = planned(6, clock=lambda: now - timedelta(days=400))
    assert outcomes(send(earlier, client, ledger=place)) == [
        *["already_sent"] * 2,
        *["unknown"] * 2,
        *["already_sent"] * 2,
    ]
    assert set(went_to(sandbox).values()) == {1}


def test_a_clock_without_a_zone_is_refused_at_once() -> None:
    with pytest.raises(PlanError, match="clock= must return times with a zone"):
        planned(1, clock=lambda: datetime(2026, 11, 24, 9))  # noqa: DTZ001


# Refusals, as the ledger keeps them


def test_a_request_taken_apart_leaves_each_row_its_own_outcome(sandbox: Sandbox, place: str) -> None:
    for row, named in ((3, True), (17, False), (40, False)):
        sandbox.fail_next("refuse", recipient=NUMBERS[row], named=named)
    with sandbox.client(rate=None, batch_size=50) as client:
        delivery = send(planned(50), client, ledger=place)
        assert [row for row, outcome in enumerate(outcomes(delivery)) if outcome == "rejected"] == [3, 17, 40]
        remembered = planned(50).delivery(client, ledger=place)
        for name in ("d7_outcome", "d7_request_id", "d7_reason", "d7_decided_by"):
            pd.testing.assert_series_equal(remembered.frame[name], delivery.frame[name])
        sandbox.reset()
        assert send(planned(50), client, ledger=place).summary["accepted"] == 3


def test_a_request_that_is_tried_again_is_claimed_once(sandbox: Sandbox, client: d7nb.Client, place: str) -> None:
    sandbox.fail_next("status", times=2, code=429, retry_after=0)
    assert outcomes(send(planned(2), client, ledger=place)) == ["accepted"] * 2
    with Ledger(place) as ledger:
        assert ledger.campaigns()[["accepted", "unsent", "claimed"]].values.tolist() == [[2, 0, 0]]


def test_an_answer_of_a_server_that_is_no_d7_leaves_rows_free() -> None:
    with serving(lambda handler: handler.reply(418, b"{}")) as server, d7nb.Client("x", base_url=server.url) as client:
        assert outcomes(send(planned(2), client)) == ["unsent"] * 2
        assert planned(2).going(client).all()
