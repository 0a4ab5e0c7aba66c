"""The tables of the ledger. They hold no message text, and of a phone number only a masked form and a keyed hash.

The outcome is stored with the request, and rows point to it: a request of a hundred rows costs two small commits.
To add a table or an index, raise `SCHEMA`: `Database` then makes what an older ledger does not have, and stores the new
number. Also add a ledger of the last version to ``tests/data``. Any other change, such as a column, needs statements of
its own in `Database._upgrade`, and programs with an older d7nb that are running must be able to go on.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    and_,
    case,
    func,
)
from sqlalchemy.dialects import postgresql, sqlite

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import ColumnElement

SCHEMA = 2
"""The version of the tables, stored in ``d7nb_meta``. Version 1 had none for what comes in after a send."""

KEY_SIZE = 16
"""Bytes of a key."""

NOTHING_SENT = ("rejected", "unsent")
"""Outcomes after which a row is free again: nothing went out."""
RECORDED = ("accepted", "rejected", "unknown", "unsent")
"""Outcomes that a request can have; one without has been claimed, and not recorded."""
PRESUMED, SETTLED, HEARD = "presumed", "settled", "heard"
"""The ledger's own codes, for an outcome that nobody recorded, that a person settled, or that a D7 status settled."""

SEPARATOR = "\x1f"
"""Separates texts that the database joins; none of them contains it."""
_UNSTORABLE = frozenset({"\0", SEPARATOR})
LONGEST_WORD, LONGEST_TEXT = 60, 2_000
"""Characters that are stored of a word, such as a status, and of a sentence or an id."""
INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
"""Each database's own INSERT, which takes ON CONFLICT."""
HEXADECIMAL: dict[str, Callable[[ColumnElement[bytes]], ColumnElement[str]]] = {
    "sqlite": func.hex,
    "postgresql": lambda column: func.encode(column, "hex"),
}
"""Bytes as text, so that the database can join those of many rows: a million rows are no million objects."""

_Number = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up only what is called INTEGER

metadata = MetaData()

meta = Table("d7nb_meta", metadata, Column("name", Text, primary_key=True), Column("value", Text, nullable=False))

destinations = Table(
    "d7nb_destinations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("origin", Text, nullable=False, unique=True),
)

runs = Table(
    "d7nb_runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("machine", Text, nullable=False),  # boot and process namespace: where pids mean something
    Column("pid", Integer, nullable=False),
    Column("process", Text, nullable=False),  # when it started: pids come again
    Column("ended", Boolean, nullable=False),
)

requests = Table(
    "d7nb_requests",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("run", Text, ForeignKey(runs.c.id), nullable=False),
    Column("destination", Integer, ForeignKey(destinations.c.id), nullable=False),
    Column("campaign", Text, nullable=False),
    Column("claimed_at", BigInteger, nullable=False),  # times are microseconds since 1970, UTC
    Column("lifetime", BigInteger, nullable=False),
    Column("outcome", Text),
    Column("request_id", Text),
    Column("created_at", Text),  # D7's, as given
    Column("status", Integer),
    Column("code", Text, nullable=False, default=""),
    Column("reason", Text, nullable=False, default=""),
    Column("recorded_at", BigInteger),
    Index("d7nb_requests_of_campaign", "destination", "campaign"),
    Index("d7nb_requests_by_id", "request_id"),
)

rows = Table(
    "d7nb_rows",
    metadata,
    Column("destination", Integer, ForeignKey(destinations.c.id), primary_key=True, autoincrement=False),
    Column("key", LargeBinary, primary_key=True),
    Column("request", _Number, ForeignKey(requests.c.id), nullable=False),  # the last to claim it
    Column("sent", _Number, ForeignKey(requests.c.id)),  # an earlier one that may have sent it, where it was sent again
    Column("person", LargeBinary),
    Column("recipient", Text, nullable=False),  # masked
    # Rows of a request lie side by side, so this index grows at its end. One on the person would be as random as the
    # key's, and cost as much as all the rest.
    Index("d7nb_rows_of_request", "request"),
)

statuses = Table(
    "d7nb_statuses",
    metadata,
    Column("request", _Number, ForeignKey(requests.c.id), primary_key=True, autoincrement=False),
    Column("key", LargeBinary, primary_key=True),
    Column("status", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),  # the earliest time at which it is known to have had this status
    Column("msg_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""Each status that a row's message ever had; which one counts is defined in `d7nb.api.statuses`."""

inbound = Table(
    "d7nb_inbound",
    metadata,
    Column("destination", Integer, ForeignKey(destinations.c.id), primary_key=True, autoincrement=False),
    Column("person", LargeBinary, primary_key=True),
    Column("originator", LargeBinary, primary_key=True),  # a hash, like the person's
    Column("at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""When a person last wrote to a business number."""

opt_outs = Table(
    "d7nb_opt_outs",
    metadata,
    Column("destination", Integer, ForeignKey(destinations.c.id), primary_key=True, autoincrement=False),
    Column("person", LargeBinary, primary_key=True),
    Column("recipient", Text, nullable=False),  # masked
    Column("stopped", Boolean, nullable=False),  # false after an opt-in
    Column("at", BigInteger, nullable=False),
    Column("word", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""Whether each person opted out, or opted in again, whichever came last."""

aside = Table(
    "d7nb_aside",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("why", Text, nullable=False),
    Column("text", Text, nullable=False),  # masked
)
"""Dead letters: events that could not be used, for a person to look at."""

last = requests.alias("last")
deciding = requests.alias("deciding")
decided = rows.join(last, last.c.id == rows.c.request).join(
    deciding,
    deciding.c.id
    == case((and_(last.c.outcome.in_(NOTHING_SENT), rows.c.sent.is_not(None)), rows.c.sent), else_=rows.c.request),
)
"""Each row with the request that decides about it: its last, unless that sent nothing and an earlier one may have."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_number(at: datetime) -> int:
    """Return a time as the ledger stores it: microseconds since 1970, UTC.

    Raises:
        ValueError: It has no zone.

    Example:
        >>> to_number(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
        1000000
    """
    if at.utcoffset() is None:
        raise ValueError(
            "a time needs a time zone, such as datetime(2026, 11, 23, tzinfo=UTC): without one it is ambiguous"
        )
    return (at - _EPOCH) // _MICROSECOND


def to_time(number: int, like: datetime) -> datetime:
    """Return a stored time in the zone of another."""
    return (_EPOCH + number * _MICROSECOND).astimezone(like.tzinfo)


def storable(text: str, longest: int | None = None) -> str:
    r"""Return a text as both databases take it: PostgreSQL stores no zero byte, UTF-8 no half of a surrogate pair.

    Args:
        text: Any text.
        longest: How many characters of it are stored, all unless given.

    Example:
        >>> storable("no\0thing", 5)
        'nothi'
    """
    if not text.isprintable():
        text = "".join(sign for sign in text if sign not in _UNSTORABLE).encode("utf-8", "replace").decode()
    return text[:longest]
