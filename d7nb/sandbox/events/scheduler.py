"""The schedule of delivery events: which message reaches which stage when, and the thread that posts its event then."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from heapq import heappop, heappush
from itertools import count
from threading import Condition, Lock, Thread
from typing import TYPE_CHECKING, NamedTuple

from d7nb.errors import SandboxError
from d7nb.sandbox.events.local_http import NOT_LOCAL, local_target
from d7nb.sandbox.events.shapes import EVENT_SHAPES, FORMATS, delivery_event
from d7nb.sandbox.events.webhooks import Event, WebhookSender, parse_pauses
from d7nb.sandbox.options import choose
from d7nb.sandbox.responses import format_time

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from d7nb.sandbox.events.webhooks import EventRow
    from d7nb.sandbox.state import ReceivedRequest, State

_MAX_WAIT = 30.0  # seconds, because the machine's clock may be corrected meanwhile
_STAGE_PAUSE = 0.0005  # seconds after each stage, so that the API's thread gets its turn at once


class ScheduledStage(NamedTuple):
    """A stage that messages of a request will reach, ordered by its time."""

    due_at: float  # seconds since 1970
    number: int  # in the order of scheduling; with it, no later field is compared
    stage_seconds: float  # after the request was sent
    request: ReceivedRequest
    callback_url: str | None  # as it was when the request came in


class EventScheduler:
    """The stages to come, by the sandbox's clock. Any thread may call any method; `add` never waits for a receiver.

    Its thread starts with the first request that has events for a receiver on this machine.

    Args:
        state: The requests and their messages.
        sender: Posts the events.
        shape: Places the reference keys in an event.
        encode: Encodes an event.
    """

    def __init__(
        self,
        state: State,
        sender: WebhookSender,
        shape: Callable[[dict[str, Any]], dict[str, Any]],
        encode: Callable[[dict[str, Any]], bytes],
    ) -> None:
        self.callback_url: str | None = None  # for messages without a report_url, as in D7's dashboard
        self._state, self._sender, self._shape, self._encode = state, sender, shape, encode
        self._changed = Condition()
        self._stages: list[ScheduledStage] = []
        self._unposted: list[ReceivedRequest] = []  # all their receivers are elsewhere; `rows` computes their events
        self._numbers = count()
        self._posting = Lock()
        self._thread: Thread | None = None
        self._closed = False

    def set_callback_url(self, url: str | None) -> None:
        """Set the URL for the events of later messages without a report_url.

        Raises:
            SandboxError: The URL is not on this machine.
        """
        if url is not None and local_target(url) is None:
            raise SandboxError(
                "callback_url= is not on this machine, and the sandbox posts only to this machine: give one such as "
                "http://127.0.0.1:8000/"
            )
        self.callback_url = url

    def add(self, request: ReceivedRequest, report_urls: set[str | None]) -> None:
        """Schedule the stages of a request, given the report URLs of its messages."""
        callback_url = self.callback_url
        urls = {report_url or callback_url for report_url in report_urls} - {None}
        if not urls:
            return
        with self._changed:
            if not any(url and local_target(url) for url in urls):
                self._unposted.append(request)
                return
            for stage in self._stages_of(request, callback_url):
                heappush(self._stages, stage)
            if self._thread is None and not self._closed:
                self._thread = Thread(target=self._post_until_closed, name="d7nb sandbox scheduler", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def post_due(self, pause: float = 0.0) -> None:
        """Hand the events that are due to the sender, in the order of their times, with a pause after each stage."""
        with self._posting:
            while (stage := self._pop_due()) is not None:
                self._sender.post(self._events_of(stage))
                if pause:
                    time.sleep(pause)
        with self._changed:
            self._changed.notify_all()  # the clock may have been moved: the next stage is due sooner

    def flush(self, timeout: float) -> None:
        """Wait until every event that is due is accepted or given up.

        Raises:
            SandboxError: Some are not after so many seconds.
        """
        self.post_due()
        self._sender.wait(timeout)

    def rows(self) -> list[EventRow]:
        """Return a row for every event that was due, in the order of their times."""
        with self._changed:
            unposted = list(self._unposted)
        now = self._state.now().timestamp()
        stages = [stage for request in unposted for stage in self._stages_of(request, None) if stage.due_at <= now]
        events = [event for stage in stages for event in self._events_of(stage)]
        for event in events:
            event.answer = NOT_LOCAL
        return sorted(self._sender.rows() + [event.as_row() for event in events], key=lambda row: row.at)

    def clear(self) -> None:
        """Remove all stages and events."""
        with self._posting:
            with self._changed:
                self._stages.clear()
                self._unposted.clear()
            self._sender.clear()

    def close(self) -> None:
        """Stop all threads; `rows` then has every event that was due, whether it was posted or not."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
        self.post_due()
        self._sender.close()

    def _stages_of(self, request: ReceivedRequest, callback_url: str | None) -> list[ScheduledStage]:
        sent_at = request.send_at.timestamp()
        return [
            ScheduledStage(sent_at + seconds, next(self._numbers), seconds, request, callback_url)
            for seconds in sorted(self._state.stage_times(request))
        ]

    def _pop_due(self) -> ScheduledStage | None:
        with self._changed:
            if not self._stages or self._stages[0].due_at > self._state.now().timestamp():
                return None
            return heappop(self._stages)

    def _events_of(self, stage: ScheduledStage) -> list[Event]:
        events, request_id = [], stage.request.request_id
        at = format_time(datetime.fromtimestamp(stage.due_at, UTC))
        for stored, status, reason in self._state.messages_at_stage(stage.request, stage.stage_seconds):
            url = stored.message.report_url or stage.callback_url
            if url is None:
                continue
            body = b""
            if local_target(url) is not None:
                event = delivery_event(request_id, stored, status, reason, timestamp=stage.due_at, shape=self._shape)
                body = self._encode(event)
            msg_id, recipient = stored.report_fields["msg_id"], stored.message.recipient
            events.append(Event(request_id, msg_id, recipient, status, at, url, body))
        return events

    def _post_until_closed(self) -> None:
        while True:
            self.post_due(_STAGE_PAUSE)
            with self._changed:
                if self._closed:
                    return
                seconds = self._stages[0].due_at - self._state.now().timestamp() if self._stages else None
                if seconds is None or seconds > 0:
                    self._changed.wait(None if seconds is None else min(seconds, _MAX_WAIT))


def build_scheduler(state: State, shape: str, event_format: str, pauses: object) -> EventScheduler:
    """Build the scheduler and its sender from the sandbox's options.

    Args:
        state: The requests and their messages.
        shape: A name of `EVENT_SHAPES`.
        event_format: A name of `FORMATS`.
        pauses: Seconds before each retry.

    Raises:
        SandboxError: An option is invalid.
    """
    content_type, encode = choose("event_format", event_format, FORMATS)
    if shape == "nested" and event_format == "form":
        raise SandboxError("events='nested' needs event_format='json': a form can't hold nested fields")
    sender = WebhookSender(content_type, parse_pauses(pauses))
    return EventScheduler(state, sender, choose("events", shape, EVENT_SHAPES), encode)
