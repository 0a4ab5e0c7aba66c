"""The queue of one send: requests to try again come first, then new ones; a canary holds back all other rows."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from d7nb.delivery.mailing import Batch
from d7nb.display.text import plural
from d7nb.hints import Hint, Option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d7nb.delivery.outcomes import OutcomeTable
    from d7nb.delivery.sending.requests import RequestBuilder


class Canary(NamedTuple):
    """A few rows that are sent first, to find out whether the others should follow.

    Attributes:
        rows: The number of rows.
        stop_if: The share of them that may be rejected or unknown; with more, the other rows are not sent.
    """

    rows: int
    stop_if: float


class PendingRequest(NamedTuple):
    """A request that is ready to be posted.

    Attributes:
        batch: Its rows and originator.
        body: Its JSON.
        tries: The number of times it was posted before.
    """

    batch: Batch
    body: bytes
    tries: int = 0


class Queue:
    """The requests of one send, in the order in which they are posted.

    Args:
        builder: Makes the request bodies.
        rows: Positions of the rows to send.
        batch_size: The most recipients in one request.
        canary: The rows to send first; None to send all rows at once.
    """

    def __init__(self, builder: RequestBuilder, rows: np.ndarray, batch_size: int, canary: Canary | None) -> None:
        self._builder = builder
        self._batch_size = batch_size
        self._canary = canary
        first = min(canary.rows, len(rows)) if canary else len(rows)
        self._canary_rows, self._held_back = rows[:first], rows[first:]
        self._new = self._build(self._canary_rows)
        self._requeued: deque[PendingRequest] = deque()

    def _build(self, rows: np.ndarray) -> Iterator[tuple[Batch, bytes]]:
        return self._builder.bodies(self._builder.batches(rows, self._batch_size))

    def next(self) -> PendingRequest | None:
        """Return the next request; None where the queue is empty or holds only rows behind the canary."""
        if self._requeued:
            return self._requeued.popleft()
        new = next(self._new, None)
        return PendingRequest(*new) if new else None

    def requeue(self, *requests: PendingRequest) -> None:
        """Put requests in front of all others, in this order."""
        self._requeued.extendleft(reversed(requests))

    def narrow(self, request: PendingRequest, rows: np.ndarray) -> PendingRequest:
        """Make a new request of some rows of another one."""
        batch = Batch(rows, request.batch.originator)
        return PendingRequest(batch, self._builder.body(batch))

    @property
    def waits_for_canary(self) -> bool:
        """Whether rows are held back until the canary's outcomes are known."""
        return len(self._held_back) > 0

    def judge_canary(self, outcomes: OutcomeTable) -> str:
        """Release the rows behind the canary if enough of its rows were accepted.

        Canary rows that were not tried, because they were skipped or another run has them, are replaced by further
        rows; these have to be judged again.

        Args:
            outcomes: The outcomes so far; every request that `next` returned must have one.

        Returns:
            Why the other rows must not be sent; empty where the send goes on.
        """
        if self._canary is None:
            return ""
        accepted, rejected, unknown = (
            int(np.isin(outcomes.rows_with(outcome), self._canary_rows).sum())
            for outcome in ("accepted", "rejected", "unknown")
        )
        failed, tried = rejected + unknown, accepted + rejected + unknown
        missing = self._canary.rows - tried
        if missing > 0:
            more, self._held_back = self._held_back[:missing], self._held_back[missing:]
            self._canary_rows, self._new = np.concatenate([self._canary_rows, more]), self._build(more)
        elif failed > self._canary.stop_if * tried:
            failures = f"D7 did not accept {failed:,} of the first {plural(tried, 'row')}, more than "
            return Hint(failures, Option("stop_if", self._canary.stop_if), " allows")
        else:
            self._new, self._held_back = self._build(self._held_back), self._held_back[:0]
        return ""
