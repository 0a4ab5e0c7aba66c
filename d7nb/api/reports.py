"""Parsers of what D7 reports after a send: reports that were asked for, and events that D7 posts.

They are pure functions of a body and the time of its arrival. They never raise, whatever is in the body: what can't be
read is returned as `Unparsed`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl

import orjson

from d7nb.api.inbound import META, SANDBOX, InboundMessage, InboundShape
from d7nb.api.parsing import LONGEST_ID, parse_id, parse_phone_number, parse_text, parse_time
from d7nb.api.statuses import StatusUpdate, parse_status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

DELIVERY_EVENT = "DELIVERY_EVENTS"
"""The ``event_type`` of delivery events (D7, WhatsApp API reference, "Receive Whatsapp Postback")."""
SHAPES: tuple[InboundShape, ...] = (SANDBOX, META)
"""The shapes of inbound events that are read unless others are given; no event fits both."""
_TAGS = tuple(f"{tag}{number}" for tag in ("message_tag", "messageTag") for number in range(1, 6))
_REFERENCE_KEYS = frozenset({"cust_ref", "custRef", "conversation_id", "conversationId", *_TAGS})
_MAX_STATUS = 60
_MAX_FIELDS = 200
_MAX_UNPARSED = 20
_MAX_EXCERPT = 2_000
_NESTED_FIELD = re.compile(r"reference[\[.](\w+)\]?")
_BOM = b"\xef\xbb\xbf"
_parse_status = lru_cache(maxsize=256)(parse_status)  # a report repeats a handful of statuses


class Unparsed(NamedTuple):
    """A part of a body that could not be read.

    Attributes:
        why: The reason, in one sentence.
        text: The part, or its first 2,000 characters.
    """

    why: str
    text: str


class ParsedEvents(NamedTuple):
    """The events in a body.

    Attributes:
        updates: The statuses of messages that were sent.
        inbound: The messages that people wrote.
        unparsed: What could not be read.
    """

    updates: list[StatusUpdate]
    inbound: list[InboundMessage]
    unparsed: list[Unparsed]

    @property
    def is_unreadable(self) -> bool:
        """True where nothing in the body could be read."""
        return bool(self.unparsed) and not self.updates and not self.inbound


def parse_report(body: Mapping[str, Any], at: datetime) -> list[StatusUpdate]:
    """Return the status of each message in a report, without those that have none.

    Args:
        body: The report's JSON (D7, WhatsApp API reference, "Get Status").
        at: When it was asked for: a report does not say since when its statuses hold.

    Example:
        >>> from datetime import UTC, datetime
        >>> message = {"msg_id": "m1", "status": "dropped", "reference": {"message_tag5": "KEY"}}
        >>> [update] = parse_report({"request_id": "r1", "messages": [message]}, datetime(2026, 11, 23, tzinfo=UTC))
        >>> update.status, update.reason, update.references
        ('failed', 'dropped', ('KEY',))
    """
    messages, request_id = body.get("messages"), parse_id(body.get("request_id"))
    if not isinstance(messages, list):
        return []
    updates = []
    for message in messages:
        if isinstance(message, dict):
            update = _parse_update(message, request_id or parse_id(message.get("request_id")), at)
            if update is not None:
                updates.append(update)
    return updates


def parse_events(content: bytes, at: datetime, shapes: Sequence[InboundShape] = SHAPES) -> ParsedEvents:
    """Parse the body of a webhook: one event or a list of events in JSON, or one event as the fields of a form.

    Args:
        content: The body. Its Content-Type is not looked at: D7 documents JSON for WhatsApp and forms for SMS (D7,
            "Receive Whatsapp Postback" and "Receive SMS Postback").
        at: When it was received.
        shapes: The shapes that inbound events may have.

    Example:
        >>> from datetime import UTC, datetime
        >>> now = datetime(2026, 11, 23, tzinfo=UTC)
        >>> parse_events(b"request_id=r1&msg_id=m1&status=Read&message_tag5=KEY", now).updates[0].status
        'read'
        >>> parse_events(b"<html>", now).unparsed[0].why
        'it is neither JSON nor a form'
    """
    events = _split(content)
    if isinstance(events, str):
        return ParsedEvents([], [], [Unparsed(events, _excerpt(content))])
    parsed, unreadable = ParsedEvents([], [], []), 0
    for event in events:
        why = _parse_event(event, at, shapes, parsed) if isinstance(event, dict) else "it is not a JSON object"
        if why:
            unreadable += 1
            if unreadable <= _MAX_UNPARSED:
                parsed.unparsed.append(Unparsed(why, _excerpt(_to_json(event, content))))
    if unreadable > _MAX_UNPARSED:  # one body must not flood the ledger's dead letters
        more = unreadable - _MAX_UNPARSED
        parsed.unparsed.append(Unparsed(f"the same body has {more:,} more that could not be read", ""))
    return parsed


def _excerpt(content: bytes) -> str:
    return content[:_MAX_EXCERPT].decode("utf-8", "replace")


def _to_json(event: Any, content: bytes) -> bytes:
    """Return one event of a list as JSON; the whole body where the event is nested too deep for that."""
    try:
        return orjson.dumps(event)
    except orjson.JSONEncodeError:
        return content


def _split(content: bytes) -> list[Any] | str:
    """Return the events in a body, or the reason why there are none."""
    content = content.removeprefix(_BOM)
    if not content.strip():
        return "it is empty"
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        return _parse_form(content)
    if isinstance(body, list):
        return body or "it is an empty list"
    return [body] if isinstance(body, dict) else "it is JSON, but neither an object nor a list"


def _parse_form(content: bytes) -> list[Any] | str:
    """Return the fields of a form as one event, or the reason why there is none."""
    try:
        fields = dict(parse_qsl(content.decode(), strict_parsing=True, errors="strict", max_num_fields=_MAX_FIELDS))
    except ValueError:
        return "it is neither JSON nor a form"
    nested = {match[1]: value for name, value in fields.items() if (match := _NESTED_FIELD.fullmatch(name))}
    return [{**fields, "reference": nested}]


def _parse_event(event: dict[str, Any], at: datetime, shapes: Sequence[InboundShape], parsed: ParsedEvents) -> str:
    """Add one event to those that are parsed; return why it can't be read, an empty text where it can."""
    event_type = event.get("event_type")
    has_status = "status" in event and "request_id" in event
    if event_type != DELIVERY_EVENT:
        # An event of another name that fits an inbound shape is inbound: a STOP must not be overlooked.
        candidates = [shape for shape in shapes if shape.event_type or event_type or not has_status]
        shape = next((shape for shape in candidates if shape.fits(event)), None)
        if shape is not None:
            return _add_inbound(shape.read(event, at), parsed)
        if not has_status:
            return f"it is not a known kind of event{_name_suffix(event_type)}"
    update = _parse_update(event, parse_id(event.get("request_id")), at, event.get("timestamp"))
    if update is None:
        return "a delivery event needs a request_id and a status"
    parsed.updates.append(update)
    return ""


def _add_inbound(messages: list[InboundMessage | None], parsed: ParsedEvents) -> str:
    parsed.inbound.extend(message for message in messages if message is not None)
    return "the sender of a message is not a phone number" if None in messages else ""


def _name_suffix(event_type: Any) -> str:
    return f": {name[:_MAX_STATUS]}" if (name := parse_id(event_type)) else ""


def _parse_update(event: dict[str, Any], request_id: str, at: datetime, timestamp: Any = None) -> StatusUpdate | None:
    d7_status = event.get("status")
    if not request_id or not isinstance(d7_status, str) or len(d7_status) > _MAX_STATUS:
        return None
    status, synonym = _parse_status(d7_status)
    if not status or "\0" in status:
        return None
    d7_reason = event.get("reason")
    reason = parse_text(d7_reason) if d7_reason else ""
    if synonym:
        reason = f"{synonym}: {reason}" if reason else synonym
    return StatusUpdate(
        request_id,
        status,
        at if timestamp is None else parse_time(timestamp, at),
        parse_id(event.get("msg_id")),
        reason,
        _references(event),
        parse_phone_number(event.get("recipient")),
    )


def _references(event: dict[str, Any]) -> tuple[str, ...]:
    """Return the values of a reference; whether it is nested or lies beside the other fields is not documented."""
    nested = event.get("reference")
    values = _reference_values(nested) if isinstance(nested, dict) else []
    if not _REFERENCE_KEYS.isdisjoint(event):
        values += _reference_values(event)
    return tuple(values)


def _reference_values(fields: dict[str, Any]) -> list[str]:
    return [
        value
        for name, value in fields.items()
        if value and name in _REFERENCE_KEYS and isinstance(value, str) and len(value) <= LONGEST_ID
    ]
