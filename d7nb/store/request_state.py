"""Requests as they are stored, and what they mean for their rows: sent, in doubt, free, or just being sent."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import insert, select, update

from d7nb.store.processes import Process, lives
from d7nb.store.questions import hashes_table, numbers_table
from d7nb.store.schema import (
    IMPORTED,
    NOTHING_SENT,
    PRESUMED,
    SETTLED,
    decided,
    deciding,
    requests,
    rows,
    runs,
    to_time,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection
    from sqlalchemy.sql import FromClause


AT_ONCE = 5_000
"""Keys in one query: both databases limit the number of parameters."""


class Request(NamedTuple):
    """A request as it is stored, with what is known of its run."""

    id: int
    run: str
    claimed_at: int
    lifetime: int
    outcome: str | None
    request_id: str | None
    created_at: str | None
    code: str
    reason: str
    recorded_at: int | None
    ended: bool
    recipe: str | None
    process: Process

    @property
    def free(self) -> bool:
        """Whether its rows may be claimed: nothing of it went out."""
        return self.outcome in NOTHING_SENT

    @property
    def settled_as_not_sent(self) -> bool:
        """Whether a person said that nothing of it went out."""
        return self.free and self.code == SETTLED

    def tells_rows_apart_otherwise(self, recipe: str | None) -> bool:
        """Return whether its rows are surely told apart in another way, so that each of them may be another text."""
        return self.code == IMPORTED or self.recipe not in {None, recipe}

    def is_being_sent(self, now: int) -> bool:
        """Return whether a run may be sending it at this moment.

        A claim from the future is in doubt like an old one: a clock was wrong when it was made.

        Args:
            now: Now, as the ledger stores it.
        """
        if self.outcome is not None or self.ended or abs(now - self.claimed_at) > self.lifetime:
            return False
        return lives(self.process) is not False

    def explain(self, at: datetime) -> str:
        """Return the sentence that says why its rows do not go; or why they did not, where they are free."""
        if self.outcome is None:
            where = "" if self.process.host == socket.gethostname() else f" on {self.process.host}"
            since = to_time(self.claimed_at, at)
            day = "" if since.date() == at.date() else f"{since:%Y-%m-%d} "
            return f"being sent by another run{where} since {day}{since:%H:%M %Z}"
        if self.code == SETTLED or self.free:
            return self.reason
        if self.outcome == "accepted":
            sent = to_time(self.claimed_at if self.recorded_at is None else self.recorded_at, at)
            return f"already sent on {sent:%Y-%m-%d at %H:%M %Z}"
        tried = to_time(self.claimed_at, at)
        return f"may have gone out on {tried:%Y-%m-%d at %H:%M %Z}" + f": {self.reason}" * bool(self.reason)


_REQUEST_COLUMNS = tuple(name for name in Request._fields if name in requests.c)
_SHARED = ("run", "campaign", "claimed_at", "lifetime", "request_id", "created_at", "status")
_PROCESS_COLUMNS = ("host", "machine", "pid", "process")


def request_columns(source: FromClause) -> list[ColumnElement[Any]]:
    """Return the columns of requests joined with their runs that `request_from` reads.

    Args:
        source: The requests, or an alias of them.
    """
    return [
        *(source.c[name] for name in _REQUEST_COLUMNS),
        runs.c.ended,
        runs.c.recipe,
        *(runs.c[name] for name in _PROCESS_COLUMNS),
    ]


def request_from(row: Sequence[Any]) -> Request:
    """Return the request in a row of a result that begins with `request_columns`."""
    end = len(_REQUEST_COLUMNS) + 2
    return Request._make([*row[:end], Process._make(row[end : end + len(_PROCESS_COLUMNS)])])


def presume_unknown(connection: Connection, stored_requests: Iterable[Request], now: int) -> dict[int, Request]:
    """Mark abandoned requests, whose run ended without a result, as unknown.

    Args:
        connection: In a write transaction.
        stored_requests: Requests, whatever their outcome, as they were read in it.
        now: Now, as the ledger stores it.

    Returns:
        The requests as they are now, by their numbers.
    """
    current = {request.id: request for request in stored_requests}
    abandoned = [number for number, request in current.items() if request.outcome is None]
    abandoned = [number for number in abandoned if not current[number].is_being_sent(now)]
    for number in lock_requests(connection, abandoned, requests.c.outcome.is_(None)):
        values: dict[str, Any] = {
            "outcome": "unknown",
            "code": PRESUMED,
            "reason": f"the send on {current[number].process.host} stopped before D7's answer was recorded",
            "recorded_at": now,
        }
        connection.execute(update(requests).where(requests.c.id == number).values(values))
        current[number] = current[number]._replace(**values)
    return current


def lock_requests(connection: Connection, numbers: Sequence[int], *conditions: ColumnElement[bool]) -> set[int]:
    """Keep requests from being recorded before the transaction ends; return those of them that are not just now.

    In SQLite, no two transactions write at once. Those that another one is recording are passed over: whoever waited
    for them while holding others could wait forever.
    """
    if not numbers:
        return set()
    asked = numbers_table(connection, sorted(numbers))
    query = select(requests.c.id).where(requests.c.id.in_(select(asked.c.value)), *conditions)
    return set(connection.execute(query.order_by(requests.c.id).with_for_update(skip_locked=True)).scalars())


def lock_rows(connection: Connection, campaign_id: int, keys: Sequence[bytes]) -> Sequence[bytes]:
    """Keep rows from being changed before the transaction ends. All do it in one order, so that none waits forever.

    Returns:
        The keys of those that are locked: one that is written at this moment may be missing, and must be left alone.
    """
    if connection.dialect.name == "sqlite" or not keys:
        return keys
    asked = hashes_table(connection, keys)
    query = select(rows.c.key).where(rows.c.campaign == campaign_id, rows.c.key.in_(select(asked.c.value)))
    return list(connection.execute(query.order_by(rows.c.key).with_for_update()).scalars())


def insert_request(connection: Connection, values: dict[str, Any]) -> int:
    """Write down a new request, and return its number."""
    number: int = connection.execute(insert(requests), values).inserted_primary_key[0]  # type: ignore[index]
    return number


def split_off(
    connection: Connection, number: int, changes: dict[str, Any], *conditions: ColumnElement[bool]
) -> int | None:
    """Write down a copy of a request with an outcome of its own, for rows that no longer share the other's.

    Args:
        connection: In a write transaction.
        number: The number of the other.
        changes: The columns in which they differ.
        conditions: What must be true of the other.

    Returns:
        The number of the new one; None where the conditions are not met.
    """
    original = select(*(requests.c[name] for name in _SHARED)).where(requests.c.id == number, *conditions)
    shared = connection.execute(original).mappings().one_or_none()
    return None if shared is None else insert_request(connection, {**shared, **changes})


class StoredRow(NamedTuple):
    """A row that the ledger knows.

    Attributes:
        key: The key.
        request: The request that decides about it.
        earlier_request: The number of an earlier request that surely sent it; None where none did.
    """

    key: bytes
    request: Request
    earlier_request: int | None


_earlier = requests.alias("earlier")
_STORED_ROWS = select(*request_columns(deciding), rows.c.key, _earlier.c.id.label("earlier_request")).select_from(
    decided.join(runs, runs.c.id == deciding.c.run).outerjoin(
        _earlier, (_earlier.c.id == rows.c.sent) & (_earlier.c.outcome == "accepted")
    )
)


def find_rows(connection: Connection, campaign_id: int, keys: Sequence[bytes], now: int) -> list[StoredRow]:
    """Find and lock the rows that the ledger knows under some keys; what nobody sends any more is presumed unknown.

    Args:
        connection: In a write transaction.
        campaign_id: The number of the campaign.
        keys: The keys, as the ledger stores them.
        now: Now, as the ledger stores it.
    """
    locked = lock_rows(connection, campaign_id, keys)
    if not locked:
        return []
    asked = hashes_table(connection, locked)
    stored_rows = connection.execute(
        _STORED_ROWS.where(rows.c.campaign == campaign_id, rows.c.key.in_(select(asked.c.value)))
    ).all()
    current = presume_unknown(connection, {row.id: request_from(row) for row in stored_rows}.values(), now)
    return [StoredRow(row.key, current[row.id], row.earlier_request) for row in stored_rows]


def chunks(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Yield values in slices that fit into one query."""
    for start in range(0, len(values), AT_ONCE):
        yield values[start : start + AT_ONCE]
