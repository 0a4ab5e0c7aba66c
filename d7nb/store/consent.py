"""What the ledger keeps of people, whatever was sent to them: when they last wrote, and whether they opted out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import or_, select, true

from d7nb.errors import LedgerError
from d7nb.privacy import mask_number, mask_text
from d7nb.recipients.variants import family
from d7nb.store.request_state import FEW
from d7nb.store.schema import INSERT, LONGEST_WORD, inbound, opt_outs, storable, to_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy import ColumnElement, Connection

    from d7nb.api.statuses import InboundMessage
    from d7nb.store.database import Database

    RecipientHasher = Callable[[Iterable[str | None]], list[bytes | None]]

_NEVER = np.datetime64("NaT", "us")


def write_inbound(
    connection: Connection,
    place: int,
    hash_recipients: RecipientHasher,
    written: Sequence[InboundMessage],
    at: datetime,
) -> None:
    """Write down when people wrote. A time to come is taken for now: it would keep a window open."""
    if not written:
        return
    now = to_number(at)
    persons = hash_recipients(families([each.sender for each in written]))
    businesses = hash_recipients(families([each.originator for each in written]))
    latest: dict[tuple[bytes, bytes], int] = {}
    for each, person, business in zip(written, persons, businesses, strict=True):
        if person is not None:
            pair = (person, business or b"")
            latest[pair] = max(min(to_number(each.at), now), latest.get(pair, 0))
    values = [
        {"destination": place, "person": person, "originator": business, "at": when}
        for (person, business), when in sorted(latest.items())
    ]
    if values:
        table = INSERT[connection.dialect.name](inbound)
        later = table.on_conflict_do_update(
            index_elements=list(inbound.primary_key),
            set_={"at": table.excluded.at},
            where=table.excluded.at > inbound.c.at,
        )
        connection.execute(later, values)


def write_opt_outs(
    connection: Connection,
    place: int,
    hash_recipients: RecipientHasher,
    said: Iterable[tuple[str, str, datetime]],
    *,
    stopped: bool,
) -> None:
    """Write down people's last word on whether to be written to.

    Args:
        connection: In a write transaction.
        place: The number of the destination.
        hash_recipients: Hashes numbers.
        said: For each person the number, what was said, and when.
        stopped: Whether they do not want to be written to, or do again.
    """
    told = list(said)
    if not told:
        return
    forms = families([number for number, _, _ in told])
    table = INSERT[connection.dialect.name](opt_outs)
    excluded = table.excluded
    later = table.on_conflict_do_update(
        index_elements=list(opt_outs.primary_key),
        set_={name: excluded[name] for name in ("recipient", "stopped", "at", "word")},
        # At one moment, whoever wants to be left alone is.
        where=or_(excluded.at > opt_outs.c.at, (excluded.at == opt_outs.c.at) & excluded.stopped),
    )
    for (_, word, at), form, person in zip(told, forms, hash_recipients(forms), strict=True):
        if form is not None:
            values = {"destination": place, "person": person, "recipient": mask_number(form), "stopped": stopped}
            values |= {"at": to_number(at), "word": storable(mask_text(word), LONGEST_WORD)}
            connection.execute(later, values)


def last_inbound(
    database: Database, destination: str, people: Sequence[str | None], originators: Sequence[str | None]
) -> np.ndarray:
    """Say when people last wrote; see `Ledger.last_inbound`."""
    times = np.full(len(people), _NEVER)
    place = database.destination_id(destination)
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
    place = database.destination_id(destination)
    if place is None:
        return np.zeros(len(people), dtype=bool)
    persons = database.people(people)
    query = select(opt_outs.c.person).where(opt_outs.c.destination == place, opt_outs.c.stopped)
    with database.reading() as connection:
        stopped = set(connection.execute(query.where(_among(opt_outs.c.person, persons))).scalars())
    return np.array([person in stopped for person in persons], dtype=bool)


def _among(column: ColumnElement[bytes], persons: Sequence[bytes | None]) -> ColumnElement[bool]:
    """Of few people, the database picks out theirs; of many, all is read, which is faster."""
    return true() if len(persons) > FEW else column.in_([person for person in persons if person is not None])


def families(numbers: Sequence[str]) -> list[str | None]:
    """One form for all national variants of a number, however D7 writes it; None for what is no number.

    Example:
        >>> families(["5212221234567", "+1 202 555 0123", "", "?"])
        ['+522221234567', '+12025550123', None, None]
    """
    import pandas as pd  # noqa: PLC0415  (the receiver of events waits for it no longer than for its first event)

    plain = ["+" + digits if (digits := "".join(filter(_is_digit, number))) else None for number in numbers]
    distinct = list(dict.fromkeys(number for number in plain if number))
    form_of = dict(zip(distinct, family(pd.Series(distinct, dtype="str")).tolist(), strict=True))
    return [form_of[number] if number else None for number in plain]


def _is_digit(sign: str) -> bool:
    return sign.isascii() and sign.isdigit()


def say_opt_outs(
    database: Database, destination: str, numbers: Iterable[str], at: datetime | None, *, stopped: bool
) -> None:
    """Write down that people opted out, or came back; see `Ledger.opt_out`."""
    import pandas as pd  # noqa: PLC0415  (the receiver of events has no need of it)

    from d7nb.recipients.check import check_numbers  # noqa: PLC0415

    listed = pd.Series([numbers] if isinstance(numbers, str) else list(numbers), dtype="object")
    read = check_numbers(listed)
    if unread := int((read["verdict"] == "broken").sum()):  # written down as it is, it would stop nobody
        raise LedgerError(f"{unread} of the numbers are none: give them with their country code; nothing was noted")
    known = read["recipient"].fillna(read["candidates"].str[0].astype("str"))  # either way it is one person
    at = at or datetime.now(UTC)
    place = database.make_destination_id(destination)
    with database.writing() as connection:
        said = [(number, "", at) for number in known.tolist()]
        write_opt_outs(connection, place, database.people, said, stopped=stopped)
