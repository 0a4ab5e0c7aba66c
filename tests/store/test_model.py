"""The ledger beside a plain model of it, through whatever order of claims, records, settlings and clocks."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from d7nb.errors import LedgerError
from d7nb.ledger import Ledger
from d7nb.store.claims import Claim
from d7nb.store.runs import Run
from d7nb.store.settle import settle
from tests.support.ledgers import CAMPAIGN, DESTINATION, NOW, claim, keys, look_up, start_run

ROWS = range(5)
LIFETIME = timedelta(seconds=60)
A_PERSON = -1
MEMORY = Path("/dev/shm")
SOME = st.lists(st.sampled_from(ROWS), min_size=1, unique=True)


@dataclass(eq=False)
class Try:
    """One request that carried a row."""

    run: int
    since: timedelta
    outcome: str | None = None
    presumed: bool = False


@dataclass
class Sender:
    """A run with what it claimed."""

    run: Run
    claims: list[tuple[Claim, list[int], Try]] = field(default_factory=list)
    ended: bool = False


class Model(RuleBasedStateMachine):
    """Each row has its tries since it was last free: the last decides, or an earlier one where that sent nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        folder = self.stack.enter_context(TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None))
        self.ledger = self.stack.enter_context(Ledger(f"{folder}/ledger.sqlite3"))
        self.senders = [Sender(self.stack.enter_context(start_run(self.ledger, lifetime=LIFETIME))) for _ in range(3)]
        self.tries: dict[int, list[Try]] = {row: [] for row in ROWS}
        self.clock = timedelta()

    def teardown(self) -> None:
        self.looks_up()
        self.stack.close()

    def decides(self, row: int) -> Try | None:
        tries = self.tries[row]
        if not tries or tries[-1].outcome not in {"rejected", "unsent"}:
            return tries[-1] if tries else None
        earlier = {each.outcome: each for each in tries[:-1]}
        return earlier.get("accepted") or earlier.get("unknown") or tries[-1]

    def presume(self, rows: list[int] | range) -> None:
        for row in rows:
            one = self.decides(row)
            gone = one and (self.senders[one.run].ended or abs(self.clock - one.since) > LIFETIME)
            if one and one.outcome is None and gone:
                one.outcome, one.presumed = "unknown", True

    def state(self, row: int) -> str | None:
        one = self.decides(row)
        return None if one is None else one.outcome or "sending"

    @rule(seconds=st.sampled_from([1, 59, 61, -1, -61, -10_000]))
    def time_goes_by(self, seconds: int) -> None:
        self.clock += timedelta(seconds=seconds)

    @rule(number=st.integers(0, 2), rows=SOME, data=st.data())
    def claims(self, number: int, rows: list[int], data: st.DataObject) -> None:
        sender = self.senders[number]
        if sender.ended:
            return
        again = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
        claimed = claim(sender.run, rows, NOW + self.clock, again=again)  # it looks up the whole campaign first
        self.presume(ROWS)
        one = Try(number, self.clock)
        granted = []
        for place, row in enumerate(rows):
            state = self.state(row)
            free = state in {None, "rejected", "unsent"}
            assert claimed.granted[place] == (free or (again[place] and state != "sending")), (row, state)
            if not claimed.granted[place]:
                assert claimed.outcome[place] == {"accepted": "already_sent", "sending": "unsent"}.get(state, state)
                continue
            granted.append(row)
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
        count = sender.run.record(claimed, outcome, rows=None if whole else part, at=NOW + self.clock)
        if not left:
            assert count == 0
            return
        ours = [rows[place] for place in (left if whole else part) if self.tries[rows[place]][-1:] == [one]]
        assert count == len(ours)
        if whole:
            one.outcome, one.presumed = outcome, False
        else:
            split = Try(one.run, one.since, outcome)
            for row in ours:
                self.tries[row][-1] = split

    @rule(number=st.integers(0, 2))
    def ends(self, number: int) -> None:
        sender = self.senders[number]
        if not sender.ended:
            sender.run.__exit__(None, None, None)
            sender.ended = True

    @rule(rows=SOME, word=st.sampled_from(["sent", "not_sent"]))
    def settles(self, rows: list[int], word: str) -> None:
        before = {id(one): (one, one.outcome, one.presumed) for row in rows for one in self.tries[row]}
        self.presume(rows)
        try:
            result = settle(self.ledger.campaign(DESTINATION, CAMPAIGN), keys(rows, CAMPAIGN), word, NOW + self.clock)  # type: ignore[arg-type]
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
            accepted = [one for one in self.tries[row] if one.outcome == "accepted"]
            self.tries[row] = [*accepted, Try(A_PERSON, self.clock, "accepted" if word == "sent" else "unsent")]

    @rule()
    def looks_up(self) -> None:
        known = look_up(self.ledger, ROWS, NOW + self.clock)
        self.presume(ROWS)
        states = [self.state(row) for row in ROWS]
        assert known.outcome.tolist() == ["unsent" if state == "sending" else state for state in states]
        assert known.sending.tolist() == [state == "sending" for state in states]


TestLedger = Model.TestCase
TestLedger.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
