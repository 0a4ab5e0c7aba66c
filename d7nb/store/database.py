"""The ledger's database: its connections and transactions, its version, and its secret."""

from __future__ import annotations

import math
import os
import sqlite3
import time
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from sqlalchemy import bindparam, create_engine, event, inspect, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from d7nb.errors import LedgerError
from d7nb.store.companion import Companion, CompanionFile, Damaged, LedgerLost, files_of
from d7nb.store.faults import PRIMARY, guarded
from d7nb.store.hashing import hash_under, key_secret
from d7nb.store.location import (
    check_private,
    filesystem_of,
    in_container,
    is_network,
    make_file,
    read_mounts,
    shown,
    warning_for,
)
from d7nb.store.opening import check_not_gone, check_not_older, last_request_number, open_tables, read_companion
from d7nb.store.schema import INSERT, campaigns, destinations, meta, to_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from sqlalchemy import Connection, Engine

    from d7nb.store.location import LedgerLocation

_KEEPALIVE = {"keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 60_000}
"""After about a minute without a sign of life, a server is given up: a send must be able to end."""
_LONGEST_STATEMENT = 300
_RETRY_SECONDS = 0.01
"""Seconds between two tries of what SQLite refuses at once instead of waiting."""
_CLOCKS_AGREE = 1_000_000
"""Microseconds by which this machine's clock may differ from the server's: that is the network's delay."""
_DESTINATION = select(destinations.c.id).where(destinations.c.origin == bindparam("origin"))
_CAMPAIGN = select(campaigns.c.id).where(
    campaigns.c.destination == bindparam("destination"), campaigns.c.name == bindparam("name")
)
_SERVER_TIME = text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")


class Hashing(NamedTuple):
    """The two functions that hash what the ledger does not store as it is.

    Attributes:
        recipients: Hashes numbers, one form for all variants of each; None stays None.
        keys: Hashes rows' keys.
    """

    recipients: Callable[[Iterable[str | None]], list[bytes | None]]
    keys: Callable[[Iterable[bytes]], list[bytes]]


class Database:
    """An open ledger, below the level of rows and claims.

    Args:
        location: Its location.
        patience: Seconds to wait for another writer.

    Attributes:
        location: Its location.
        name: Its name in messages.
        address: The whole address, without any password.
        warning: One sentence on what may go wrong with it where it is; None where all is well.

    Raises:
        LedgerError: It can't be opened or written, is damaged, or a newer d7nb wrote it.
    """

    def __init__(self, location: LedgerLocation, patience: float) -> None:
        self.location = location
        self.name = location.name
        self.address = location.address
        self.warning: str | None = None
        self._companion: Companion
        self._destinations: dict[str, int] = {}
        self._campaigns: dict[tuple[str, str], int] = {}
        self._companion_file = CompanionFile.of(location)
        with guarded(self.name):
            if location.path is not None and not location.path.exists():
                check_not_gone(location)  # before an empty file is made in its place
            make_file(location)
            self.engine = self._postgres(patience) if location.path is None else self._sqlite(location.path, patience)
            try:
                secret, self._companion = open_tables(self.engine, location)
            except BaseException:
                self.engine.dispose()
                raise
        self._hash_person, self._hash_key = hash_under(secret), hash_under(key_secret(secret))

    def close(self) -> None:
        """Close the file or the connections to the server."""
        self.engine.dispose()

    def _sqlite(self, path: Path, patience: float) -> Engine:
        filesystem = filesystem_of(path.resolve(), read_mounts())
        for warning in (
            warning_for(filesystem, os.environ, contained=in_container()),
            check_private(files_of(path)),
        ):
            if warning:
                self._add_warning(warning)
        self._identity = _identity(path)
        # WAL needs memory that all its users share, which two machines don't; the old journal then needs EXTRA, since
        # its commit is the removal of a file.
        journal, synchronous = ("DELETE", "EXTRA") if is_network(filesystem) else ("WAL", "FULL")
        engine = create_engine(self.location.url, hide_parameters=True, connect_args={"timeout": patience})

        @event.listens_for(engine, "connect")
        def prepare(connection: Any, _: Any) -> None:
            connection.isolation_level = None  # transactions begin where we say so
            _set_journal(connection, journal, patience)
            connection.execute(f"PRAGMA synchronous = {synchronous}")

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            reading = connection.get_execution_options().get("reading", False)
            driver = cast("sqlite3.Connection", connection.connection.driver_connection)
            driver.execute("BEGIN" if reading else "BEGIN IMMEDIATE")

        self._reader = engine.execution_options(reading=True)
        self._fresh = create_engine(
            self.location.url, hide_parameters=True, poolclass=NullPool, connect_args={"timeout": patience}
        )
        return engine

    def _postgres(self, patience: float) -> Engine:
        try:
            # "format" lets one list of tuples serve both databases.
            engine = create_engine(
                self.location.url,
                hide_parameters=True,
                paramstyle="format",
                pool_pre_ping=True,
                connect_args=_KEEPALIVE | {"connect_timeout": max(math.ceil(patience), 2)},
            )
        except ImportError:
            raise LedgerError("a ledger in PostgreSQL needs psycopg: pip install 'd7nb[postgres]'") from None

        @event.listens_for(engine, "connect")
        def prepare(connection: Any, _: Any) -> None:
            connection.execute(f"SET lock_timeout = {max(int(patience * 1000), 1)}")
            connection.execute(f"SET statement_timeout = '{_LONGEST_STATEMENT}s'")
            connection.execute(
                "SELECT set_config('synchronous_commit', 'on', false)"
                " WHERE current_setting('synchronous_commit') IN ('off', 'local')"
            )
            connection.commit()

        self._reader = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        return engine

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self.engine.dialect.name

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a transaction that sees one state of the ledger throughout.

        Raises:
            LedgerError: The ledger can't be read.
        """
        with guarded(self.name), self._reader.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self, connection: Connection | None = None) -> Iterator[Connection]:
        """Open a transaction that writes; at its end it is on the disk.

        In SQLite, no two overlap. In PostgreSQL they may: what they must not change at once, they lock.

        Args:
            connection: A connection to use; without one, one is taken from the pool.

        Raises:
            LedgerError: Nothing was written.
        """
        with guarded(self.name):
            self._check_identity()  # first of all: a new connection would make an empty file in its place
            with nullcontext(connection) if connection is not None else self.engine.connect() as writer, writer.begin():
                self._check_identity()  # and now that nobody can restore another file any more
                yield writer

    def now(self, connection: Connection, at: datetime) -> int:
        """Return a moment as the ledger stores it; in PostgreSQL the server's clock decides, not this machine's.

        Args:
            connection: Any.
            at: The moment, by this machine's clock.
        """
        number = to_number(at)
        if self.dialect == "sqlite":
            return number
        ahead = int(connection.execute(_SERVER_TIME).scalar_one()) - to_number(datetime.now(UTC))
        return number if abs(ahead) < _CLOCKS_AGREE else number + ahead

    def shrink(self) -> None:
        """Give the space of deleted rows back to the disk, unless somebody reads or there is no room to do it."""
        if self.dialect == "sqlite":
            with suppress(SQLAlchemyError), self.engine.connect() as connection:
                driver = cast("sqlite3.Connection", connection.connection.driver_connection)
                with suppress(sqlite3.Error):
                    driver.execute("VACUUM")
                    driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def begin_run(self, connection: Connection) -> None:
        """Check, before a run begins, that the ledger still has all that its companion file knows of.

        Args:
            connection: In the transaction in which the run begins.

        Raises:
            LedgerLost: It was replaced by an older copy, or its companion file by that of another ledger.
        """
        companion = read_companion(self._companion_file, self.location) or self._companion
        if companion.ledger != self._companion.ledger:
            raise LedgerLost(
                f"the file {self._companion_file.path.name} now belongs to another ledger than {self.name}, which is "
                "in use: put it back and open the ledger again"
            )
        if self.location.path is None:
            check_not_older(connection, companion, self.location)
            return
        with self._fresh.connect() as fresh:  # others remember what stood in a file that was overwritten in place
            check_not_older(fresh, companion, self.location)

    def note_run(self, run: str) -> None:
        """Write to the companion file that a run began, which the ledger has."""
        at = datetime.now(UTC).isoformat()
        try:
            if self.location.path is None:
                self._companion = self._companion_file.note_run(self._companion, run, at, 0)
                return
            with self.engine.begin() as connection:  # nobody else notes a run meanwhile
                number = last_request_number(connection)
                self._companion = self._companion_file.note_run(self._companion, run, at, number)
        except (OSError, Damaged):
            if self.location.path is not None:
                raise
            self._add_warning(
                f"{shown(self._companion_file.path.parent)} can't be written, so it will not be noticed if the "
                f"database {self.name} loses messages: make it writable"
            )

    def fold(self) -> None:
        """Copy what was written to the file itself, so that nothing is missing there; others need not wait for it."""
        if self.dialect == "sqlite":
            with suppress(SQLAlchemyError), self.engine.connect() as connection, suppress(sqlite3.Error):
                driver = cast("sqlite3.Connection", connection.connection.driver_connection)
                driver.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def note_request(self, number: int) -> None:
        """Write to the companion file that a request was claimed, which the ledger has."""
        if self.location.path is not None:
            self._companion_file.note_request(number)

    def _add_warning(self, sentence: str) -> None:
        if sentence not in (self.warning or ""):
            self.warning = f"{self.warning}; {sentence}" if self.warning else sentence

    def _check_identity(self) -> None:
        """Refuse a file that was removed or replaced: SQLite would go on writing to it, and nobody could read it."""
        path = self.location.path
        if path is not None and _identity(path) != self._identity:
            raise LedgerError(
                f"the ledger {self.name} was removed or replaced while it was in use: put it back and open it again"
            )

    def destination_id(self, origin: str) -> int | None:
        """Return the number that stands for a destination; None where nothing ever went there."""
        if origin not in self._destinations:
            with self.reading() as connection:
                number = connection.execute(_DESTINATION, {"origin": origin}).scalar()
            if number is None:
                return None
            self._destinations[origin] = number
        return self._destinations[origin]

    def make_destination_id(self, origin: str) -> int:
        """Return the number that stands for a destination, which is made if there is none."""
        number = self.destination_id(origin)
        if number is not None:
            return number
        with self.writing() as connection:
            connection.execute(INSERT[self.dialect](destinations).on_conflict_do_nothing(), {"origin": origin})
        return self.make_destination_id(origin)

    def campaign_id(self, origin: str, name: str) -> int | None:
        """Return the number that stands for a campaign at a destination; None where nothing of it was ever claimed."""
        if (origin, name) not in self._campaigns:
            destination = self.destination_id(origin)
            with self.reading() as connection:
                number = connection.execute(_CAMPAIGN, {"destination": destination, "name": name}).scalar()
            if number is None:
                return None
            self._campaigns[origin, name] = number
        return self._campaigns[origin, name]

    def make_campaign_id(self, origin: str, name: str) -> int:
        """Return the number that stands for a campaign at a destination, which is made if there is none."""
        number = self.campaign_id(origin, name)
        if number is not None:
            return number
        values = {"destination": self.make_destination_id(origin), "name": name}
        with self.writing() as connection:
            connection.execute(INSERT[self.dialect](campaigns).on_conflict_do_nothing(), values)
        return self.make_campaign_id(origin, name)

    def hash_recipients(self, families: Iterable[str | None]) -> list[bytes | None]:
        """Return the keyed hash of each number's variant family; None for None."""
        hashed = self._hash_person
        return [None if family is None else hashed(family.encode()) for family in families]

    def hash_keys(self, keys: Iterable[bytes]) -> list[bytes]:
        """Return the keyed hash of each row's key, which is what the ledger stores of it."""
        return list(map(self._hash_key, keys))

    @property
    def hashing(self) -> Hashing:
        """Both hash functions."""
        return Hashing(self.hash_recipients, self.hash_keys)


def may_create_tables(location: LedgerLocation, *, timeout: float) -> bool | None:
    """Return whether a first ledger could be made in a PostgreSQL database; nothing is changed there.

    Args:
        location: The database.
        timeout: Seconds to wait for the connection.

    Returns:
        None where the database has a ledger, or its driver is not installed.

    Raises:
        LedgerError: The database can't be reached.
    """
    try:
        engine = create_engine(location.url, hide_parameters=True, connect_args={"connect_timeout": int(timeout)})
    except ImportError:
        return None
    try:
        with guarded(location.name), engine.connect() as connection:
            if inspect(connection).has_table(meta.name):
                return None
            return bool(connection.execute(text("SELECT has_schema_privilege(current_schema(), 'CREATE')")).scalar())
    finally:
        engine.dispose()


def _set_journal(connection: sqlite3.Connection, journal: str, patience: float) -> None:
    """Choose how SQLite journals. Where two programs begin a ledger at once, it refuses the second without waiting."""
    end = time.monotonic() + patience
    while True:
        try:
            connection.execute(f"PRAGMA journal_mode = {journal}")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & PRIMARY != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(_RETRY_SECONDS)
        else:
            return


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another of the same name; None where there is none."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_dev, stat.st_ino
