"""The messages that customers write to business numbers, and the shapes of the events that report them.

D7's page "Read Receipt" says that incoming messages come by webhook and carry an id; their shape is not documented. The
shape `sandbox` is the sandbox's own, as its `event_type` says; the shape `meta` is that of Meta's webhooks.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from d7nb.sandbox.responses import format_time
from d7nb.sandbox.schema.request import digits

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

INBOUND_FIELDS = {
    "sender": "sender",
    "originator": "business_number",
    "message_id": "message_id",
    "at": "timestamp",
    "kind": "message_type",
    "text": "text.body",
}
"""The dotted paths of an inbound event's fields in the sandbox's own shape.

`sender` is the person's number and `originator` the business number, both with a plus; `message_id` is what a read
receipt names; `at` is in milliseconds; `kind` is a word such as `text` or `image`; `text` is the text or the caption of
a file, and is missing where there is neither. D7 documents no shape: this one is the sandbox's own choice.
"""


class CustomerFile(NamedTuple):
    """A file that a customer sent."""

    media_id: str
    content: bytes
    content_type: str
    filename: str | None

    @property
    def kind(self) -> str:
        """The kind of the message that carries it."""
        family = self.content_type.partition("/")[0]
        return family if family in {"image", "audio", "video"} else "document"


@dataclass(slots=True, repr=False)
class CustomerMessage:
    """A message from a customer to a business number."""

    message_id: str
    sender: str  # with a plus, as the originator
    originator: str
    at: datetime
    kind: str
    text: str | None
    file: CustomerFile | None = None
    read_at: datetime | None = field(default=None)
    typing: bool = False

    def as_row(self) -> dict[str, Any]:
        """Return it as a row of `Sandbox.replies`."""
        return {
            "message_id": self.message_id,
            "sender": self.sender,
            "originator": self.originator,
            "at": format_time(self.at),
            "kind": self.kind,
            "text": self.text,
            "media_id": self.file and self.file.media_id,
            "read_at": self.read_at and format_time(self.read_at),
            "typing": self.typing,
        }


REPLY_COLUMNS = ("message_id", "sender", "originator", "at", "kind", "text", "media_id", "read_at", "typing")


def sandbox_shape(message: CustomerMessage) -> dict[str, Any]:
    """Return an inbound event in the sandbox's own shape, whose paths are in `INBOUND_FIELDS`."""
    event: dict[str, Any] = {
        "event_type": "SANDBOX_INBOUND_EVENT",
        "timestamp": int(message.at.timestamp() * 1000),
        "message_id": message.message_id,
        "sender": message.sender,
        "business_number": message.originator,
        "message_type": message.kind,
    }
    if message.text is not None:
        event["text"] = {"body": message.text}
    if (file := message.file) is not None:
        event["media"] = {"id": file.media_id, "content_type": file.content_type, "filename": file.filename}
    return event


# The key of the text in Meta's objects by the kind of the message; "body" for all others.
_META_TEXT_KEYS = {"image": "caption", "video": "caption", "document": "caption", "button": "text"}


def meta_shape(message: CustomerMessage) -> dict[str, Any]:
    """Return an inbound event in the shape of Meta's webhooks, with made-up ids of account and phone."""
    content: dict[str, Any] = {}
    if (file := message.file) is not None:
        content |= {"id": file.media_id, "mime_type": file.content_type}
        content |= {"filename": file.filename} if file.filename else {}
    if message.text is not None:
        content[_META_TEXT_KEYS.get(message.kind, "body")] = message.text
    meta_message = {
        "from": digits(message.sender),
        "id": message.message_id,
        "timestamp": str(int(message.at.timestamp())),
        "type": message.kind,
        message.kind: content,
    }
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": digits(message.originator), "phone_number_id": "0"},
        "contacts": [{"profile": {"name": "Somebody"}, "wa_id": digits(message.sender)}],
        "messages": [meta_message],
    }
    return {
        "object": "whatsapp_business_account",
        "entry": [{"id": "0", "changes": [{"field": "messages", "value": value}]}],
    }


INBOUND_SHAPES: dict[str, Callable[[CustomerMessage], dict[str, Any]]] = {"sandbox": sandbox_shape, "meta": meta_shape}


class Inbox:
    """The customers' messages in order of arrival. Any thread may call any method."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._messages: dict[str, CustomerMessage] = {}
        self._files: dict[str, CustomerFile] = {}
        self._times: dict[tuple[str, str], list[datetime]] = defaultdict(list)  # by digits; in ascending order

    def add(self, message: CustomerMessage) -> None:
        """Store a message."""
        with self._lock:
            self._messages[message.message_id] = message
            self._times[digits(message.sender), digits(message.originator)].append(message.at)
            if message.file is not None:
                self._files[message.file.media_id] = message.file

    def last_written_at(self, sender: str, originator: str, until: datetime) -> datetime | None:
        """Return the time of a customer's latest message to a business number up to some time, or None."""
        with self._lock:
            times = self._times.get((digits(sender), digits(originator)), [])
            count = bisect_right(times, until)
            return times[count - 1] if count else None

    def mark_read(self, message_id: str, at: datetime, *, typing: bool) -> bool:
        """Mark a message as read, and note whether an answer is being typed; return whether the message exists."""
        with self._lock:
            message = self._messages.get(message_id)
            if message is None:
                return False
            message.read_at, message.typing = message.read_at or at, typing
            return True

    def file(self, media_id: str) -> CustomerFile | None:
        """Return a file by its id, or None."""
        with self._lock:
            return self._files.get(media_id)

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of `Sandbox.replies`."""
        with self._lock:
            return [message.as_row() for message in self._messages.values()]

    def clear(self) -> None:
        """Remove all messages."""
        with self._lock:
            self._messages.clear()
            self._files.clear()
            self._times.clear()
