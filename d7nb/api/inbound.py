"""Shapes of inbound events, which tell d7nb what people write to a business number.

D7 does not document how such an event looks, so a shape is data: the paths to the values within an event. Two come with
d7nb: that of Meta's webhooks, and that of the sandbox, which is invented.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from d7nb.api.parsing import parse_id, parse_phone_number, parse_text, parse_time
from d7nb.hints import Hint, Wording

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

WILDCARD = "*"
"""The step of a path that stands for every element of a list."""
_MAX_MESSAGES = 1_000
"""Messages read from one event: with two wildcards in a path, a small body could hold millions."""
_Path = tuple[str | int, ...]


class InboundMessage(NamedTuple):
    """A message that a person wrote to a business number.

    Attributes:
        sender: The person's number, digits with or without a plus.
        originator: The business number, likewise; empty where it is not known.
        at: When it was written.
        text: What was written; empty where it was no text.
        kind: The kind of message, such as ``text`` or ``image``.
        message_id: Its id.
    """

    sender: str
    originator: str
    at: datetime
    text: str = ""
    kind: str = ""
    message_id: str = ""


@dataclass(frozen=True)
class InboundShape:
    """The paths under which an event holds what a person wrote.

    A path begins at the event's root and has dots between its steps. A number picks an element of a list. ``*`` stands
    for every element: then each element is a message, and ``*`` in the other paths stands for that same element.

    Args:
        sender: The person's number. An event without a value there is not of this shape.
        originator: The business number.
        at: When it was written: milliseconds or seconds since 1970, or ISO 8601; without it, when it was received.
        text: What was written; of several paths, the first that leads to a text.
        kind: The kind of message, such as ``text`` or ``image``.
        message_id: Its id.
        event_type: What the event's own ``event_type`` must be; any unless given.
        unwritten: Kinds that no person wrote: they are left out, for they open no customer service window.

    Raises:
        ValueError: A path can't be followed.

    Example:
        >>> from datetime import UTC, datetime
        >>> shape = InboundShape(sender="contacts.0.wa_id", text="message.body")
        >>> event = {"contacts": [{"wa_id": "12025550123"}], "message": {"body": "Hello"}}
        >>> [message] = shape.read(event, datetime(2026, 11, 23, 9, tzinfo=UTC))
        >>> message.text
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
            option = Wording("sender=", "--inbound-sender", "sender=")
            raise ValueError(
                Hint("the format of incoming messages needs ", option, ", the path to the sender's number")
            )
        wildcards = self.sender.split(".").count(WILDCARD)
        for path in (self.sender, self.originator, self.at, self.kind, self.message_id, *self._texts):
            if path and not all(path.split(".")):
                message = f"the path {path!r} has an empty step: a path looks like contacts.0.wa_id"
                raise ValueError(message)
            if path.split(".").count(WILDCARD) > wildcards:
                message = f"the path {path!r} has more {WILDCARD} than that of the sender, {self.sender!r}"
                raise ValueError(message)

    @property
    def _texts(self) -> tuple[str, ...]:
        return (self.text,) if isinstance(self.text, str) else self.text

    def fits(self, event: Mapping[str, Any]) -> bool:
        """Return whether an event is of this shape."""
        if self.event_type and event.get("event_type") != self.event_type:
            return False
        return bool(self._wildcard_indexes(event))

    def read(self, event: Mapping[str, Any], at: datetime) -> list[InboundMessage | None]:
        """Read the messages in an event, without those that no person wrote.

        Args:
            event: The event.
            at: When it was received; a message that claims to be later gets this time.

        Returns:
            One element a message, None for a message whose sender is no phone number.
        """
        messages: list[InboundMessage | None] = []
        for indexes in self._wildcard_indexes(event):
            kind = parse_id(_value_at(event, self.kind, indexes))
            if kind in self.unwritten:
                continue
            sender = parse_phone_number(_value_at(event, self.sender, indexes))
            texts = (_value_at(event, path, indexes) for path in self._texts)
            message = InboundMessage(
                sender=sender,
                originator=parse_phone_number(_value_at(event, self.originator, indexes)),
                at=min(parse_time(_value_at(event, self.at, indexes), at), at),
                text=parse_text(next((text for text in texts if isinstance(text, str) and text), "")),
                kind=kind,
                message_id=parse_id(_value_at(event, self.message_id, indexes)),
            )
            messages.append(message if sender else None)
        return messages

    def _wildcard_indexes(self, event: Mapping[str, Any]) -> list[tuple[int, ...]]:
        """Return, for each message, the list indexes that the wildcards of the sender's path stand for."""
        steps = _steps(self.sender)
        if WILDCARD not in steps:
            return [()] if _value_at(event, self.sender, ()) is not None else []
        messages: list[tuple[int, ...]] = [()]
        for depth, step in enumerate(steps):
            if step == WILDCARD:
                lists = [(indexes, _follow(event, steps[:depth], indexes)) for indexes in messages]
                messages = [
                    (*indexes, index)
                    for indexes, elements in lists
                    if isinstance(elements, list)
                    for index in range(len(elements))
                ][:_MAX_MESSAGES]
        return messages


@lru_cache(maxsize=256)
def _steps(path: str) -> _Path:
    return tuple(int(step) if step.isascii() and step.isdecimal() else step for step in path.split("."))


def _value_at(event: Mapping[str, Any], path: str, indexes: tuple[int, ...]) -> Any:
    return _follow(event, _steps(path), indexes) if path else None


def _follow(value: Any, steps: _Path, indexes: tuple[int, ...]) -> Any:
    """Return the value that a path leads to, None where it leads nowhere."""
    wildcard_indexes = iter(indexes)
    for step in steps:
        key = next(wildcard_indexes, -1) if step == WILDCARD else step
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
"""Meta's own webhook: several messages may come in one body. A pressed button counts as its text."""

SANDBOX = InboundShape(
    sender="sender",
    originator="business_number",
    at="timestamp",
    text="text.body",
    kind="message_type",
    message_id="message_id",
    event_type="SANDBOX_INBOUND_EVENT",
)
"""The events of d7nb's sandbox. The shape is invented, as D7 does not document its own."""
