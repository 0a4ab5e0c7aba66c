"""The posting of events in background threads, with retries.

Whether D7 repeats an event is not documented. The sandbox's own choice: after anything but a 2xx, a few retries with
growing pauses. The events of a message are posted in order, but others overtake one that is retried.
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
from d7nb.sandbox.events.local_http import NOT_LOCAL, LocalHttpClient, local_target

if TYPE_CHECKING:
    from collections.abc import Iterable

RETRY_PAUSES = (0.5, 2.0, 8.0)  # seconds before the second attempt, the third, the fourth
_WORKERS = 8
_TIMEOUT = 10.0  # seconds for an answer


_PAUSES: TypeAdapter[tuple[float, ...]] = TypeAdapter(
    tuple[Annotated[float, Field(ge=0, le=86400, allow_inf_nan=False)], ...]
)


def parse_pauses(pauses: object) -> tuple[float, ...]:
    """Validate the seconds before each retry.

    Raises:
        SandboxError: They are not seconds.
    """
    try:
        return _PAUSES.validate_python(pauses)
    except ValidationError:
        raise SandboxError(
            "event_pauses= should be seconds, at most 86400 (a day), such as (0.5, 2, 8), or () for no retries"
        ) from None


class EventRow(NamedTuple):
    """A row of `Sandbox.events`."""

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
    """An event and the result of posting it."""

    request_id: str
    msg_id: str
    recipient: str
    status: str
    at: str
    url: str
    body: bytes
    answer: str | None = None  # of the latest attempt
    tries: int = 0

    def as_row(self) -> EventRow:
        """Return its present state as a row."""
        return EventRow(
            self.request_id, self.msg_id, self.recipient, self.status, self.at, self.url, self.answer, self.tries
        )


class WebhookSender:
    """The threads that post events, started with the first event. Any thread may call any method."""

    def __init__(self, content_type: str, pauses: tuple[float, ...] = RETRY_PAUSES) -> None:
        self._content_type, self._pauses = content_type, pauses
        self._changed = Condition()
        self._events: list[Event] = []
        self._open_count = 0  # events that are neither accepted nor given up
        self._generation = 0  # the number of times that all events were removed
        self._workers: list[_Worker] = []
        self._closed = False

    def post(self, events: Iterable[Event]) -> None:
        """Queue events and return at once."""
        shares: list[list[Event]] = [[] for _ in range(_WORKERS)]
        with self._changed:
            for event in events:
                self._events.append(event)
                if local_target(event.url) is None:
                    event.answer = NOT_LOCAL
                elif self._closed:
                    event.answer = _answer_of_closed(event)
                else:
                    shares[crc32(event.msg_id.encode()) % _WORKERS].append(event)
            if any(shares) and not self._workers:
                self._workers = [_Worker(self, self._content_type) for _ in range(_WORKERS)]
            self._open_count += sum(map(len, shares))
            for worker, share in zip(self._workers, shares, strict=False):
                worker.enqueue(self._generation, share)

    def wait(self, timeout: float) -> None:
        """Wait until every event is accepted or given up.

        Raises:
            SandboxError: Some are not after so many seconds.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._open_count == 0, timeout)
            open_count = self._open_count
        if open_count:
            events = "event is" if open_count == 1 else "events are"
            raise SandboxError(
                f"{open_count} {events} still under way after {timeout:g} seconds: "
                "look at the answers in sandbox.events, or give a longer timeout="
            )

    def rows(self) -> list[EventRow]:
        """Return a row for every event, in the order in which they were queued."""
        with self._changed:
            return [event.as_row() for event in self._events]

    def clear(self) -> None:
        """Remove all events; those that wait are not posted any more."""
        with self._changed:
            self._events, self._open_count, self._generation = [], 0, self._generation + 1
            self._changed.notify_all()

    def close(self) -> None:
        """Stop the threads; the answer of an event that is still open says so."""
        with self._changed:
            self._closed = True
            workers = self._workers
        for worker in workers:
            worker.stop()
        for worker in workers:
            worker.join()
        with self._changed:
            self._open_count = 0
            self._changed.notify_all()

    def finish_attempt(self, generation: int, event: Event, *, accepted: bool) -> float | None:
        """Note an attempt, and return the seconds before the next one, or None if there is no next one."""
        with self._changed:
            if generation != self._generation:
                return None
            if not accepted and event.tries <= len(self._pauses):
                return self._pauses[event.tries - 1]
            event.body = b""  # a long run has many events
            self._open_count -= 1
            if not self._open_count:
                self._changed.notify_all()
            return None

    def is_current(self, generation: int) -> bool:
        """Return whether the events of a generation have not been removed."""
        return generation == self._generation


@dataclass(order=True, slots=True)
class _Job:
    """An attempt to post an event, ordered by its time."""

    start_at: float
    number: int
    generation: int = field(compare=False)
    event: Event = field(compare=False, repr=False)


class _Worker(Thread):
    """A thread that posts the events of its share of the messages."""

    def __init__(self, sender: WebhookSender, content_type: str) -> None:
        super().__init__(name="d7nb sandbox events", daemon=True)
        self._sender, self._content_type = sender, content_type
        self._client = LocalHttpClient(_TIMEOUT)
        self._jobs: list[_Job] = []
        self._numbers = count()
        self._changed = Condition()
        self._stopped = False
        self.start()

    def enqueue(self, generation: int, events: Iterable[Event], pause: float = 0.0) -> None:
        """Post events after a pause."""
        with self._changed:
            start_at = time.monotonic() + pause
            for event in events:
                heappush(self._jobs, _Job(start_at, next(self._numbers), generation, event))
            self._changed.notify()

    def stop(self) -> None:
        """Stop at once, in the middle of a post if need be."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._client.abort()

    def run(self) -> None:
        while (job := self._next_job()) is not None:
            event = job.event
            if not self._sender.is_current(job.generation):
                continue
            result = self._client.post(event.url, event.body, self._content_type)
            event.answer, event.tries = result.answer, event.tries + 1
            pause = self._sender.finish_attempt(job.generation, event, accepted=result.accepted)
            if pause is not None:
                self.enqueue(job.generation, [event], pause)
        self._client.close()
        for job in self._jobs:
            job.event.answer = _answer_of_closed(job.event)

    def _next_job(self) -> _Job | None:
        with self._changed:
            while not self._stopped:
                pause = self._jobs[0].start_at - time.monotonic() if self._jobs else None
                if pause is not None and pause <= 0:
                    return heappop(self._jobs)
                self._changed.wait(pause)
        return None


def _answer_of_closed(event: Event) -> str:
    before = f"{event.answer}; then" if event.answer else "not posted:"
    return f"{before} the sandbox was closed"
