"""When which message comes to which stage, and the thread that posts an event then, though nobody looks."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from heapq import heappop, heappush
from itertools import count
from threading import Condition, Lock, Thread
from typing import TYPE_CHECKING, NamedTuple

from d7nb.sandbox.events.local_http import ELSEWHERE, local_target
from d7nb.sandbox.events.shapes import delivery_event
from d7nb.sandbox.events.webhooks import Event
from d7nb.sandbox.responses import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from d7nb.sandbox.events.webhooks import EventRow, WebhookSender
    from d7nb.sandbox.state import ReceivedRequest, State

_LONGEST_NAP = 30.0  # seconds, since somebody may put the machine's clock right meanwhile
_BREATH = 0.0005  # seconds after each stage: the API's thread comes first, or a send waits for its turn many times


class Entry(NamedTuple):
    """One stage of a request; the first to come sorts first."""

    due: float  # seconds after 1970
    number: int  # in the order of notes, so that nothing behind it is compared
    seconds: float  # of the stage, after the request went out
    taken_in: ReceivedRequest
    callback_url: str | None  # at the time the request came in


class EventScheduler:
    """The stages to come, by the sandbox's clock. Any thread may call any method; `add` never waits for a receiver.

    The thread begins with the first request whose events have somewhere to go.
    """

    def __init__(
        self,
        state: State,
        poster: WebhookSender,
        shape: Callable[[dict[str, Any]], dict[str, Any]],
        encode: Callable[[dict[str, Any]], bytes],
    ) -> None:
        self.callback_url: str | None = None  # for messages without a report_url, as D7's dashboard has one
        self._state, self._poster, self._shape, self._encode = state, poster, shape, encode
        self._changed = Condition()
        self._due: list[Entry] = []
        self._elsewhere: list[
            ReceivedRequest
        ] = []  # those that go to nobody: their events are made when somebody looks
        self._numbers = count()
        self._handing = Lock()
        self._thread: Thread | None = None
        self._closed = False

    def add(self, taken_in: ReceivedRequest, report_urls: set[str | None]) -> None:
        """Note the stages of a request, by the addresses of its messages."""
        callback_url = self.callback_url
        urls = {url or callback_url for url in report_urls} - {None}
        if not urls:
            return
        with self._changed:
            if not any(url and local_target(url) for url in urls):
                self._elsewhere.append(taken_in)
                return
            for entry in self._entries(taken_in, callback_url):
                heappush(self._due, entry)
            if self._thread is None and not self._closed:
                self._thread = Thread(target=self._watch, name="d7nb sandbox agenda", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def hand_over(self, breath: float = 0.0) -> None:
        """Give the events that are due to the poster, in the order of their times."""
        with self._handing:
            while (entry := self._next_due()) is not None:
                self._poster.post(self._events(entry))
                if breath:
                    time.sleep(breath)
        with self._changed:
            self._changed.notify_all()  # the clock may have been moved: what is next is due sooner

    def rows(self) -> list[EventRow]:
        """Every event that was due, in the order of their times."""
        with self._changed:
            elsewhere = list(self._elsewhere)
        now = self._state.now().timestamp()
        entries = [entry for taken_in in elsewhere for entry in self._entries(taken_in, None) if entry.due <= now]
        events = [event for entry in entries for event in self._events(entry)]
        for event in events:
            event.answer = ELSEWHERE
        return sorted(self._poster.rows() + [event.row() for event in events], key=lambda row: row.at)

    def forget(self) -> None:
        """Forget all stages and events: nothing that was noted is due any more."""
        with self._handing:
            with self._changed:
                self._due.clear()
                self._elsewhere.clear()
            self._poster.forget()

    def close(self) -> None:
        """End the thread; what was due by then is handed over."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
        self.hand_over()

    def _entries(self, taken_in: ReceivedRequest, callback_url: str | None) -> list[Entry]:
        went_at = taken_in.goes_at.timestamp()
        return [
            Entry(went_at + seconds, next(self._numbers), seconds, taken_in, callback_url)
            for seconds in sorted(self._state.stage_times(taken_in))
        ]

    def _next_due(self) -> Entry | None:
        with self._changed:
            if not self._due or self._due[0].due > self._state.now().timestamp():
                return None
            return heappop(self._due)

    def _events(self, entry: Entry) -> list[Event]:
        events, taken_in = [], entry.taken_in
        at = timestamp(datetime.fromtimestamp(entry.due, UTC))
        for one, status, reason in self._state.reached(taken_in, entry.seconds):
            url = one.message.report_url or entry.callback_url
            if url is None:
                continue
            body = b""
            if local_target(url) is not None:
                event = delivery_event(taken_in.request_id, one, status, reason, seconds=entry.due, shape=self._shape)
                body = self._encode(event)
            msg_id, recipient = one.named["msg_id"], one.message.recipient
            events.append(Event(taken_in.request_id, msg_id, recipient, status, at, url, body))
        return events

    def _watch(self) -> None:
        while True:
            self.hand_over(_BREATH)
            with self._changed:
                if self._closed:
                    return
                wait = self._due[0].due - self._state.now().timestamp() if self._due else None
                if wait is None or wait > 0:
                    self._changed.wait(None if wait is None else min(wait, _LONGEST_NAP))
