"""Posting events in the background: to each receiver, until it takes them or has refused them often enough.

Whether and how D7 repeats an event is not documented. Invented: a few more tries with growing pauses after anything but
a 2xx. The events of one message come in their order, unless one has to be tried again; then others overtake it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from threading import Condition, Thread
from typing import TYPE_CHECKING, Annotated, NamedTuple
from zlib import crc32

from pydantic import Field, TypeAdapter, ValidationError

from d7nb.errors import SandboxError
from d7nb.sandbox.events.local_http import ELSEWHERE, Line, local_target

if TYPE_CHECKING:
    from collections.abc import Iterable

PAUSES = (0.5, 2.0, 8.0)  # seconds before the second try, the third, the fourth
_WORKERS = 8
_TIMEOUT = 10.0  # seconds for an answer


_PAUSES: TypeAdapter[tuple[float, ...]] = TypeAdapter(
    tuple[Annotated[float, Field(ge=0, le=86400, allow_inf_nan=False)], ...]
)


def read_pauses(pauses: object) -> tuple[float, ...]:
    """The seconds before each further try.

    Raises:
        SandboxError: If they are no seconds.
    """
    try:
        return _PAUSES.validate_python(pauses)
    except ValidationError:
        raise SandboxError(
            "event_pauses= should be seconds, a day at most, such as (0.5, 2, 8); or () for no further try"
        ) from None


class EventRow(NamedTuple):
    """What became of one event: a row of `Sandbox.events`."""

    request_id: str
    msg_id: str
    recipient: str
    status: str
    at: str
    url: str
    answer: str | None
    tries: int


@dataclass(slots=True, eq=False, repr=False)
class Event:
    """One event on its way."""

    request_id: str
    msg_id: str
    recipient: str
    status: str
    at: str
    url: str
    body: bytes
    answer: str | None = None  # the latest
    tries: int = 0

    def row(self) -> EventRow:
        """How it stands."""
        return EventRow(
            self.request_id, self.msg_id, self.recipient, self.status, self.at, self.url, self.answer, self.tries
        )


class WebhookSender:
    """Some threads that post events, begun when there is one to post. Any thread may call any method."""

    def __init__(self, content_type: str, pauses: tuple[float, ...] = PAUSES) -> None:
        self._content_type, self._pauses = content_type, pauses
        self._changed = Condition()
        self._events: list[Event] = []
        self._left = 0  # of them, those that are under way
        self._round = 0  # counts how often all was forgotten
        self._workers: list[_Worker] = []
        self._closed = False

    def post(self, events: Iterable[Event]) -> None:
        """Take events over, and return at once."""
        shares: list[list[Event]] = [[] for _ in range(_WORKERS)]
        with self._changed:
            for event in events:
                self._events.append(event)
                if local_target(event.url) is None:
                    event.answer = ELSEWHERE
                elif self._closed:
                    event.answer = _left_by_closing(event)
                else:
                    shares[crc32(event.msg_id.encode()) % _WORKERS].append(event)
            if any(shares) and not self._workers:
                self._workers = [_Worker(self, self._content_type) for _ in range(_WORKERS)]
            self._left += sum(map(len, shares))
            for worker, share in zip(self._workers, shares, strict=False):
                worker.take(self._round, share)

    def wait(self, timeout: float) -> int:
        """Wait until every event was taken, or given up. How many are left."""
        with self._changed:
            self._changed.wait_for(lambda: self._left == 0, timeout)
            return self._left

    def rows(self) -> list[EventRow]:
        """Every event that was taken over, in that order."""
        with self._changed:
            return [event.row() for event in self._events]

    def forget(self) -> None:
        """Forget every event; what waits is not posted any more."""
        with self._changed:
            self._events, self._left, self._round = [], 0, self._round + 1
            self._changed.notify_all()

    def close(self) -> None:
        """End the threads. What was not taken by then says so."""
        with self._changed:
            self._closed = True
            workers = self._workers
        for worker in workers:
            worker.stop()
        for worker in workers:
            worker.join()
        with self._changed:
            self._left = 0
            self._changed.notify_all()

    def tried(self, round_: int, event: Event, *, taken: bool) -> float | None:
        """Take down a try. The pause before the next one; None if there is none."""
        with self._changed:
            if round_ != self._round:
                return None
            if not taken and event.tries <= len(self._pauses):
                return self._pauses[event.tries - 1]
            event.body = b""  # a long day has many
            self._left -= 1
            if not self._left:
                self._changed.notify_all()
            return None

    def wants(self, round_: int) -> bool:
        """Whether events of this round are still to be posted."""
        return round_ == self._round


@dataclass(order=True, slots=True)
class _Job:
    ready_at: float
    number: int
    round: int = field(compare=False)
    event: Event = field(compare=False, repr=False)


class _Worker(Thread):
    """Posts its share of the messages' events."""

    def __init__(self, poster: WebhookSender, content_type: str) -> None:
        super().__init__(name="d7nb sandbox events", daemon=True)
        self._poster, self._content_type = poster, content_type
        self._line = Line(_TIMEOUT)
        self._jobs: list[_Job] = []
        self._numbers = count()
        self._woken = Condition()
        self._stopped = False
        self.start()

    def take(self, round_: int, events: Iterable[Event], pause: float = 0.0) -> None:
        """Post these after a while."""
        with self._woken:
            ready_at = time.monotonic() + pause
            for event in events:
                heappush(self._jobs, _Job(ready_at, next(self._numbers), round_, event))
            self._woken.notify()

    def stop(self) -> None:
        """End it in the midst of whatever it does."""
        with self._woken:
            self._stopped = True
            self._woken.notify()
        self._line.hang_up()

    def run(self) -> None:
        while (job := self._next()) is not None:
            event = job.event
            if not self._poster.wants(job.round):
                continue
            answer = self._line.post(event.url, event.body, self._content_type)
            event.answer, event.tries = answer.words, event.tries + 1
            pause = self._poster.tried(job.round, event, taken=answer.taken)
            if pause is not None:
                self.take(job.round, [event], pause)
        self._line.close()
        for job in self._jobs:
            job.event.answer = _left_by_closing(job.event)

    def _next(self) -> _Job | None:
        with self._woken:
            while not self._stopped:
                pause = self._jobs[0].ready_at - time.monotonic() if self._jobs else None
                if pause is not None and pause <= 0:
                    return heappop(self._jobs)
                self._woken.wait(pause)
        return None


def _left_by_closing(event: Event) -> str:
    said = f"{event.answer}; then" if event.answer else "not posted:"
    return f"{said} the sandbox was closed"
