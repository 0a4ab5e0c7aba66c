"""What people write to business numbers, as `Sandbox.reply` has them write, and the events that tell of it.

D7 documents that such events come by webhook and carry an id, and not how they look (d7-api.md section 5.2). The shape
called `sandbox` is this sandbox's own, and says so in its `event_type`; the shape called `meta` is Meta's.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from d7nb.sandbox.responses import timestamp
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
"""Where the sandbox's own shape of an inbound event has what a receiver wants to know, as dotted paths.

`sender` is the person's number and `originator` the business number, both with a plus; `message_id` is what a read
receipt names; `at` is in milliseconds; `kind` is a word such as `text` or `image`; `text` is what was written, or the
caption of a file, and not there without either. The whole shape is the sandbox's invention.
"""


class Media(NamedTuple):
    """A file that a person sent."""

    media_id: str
    content: bytes
    content_type: str
    filename: str | None

    @property
    def kind(self) -> str:
        """The kind of message that carries it."""
        family = self.content_type.partition("/")[0]
        return family if family in {"image", "audio", "video"} else "document"


@dataclass(slots=True, repr=False)
class Reply:
    """One message from a person."""

    message_id: str
    sender: str  # with a plus, as the originator
    originator: str
    at: datetime
    kind: str
    text: str | None
    media: Media | None = None
    read_at: datetime | None = field(default=None)
    typing: bool = False

    def row(self) -> dict[str, Any]:
        """Itself as a row of `Sandbox.replies`."""
        return {
            "message_id": self.message_id,
            "sender": self.sender,
            "originator": self.originator,
            "at": timestamp(self.at),
            "kind": self.kind,
            "text": self.text,
            "media_id": self.media and self.media.media_id,
            "read_at": self.read_at and timestamp(self.read_at),
            "typing": self.typing,
        }


REPLY_COLUMNS = ("message_id", "sender", "originator", "at", "kind", "text", "media_id", "read_at", "typing")


def sandbox_shape(reply: Reply) -> dict[str, Any]:
    """An inbound event in the sandbox's own shape, whose paths are `INBOUND_FIELDS`."""
    event: dict[str, Any] = {
        "event_type": "SANDBOX_INBOUND_EVENT",
        "timestamp": int(reply.at.timestamp() * 1000),
        "message_id": reply.message_id,
        "sender": reply.sender,
        "business_number": reply.originator,
        "message_type": reply.kind,
    }
    if reply.text is not None:
        event["text"] = {"body": reply.text}
    if (media := reply.media) is not None:
        event["media"] = {"id": media.media_id, "content_type": media.content_type, "filename": media.filename}
    return event


# Where Meta has the words of each kind of message.
_META_WORDS = {"image": "caption", "video": "caption", "document": "caption", "button": "text"}


def meta_shape(reply: Reply) -> dict[str, Any]:
    """An inbound event in Meta's shape; its ids of account and phone are invented."""
    part: dict[str, Any] = {}
    if (media := reply.media) is not None:
        part |= {"id": media.media_id, "mime_type": media.content_type}
        part |= {"filename": media.filename} if media.filename else {}
    if reply.text is not None:
        part[_META_WORDS.get(reply.kind, "body")] = reply.text
    message = {
        "from": digits(reply.sender),
        "id": reply.message_id,
        "timestamp": str(int(reply.at.timestamp())),
        "type": reply.kind,
        reply.kind: part,
    }
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": digits(reply.originator), "phone_number_id": "0"},
        "contacts": [{"profile": {"name": "Somebody"}, "wa_id": digits(reply.sender)}],
        "messages": [message],
    }
    return {
        "object": "whatsapp_business_account",
        "entry": [{"id": "0", "changes": [{"field": "messages", "value": value}]}],
    }


SHAPES: dict[str, Callable[[Reply], dict[str, Any]]] = {"sandbox": sandbox_shape, "meta": meta_shape}


class Inbox:
    """What people wrote, in its order. Any thread may call any method."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._replies: dict[str, Reply] = {}
        self._media: dict[str, Media] = {}
        self._wrote: dict[tuple[str, str], list[datetime]] = defaultdict(list)  # digits of both; the clock goes forward

    def take_in(self, reply: Reply) -> None:
        """Keep a message."""
        with self._lock:
            self._replies[reply.message_id] = reply
            self._wrote[_pair(reply.sender, reply.originator)].append(reply.at)
            if reply.media is not None:
                self._media[reply.media.media_id] = reply.media

    def last_wrote(self, sender: str, originator: str, before: datetime) -> datetime | None:
        """When a person last wrote to a business number, up to some time."""
        with self._lock:
            times = self._wrote.get(_pair(sender, originator), [])
            place = bisect_right(times, before)
            return times[place - 1] if place else None

    def mark_read(self, message_id: str, at: datetime, *, typing: bool) -> bool:
        """Take down that a message was read, and whether an answer is being typed. Whether there is such a message."""
        with self._lock:
            reply = self._replies.get(message_id)
            if reply is None:
                return False
            reply.read_at, reply.typing = reply.read_at or at, typing
            return True

    def media(self, media_id: str) -> Media | None:
        """A file that somebody sent."""
        with self._lock:
            return self._media.get(media_id)

    def rows(self) -> list[dict[str, Any]]:
        """All that was written."""
        with self._lock:
            return [reply.row() for reply in self._replies.values()]

    def clear(self) -> None:
        """Forget it all."""
        with self._lock:
            self._replies.clear()
            self._media.clear()
            self._wrote.clear()


def _pair(sender: str, originator: str) -> tuple[str, str]:
    return digits(sender), digits(originator)
