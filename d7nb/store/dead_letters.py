"""Events that could not be read, or belong to nothing that the ledger knows, kept for a person to look at."""

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
"""So many of the latest dead letters are kept: an account may send messages that are not ours."""
UNMATCHED = "no row of this ledger has its key, or its request and recipient"
"""Stored with a status that belongs to no row. Never change it: repeated statuses are recognised by it."""


class DeadLetter(NamedTuple):
    """An event, or a part of one, that could not be used.

    Attributes:
        why: Why not.
        text: Its text; the ledger masks numbers in it, and shortens it.
    """

    why: str
    text: str


def keep(connection: Connection, dead_letters: Sequence[DeadLetter], at: datetime) -> None:
    """Store dead letters, masked and shortened, and delete the oldest beyond `KEPT`."""
    if not dead_letters:
        return
    now = to_number(at)
    values = [
        {"at": now, "why": storable(mask_text(why), LONGEST_TEXT), "text": storable(mask_text(text), LONGEST_TEXT)}
        for why, text in dead_letters
    ]
    repeated = list(dict.fromkeys(value["text"] for value in values if value["why"] == UNMATCHED))
    for chunk in chunks(repeated):  # every report repeats them, which must not push out all the rest
        connection.execute(delete(aside).where(aside.c.why == UNMATCHED, aside.c.text.in_(chunk)))
    connection.execute(insert(aside), values)
    newest = select(func.max(aside.c.id)).scalar_subquery()
    connection.execute(delete(aside).where(aside.c.id <= newest - KEPT))


def unmatched(update: StatusUpdate) -> DeadLetter:
    """Return the dead letter for a status that belongs to no row: another program may use the same account."""
    return DeadLetter(UNMATCHED, f"{update.status}, request {update.request_id}, message {update.msg_id}")
