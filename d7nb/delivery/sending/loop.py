"""The send loop: claim and post what is packed, record what comes of it, take refused requests apart.

One thread decides, claims and records; the others only post. Only two things are tried again: a 429, and a connection
that was never made. Whatever may have gone out is ``unknown`` and stays so.
"""

from __future__ import annotations

import random
import threading
from concurrent.futures import FIRST_COMPLETED, Future, InvalidStateError, ThreadPoolExecutor, wait
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from d7nb.api.retry import wait_before_retry
from d7nb.delivery.eligibility import outcomes_refused
from d7nb.delivery.mailing import Batch
from d7nb.delivery.outcomes import TAKEN_APART
from d7nb.delivery.sending.queue import Queue
from d7nb.delivery.sending.refusals import FAILURE_THRESHOLD, CircuitBreaker, rule
from d7nb.errors import D7Error, LedgerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from d7nb.api.client import Client
    from d7nb.api.responses import SendResponse
    from d7nb.delivery.outcomes import OutcomeTable
    from d7nb.delivery.sending.claims import ClaimedRows, LedgerWriter
    from d7nb.delivery.sending.queue import Canary, PendingRequest
    from d7nb.delivery.sending.requests import RequestBuilder
    from d7nb.errors import ApiError

if TYPE_CHECKING:
    SendTimeFilters = Callable[[np.ndarray], Iterable[tuple[str, np.ndarray, Sequence[str]]]]
    """Given the positions of a request's rows: who skips which of them after all, and why."""

MAX_UNREADABLE = 10
"""So many requests in a row without a readable answer: the send stops, before more people are left in doubt."""
_YEAR = 365 * 86_400.0  # a header may hold any number, a calendar does not


class InFlight(NamedTuple):
    """A request on its way.

    Attributes:
        work: What was posted.
        taken: The claim on its rows.
    """

    work: PendingRequest
    taken: ClaimedRows


class SendLoop:
    """One send, from the first request to the last record; `run` is its own thread's work.

    Args:
        packer: Makes the bodies.
        rows: Positions of the rows that are to go.
        client: Does the POST.
        outcomes: The books.
        claims: The send's standing in the ledger.
        recheck: Asks the rules that read the clock which rows of a request to skip after all.
        split: Whether refused requests are taken apart.
        canary: What goes first, where something does.

    Attributes:
        total: How many rows are to go.
        finished: How many have their outcome.
        word: What the send is waiting for, while it does.
        warnings: What went wrong beside the rows.
    """

    def __init__(
        self,
        packer: RequestBuilder,
        rows: np.ndarray,
        client: Client,
        outcomes: OutcomeTable,
        *,
        claims: LedgerWriter,
        recheck: SendTimeFilters,
        split: bool = True,
        canary: Canary | None = None,
    ) -> None:
        self._claims = claims
        self._recheck = recheck
        self._packer = packer
        self._client = client
        self._outcomes = outcomes
        self._split = split
        self._queue = Queue(packer, rows, client.batch_size, canary)
        self._flying: dict[Future[SendResponse], InFlight] = {}
        self._brake = CircuitBreaker()
        self._blocked: dict[str, dict[int, tuple[str, str]]] = {}
        self._silences = 0
        self._stopping = threading.Event()
        self._woken: Future[None] = Future()
        self._why = ""
        self.total = len(rows)
        self.finished = 0
        self.word = ""
        self.warnings: list[str] = []

    def stop(self, why: str) -> None:
        """Start nothing new; requests in flight are finished."""
        self._why = self._why or why
        self._stopping.set()
        with suppress(InvalidStateError):  # stopped already
            self._woken.set_result(None)

    def run(self) -> None:
        """Send until nothing is left, or until it is stopped; then every row has its outcome."""
        try:
            with ThreadPoolExecutor(self._client.workers, thread_name_prefix="d7nb") as pool:
                self._loop(pool)
        except BaseException as failure:
            self.stop(f"d7nb failed: {type(failure).__name__}")
            self._drain()
            raise
        finally:
            self._close()

    def _loop(self, pool: ThreadPoolExecutor) -> None:
        seconds = self._start_some(pool)
        self._flush()
        while self._flying or seconds is not None:
            waker = () if self._stopping.is_set() else (self._woken,)
            wait((*self._flying, *waker), seconds, FIRST_COMPLETED)
            for future in [future for future in self._flying if future.done()]:
                self._settle(self._flying[future], future.result())
                del self._flying[future]
            self._flush()  # before anything new is claimed: what was answered together is one commit
            seconds = self._start_some(pool)
            self._flush()

    def _drain(self) -> None:
        """After a failure of our own, when the pool is done: what was answered meanwhile is recorded all the same."""
        for future, flight in self._flying.items():
            with suppress(Exception):  # an exchange that failed itself has no answer, and stays in doubt
                answer = future.result()
                if answer.kind in {"accepted", "rejected", "unknown"}:
                    self._record(flight, answer.kind, answer)
                else:
                    self._release(flight, self._why, answer)

    def _close(self) -> None:
        self._outcomes.close(self._why or "the send ended early")
        if lost := self._claims.close():
            self.warnings.append(
                f"what became of {lost:,} rows could not be written to the ledger: a later run will call them unknown; "
                "settle them then, by what this delivery says"
            )
        if disowned := self._claims.disowned:
            self.warnings.append(
                f"{disowned:,} rows were answered so late that the ledger had given them up, and a person or another "
                "run decided about them: see plan.delivery() for its word"
            )

    def _start_some(self, pool: ThreadPoolExecutor) -> float | None:
        """Keep every worker busy; the seconds until the next request may start, None where none waits for that."""
        while len(self._flying) < self._client.workers and not self._stopping.is_set():
            work = self._next()
            if work is None:
                return None
            originator = work.batch.originator
            seconds = self._client.rate_limiter.delay(originator, len(work.batch.rows))
            if seconds > 0:
                self._queue.requeue(work)
                return seconds
            # Claimed at the last moment: whatever is claimed when this process dies is in doubt.
            flight = self._claimed(work)
            if flight is None:
                continue
            seconds = self._client.rate_limiter.acquire(originator, len(flight.work.batch.rows))
            if seconds > 0:  # another send of this client was faster: never wait with a claim in hand
                self._release(flight, "its turn had not come")
                self._queue.requeue(flight.work)
                return seconds
            self._launch(pool, flight)
        return None

    def _launch(self, pool: ThreadPoolExecutor, flight: InFlight) -> None:
        self._outcomes.mark_in_flight(flight.work.batch.rows)
        try:
            self._flying[pool.submit(self._post, flight.work.body)] = flight
        except RuntimeError as error:
            if "shutdown" not in str(error):
                raise  # a thread could not be started, but the request may be posted all the same: it is in doubt
            self._client.rate_limiter.release()
            self.stop("the program ended: wait() for a delivery before that")
            self._release(flight, self._why)

    def _post(self, body: bytes) -> SendResponse:
        """In a worker: POST, and say what became of it."""
        try:
            return self._client.exchange(body)
        finally:
            self._client.rate_limiter.release()

    def _next(self) -> PendingRequest | None:
        """The next request of which something is left; None where there is none now."""
        while not self._stopping.is_set():
            work = self._queue.take()
            if work is None and (self._flying or not self._open_after_canary()):
                return None
            left = work and self._without_blocked(work)
            if left is not None:
                return left
        return None

    def _open_after_canary(self) -> bool:
        """When every request is answered: whether more rows were waiting for that, and may go."""
        why = self._queue.open_rest(self._outcomes)
        if why:
            self.stop(why)
        return why == ""

    def _without_blocked(self, work: PendingRequest) -> PendingRequest | None:
        """Leave out the rows whose content and originator were given up; None where nothing is left."""
        rows = work.batch.rows
        for content, (outcome, why) in self._blocked.get(work.batch.originator, {}).items():
            given_up = rows[self._packer.content_of(rows) == content]
            if outcome == "rejected" and len(given_up):
                given_up = self._rejected_unasked(given_up, why)
            self._outcomes.decide(given_up, outcome, why, "D7" if outcome == "rejected" else "d7nb")
            rows = rows[self._packer.content_of(rows) != content]
        return self._narrowed(work, rows)

    def _rejected_unasked(self, rows: np.ndarray, why: str) -> np.ndarray:
        """Record what D7's word on an originator means for rows that were not posted; those that are ours to decide."""
        try:
            taken = self._claims.take(rows)
            self._recall_refused(taken)
            self._claims.record(taken, taken.granted, "rejected", reason=why)
        except LedgerError as error:
            self.stop(str(error))
            return rows
        return taken.granted

    def _claimed(self, work: PendingRequest) -> InFlight | None:
        """Ask the clock's rules again, then claim; None where nothing is left. Whatever fails stops the send."""
        try:
            checked = self._checked_again(work)
            if checked is None:
                return None
            taken = self._claims.take(checked.batch.rows)
        except D7Error as error:
            self.stop(str(error))
            return None
        self._recall_refused(taken)
        left = self._narrowed(checked, taken.granted)
        return InFlight(left, taken) if left else None

    def _recall_refused(self, taken: ClaimedRows) -> None:
        """Say of rows that were not granted what the ledger says of them."""
        refused = np.flatnonzero(~taken.claim.granted)
        if len(refused):
            self._outcomes.recall(taken.rows[refused], outcomes_refused(taken.claim).take(refused))

    def _checked_again(self, work: PendingRequest) -> PendingRequest | None:
        """Leave out the rows that a rule which reads the clock skips now."""
        left = work.batch.rows
        for decider, rows, reasons in self._recheck(left):
            self._outcomes.decide(rows, "skipped", reasons, decider)
            left = left[~np.isin(left, rows)]
        return self._narrowed(work, left)

    def _narrowed(self, work: PendingRequest, rows: np.ndarray) -> PendingRequest | None:
        """The request with what is left of its rows; None where that is nothing."""
        gone = len(work.batch.rows) - len(rows)
        self.finished += gone
        if not gone:
            return work
        return self._queue.part(work, rows)._replace(tries=work.tries) if len(rows) else None

    def _settle(self, flight: InFlight, answer: SendResponse) -> None:
        """Record what an answer means for its rows, and what follows from it."""
        work = flight.work
        self._silences = self._silences + 1 if answer.kind == "unknown" else 0
        if answer.error is None or answer.kind in {"rejected", "unknown"}:
            self._record(flight, answer.kind, answer)
        else:
            act = self._take_apart if answer.kind == "refused" else self._try_again
            act(flight, answer, answer.error)
        if answer.kind == "accepted":
            for content in np.unique(self._packer.content_of(work.batch.rows)):
                self._brake.accepted(int(content), work.batch.originator)
        elif self._silences >= MAX_UNREADABLE and answer.error:
            self.stop(f"{MAX_UNREADABLE} requests in a row had no readable answer, the last: {answer.error.message}")

    def _record(
        self,
        flight: InFlight,
        outcome: str,
        answer: SendResponse,
        why: str = "",
        *,
        rows: np.ndarray | None = None,
        reasons: Sequence[str] = (),
    ) -> None:
        """Write down what rows of a request came to: in the books, and for the ledger.

        Args:
            flight: The request.
            outcome: What they came to.
            answer: What D7 said.
            why: What to say to the user, where that is not D7's word.
            rows: Which of its rows, all of them unless given.
            reasons: A reason for each of them, where they differ.
        """
        batch = flight.work.batch
        batch = batch if rows is None else Batch(rows, batch.originator)
        self._claims.record(flight.taken, batch.rows, outcome, answer=answer, reason=why, reasons=reasons)
        self._outcomes.record(batch, outcome, answer, flight.work.tries + 1, reasons or why or None)
        self.finished += len(batch.rows)
        self.word = ""

    def _release(
        self, flight: InFlight, why: str, answer: SendResponse | None = None, rows: np.ndarray | None = None
    ) -> None:
        """Give back the claim on rows that did not go out: another request may carry them."""
        rows = flight.work.batch.rows if rows is None else rows
        self._claims.record(flight.taken, rows, "unsent", answer=answer, reason=why)
        self._outcomes.mark_waiting(rows)

    def _flush(self) -> None:
        """Tell the ledger. Where that fails, the claims stay, and nothing new is started."""
        try:
            self._claims.write()
        except LedgerError as error:
            self.stop(str(error))

    def _try_again(self, flight: InFlight, answer: SendResponse, error: ApiError) -> None:
        """The two cases in which nothing can have been sent, so that trying again can't send it twice."""
        work = flight.work
        jitter = random.random()  # noqa: S311  (spreads the load, guards no secret)
        seconds = wait_before_retry(work.tries + 1, error.retry_after, jitter)
        if seconds is None:
            why = error.message + _when_to_go_on(error.retry_after)
            self.stop(why)
            self._record(flight, "unsent", answer, why)
            return
        self.word = f"waiting {seconds:.0f} s: {error.message}"
        self._client.rate_limiter.pause(seconds)
        self._release(flight, error.message, answer)
        self._queue.requeue(work._replace(tries=work.tries + 1))

    def _take_apart(self, flight: InFlight, answer: SendResponse, error: ApiError) -> None:
        work, batch, rows = flight.work, flight.work.batch, flight.work.batch.rows
        ruling = rule(error, self._packer.message_sizes(batch))
        if ruling.verb == "stop":
            self.stop(error.message)
            self._record(flight, "unsent", answer)
        elif ruling.verb == "originator":
            self._record(flight, "rejected", answer)
            given_up = ("rejected", error.message)
            self._blocked[batch.originator] = dict.fromkeys(range(self._packer.content_count), given_up)
        elif len(rows) == 1 or not self._split:
            self._record(flight, "rejected", answer)
            self._brake_if_needed(batch, error)
        elif ruling.verb == "rows":
            named = np.array(ruling.places)
            self._record(flight, "rejected", answer, rows=rows[named], reasons=ruling.reasons)
            if len(named) < len(rows):
                others = np.delete(rows, named)
                self._release(flight, error.message, answer, others)
                self._queue.requeue(self._queue.part(work, others))
        else:
            self._outcomes.note(batch, TAKEN_APART, answer, work.tries + 1)
            self._release(flight, error.message, answer)
            middle = len(rows) // 2
            self._queue.requeue(self._queue.part(work, rows[:middle]), self._queue.part(work, rows[middle:]))

    def _brake_if_needed(self, batch: Batch, error: ApiError) -> None:
        content = int(self._packer.content_of(batch.rows)[0])
        if self._brake.refused(content, batch.originator, error.code or str(error.status)):
            alone = f"{FAILURE_THRESHOLD} rows in a row were refused alone"
            why = f"not tried: {alone}, so it is not the rows: {error.message}"
            self._blocked.setdefault(batch.originator, {})[content] = ("unsent", why)


def _when_to_go_on(seconds: float | None) -> str:
    if not seconds:
        return ""
    until = datetime.now().astimezone() + timedelta(seconds=min(seconds, _YEAR))
    return f"; go on after {until.isoformat(sep=' ', timespec='seconds')}"
