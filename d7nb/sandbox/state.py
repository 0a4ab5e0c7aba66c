"""The requests that the sandbox accepted, and the statuses and reports of their messages as time passes.

Not documented, and so the sandbox's own choice: that `request_stage` is `scheduled` until the time of a scheduled
request, and what the type of a conversation depends on. The statuses are in `lifecycle.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from secrets import randbits
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from d7nb.errors import SandboxError
from d7nb.sandbox.lifecycle import SCHEDULED, STATUS_LIFE, WINDOW, parse_life, parse_script, status_at
from d7nb.sandbox.responses import format_time
from d7nb.sandbox.schema.request import REFERENCE_KEYS, digits, parse_number, parse_schedule_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from d7nb.sandbox.inbox import Inbox
    from d7nb.sandbox.lifecycle import Life, ScriptedLife, Stage
    from d7nb.sandbox.schema.request import RecipientMessage, RequestReader, SendRequest

# 100 ns steps from the Gregorian reform, where UUIDs of version 1 begin to count, to 1970.
_UUID_EPOCH = 0x01B21DD213814000
_CACHED_REQUESTS = 64  # parsed requests that are cached for events and repeated reports


class Row(NamedTuple):
    """A row of `Sandbox.messages`: one message to one recipient, and its status."""

    request_id: str
    msg_id: str
    originator: str
    recipient: str
    message_type: str
    content: dict[str, Any]
    reference: dict[str, str]
    status: str
    reason: str | None
    report_url: str | None
    schedule_time: str | None
    created_at: str
    warnings: list[str]


class StoredMessage(NamedTuple):
    """A message to one recipient, without its status."""

    message: RecipientMessage
    report_fields: dict[str, Any]  # its fields in a report
    scripted_life: ScriptedLife | None


class LastMessage(NamedTuple):
    """The originator and report_url of the latest message to a number."""

    originator: str
    report_url: str | None


@dataclass(frozen=True, slots=True, eq=False)
class ReceivedRequest:
    """An accepted request. It stores the bytes, which are parsed into messages when they are asked for."""

    request_id: str
    body: bytes = field(repr=False)
    message_count: int
    first_number: int  # the running number of its first message
    created_at: datetime
    send_at: datetime
    schedule_time: str | None
    scripted_lives: Mapping[int, ScriptedLife] = field(repr=False)  # by the message's position in the request


class State:
    """The accepted requests in order of arrival. Any thread may call any method.

    A message's status is computed from its age on a clock that `advance` can move; nothing runs in the background. A
    script applies to the messages that come after it.

    Args:
        reader: The parser of requests.
        life: The usual stages of a message.
        scripts: The scripts of some numbers from the beginning.
        inbox: Where customers' messages are, if free-form messages fail outside of the 24 hours after one of them.
    """

    def __init__(
        self,
        reader: RequestReader,
        life: Sequence[Stage] = STATUS_LIFE,
        scripts: Mapping[str, str | Sequence[Stage]] | None = None,
        inbox: Inbox | None = None,
    ) -> None:
        self._reader = reader
        self._life = parse_life(life)
        self._initial_scripts = {
            parse_number(number): parse_script(script, self._life) for number, script in (scripts or {}).items()
        }
        self._scripts = dict(self._initial_scripts)
        self._inbox = inbox
        self._window_closed = parse_script("window_closed", self._life)
        self._lock = Lock()
        self._requests: dict[str, ReceivedRequest] = {}
        self._last_messages: dict[str, LastMessage] = {}  # by the recipient's digits
        self._clock_offset = timedelta()
        self._next_number = 0
        self._cached_messages = lru_cache(_CACHED_REQUESTS)(self._parse_messages)
        # The parts of a UUID version 1 that stay the same: the node, and when it began.
        self._uuid_node = f"{randbits(14) | 0x8000:04x}-{randbits(48) | 0x010000000000:012x}"
        self._uuid_start = _UUID_EPOCH + int(datetime.now(UTC).timestamp() * 10_000_000)

    def now(self) -> datetime:
        """Return the time of the sandbox's clock."""
        return datetime.now(UTC) + self._clock_offset

    def advance(self, step: timedelta) -> None:
        """Move the clock forward."""
        if step < timedelta():
            raise SandboxError("the sandbox's clock only moves forward")
        with self._lock:
            try:
                datetime.now(UTC) + self._clock_offset + step + WINDOW
            except OverflowError:
                raise SandboxError("the sandbox's clock ends with the year 9999") from None
            self._clock_offset += step

    def script(self, number: str, script: str | Sequence[Stage] | None) -> None:
        """Set the script for later messages to a number; None removes it."""
        scripted_life = None if script is None else parse_script(script, self._life)
        with self._lock:
            if scripted_life is None:
                self._scripts.pop(parse_number(number), None)
            else:
                self._scripts[parse_number(number)] = scripted_life

    def reset(self) -> None:
        """Remove all requests and all scripts but the initial ones, and reset the clock."""
        with self._lock:
            self._requests.clear()
            self._last_messages.clear()
            self._scripts = dict(self._initial_scripts)
            self._clock_offset = timedelta()
        self._cached_messages.cache_clear()

    def add(self, send_request: SendRequest, body: bytes) -> ReceivedRequest:
        """Store an accepted request."""
        now, schedule_time = self.now(), send_request.schedule_time
        scripted_lives: dict[int, ScriptedLife] = {}
        with self._lock:
            position = 0
            for message in send_request.messages:
                last_message = LastMessage(message.originator, message.report_url)
                for recipient in message.recipients:
                    number = digits(recipient["recipient"])
                    self._last_messages[number] = last_message
                    if number in self._scripts:
                        scripted_lives[position] = self._scripts[number]
                    position += 1
            request = ReceivedRequest(
                request_id=str(uuid4()),
                body=body,
                message_count=position,
                first_number=self._next_number,
                created_at=now,
                send_at=now if schedule_time is None else max(now, parse_schedule_time(schedule_time)),
                schedule_time=schedule_time,
                scripted_lives=scripted_lives,
            )
            self._requests[request.request_id] = request
            self._next_number += request.message_count
        return request

    def __len__(self) -> int:
        with self._lock:
            return sum(request.message_count for request in self._requests.values())

    def last_message(self, number: str) -> LastMessage | None:
        """Return the latest message to a number, given by its digits."""
        with self._lock:
            return self._last_messages.get(number)

    def rows(self) -> list[Row]:
        """Return a row for each message and recipient, in order of arrival."""
        with self._lock:
            requests = list(self._requests.values())
        return [row for request in requests for row in self._request_rows(request)]

    def report(self, request_id: str) -> dict[str, Any] | None:
        """Return the report on a request (D7, "Get Status"), or None for an unknown request."""
        with self._lock:
            request = self._requests.get(request_id)
        if request is None:
            return None
        messages, now = self._cached_messages(request), self.now()
        return {
            "request_id": request_id,
            "messages": [
                {**stored.report_fields, "status": status, "reason": reason}
                for stored, (status, reason) in zip(messages, self._statuses(request, messages, now), strict=True)
            ],
            "request_stage": SCHEDULED if now < request.send_at else "processed",
            "schedule_time": request.schedule_time,
        }

    def stage_times(self, request: ReceivedRequest) -> set[float]:
        """Return the seconds after a request is sent at which any of its messages may reach a stage."""
        lives = [self._life, *(scripted.life for scripted in request.scripted_lives.values())]
        if self._inbox is not None:
            lives.append(self._window_closed.life)
        return {stage[0] for life in lives for stage in life}

    def messages_at_stage(
        self, request: ReceivedRequest, seconds: float
    ) -> list[tuple[StoredMessage, str, str | None]]:
        """Return the messages that reach a stage so many seconds after being sent, with its status and reason."""
        with self._lock:
            if request.request_id not in self._requests:
                return []  # it was removed by a reset
        return [
            (stored, status, reason)
            for stored in self._cached_messages(request)
            for stage_seconds, status, reason in self._life_of(request, stored)
            if stage_seconds == seconds
        ]

    def _life_of(self, request: ReceivedRequest, stored: StoredMessage) -> Life:
        message = stored.message
        if stored.scripted_life is not None and stored.scripted_life.applies_to(message.message_type):
            return stored.scripted_life.life
        if self._inbox is None or not self._window_closed.applies_to(message.message_type):
            return self._life
        written_at = self._inbox.last_written_at(message.recipient, message.originator, request.send_at)
        is_open = written_at is not None and request.send_at - written_at < WINDOW
        return self._life if is_open else self._window_closed.life

    def _statuses(
        self, request: ReceivedRequest, messages: Sequence[StoredMessage], now: datetime
    ) -> list[tuple[str, str | None]]:
        if now < request.send_at:
            return [(SCHEDULED, None)] * len(messages)
        age = now - request.send_at
        usual_status = status_at(age, self._life)
        lives = (self._life_of(request, stored) for stored in messages)
        return [usual_status if life is self._life else status_at(age, life) for life in lives]

    def _request_rows(self, request: ReceivedRequest) -> Iterator[Row]:
        # Not the cached messages: these contents become the user's, who may change them.
        messages, created_at = self._parse_messages(request), format_time(request.created_at)
        for stored, (status, reason) in zip(messages, self._statuses(request, messages, self.now()), strict=True):
            message = stored.message
            yield Row(
                request_id=request.request_id,
                msg_id=stored.report_fields["msg_id"],
                originator=message.originator,
                recipient=message.recipient,
                message_type=message.message_type,
                content=message.content,
                reference=message.reference,
                status=status,
                reason=reason,
                report_url=message.report_url,
                schedule_time=request.schedule_time,
                created_at=created_at,
                warnings=message.warnings,
            )

    def _parse_messages(self, request: ReceivedRequest) -> list[StoredMessage]:
        return [
            StoredMessage(
                message,
                _report_fields(message, self._make_msg_id(request.first_number + position)),
                request.scripted_lives.get(position),
            )
            for position, message in enumerate(self._reader.iter_messages(request.body))
        ]

    def _make_msg_id(self, number: int) -> str:
        """Make a UUID version 1, which D7's ids look like, of a message's running number."""
        ticks = f"{self._uuid_start + number:015x}"
        return f"{ticks[-8:]}-{ticks[-12:-8]}-1{ticks[-15:-12]}-{self._uuid_node}"


def _report_fields(message: RecipientMessage, msg_id: str) -> dict[str, Any]:
    """Return a message's fields in a report; that missing reference keys are null is not documented."""
    template = message.content.get("template") if message.message_type == "TEMPLATE" else None
    conversation = f"{digits(message.originator)} {message.recipient}"
    return {
        "msg_id": msg_id,
        "originator": digits(message.originator),
        "recipient": message.recipient,
        "reference": {key: message.reference.get(key) for key in REFERENCE_KEYS},
        "conversation_type": "marketing" if template else "service",
        "message_type": message.message_type,
        "template_id": template["template_id"] if template else None,
        "waConvId": blake2b(conversation.encode(), digest_size=16).hexdigest(),
    }
