"""The files of a ledger: backup, restoring, and a new beginning where one was lost."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import create_engine, inspect, select

from d7nb.errors import LedgerError
from d7nb.store.companion import SUFFIX, Companion, CompanionFile, Damaged, files_of, move_aside
from d7nb.store.database import Database
from d7nb.store.faults import guarded
from d7nb.store.hashing import check_of
from d7nb.store.location import write_private
from d7nb.store.schema import SCHEMA, meta

if TYPE_CHECKING:
    import os

    from d7nb.store.location import LedgerLocation

_DRAFT = ".draft"


def back_up(database: Database, file: str | os.PathLike[str]) -> None:
    """Copy a ledger to a file; see `Ledger.back_up`."""
    location, target = database.location, Path(file).expanduser().resolve()
    if location.path is None:
        name = (
            location.url.set(query={}).render_as_string(hide_password=True).replace("postgresql+psycopg", "postgresql")
        )
        raise LedgerError(
            f"a ledger in PostgreSQL is backed up with its own tools: pg_dump --format=custom --table='d7nb_*' "
            f"--file={target.name} {name!r}"
        )
    with guarded(location.name):
        if target.exists() or _companion_path(target).exists():
            raise LedgerError(f"{target.name} exists already: name another file for the backup")
        companion = CompanionFile.of(location).read()  # before the copy: it must not be ahead of it
        if companion is None:
            raise LedgerError(
                f"the ledger {location.name} has lost the file beside it: open it again, to see what to do"
            )
        draft = target.with_name(target.name + _DRAFT)
        draft.unlink(missing_ok=True)
        try:
            write_private(draft, b"")
            with closing(sqlite3.connect(location.path)) as source, closing(sqlite3.connect(draft)) as copy:
                source.backup(copy, pages=1_000, sleep=0.001)
            _check_whole(draft, companion, target.name)
            CompanionFile(_companion_path(target)).write(companion)
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)


def restore(location: LedgerLocation, file: str | os.PathLike[str] | None) -> None:
    """Put a backup in the place of a ledger; see `Ledger.restore`."""
    if location.path is None:
        if file is not None:
            raise LedgerError(
                "a ledger in PostgreSQL is restored with its own tools, such as pg_restore; then restore without a "
                "file, so that the database counts as whole"
            )
        _accept_database(location)
        return
    if file is None:
        raise LedgerError("name the backup to restore")
    source, path = Path(file).expanduser().resolve(), location.path
    if not source.is_file():
        raise LedgerError(f"there is no backup {source.name}: name a file that the command backup made")
    if source == path:
        raise LedgerError(f"{source.name} is the ledger itself: name a backup of it")
    with guarded(source.name):
        companion = _backup_companion(source)
        draft = path.with_name(path.name + _DRAFT)
        draft.unlink(missing_ok=True)
        try:
            write_private(draft, b"")
            read_only = f"{source.as_uri()}?mode=ro"
            with closing(sqlite3.connect(read_only, uri=True)) as backup, closing(sqlite3.connect(draft)) as copy:
                backup.backup(copy)
            restored = _check_whole(draft, companion, source.name)
            if any(files_of(path)):
                move_aside(path)
            CompanionFile.of(location).write(replace(restored, address=location.address, is_complete=True))
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


def create_anew(location: LedgerLocation) -> None:
    """Make room for a new ledger; see `Ledger.create`."""
    with guarded(location.name):
        if location.path is None:
            if _has_tables(location):
                raise LedgerError(
                    f"the database {location.name} has a ledger: restore it without a file, so that it counts as "
                    "whole, or give another database"
                )
            CompanionFile.of(location).path.unlink(missing_ok=True)
        elif any(files_of(location.path)):
            if _is_whole(location):
                raise LedgerError(f"there is a ledger {location.name} already, and it is whole: go on with it")
            move_aside(location.path)


def _companion_path(path: Path) -> Path:
    return path.with_name(path.name + SUFFIX)


def _backup_companion(source: Path) -> Companion:
    try:
        companion = CompanionFile(_companion_path(source)).read()
    except Damaged:
        companion = None
    if companion is None:
        raise LedgerError(
            f"the backup {source.name} needs the file {source.name}{SUFFIX} that was made with it, to recognise people"
        )
    return companion


def _check_whole(path: Path, companion: Companion, name: str) -> Companion:
    """Check that an SQLite file is a ledger that belongs to a companion; return it as far as the ledger goes.

    Raises:
        LedgerError: It is not.
    """
    with closing(sqlite3.connect(path)) as connection:
        damage = [row[0] for row in connection.execute("PRAGMA quick_check(1)")]
        if damage != ["ok"]:
            raise LedgerError(f"{name} is damaged: use another backup")
        with suppress(sqlite3.OperationalError):
            notes = dict(connection.execute("SELECT name, value FROM d7nb_meta"))
            if notes.get("schema_version") == str(SCHEMA):
                if notes.get("secret_check") != check_of(bytes.fromhex(companion.secret)):
                    raise LedgerError(f"the file {name}{SUFFIX} belongs to another ledger than {name}")
                return companion
    raise LedgerError(f"{name} is no ledger of this version of d7nb: use another backup")


def _is_whole(location: LedgerLocation) -> bool:
    """Return whether an SQLite ledger can be opened as it is."""
    try:
        Database(location, 5).close()
    except LedgerError:
        return False
    return True


def _has_tables(location: LedgerLocation) -> bool:
    """Return whether a PostgreSQL database has a ledger."""
    engine = create_engine(location.url, hide_parameters=True)
    try:
        with engine.connect() as connection:
            return inspect(connection).has_table(meta.name)
    finally:
        engine.dispose()


def _accept_database(location: LedgerLocation) -> None:
    """Let a PostgreSQL database count as whole, as it is."""
    engine = create_engine(location.url, hide_parameters=True)
    with guarded(location.name):
        try:
            with engine.connect() as connection:
                ledger = None
                if inspect(connection).has_table(meta.name):
                    ledger = connection.execute(select(meta.c.value).where(meta.c.name == "ledger")).scalar()
        finally:
            engine.dispose()
        if ledger is None:
            raise LedgerError(
                f"the database {location.name} has no ledger of this version of d7nb: restore a dump first"
            )
        CompanionFile.of(location).write(Companion(ledger, "", location.address, is_complete=True))
