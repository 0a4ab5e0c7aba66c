"""Whatever the order in which reports and events come, and however often: a message comes to the same status."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies

from d7nb.api.destinations import BASE_URL
from d7nb.api.inbound import InboundMessage
from d7nb.api.statuses import FINAL, STAGES, StatusUpdate, parse_status, rank
from d7nb.errors import LedgerError
from d7nb.ledger import Ledger
from d7nb.store.dead_letters import DeadLetter
from d7nb.store.keys import base32
from d7nb.store.lookup import find_row_states
from d7nb.store.message_status import find_statuses
from d7nb.store.settle import settle
from tests.support import ledgers
from tests.support.ledgers import CAMPAIGN, DESTINATION, NOW, claim, look_up, people, start_run

START = datetime(2026, 11, 23, 10, tzinfo=UTC)


def keys(rows: list[int] | range) -> np.ndarray:
    return ledgers.keys(rows, CAMPAIGN)


class Heard(NamedTuple):
    """One thing that D7 says: an event with its own time, or a report with the time of asking."""

    status: str
    after: float
    reason: str = ""
    msg_id: str = "m1"


class Case(NamedTuple):
    """All that is said of one message, and what it comes to."""

    heard: tuple[Heard, ...]
    status: str
    reason: str | None
    after: float


REPORTED = 60.0
CASES = {
    "a life to its end, and a report between": Case(
        (
            Heard("queued", 0),
            Heard("sent", 1),
            Heard("delivered", 2),
            Heard("delivered", REPORTED),
            Heard("read", 4, "Read by the user"),
            Heard("read", REPORTED),
        ),
        "read",
        "Read by the user",
        4,
    ),
    "a failure, told by both": Case(
        (
            Heard("queued", 0),
            Heard("sent", 1),
            Heard("failed", 3, "131026: Message undeliverable"),
            Heard("failed", REPORTED, "131026"),
            Heard("queued", REPORTED),
        ),
        "failed",
        "131026: Message undeliverable",
        3,
    ),
    "whoever got it has it, though a failure is told too": Case(
        (Heard("failed", 9, "131000"), Heard("delivered", 2), Heard("sent", 1), Heard("queued", 0)),
        "delivered",
        None,
        2,
    ),
    "words that nobody knows are kept, and weigh less than what is known": Case(
        (Heard("queued", 0), Heard("Throttled", 5), Heard("On hold", 7), Heard("On hold", 6, "a review")),
        "On hold",
        "a review",
        6,
    ),
    "a word that nobody knows after a known one": Case(
        (Heard("Throttled", 8), Heard("sent", 1), Heard("Throttled", 9), Heard("queued", 0)), "sent", None, 1
    ),
    "reasons of both, the fuller remains": Case(
        (Heard("failed", 3, "no"), Heard("failed", 4, "131047: closed"), Heard("failed", 2), Heard("sent", 1)),
        "failed",
        "131047: closed",
        2,
    ),
    "D7 repeats an event under another id": Case(
        (Heard("sent", 1, msg_id="m2"), Heard("sent", 1), Heard("delivered", 2, msg_id=""), Heard("read", 3)),
        "read",
        None,
        3,
    ),
}


def orders(case: Case) -> Iterator[tuple[Heard, ...]]:
    """Every order; and every order in which each thing is said twice, the second time in the same order or reversed."""
    for order in permutations(case.heard):
        yield order
        yield order + order
        yield order + order[::-1]


def tell(ledger: Ledger, said: Sequence[Sequence[Heard]]) -> None:
    """Tell the ledger the first thing of each message, then the second, and so on; each round is a transaction."""
    marks = base32(keys(range(len(said))))
    for turn in range(max(map(len, said))):
        updates = [
            StatusUpdate("request-1", one.status, START + timedelta(seconds=one.after), one.msg_id, one.reason, (mark,))
            for own, mark in zip(said, marks, strict=True)
            for one in own[turn : turn + 1]
        ]
        assert ledger.take_in(DESTINATION, updates=updates, at=NOW) == len(updates)


@pytest.mark.parametrize("name", CASES)
def test_every_order_comes_to_the_same(place: str, name: str) -> None:
    case = CASES[name]
    said = list(orders(case))
    assert len(said) == 3 * np.prod(range(1, len(case.heard) + 1))
    with Ledger(place) as ledger:
        with start_run(ledger) as run:
            run.record(claim(run, range(len(said))), "accepted", request_id="request-1", at=NOW)
        tell(ledger, said)
        known = look_up(ledger, range(len(said)))
        heard = find_statuses(ledger.campaign(DESTINATION, CAMPAIGN), keys(range(len(said))), known.request)
    assert set(heard.status) == {case.status}
    assert set(heard.reason) == {case.reason}
    assert set(heard.msg_id) == {"m1"}
    reached = np.datetime64((START + timedelta(seconds=case.after)).replace(tzinfo=None), "us")
    assert set(heard.reached) == {reached}
    for word, since in heard.since.items():
        told = [one.after for one in case.heard if one.status == word]
        assert len(set(since.tolist())) == 1, word
        assert np.isnat(since[0]) == (not told), word
        if told:
            first = START + timedelta(seconds=min(told))
            assert since[0] == np.datetime64(first.replace(tzinfo=None), "us")


def test_what_was_never_said_is_told_of_nobody(place: str) -> None:
    with Ledger(place) as ledger:
        with start_run(ledger) as run:
            run.record(claim(run, range(3)), "accepted", request_id="request-1", at=NOW)
        tell(ledger, [[], [Heard("sent", 1)], []])
        heard = find_statuses(ledger.campaign(DESTINATION, CAMPAIGN), keys(range(4)), look_up(ledger, range(4)).request)
        assert heard.status.tolist() == [None, "sent", None, None]
        assert (
            find_statuses(
                ledger.campaign("elsewhere", CAMPAIGN), keys(range(4)), np.ones(4, dtype=np.int64)
            ).status.tolist()
            == [None] * 4
        )


# which row is meant


def test_a_message_is_known_by_its_key_else_by_request_and_recipient_else_not(place: str) -> None:
    numbers = people(range(4))
    marks = base32(keys(range(4)))
    with Ledger(place) as ledger:
        with start_run(ledger) as run:
            run.record(claim(run, [0, 1]), "accepted", request_id="one", at=NOW)
            run.record(claim(run, [2, 3]), "accepted", request_id="two", at=NOW)

        def told(request_id: str, marks: tuple[str, ...] = (), recipient: str = "") -> int:
            update = StatusUpdate(request_id, "sent", NOW, f"m{len(ledger.aside())}", "", marks, recipient)
            return ledger.take_in(DESTINATION, updates=[update], at=NOW)

        assert told("one", ("invoice 7", marks[0])) == 1
        assert told("one", (), numbers[1].removeprefix("+")) == 1
        assert told("one", (marks[2],)) == 0  # its row went with another request
        assert told("two", (), numbers[1]) == 0
        assert told("three", ("A" * 26,), "") == 0
        assert told("three", (), numbers[0]) == 0
        heard = find_statuses(ledger.campaign(DESTINATION, CAMPAIGN), keys(range(4)), look_up(ledger, range(4)).request)
        assert heard.status.tolist() == ["sent", "sent", None, None]
        assert len(ledger.aside()) == 4
        assert set(ledger.aside()["why"]) == {"no row of this ledger has its key, or its request and recipient"}
        assert not any(number in ledger.aside().to_string(max_colwidth=None) for number in numbers)


def test_of_two_rows_of_one_person_in_a_request_neither_is_guessed(place: str) -> None:
    number = people([0])[0]
    with Ledger(place) as ledger:
        with start_run(ledger) as run:
            both = run.claim(keys([0, 1]), [number] * 2, [number] * 2, at=NOW)
            run.record(both, "accepted", request_id="one", at=NOW)
        assert ledger.take_in(DESTINATION, updates=[StatusUpdate("one", "sent", NOW, recipient=number)], at=NOW) == 0
        update = StatusUpdate("one", "sent", NOW, references=(base32(keys([1]))[0],))
        assert ledger.take_in(DESTINATION, updates=[update], at=NOW) == 1


def test_a_row_that_was_sent_again_has_the_status_of_its_last_message(place: str) -> None:
    mark = base32(keys([0]))[0]
    with Ledger(place) as ledger:
        with start_run(ledger) as run:
            run.record(claim(run, [0]), "accepted", request_id="first", at=NOW)
        ledger.take_in(DESTINATION, updates=[StatusUpdate("first", "failed", NOW, "m1", "131000", (mark,))], at=NOW)
        with start_run(ledger) as run:
            again = claim(run, [0], again=[True])
            run.record(again, "accepted", request_id="second", at=NOW)
        ledger.take_in(DESTINATION, updates=[StatusUpdate("second", "sent", NOW, "m2", "", (mark,))], at=NOW)
        ledger.take_in(DESTINATION, updates=[StatusUpdate("first", "read", NOW, "m1", "", (mark,))], at=NOW)
        heard = find_statuses(ledger.campaign(DESTINATION, CAMPAIGN), keys([0]), look_up(ledger, [0]).request)
        assert (heard.status.tolist(), heard.msg_id.tolist()) == (["sent"], ["m2"])


# rows in doubt


@pytest.mark.parametrize("status", ["queued", "sent", "failed", "Throttled"])
def test_d7_s_word_settles_a_row_in_doubt_and_that_row_alone(place: str, status: str) -> None:
    marks = base32(keys(range(3)))
    with Ledger(place) as ledger:
        with start_run(ledger) as run:
            run.record(claim(run, range(3)), "unknown", reason="no answer", at=NOW)
        for _ in range(2):
            told = [StatusUpdate("late", status, NOW, f"m{row}", "", (marks[row],)) for row in (0, 2)]
            assert ledger.take_in(DESTINATION, updates=told, at=NOW) == 2
        known = look_up(ledger, range(3))
        assert known.outcome.tolist() == ["accepted", "unknown", "accepted"]
        assert known.request_id.tolist() == ["late", None, "late"]
        assert len(set(known.request)) == 2  # one request for all that it tells of
        heard = find_statuses(ledger.campaign(DESTINATION, CAMPAIGN), keys(range(3)), known.request)
        assert heard.status.tolist() == [status, None, status]
        with start_run(ledger) as run:
            assert claim(run, range(3)).outcome == ["already_sent", "unknown", "already_sent"]


def test_an_event_may_be_faster_than_the_answer(place: str) -> None:
    marks = base32(keys(range(2)))
    with Ledger(place) as ledger:
        with start_run(ledger) as run:
            claimed = claim(run, range(2))
            ledger.take_in(DESTINATION, updates=[StatusUpdate("one", "queued", NOW, "m", "", (marks[0],))], at=NOW)
            assert look_up(ledger, range(2)).outcome.tolist() == ["accepted", "unsent"]
            assert run.record(claimed, "accepted", request_id="one", at=NOW) == 2
        known = look_up(ledger, range(2))
        assert (known.outcome.tolist(), known.request_id.tolist()) == (["accepted"] * 2, ["one"] * 2)
        told = [StatusUpdate("one", "read", NOW, f"m{row}", "", (marks[row],)) for row in range(2)]
        assert ledger.take_in(DESTINATION, updates=told, at=NOW) == 2
        heard = find_statuses(ledger.campaign(DESTINATION, CAMPAIGN), keys(range(2)), known.request)
        assert heard.status.tolist() == ["read", "read"]


def test_an_event_outlives_a_sender_that_died_before_it_recorded(place: str) -> None:
    marks = base32(keys(range(2)))
    with Ledger(place) as ledger:
        with start_run(ledger) as run:
            claim(run, range(2))
            ledger.take_in(DESTINATION, updates=[StatusUpdate("one", "sent", NOW, "m", "", (marks[0],))], at=NOW)
        later = NOW + timedelta(days=1)
        assert look_up(ledger, range(2), at=later).outcome.tolist() == ["accepted", "unknown"]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [("delivered", "accepted"), ("failed", "unsent"), ("queued", "accepted"), ("Throttled", "accepted")],
)
def test_d7_knows_better_than_who_said_that_it_was_not_sent(place: str, status: str, outcome: str) -> None:
    with Ledger(place) as ledger:
        with start_run(ledger) as run:
            run.record(claim(run, [0]), "unknown", reason="no answer", at=NOW)
        settle(ledger.campaign(DESTINATION, CAMPAIGN), keys([0]), "not_sent", NOW)
        told = StatusUpdate("late", status, NOW, "m", "", tuple(base32(keys([0]))))
        ledger.take_in(DESTINATION, updates=[told], at=NOW)
        assert look_up(ledger, [0]).outcome.tolist() == [outcome]


def told_of_one(ledger: Ledger, request_id: str, status: str) -> int:
    update = StatusUpdate(request_id, status, NOW, "m", "", tuple(base32(keys([0]))))
    return ledger.take_in(DESTINATION, updates=[update], at=NOW)


def state_of_one(ledger: Ledger) -> tuple[str, str | None, str | None]:
    known = look_up(ledger, [0])
    heard = find_statuses(ledger.campaign(DESTINATION, CAMPAIGN), keys([0]), known.request)
    return known.outcome[0], known.request_id[0], heard.status[0]


def test_the_failure_of_what_was_refused_says_nothing_of_an_earlier_message_in_doubt(place: str) -> None:
    """Else it would count as failed, and go again, though it may have arrived."""
    with Ledger(place) as ledger:
        with start_run(ledger) as run:
            run.record(claim(run, [0]), "unknown", reason="no answer", at=NOW)
        with start_run(ledger) as run:
            run.record(claim(run, [0], again=[True]), "rejected", request_id="refused", at=NOW)
        assert told_of_one(ledger, "refused", "failed") == 0
        assert state_of_one(ledger) == ("unknown", None, None)


@pytest.mark.parametrize("answer", ["accepted", "unknown"])
def test_of_two_messages_of_a_row_the_one_that_arrived_counts(place: str, answer: str) -> None:
    """The first was in doubt, a person said that it was not sent, and yet D7 has news of it when the second is away."""
    request_id = "two" if answer == "accepted" else None
    with Ledger(place) as ledger:
        with start_run(ledger) as run:
            run.record(claim(run, [0]), "unknown", reason="no answer", at=NOW)
        settle(ledger.campaign(DESTINATION, CAMPAIGN), keys([0]), "not_sent", NOW)
        with start_run(ledger) as run:
            second = claim(run, [0])
            assert told_of_one(ledger, "one", "failed") == 1
            run.record(second, answer, request_id=request_id, at=NOW)
        assert told_of_one(ledger, "two", "delivered") == 1
        assert state_of_one(ledger) == ("accepted", "two", "delivered")
        assert told_of_one(ledger, "one", "failed") == 1
        assert told_of_one(ledger, "two", "read") == 1
        assert state_of_one(ledger) == ("accepted", "two", "read")


@pytest.mark.parametrize("answer", ["accepted", "unknown"])
def test_whoever_read_a_message_that_was_sent_twice_in_doubt_is_in_doubt_no_more(place: str, answer: str) -> None:
    request_id = "two" if answer == "accepted" else None
    with Ledger(place) as ledger:
        with start_run(ledger) as run:
            run.record(claim(run, [0]), "unknown", reason="no answer", at=NOW)
        with start_run(ledger) as run:
            second = claim(run, [0], again=[True])
            told_of_one(ledger, "two", "queued")  # faster than the answer
            run.record(second, answer, request_id=request_id, at=NOW)
        told_of_one(ledger, "two", "read")
        assert state_of_one(ledger) == ("accepted", "two", "read")


@pytest.mark.parametrize("last", ["accepted", "rejected"])
def test_whoever_has_a_message_that_nobody_remembers_has_it(place: str, last: str) -> None:
    """Three messages of one row, the second in doubt and said not to be sent: it is that one which arrived."""
    with Ledger(place) as ledger:
        with start_run(ledger) as run:
            run.record(claim(run, [0]), "accepted", request_id="one", at=NOW)
        told_of_one(ledger, "one", "failed")
        with start_run(ledger) as run:
            run.record(claim(run, [0], again=[True]), "unknown", at=NOW)
        settle(ledger.campaign(DESTINATION, CAMPAIGN), keys([0]), "not_sent", NOW)
        with start_run(ledger) as run:
            run.record(claim(run, [0], again=[True]), last, request_id="three", at=NOW)
        assert told_of_one(ledger, "two", "read") == 1
        told_of_one(ledger, "three", "failed")
        assert state_of_one(ledger) == ("accepted", "two", "read")


def test_what_somebody_said_was_sent_gets_its_id_and_its_status(place: str) -> None:
    with Ledger(place) as ledger:
        with start_run(ledger) as run:
            run.record(claim(run, [0]), "unknown", reason="no answer", at=NOW)
        settle(ledger.campaign(DESTINATION, CAMPAIGN), keys([0]), "sent", NOW)
        told = StatusUpdate("late", "read", NOW, "m", "", tuple(base32(keys([0]))))
        assert ledger.take_in(DESTINATION, updates=[told], at=NOW) == 1
        known = look_up(ledger, [0])
        assert (known.outcome.tolist(), known.request_id.tolist()) == (["accepted"], ["late"])
        assert find_statuses(ledger.campaign(DESTINATION, CAMPAIGN), keys([0]), known.request).status.tolist() == [
            "read"
        ]


def test_forgetting_a_campaign_forgets_what_was_heard_of_it(place: str) -> None:
    with Ledger(place) as ledger:
        with start_run(ledger) as run:
            run.record(claim(run, [0]), "accepted", request_id="one", at=NOW)
        told = StatusUpdate("one", "read", NOW, "m", "", tuple(base32(keys([0]))))
        ledger.take_in(DESTINATION, updates=[told], at=NOW)
        assert ledger.forget(CAMPAIGN, NOW + timedelta(days=1)) == 1
        assert ledger.take_in(DESTINATION, updates=[told], at=NOW) == 0
        with start_run(ledger) as run:
            run.record(claim(run, [0]), "accepted", request_id="two", at=NOW)
        assert find_statuses(
            ledger.campaign(DESTINATION, CAMPAIGN), keys([0]), look_up(ledger, [0]).request
        ).status.tolist() == [None]


def test_forgetting_a_rehearsal_leaves_what_was_heard_of_the_real_messages(place: str) -> None:
    with Ledger(place) as ledger:
        for destination in (DESTINATION, "http://rehearsal"):
            with start_run(ledger, destination=destination) as run:
                run.record(claim(run, [0]), "accepted", request_id="one", at=NOW)
            told = StatusUpdate("one", "read", NOW, "m", "", tuple(base32(keys([0]))))
            assert ledger.take_in(destination, updates=[told], at=NOW) == 1
        assert ledger.forget(CAMPAIGN, NOW + timedelta(days=1), destination="http://rehearsal") == 1
        assert state_of_one(ledger) == ("accepted", "one", "read")


def test_what_was_settled_during_a_run_is_no_later_text_but_what_was_sent_is(place: str) -> None:
    """D7's late word on the old text does not hold up a run that corrects it; another run's text does."""
    old, new, numbers = ledgers.keys([0], "old"), ledgers.keys([0], "new"), people([0])
    with Ledger(place) as ledger:
        with start_run(ledger) as run:
            run.record(run.claim(old, numbers, numbers, at=NOW), "unknown", reason="no answer", at=NOW)
        states = find_row_states(ledger.campaign(DESTINATION, CAMPAIGN), new, numbers, at=NOW)
        seen, known = states.last_request_seen, states.other_request
        with (
            start_run(ledger, last_request_seen=seen) as run,
            start_run(ledger, last_request_seen=seen) as late,
            start_run(ledger) as another,
        ):
            ledger.take_in(
                DESTINATION, updates=[StatusUpdate("late", "sent", NOW, "m", "", tuple(base32(old)))], at=NOW
            )
            assert run.claim(
                new, numbers, numbers, at=NOW, other_requests=known, is_own_key=lambda _: False
            ).granted.all()
            third, fourth = (ledgers.keys([0], text) for text in ("third", "fourth"))
            assert another.claim(third, numbers, numbers, at=NOW).granted.all()
            too_late = late.claim(fourth, numbers, numbers, at=NOW, other_requests=known, is_own_key=lambda _: False)
            assert too_late.outcome == ["held"]


# people


def test_who_wrote_when_and_to_which_number(place: str) -> None:
    mexican, other = "+5212221234567", people([1])[0]
    with Ledger(place) as ledger:
        business, another = "+12025550100", "+12025550199"
        wrote = [
            InboundMessage("522221234567", business, NOW - timedelta(hours=2)),
            InboundMessage(mexican, business, NOW - timedelta(hours=3)),
            InboundMessage(other, "", NOW + timedelta(days=9)),
        ]
        for _ in range(2):
            ledger.take_in(DESTINATION, inbound=wrote, at=NOW)
        asked = ["+522221234567"] * 3 + [other, None, people([2])[0]]
        numbers = [business, another, None, business, business, business]
        told = ledger.last_inbound(DESTINATION, asked, numbers)
        moment = np.datetime64((NOW - timedelta(hours=2)).replace(tzinfo=None), "us")
        now = np.datetime64(NOW.replace(tzinfo=None), "us")
        none = np.datetime64("NaT")
        np.testing.assert_array_equal(told, np.array([moment, none, moment, now, none, none]))
        assert np.isnat(ledger.last_inbound("elsewhere", asked, numbers)).all()


def test_the_last_word_on_being_written_to_counts_whatever_comes_first(place: str) -> None:
    person = people([0])
    with Ledger(place) as ledger:
        for order in ((0, 1), (1, 0)):
            destination = f"{DESTINATION}{order}"
            words = (
                lambda where: ledger.opt_out(person, destination=where, at=NOW),
                lambda where: ledger.opt_in(person, destination=where, at=NOW + timedelta(hours=1)),
            )
            for turn in order:
                words[turn](destination)
            assert ledger.opted_out(destination, person).tolist() == [False]
        ledger.opt_in(person, destination=DESTINATION, at=NOW)
        ledger.opt_out(person, destination=DESTINATION, at=NOW)
        ledger.opt_in(person, destination=DESTINATION, at=NOW)
        assert ledger.opted_out(DESTINATION, [*person, None, people([1])[0]]).tolist() == [True, False, False]
        with pytest.raises(LedgerError, match="1 entry is no phone number"):
            ledger.opt_out([*person, "call me"])


@pytest.mark.parametrize("form", ["0012025550123", 12025550123, 12025550123.0, "+1 (202) 555-0123"], ids=repr)
def test_an_opt_out_stops_its_person_in_whatever_form_it_is_given(tmp_path: Path, form: object) -> None:
    with Ledger(tmp_path / "ledger.sqlite3") as ledger:
        ledger.opt_out([form])  # type: ignore[list-item]
        assert ledger.opted_out(BASE_URL, ["+12025550123"]).tolist() == [True]


@pytest.mark.parametrize("form", ["0501234567", "5", None, float("nan")], ids=repr)
def test_an_opt_out_that_would_stop_nobody_is_refused(tmp_path: Path, form: object) -> None:
    with Ledger(tmp_path / "ledger.sqlite3") as ledger:
        with pytest.raises(LedgerError, match="1 entry is no phone number"):
            ledger.opt_out(["+12025550123", form])  # type: ignore[list-item]
        assert ledger.opt_outs().empty


def test_what_is_aside_makes_room_for_what_is_newer(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("d7nb.store.dead_letters.KEPT", 3)
    with Ledger(place) as ledger:
        for number in range(5):
            ledger.take_in(DESTINATION, aside=[DeadLetter("odd", f"thing {number}")], at=NOW)
        assert ledger.aside()["text"].tolist() == ["thing 2", "thing 3", "thing 4"]


# words


@given(strategies.text(max_size=80))
def test_any_word_is_a_status(word: str) -> None:
    status, _ = parse_status(word)
    assert status in STAGES or status == word.strip()
    assert rank(status) < rank("sent") or status in STAGES


def test_words_are_known_in_any_case_and_no_other_is_final() -> None:
    assert [parse_status(word)[0] for word in ("READ", " Delivered", "Dropped", "un_delivered", "SENT")] == [
        *("read", "delivered", "failed", "failed", "sent")
    ]
    assert {"read", "failed"} == FINAL
    assert pd.Series(["queued", "Throttled", "sent", "failed", "delivered", "read"]).map(rank).is_monotonic_increasing
