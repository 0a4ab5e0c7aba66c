"""The errors of databases and disks as errors of the ledger, which say what to do."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from d7nb.errors import LedgerError

if TYPE_CHECKING:
    from collections.abc import Iterator


_ELSEWHERE = "or set D7NB_LEDGER to another file"
_DAMAGED = f"is damaged, or is not a ledger: restore a backup, {_ELSEWHERE} (which knows of no earlier send)"
_UNWRITABLE = f"can't be written: make file and folder writable, {_ELSEWHERE}"
_BUSY = "is locked by another program: wait until that is done, or end it"
_FULL = f"can't be written, perhaps because the disk is full: make room, {_ELSEWHERE}"
_CHECK_SERVER = "check that the server is running, and that your user and password are right"
_SQLITE = {
    sqlite3.SQLITE_PERM: _UNWRITABLE,
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_READONLY: _UNWRITABLE,
    sqlite3.SQLITE_IOERR: _FULL,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_CANTOPEN: _UNWRITABLE,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
}
_POSTGRES = {"25006": _UNWRITABLE, "42501": _UNWRITABLE, "53100": _FULL, "55P03": _BUSY}
PRIMARY = 0xFF
"""Masks the primary result code of SQLite's extended ones."""


@contextmanager
def guarded(name: str) -> Iterator[None]:
    """Turn every error of the database or the disk into a `LedgerError` that names the ledger.

    Args:
        name: The ledger's name in messages.

    Raises:
        LedgerError: In place of the database's error, which is its cause where it holds no password.

    Example:
        >>> with guarded("ledger.sqlite3"):
        ...     raise PermissionError("not yours")
        Traceback (most recent call last):
        ...
        d7nb.errors.LedgerError: the ledger ledger.sqlite3 can't be written: make file and folder writable, ...
    """
    try:
        yield
    except LedgerError:
        raise
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        remote = isinstance(error, DBAPIError) and not isinstance(error.orig, sqlite3.Error)
        cause = None if remote else error  # psycopg's errors hold the connection, and with it the password
        raise LedgerError(f"the ledger {name} {_sentence(error)}") from cause


def is_damage(error: BaseException | None) -> bool:
    """Tell whether a database's error says that an SQLite file is damaged, or is none."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(cause, "sqlite_errorcode", 0) & PRIMARY
    return code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def _sentence(error: Exception) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, PermissionError):
        return _UNWRITABLE
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", 0) & PRIMARY
        return _SQLITE.get(code, f"can't be used: {_first_line(cause)}")
    if isinstance(cause, OSError):
        return f"can't be used: {cause.strerror or type(cause).__name__}"
    state = getattr(cause, "sqlstate", None) or ""
    return _POSTGRES.get(state, f"can't be used: {_first_line(cause)}; {_CHECK_SERVER}")


def _first_line(error: BaseException | None) -> str:
    """Return the first line of an error, which holds neither values nor passwords; a statement comes after it."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
