"""The files of a ledger: backup, restoring, and a new beginning where one was lost."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import create_engine, inspect, select

from d7nb.errors import LedgerError
from d7nb.store.companion import (
    SECRET_SUFFIX,
    SUFFIX,
    Companion,
    CompanionFile,
    Damaged,
    LedgerLost,
    files_of,
    move_aside,
)
from d7nb.store.database import Database
from d7nb.store.faults import guarded, is_damage
from d7nb.store.hashing import check_of
from d7nb.store.location import make_folder, replace_private, write_private
from d7nb.store.migration import OLD_VERSIONS
from d7nb.store.opening import read_companion
from d7nb.store.schema import SCHEMA, meta, requests, runs

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

    from d7nb.store.location import LedgerLocation

_DRAFT = ".draft"
_PATIENCE = 5.0
"""Seconds to wait for a program that is writing to the ledger that is to be replaced."""
_SECRET_OPTIONS = frozenset({"password", "sslpassword"})


def back_up(database: Database, file: str | os.PathLike[str]) -> None:
    """Copy a ledger to a file; see `Ledger.back_up`."""
    location, target = database.location, Path(file).expanduser().resolve()
    if location.path is None:
        raise LedgerError(
            "a ledger in PostgreSQL is backed up with its own tools: pg_dump --format=custom --table='d7nb_*' "
            f"--file={target.name} '{_url_without_password(location)}'"
        )
    if not target.parent.is_dir():
        raise LedgerError(f"there is no folder {target.parent.name!r} for the backup {target.name}: make it")
    if target.exists() or _companion_path(target).exists():
        raise LedgerError(f"{target.name} exists already: name another file for the backup")
    with guarded(location.name):
        companion = read_companion(CompanionFile.of(location), location)  # before the copy: never ahead of it
    if companion is None or not location.path.exists():
        raise LedgerError(f"a file of the ledger {location.name} is gone: open it again, to see what to do")
    with guarded(target.name), _draft(target) as draft:
        with closing(_connect(location.path, "rw")) as source, closing(sqlite3.connect(draft)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file that can be read where nothing can be written
        if _as_far_as(draft, companion, location.name) != companion:
            raise LedgerError(f"the ledger {location.name} is an older copy: open it again, to see what to do")
        CompanionFile(_companion_path(target)).write(companion)
        draft.replace(target)


def restore(location: LedgerLocation, file: str | os.PathLike[str] | None) -> Path | None:
    """Put a backup in the place of a ledger; see `Ledger.restore`.

    Returns:
        The new name of the ledger that was there; None where there was none, and in PostgreSQL.
    """
    if location.path is None:
        if file is not None:
            raise LedgerError(
                "a ledger in PostgreSQL is restored with its own tools: pg_restore --clean --if-exists "
                f"--single-transaction --dbname='{_url_without_password(location)}' {Path(file).name}; then restore "
                "without a file, so that the database counts as whole"
            )
        _accept_database(location)
        return None
    if file is None:
        raise LedgerError("name the file of the backup to restore")
    source, path = Path(file).expanduser().resolve(), location.path
    if not source.is_file():
        raise LedgerError(f"there is no backup {source.name}: name a file that d7nb ledger backup made")
    if source == path:
        raise LedgerError(f"{source.name} is the ledger itself: name a backup of it")
    old_secret = _secret_before_upgrade(source)
    companion = _backup_companion(source) if old_secret is None else None
    make_folder(location)
    with guarded(location.name), _draft(path) as draft:
        with guarded(source.name):
            with closing(_connect(source, "ro")) as backup, closing(sqlite3.connect(draft)) as copy:
                backup.backup(copy)
            if companion is not None:
                companion = _as_far_as(draft, companion, source.name)
            else:
                _check_notes(_read_notes(draft, source.name), OLD_VERSIONS, old_secret or b"", source.name)
        with _no_writers(path):
            old, companion_file = move_aside(path), CompanionFile.of(location)
            if companion is not None:
                companion_file.write(replace(companion, address=location.address, is_complete=True))
                draft.replace(path)
            else:  # it is brought up to date when it is opened
                replace_private(path.with_name(path.name + SECRET_SUFFIX), old_secret or b"")
                draft.replace(path)
                companion_file.path.unlink(missing_ok=True)
        _fold(old)
    return old


def create_anew(location: LedgerLocation) -> Path | None:
    """Make room for a new ledger; see `Ledger.create`.

    Returns:
        The new name of what was left of the old one; None where there was nothing, and in PostgreSQL.
    """
    with guarded(location.name):
        companion_file = CompanionFile.of(location)
        if location.path is None:
            if _database_notes(location):
                raise LedgerError(
                    f"the database {location.name} has a ledger: restore it without a file, so that it counts as "
                    "whole, or give another database"
                )
            companion_file.path.unlink(missing_ok=True)
            return None
        left = list(files_of(location.path))
        if not left or (left == [location.path] and not location.path.stat().st_size):
            return None
        if not _is_lost(location):
            raise LedgerError(f"there is a ledger {location.name} already, and it is whole: go on with it")
        with _no_writers(location.path):
            old = move_aside(location.path)
            companion_file.path.unlink(missing_ok=True)
        _fold(old)
        return old


def _companion_path(path: Path) -> Path:
    return path.with_name(path.name + SUFFIX)


def _url_without_password(location: LedgerLocation) -> str:
    """Return a PostgreSQL URL as its own tools read it."""
    url = location.url._replace(drivername="postgresql", password=None)
    return url.difference_update_query(_SECRET_OPTIONS).render_as_string(hide_password=True)


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    """Connect to a file that is there, to read it (``ro``) or to write (``rw``)."""
    return sqlite3.connect(f"{path.as_uri()}?mode={mode}", uri=True, timeout=_PATIENCE, isolation_level=None)


@contextmanager
def _draft(path: Path) -> Iterator[Path]:
    """Yield an empty file beside another, that only its owner may read; it is gone afterwards unless it was renamed."""
    draft = path.with_name(path.name + _DRAFT)
    for left in list(files_of(draft)):  # by a program that was killed
        left.unlink()
    write_private(draft, b"")
    try:
        yield draft
    finally:
        for left in list(files_of(draft)):
            left.unlink(missing_ok=True)


@contextmanager
def _no_writers(path: Path) -> Iterator[None]:
    """Keep other programs from writing to an SQLite file; whoever waited for that finds that the file was replaced.

    Raises:
        sqlite3.OperationalError: Another program is writing to it.
    """
    if not path.exists() or not path.stat().st_size:
        yield
        return
    with closing(_connect(path, "rw")) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.DatabaseError as error:
            if not is_damage(error):  # a damaged file has no writers
                raise
        yield


def _fold(old: Path | None) -> None:
    """Copy the -wal of a file that was moved aside into it, and remove it, unless another program has the file open."""
    if old is not None and old.exists():
        with suppress(sqlite3.Error), closing(_connect(old, "rw")) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master")


def _backup_companion(source: Path) -> Companion:
    with guarded(source.name), suppress(Damaged):
        companion = CompanionFile(_companion_path(source)).read()
        if companion is not None:
            return companion
    raise LedgerError(
        f"the backup {source.name} needs the file {source.name}{SUFFIX} that was made with it, to recognise people"
    )


def _secret_before_upgrade(source: Path) -> bytes | None:
    """Return the secret beside a copy that was made before an upgrade from version 1 or 2; None where it is another."""
    secret = source.with_name(source.name + SECRET_SUFFIX)
    with guarded(source.name):
        return secret.read_bytes() if secret.exists() and not _companion_path(source).exists() else None


def _read_notes(path: Path, name: str) -> dict[str, str]:
    """Read what an SQLite ledger says of itself; nothing where it is none.

    Raises:
        LedgerError: It is damaged.
    """
    with closing(sqlite3.connect(path)) as connection:
        if connection.execute("PRAGMA quick_check(1)").fetchall() != [("ok",)]:
            raise LedgerError(f"{name} is damaged: use another backup")
        with suppress(sqlite3.OperationalError):
            return dict(connection.execute(f"SELECT name, value FROM {meta.name}"))  # noqa: S608  (a table of ours)
    return {}


def _check_notes(notes: dict[str, str], versions: Iterable[int], secret: bytes, name: str) -> None:
    """Check that an SQLite ledger has one of some versions, and was made with a secret.

    Raises:
        LedgerError: It has not, or was not.
    """
    if notes.get("schema_version") not in {str(version) for version in versions}:
        raise LedgerError(f"{name} is no ledger of this version of d7nb: use another backup")
    if notes.get("secret_check") != check_of(secret):
        raise LedgerError(f"the file beside {name} belongs to another ledger: find the one that was made with it")


def _as_far_as(path: Path, companion: Companion, name: str) -> Companion:
    """Check that an SQLite file is a ledger that belongs to a companion; return what its companion may know of.

    A copy of a file without its companion's last run is older; that is what somebody wants who restores it on purpose.

    Raises:
        LedgerError: It is damaged, none, or another's.
    """
    _check_notes(_read_notes(path, name), [SCHEMA], bytes.fromhex(companion.secret), name)
    with closing(sqlite3.connect(path)) as connection:
        if (companion.run,) not in connection.execute(f"SELECT id FROM {runs.name}").fetchall():  # noqa: S608
            companion = replace(companion, run="", at="")
        last = connection.execute("SELECT max(seq) FROM sqlite_sequence WHERE name = ?", (requests.name,)).fetchone()
        return replace(companion, last_request=min(companion.last_request, last[0] or 0))


def _is_lost(location: LedgerLocation) -> bool:
    """Return whether an SQLite ledger lost something or is damaged, so that it can't be opened.

    Raises:
        LedgerError: It can't be opened for another reason, such as that another program keeps it locked.
    """
    try:
        Database(location, _PATIENCE).close()
    except LedgerLost:
        return True
    except LedgerError as error:
        if is_damage(error.__cause__):
            return True
        raise
    return False


def _database_notes(location: LedgerLocation) -> dict[str, str]:
    """Return what a PostgreSQL database's ledger says of itself; nothing where it has none."""
    try:
        engine = create_engine(location.url, hide_parameters=True)
    except ImportError:
        raise LedgerError("a ledger in PostgreSQL needs psycopg: pip install 'd7nb[postgres]'") from None
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table(meta.name):
                return {}
            return dict(connection.execute(select(meta.c.name, meta.c.value)).all())
    finally:
        engine.dispose()


def _accept_database(location: LedgerLocation) -> None:
    """Let a PostgreSQL database count as whole, as it is."""
    with guarded(location.name):
        notes, mark = _database_notes(location), CompanionFile.of(location)
        version = notes.get("schema_version")
        if version == str(SCHEMA):
            mark.write(Companion(notes["ledger"], "", location.address, is_complete=True))
        elif version in {str(old) for old in OLD_VERSIONS}:
            mark.path.unlink(missing_ok=True)  # it is brought up to date when it is opened
        else:
            raise LedgerError(
                f"the database {location.name} has no ledger of this version of d7nb: restore a dump first"
            )
