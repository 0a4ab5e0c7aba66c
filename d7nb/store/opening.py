"""The opening of a ledger: its tables are made or brought up to date, and a ledger that lost something is refused."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import insert, inspect, select, text, update

from d7nb.errors import LedgerError
from d7nb.hints import Hint, Wording
from d7nb.store.companion import SECRET_SUFFIX, Companion, CompanionFile, Damaged, LedgerLost
from d7nb.store.faults import guarded
from d7nb.store.hashing import SECRET_SIZE, check_of
from d7nb.store.location import shown
from d7nb.store.migration import OLD_VERSIONS, back_up_before, migrate
from d7nb.store.planner import tell_planner
from d7nb.store.request_state import wait_for_turn
from d7nb.store.schema import SCHEMA, meta, metadata, people_locks, requests, runs

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection, Engine

    from d7nb.store.location import LedgerLocation

_CREATE_TABLES_LOCK = 0x64376E62  # an advisory lock of PostgreSQL: one process at a time makes the tables
_TEST_WRITE = update(meta).where(meta.c.name.is_(None)).values(value="")  # changes nothing, and needs the right to
_LOCK_VERSION = select(meta.c.value).where(meta.c.name == "schema_version").with_for_update()
_CREATE = Wording(  # noqa: S604  (the shell that reads it)
    notebook="d7nb.Ledger.create(...) begins a new one on purpose",
    shell="python -m d7nb ledger create begins a new one on purpose",
    form="d7nb.Ledger.create(...) begins a new one on purpose",
)
_OTHER_WAYS = Hint("or restore a backup (python -m d7nb ledger restore FILE); where there is none, ", _CREATE)
_WAYS_ON = Hint("put the file back, ", _OTHER_WAYS)
_WAYS_ON_POSTGRES = Hint(
    "connect to the database that had it, or restore a dump of it and then run python -m d7nb ledger restore; "
    "where there is none, ",
    _CREATE,
)


class Opened(NamedTuple):
    """An open ledger's secret, and what its companion file holds."""

    secret: bytes
    companion: Companion


def open_tables(engine: Engine, location: LedgerLocation) -> Opened:
    """Make the tables if there are none, bring older ones up to date, and check that nothing was lost.

    Args:
        engine: The database's, whose transactions write.
        location: The ledger's location.

    Raises:
        LedgerError: It can't be used, or is not what it was when it was last used.
    """
    companion_file = CompanionFile.of(location)
    with engine.begin() as connection:
        if connection.dialect.name != "sqlite":
            wait_for_turn(connection, _CREATE_TABLES_LOCK)
        companion = read_companion(companion_file, location)
        if not inspect(connection).has_table(meta.name):
            opened = _create(connection, location, companion_file, companion)
        else:
            notes = _read_notes(connection, location)
            version = int(notes["schema_version"])
            connection.execute(_TEST_WRITE)
            if version in OLD_VERSIONS:
                opened = _bring_up(connection, location, companion_file, companion)
            else:
                opened = _existing(location, companion, notes)
                if version < SCHEMA:
                    _make_tables(connection)
                    _note(connection, {"schema_version": str(SCHEMA)})
            check_not_older(connection, opened.companion, location)
    return _complete(opened, companion_file, location)


def check_not_gone(location: LedgerLocation) -> None:
    """Check, where there is no ledger, that there was none before.

    Args:
        location: Where there is none.

    Raises:
        LedgerLost: There was one.
    """
    _refuse_if_known(location, read_companion(CompanionFile.of(location), location))


def _refuse_if_known(location: LedgerLocation, companion: Companion | None) -> None:
    has_old_secret = location.path is not None and _old_secret_path(location.path).exists()
    if has_old_secret or (companion is not None and companion.is_complete):
        gone = f"the ledger {location.name} is gone or empty; it was there{_since(companion)}"
        raise LedgerLost(Hint(gone, _would_go_again(location)))


def check_not_older(connection: Connection, companion: Companion, location: LedgerLocation) -> None:
    """Check that a ledger has the last run and the last request that its companion knows of.

    Args:
        connection: In any transaction.
        companion: What the companion file holds.
        location: The ledger's location.

    Raises:
        LedgerError: It lacks one of them: it is an older copy.
    """
    if not has_run(connection, companion) or last_request_number(connection) < companion.last_request:
        raise _is_older(location, companion)


def has_run(connection: Connection, companion: Companion) -> bool:
    """Return whether a ledger has the last run that its companion knows of, if any."""
    found = connection.execute(select(runs.c.id).where(runs.c.id == companion.run)).scalar() if companion.run else None
    return found == (companion.run or None)


def _is_older(location: LedgerLocation, companion: Companion) -> LedgerLost:
    is_older = f"the ledger {location.name} is an older copy, and lacks messages that were sent{_since(companion)}"
    return LedgerLost(Hint(is_older, _would_go_again(location)))


def last_request_number(connection: Connection) -> int:
    """Return the highest number that a request ever had in an SQLite ledger, deleted ones included."""
    if connection.dialect.name != "sqlite":
        return 0
    query = text("SELECT seq FROM sqlite_sequence WHERE name = :table")
    return int(connection.execute(query, {"table": requests.name}).scalar() or 0)


def read_companion(file: CompanionFile, location: LedgerLocation) -> Companion | None:
    """Return what a ledger's companion file holds; None where there is none, or the file of a database can't be read.

    Raises:
        LedgerLost: It is damaged.
        OSError: It can't be read.
    """
    try:
        return file.read()
    except Damaged:
        if location.path is None:
            damaged = f"the file {shown(file.path)}, which knows of the ledger {location.name}, is damaged: "
            whole = "if the database lost nothing, run python -m d7nb ledger restore, which makes the file anew"
            raise LedgerLost(damaged + whole) from None
        damaged = f"the file {file.path.name} beside the ledger {location.name} is damaged: "
        raise LedgerLost(Hint(damaged, _WAYS_ON)) from None
    except OSError:
        if location.path is None:  # the mark of a server's ledger: the send goes on, and says so
            return None
        raise


def _create(
    connection: Connection, location: LedgerLocation, file: CompanionFile, companion: Companion | None
) -> Opened:
    """Make the tables of a new ledger, unless there was one before."""
    _refuse_if_known(location, companion)
    _make_tables(connection)
    secret = secrets.token_bytes(SECRET_SIZE)
    ledger_id = secrets.token_hex(8)
    _note(connection, {"schema_version": str(SCHEMA), "ledger": ledger_id} | _secret_notes(location, secret))
    companion = Companion(ledger_id, secret.hex() if location.path else "", location.address)
    if location.path is not None:
        file.write(companion)  # before the commit: without its secret, a ledger is lost
    return Opened(secret, companion)


def _existing(location: LedgerLocation, companion: Companion | None, notes: dict[str, str]) -> Opened:
    """Return the secret and the companion of a ledger that was opened before."""
    if location.path is None:
        if companion is not None and companion.ledger != notes["ledger"]:
            other = f"the database {location.name} holds another ledger than before{_since(companion)}"
            raise LedgerLost(Hint(other, _would_go_again(location)))
        return Opened(bytes.fromhex(notes["secret"]), companion or Companion(notes["ledger"], "", location.address))
    name = CompanionFile.of(location).path.name
    if companion is None or not hmac.compare_digest(check_of(bytes.fromhex(companion.secret)), notes["secret_check"]):
        needs = f"the ledger {location.name} needs the file {name} that was made with it, to recognise people: "
        raise LedgerLost(Hint(needs, "put it back beside the ledger, ", _OTHER_WAYS))
    return Opened(bytes.fromhex(companion.secret), companion)


def _bring_up(
    connection: Connection, location: LedgerLocation, file: CompanionFile, companion: Companion | None
) -> Opened:
    """Bring a ledger of version 1 or 2 up to date, after a backup."""
    if companion is not None and companion.is_complete:
        raise _is_older(location, companion)
    connection.execute(_LOCK_VERSION).all()  # in PostgreSQL, whoever writes by the old tables holds it
    notes = _read_notes(connection, location)
    secret = _read_old_secret(location, notes)
    if location.path is not None:
        back_up_before(location.path, int(notes["schema_version"]))
    ledger_id = secrets.token_hex(8)
    _make_tables(connection)
    migrate(connection, secret, location.name)
    _note(connection, {"schema_version": str(SCHEMA), "ledger": ledger_id})
    companion = Companion(ledger_id, secret.hex() if location.path else "", location.address)
    if location.path is not None:
        file.write(companion)
    return Opened(secret, companion)


def _complete(opened: Opened, file: CompanionFile, location: LedgerLocation) -> Opened:
    """Note in the companion file that the ledger's tables are there."""
    if opened.companion.is_complete:
        return opened
    companion = replace(opened.companion, is_complete=True)
    if location.path is not None:
        with guarded(location.name):
            current = read_companion(
                file, location
            )  # another program may have opened the ledger meanwhile, and even begun a run
            if current is None or not current.is_complete:
                file.write(companion)
            else:
                companion = current
            _old_secret_path(location.path).unlink(missing_ok=True)
    return Opened(opened.secret, companion)


def _make_tables(connection: Connection) -> None:
    metadata.create_all(connection)
    tell_planner(connection)
    if connection.dialect.name == "postgresql":
        people_locks.create(connection, checkfirst=True)


def _read_notes(connection: Connection, location: LedgerLocation) -> dict[str, str]:
    notes = dict(connection.execute(select(meta.c.name, meta.c.value)).all())
    version = notes.get("schema_version", "")
    if not version.isdecimal():
        raise LedgerLost(f"the ledger {location.name} is damaged: it does not say which version of d7nb wrote it")
    if int(version) > SCHEMA:
        raise LedgerError(f"the ledger {location.name} was written by a newer d7nb: pip install --upgrade d7nb")
    return notes


def _note(connection: Connection, notes: dict[str, str]) -> None:
    for name, value in notes.items():
        if not connection.execute(update(meta).where(meta.c.name == name).values(value=value)).rowcount:
            connection.execute(insert(meta), {"name": name, "value": value})


def _secret_notes(location: LedgerLocation, secret: bytes) -> dict[str, str]:
    """Return what the database holds of a secret: SQLite's is in the companion, and the file alone tells nothing."""
    return {"secret": secret.hex()} if location.path is None else {"secret_check": check_of(secret)}


def _old_secret_path(path: Path) -> Path:
    return path.with_name(path.name + SECRET_SUFFIX)


def _read_old_secret(location: LedgerLocation, notes: dict[str, str]) -> bytes:
    """Read the secret of a ledger of version 1 or 2."""
    if location.path is None:
        return bytes.fromhex(notes["secret"])
    path = _old_secret_path(location.path)
    secret = path.read_bytes() if path.exists() else b""
    if not hmac.compare_digest(check_of(secret), notes.get("secret_check", "")):
        needs = f"the ledger {location.name} needs the file {path.name} that was made with it, to recognise people: "
        raise LedgerLost(Hint(needs, "put it back beside the ledger, ", _OTHER_WAYS))
    return secret


def _since(companion: Companion | None) -> str:
    """Return when the last run began, as the end of a sentence."""
    if companion is None or not companion.at:
        return ""
    return f" on {datetime.fromisoformat(companion.at):%Y-%m-%d at %H:%M %Z}"


def _would_go_again(location: LedgerLocation) -> Hint:
    ways_on = _WAYS_ON if location.path is not None else _WAYS_ON_POSTGRES
    return Hint("; nothing is sent, since people would get messages twice: ", ways_on)
