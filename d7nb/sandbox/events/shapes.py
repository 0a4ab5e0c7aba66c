"""The delivery events that the sandbox posts (d7-api.md section 5.1).

Not documented, and so invented: the word of an event on a failure, that it has a `reason` as the report has, what
stands for a mark that was not given, and whether the marks of the reference are listed flat or nested: `SHAPES` has
both. A scheduled message's waiting is no event.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable

    from d7nb.sandbox.state import Kept

# English whatever the machine's language is.
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


def event_date(at: datetime) -> str:
    """A day as D7's sample of an event has it.

    Example:
        >>> event_date(datetime(2023, 9, 25, tzinfo=UTC))
        '2023-September-25'
    """
    return f"{at.year}-{_MONTHS[at.month - 1]}-{at.day:02}"


def flat(reference: dict[str, Any]) -> dict[str, Any]:
    """The marks among the other fields, as the page lists them."""
    return reference


def nested(reference: dict[str, Any]) -> dict[str, Any]:
    """The marks as in the report."""
    return {"reference": reference}


SHAPES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {"flat": flat, "nested": nested}


def delivery_event(
    request_id: str,
    one: Kept,
    status: str,
    reason: str | None,
    *,
    seconds: float,
    shape: Callable[[dict[str, Any]], dict[str, Any]],
) -> dict[str, Any]:
    """The event that tells of one status of one message, `seconds` after 1970."""
    named = one.named
    return {
        "event_type": "DELIVERY_EVENTS",
        "timestamp": round(seconds * 1000),
        "date": event_date(datetime.fromtimestamp(seconds, UTC)),
        "request_id": request_id,
        "msg_id": named["msg_id"],
        "conversation_type": named["conversation_type"],
        "message_type": named["message_type"],
        "waConvId": named["waConvId"],
        "recipient": named["recipient"],
        "originator": f"+{named['originator']}",
        **shape(named["reference"]),
        "status": status,
        "reason": reason,
    }


def as_json(event: dict[str, Any]) -> bytes:
    """As the page says that events come."""
    return orjson.dumps(event)


def as_form(event: dict[str, Any]) -> bytes:
    """As D7's events on SMS come, by one capture: null is an empty text. For flat events."""
    return urlencode({key: "" if value is None else value for key, value in event.items()}).encode()


FORMATS: dict[str, tuple[str, Callable[[dict[str, Any]], bytes]]] = {
    "json": ("application/json", as_json),
    "form": ("application/x-www-form-urlencoded", as_form),
}
