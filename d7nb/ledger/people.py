"""What the ledger knows of people, whatever was sent to them: when they last wrote, and whether they opted out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import select, true

from d7nb.ledger.news import families
from d7nb.ledger.states import AT_ONCE
from d7nb.ledger.tables import inbound, opt_outs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement

    from d7nb.ledger.database import Database

_FEW = AT_ONCE // 2
_NEVER = np.datetime64("NaT", "us")


def last_inbound(
    database: Database, destination: str, people: Sequence[str | None], originators: Sequence[str | None]
) -> np.ndarray:
    """Say when people last wrote; see `Ledger.last_inbound`."""
    times = np.full(len(people), _NEVER)
    place = database.destination(destination)
    if place is None:
        return times
    persons = database.people(people)
    query = select(inbound.c.person, inbound.c.originator, inbound.c.at).where(inbound.c.destination == place)
    with database.reading() as connection:
        found = connection.execute(query.where(_among(inbound.c.person, persons))).all()
    latest: dict[tuple[bytes, bytes | None], int] = {}
    for person, business, at in found:
        for pair in {(person, business), (person, None)}:
            latest[pair] = max(at, latest.get(pair, at))
    distinct = list(set(originators))
    hash_of = dict(zip(distinct, database.people(families([name or "" for name in distinct])), strict=True))
    for row, (person, originator) in enumerate(zip(persons, originators, strict=True)):
        if person is not None:
            business = hash_of[originator]
            own = (person, business), (person, b"" if business else None)
            told = [latest[pair] for pair in own if pair in latest]
            times[row] = np.datetime64(max(told), "us") if told else _NEVER
    return times


def opted_out(database: Database, destination: str, people: Sequence[str | None]) -> np.ndarray:
    """Say who does not want to be written to; see `Ledger.opted_out`."""
    place = database.destination(destination)
    if place is None:
        return np.zeros(len(people), dtype=bool)
    persons = database.people(people)
    query = select(opt_outs.c.person).where(opt_outs.c.destination == place, opt_outs.c.stopped)
    with database.reading() as connection:
        stopped = set(connection.execute(query.where(_among(opt_outs.c.person, persons))).scalars())
    return np.array([person in stopped for person in persons], dtype=bool)


def _among(column: ColumnElement[bytes], persons: Sequence[bytes | None]) -> ColumnElement[bool]:
    """Of few people, the database picks out theirs; of many, all is read, which is faster."""
    return true() if len(persons) > _FEW else column.in_([person for person in persons if person is not None])
