"""What people write to a business number, in whichever shape it arrives.

D7 does not document the shape of its events for it (d7-api.md section 5.2), so a shape is data: the paths under which
an event holds what we want to know. Two come with d7nb: Meta's own, and the sandbox's, which is invented.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from d7nb.api.parsing import read_id, read_number, read_text, read_time
from d7nb.api.statuses import InboundMessage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

EACH = "*"
"""The step of a path that stands for every element of a list."""
_MOST = 1_000
"""Messages in one event; nobody sends so many, and two stars in a path could make far more of a small body."""
_Path = tuple[str | int, ...]


@dataclass(frozen=True)
class InboundShape:
    """Where an event holds what a person wrote.

    Each path leads from the event's root, with dots between its steps; a number picks an element of a list, and ``*``
    stands for every element: then each is a message of its own, and the other paths follow it through the same ones.

    Args:
        sender: The person's number. An event that has nothing there is not of this shape.
        originator: The business number.
        at: When it was written: milliseconds or seconds since 1970, or ISO 8601; without it, when it was received.
        text: What was written; of several paths, the first that leads to something.
        kind: What it is, such as ``text`` or ``image``.
        message_id: Its id.
        event_type: What the event's own ``event_type`` must be; any unless given.
        unwritten: Kinds that no person wrote: they are passed over, for they open no customer service window.

    Raises:
        ValueError: A path can't be followed.

    Example:
        >>> from datetime import UTC, datetime
        >>> shape = InboundShape(sender="contacts.0.wa_id", text="message.body")
        >>> event = {"contacts": [{"wa_id": "12025550123"}], "message": {"body": "Hello"}}
        >>> [found] = shape.read(event, datetime(2026, 11, 23, 9, tzinfo=UTC))
        >>> found.text
        'Hello'
    """

    sender: str
    originator: str = ""
    at: str = ""
    text: str | tuple[str, ...] = ""
    kind: str = ""
    message_id: str = ""
    event_type: str = ""
    unwritten: tuple[str, ...] = ("system",)

    def __post_init__(self) -> None:
        if not self.sender:
            raise ValueError("an inbound shape needs sender=, the path to the number of whoever wrote")
        stars = self.sender.split(".").count(EACH)
        for path in (self.sender, self.originator, self.at, self.kind, self.message_id, *self._texts):
            if path and not all(path.split(".")):
                message = f"the path {path!r} has an empty step: a path looks like contacts.0.wa_id"
                raise ValueError(message)
            if path.split(".").count(EACH) > stars:
                message = f"the path {path!r} has more {EACH} than that of the sender, {self.sender!r}"
                raise ValueError(message)

    @property
    def _texts(self) -> tuple[str, ...]:
        return (self.text,) if isinstance(self.text, str) else self.text

    def fits(self, event: Mapping[str, Any]) -> bool:
        """Whether an event is of this shape."""
        if self.event_type and event.get("event_type") != self.event_type:
            return False
        return bool(self._places(event))

    def read(self, event: Mapping[str, Any], at: datetime) -> list[InboundMessage | None]:
        """The messages in an event, without those that no person wrote; None for one whose sender is no phone number.

        Args:
            event: The event.
            at: When it was received; nobody wrote later than that.
        """
        found: list[InboundMessage | None] = []
        for place in self._places(event):
            kind = read_id(_at(event, self.kind, place))
            if kind in self.unwritten:
                continue
            sender = read_number(_at(event, self.sender, place))
            texts = (_at(event, path, place) for path in self._texts)
            message = InboundMessage(
                sender=sender,
                originator=read_number(_at(event, self.originator, place)),
                at=min(read_time(_at(event, self.at, place), at), at),
                text=next((text for text in texts if isinstance(text, str) and text), ""),
                kind=kind,
                message_id=read_id(_at(event, self.message_id, place)),
            )
            found.append(message._replace(text=read_text(message.text)) if sender else None)
        return found

    def _places(self, event: Mapping[str, Any]) -> list[tuple[int, ...]]:
        """Which elements the stars of the sender's path stand for, one tuple a message."""
        steps = _steps(self.sender)
        if EACH not in steps:
            return [()] if _at(event, self.sender, ()) is not None else []
        places: list[tuple[int, ...]] = [()]
        for depth, step in enumerate(steps):
            if step == EACH:
                lists = [(place, _follow(event, steps[:depth], place)) for place in places]
                places = [(*place, index) for place, of in lists if isinstance(of, list) for index in range(len(of))]
                places = places[:_MOST]
        return places


@lru_cache(maxsize=256)
def _steps(path: str) -> _Path:
    return tuple(int(step) if step.isascii() and step.isdecimal() else step for step in path.split("."))


def _at(event: Mapping[str, Any], path: str, place: tuple[int, ...]) -> Any:
    return _follow(event, _steps(path), place) if path else None


def _follow(value: Any, steps: _Path, place: tuple[int, ...]) -> Any:
    """What a path leads to; None where it leads nowhere."""
    stars = iter(place)
    for step in steps:
        key = next(stars, -1) if step == EACH else step
        if isinstance(value, dict):
            value = value.get(str(key))
        elif isinstance(value, list) and isinstance(key, int) and 0 <= key < len(value):
            value = value[key]
        else:
            return None
    return value


_MESSAGE = "entry.*.changes.*.value.messages.*"

META = InboundShape(
    sender=f"{_MESSAGE}.from",
    originator="entry.*.changes.*.value.metadata.display_phone_number",
    at=f"{_MESSAGE}.timestamp",
    text=(
        f"{_MESSAGE}.text.body",
        f"{_MESSAGE}.button.text",
        f"{_MESSAGE}.interactive.button_reply.title",
        f"{_MESSAGE}.interactive.list_reply.title",
    ),
    kind=f"{_MESSAGE}.type",
    message_id=f"{_MESSAGE}.id",
)
"""Meta's native webhook: several messages may come in one body. A button that was pressed counts as its text."""

SANDBOX = InboundShape(
    sender="sender",
    originator="business_number",
    at="timestamp",
    text="text.body",
    kind="message_type",
    message_id="message_id",
    event_type="SANDBOX_INBOUND_EVENT",
)
"""What d7nb's own sandbox posts: an invention."""
