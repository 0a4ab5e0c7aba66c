"""Several writers at once: who waits for whom, who wins, and that nobody gets two texts of one campaign."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, update

from d7nb.errors import LedgerError
from d7nb.ledger import Ledger
from d7nb.store import database, forget as forgetting
from d7nb.store.claims import Claim
from d7nb.store.recipes import BY_CONTENT, recipe_of
from d7nb.store.runs import Run
from d7nb.store.schema import campaigns
from d7nb.store.settle import settle
from tests.support.concurrent_ledger import work_at_once
from tests.support.ledgers import (
    CAMPAIGN,
    DESTINATION,
    LATER,
    NOW,
    claim,
    keys,
    look_up,
    people,
    postgres,
    send,
    start_run,
)

BY_ORDER, BY_CUSTOMER = recipe_of(["order"]), recipe_of(["customer"])
SECONDS = 5


class SlowRun(Run):
    """A run whose claims wait, with all their locks, before they are committed."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.has_claimed, self.may_commit = threading.Event(), threading.Event()

    @contextmanager
    def _locked_people(self, connection: Connection, hashes: Any) -> Iterator[None]:
        with super()._locked_people(connection, hashes):
            yield
            self.has_claimed.set()
            assert self.may_commit.wait(SECONDS * 2)


@pytest.mark.parametrize("campaign_is_new", [False, True])
def test_writers_of_different_rows_do_not_wait_for_each_other(campaign_is_new: bool) -> None:
    with ExitStack() as stack:
        url = stack.enter_context(postgres())
        first, second = (stack.enter_context(Ledger(url, patience=0.2)) for _ in range(2))
        if not campaign_is_new:
            send(first, [90])
        slow = stack.enter_context(SlowRun(first.campaign(DESTINATION, CAMPAIGN)))
        quick = stack.enter_context(start_run(second))
        pool = stack.enter_context(ThreadPoolExecutor(1))
        waiting = pool.submit(claim_text, slow, list(range(10)), "text")
        try:
            assert slow.has_claimed.wait(SECONDS)
            other_rows = claim_text(quick, list(range(10, 30)), "text")
            assert other_rows.granted.all()
            assert quick.record(other_rows, "rejected", rows=[1], at=NOW) == 1
            assert quick.record(other_rows, "accepted", at=NOW) == 19
            assert settle(second.campaign(DESTINATION, CAMPAIGN), keys([10], "text"), "sent", NOW).settled == 0
            with pytest.raises(LedgerError, match="is locked by another program"):
                claim_text(quick, [9], "text")
            assert not waiting.done()
        finally:
            slow.may_commit.set()
        assert waiting.result().granted.all()
        assert claim_text(quick, [9], "text").outcome == ["unsent"]


# Two texts for one person


def claim_text(run: Run, rows: list[int], said: str, known: Any = None) -> Claim:
    """Claim rows of a plan for all people, as a send does: it knows which keys are the plan's own."""
    own = set(run.campaign.row_keys(keys(range(30), said)))
    numbers = people(rows)
    return run.claim(
        keys(rows, said), numbers, numbers, at=NOW, other_requests=known, is_own_key=lambda key: key in own
    )


def forget_recipe(ledger: Ledger, name: str) -> None:
    """Make a campaign one that an older d7nb wrote, which did not store how its rows are told apart."""
    with ledger._database.writing() as connection:
        connection.execute(update(campaigns).where(campaigns.c.name == name).values(recipe=None))


@pytest.mark.parametrize(
    "recipes",
    [[BY_CONTENT, BY_CONTENT, BY_CONTENT], [BY_CONTENT, BY_ORDER], [BY_CUSTOMER, BY_ORDER]],
    ids=["by content", "by content and by key", "by two keys"],
)
@pytest.mark.parametrize("state", ["new", "of an older d7nb"])
def test_nobody_gets_two_texts_of_a_campaign(place: str, recipes: list[str], state: str) -> None:
    """Runs that begin at the same moment claim different rows for the same people, request by request."""
    draw = random.Random(14)
    with ExitStack() as stack:
        ledgers = [stack.enter_context(Ledger(place)) for _ in recipes]
        pool = stack.enter_context(ThreadPoolExecutor(len(recipes)))
        for number in range(12):
            name, barrier = f"campaign {number}", threading.Barrier(len(recipes))
            if state != "new":
                send(ledgers[0], [99], campaign=name)
                forget_recipe(ledgers[0], name)
            orders = [draw.sample(range(30), 24) for _ in recipes]

            def sends(
                place: int, *, name: str = name, barrier: Any = barrier, orders: list[list[int]] = orders
            ) -> list[int]:
                campaign, got = ledgers[place].campaign(DESTINATION, name, recipe=recipes[place]), []
                with Run(campaign) as run:
                    barrier.wait(SECONDS)
                    for start in range(0, 24, 8):
                        part = orders[place][start : start + 8]
                        claimed = claim_text(run, part, f"text {place}")
                        assert {claimed.outcome[row] for row in np.flatnonzero(~claimed.granted)} <= {"held"}
                        got += [part[row] for row in np.flatnonzero(claimed.granted)]
                        run.record(claimed, "accepted", at=NOW)
                return got

            told = [row for got in pool.map(sends, range(len(recipes))) for row in got]
            assert sorted(told) == sorted({row for order in orders for row in order})  # each once, and nobody is missed


def test_a_text_that_was_sent_again_in_vain_still_went_out(place: str) -> None:
    """The person got it from another run after this one looked; that it was refused the second time changes nothing."""
    with Ledger(place) as ledger, start_run(ledger) as run:
        with start_run(ledger) as other:
            other.record(claim_text(other, [0], "first"), "accepted", at=NOW)
        with start_run(ledger) as again:
            numbers = people([0])
            repeat = np.array([ledger.frame().shape[0]])  # the number of the only request so far
            claimed = again.claim(keys([0], "first"), numbers, numbers, at=NOW, override_of=repeat)
            assert claimed.granted.all()
            again.record(claimed, "rejected", at=NOW)
        assert claim_text(run, [0], "second").outcome == ["held"]


# Everything at once


def test_whatever_happens_at_once_a_row_goes_once(place: str) -> None:
    """A short form: the soak does it longer."""
    work_at_once(place, 14, seconds=3)


@pytest.mark.parametrize("forgets", ["before the row is claimed", "when the row is claimed"])
def test_a_row_that_is_claimed_while_it_is_forgotten_is_kept(monkeypatch: pytest.MonkeyPatch, forgets: str) -> None:
    with postgres() as url, Ledger(url) as ledger, Ledger(url) as other, start_run(other) as run:
        send(ledger, [0], "rejected")
        claimed: list[Claim] = []
        if forgets == "when the row is claimed":

            def lock_rows(connection: Connection, campaign_id: int, chosen: Any) -> Any:
                claimed.append(claim(run, [0], LATER))
                return original(connection, campaign_id, chosen)

            original = forgetting.lock_rows
            monkeypatch.setattr(forgetting, "lock_rows", lock_rows)
            assert ledger.forget(CAMPAIGN, LATER) == 0
        else:
            insert = run._insert_rows

            def insert_rows(*arguments: Any) -> Any:
                result = insert(*arguments)
                if not claimed:  # the row was there, and so was not inserted
                    claimed.append(Claim([], 0))
                    assert ledger.forget(CAMPAIGN, LATER) == 1
                return result

            run._insert_rows = insert_rows
            claimed[:] = [claim(run, [0], LATER)]
        assert claimed[-1].granted.all()
        assert look_up(ledger, [0], LATER).sending.all()
        with start_run(ledger) as rival:
            assert not claim(rival, [0], LATER).granted.any()
        assert run.record(claimed[-1], "accepted", at=LATER) == 1


def at_the_same_moment(*calls: Callable[[], Any]) -> list[Any]:
    barrier = threading.Barrier(len(calls))

    def call(one: Callable[[], Any]) -> Any:
        barrier.wait(SECONDS)
        return one()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(call, calls))


@pytest.mark.parametrize("part", ["the whole request", "a part of it"])
def test_what_is_settled_while_it_is_recorded_is_one_or_the_other(place: str, part: str) -> None:
    """The claim looks abandoned, so a person settles it just when D7's answer comes after all."""
    with Ledger(place) as ledger, Ledger(place) as other, start_run(ledger) as run:
        for start in range(0, 120, 6):
            rows = range(start, start + 6)
            claimed = claim(run, rows)
            some = [1, 3] if part == "a part of it" else None

            def records(claimed: Claim = claimed, some: list[int] | None = some) -> int:
                return run.record(claimed, "accepted", request_id="late", rows=some, at=LATER)

            def settles(rows: range = rows) -> int | None:
                try:
                    own = keys(rows, CAMPAIGN)
                    return settle(other.campaign(DESTINATION, CAMPAIGN), own, "not_sent", LATER).settled
                except LedgerError as error:
                    if "being sent right now" not in str(error):
                        raise
                    return None

            recorded, settled = at_the_same_moment(records, settles)
            outcomes = look_up(ledger, rows, LATER).outcome.tolist()
            if settled is None:
                assert recorded == (6 if some is None else 2)
            else:
                assert outcomes.count("unsent") == settled
                assert recorded + settled == 6
            assert outcomes.count("accepted") == recorded
            assert {"accepted", "unsent", "unknown"} >= set(outcomes)


# Clocks


class WrongClock(datetime):
    """A clock that is hours ahead."""

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return datetime.now(tz) + timedelta(hours=5)


def test_in_postgresql_the_server_s_clock_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(UTC)
    wrong = now + timedelta(hours=5)
    with postgres() as url, Ledger(url) as ledger, Ledger(url) as other, start_run(ledger) as run:
        with monkeypatch.context() as patch:
            patch.setattr(database, "datetime", WrongClock)
            claimed = claim(run, [0, 1], wrong)
        assert look_up(other, [0, 1], now).sending.all()
        with start_run(other) as rival:
            assert claim(rival, [0], now).outcome == ["unsent"]
        with monkeypatch.context() as patch:  # whoever looks with a wrong clock sees the same
            patch.setattr(database, "datetime", WrongClock)
            assert look_up(other, [0, 1], wrong).sending.all()
            run.record(claimed, "accepted", rows=[1], at=wrong)
        stored = other.frame()
        assert (abs(stored["claimed_at"] - now) < timedelta(minutes=1)).all()
        assert abs(stored["recorded_at"].dropna() - now).max() < timedelta(minutes=1)
    with postgres() as url, Ledger(url) as ledger, start_run(ledger) as run:
        claim(run, [0], wrong)  # this clock agrees with the server's: `at` itself is in the future
        campaign = ledger.campaign(DESTINATION, CAMPAIGN)
        assert look_up(ledger, [0], now).outcome.tolist() == ["unknown"]
        assert settle(campaign, keys([0], CAMPAIGN), "not_sent", now).settled == 1
        assert claim(run, [0], now).granted.all()
