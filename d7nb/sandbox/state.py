"""What the sandbox took in, and what becomes of it with time.

Invented here, because nothing is documented: that `request_stage` is `scheduled` until a scheduled request's time has
come, and what the kind of a conversation depends on. The lives of messages are invented, too, in `life.py`.
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
from d7nb.sandbox.lifecycle import SCHEDULED, STATUS_LIFE, WINDOW, read_life, read_script, status_at
from d7nb.sandbox.responses import timestamp
from d7nb.sandbox.schema.request import REFERENCE_KEYS, digits, parse_number, parse_schedule_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from d7nb.sandbox.inbox import Inbox
    from d7nb.sandbox.lifecycle import Life, OwnLife, Stage
    from d7nb.sandbox.schema.request import Envelope, RecipientMessage, RequestReader

# 100 ns steps from the Gregorian reform, where UUIDs of version 1 begin to count, to 1970.
_UUID_EPOCH = 0x01B21DD213814000
_REMEMBERED = 64  # requests whose rows stay at hand, for events and repeated reports


class Row(NamedTuple):
    """One message to one recipient, and what became of it: a row of `Sandbox.messages`."""

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


class Kept(NamedTuple):
    """What stays the same of one message to one recipient."""

    message: RecipientMessage
    named: dict[str, Any]  # what a report says of it, without its status and reason
    own: OwnLife | None  # by a script


class LastMessage(NamedTuple):
    """The latest message to a number."""

    originator: str
    report_url: str | None


@dataclass(frozen=True, slots=True, eq=False)
class ReceivedRequest:
    """One request that was taken in. It keeps the bytes, and makes rows of them when somebody looks."""

    request_id: str
    body: bytes = field(repr=False)
    count: int
    first: int  # the running number of its first row
    created_at: datetime
    goes_at: datetime
    schedule_time: str | None
    own: Mapping[int, OwnLife] = field(repr=False)  # of rows to numbers with a script, by place


class State:
    """What was taken in, in order of arrival. Any thread may call any method.

    A message's status is a function of its age on a clock that `advance` can move; nothing runs in the background. A
    script holds for the messages that come after it. Where windows are tracked, a free-form message fails unless its
    recipient wrote to its originator within the 24 hours before it went out.
    """

    def __init__(
        self,
        reading: RequestReader,
        life: Sequence[Stage] = STATUS_LIFE,
        scripts: Mapping[str, str | Sequence[Stage]] | None = None,
        windows: Inbox | None = None,
    ) -> None:
        self._reading = reading
        self._life = read_life(life)
        self._first_scripts = {
            parse_number(number): read_script(kind, self._life) for number, kind in (scripts or {}).items()
        }
        self._scripts = dict(self._first_scripts)
        self._windows = windows
        self._shut = read_script("window_closed", self._life)
        self._lock = Lock()
        self._requests: dict[str, ReceivedRequest] = {}
        self._letters: dict[str, LastMessage] = {}  # by the recipient's digits
        self._offset = timedelta()
        self._rows_ever = 0
        self._kept = lru_cache(_REMEMBERED)(self._read)
        # The parts of a UUID version 1 that stay the same: where it was made, and when it began.
        self._node = f"{randbits(14) | 0x8000:04x}-{randbits(48) | 0x010000000000:012x}"
        self._ticks = _UUID_EPOCH + int(datetime.now(UTC).timestamp() * 10_000_000)

    def now(self) -> datetime:
        """The sandbox's time."""
        return datetime.now(UTC) + self._offset

    def advance(self, step: timedelta) -> None:
        """Move the clock forward."""
        if step < timedelta():
            raise SandboxError("the sandbox's clock only moves forward")
        with self._lock:
            try:
                datetime.now(UTC) + self._offset + step + WINDOW
            except OverflowError:
                raise SandboxError("the sandbox's clock ends with the year 9999") from None
            self._offset += step

    def script(self, number: str, kind: str | Sequence[Stage] | None) -> None:
        """Give the messages to a number that come from now on a life of their own, or take it back."""
        own = None if kind is None else read_script(kind, self._life)
        with self._lock:
            if own is None:
                self._scripts.pop(parse_number(number), None)
            else:
                self._scripts[parse_number(number)] = own

    def reset(self) -> None:
        """Forget all messages, and the scripts but those of the beginning, and put the clock right."""
        with self._lock:
            self._requests.clear()
            self._letters.clear()
            self._scripts = dict(self._first_scripts)
            self._offset = timedelta()
        self._kept.cache_clear()

    def take_in(self, envelope: Envelope, body: bytes) -> ReceivedRequest:
        """Keep a request that was found good."""
        now, schedule_time = self.now(), envelope.schedule_time
        own: dict[int, OwnLife] = {}
        with self._lock:
            place = 0
            for message in envelope.messages:
                letter = LastMessage(message.originator, message.report_url)
                for recipient in message.recipients:
                    number = digits(recipient["recipient"])
                    self._letters[number] = letter
                    if number in self._scripts:
                        own[place] = self._scripts[number]
                    place += 1
            taken_in = ReceivedRequest(
                request_id=str(uuid4()),
                body=body,
                count=place,
                first=self._rows_ever,
                created_at=now,
                goes_at=now if schedule_time is None else max(now, parse_schedule_time(schedule_time)),
                schedule_time=schedule_time,
                own=own,
            )
            self._requests[taken_in.request_id] = taken_in
            self._rows_ever += taken_in.count
        return taken_in

    def __len__(self) -> int:
        with self._lock:
            return sum(taken_in.count for taken_in in self._requests.values())

    def letter(self, number: str) -> LastMessage | None:
        """The latest message to a number, by its digits."""
        with self._lock:
            return self._letters.get(number)

    def rows(self) -> list[Row]:
        """One row for each message and recipient, in order of arrival."""
        with self._lock:
            requests = list(self._requests.values())
        return [row for taken_in in requests for row in self._rows_of(taken_in)]

    def report(self, request_id: str) -> dict[str, Any] | None:
        """The report on a request (d7-api.md section 4), or None if there is no such request."""
        with self._lock:
            taken_in = self._requests.get(request_id)
        if taken_in is None:
            return None
        kept, now = self._kept(taken_in), self.now()
        return {
            "request_id": request_id,
            "messages": [
                {**one.named, "status": status, "reason": reason}
                for one, (status, reason) in zip(kept, self._statuses(taken_in, kept, now), strict=True)
            ],
            "request_stage": SCHEDULED if now < taken_in.goes_at else "processed",
            "schedule_time": taken_in.schedule_time,
        }

    def stage_times(self, taken_in: ReceivedRequest) -> set[float]:
        """Seconds after a request goes out at which a message of it may come to a stage."""
        lives = [self._life, *(own.life for own in taken_in.own.values())]
        if self._windows is not None:
            lives.append(self._shut.life)
        return {stage[0] for life in lives for stage in life}

    def reached(self, taken_in: ReceivedRequest, seconds: float) -> list[tuple[Kept, str, str | None]]:
        """The messages of a request that come to a stage at this time of their life, with its status and reason."""
        with self._lock:
            if taken_in.request_id not in self._requests:
                return []  # forgotten
        return [
            (one, status, reason)
            for one in self._kept(taken_in)
            for at, status, reason in self._life_of(taken_in, one)
            if at == seconds
        ]

    def _life_of(self, taken_in: ReceivedRequest, one: Kept) -> Life:
        message = one.message
        if one.own is not None and one.own.holds_for(message.message_type):
            return one.own.life
        if self._windows is None or not self._shut.holds_for(message.message_type):
            return self._life
        wrote = self._windows.last_wrote(message.recipient, message.originator, taken_in.goes_at)
        return self._life if wrote is not None and taken_in.goes_at - wrote < WINDOW else self._shut.life

    def _statuses(self, taken_in: ReceivedRequest, kept: Sequence[Kept], now: datetime) -> list[tuple[str, str | None]]:
        if now < taken_in.goes_at:
            return [(SCHEDULED, None)] * len(kept)
        age = now - taken_in.goes_at
        usual = status_at(age, self._life)
        lives = (self._life_of(taken_in, one) for one in kept)
        return [usual if life is self._life else status_at(age, life) for life in lives]

    def _rows_of(self, taken_in: ReceivedRequest) -> Iterator[Row]:
        # Read anew: these contents become the user's, who may change them.
        kept, created_at = self._read(taken_in), timestamp(taken_in.created_at)
        for one, (status, reason) in zip(kept, self._statuses(taken_in, kept, self.now()), strict=True):
            message = one.message
            yield Row(
                request_id=taken_in.request_id,
                msg_id=one.named["msg_id"],
                originator=message.originator,
                recipient=message.recipient,
                message_type=message.message_type,
                content=message.content,
                reference=message.reference,
                status=status,
                reason=reason,
                report_url=message.report_url,
                schedule_time=taken_in.schedule_time,
                created_at=created_at,
                warnings=message.warnings,
            )

    def _read(self, taken_in: ReceivedRequest) -> list[Kept]:
        return [
            Kept(message, _named(message, self._msg_id(taken_in.first + place)), taken_in.own.get(place))
            for place, message in enumerate(self._reading.iter_messages(taken_in.body))
        ]

    def _msg_id(self, number: int) -> str:
        """An id in the form of a UUID version 1, as D7's seem to be, made from a row's running number."""
        ticks = f"{self._ticks + number:015x}"
        return f"{ticks[-8:]}-{ticks[-12:-8]}-1{ticks[-15:-12]}-{self._node}"


def _named(message: RecipientMessage, msg_id: str) -> dict[str, Any]:
    """A message as the report names it. That marks which were not given are null is a guess."""
    template = message.content.get("template") if message.message_type == "TEMPLATE" else None
    pair = f"{digits(message.originator)} {message.recipient}"
    return {
        "msg_id": msg_id,
        "originator": digits(message.originator),
        "recipient": message.recipient,
        "reference": {key: message.reference.get(key) for key in REFERENCE_KEYS},
        "conversation_type": "marketing" if template else "service",
        "message_type": message.message_type,
        "template_id": template["template_id"] if template else None,
        "waConvId": blake2b(pair.encode(), digest_size=16).hexdigest(),
    }
