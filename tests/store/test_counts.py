"""What the database counts is what counting the rows gives: the funnel of a campaign, and a moving window."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import count as count_up

import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from d7nb.api.statuses import StatusUpdate
from d7nb.ledger import Ledger
from d7nb.store.counts import Contacted, count_in_window
from d7nb.store.keys import base32
from d7nb.store.settle import settle
from tests.support.ledgers import CAMPAIGN, DESTINATION, NOW, claim, keys, people, send, start_run

DAY, MOMENT = timedelta(days=1), timedelta(microseconds=1)
OUTCOMES = ["accepted", "unknown", "rejected", "unsent", "claimed"]
STATUSES = ["queued", "sent", "delivered", "read", "failed", "Throttled"]


@pytest.fixture
def ledger(place: str) -> Iterator[Ledger]:
    with Ledger(place) as opened:
        yield opened


# The funnel

MIXES = st.lists(
    st.tuples(st.sampled_from(OUTCOMES), st.lists(st.sampled_from(STATUSES), max_size=4)), min_size=1, max_size=12
)


def check_funnel(ledger: Ledger, mix: list[tuple[str, list[str]]], name: str) -> None:
    """Tell a ledger of rows and their statuses, and compare what it counts with what the delivery counts."""
    assert ledger.funnel(name).to_numpy().tolist() == [[0] * 6]
    marks = base32(keys(range(len(mix)), name))
    with start_run(ledger, campaign=name) as run:
        for outcome in OUTCOMES:
            these = [row for row, (own, _) in enumerate(mix) if own == outcome]
            claimed = claim(run, these)
            if outcome != "claimed":
                run.record(claimed, outcome, request_id=f"{name} {outcome}", at=NOW)
        updates = [
            StatusUpdate(f"{name} {outcome}", status, NOW, "m", "", (mark,))
            for (outcome, statuses), mark in zip(mix, marks, strict=True)
            for status in statuses
        ]
        ledger.take_in(DESTINATION, updates=updates, at=NOW)
        frame = pd.DataFrame({"phone": people(range(len(mix)))})
        delivery = ledger.delivery(frame, campaign=name, to="phone", clock=lambda: NOW)
        counted = ledger.funnel(name)
        pd.testing.assert_frame_equal(counted, delivery.funnel())
        assert counted["rows"].tolist() == [len(mix)]


def test_a_funnel_is_what_the_delivery_counts(ledger: Ledger) -> None:
    number = count_up()

    @settings(max_examples=20)
    @given(MIXES)
    def check(mix: list[tuple[str, list[str]]]) -> None:
        check_funnel(ledger, mix, f"mix {next(number)}")

    check()


def test_a_funnel_is_of_one_campaign_and_counts_a_row_that_was_sent_again_once(ledger: Ledger) -> None:
    mark = base32(keys([0], CAMPAIGN))[0]
    send(ledger, [0, 1])
    send(ledger, [2, 3], campaign="another")
    send(ledger, [4], destination="sandbox 5f2c")
    ledger.take_in(DESTINATION, updates=[StatusUpdate("request-1", "failed", NOW, "m1", "", (mark,))], at=NOW)
    assert ledger.funnel(CAMPAIGN).to_numpy().tolist() == [[2, 2, 0, 0, 0, 1]]
    with start_run(ledger) as run:
        run.record(claim(run, [0], again=[True]), "accepted", request_id="second", at=NOW)
    assert ledger.funnel(CAMPAIGN).to_numpy().tolist() == [[2, 2, 0, 0, 0, 0]]
    ledger.take_in(DESTINATION, updates=[StatusUpdate("second", "read", NOW, "m2", "", (mark,))], at=NOW)
    assert ledger.funnel(CAMPAIGN).to_numpy().tolist() == [[2, 2, 1, 1, 1, 0]]


# The window


def count(ledger: Ledger, until: timedelta = timedelta(), length: timedelta = DAY, to: str = DESTINATION) -> Contacted:
    return count_in_window(ledger._database, to, until=NOW + until, length=length)


def test_the_end_of_a_window_is_part_of_it_and_its_first_moment_is_not(ledger: Ledger) -> None:
    assert count(ledger) == (0, 0)
    for row, ago in enumerate([timedelta(0), MOMENT, DAY - MOMENT, DAY, DAY + MOMENT, -MOMENT]):
        send(ledger, [row], at=NOW - ago)
    assert count(ledger) == (3, 3)
    assert count(ledger, MOMENT) == (3, 3)
    assert count(ledger, -MOMENT) == (3, 3)
    assert count(ledger, 2 * MOMENT) == (3, 3)
    assert count(ledger, DAY) == (1, 1)
    assert count(ledger, length=timedelta(0)) == (0, 0)
    assert count(ledger, length=MOMENT) == (1, 1)
    assert count(ledger, length=30 * DAY) == (5, 5)
    assert count(ledger, MOMENT, 30 * DAY) == (6, 6)


@pytest.mark.parametrize(
    ("outcome", "counts"), [("accepted", 1), ("unknown", 1), ("claimed", 1), ("rejected", 0), ("unsent", 0)]
)
def test_only_what_went_out_or_may_have_counts(ledger: Ledger, outcome: str, counts: int) -> None:
    with start_run(ledger) as run:
        claimed = claim(run, [0])
        if outcome != "claimed":
            run.record(claimed, outcome, at=NOW)
        assert count(ledger) == (counts, counts)


def test_a_row_that_was_sent_again_is_two_messages_to_one_person(ledger: Ledger) -> None:
    send(ledger, [0, 1])
    with start_run(ledger) as run:
        run.record(claim(run, [0], NOW + MOMENT, again=[True]), "accepted", at=NOW)
    assert count(ledger, MOMENT) == (3, 2)
    assert count(ledger, MOMENT, MOMENT) == (1, 1)  # the second alone
    with start_run(ledger) as run:
        run.record(claim(run, [1], NOW + MOMENT, again=[True]), "rejected", at=NOW)
    assert count(ledger, MOMENT) == (3, 2)


def test_a_part_of_a_request_counts_by_its_own_outcome(ledger: Ledger) -> None:
    with start_run(ledger) as run:
        claimed = claim(run, range(6))
        run.record(claimed, "rejected", rows=[0, 1], at=NOW)
        run.record(claimed, "unknown", rows=[2, 3], at=NOW)
        run.record(claimed, "accepted", at=NOW)
    assert count(ledger) == (4, 4)
    campaign = ledger.campaign(DESTINATION, CAMPAIGN)
    assert settle(campaign, keys([2], CAMPAIGN), "not_sent", NOW).settled == 1
    assert settle(campaign, keys([3], CAMPAIGN), "sent", NOW + DAY).settled == 1
    assert count(ledger) == (3, 3)  # it counts from when it was sent, not from when that was found out


def test_all_campaigns_count_and_a_sandbox_is_apart(ledger: Ledger) -> None:
    send(ledger, [0, 1])
    send(ledger, [1, 2], campaign="another")
    send(ledger, [3], destination="sandbox 5f2c")
    assert count(ledger) == (4, 3)
    assert count(ledger, to="sandbox 5f2c") == (1, 1)
    assert count(ledger, to="nowhere") == (0, 0)
