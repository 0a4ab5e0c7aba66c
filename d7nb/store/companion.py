"""The companion of a ledger: a small file that holds its secret and knows its last send, so that a loss is noticed.

Beside an SQLite file lies ``<file>.companion``. A ledger in PostgreSQL keeps its secret itself, and has a file in the
user's data folder. What is written there was committed to the ledger before: the companion is never ahead of it.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Self

from platformdirs import user_data_path

from d7nb.errors import LedgerError
from d7nb.store.location import replace_private

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from d7nb.store.location import LedgerLocation

SUFFIX = ".companion"
SECRET_SUFFIX = ".secret"  # noqa: S105  (the end of a file's name)
"""Ends the name of the file in which versions 1 and 2 kept the secret alone."""
_NUMBER_WIDTH = 15
"""Digits of the last request's number: it is written over the one before, in place."""


class Damaged(ValueError):
    """A companion file that can't be read."""


class LedgerLost(LedgerError):
    """A ledger that is gone, is an older copy, or lacks the companion file that was made with it."""


@dataclass(frozen=True)
class Companion:
    """The content of a companion file.

    Attributes:
        ledger: The id of the ledger that it belongs to.
        secret: The ledger's secret, as hexadecimal digits; empty where the ledger keeps it itself.
        address: Where the ledger is, without any password.
        is_complete: Whether the ledger's tables were made; until then, it may be missing.
        run: The id of the last run; empty where there was none.
        at: When that run began, as an ISO 8601 text.
        last_request: The number of the last request that was claimed.
    """

    ledger: str
    secret: str = ""
    address: str = ""
    is_complete: bool = False
    run: str = ""
    at: str = ""
    last_request: int = 0

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read a companion file's content.

        Raises:
            Damaged: It is none.
        """
        try:
            fields = json.loads(text)
            companion = cls(**fields | {"last_request": int(fields["last_request"])})
            bytes.fromhex(companion.secret)
            if companion.at:
                datetime.fromisoformat(companion.at)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Damaged from error
        return companion

    def to_text(self) -> str:
        """Return the content of the companion file; the number of the last request has a fixed width."""
        return json.dumps(asdict(self) | {"last_request": f"{self.last_request:0{_NUMBER_WIDTH}}"}, indent=1) + "\n"


class CompanionFile:
    """A companion file, whether it is there or not.

    Args:
        path: Where it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, location: LedgerLocation) -> Self:
        """Return the companion file of a ledger."""
        if location.path is not None:
            return cls(location.path.with_name(location.path.name + SUFFIX))
        url = location.url
        server = f"{url.username or ''}@{url.host or ''}:{url.port or 5432}"
        schema_and_host = [str(url.query.get(name, "")) for name in ("options", "host", "port")]
        database = f"{server}/{url.database}?{'&'.join(schema_and_host)}"
        name = sha256(database.encode()).hexdigest()[:16]
        return cls(user_data_path("d7nb", appauthor=False) / "postgresql" / f"{name}{SUFFIX}")

    def read(self) -> Companion | None:
        """Return what the file holds; None where there is none.

        Raises:
            Damaged: It is damaged.
            OSError: It can't be read.
        """
        try:
            return Companion.from_text(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except UnicodeDecodeError as error:
            raise Damaged from error

    def write(self, companion: Companion) -> None:
        """Replace the file as a whole.

        Raises:
            OSError: It can't be written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        replace_private(self.path, companion.to_text().encode())

    def note_run(self, companion: Companion, run: str, at: str, last_request: int) -> Companion:
        """Write down the last run and the last request, which the ledger has; return what the file holds now.

        Args:
            companion: What the file holds, where it is no longer there.
            run: The id of the run.
            at: When it began, as an ISO 8601 text.
            last_request: The number of the ledger's last request: one that is noted meanwhile may be overwritten.

        Raises:
            Damaged: The file is damaged.
            OSError: It can't be written.
        """
        current = self.read() or companion
        noted = replace(current, run=run, at=at, last_request=max(current.last_request, last_request))
        self.write(noted)
        return noted

    def note_request(self, number: int) -> None:
        """Write down the number of the last claimed request, which the ledger has.

        It is not forced to the disk: where it is lost in a power failure, the file is only further behind.
        """
        with suppress(OSError), self.path.open("r+b") as file:
            content = file.read()
            found = content.find(b'"last_request": "')
            if found >= 0:
                file.seek(found + len(b'"last_request": "'))
                noted = content[file.tell() : file.tell() + _NUMBER_WIDTH]
                if noted.isdigit() and int(noted) < number:
                    file.write(f"{number:0{_NUMBER_WIDTH}}".encode())


def files_of(path: Path) -> Iterator[Path]:
    """Yield the files of an SQLite ledger that are there."""
    for suffix in ("", "-wal", "-shm", "-journal", SUFFIX, SECRET_SUFFIX):
        file = path.with_name(path.name + suffix)
        if file.exists():
            yield file


def move_aside(path: Path) -> Path | None:
    """Rename what there is of an SQLite ledger to ``<file>.old-1`` or the next free name, and copy its companion there.

    The companion itself stays until another takes its place: whoever opens the ledger meanwhile, or after a kill in the
    middle, is told that it is gone.

    Returns:
        The ledger's new name; None where there was nothing.
    """
    if not any(files_of(path)):
        return None
    number = 1
    while os.path.lexists(old := path.with_name(f"{path.name}.old-{number}")) or any(files_of(old)):
        number += 1
    for file in sorted(files_of(path), key=lambda file: not file.name.endswith(SUFFIX)):  # the companion first
        moved = old.with_name(old.name + file.name.removeprefix(path.name))
        if file.name.endswith(SUFFIX):
            replace_private(moved, file.read_bytes())
        else:
            file.rename(moved)
    return old
