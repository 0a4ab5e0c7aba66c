"""The companion of a ledger: a small file that holds its secret and knows its last send, so that a loss is noticed.

Beside an SQLite file lies ``<file>.companion``. A ledger in PostgreSQL keeps its secret itself, and has a file in the
user's data folder. What is written there was committed to the ledger before: the companion is never ahead of it.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Self

from platformdirs import user_data_path

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


@dataclass(frozen=True)
class Companion:
    """What a companion file holds.

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
        database = f"{url.host or ''}:{url.port or 5432}/{url.database}?{url.query.get('options', '')}"
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

    def note_run(self, companion: Companion, run: str, at: str) -> Companion:
        """Write down the last run, which the ledger has; return what the file holds now.

        Raises:
            OSError: It can't be written.
        """
        current = self.read() or companion
        noted = replace(current, run=run, at=at)
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
                if int(content[file.tell() : file.tell() + _NUMBER_WIDTH] or b"0") < number:
                    file.write(f"{number:0{_NUMBER_WIDTH}}".encode())


def files_of(path: Path) -> Iterator[Path]:
    """Yield the files of an SQLite ledger that are there."""
    for suffix in ("", "-wal", "-shm", "-journal", SUFFIX, SECRET_SUFFIX):
        file = path.with_name(path.name + suffix)
        if file.exists():
            yield file


def move_aside(path: Path) -> Path:
    """Rename all files of an SQLite ledger, and return the ledger's new name: ``<file>.old-1`` or the next free one."""
    number = 1
    while os.path.lexists(old := path.with_name(f"{path.name}.old-{number}")) or any(files_of(old)):
        number += 1
    for file in list(files_of(path)):
        file.rename(old.with_name(old.name + file.name.removeprefix(path.name)))
    return old
