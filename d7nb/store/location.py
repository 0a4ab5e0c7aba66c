"""The location of a ledger: a file in the user's data folder, another file, or a PostgreSQL database."""

from __future__ import annotations

import os
import re
import secrets
import shlex
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from platformdirs import user_data_path
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from d7nb.errors import LedgerError
from d7nb.store.faults import guarded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

VARIABLE = "D7NB_LEDGER"
FILE = "ledger.sqlite3"
PRIVATE_FILE, _PRIVATE_FOLDER = 0o600, 0o700
_OTHERS_WRITE, _OTHERS_ACCESS = stat.S_IWGRP | stat.S_IWOTH, stat.S_IRWXG | stat.S_IRWXO
_POSTGRES = frozenset({"postgres", "postgresql", "postgresql+psycopg"})
_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "beegfs", "fuse"}
)
_NETWORK_FUSE = ("fuse.sshfs", "fuse.s3fs", "fuse.gcsfuse", "fuse.rclone", "fuse.drive", "fuse.glusterfs")
_MEMORY = frozenset({"tmpfs", "ramfs"})
_CONTAINER = ("/.dockerenv", "/run/.containerenv")


class LedgerLocation(NamedTuple):
    """The location of a ledger.

    Attributes:
        url: The URL for SQLAlchemy.
        path: The file; None for PostgreSQL.
        is_default: Whether file and folder are where d7nb puts them by itself.
    """

    url: URL
    path: Path | None
    is_default: bool = False

    @property
    def name(self) -> str:
        """The ledger's name in messages: the file's base name, or the database and its host."""
        return self.path.name if self.path else f"{self.url.database} on {self.url.host or 'this machine'}"

    @property
    def address(self) -> str:
        """The whole address, without any password; a home folder is ``~``."""
        if self.path is None:
            return self.url.set(query={}).render_as_string(hide_password=True)
        return shown(self.path)


def home_folder() -> Path | None:
    """Return the home folder, which bears a person's name; None where there is none, or it is the root folder."""
    try:
        home = Path.home()
    except RuntimeError:  # as in a container that runs under a number that has no name
        return None
    return None if home == Path(home.anchor) else home


def shown(path: Path, *, quoted: bool = False) -> str:
    """Return a path for people to read, with ``~`` for the home folder.

    Args:
        path: An absolute path.
        quoted: Whether it is part of a command for a shell.
    """
    home, quote = home_folder(), shlex.quote if quoted else str
    if home is None or not path.is_relative_to(home):
        return quote(str(path))
    return f"~/{quote(path.relative_to(home).as_posix())}"


def find_location(path_or_url: str | os.PathLike[str] | None, environ: Mapping[str, str]) -> LedgerLocation:
    """Return the location that the user names, else the one in ``D7NB_LEDGER``, else a file in the user's data folder.

    Args:
        path_or_url: A path, or a URL such as ``postgresql+psycopg://user@host/database``.
        environ: The environment, in which a path must be absolute: each folder would have another ledger.

    Raises:
        LedgerError: A ledger can't be there.

    Example:
        >>> find_location("postgresql://ann:secret@db.example/mailings", {}).address
        'postgresql+psycopg://ann:***@db.example/mailings'
    """
    text = os.fspath(path_or_url) if path_or_url is not None else environ.get(VARIABLE, "").strip()
    if not text:
        path = user_data_path("d7nb", appauthor=False) / FILE
        return LedgerLocation(URL.create("sqlite", database=str(path)), path, is_default=True)
    if "://" not in text:
        return _file_location(text, may_be_relative=path_or_url is not None)
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise LedgerError(
            "the ledger's URL can't be read; it looks like postgresql+psycopg://user:password@host/database"
        ) from None  # the parser's own message may show the password
    if url.drivername in _POSTGRES:
        return LedgerLocation(url.set(drivername="postgresql+psycopg"), None)
    if url.drivername.partition("+")[0] == "sqlite":
        return _file_location(url.database or "", may_be_relative=path_or_url is not None)
    raise LedgerError(
        f"a ledger can be an SQLite file or a PostgreSQL database, not {url.drivername}: give a path or another URL"
    )


def _file_location(text: str, *, may_be_relative: bool) -> LedgerLocation:
    if text in {"", ":memory:"}:
        raise LedgerError("a ledger in memory would forget everybody it sent to: give a path")
    given = Path(text).expanduser()
    path = given.resolve()  # however it is reached, its secret is in the same folder
    if not given.is_absolute() and not may_be_relative:
        raise LedgerError(
            f"{VARIABLE} is the relative path {text}, so that each folder would have a ledger of its own, which knows "
            f"of no send from the others: set it to an absolute path, such as {shown(path, quoted=True)}"
        )
    return LedgerLocation(URL.create("sqlite", database=str(path)), path)


def make_file(location: LedgerLocation) -> None:
    """Make the file if it is missing, readable by its owner alone; in d7nb's own folder, that too.

    A folder that the user named is never made: a typing error would begin a second, empty ledger.

    Raises:
        LedgerError: The folder is missing, or not the user's to write in.
    """
    path = location.path
    if path is None:
        return
    make_folder(location)
    with guarded(path.name):
        if path.is_dir():
            raise LedgerError(f"the ledger {path.name} is a folder: name a file in it")
        if not path.exists():
            write_private(path, b"")


def make_folder(location: LedgerLocation) -> None:
    """Make d7nb's own folder if the ledger is there and it is missing; check that any other exists.

    Raises:
        LedgerError: The folder is missing, or can't be made.
    """
    path = location.path
    if path is None:
        return
    with guarded(path.name):
        if location.is_default and not path.parent.is_dir():
            path.parent.mkdir(parents=True)
            path.parent.chmod(_PRIVATE_FOLDER)  # whatever the umask
        if not path.parent.is_dir():
            message = (
                f"there is no folder {path.parent.name!r} for the ledger {path.name}: make it, or correct the path"
            )
            raise LedgerError(message)


def check_private(files: Iterable[Path]) -> str | None:
    """Check that nobody but their owner can write a ledger's files.

    Args:
        files: Those that are there, the ledger first.

    Returns:
        A warning where others can read them, or where the file system does not keep modes; else None.

    Raises:
        LedgerError: Others can write one of them: they could let everybody be written to again.
    """
    modes = {file: mode for file in files if (mode := _mode(file)) & _OTHERS_ACCESS}
    if not modes:
        return None
    first = next(iter(modes))
    if not keeps_modes(first.parent):
        return (
            f"the file system of {shown(first.parent)} does not keep who may read a file, so others on this machine "
            f"may be able to read the ledger: set {VARIABLE} to a file on another disk if there are any"
        )
    writable = [file for file, mode in modes.items() if mode & _OTHERS_WRITE]
    if writable:
        raise LedgerError(
            f"others on this machine can write {_names(writable)}, and could let everybody get messages twice: "
            f"{_private_command(modes)}"
        )
    return f"others on this machine can read {_names(list(modes))}: {_private_command(modes)}"


def _mode(path: Path) -> int:
    """Return a file's mode; 0 where it is gone by now."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return 0


def _names(files: list[Path]) -> str:
    return " and ".join(file.name for file in files)


def _private_command(files: Iterable[Path]) -> str:
    return f"chmod 600 {' '.join(shown(file, quoted=True) for file in files)}"


def keeps_modes(folder: Path) -> bool:
    """Return whether a folder's file system keeps who may read a file, which some of other systems don't."""
    probe = folder / f".d7nb-{secrets.token_hex(4)}"
    try:
        write_private(probe, b"")
        return _mode(probe) & _OTHERS_ACCESS == 0
    except OSError:  # nothing can be made there; the ledger itself will tell why
        return True
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)


def write_private(path: Path, content: bytes) -> None:
    """Make a file that only its owner may read, on the disk before this returns; an existing one stays as it is."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
    except FileExistsError:  # another process was faster
        return
    with os.fdopen(handle, "wb") as file:
        with suppress(OSError):  # some file systems know no modes
            path.chmod(PRIVATE_FILE)  # whatever the umask
        file.write(content)
        file.flush()
        os.fsync(handle)
    _sync_folder(path.parent)


def replace_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, on the disk before this returns; readers see the old one or the new.

    Raises:
        OSError: It can't be written; the old one stays as it was.
    """
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        write_private(draft, content)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":  # elsewhere, a folder can't be opened, and need not
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def read_mounts() -> str:
    """Read the kernel's list of mounted file systems; empty where there is none to read."""
    try:
        return Path("/proc/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def filesystem_of(path: Path, mounts: str) -> str:
    r"""Return the type of the file system that a path is on; empty where that is not known.

    Args:
        path: An absolute path.
        mounts: Lines as in ``/proc/mounts``.

    Example:
        >>> mounts = "/dev/sda1 / ext4 rw 0 0\nserver:/home /home nfs4 rw 0 0"
        >>> filesystem_of(Path("/home/ann/ledger.sqlite3"), mounts)
        'nfs4'
    """
    filesystem, depth = "", -1
    for line in mounts.splitlines():
        fields = line.split()
        if len(fields) < 3:
            continue
        folder = Path(re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[1]))
        if len(folder.parts) >= depth and path.is_relative_to(folder):  # of two mounted on one folder, the later counts
            filesystem, depth = fields[2], len(folder.parts)
    return filesystem


def is_network(filesystem: str) -> bool:
    """Tell whether a file system's files may be on another machine, where locks depend on its protocol."""
    return filesystem in _NETWORK or filesystem.startswith(_NETWORK_FUSE)


def warning_for(filesystem: str, environ: Mapping[str, str], *, contained: bool) -> str | None:
    """Return one sentence on what may go wrong with a ledger's file where it is; None where all is well.

    Args:
        filesystem: The type of the file system that the file is on.
        environ: The environment, in which Colab says that it is Colab.
        contained: Whether this is a container, whose own files are lost with it.

    Example:
        >>> warning_for("ext4", {}, contained=False) is None
        True
    """
    if is_network(filesystem):
        return (
            f"the ledger is on a network file system ({filesystem}), where locks can fail: send from one notebook at a "
            f"time, or set {VARIABLE} to a file on a local disk or to a PostgreSQL URL"
        )
    if filesystem in _MEMORY:
        danger = "in memory, and is gone when this machine stops"
    elif any(name.startswith("COLAB_") for name in environ):
        danger = "on a Colab machine, and is gone when that is recycled"
    elif filesystem == "overlay" and contained:
        danger = "inside a container, and may be gone with it"
    else:
        return None
    return (
        f"the ledger is {danger}, so that a later run would send again: set {VARIABLE} to a file that stays, or to a "
        "PostgreSQL URL"
    )


def in_container() -> bool:
    """Tell whether this process runs in a container, as far as that can be seen."""
    return "KUBERNETES_SERVICE_HOST" in os.environ or any(Path(mark).exists() for mark in _CONTAINER)
