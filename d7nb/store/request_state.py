"""What a stored request says about its rows: sent, in doubt, free, or just being sent by a run that lives."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import insert, select, update

from d7nb.store.processes import Process, lives
from d7nb.store.schema import (
    PRESUMED,
    RELEASED,
    SETTLED,
    decided,
    deciding,
    requests,
    rows,
    runs,
    to_number,
    to_time,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection
    from sqlalchemy.sql import FromClause


AT_ONCE = 5_000
"""Keys in one query: both databases limit the number of parameters."""
FEW = AT_ONCE // 2
"""Up to so many rows or people, the database picks them out; for more, all is read, which is faster."""


class Request(NamedTuple):
    """A request as it is stored, with what its run left about itself."""

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
    process: Process

    @property
    def free(self) -> bool:
        """Whether its rows may be claimed: nothing of it went out."""
        return self.outcome in RELEASED

    @property
    def taken_back(self) -> bool:
        """Whether a person said that nothing of it went out."""
        return self.free and self.code == SETTLED

    def going(self, at: datetime) -> bool:
        """Whether a run may just be sending it.

        A clock that goes backwards makes it younger; and what is no longer going is in doubt, never free.
        """
        if self.outcome is not None or self.ended or to_number(at) - self.claimed_at > self.lifetime:
            return False
        return lives(self.process) is not False

    def told(self, at: datetime) -> str:
        """The sentence for a person who asks why its rows do not go; or why they did not, where they are free."""
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


_OF_REQUEST = tuple(name for name in Request._fields if name in requests.c)
_ALIKE = ("run", "destination", "campaign", "claimed_at", "lifetime", "request_id", "created_at", "status")
_OF_PROCESS = ("host", "machine", "pid", "process")


def columns_of(source: FromClause) -> list[ColumnElement[Any]]:
    """What to ask of requests joined with their runs, so that `request_of` understands it.

    Args:
        source: The requests, or an alias of them.
    """
    return [*(source.c[name] for name in _OF_REQUEST), runs.c.ended, *(runs.c[name] for name in _OF_PROCESS)]


def request_of(row: Sequence[Any]) -> Request:
    """The request in what was found by `columns_of`, which stands first in it."""
    own = len(_OF_REQUEST) + 1
    return Request._make([*row[:own], Process._make(row[own : own + len(_OF_PROCESS)])])


def presume(connection: Connection, found: Iterable[Request], at: datetime) -> dict[int, Request]:
    """Record of requests that nobody sends any more, and nobody recorded, that it is unknown what became of them.

    Args:
        connection: In a write transaction.
        found: Requests, whatever their outcome, as they were found in it.
        at: Now.

    Returns:
        Each of them as it stands now, by its number.
    """
    now = {}
    for request in found:
        now[request.id] = request
        if request.outcome is None and not request.going(at):
            values: dict[str, Any] = {
                "outcome": "unknown",
                "code": PRESUMED,
                "reason": f"its run on {request.process.host} did not record what became of it",
                "recorded_at": to_number(at),
            }
            connection.execute(update(requests).where(requests.c.id == request.id).values(values))
            now[request.id] = request._replace(**values)
    return now


def insert_request(connection: Connection, values: dict[str, Any]) -> int:
    """Write down a new request; its number."""
    number: int = connection.execute(insert(requests), values).inserted_primary_key[0]  # type: ignore[index]
    return number


def split_off(
    connection: Connection, number: int, said: dict[str, Any], *conditions: ColumnElement[bool]
) -> int | None:
    """Make a request like another, with an outcome of its own, for rows that no longer share the other's.

    Args:
        connection: In a write transaction.
        number: The other's.
        said: Columns in which they differ.
        conditions: What must be true of the other.

    Returns:
        The number of the new one; None where the conditions are not met.
    """
    alike = select(*(requests.c[name] for name in _ALIKE)).where(requests.c.id == number, *conditions)
    found = connection.execute(alike).mappings().one_or_none()
    if found is None:
        return None
    return insert_request(connection, {**found, **said})


class Held(NamedTuple):
    """A row that the ledger knows.

    Attributes:
        key: Its key.
        request: The request that decides about it.
        earlier: The number of an earlier request that surely sent it; None where none did.
    """

    key: bytes
    request: Request
    earlier: int | None


_earlier = requests.alias("earlier")
_HELD = select(*columns_of(deciding), rows.c.key, _earlier.c.id.label("earlier")).select_from(
    decided.join(runs, runs.c.id == deciding.c.run).outerjoin(
        _earlier, (_earlier.c.id == rows.c.sent) & (_earlier.c.outcome == "accepted")
    )
)


def held(connection: Connection, place: int, keys: Sequence[bytes], at: datetime) -> Iterator[Held]:
    """The rows that the ledger knows under some keys; what is no longer going is presumed unknown first.

    Args:
        connection: In a write transaction.
        place: The number of the destination.
        keys: The keys.
        at: Now.
    """
    for start in range(0, len(keys), AT_ONCE):
        chosen = rows.c.key.in_(keys[start : start + AT_ONCE])
        found = connection.execute(_HELD.where(rows.c.destination == place, chosen)).all()
        now = presume(connection, {row.id: request_of(row) for row in found}.values(), at)
        for row in found:
            yield Held(row.key, now[row.id], row.earlier)


def chunks(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Yield values in slices that fit into one query."""
    for start in range(0, len(values), AT_ONCE):
        yield values[start : start + AT_ONCE]
