"""The tables of the ledger. They hold no message text, and of a phone number only a masked form and a keyed hash.

The outcome is stored with the request, and rows point to it: a request of a hundred rows costs two small commits. The
rows of a campaign lie side by side, so that what other campaigns left behind costs nothing.

From version 3 on, a new version only adds tables and indexes: raise `SCHEMA`, and `Database` makes what an older ledger
lacks, while programs with an older d7nb go on. Add a ledger of the last version to ``tests/data``.
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
    UniqueConstraint,
    and_,
    case,
    func,
)
from sqlalchemy.dialects import postgresql, sqlite

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import ColumnElement

SCHEMA = 3
"""The version of the tables, stored in ``d7nb_meta``; `d7nb.store.migration` knows the tables of versions 1 and 2."""

KEY_SIZE = 16
"""Bytes of a key."""

NOTHING_SENT = ("rejected", "unsent")
"""Outcomes after which a row is free again: nothing went out."""
RECORDED = ("accepted", "rejected", "unknown", "unsent")
"""Outcomes that a request can have; one without has been claimed, and not recorded."""
PRESUMED, SETTLED, HEARD, IMPORTED = "presumed", "settled", "heard", "imported"
"""The ledger's own codes, for an outcome that nobody recorded, that a person settled, that a D7 status settled, and for
a request of another tool of which only the people are known: its rows have keys of no plan."""

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
    "d7nb_ledger_destinations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("origin", Text, nullable=False, unique=True),
)

campaigns = Table(
    "d7nb_ledger_campaigns",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("destination", Integer, ForeignKey(destinations.c.id), nullable=False),
    Column("name", Text, nullable=False),
    Column("recipe", Text),  # how its rows are told apart, by `d7nb.store.recipes`; NULL where that is not known
    UniqueConstraint("destination", "name"),
)
"""A campaign at a destination; a rehearsal at a sandbox is another one."""

runs = Table(
    "d7nb_ledger_runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("machine", Text, nullable=False),  # boot and process namespace: where pids mean something
    Column("pid", Integer, nullable=False),
    Column("process", Text, nullable=False),  # when it started: pids come again
    Column("ended", Boolean, nullable=False),
    Column("recipe", Text),  # how it told rows apart; NULL in a run of an older d7nb
)
"""Every send; they are never deleted, since the companion file names the last one."""

requests = Table(
    "d7nb_ledger_requests",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("run", Text, ForeignKey(runs.c.id), nullable=False),
    Column("campaign", Integer, ForeignKey(campaigns.c.id), nullable=False),
    Column("claimed_at", BigInteger, nullable=False),  # times are microseconds since 1970, UTC
    Column("lifetime", BigInteger, nullable=False),
    Column("outcome", Text),
    Column("request_id", Text),
    Column("created_at", Text),  # D7's, as given
    Column("status", Integer),
    Column("code", Text, nullable=False, default=""),
    Column("reason", Text, nullable=False, default=""),
    Column("recorded_at", BigInteger),
    Index("d7nb_ledger_requests_of_campaign", "campaign", "id"),
    Index("d7nb_ledger_requests_by_id", "request_id"),
    Index("d7nb_ledger_requests_by_time", "claimed_at"),
    sqlite_autoincrement=True,  # the number of a deleted request is never given again
)
requests_without_outcome = requests.c.outcome.is_(None)
Index(
    "d7nb_ledger_requests_without_outcome",
    requests.c.campaign,
    sqlite_where=requests_without_outcome,
    postgresql_where=requests_without_outcome,
)

rows = Table(
    "d7nb_ledger_rows",
    metadata,
    Column("campaign", Integer, ForeignKey(campaigns.c.id), primary_key=True, autoincrement=False),
    Column("key", LargeBinary, primary_key=True),  # an HMAC of the key that D7 gets
    Column("request", _Number, ForeignKey(requests.c.id), nullable=False),  # the last to claim it
    Column("sent", _Number, ForeignKey(requests.c.id)),  # an earlier one that may have sent it, where it was sent again
    Column("person", LargeBinary),  # an HMAC of the number
    Column("recipient", Text, nullable=False),  # masked
    Index("d7nb_ledger_rows_of_request", "request"),
    Index("d7nb_ledger_rows_of_person", "campaign", "person"),
    sqlite_with_rowid=False,
)
"""Each row that was ever claimed. By its key alone, it is looked for in each campaign: an index over all campaigns
would be as random as the keys, and cost more than all the rest."""
rows_sent_again = rows.c.sent.is_not(None)
Index("d7nb_ledger_rows_sent_again", rows.c.sent, sqlite_where=rows_sent_again, postgresql_where=rows_sent_again)

messages = Table(
    "d7nb_ledger_messages",
    metadata,
    Column("request", _Number, ForeignKey(requests.c.id), primary_key=True, autoincrement=False),
    Column("key", LargeBinary, primary_key=True),
    Column("msg_id", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""D7's id of a row's message."""

statuses = Table(
    "d7nb_ledger_statuses",
    metadata,
    Column("request", _Number, ForeignKey(requests.c.id), primary_key=True, autoincrement=False),
    Column("key", LargeBinary, primary_key=True),
    Column("status", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),  # the earliest time at which it is known to have had this status
    Column("reason", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""Each status that a row's message ever had; which one counts is defined in `d7nb.api.statuses`."""

inbound = Table(
    "d7nb_ledger_inbound",
    metadata,
    Column("destination", Integer, ForeignKey(destinations.c.id), primary_key=True, autoincrement=False),
    Column("person", LargeBinary, primary_key=True),
    Column("originator", LargeBinary, primary_key=True),  # an HMAC, like the person's
    Column("at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""When a person last wrote to a business number."""

opt_outs = Table(
    "d7nb_ledger_opt_outs",
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
    "d7nb_ledger_aside",
    metadata,
    Column("id", _Number, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("why", Text, nullable=False),
    Column("text", Text, nullable=False),  # masked
)
"""Dead letters: events that could not be used, for a person to look at."""

people_locks = Table(
    "d7nb_ledger_people_locks",
    MetaData(),
    Column("campaign", Integer, primary_key=True, autoincrement=False),
    Column("person", LargeBinary, primary_key=True),
    prefixes=["UNLOGGED"],
)
"""In PostgreSQL alone: a claim inserts the people that it is about, and deletes them before its end, so that two claims
about one person wait for each other. There are too many people for advisory locks."""

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
