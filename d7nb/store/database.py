"""The ledger's database: its connections and transactions, its version, and its secret."""

from __future__ import annotations

import hashlib
import hmac
import math
import os
import secrets
import sqlite3
import time
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import bindparam, create_engine, event, insert, inspect, select, text, update

from d7nb.errors import LedgerError
from d7nb.store.faults import PRIMARY, guarded
from d7nb.store.location import (
    filesystem_of,
    in_container,
    is_network,
    make_file,
    read_mounts,
    warning_for,
    write_private,
)
from d7nb.store.schema import SCHEMA, destinations, meta, metadata, requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from sqlalchemy import ClauseElement, Connection, CursorResult, Engine
    from sqlalchemy.sql.compiler import SQLCompiler

    from d7nb.store.location import LedgerLocation

HASH_SIZE = 16
"""Bytes of the HMAC that are kept: half of SHA-256's, far more than any ledger's people could make collide."""
_SECRET_SIZE = 32
_KEEPALIVE = {"keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 60_000}
"""After about a minute without a sign of life, a server is given up: a send must be able to end."""
_LONGEST_STATEMENT = 300
_RETRY_SECONDS = 0.01
"""Seconds between two tries of what SQLite refuses at once instead of waiting."""
_SECRET_CHECK_TEXT = b"d7nb ledger secret"
"""Hashed under the secret; the hash is stored, so that a secret of another ledger is noticed."""
_CREATE_TABLES_LOCK = 0x64376E62  # an advisory lock of PostgreSQL: one process at a time makes the tables
_DESTINATION = select(destinations.c.id).where(destinations.c.origin == bindparam("origin"))
_TEST_WRITE = update(meta).where(meta.c.name.is_(None)).values(value="")  # changes nothing, and needs the right to
_LOCK_VERSION_ROW = select(meta.c.value).where(meta.c.name == "schema_version").with_for_update()


class Database:
    """An open ledger, below the level of rows and claims.

    Args:
        location: Its location.
        patience: Seconds to wait for another writer.

    Attributes:
        name: Its name in messages.
        address: The whole address, without any password.
        warning: One sentence on what may go wrong with it where it is; None where all is well.

    Raises:
        LedgerError: It can't be opened or written, is damaged, or a newer d7nb wrote it.
    """

    def __init__(self, location: LedgerLocation, patience: float) -> None:
        self._location = location
        self.name = location.name
        self.address = location.address
        self.warning: str | None = None
        self._destinations: dict[str, int] = {}
        make_file(location)
        with guarded(self.name):
            self.engine = self._postgres(patience) if location.path is None else self._sqlite(location.path, patience)
            try:
                self._hash = _hash_under(self._open())
            except BaseException:
                self.engine.dispose()
                raise

    def close(self) -> None:
        """Close the file or the connections to the server."""
        self.engine.dispose()

    def _sqlite(self, path: Path, patience: float) -> Engine:
        filesystem = filesystem_of(path.resolve(), read_mounts())
        self.warning = warning_for(filesystem, os.environ, contained=in_container())
        self._identity = _identity(path)
        # WAL needs memory that all its users share, which two machines don't; the old journal then needs EXTRA, since
        # its commit is the removal of a file.
        journal, synchronous = ("DELETE", "EXTRA") if is_network(filesystem) else ("WAL", "FULL")
        engine = create_engine(self._location.url, hide_parameters=True, connect_args={"timeout": patience})

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
        return engine

    def _postgres(self, patience: float) -> Engine:
        try:
            # "format" lets one list of tuples serve both databases.
            engine = create_engine(
                self._location.url,
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
        """Open a transaction that no other writer's overlaps, here or elsewhere; at its end it is on the disk.

        Args:
            connection: A connection to use; without one, one is taken from the pool.

        Raises:
            LedgerError: Nothing was written.
        """
        with guarded(self.name):
            self._check_identity()
            with nullcontext(connection) if connection is not None else self.engine.connect() as writer, writer.begin():
                self._wait_for_turn(writer)
                yield writer

    def _wait_for_turn(self, connection: Connection) -> None:
        """Wait until nobody else writes: in SQLite, BEGIN IMMEDIATE did; in PostgreSQL, the version's row is locked."""
        if self.dialect != "sqlite" and connection.execute(_LOCK_VERSION_ROW).scalar() != str(SCHEMA):
            raise LedgerError(f"the ledger {self.name} is being changed by another version of d7nb: open it again")

    def _check_identity(self) -> None:
        """Refuse a file that was removed or replaced: SQLite would go on writing to it, and nobody could read it."""
        path = self._location.path
        if path is not None and _identity(path) != self._identity:
            raise LedgerError(
                f"the ledger {self.name} was removed or replaced while it was in use: put it back and open it again"
            )

    def _open(self) -> bytes:
        """Make the tables if there are none, check the version, and return the secret."""
        with self._opening() as connection:
            if inspect(connection).has_table(meta.name):
                notes = dict(connection.execute(select(meta.c.name, meta.c.value)).all())
                self._check_version(notes.get("schema_version", ""))
                connection.execute(_TEST_WRITE)
                self._upgrade(connection, int(notes["schema_version"]))
                return self._read_secret(notes)
            metadata.create_all(connection)
            secret, notes = self._new_secret()
            notes["schema_version"] = str(SCHEMA)
            connection.execute(insert(meta), [{"name": name, "value": value} for name, value in notes.items()])
            return secret

    @contextmanager
    def _opening(self) -> Iterator[Connection]:
        """Open a write transaction in a ledger that may not have its tables yet."""
        with self.engine.begin() as connection:
            if self.dialect != "sqlite":
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _CREATE_TABLES_LOCK})
            yield connection

    def _check_version(self, version: str) -> None:
        if not version.isdecimal():
            raise LedgerError(f"the ledger {self.name} is damaged: it does not say which version of d7nb wrote it")
        if int(version) > SCHEMA:
            raise LedgerError(f"the ledger {self.name} was written by a newer d7nb: pip install --upgrade d7nb")

    def _upgrade(self, connection: Connection, version: int) -> None:
        """Add the tables and indexes that an older version did not have.

        Nothing else was ever changed, so an older d7nb that is running goes on in SQLite. In PostgreSQL it stops
        (`_wait_for_turn`), and what it had on its way is in doubt.
        """
        if version < SCHEMA:
            metadata.create_all(connection)
            existing = {index["name"] for index in inspect(connection).get_indexes(requests.name)}
            for index in requests.indexes:
                if index.name not in existing:
                    index.create(connection)
            connection.execute(update(meta).where(meta.c.name == "schema_version").values(value=str(SCHEMA)))

    @property
    def _secret_path(self) -> Path | None:
        path = self._location.path
        return path and path.with_name(f"{path.name}.secret")

    def _new_secret(self) -> tuple[bytes, dict[str, str]]:
        """Make a secret, and return it with what the database notes of it.

        SQLite's is in a file beside the ledger's: whoever has a copy of that alone can't test numbers against it.
        """
        path = self._secret_path
        if path is None:
            secret = secrets.token_bytes(_SECRET_SIZE)
            return secret, {"secret": secret.hex()}
        if path.exists() and path.stat().st_size != _SECRET_SIZE:  # a crash came between making and writing it
            path.unlink()
        write_private(path, secrets.token_bytes(_SECRET_SIZE))
        secret = path.read_bytes()
        return secret, {"secret_check": _check_of(secret)}

    def _read_secret(self, notes: dict[str, str]) -> bytes:
        path = self._secret_path
        if path is None:
            return bytes.fromhex(notes["secret"])
        secret = path.read_bytes() if path.exists() else b""
        if not hmac.compare_digest(_check_of(secret), notes.get("secret_check", "")):
            raise LedgerError(
                f"the ledger {self.name} needs the file {path.name} that was made with it, to recognise people: "
                "put it back beside the ledger, or set D7NB_LEDGER to another file (which knows of no earlier send)"
            )
        return secret

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
            if connection.execute(_DESTINATION, {"origin": origin}).scalar() is None:
                connection.execute(insert(destinations), {"origin": origin})
        return self.make_destination_id(origin)

    def hash_recipients(self, families: Iterable[str | None]) -> list[bytes | None]:
        """Return the keyed hash of each number's variant family; None for None."""
        hashed = self._hash
        return [None if family is None else hashed(family.encode()) for family in families]


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


def _hash_under(secret: bytes) -> Callable[[bytes], bytes]:
    """Return HMAC-SHA256 (RFC 2104) under a secret, whose two blocks are hashed once: twice as fast as `hmac`."""
    block = secret.ljust(hashlib.sha256().block_size, b"\0")
    inner, outer = (hashlib.sha256(bytes(byte ^ pad for byte in block)) for pad in (0x36, 0x5C))

    def hashed(text: bytes) -> bytes:
        first, second = inner.copy(), outer.copy()
        first.update(text)
        second.update(first.digest())
        return second.digest()[:HASH_SIZE]

    return hashed


def prepare(engine: Engine, statement: ClauseElement) -> Callable[..., CursorResult[Any]]:
    """Compile a statement that runs with every request: SQLAlchemy's own cache costs as much as SQLite's work.

    Args:
        engine: The database's.
        statement: A statement with named parameters.

    Returns:
        A function of a connection and the parameters by name, or a list of tuples of them, in the statement's order.
    """
    compiled = cast("SQLCompiler", statement.compile(dialect=engine.dialect))
    text, names = str(compiled), compiled.positiontup or ()

    def run(connection: Connection, values: Mapping[str, Any] | list[tuple[Any, ...]]) -> CursorResult[Any]:
        ready = values if isinstance(values, list) else tuple(values[name] for name in names)
        return connection.exec_driver_sql(text, ready)

    return run


def _check_of(secret: bytes) -> str:
    return hmac.digest(secret, _SECRET_CHECK_TEXT, "sha256").hex()


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another of the same name; None where there is none."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_dev, stat.st_ino
