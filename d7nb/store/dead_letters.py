"""Events that no row could be found for, kept for a person to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import delete, func, insert, select

from d7nb.privacy import mask_text
from d7nb.store.request_state import chunks
from d7nb.store.schema import (
    LONGEST_TEXT,
    aside,
    storable,
    to_number,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from d7nb.api.statuses import StatusUpdate


KEPT = 10_000
"""So many of the latest things that were put aside are kept: an account may send messages that are not ours."""
_STRAY = "no row of this ledger has its key, or its request and recipient"


class DeadLetter(NamedTuple):
    """Something that came in and could not be made sense of.

    Attributes:
        why: Why not.
        text: What it was; the ledger masks numbers in it, and shortens it.
    """

    why: str
    text: str


def keep(connection: Connection, things: Sequence[DeadLetter], at: datetime) -> None:
    """Keep what could not be made sense of, masked and shortened; the oldest makes room."""
    if not things:
        return
    now = to_number(at)
    values = [
        {"at": now, "why": storable(mask_text(why), LONGEST_TEXT), "text": storable(mask_text(text), LONGEST_TEXT)}
        for why, text in things
    ]
    again = list(dict.fromkeys(value["text"] for value in values if value["why"] == _STRAY))
    for some in chunks(again):  # each report tells of it again, and must not push out all the rest
        connection.execute(delete(aside).where(aside.c.why == _STRAY, aside.c.text.in_(some)))
    connection.execute(insert(aside), values)
    newest = select(func.max(aside.c.id)).scalar_subquery()
    connection.execute(delete(aside).where(aside.c.id <= newest - KEPT))


def unmatched(one: StatusUpdate) -> DeadLetter:
    """What is kept of a status that belongs to no row of the ledger: another program may use the same account."""
    return DeadLetter(_STRAY, f"{one.status}, request {one.request_id}, message {one.msg_id}")
