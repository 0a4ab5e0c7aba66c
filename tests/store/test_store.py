"""What the ledger promises, on SQLite and on PostgreSQL alike: a row is granted once, and every outcome is kept."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy

from d7nb.errors import LedgerError
from d7nb.ledger import Ledger
from d7nb.store.keys import base32
from d7nb.store.lookup import RowStates, find_row_states
from d7nb.store.runs import LIFETIME
from d7nb.store.settle import settle
from tests.support.ledgers import CAMPAIGN, DESTINATION, LATER, NOW, claim, keys, look_up, people, send, start_run

SECOND = timedelta(seconds=1)


@pytest.fixture
def ledger(place: str) -> Iterator[Ledger]:
    with Ledger(place) as opened:
        yield opened


@pytest.fixture
def other(ledger: Ledger, place: str) -> Iterator[Ledger]:
    """The same ledger, opened a second time."""
    with Ledger(place) as opened:
        yield opened


def outcomes(known: RowStates) -> list[str | None]:
    return known.outcome.tolist()


# Claim and record


def test_a_row_is_granted_once(ledger: Ledger, other: Ledger) -> None:
    with start_run(ledger) as run, start_run(other) as rival:
        assert claim(run, range(100)).granted.all()
        assert claim(rival, range(50, 150)).granted.tolist() == [False] * 50 + [True] * 50
        assert not claim(run, range(150)).granted.any()


@pytest.mark.parametrize("outcome", ["accepted", "unknown"])
def test_what_went_out_or_may_have_is_not_granted_again(ledger: Ledger, outcome: str) -> None:
    send(ledger, [0], outcome)
    with start_run(ledger) as run:
        assert not claim(run, [0], LATER).granted.any()
        assert claim(run, [1], LATER).granted.all()


@pytest.mark.parametrize("outcome", ["rejected", "unsent"])
def test_what_did_not_go_out_is_free_again(ledger: Ledger, outcome: str) -> None:
    send(ledger, [0], outcome)
    assert outcomes(look_up(ledger, [0])) == [outcome]
    assert look_up(ledger, [0]).reason.tolist() == [f"told {outcome}"]
    send(ledger, [0])
    assert outcomes(look_up(ledger, [0])) == ["accepted"]


def test_a_refused_claim_says_why(ledger: Ledger, other: Ledger) -> None:
    send(ledger, [0])
    send(ledger, [1], "unknown")
    with start_run(ledger) as run, start_run(other) as rival:
        claim(run, [2], NOW)
        refused = claim(rival, [0, 1, 2, 3], NOW + SECOND)
        assert refused.granted.tolist() == [False, False, False, True]
        assert refused.outcome == ["already_sent", "unknown", "unsent", None]
        assert refused.reason == [
            "already sent on 2026-11-23 at 09:30 UTC",
            "may have gone out on 2026-11-23 at 09:30 UTC: told unknown",
            "being sent by another run since 09:30 UTC",
            None,
        ]
        assert refused.request_id == ["request-1", None, None, None]
        assert refused.created_at == ["2026-11-23T09:30:05Z", None, None, None]


def test_a_campaign_s_name_and_its_destination_are_part_of_what_is_remembered(ledger: Ledger) -> None:
    send(ledger, [0])
    for elsewhere in ({"destination": "sandbox 5f2c"}, {"campaign": "another"}):
        with start_run(ledger, **elsewhere) as run:
            assert claim(run, [0]).granted.all()
    assert outcomes(look_up(ledger, [0], destination="nowhere")) == [None]
    assert outcomes(look_up(ledger, [0], campaign="nothing")) == [None]


def test_a_key_twice_in_one_request_is_a_mistake(ledger: Ledger) -> None:
    with start_run(ledger) as run:
        with pytest.raises(ValueError, match="twice"):
            claim(run, [0, 0])
        assert claim(run, [0]).granted.all()


@pytest.mark.parametrize("wrong", [np.zeros((1, 15), dtype=np.uint8), np.zeros((1, 16)), np.zeros(16, dtype=np.uint8)])
def test_keys_are_sixteen_bytes_a_row(ledger: Ledger, wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="uint8 of shape"), start_run(ledger) as run:
        run.claim(wrong, ["+12025550123"], ["+12025550123"], at=NOW)
    with pytest.raises(ValueError, match="uint8 of shape"):
        find_row_states(ledger.campaign(DESTINATION, CAMPAIGN), wrong, ["+12025550123"], at=NOW)


def test_a_time_without_a_zone_is_a_mistake(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="zone"), start_run(ledger) as run:
        claim(run, [0], datetime(2026, 11, 23))  # noqa: DTZ001
    assert outcomes(look_up(ledger, [0])) == [None]


def test_an_empty_claim_is_no_claim(ledger: Ledger) -> None:
    with start_run(ledger) as run:
        nothing = claim(run, [])
        assert len(nothing.granted) == 0
        assert run.record(nothing, "accepted", at=NOW) == 0


def test_an_unknown_outcome_or_row_can_t_be_recorded(ledger: Ledger) -> None:
    with start_run(ledger) as run:
        claimed = claim(run, [0, 1])
        with pytest.raises(ValueError, match="outcome is one of"):
            run.record(claimed, "already_sent", at=NOW)
        run.record(claimed, "accepted", rows=[0], at=NOW)
        with pytest.raises(ValueError, match="recorded"):
            run.record(claimed, "accepted", rows=[0], at=NOW)


def test_a_request_that_was_taken_apart_is_recorded_part_by_part(ledger: Ledger, other: Ledger) -> None:
    with start_run(ledger) as run:
        claimed = claim(run, range(6))
        assert run.record(claimed, "rejected", reason="no such person", status=422, rows=[1, 4], at=NOW) == 2
        assert outcomes(look_up(other, range(6))) == ["unsent", "rejected", "unsent", "unsent", "rejected", "unsent"]
        assert look_up(other, range(6)).sending.tolist() == [True, False, True, True, False, True]
        assert run.record(claimed, "accepted", request_id="a", rows=np.array([0, 2]), at=NOW) == 2
        assert run.record(claimed, "unknown", at=NOW) == 2
        assert run.record(claimed, "accepted", at=NOW) == 0
    known = look_up(ledger, range(6))
    assert outcomes(known) == ["accepted", "rejected", "accepted", "unknown", "rejected", "unknown"]
    assert known.request_id.tolist() == ["a", None, "a", None, None, None]
    assert known.reason[1] == "no such person"


def test_the_rest_of_a_request_can_be_released_and_claimed_anew(ledger: Ledger) -> None:
    with start_run(ledger) as run:
        claimed = claim(run, range(4))
        run.record(claimed, "rejected", rows=[3], at=NOW)
        run.record(claimed, "unsent", at=NOW)
        anew = claim(run, range(3), LATER)
        assert anew.granted.all()
        assert run.record(anew, "accepted", at=LATER) == 3
    assert outcomes(look_up(ledger, range(4))) == ["accepted"] * 3 + ["rejected"]


def test_a_person_s_word_lets_a_row_go_again(ledger: Ledger, other: Ledger) -> None:
    send(ledger, [0])
    send(ledger, [1], "unknown")
    with start_run(ledger) as run, start_run(other) as rival:
        claim(rival, [2])
        again = claim(run, [0, 1, 2, 3], again=[True, True, True, False])
        assert again.granted.tolist() == [True, True, False, True]
        assert outcomes(look_up(other, [0])) == ["unsent"]
        run.record(again, "accepted", request_id="second", at=LATER)
    assert look_up(ledger, [0, 1]).request_id.tolist() == ["second", "second"]


@pytest.mark.parametrize("first", ["accepted", "unknown"])
@pytest.mark.parametrize("second", ["rejected", "unsent"])
def test_sending_again_in_vain_does_not_undo_what_was_sent(ledger: Ledger, first: str, second: str) -> None:
    send(ledger, [0], first)
    for at in (NOW + SECOND, LATER):
        with start_run(ledger) as run:
            run.record(claim(run, [0], at, again=[True]), second, at=at)
        assert outcomes(look_up(ledger, [0])) == [first]
        with start_run(ledger) as run:
            assert not claim(run, [0], LATER).granted.any()


def test_of_several_sendings_the_one_that_surely_arrived_decides(ledger: Ledger) -> None:
    send(ledger, [0])
    for outcome in ("unknown", "rejected"):
        with start_run(ledger) as run:
            run.record(claim(run, [0], again=[True]), outcome, at=NOW)
    assert outcomes(look_up(ledger, [0])) == ["accepted"]
    assert look_up(ledger, [0]).request_id.tolist() == ["request-1"]


def test_a_claim_that_was_granted_nothing_leaves_nothing_behind(ledger: Ledger, place: str) -> None:
    engine = sqlalchemy.create_engine(place if "://" in place else f"sqlite:///{place}")
    send(ledger, [0])
    with start_run(ledger) as run, engine.connect() as connection:
        assert not claim(run, [0]).granted.any()
        assert connection.execute(sqlalchemy.text("SELECT count(*) FROM d7nb_ledger_requests")).scalar() == 1
    engine.dispose()


def test_a_number_that_was_corrected_goes_with_its_row(ledger: Ledger) -> None:
    """With ``key=`` columns, a row keeps its key while its recipient changes."""
    for number in ("+12025550123", "+12025550124"):
        with start_run(ledger) as run:
            claimed = run.claim(keys([0]), [number], [number], at=NOW)
            run.record(claimed, "rejected", at=NOW)
    assert ledger.frame()["recipient"].tolist() == ["+120••••••24"]


# Runs that live, and runs that ended


def test_what_a_run_leaves_unrecorded_is_unknown_from_then_on(ledger: Ledger, other: Ledger) -> None:
    with start_run(ledger) as run:
        claim(run, [0, 1])
        assert look_up(other, [0, 1]).sending.all()
    known = look_up(other, [0, 1])
    assert outcomes(known) == ["unknown"] * 2
    assert not known.sending.any()
    assert "stopped before D7's answer was recorded" in known.reason[0]
    with start_run(other) as run:
        assert claim(run, [0]).outcome == ["unknown"]


def test_a_claim_of_a_living_run_is_in_doubt_once_no_request_lives_so_long(ledger: Ledger, other: Ledger) -> None:
    with start_run(ledger, lifetime=60 * SECOND) as run, start_run(other) as rival:
        claim(run, [0, 1])
        assert claim(rival, [0], NOW + 60 * SECOND).outcome == ["unsent"]
        assert outcomes(look_up(other, [0], NOW + 60 * SECOND)) == ["unsent"]
        assert claim(rival, [0], NOW + 61 * SECOND).outcome == ["unknown"]
        assert outcomes(look_up(other, [1], NOW + 61 * SECOND)) == ["unknown"]


def test_the_longest_life_of_a_request_covers_the_client_s_time_outs() -> None:
    assert timedelta(seconds=70) < LIFETIME < timedelta(minutes=10)


def test_a_late_answer_is_recorded_although_others_had_given_it_up(ledger: Ledger, other: Ledger) -> None:
    with start_run(ledger) as run:
        claimed = claim(run, [0, 1, 2])
        assert outcomes(look_up(other, [0, 1, 2], LATER)) == ["unknown"] * 3
        assert run.record(claimed, "rejected", rows=[2], at=LATER) == 1
        assert run.record(claimed, "accepted", request_id="late", at=LATER) == 2
    assert outcomes(look_up(other, [0, 1, 2], LATER)) == ["accepted", "accepted", "rejected"]


def test_an_answer_that_comes_just_when_others_give_it_up_stays(
    ledger: Ledger, other: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start_run(ledger) as run:
        claimed = claim(run, [0])
        writing = other._database.writing

        def late(*arguments: Any) -> Any:
            run.record(claimed, "accepted", at=LATER)
            return writing(*arguments)

        monkeypatch.setattr(other._database, "writing", late)
        assert outcomes(look_up(other, [0], LATER)) == ["accepted"]


def test_a_late_answer_does_not_touch_what_is_no_longer_the_run_s_own(ledger: Ledger, other: Ledger) -> None:
    with start_run(ledger) as run, start_run(other) as rival:
        claimed = claim(run, [0, 1, 2])
        assert settle(other.campaign(DESTINATION, CAMPAIGN), keys([0], CAMPAIGN), "not_sent", LATER).settled == 1
        theirs = claim(rival, [0, 1], LATER, again=[False, True])
        assert theirs.granted.all()
        assert run.record(claimed, "rejected", at=LATER) == 1
        assert look_up(other, [0, 1], LATER).sending.all()
        assert rival.record(theirs, "accepted", at=LATER) == 2
    assert outcomes(look_up(other, [0, 1, 2], LATER)) == ["accepted", "accepted", "rejected"]


def test_a_claim_can_only_be_recorded_by_its_own_run(ledger: Ledger, other: Ledger) -> None:
    with start_run(ledger) as run, start_run(other) as rival:
        claimed = claim(run, [0, 1])
        assert rival.record(claimed, "rejected", rows=[0], at=NOW) == 0
        assert rival.record(claimed, "rejected", at=NOW) == 0
        assert look_up(ledger, [0, 1]).sending.all()
        assert claim(rival, [0]).granted.tolist() == [False]


@pytest.mark.parametrize(("back", "claimed"), [(SECOND, "unsent"), (timedelta(days=400), "unknown")])
def test_a_clock_that_goes_backwards_frees_nothing(
    ledger: Ledger, other: Ledger, back: timedelta, claimed: str
) -> None:
    """A claim from the far future is in doubt, so that a person can settle it."""
    send(ledger, [0])
    send(ledger, [1], "unknown")
    with start_run(ledger) as run, start_run(other) as rival:
        own = claim(run, [2])
        assert claim(rival, [0, 1, 2], NOW - back).outcome == ["already_sent", "unknown", claimed]
        assert outcomes(look_up(other, [0, 1, 2], NOW - back)) == ["accepted", "unknown", claimed]
        if claimed == "unknown":
            campaign = other.campaign(DESTINATION, CAMPAIGN)
            assert settle(campaign, keys([2], CAMPAIGN), "sent", NOW - back).settled == 1
            assert run.record(own, "unsent", at=NOW) == 0
            assert outcomes(look_up(other, [2], NOW - back)) == ["accepted"]
    if claimed == "unsent":
        assert outcomes(look_up(other, [2], NOW - back)) == ["unknown"]


# A person's word


@pytest.mark.parametrize(("word", "outcome", "free"), [("sent", "accepted", False), ("not_sent", "unsent", True)])
def test_a_person_settles_what_is_unknown(ledger: Ledger, word: str, outcome: str, free: bool) -> None:
    send(ledger, [0, 1, 2], "unknown")
    send(ledger, [3])
    assert settle(ledger.campaign(DESTINATION, CAMPAIGN), keys([0, 1, 3, 4], CAMPAIGN), word, LATER).settled == 2
    known = look_up(ledger, range(5))
    assert outcomes(known) == [outcome, outcome, "unknown", "accepted", None]
    assert known.recorded_at[0] == np.datetime64(LATER.replace(tzinfo=None))
    assert "you said" in known.reason[0]
    with start_run(ledger) as run:
        claimed = claim(run, [0], LATER)
        assert claimed.granted.tolist() == [free]
        assert claimed.outcome == [None if free else "already_sent"]


def test_a_person_can_t_settle_what_a_living_run_is_sending(ledger: Ledger, other: Ledger) -> None:
    send(ledger, [0], "unknown")
    with start_run(ledger) as run:
        claim(run, [1, 2])
        with pytest.raises(LedgerError, match=r"^2 rows are being sent right now: settle again"):
            settle(other.campaign(DESTINATION, CAMPAIGN), keys([0, 1, 2], CAMPAIGN), "not_sent", NOW)
    assert outcomes(look_up(other, [0])) == ["unknown"]
    assert settle(other.campaign(DESTINATION, CAMPAIGN), keys([0, 1, 2], CAMPAIGN), "not_sent", NOW).settled == 3


def test_only_two_words_settle(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="'sent' or 'not_sent'"):
        settle(ledger.campaign(DESTINATION, CAMPAIGN), keys([0]), "maybe", NOW)  # type: ignore[arg-type]
    assert settle(ledger.campaign("nowhere", CAMPAIGN), keys([0]), "sent", NOW).settled == 0


def test_a_row_that_was_sent_stays_sent_when_only_its_second_sending_was_in_doubt(ledger: Ledger) -> None:
    send(ledger, [0])
    send(ledger, [1], "unknown")
    with start_run(ledger) as run:
        run.record(claim(run, [0, 1], again=[True, True]), "unknown", at=NOW)
    assert settle(ledger.campaign(DESTINATION, CAMPAIGN), keys([0, 1], CAMPAIGN), "not_sent", LATER).settled == 2
    assert outcomes(look_up(ledger, [0, 1])) == ["accepted", "unsent"]


# Looking up


def test_looking_up_tells_all_that_was_recorded(ledger: Ledger) -> None:
    send(ledger, [5])
    known = look_up(ledger, [4, 5])
    columns = [field.name for field in fields(RowStates) if field.name not in {"last_request_seen", "recipe"}]
    assert {name: getattr(known, name).tolist()[1] for name in columns} == {
        "outcome": "accepted",
        "code": "",
        "reason": "already sent on 2026-11-23 at 09:30 UTC",
        "request_id": "request-1",
        "created_at": "2026-11-23T09:30:05Z",
        "recorded_at": NOW.replace(tzinfo=None),
        "sending": False,
        "since": None,
        "request": known.last_request_seen,
        "other_request": 0,
    }
    assert [getattr(known, name).tolist()[0] for name in columns] == [*[None] * 6, False, None, 0, 0]


@pytest.mark.parametrize("count", [3, 6_000], ids=["few", "many"])
def test_looking_up_keeps_rows_in_their_places(ledger: Ledger, count: int) -> None:
    """A few rows are picked out by the database, many are matched here: the answers are the same."""
    with start_run(ledger) as run:
        for start, outcome in ((1, "accepted"), (2, "rejected"), (0, "unknown")):
            part = range(start, min(count, 1_900), 3)
            run.record(claim(run, part), outcome, at=NOW)
        claim(run, [1_950])
    order = np.random.default_rng(1).permutation(count)
    numbers = np.array([*people(range(2_000)), *[None] * 10_000], dtype=object)
    known = find_row_states(
        ledger.campaign(DESTINATION, CAMPAIGN), keys(range(count), CAMPAIGN)[order], numbers[order], at=NOW
    )
    expected = np.array(["unknown", "accepted", "rejected"] * 2_000, dtype=object)[order]
    expected[(order >= 1_900) & (order != 1_950)] = None
    assert (known.outcome == expected).all()
    assert not known.other_text.any()


@pytest.mark.parametrize("padding", [0, 3_000], ids=["few", "many"])
@pytest.mark.parametrize(
    ("outcome", "other_text"),
    [("accepted", True), ("unknown", True), ("claimed", True), ("rejected", False), ("unsent", False)],
)
def test_looking_up_finds_people_who_got_another_text(
    ledger: Ledger, outcome: str, other_text: bool, padding: int
) -> None:
    with start_run(ledger) as run:
        claimed = claim(run, [0, 1])
        if outcome != "claimed":
            run.record(claimed, outcome, at=NOW)
        corrected = np.concatenate([keys([0], "corrected"), keys(range(1, 3 + padding), CAMPAIGN)])
        asked: list[str | None] = [*people([0, 1, 2]), *[None] * padding]
        known = find_row_states(ledger.campaign(DESTINATION, CAMPAIGN), corrected, asked, at=NOW)
        assert known.outcome[0] is None
        assert known.other_text.tolist() == [other_text, False, False, *[False] * padding]


def test_another_campaign_or_destination_is_no_other_text(ledger: Ledger) -> None:
    send(ledger, [0])
    assert look_up(ledger, [0], text="corrected").other_text.all()
    for elsewhere in ({"campaign": "another"}, {"destination": "sandbox 5f2c"}):
        send(ledger, [1], **elsewhere)
        assert not look_up(ledger, [0], text="corrected", **elsewhere).other_text.any()


def test_a_second_text_that_failed_after_the_first_went_out_leaves_the_first(ledger: Ledger) -> None:
    """The row that decides is the earlier one, also for whoever asks with another text."""
    send(ledger, [0])
    with start_run(ledger) as run:
        run.record(claim(run, [0], again=[True]), "rejected", at=NOW)
    assert look_up(ledger, [0], text="corrected").other_text.all()


def test_people_are_hashed_alike_by_whoever_opens_the_ledger(ledger: Ledger, other: Ledger) -> None:
    hashes = ledger.hash_recipients(["+12025550123", None, "+12025550124"])
    assert hashes == other.hash_recipients(["+12025550123", None, "+12025550124"])
    assert [one and len(one) for one in hashes] == [16, None, 16]
    assert hashes[0] != hashes[2]


# Showing, forgetting


def test_the_frame_shows_every_row_with_its_number_masked(ledger: Ledger) -> None:
    send(ledger, [0])
    with start_run(ledger) as run:
        run.record(claim(run, [1]), "rejected", status=422, code="BAD", reason="not +1 202 555 0123", at=LATER)
        claim(run, [2], LATER)
        frame = ledger.frame()
    marks = base32(keys([0, 1, 2], CAMPAIGN))
    found = ledger.find([marks[2], "no mark", marks[0]])
    assert found["mark"].tolist() == [marks[0], marks[2]]
    assert found["key"].tolist() == frame["key"].tolist()[::2]
    assert not set(frame["key"]) & set(marks)
    assert frame["recipient"].tolist() == ["+120••••••00", "+120••••••01", "+120••••••02"]
    assert frame["campaign"].unique().tolist() == [CAMPAIGN]
    assert frame["destination"].unique().tolist() == [DESTINATION]
    assert frame["outcome"].fillna("none").tolist() == ["accepted", "rejected", "none"]
    assert frame["created_at"].tolist()[:2] == [pd.Timestamp("2026-11-23T09:30:05Z"), pd.NaT]
    assert frame["claimed_at"].tolist() == [NOW, NOW, LATER]
    assert frame["recorded_at"].tolist() == [NOW, LATER, pd.NaT]
    assert frame["status"].fillna(0).tolist() == [200, 422, 0]
    assert frame["reason"].tolist()[1] == "not +120••••••23"


def test_an_empty_ledger_shows_empty_frames_of_the_same_kind(ledger: Ledger) -> None:
    empty = ledger.frame(), ledger.campaigns()
    send(ledger, [0])
    for before, after in zip(empty, (ledger.frame(), ledger.campaigns()), strict=True):
        assert len(before) == 0
        assert before.dtypes.equals(after.dtypes)


def test_campaigns_are_counted_by_destination_and_outcome(ledger: Ledger) -> None:
    send(ledger, [0, 1])
    send(ledger, [2], "rejected")
    send(ledger, [0, 1, 2], "unknown", campaign="another")
    send(ledger, [0], destination="sandbox 5f2c")
    with start_run(ledger) as run:
        run.record(claim(run, [0], again=[True]), "rejected", at=NOW)
        claim(run, [4])
        counts = ledger.campaigns().set_index(["campaign", "destination"])
    assert counts.columns.tolist() == ["accepted", "rejected", "unknown", "unsent", "claimed", "last"]
    assert counts.pop("last").tolist() == [NOW] * 3
    assert {place: counts.loc[place].tolist() for place in counts.index} == {
        (CAMPAIGN, DESTINATION): [2, 1, 0, 0, 1],
        (CAMPAIGN, "sandbox 5f2c"): [1, 0, 0, 0, 0],
        ("another", DESTINATION): [0, 0, 3, 0, 0],
    }


def test_what_is_forgotten_is_free(ledger: Ledger) -> None:
    send(ledger, [0, 1])
    send(ledger, [2], at=LATER)
    send(ledger, [0], campaign="another")
    assert ledger.forget(CAMPAIGN, LATER) == 2
    assert outcomes(look_up(ledger, [0, 1, 2])) == [None, None, "accepted"]
    assert outcomes(look_up(ledger, [0], campaign="another")) == ["accepted"]
    assert ledger.forget(CAMPAIGN, LATER) == 0
    assert ledger.forget("never heard of", LATER) == 0
    send(ledger, [0, 1])


def test_what_may_have_gone_out_is_forgotten_only_by_force(ledger: Ledger) -> None:
    send(ledger, [0])
    send(ledger, [1], "unknown")
    with start_run(ledger) as run:
        claimed = claim(run, [2, 3])
        with pytest.raises(LedgerError, match=r"^3 rows of this campaign may have been sent, or are being sent"):
            ledger.forget(CAMPAIGN, LATER)
        assert len(ledger.frame()) == 4
        assert ledger.forget(CAMPAIGN, LATER, force=True) == 4
        assert run.record(claimed, "accepted", at=NOW) == 0
    assert len(ledger.frame()) == 0


def test_a_row_sent_twice_is_forgotten_by_what_decides_about_it(ledger: Ledger) -> None:
    send(ledger, [0, 1])
    with start_run(ledger) as run:
        run.record(claim(run, [0], LATER, again=[True]), "rejected", at=LATER)
    assert ledger.forget(CAMPAIGN, NOW) == 0
    assert ledger.forget(CAMPAIGN, LATER) == 2
    assert len(ledger.frame()) == 0


# Threads and processes


def test_a_run_may_work_in_a_thread_of_its_own(ledger: Ledger) -> None:
    failures: list[BaseException] = []

    def work(part: range) -> None:
        try:
            with start_run(ledger) as run:
                for row in part:
                    run.record(claim(run, [row]), "accepted", at=NOW)
        except BaseException as failure:  # noqa: BLE001
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(range(start, 60, 3),)) for start in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert outcomes(look_up(ledger, range(60))) == ["accepted"] * 60


def test_several_programs_may_begin_a_ledger_at_once(tmp_path: Path) -> None:
    """SQLite does not wait by itself when a new file's way of journalling is set."""
    together = threading.Barrier(4)

    def begin(path: Path) -> str:
        together.wait()
        with Ledger(path) as ledger, start_run(ledger) as run:
            return run.id

    with ThreadPoolExecutor(4) as pool:
        for number in range(15):
            ids = list(pool.map(begin, [tmp_path / f"{number}.sqlite3"] * 4))
            assert len(set(ids)) == 4


def test_what_is_recorded_together_is_on_the_disk_together_or_not_at_all(place: str) -> None:
    with Ledger(place) as ledger, start_run(ledger) as run:
        first, second = claim(run, [0, 1]), claim(run, [2])

        def record(mishap: Exception | None) -> None:
            with run.together():
                assert run.record(first, "accepted", rows=[0], request_id="a", at=NOW) == 1
                assert run.record(first, "rejected", reason="no", at=NOW) == 1
                assert run.record(second, "accepted", request_id="b", at=NOW) == 1
                if mishap:
                    raise mishap

        with pytest.raises(KeyError):
            record(KeyError("a disk that is full, or whatever else"))
        assert look_up(ledger, range(3)).sending.all()
        assert [each.open.tolist() for each in (first, second)] == [[True, True], [True]]
        record(None)
        assert look_up(ledger, range(3)).outcome.tolist() == ["accepted", "rejected", "accepted"]
        assert not first.open.any()
