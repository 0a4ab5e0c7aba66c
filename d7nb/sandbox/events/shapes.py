"""The delivery events that the sandbox posts, after D7's page "Receive Whatsapp Postback".

Not documented, and so the sandbox's own choice: the status of a failure, the `reason` as in a report, null for a
missing reference key, and whether the reference keys are flat or nested (`EVENT_SHAPES` has both). A message that waits
for its `schedule_time` has no event.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable

    from d7nb.sandbox.state import StoredMessage

# English whatever the machine's language is.
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


def format_date(at: datetime) -> str:
    """Format a date as in D7's sample of an event.

    Example:
        >>> format_date(datetime(2023, 9, 25, tzinfo=UTC))
        '2023-September-25'
    """
    return f"{at.year}-{_MONTHS[at.month - 1]}-{at.day:02}"


def flat(reference: dict[str, Any]) -> dict[str, Any]:
    """Return the reference keys as fields of the event, as D7's page lists them."""
    return reference


def nested(reference: dict[str, Any]) -> dict[str, Any]:
    """Return the reference keys in an object of their own, as in a report."""
    return {"reference": reference}


EVENT_SHAPES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {"flat": flat, "nested": nested}


def delivery_event(
    request_id: str,
    message: StoredMessage,
    status: str,
    reason: str | None,
    *,
    timestamp: float,
    shape: Callable[[dict[str, Any]], dict[str, Any]],
) -> dict[str, Any]:
    """Return the event of a message that reached a status, at a time in seconds since 1970."""
    fields = message.report_fields
    return {
        "event_type": "DELIVERY_EVENTS",
        "timestamp": round(timestamp * 1000),
        "date": format_date(datetime.fromtimestamp(timestamp, UTC)),
        "request_id": request_id,
        "msg_id": fields["msg_id"],
        "conversation_type": fields["conversation_type"],
        "message_type": fields["message_type"],
        "waConvId": fields["waConvId"],
        "recipient": fields["recipient"],
        "originator": f"+{fields['originator']}",
        **shape(fields["reference"]),
        "status": status,
        "reason": reason,
    }


def encode_json(event: dict[str, Any]) -> bytes:
    """Encode an event as JSON, as documented."""
    return orjson.dumps(event)


def encode_form(event: dict[str, Any]) -> bytes:
    """Encode a flat event as form data, as D7's page "Receive SMS Postback" has it; null becomes an empty text."""
    return urlencode({key: "" if value is None else value for key, value in event.items()}).encode()


FORMATS: dict[str, tuple[str, Callable[[dict[str, Any]], bytes]]] = {
    "json": ("application/json", encode_json),
    "form": ("application/x-www-form-urlencoded", encode_form),
}
