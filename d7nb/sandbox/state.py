"""What the sandbox took in, and what becomes of it with time.

Invented here, because nothing is documented: when a message is sent, delivered and read (`STATUS_LIFE`), what the
reason of a status other than `read` says, and what the kind of a conversation depends on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from secrets import randbits
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import NAMESPACE_OID, uuid4, uuid5

from d7nb.errors import SandboxError
from d7nb.sandbox.answers import timestamp
from d7nb.sandbox.schema import REFERENCE_KEYS, moment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from d7nb.sandbox.schema import Envelope, Reading

# Seconds after a message went out, the status from then on, and its reason. Lower case, as in D7's sample of a report.
Stage = tuple[float, str, str | None]
STATUS_LIFE: tuple[Stage, ...] = (
    (0, "queued", None),
    (1, "sent", None),
    (2, "delivered", None),
    (4, "read", "Read by the user"),
)


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


# 100 ns steps from the Gregorian reform, where UUIDs of version 1 begin to count, to 1970.
_UUID_EPOCH = 0x01B21DD213814000


def status_at(age: timedelta, life: Sequence[Stage]) -> tuple[str, str | None]:
    """The status and reason of a message this long after it went out; before that, its first."""
    reached = [stage for stage in life if stage[0] <= age.total_seconds()]
    _, status, reason = (reached or life)[-1 if reached else 0]
    return status, reason


@dataclass(frozen=True, slots=True)
class TakenIn:
    """One request that was taken in. It keeps the bytes, and makes rows of them when somebody looks."""

    request_id: str
    body: bytes
    count: int
    first: int  # the running number of its first row
    created_at: datetime
    goes_at: datetime
    schedule_time: str | None


class State:
    """What was taken in, in order of arrival. Any thread may call any method.

    A message's status is a function of its age on a clock that `advance` can move; nothing runs in the background.
    """

    def __init__(self, reading: Reading, life: Sequence[Stage] = STATUS_LIFE) -> None:
        if not life:
            raise SandboxError("life= is empty: a message needs at least one status, such as (0, 'queued', None)")
        self._reading = reading
        self._life = sorted(life, key=lambda stage: stage[0])
        self._lock = Lock()
        self._requests: dict[str, TakenIn] = {}
        self._offset = timedelta()
        self._rows_ever = 0
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
            self._offset += step

    def reset(self) -> None:
        """Forget all messages, and put the clock right."""
        with self._lock:
            self._requests.clear()
            self._offset = timedelta()

    def take_in(self, envelope: Envelope, body: bytes) -> TakenIn:
        """Keep a request that was found good."""
        now, schedule_time = self.now(), envelope.schedule_time
        with self._lock:
            taken_in = TakenIn(
                request_id=str(uuid4()),
                body=body,
                count=envelope.recipient_count,
                first=self._rows_ever,
                created_at=now,
                goes_at=now if schedule_time is None else max(now, moment(schedule_time)),
                schedule_time=schedule_time,
            )
            self._requests[taken_in.request_id] = taken_in
            self._rows_ever += taken_in.count
        return taken_in

    def __len__(self) -> int:
        with self._lock:
            return sum(taken_in.count for taken_in in self._requests.values())

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
        return {
            "request_id": request_id,
            "messages": [_report_on(row) for row in self._rows_of(taken_in)],
            "request_stage": "processed",
            "schedule_time": taken_in.schedule_time,
        }

    def _rows_of(self, taken_in: TakenIn) -> Iterator[Row]:
        # Outcomes of single numbers (accepted, then failed) would choose another life here, by the recipient.
        status, reason = status_at(self.now() - taken_in.goes_at, self._life)
        created_at = timestamp(taken_in.created_at)
        for number, message in enumerate(self._reading.messages(taken_in.body), start=taken_in.first):
            yield Row(
                request_id=taken_in.request_id,
                msg_id=self._msg_id(number),
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

    def _msg_id(self, number: int) -> str:
        """An id in the form of a UUID version 1, as D7's seem to be, made from a row's running number."""
        ticks = f"{self._ticks + number:015x}"
        return f"{ticks[-8:]}-{ticks[-12:-8]}-1{ticks[-15:-12]}-{self._node}"


def _report_on(row: Row) -> dict[str, Any]:
    """A row as the report shows it. That marks which were not given are null is a guess."""
    template = row.content.get("template") if row.message_type == "TEMPLATE" else None
    return {
        "msg_id": row.msg_id,
        "originator": row.originator.removeprefix("+"),
        "recipient": row.recipient,
        "reference": {key: row.reference.get(key) for key in REFERENCE_KEYS},
        "conversation_type": "marketing" if template else "service",
        "message_type": row.message_type,
        "template_id": template["template_id"] if template else None,
        "waConvId": uuid5(NAMESPACE_OID, f"{row.originator} {row.recipient}").hex,
        "status": row.status,
        "reason": row.reason,
    }
