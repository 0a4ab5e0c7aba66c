"""What D7 tells of messages later: reports that are asked for, and events that come by themselves.

Everything here is pure: a body and the time of its arrival go in, plain records come out. Nothing raises, whatever is
in the body; what can't be read is named instead.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl

import orjson

from d7nb.api.inbound import META, SANDBOX, InboundShape
from d7nb.api.parsing import LONGEST_ID, read_id, read_number, read_text, read_time
from d7nb.api.statuses import InboundMessage, StatusUpdate, read_status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

DELIVERY = "DELIVERY_EVENTS"
"""The ``event_type`` of delivery events (d7-api.md section 5.1)."""
SHAPES: tuple[InboundShape, ...] = (SANDBOX, META)
"""The shapes of inbound events that are understood unless others are named; neither can be taken for the other."""
_TAGS = tuple(f"{tag}{number}" for tag in ("message_tag", "messageTag") for number in range(1, 6))
_MARKS = frozenset({"cust_ref", "custRef", "conversation_id", "conversationId", *_TAGS})
_LONGEST_STATUS = 60
_MOST_FIELDS = 200
_MOST_BAD = 20
_KEPT = 2_000
_NESTED = re.compile(r"reference[\[.](\w+)\]?")
_BOM = b"\xef\xbb\xbf"
_read_status = lru_cache(maxsize=256)(read_status)  # a report repeats a handful of words


class Unparsed(NamedTuple):
    """Something in a body that could not be read.

    Attributes:
        why: One sentence.
        text: What it was, from its beginning.
    """

    why: str
    text: str


class ParsedEvents(NamedTuple):
    """What a body says.

    Attributes:
        updates: What became of messages.
        inbound: What people wrote.
        bad: What could not be read.
    """

    updates: list[StatusUpdate]
    inbound: list[InboundMessage]
    bad: list[Unparsed]

    @property
    def is_bad(self) -> bool:
        """Whether nothing in it could be read."""
        return bool(self.bad) and not self.updates and not self.inbound


def read_report(body: Mapping[str, Any], at: datetime) -> list[StatusUpdate]:
    """What a report says of each message of its request; what is no message, or has no status, is left out.

    Args:
        body: The report, as its JSON holds it (d7-api.md section 4).
        at: When it was asked for: a report does not say since when its statuses hold.

    Example:
        >>> from datetime import UTC, datetime
        >>> message = {"msg_id": "m1", "status": "dropped", "reference": {"message_tag5": "KEY"}}
        >>> [update] = read_report({"request_id": "r1", "messages": [message]}, datetime(2026, 11, 23, tzinfo=UTC))
        >>> update.status, update.reason, update.marks
        ('failed', 'dropped', ('KEY',))
    """
    messages, request_id = body.get("messages"), read_id(body.get("request_id"))
    if not isinstance(messages, list):
        return []
    updates = []
    for message in messages:
        if isinstance(message, dict):
            update = _update(message, request_id or read_id(message.get("request_id")), at)
            if update is not None:
                updates.append(update)
    return updates


def read_events(content: bytes, at: datetime, shapes: Sequence[InboundShape] = SHAPES) -> ParsedEvents:
    """What a body that was posted to us says: one event or a list of them, in JSON or as the fields of a form.

    Args:
        content: The body. Its Content-Type does not matter: D7 announces JSON for WhatsApp and sends forms for SMS.
        at: When it was received.
        shapes: How an event holds what people write to us.

    Example:
        >>> from datetime import UTC, datetime
        >>> now = datetime(2026, 11, 23, tzinfo=UTC)
        >>> read_events(b"request_id=r1&msg_id=m1&status=Read&message_tag5=KEY", now).updates[0].status
        'read'
        >>> read_events(b"<html>", now).bad[0].why
        'it is neither JSON nor a form'
    """
    events = _parsed(content)
    if isinstance(events, str):
        return ParsedEvents([], [], [Unparsed(events, content[:_KEPT].decode("utf-8", "replace"))])
    read, bad = ParsedEvents([], [], []), 0
    for event in events:
        why = _read_event(event, at, shapes, read) if isinstance(event, dict) else "it is no object"
        if why:
            bad += 1
            if bad <= _MOST_BAD:
                read.bad.append(Unparsed(why, _written(event, content)[:_KEPT].decode("utf-8", "replace")))
    if bad > _MOST_BAD:  # what is kept aside must not be flooded by one body
        read.bad.append(Unparsed(f"the same body has {bad - _MOST_BAD:,} more that could not be read", ""))
    return read


def _written(event: Any, content: bytes) -> bytes:
    """One event as JSON, so that of a long list only that is kept; the whole body if it is nested too deep for that."""
    try:
        return orjson.dumps(event)
    except orjson.JSONEncodeError:
        return content


def _parsed(content: bytes) -> list[Any] | str:
    """The events of a body, or why there are none."""
    content = content.removeprefix(_BOM)
    if not content.strip():
        return "it is empty"
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        return _form(content)
    if isinstance(body, list):
        return body or "it is an empty list"
    return [body] if isinstance(body, dict) else "it is JSON, but no object"


def _form(content: bytes) -> list[Any] | str:
    """The fields of a form as the one event that they are."""
    try:
        fields = dict(parse_qsl(content.decode(), strict_parsing=True, errors="strict", max_num_fields=_MOST_FIELDS))
    except ValueError:
        return "it is neither JSON nor a form"
    nested = {match[1]: value for name, value in fields.items() if (match := _NESTED.fullmatch(name))}
    return [{**fields, "reference": nested}]


def _read_event(event: dict[str, Any], at: datetime, shapes: Sequence[InboundShape], read: ParsedEvents) -> str:
    """Add what an event says to what was read; the answer is why that could not be, empty where it could."""
    kind = event.get("event_type")
    delivered = "status" in event and "request_id" in event
    if kind != DELIVERY:
        # What calls itself something else, and looks like what people write, is that: a STOP must not be overlooked.
        open_to = [shape for shape in shapes if shape.event_type or kind or not delivered]
        shape = next((shape for shape in open_to if shape.fits(event)), None)
        if shape is not None:
            return _add_inbound(shape.read(event, at), read)
        if not delivered:
            return f"it is no kind of event that we know{_called(kind)}"
    update = _update(event, read_id(event.get("request_id")), at, event.get("timestamp"))
    if update is None:
        return "a delivery event needs a request_id and a status"
    read.updates.append(update)
    return ""


def _add_inbound(found: list[InboundMessage | None], read: ParsedEvents) -> str:
    read.inbound.extend(message for message in found if message is not None)
    return "the sender of a message is no phone number" if None in found else ""


def _called(kind: Any) -> str:
    return f": {name[:_LONGEST_STATUS]}" if (name := read_id(kind)) else ""


def _update(event: dict[str, Any], request_id: str, at: datetime, timestamp: Any = None) -> StatusUpdate | None:
    word = event.get("status")
    if not request_id or not isinstance(word, str) or len(word) > _LONGEST_STATUS:
        return None
    status, lost = _read_status(word)
    if not status or "\0" in status:
        return None
    said = event.get("reason")
    reason = read_text(said) if said else ""
    if lost:
        reason = f"{lost}: {reason}" if reason else lost
    return StatusUpdate(
        request_id,
        status,
        at if timestamp is None else read_time(timestamp, at),
        read_id(event.get("msg_id")),
        reason,
        _marks(event),
        read_number(event.get("recipient")),
    )


def _marks(event: dict[str, Any]) -> tuple[str, ...]:
    """The values of a reference, which may lie beside the other fields, or in an object of its own."""
    nested = event.get("reference")
    found = _marks_in(nested) if isinstance(nested, dict) else []
    if not _MARKS.isdisjoint(event):
        found += _marks_in(event)
    return tuple(found)


def _marks_in(fields: dict[str, Any]) -> list[str]:
    return [
        mark
        for name, mark in fields.items()
        if mark and name in _MARKS and isinstance(mark, str) and len(mark) <= LONGEST_ID
    ]
