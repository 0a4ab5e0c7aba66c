"""The upgrade of a ledger of version 1 or 2: its rows move to tables of new names, all of them in one transaction.

A program with an older d7nb that has the file open fails at its next statement, since its tables are gone. An upgrade
that is killed leaves the old tables as they were: in PostgreSQL, too, tables are made and dropped in transactions.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import (
    BigInteger,
    LargeBinary,
    bindparam,
    column,
    func,
    insert,
    inspect,
    literal,
    select,
    table,
    text,
)

from d7nb.store.companion import SECRET_SUFFIX
from d7nb.store.hashing import HASH_SIZE, hash_under, hmac_blocks, key_secret
from d7nb.store.location import replace_private, write_private
from d7nb.store.schema import (
    aside,
    campaigns,
    destinations,
    inbound,
    messages,
    opt_outs,
    requests,
    rows,
    runs,
    statuses,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy import ColumnElement, Connection, Table, TableClause

OLD_VERSIONS = frozenset({1, 2})
"""The versions whose tables have other names."""
_REQUESTS_AT_ONCE = 500
"""Requests whose rows are moved by one statement, so that memory is bounded and progress can be shown."""
_SHOWS_PROGRESS = 20_000
"""A bar is shown from so many rows."""


def _old(name: str, *columns: str) -> TableClause:
    return table(f"d7nb_{name}", *(column(name) for name in columns))


_REQUEST_COLUMNS = (
    *("id", "run", "claimed_at", "lifetime", "outcome", "request_id", "created_at", "status", "code"),
    *("reason", "recorded_at"),
)
_old_destinations = _old("destinations", "id", "origin")
_old_runs = _old("runs", "id", "host", "machine", "pid", "process", "ended")
_old_requests = _old("requests", "destination", "campaign", *_REQUEST_COLUMNS)
_old_rows = _old("rows", "destination", "key", "request", "sent", "person", "recipient")
_old_statuses = _old("statuses", "request", "key", "status", "at", "msg_id", "reason")
_old_inbound = _old("inbound", "destination", "person", "originator", "at")
_old_opt_outs = _old("opt_outs", "destination", "person", "recipient", "stopped", "at", "word")
_old_aside = _old("aside", "id", "at", "why", "text")
_COPIED = (
    (_old_destinations, destinations),
    (_old_runs, runs),
    (_old_inbound, inbound),
    (_old_opt_outs, opt_outs),
    (_old_aside, aside),
)
"""Tables that only get a new name."""
_DROPPED = (_old_statuses, _old_rows, _old_requests, *(old for old, _ in reversed(_COPIED)))
"""In an order in which none is dropped that another one names."""


def back_up_before(path: Path, version: int) -> Path:
    """Copy an SQLite ledger and its secret beside it, before it is changed; an older copy is replaced.

    Args:
        path: The ledger's file.
        version: The version of its tables, which ends the copy's name: ``ledger.sqlite3.version-2``.

    Returns:
        The copy, which an older d7nb can open.
    """
    backup = path.with_name(f"{path.name}.version-{version}")
    draft = backup.with_name(f"{backup.name}.draft")
    draft.unlink(missing_ok=True)
    write_private(draft, b"")
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(draft)) as target:
        source.backup(target)
    secret = path.with_name(path.name + SECRET_SUFFIX)
    replace_private(backup.with_name(backup.name + SECRET_SUFFIX), secret.read_bytes())
    draft.replace(backup)
    return backup


def migrate(connection: Connection, secret: bytes, name: str) -> None:
    """Move everything to the tables of version 3, which are there and empty, and drop the old ones.

    A campaign's recipe is not known: version 2 did not store it.

    Args:
        connection: In the transaction that made the new tables; nobody else can write.
        secret: The ledger's secret, under which rows' keys are hashed.
        name: The ledger's name in messages.
    """
    existing = set(inspect(connection).get_table_names())
    for old, new in _COPIED:
        if old.name in existing:
            _copy(connection, old, new)
    of_campaign = select(_old_requests.c.destination, _old_requests.c.campaign).distinct()
    connection.execute(insert(campaigns).from_select(["destination", "name"], of_campaign.order_by(text("1, 2"))))
    in_campaign = (campaigns.c.destination == _old_requests.c.destination) & (
        campaigns.c.name == _old_requests.c.campaign
    )
    moved_requests = select(campaigns.c.id, *(_old_requests.c[name] for name in _REQUEST_COLUMNS))
    moved_requests = moved_requests.select_from(_old_requests.join(campaigns, in_campaign)).order_by(_old_requests.c.id)
    connection.execute(insert(requests).from_select(["campaign", *_REQUEST_COLUMNS], moved_requests))
    _move_rows(connection, key_secret(secret), name, has_statuses=_old_statuses.name in existing)
    for old in _DROPPED:
        if old.name in existing:
            connection.execute(text(f"DROP TABLE {old.name}"))
    if connection.dialect.name == "postgresql":
        for moved in (requests, destinations, campaigns, aside):
            _continue_numbers(connection, moved)


def _copy(connection: Connection, old: TableClause, new: Table) -> None:
    names = [each.name for each in old.columns]
    connection.execute(insert(new).from_select(names, select(*(old.c[name] for name in names))))


def _move_rows(connection: Connection, secret: bytes, name: str, *, has_statuses: bool) -> None:
    """Move rows, and their messages' ids and statuses, request by request."""
    hashed = _hash_function(connection, secret)
    rows_query = select(
        requests.c.campaign,
        hashed(_old_rows.c.key),
        *(_old_rows.c[name] for name in ("request", "sent", "person", "recipient")),
    ).join_from(_old_rows, requests, requests.c.id == _old_rows.c.request)
    messages_query = select(_old_statuses.c.request, hashed(_old_statuses.c.key), func.min(_old_statuses.c.msg_id))
    messages_query = messages_query.where(_old_statuses.c.msg_id != "").group_by(
        _old_statuses.c.request, _old_statuses.c.key
    )
    statuses_query = select(
        _old_statuses.c.request,
        hashed(_old_statuses.c.key),
        *(_old_statuses.c[name] for name in ("status", "at", "reason")),
    )
    moves = [(rows, ["campaign", "key", "request", "sent", "person", "recipient"], rows_query, _old_rows)]
    if has_statuses:
        moves += [
            (messages, ["request", "key", "msg_id"], messages_query, _old_statuses),
            (statuses, ["request", "key", "status", "at", "reason"], statuses_query, _old_statuses),
        ]
    total = connection.execute(select(func.count()).select_from(_old_rows)).scalar_one()
    with _progress(total, name) as advance:
        for first, last in _request_ranges(connection):
            for target, names, query, source in moves:
                in_range = query.where(source.c.request >= first, source.c.request < last)
                moved = connection.execute(insert(target).from_select(names, in_range.order_by(text("1, 2"))))
                if target is rows:
                    advance(moved.rowcount)


def _request_ranges(connection: Connection) -> Iterator[tuple[int, int]]:
    """Yield ranges of requests' numbers that hold all of them, each from a number to before another."""
    numbers = list(connection.execute(select(_old_requests.c.id).order_by(_old_requests.c.id)).scalars())
    for start in range(0, len(numbers), _REQUESTS_AT_ONCE):
        end = min(start + _REQUESTS_AT_ONCE, len(numbers))
        yield numbers[start], numbers[end - 1] + 1


def _hash_function(connection: Connection, secret: bytes) -> Any:
    """Return a function that hashes a column of keys in the database."""
    if connection.dialect.name == "sqlite":
        driver = cast("sqlite3.Connection", connection.connection.driver_connection)
        driver.create_function("d7nb_hash_key", 1, hash_under(secret), deterministic=True)
        return func.d7nb_hash_key
    inner, outer = (bindparam(None, block, LargeBinary, unique=True) for block in hmac_blocks(secret))

    def hashed(key: ColumnElement[bytes]) -> ColumnElement[bytes]:
        first = func.sha256(inner.op("||")(key))
        return func.substring(func.sha256(outer.op("||")(first)), 1, HASH_SIZE)

    return hashed


def _continue_numbers(connection: Connection, moved: Table) -> None:
    """Let PostgreSQL count on from the highest number that was moved."""
    highest = connection.execute(select(func.max(moved.c.id))).scalar()
    if highest is not None:
        connection.execute(
            select(func.setval(func.pg_get_serial_sequence(moved.name, "id"), literal(highest, BigInteger)))
        )


@contextmanager
def _progress(total: int, name: str) -> Iterator[Callable[[int], object]]:
    """Show a bar where the rows are many; yield a function that is told how many more have moved."""
    if total < _SHOWS_PROGRESS:
        yield lambda _: None
        return
    from tqdm.auto import tqdm  # noqa: PLC0415  (slow to import, and mostly not needed)

    with tqdm(total=total, unit="row", desc=f"upgrading {name}") as bar:
        yield bar.update
