"""People in the ledger, whatever was sent to them: when they last wrote, and whether they opted out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import false, or_, select

from d7nb.errors import LedgerError
from d7nb.privacy import mask_number, mask_text
from d7nb.recipients.variants import family
from d7nb.store.questions import hashes_table
from d7nb.store.schema import INSERT, LONGEST_WORD, inbound, opt_outs, storable, to_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy import ColumnElement, Connection

    from d7nb.api.inbound import InboundMessage
    from d7nb.store.database import Database

    RecipientHasher = Callable[[Iterable[str | None]], list[bytes | None]]

_NEVER = np.datetime64("NaT", "us")


def write_inbound(
    connection: Connection,
    destination_id: int,
    hash_recipients: RecipientHasher,
    messages: Sequence[InboundMessage],
    at: datetime,
) -> None:
    """Write down when people wrote. A time in the future counts as now: it would keep a reply window open."""
    if not messages:
        return
    now = to_number(at)
    persons = hash_recipients(families([message.sender for message in messages]))
    businesses = hash_recipients(families([message.originator for message in messages]))
    latest: dict[tuple[bytes, bytes], int] = {}
    for message, person, business in zip(messages, persons, businesses, strict=True):
        if person is not None:
            pair = (person, business or b"")
            latest[pair] = max(min(to_number(message.at), now), latest.get(pair, 0))
    values = [
        {"destination": destination_id, "person": person, "originator": business, "at": when}
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
    destination_id: int,
    hash_recipients: RecipientHasher,
    requests: Iterable[tuple[str, str, datetime]],
    *,
    stopped: bool,
) -> None:
    """Write down that people opted out or in, unless they did something else later.

    Args:
        connection: In a write transaction.
        destination_id: The number of the destination.
        hash_recipients: Hashes numbers.
        requests: For each person the number, what was written, and when.
        stopped: Whether they opted out; false if they opted in again.
    """
    listed = list(requests)
    if not listed:
        return
    forms = families([number for number, _, _ in listed])
    table = INSERT[connection.dialect.name](opt_outs)
    excluded = table.excluded
    later = table.on_conflict_do_update(
        index_elements=list(opt_outs.primary_key),
        set_={name: excluded[name] for name in ("recipient", "stopped", "at", "word")},
        # Of an opt-out and an opt-in at one moment, the opt-out counts.
        where=or_(excluded.at > opt_outs.c.at, (excluded.at == opt_outs.c.at) & excluded.stopped),
    )
    for (_, word, at), form, person in zip(listed, forms, hash_recipients(forms), strict=True):
        if form is not None:
            values = {
                "destination": destination_id,
                "person": person,
                "recipient": mask_number(form),
                "stopped": stopped,
                "at": to_number(at),
                "word": storable(mask_text(word), LONGEST_WORD),
            }
            connection.execute(later, values)


def last_inbound(
    database: Database, destination: str, people: Sequence[str | None], originators: Sequence[str | None]
) -> np.ndarray:
    """Look up when people last wrote; see `Store.last_inbound`."""
    times = np.full(len(people), _NEVER)
    destination_id = database.destination_id(destination)
    if destination_id is None:
        return times
    persons = database.hash_recipients(people)
    query = select(inbound.c.person, inbound.c.originator, inbound.c.at).where(inbound.c.destination == destination_id)
    with database.reading() as connection:
        inbound_rows = connection.execute(query.where(_among(connection, inbound.c.person, persons))).all()
    latest: dict[tuple[bytes, bytes | None], int] = {}
    for person, business, at in inbound_rows:
        for pair in {(person, business), (person, None)}:
            latest[pair] = max(at, latest.get(pair, at))
    distinct = list(set(originators))
    hash_of = dict(zip(distinct, database.hash_recipients(families([name or "" for name in distinct])), strict=True))
    for row, (person, originator) in enumerate(zip(persons, originators, strict=True)):
        if person is not None:
            business = hash_of[originator]
            pairs = (person, business), (person, b"" if business else None)
            moments = [latest[pair] for pair in pairs if pair in latest]
            times[row] = np.datetime64(max(moments), "us") if moments else _NEVER
    return times


def opted_out(database: Database, destination: str, people: Sequence[str | None]) -> np.ndarray:
    """Look up who opted out; see `Store.opted_out`."""
    destination_id = database.destination_id(destination)
    if destination_id is None:
        return np.zeros(len(people), dtype=bool)
    persons = database.hash_recipients(people)
    query = select(opt_outs.c.person).where(opt_outs.c.destination == destination_id, opt_outs.c.stopped)
    with database.reading() as connection:
        stopped = set(connection.execute(query.where(_among(connection, opt_outs.c.person, persons))).scalars())
    return np.array([person in stopped for person in persons], dtype=bool)


def _among(
    connection: Connection, column: ColumnElement[bytes], persons: Sequence[bytes | None]
) -> ColumnElement[bool]:
    """Return the condition for some people."""
    present = [person for person in persons if person is not None]
    return column.in_(select(hashes_table(connection, present).c.value)) if present else false()


def families(numbers: Sequence[str]) -> list[str | None]:
    """Return one form for all national variants of each number, however D7 writes it; None for what is no number.

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


def record_opt_outs(
    database: Database, destination: str, numbers: Iterable[str], at: datetime | None, *, stopped: bool
) -> None:
    """Write down that people opted out or in, as the user says; see `Ledger.opt_out`."""
    import pandas as pd  # noqa: PLC0415  (the receiver of events has no need of it)

    from d7nb.recipients.check import check_numbers, likeliest  # noqa: PLC0415

    listed = pd.Series([numbers] if isinstance(numbers, str) else list(numbers), dtype="object")
    checked = check_numbers(listed)
    if unread := int((checked["verdict"] == "broken").sum()):  # written down as it is, it would stop nobody
        entries_are = "1 entry is no phone number" if unread == 1 else f"{unread:,} entries are no phone numbers"
        raise LedgerError(f"{entries_are}: give every number with its country code; nothing was changed")
    recipients = likeliest(checked)
    at = at or datetime.now(UTC)
    destination_id = database.make_destination_id(destination)
    with database.writing() as connection:
        requests = [(number, "", at) for number in recipients.tolist()]
        write_opt_outs(connection, destination_id, database.hash_recipients, requests, stopped=stopped)
