"""The send loop: claim the rows of each request, post it, record its outcome, and retry or split it where needed.

One thread decides, claims and records; the worker threads only post. A request is retried in two cases only: D7
answered 429, or no connection was made. Whatever may have been sent is ``unknown`` and is not sent again.
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
from d7nb.delivery.ledger_outcomes import outcomes_from_claim
from d7nb.delivery.mailing import Batch
from d7nb.delivery.outcomes import TAKEN_APART
from d7nb.delivery.sending.queue import Queue
from d7nb.delivery.sending.refusals import CircuitBreaker, action_for
from d7nb.errors import D7Error, LedgerError, text_of
from d7nb.hints import Hint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from d7nb.api.client import Client
    from d7nb.api.responses import SendResponse
    from d7nb.delivery.outcomes import OutcomeTable
    from d7nb.delivery.sending.ledger_writer import ClaimedRows, LedgerWriter
    from d7nb.delivery.sending.queue import Canary, PendingRequest
    from d7nb.delivery.sending.requests import RequestBuilder
    from d7nb.errors import ApiError

    SendTimeFilters = Callable[[np.ndarray], Iterable[tuple[str, np.ndarray, Sequence[str]]]]
    """A function from a request's rows to what each filter skips of them: the filter's name, the rows, the reasons."""

MAX_UNREADABLE = 10
"""The number of requests in a row without a readable answer that stops the send: each leaves its rows in doubt."""
_YEAR = 365 * 86_400.0  # a Retry-After header may hold any number, a date may not


class InFlight(NamedTuple):
    """A request that was handed to a worker.

    Attributes:
        request: The request.
        claimed: The claim on its rows.
    """

    request: PendingRequest
    claimed: ClaimedRows


class SendLoop:
    """One send, from the first request to the last record; `run` blocks, and belongs in a thread of its own.

    Args:
        builder: Makes the request bodies.
        rows: Positions of the rows to send.
        client: Posts the requests.
        outcomes: Takes the outcome of every row.
        ledger: Claims rows and records outcomes in the ledger.
        send_time_filters: Called for each request just before it is claimed; returns the rows to skip.
        split: Whether a refused request is split to find the row at fault.
        canary: The rows to send first; None to send all rows at once.

    Attributes:
        total: The number of rows to send.
        finished: The number of rows that have an outcome.
        waiting_for: What the send is waiting for; empty while it is not.
        warnings: Sentences about what went wrong apart from the rows.
    """

    def __init__(
        self,
        builder: RequestBuilder,
        rows: np.ndarray,
        client: Client,
        outcomes: OutcomeTable,
        *,
        ledger: LedgerWriter,
        send_time_filters: SendTimeFilters,
        split: bool = True,
        canary: Canary | None = None,
    ) -> None:
        self._ledger = ledger
        self._send_time_filters = send_time_filters
        self._builder = builder
        self._client = client
        self._outcomes = outcomes
        self._split = split
        self._queue = Queue(builder, rows, client.batch_size, canary)
        self._in_flight: dict[Future[SendResponse], InFlight] = {}
        self._circuit_breaker = CircuitBreaker()
        self._unreadable_in_a_row = 0
        self._stopping = threading.Event()
        self._stop_signal: Future[None] = Future()
        self._stop_reason = ""
        self.total = len(rows)
        self.finished = 0
        self.waiting_for = ""
        self.warnings: list[str] = []

    def stop(self, reason: str) -> None:
        """Start no more requests; those in flight are finished. The first reason given is kept."""
        self._stop_reason = self._stop_reason or reason
        self._stopping.set()
        with suppress(InvalidStateError):  # it was stopped before
            self._stop_signal.set_result(None)

    def run(self) -> None:
        """Send until no row remains or `stop` is called; at the end every row has its outcome."""
        try:
            with ThreadPoolExecutor(self._client.workers, thread_name_prefix="d7nb") as pool:
                self._send_all(pool)
        except BaseException as failure:
            self.stop(f"d7nb failed: {type(failure).__name__}")
            self._drain()
            raise
        finally:
            self._finish()

    def _send_all(self, pool: ThreadPoolExecutor) -> None:
        seconds = self._start_requests(pool)
        self._write_to_ledger()
        while self._in_flight or seconds is not None:
            stop_signal = () if self._stopping.is_set() else (self._stop_signal,)
            wait((*self._in_flight, *stop_signal), seconds, FIRST_COMPLETED)
            for future in [future for future in self._in_flight if future.done()]:
                self._handle_response(self._in_flight[future], future.result())
                del self._in_flight[future]
            self._write_to_ledger()  # before the next claim: what was answered together is one commit
            seconds = self._start_requests(pool)
            self._write_to_ledger()

    def _drain(self) -> None:
        """Record the answers that came while the loop failed; all workers have ended by then."""
        for future, in_flight in self._in_flight.items():
            with suppress(Exception):  # a POST that raised has no answer: its rows stay in doubt
                response = future.result()
                if response.kind in {"accepted", "rejected", "unknown"}:
                    self._record(in_flight, response.kind, response)
                else:
                    self._release(in_flight, self._stop_reason, response)

    def _finish(self) -> None:
        """Give the last rows their outcome, and write what is still to be written."""
        self._outcomes.close(Hint("not tried: ", self._stop_reason or "the send ended early"))
        self.warnings += self._ledger.close()

    def _start_requests(self, pool: ThreadPoolExecutor) -> float | None:
        """Start requests until every worker is busy.

        Returns:
            The seconds until the rate limit lets the next request start; None where no request waits for that.
        """
        while len(self._in_flight) < self._client.workers and not self._stopping.is_set():
            request = self._next_request()
            if request is None:
                return None
            originator = request.batch.originator
            seconds = self._client.rate_limiter.delay(originator, len(request.batch.rows))
            if seconds > 0:
                self._queue.requeue(request)
                return seconds
            # Claimed as late as possible: whatever is claimed when this process dies is in doubt.
            in_flight = self._claim(request)
            if in_flight is None:
                continue
            seconds = self._client.rate_limiter.acquire(originator, len(in_flight.request.batch.rows))
            if seconds > 0:  # another send of this client was faster: claimed rows must not wait
                self._release(in_flight, "the rate limit did not let it start")
                self._queue.requeue(in_flight.request)
                return seconds
            self._submit(pool, in_flight)
        return None

    def _submit(self, pool: ThreadPoolExecutor, in_flight: InFlight) -> None:
        """Hand a claimed request to a worker."""
        self._outcomes.mark_in_flight(in_flight.request.batch.rows)
        try:
            self._in_flight[pool.submit(self._post, in_flight.request.body)] = in_flight
        except RuntimeError as error:
            if "shutdown" not in str(error):
                raise  # a thread could not be started, but the request may be posted all the same: it is in doubt
            self._client.rate_limiter.release()
            self.stop("the program ended before the send did: call wait() on the delivery first")
            self._release(in_flight, self._stop_reason)

    def _post(self, body: bytes) -> SendResponse:  # in a worker
        try:
            return self._client.exchange(body)
        finally:
            self._client.rate_limiter.release()

    def _next_request(self) -> PendingRequest | None:
        """Return the next request that has rows to send; None where there is none now."""
        while not self._stopping.is_set():
            request = self._queue.next()
            if request is None and (self._in_flight or not self._open_after_canary()):
                return None
            request = request and self._drop_blocked(request)
            if request is not None:
                return request
        return None

    def _open_after_canary(self) -> bool:
        """Release the rows behind the canary, and return whether there are any and they may be sent.

        Must be called when no request is in flight, so that all outcomes of the canary's rows are known.
        """
        if not self._queue.waits_for_canary:
            return False
        stop_reason = self._queue.judge_canary(self._outcomes)
        if stop_reason:
            self.stop(stop_reason)
        return not stop_reason

    def _drop_blocked(self, request: PendingRequest) -> PendingRequest | None:
        """Give their outcome to the rows whose content or originator is blocked, and return the others."""
        rows = request.batch.rows
        for content, (outcome, reason) in self._circuit_breaker.blocked(request.batch.originator).items():
            blocked = rows[self._builder.content_of(rows) == content]
            if outcome == "rejected" and len(blocked):
                blocked = self._reject_unposted(blocked, reason)
            self._outcomes.set_outcome(blocked, outcome, reason, "D7" if outcome == "rejected" else "d7nb")
            rows = rows[self._builder.content_of(rows) != content]
        return self._narrowed(request, rows)

    def _reject_unposted(self, rows: np.ndarray, reason: str) -> np.ndarray:
        """Record rows as rejected that were not posted, since D7 refused their originator.

        Returns:
            The rows that the ledger granted; the others keep the outcome that it has for them.
        """
        try:
            claimed = self._ledger.claim(rows)
            self._apply_claim(claimed)
            self._ledger.record(claimed, claimed.granted, "rejected", reason=reason)
        except LedgerError as error:
            self.stop(text_of(error))
            return rows
        return claimed.granted

    def _claim(self, request: PendingRequest) -> InFlight | None:
        """Apply the send-time filters to a request, and claim the remaining rows.

        Returns:
            The request with the rows that may be sent; None where there are none. An error stops the send.
        """
        try:
            filtered = self._apply_send_time_filters(request)
            if filtered is None:
                return None
            claimed = self._ledger.claim(filtered.batch.rows)
        except D7Error as error:
            self.stop(text_of(error))
            return None
        self._apply_claim(claimed)
        granted = self._narrowed(filtered, claimed.granted)
        return InFlight(granted, claimed) if granted else None

    def _apply_claim(self, claimed: ClaimedRows) -> None:
        """Give the rows that were not granted the outcome that the ledger has for them."""
        refused = np.flatnonzero(~claimed.claim.granted)
        if len(refused):
            self._outcomes.update_from_ledger(claimed.rows[refused], outcomes_from_claim(claimed.claim).take(refused))

    def _apply_send_time_filters(self, request: PendingRequest) -> PendingRequest | None:
        """Skip the rows that a filter which reads the clock rules out by now, and return the others."""
        remaining = request.batch.rows
        for filter_name, rows, reasons in self._send_time_filters(remaining):
            self._outcomes.set_outcome(rows, "skipped", reasons, filter_name)
            remaining = remaining[~np.isin(remaining, rows)]
        return self._narrowed(request, remaining)

    def _narrowed(self, request: PendingRequest, rows: np.ndarray) -> PendingRequest | None:
        """Return a request with some of its rows, and count the others as finished; None where no rows remain."""
        dropped = len(request.batch.rows) - len(rows)
        self.finished += dropped
        if not dropped:
            return request
        return self._queue.narrow(request, rows)._replace(tries=request.tries) if len(rows) else None

    def _handle_response(self, in_flight: InFlight, response: SendResponse) -> None:
        """Record what an answer means for the rows of its request; retry or split the request where needed."""
        batch = in_flight.request.batch
        self._unreadable_in_a_row = self._unreadable_in_a_row + 1 if response.kind == "unknown" else 0
        if response.error is None or response.kind in {"rejected", "unknown"}:
            self._record(in_flight, response.kind, response)
        elif response.kind == "refused":
            self._handle_refusal(in_flight, response, response.error)
        else:
            self._retry(in_flight, response, response.error)
        if response.kind == "accepted":
            for content in np.unique(self._builder.content_of(batch.rows)):
                self._circuit_breaker.record_success(int(content), batch.originator)
        elif self._unreadable_in_a_row >= MAX_UNREADABLE and response.error:
            self.stop(
                f"{MAX_UNREADABLE} requests in a row had no readable answer; the last one: {response.error.message}"
            )

    def _record(
        self,
        in_flight: InFlight,
        outcome: str,
        response: SendResponse,
        reason: str = "",
        *,
        rows: np.ndarray | None = None,
        reasons: Sequence[str] = (),
    ) -> None:
        """Record the outcome of rows of a request, in the outcome table and for the ledger.

        Args:
            in_flight: The request.
            outcome: The rows' outcome.
            response: D7's answer.
            reason: The reason, where it is not the answer's error message.
            rows: Positions of the rows; all rows of the request unless given.
            reasons: A reason for each row, where they differ.
        """
        batch = in_flight.request.batch
        batch = batch if rows is None else Batch(rows, batch.originator)
        self._ledger.record(in_flight.claimed, batch.rows, outcome, response=response, reason=reason, reasons=reasons)
        self._outcomes.record(batch, outcome, response, in_flight.request.tries + 1, reasons or reason or None)
        self.finished += len(batch.rows)
        self.waiting_for = ""

    def _release(
        self, in_flight: InFlight, reason: str, response: SendResponse | None = None, rows: np.ndarray | None = None
    ) -> None:
        """Free the claim on rows that were not sent, so that another request can carry them."""
        rows = in_flight.request.batch.rows if rows is None else rows
        self._ledger.record(in_flight.claimed, rows, "unsent", response=response, reason=reason)
        self._outcomes.mark_waiting(rows)

    def _write_to_ledger(self) -> None:
        """Write the recorded outcomes to the ledger; if that fails, the rows stay claimed and the send stops."""
        try:
            self._ledger.write()
        except LedgerError as error:
            self.stop(text_of(error))

    def _retry(self, in_flight: InFlight, response: SendResponse, error: ApiError) -> None:
        """Put a request back that can't have been sent: D7 answered 429, or no connection was made."""
        request = in_flight.request
        jitter = random.random()  # noqa: S311  (spreads the load, guards no secret)
        seconds = wait_before_retry(request.tries + 1, error.retry_after, jitter)
        if seconds is None:
            reason = Hint(error.message, _when_to_send_again(error.retry_after))
            self.stop(reason)
            self._record(in_flight, "unsent", response, reason)
            return
        self.waiting_for = f"waiting {seconds:.0f} s: {error.message}"
        self._client.rate_limiter.pause(seconds)
        self._release(in_flight, error.message, response)
        self._queue.requeue(request._replace(tries=request.tries + 1))

    def _handle_refusal(self, in_flight: InFlight, response: SendResponse, error: ApiError) -> None:
        """Stop the send, reject rows or split the request, as a refusal demands."""
        request, batch, rows = in_flight.request, in_flight.request.batch, in_flight.request.batch.rows
        action = action_for(error, self._builder.message_sizes(batch))
        if action.kind == "stop":
            self.stop(error.message)
            self._record(in_flight, "unsent", response)
        elif action.kind == "reject_originator":
            self._record(in_flight, "rejected", response)
            self._circuit_breaker.block_originator(batch.originator, self._builder.content_count, error.message)
        elif len(rows) == 1 or not self._split:
            self._record(in_flight, "rejected", response)
            content = int(self._builder.content_of(rows)[0])
            self._circuit_breaker.record_refusal(content, batch.originator, error)
        elif action.kind == "reject_rows":
            positions = np.array(action.positions)
            self._record(in_flight, "rejected", response, rows=rows[positions], reasons=action.reasons)
            if len(positions) < len(rows):
                others = np.delete(rows, positions)
                self._release(in_flight, error.message, response, others)
                self._queue.requeue(self._queue.narrow(request, others))
        else:
            self._outcomes.record_request(batch, TAKEN_APART, response, request.tries + 1)
            self._release(in_flight, error.message, response)
            middle = len(rows) // 2
            halves = rows[:middle], rows[middle:]
            self._queue.requeue(*(self._queue.narrow(request, half) for half in halves))


def _when_to_send_again(seconds: float | None) -> str:
    if not seconds:
        return ""
    until = datetime.now().astimezone() + timedelta(seconds=min(seconds, _YEAR))
    return f"; send again after {until.isoformat(sep=' ', timespec='seconds')}"
