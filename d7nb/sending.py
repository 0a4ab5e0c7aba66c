"""The send loop: post what is packed, record what comes of it, take refused requests apart.

One thread decides and records; the others wait for leave, say that a request leaves, and post it. Only two things are
tried again: a 429, and a connection that was never made. Whatever may have gone out is ``unknown`` and stays so.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from d7nb.errors import D7Error
from d7nb.packing import Batch
from d7nb.refusals import BRAKE, Brake, rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from d7nb.answers import Answer
    from d7nb.client import Client
    from d7nb.errors import ApiError
    from d7nb.filtering import Recheck
    from d7nb.outcomes import Outcomes
    from d7nb.packing import Packer

TRIES = 5
"""How often a request is tried in all, where D7 asks to wait or can't be reached."""
FIRST_WAIT = 0.5
"""Seconds before the second try where D7 does not say how long; each further wait is twice the last."""
LONGEST_WAIT = 120.0
"""Seconds. Where D7 asks for more, the send stops and says when to go on."""
SILENCES = 10
"""So many requests in a row without a readable answer: the send stops, before more people are left in doubt."""
_YEAR = 365 * 86_400.0  # a header may hold any number, a calendar does not


class Work(NamedTuple):
    """A request to be made.

    Attributes:
        batch: Its rows.
        body: Its JSON.
        tries: How often it was tried already.
        checked: Whether the rules that read the clock were asked again.
    """

    batch: Batch
    body: bytes
    tries: int = 0
    checked: bool = False


class Sending:
    """One send, from the first request to the last record; `run` is its own thread's work.

    Args:
        packer: Makes the bodies.
        rows: Positions of the rows that are to go.
        client: Does the POST.
        outcomes: The books.
        recheck: Asks the rules that read the clock which rows of a request to skip after all.
        split: Whether refused requests are taken apart.
    """

    def __init__(
        self,
        packer: Packer,
        rows: np.ndarray,
        client: Client,
        outcomes: Outcomes,
        *,
        recheck: Recheck,
        split: bool = True,
    ) -> None:
        self._recheck = recheck
        self._packer = packer
        self._client = client
        self._outcomes = outcomes
        self._split = split
        self._fresh = packer.bodies(packer.batches(rows, client.batch_size))
        self._again: deque[Work] = deque()
        self._flying: dict[Future[Answer | None], Work] = {}
        self._brake = Brake()
        self._blocked: dict[tuple[int, str], tuple[str, str]] = {}
        self._silences = 0
        self._stopping = threading.Event()
        self._why = ""
        self.total = len(rows)
        self.finished = 0
        self.word = ""

    def stop(self, why: str) -> None:
        """Start nothing new; requests in flight are finished."""
        self._why = self._why or why
        self._stopping.set()

    def run(self) -> None:
        """Send until nothing is left, or until it is stopped; then every row has its outcome."""
        try:
            with ThreadPoolExecutor(self._client.workers, thread_name_prefix="d7nb") as pool:
                while self._start_some(pool):
                    for future in wait(self._flying, return_when=FIRST_COMPLETED).done:
                        self._settle(self._flying[future], future.result())
                        del self._flying[future]
        finally:
            self._outcomes.give_up(self._why or "the send ended early")

    def _start_some(self, pool: ThreadPoolExecutor) -> bool:
        """Keep every worker busy; whether any is."""
        while len(self._flying) < self._client.workers and not self._stopping.is_set():
            work = self._next()
            if work is None:
                break
            self._flying[pool.submit(self._post, work)] = work
        return bool(self._flying)

    def _next(self) -> Work | None:
        while True:
            if self._again:
                work = self._again.popleft()
            elif fresh := next(self._fresh, None):
                work = Work(*fresh)
            else:
                return None
            left = self._without_blocked(work)
            if left is not None and not left.checked:
                left = self._checked_again(left)
            if left is not None:
                return left
            if self._stopping.is_set():
                return None

    def _without_blocked(self, work: Work) -> Work | None:
        """Leave out the rows whose content and originator were given up; None where nothing is left."""
        rows, originator = work.batch.rows, work.batch.originator
        keep = np.ones(len(rows), dtype=bool)
        for (content, blocked), (outcome, why) in self._blocked.items():
            if blocked == originator:
                given_up = keep & (self._packer.content_of(rows) == content)
                self._outcomes.decide(rows[given_up], outcome, why, "D7" if outcome == "rejected" else "d7nb")
                keep &= ~given_up
        return self._left(work, rows[keep])

    def _checked_again(self, work: Work) -> Work | None:
        """Leave out the rows that a rule which reads the clock skips now; a rule that fails stops the send."""
        left = work.batch.rows
        try:
            for decider, rows, reasons in self._recheck(left):
                self._outcomes.decide(rows, "skipped", reasons, decider)
                left = left[~np.isin(left, rows)]
        except D7Error as error:
            self.stop(str(error))
            return None
        remaining = self._left(work, left)
        return remaining._replace(checked=True) if remaining else None

    def _left(self, work: Work, rows: np.ndarray) -> Work | None:
        """The request with what is left of its rows; None where that is nothing."""
        gone = len(work.batch.rows) - len(rows)
        self.finished += gone
        if not gone:
            return work
        return self._smaller(work, rows) if len(rows) else None

    def _smaller(self, work: Work, rows: np.ndarray) -> Work:
        batch = Batch(rows, work.batch.originator)
        return Work(batch, self._packer.body(batch), checked=work.checked)

    def _post(self, work: Work) -> Answer | None:
        """In a worker: wait for leave, then POST; None where the send was stopped before."""
        batch = work.batch
        if not self._client.wait_for_leave(batch.originator, len(batch.rows), self._stopping):
            return None
        self._outcomes.depart(batch.rows)
        return self._client.exchange(work.body)

    def _settle(self, work: Work, answer: Answer | None) -> None:
        if answer is None:
            return
        self._silences = self._silences + 1 if answer.kind == "unknown" else 0
        if answer.error is None or answer.kind in {"rejected", "unknown"}:
            self._record(work, answer.kind, answer)
        else:
            self._outcomes.come_back(work.batch.rows)
            act = self._take_apart if answer.kind == "refused" else self._try_again
            act(work, answer, answer.error)
        if answer.kind == "accepted":
            for content in np.unique(self._packer.content_of(work.batch.rows)):
                self._brake.accepted(int(content), work.batch.originator)
        elif self._silences >= SILENCES and answer.error:
            self.stop(f"{SILENCES} requests in a row had no readable answer, the last: {answer.error.message}")

    def _record(self, work: Work, outcome: str, answer: Answer, reasons: str | Sequence[str] | None = None) -> None:
        self._outcomes.record(work.batch, outcome, answer, work.tries + 1, reasons)
        self.finished += len(work.batch.rows)
        self.word = ""

    def _try_again(self, work: Work, answer: Answer, error: ApiError) -> None:
        """The two cases in which nothing can have been sent, so that trying again can't send it twice."""
        if work.tries + 1 >= TRIES or (error.retry_after or 0) > LONGEST_WAIT:
            why = error.message + _when_to_go_on(error.retry_after)
            self.stop(why)
            self._record(work, "unsent", answer, why)
            return
        seconds = error.retry_after if error.retry_after is not None else FIRST_WAIT * 2**work.tries
        seconds += random.uniform(0, 0.1 + 0.2 * seconds)  # noqa: S311  (spreads the load, guards no secret)
        self.word = f"waiting {seconds:.0f} s: {error.message}"
        self._client.hold(seconds)
        self._again.appendleft(work._replace(tries=work.tries + 1))

    def _take_apart(self, work: Work, answer: Answer, error: ApiError) -> None:
        batch, rows = work.batch, work.batch.rows
        ruling = rule(error, self._packer.message_sizes(batch))
        if ruling.verb == "stop":
            self.stop(error.message)
            self._record(work, "unsent", answer)
        elif ruling.verb == "originator":
            self._record(work, "rejected", answer)
            for content in range(self._packer.content_count):
                self._blocked[content, batch.originator] = ("rejected", error.message)
        elif len(rows) == 1 or not self._split:
            self._record(work, "rejected", answer)
            self._brake_if_needed(batch, error)
        elif ruling.verb == "rows":
            named = np.array(ruling.places)
            self._record(work._replace(batch=Batch(rows[named], batch.originator)), "rejected", answer, ruling.reasons)
            if len(named) < len(rows):
                self._again.appendleft(self._smaller(work, np.delete(rows, named)))
        else:
            self._outcomes.note(batch, "taken apart", answer, work.tries + 1)
            middle = len(rows) // 2
            self._again.extendleft([self._smaller(work, rows[middle:]), self._smaller(work, rows[:middle])])

    def _brake_if_needed(self, batch: Batch, error: ApiError) -> None:
        content = int(self._packer.content_of(batch.rows)[0])
        if self._brake.refused(content, batch.originator, error.code or str(error.status)):
            why = f"not tried: {BRAKE} rows in a row were refused alone, so it is not the rows: {error.message}"
            self._blocked[content, batch.originator] = ("unsent", why)


def _when_to_go_on(seconds: float | None) -> str:
    if not seconds:
        return ""
    until = datetime.now().astimezone() + timedelta(seconds=min(seconds, _YEAR))
    return f"; go on after {until.isoformat(sep=' ', timespec='seconds')}"
