"""What is to be posted next: fresh requests, requests that go again, and a few rows first where there is a canary."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from d7nb.delivery.mailing import Batch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d7nb.delivery.outcomes import OutcomeTable
    from d7nb.delivery.sending.requests import RequestBuilder


class Canary(NamedTuple):
    """A few rows that go first, and tell whether the rest should.

    Attributes:
        rows: How many.
        stop_if: The share of them that may come to nothing; if it is more, the rest stays.
    """

    rows: int
    stop_if: float


class PendingRequest(NamedTuple):
    """A request to be made.

    Attributes:
        batch: Its rows.
        body: Its JSON.
        tries: How often it was tried already.
    """

    batch: Batch
    body: bytes
    tries: int = 0


class Queue:
    """The requests of one send, in the order in which they go.

    Args:
        packer: Makes the bodies.
        rows: Positions of the rows that are to go.
        batch_size: How many recipients a request may carry.
        canary: What goes first, where something does.
    """

    def __init__(self, packer: RequestBuilder, rows: np.ndarray, batch_size: int, canary: Canary | None) -> None:
        self._packer = packer
        self._batch_size = batch_size
        self._canary = canary
        first = min(canary.rows, len(rows)) if canary else len(rows)
        self._first, self._rest = rows[:first], rows[first:]
        self._fresh = self._packed(self._first)
        self._again: deque[PendingRequest] = deque()

    def _packed(self, rows: np.ndarray) -> Iterator[tuple[Batch, bytes]]:
        return self._packer.bodies(self._packer.batches(rows, self._batch_size))

    def take(self) -> PendingRequest | None:
        """The next request; None where there is none, or none before the canary's rows have their outcomes."""
        if self._again:
            return self._again.popleft()
        fresh = next(self._fresh, None)
        return PendingRequest(*fresh) if fresh else None

    def requeue(self, *works: PendingRequest) -> None:
        """Put requests before all others, in this order."""
        self._again.extendleft(reversed(works))

    def part(self, work: PendingRequest, rows: np.ndarray) -> PendingRequest:
        """A request like another, with some of its rows, and not tried yet."""
        batch = Batch(rows, work.batch.originator)
        return PendingRequest(batch, self._packer.body(batch))

    def open_rest(self, outcomes: OutcomeTable) -> str | None:
        """Let the rest go after the canary, if its rows came to enough good.

        Args:
            outcomes: The books; every request taken so far has its outcome in them.

        Returns:
            None where nothing waits; else why the rest must stay, or the empty string where it may go, or where more
            rows must take the place of some that were not tried.
        """
        if self._canary is None or not len(self._rest):
            return None
        good, bad, doubtful = (
            int(np.isin(outcomes.rows_with(word), self._first).sum()) for word in ("accepted", "rejected", "unknown")
        )
        failed, tried = bad + doubtful, good + bad + doubtful
        short = self._canary.rows - tried
        if short > 0:  # some were skipped, or are another run's
            more, self._rest = self._rest[:short], self._rest[short:]
            self._first, self._fresh = np.concatenate([self._first, more]), self._packed(more)
        elif failed > self._canary.stop_if * tried:
            most = f"stop_if={self._canary.stop_if:g}"
            return f"of the first {tried:,} rows, {failed:,} were not accepted, and {most} allows no more"
        else:
            self._fresh, self._rest = self._packed(self._rest), self._rest[:0]
        return ""
