"""When which message comes to which stage, and the thread that posts an event then, though nobody looks."""

from __future__ import annotations

from datetime import UTC, datetime
from heapq import heappop, heappush
from itertools import count
from threading import Condition, Lock, Thread
from typing import TYPE_CHECKING

from d7nb.sandbox.answers import timestamp
from d7nb.sandbox.events import delivery_event
from d7nb.sandbox.posting import Event

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from d7nb.sandbox.posting import Poster
    from d7nb.sandbox.state import State, TakenIn

_LONGEST_NAP = 30.0  # seconds, since somebody may put the machine's clock right meanwhile


class Agenda:
    """The stages to come, by the sandbox's clock. Any thread may call any method; `add` never waits for a receiver.

    The thread begins with the first request whose events have somewhere to go.
    """

    def __init__(
        self,
        state: State,
        poster: Poster,
        shape: Callable[[dict[str, Any]], dict[str, Any]],
        encode: Callable[[dict[str, Any]], bytes],
    ) -> None:
        self.callback_url: str | None = None  # for messages without a report_url, as D7's dashboard has one
        self._state, self._poster, self._shape, self._encode = state, poster, shape, encode
        self._changed = Condition()
        self._due: list[tuple[float, int, float, TakenIn]] = []  # when, a running number, the stage's seconds, whose
        self._numbers = count()
        self._handing = Lock()
        self._thread: Thread | None = None
        self._closed = False

    def add(self, taken_in: TakenIn, *, reports: bool) -> None:
        """Note the stages of a request.

        Args:
            taken_in: The request.
            reports: Whether a message of it has a `report_url`.
        """
        if not reports and self.callback_url is None:
            return
        went_at = taken_in.goes_at.timestamp()
        with self._changed:
            for seconds in self._state.stage_times(taken_in):
                heappush(self._due, (went_at + seconds, next(self._numbers), seconds, taken_in))
            if self._thread is None and not self._closed:
                self._thread = Thread(target=self._watch, name="d7nb sandbox agenda", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def hand_over(self) -> None:
        """Give the events that are due to the poster, in the order of their times."""
        with self._handing:
            while (entry := self._next_due()) is not None:
                due, _, seconds, taken_in = entry
                self._poster.post(self._events(taken_in, seconds, due))

    def forget(self) -> None:
        """Forget all stages and events: nothing that was noted is due any more."""
        with self._handing:
            with self._changed:
                self._due.clear()
            self._poster.forget()

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _next_due(self) -> tuple[float, int, float, TakenIn] | None:
        with self._changed:
            if not self._due or self._due[0][0] > self._state.now().timestamp():
                return None
            return heappop(self._due)

    def _events(self, taken_in: TakenIn, seconds: float, due: float) -> list[Event]:
        events, at = [], timestamp(datetime.fromtimestamp(due, UTC))
        for one, status, reason in self._state.reached(taken_in, seconds):
            url = one.message.report_url or self.callback_url
            if url is not None:
                event = delivery_event(taken_in.request_id, one, status, reason, seconds=due, shape=self._shape)
                named = one.named
                events.append(
                    Event(
                        taken_in.request_id, named["msg_id"], named["recipient"], status, at, url, self._encode(event)
                    )
                )
        return events

    def _watch(self) -> None:
        while True:
            self.hand_over()
            with self._changed:
                if self._closed:
                    return
                wait = self._due[0][0] - self._state.now().timestamp() if self._due else None
                if wait is None or wait > 0:
                    self._changed.wait(None if wait is None else min(wait, _LONGEST_NAP))
