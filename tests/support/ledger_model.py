"""A plain model of the ledger, beside which the ledger does whatever hypothesis thinks of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, seed as seeded, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from sqlalchemy import update

from d7nb.api.statuses import ARRIVED, StatusUpdate
from d7nb.errors import LedgerError
from d7nb.ledger import Ledger
from d7nb.store.campaign import CampaignLedger
from d7nb.store.claims import Claim
from d7nb.store.keys import base32
from d7nb.store.lookup import find_row_states
from d7nb.store.recipes import BY_CONTENT, recipe_of
from d7nb.store.runs import Run
from d7nb.store.schema import campaigns, runs
from d7nb.store.settle import settle
from tests.support.ledgers import DESTINATION, NOW, keys, people

ROWS = range(4)
"""Each person has two rows: two texts, or two keys."""
RECIPES = [recipe_of(["order"]), BY_CONTENT, recipe_of(["customer", "month"])]
LIFETIME = timedelta(seconds=60)
A_PERSON, AN_OLDER_D7NB = -1, -2
FREE = frozenset({None, "rejected", "unsent"})
SOME = st.lists(st.sampled_from(ROWS), min_size=1, unique=True)


def person(row: int) -> int:
    return row // 2


@dataclass(eq=False)
class Try:
    """One message for a row, or the lack of one; `origin` is the run and the claim that it began with."""

    run: int
    since: timedelta
    outcome: str | None = None
    presumed: bool = False
    origin: tuple[int, int] = (A_PERSON, 0)
    recipe: str | None = None
    request_id: str | None = None


@dataclass
class Sender:
    """A run with its plan, what it knew when it began, and what it claimed.

    `known` are the messages that were other texts to its people then, `older` all that these people ever had.
    """

    number: int
    run: Run
    recipe: str
    plan: frozenset[int]
    known: frozenset[tuple[int, int]]
    older: frozenset[tuple[int, int]]
    to_send: list[int]
    other_requests: dict[int, int]
    claims: list[tuple[Claim, list[int], Try]] = field(default_factory=list)
    ended: bool = False


class Model(RuleBasedStateMachine):
    """Each row has its tries since it was last free: the last decides, or an earlier one where that sent nothing."""

    def __init__(self, ledger: Ledger, name: str) -> None:
        super().__init__()
        self.ledger, self.name, self.numbers = ledger, name, count()
        self.senders: list[Sender] = []
        self.tries: dict[int, list[Try]] = {row: [] for row in ROWS}
        self.clock, self.recipe = timedelta(), None

    def teardown(self) -> None:
        self.looks_up()
        for sender in self.senders:
            if not sender.ended:
                sender.run.__exit__(None, None, None)

    def campaign(self, recipe: str | None = BY_CONTENT) -> CampaignLedger:
        return self.ledger.campaign(DESTINATION, self.name, recipe=recipe)

    def keys(self, rows: list[int] | range) -> np.ndarray:
        return keys(rows, self.name)

    def states(self, rows: list[int], recipe: str = BY_CONTENT) -> Any:
        numbers = people([person(row) for row in rows])
        return find_row_states(self.campaign(recipe), self.keys(rows), numbers, at=NOW + self.clock)

    def decides(self, row: int) -> Try | None:
        tries = self.tries[row]
        if not tries or tries[-1].outcome not in {"rejected", "unsent"}:
            return tries[-1] if tries else None
        earlier = {each.outcome: each for each in tries[:-1]}
        return earlier.get("accepted") or earlier.get("unknown") or tries[-1]

    def presume(self, rows: list[int] | range) -> None:
        for row in rows:
            one = self.decides(row)
            if one is None or one.outcome is not None:
                continue
            if self.senders[one.run].ended or abs(self.clock - one.since) > LIFETIME:
                one.outcome, one.presumed = "unknown", True

    def state(self, row: int) -> str | None:
        one = self.decides(row)
        return None if one is None else one.outcome or "sending"

    def others(self, row: int, plan: frozenset[int], recipe: str, of_campaign: str | None) -> Iterator[Try]:
        """Yield what the person of a row got, or may get, that is another text to a plan."""
        for other in ROWS:
            one = self.decides(other)
            if one is None or person(other) != person(row) or other in plan or self.state(other) in FREE:
                continue
            if recipe == BY_CONTENT or of_campaign != recipe or one.recipe not in {None, recipe}:
                yield one

    @initialize(rows=st.lists(st.sampled_from(ROWS), unique=True), is_old=st.booleans())
    def an_older_d7nb_sent(self, rows: list[int], is_old: bool) -> None:
        """It did not write down how it told rows apart."""
        if not is_old or not rows:
            return
        numbers = people([person(row) for row in rows])
        with Run(self.campaign()) as run:
            claimed = run.claim(self.keys(rows), numbers, numbers, at=NOW)
            run.record(claimed, "accepted", request_id=f"{self.name} old", at=NOW)
        with self.ledger._database.writing() as connection:
            connection.execute(update(campaigns).where(campaigns.c.name == self.name).values(recipe=None))
            connection.execute(update(runs).where(runs.c.id == run.id).values(recipe=None))
        one = Try(AN_OLDER_D7NB, self.clock, "accepted", origin=(AN_OLDER_D7NB, 0), request_id=f"{self.name} old")
        for row in rows:
            self.tries[row] = [one]

    @rule(seconds=st.sampled_from([1, 61, -10_000]))
    def time_goes_by(self, seconds: int) -> None:
        self.clock += timedelta(seconds=seconds)

    @precondition(lambda self: sum(not sender.ended for sender in self.senders) < 3)
    @rule(rows=SOME, recipe=st.sampled_from(RECIPES), changed=st.booleans())
    def plans(self, rows: list[int], recipe: str, changed: bool) -> None:
        """Decide as `d7nb.delivery.eligibility` does what a send begins with."""
        plan, states = frozenset(rows), self.states(rows, recipe)
        self.presume(ROWS)
        of_campaign = self.recipe
        if of_campaign is None and any(self.tries[row] for row in rows):
            of_campaign = recipe
        assert states.recipe == of_campaign
        others = {row: list(self.others(row, plan, recipe, of_campaign)) for row in rows}
        assert dict(zip(rows, states.other_text.tolist(), strict=True)) == {row: bool(others[row]) for row in rows}
        adopts = bool(states.last_request_seen) and (of_campaign == recipe or changed)
        run = Run(
            self.campaign(recipe),
            lifetime=LIFETIME,
            last_request_seen=states.last_request_seen,
            adopts_recipe=adopts,
        )
        run.__enter__()
        if adopts and self.recipe is None:
            self.recipe = recipe
        told = {person(row) for row, found in others.items() if found}
        self.senders.append(
            Sender(
                len(self.senders),
                run,
                recipe,
                plan,
                frozenset(one.origin for found in others.values() for one in found),
                frozenset(one.origin for row in ROWS if person(row) in told for one in self.tries[row]),
                [row for row in rows if changed or not others[row]],
                dict(zip(rows, states.other_request.tolist(), strict=True)),
            )
        )

    @precondition(lambda self: any(sender.to_send for sender in self.senders if not sender.ended))
    @rule(data=st.data())
    def claims(self, data: st.DataObject) -> None:
        sender = data.draw(st.sampled_from([each for each in self.senders if each.to_send and not each.ended]))
        rows = data.draw(st.lists(st.sampled_from(sender.to_send), min_size=1, unique=True))
        again = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
        self.clock += timedelta(microseconds=1)  # no two claims are made in one moment
        override_of = np.where(again, self.states(rows).request, 0)
        self.presume(ROWS)
        own = set(sender.run.campaign.row_keys(self.keys(sorted(sender.plan))))
        numbers = people([person(row) for row in rows])
        claimed = sender.run.claim(
            self.keys(rows),
            numbers,
            numbers,
            at=NOW + self.clock,
            override_of=override_of,
            other_requests=np.array([sender.other_requests[row] for row in rows]),
            is_own_key=lambda key: key in own,
        )
        if self.recipe is None and not any(self.tries.values()):
            self.recipe = sender.recipe
        one = Try(sender.number, self.clock, origin=(sender.number, next(self.numbers)), recipe=sender.recipe)
        others = {row: list(self.others(row, sender.plan, sender.recipe, self.recipe)) for row in rows}
        for place, row in enumerate(rows):
            state = self.state(row)
            contacts = {other.origin for other in others[row] if other.origin[0] != sender.number}
            new = contacts - sender.known
            if not new <= sender.older or not new:  # what is older than what was known may count as known, too
                assert (claimed.outcome[place] == "held") == bool(new), (row, contacts, sender.known)
            if claimed.outcome[place] == "held":
                continue
            free = state in FREE
            assert claimed.granted[place] == (free or (again[place] and state != "sending")), (row, state)
            if not claimed.granted[place]:
                assert claimed.outcome[place] == {"accepted": "already_sent", "sending": "unsent"}.get(state, state)
                continue
            self.tries[row] = [one] if free else [*self.tries[row], one]
        sender.claims.append((claimed, rows, one))

    @precondition(lambda self: any(sender.claims for sender in self.senders if not sender.ended))
    @rule(outcome=st.sampled_from(["accepted", "rejected", "unknown", "unsent"]), data=st.data())
    def records(self, outcome: str, data: st.DataObject) -> None:
        sender = data.draw(st.sampled_from([each for each in self.senders if each.claims and not each.ended]))
        claimed, rows, one = data.draw(st.sampled_from(sender.claims))
        left = [place for place in range(len(rows)) if claimed.open[place]]
        part = data.draw(st.lists(st.sampled_from(left), min_size=1, unique=True)) if left else []
        whole = not left or len(part) == len(left) or data.draw(st.booleans())
        request_id = f"{self.name} id-{next(self.numbers)}" if outcome == "accepted" else None
        chosen = None if whole else part
        recorded = sender.run.record(claimed, outcome, request_id=request_id, rows=chosen, at=NOW + self.clock)
        if not left:
            assert recorded == 0
            return
        ours = [rows[place] for place in (left if whole else part) if self.tries[rows[place]][-1:] == [one]]
        # A whole request is recorded in one statement, which does not count the rows that D7 reported on before.
        assert recorded == len(ours) or (whole and recorded >= len(ours))
        if whole:
            one.outcome, one.presumed, one.request_id = outcome, False, request_id
        else:
            split = replace(one, outcome=outcome, presumed=False, request_id=request_id)
            for row in ours:
                self.tries[row][-1] = split

    @precondition(lambda self: any(not sender.ended for sender in self.senders))
    @rule(data=st.data())
    def ends(self, data: st.DataObject) -> None:
        sender = data.draw(st.sampled_from([each for each in self.senders if not each.ended]))
        sender.run.__exit__(None, None, None)
        sender.ended = True

    @rule(rows=SOME, word=st.sampled_from(["sent", "not_sent"]))
    def settles(self, rows: list[int], word: Any) -> None:
        before = {id(one): (one, one.outcome, one.presumed) for row in rows for one in self.tries[row]}
        self.presume(rows)
        try:
            result = settle(self.campaign(), self.keys(rows), word, NOW + self.clock)
        except LedgerError:
            assert any(self.state(row) == "sending" for row in rows)
            for one, outcome, presumed in before.values():
                one.outcome, one.presumed = outcome, presumed
            return
        taken_back = [row for row in rows if self.state(row) == "unsent" and self.tries[row][-1].run == A_PERSON]
        doubtful = [row for row in rows if self.state(row) == "unknown" or (word == "sent" and row in taken_back)]
        assert result.settled == len(doubtful)
        assert sum(result.not_settled.values()) == len(rows) - len(doubtful)
        for row in doubtful:
            decided = self.decides(row)
            assert decided is not None
            accepted = [one for one in self.tries[row] if one.outcome == "accepted"]
            outcome = "accepted" if word == "sent" else "unsent"
            settled = replace(decided, run=A_PERSON, since=self.clock, outcome=outcome, presumed=False)
            self.tries[row] = [*accepted, settled]

    @rule(rows=SOME, status=st.sampled_from(["sent", "delivered", "failed"]), is_known=st.booleans())
    def hears(self, rows: list[int], status: str, is_known: bool) -> None:
        """Hear of rows by their marks, under the id that they were sent with or under another."""
        rows = [row for row in rows if len(self.tries[row]) < 2]  # `test_status_rules` has those that were sent again
        new_id = f"{self.name} heard-{next(self.numbers)}"
        updates, matched = [], 0
        for row, mark in zip(rows, base32(self.keys(rows)) if rows else [], strict=True):
            one = self.decides(row)
            own_id = one.request_id if one is not None and one.outcome == "accepted" else None
            request_id = own_id if is_known and own_id else new_id
            updates.append(StatusUpdate(request_id, status, NOW + self.clock, "m", "", (mark,)))
            if one is None or (one.outcome in FREE - {None} and status == "failed"):
                continue  # it is about nothing that went out
            if own_id and request_id != own_id and status not in ARRIVED:
                continue  # it is about another request
            matched += 1
            if own_id and request_id == own_id:
                continue
            heard = replace(one, outcome="accepted", presumed=False, request_id=request_id)
            if heard.run == A_PERSON:
                heard.run = one.origin[0]
            self.tries[row] = [one, heard] if own_id else [heard]
        assert self.ledger.take_in(DESTINATION, updates=updates, at=NOW + self.clock) == matched

    @precondition(lambda self: any(each[-1].request_id for each in self.tries.values() if each))
    @rule(number=st.sampled_from(range(len(ROWS) // 2)), data=st.data())
    def hears_by_recipient(self, number: int, data: st.DataObject) -> None:
        """Hear of a request's message to a person: that is a row, if it carried one to them."""
        last = {row: tries[-1] for row, tries in self.tries.items() if tries and tries[-1].outcome == "accepted"}
        ids = sorted({one.request_id for one in last.values() if one.request_id})
        if not ids:
            return
        request_id = data.draw(st.sampled_from(ids))
        rows = [row for row, one in last.items() if one.request_id == request_id and person(row) == number]
        told = StatusUpdate(request_id, "sent", NOW + self.clock, recipient=people([number])[0])
        assert self.ledger.take_in(DESTINATION, updates=[told], at=NOW + self.clock) == (len(rows) == 1)

    @rule()
    def looks_up(self) -> None:
        known = self.states(list(ROWS))
        self.presume(ROWS)
        states = [self.state(row) for row in ROWS]
        assert known.outcome.tolist() == ["unsent" if state == "sending" else state for state in states]
        assert known.sending.tolist() == [state == "sending" for state in states]
        assert not known.other_text.any()  # all rows are one plan's


def run_model(place: str, seed: int, *, examples: int = 200, steps: int = 40) -> str:
    """Run the model, each time in a campaign of its own."""
    numbers = count()
    with Ledger(place) as ledger:

        @seeded(seed)
        def model() -> Model:
            return Model(ledger, f"model {next(numbers)}")

        run_state_machine_as_test(
            model,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                database=None,
                phases=[Phase.generate],  # to make a failure shorter takes minutes
                suppress_health_check=list(HealthCheck),
            ),
        )
    return f"{next(numbers):,} campaigns"
