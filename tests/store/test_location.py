"""Where a ledger lives, who may read it, what it keeps, and what it says when it can't be used."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pytest
import sqlalchemy

import d7nb
from d7nb.errors import LedgerError, LedgerWarning
from d7nb.ledger import Ledger
from d7nb.store import database, location as places
from tests.support.ledgers import CAMPAIGN, NOW, claim, look_up, people, postgres, send, start_run

ROOT = Path(__file__).parents[2]
OLD, GOLDEN = (Path(__file__).parents[1] / "data" / f"ledger-{version}.sql" for version in (2, 3))
NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# Where


def test_by_default_it_lies_in_the_user_s_data_folder_and_is_theirs_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "user_data_path", lambda name, **_: tmp_path / "share" / name)
    monkeypatch.delenv("D7NB_LEDGER", raising=False)
    before = os.umask(0)
    try:
        with Ledger() as ledger:
            send(ledger, [0])
            folder = tmp_path / "share" / "d7nb"
            assert mode(folder) == 0o700
            names = [f"ledger.sqlite3{end}" for end in ("", "-shm", "-wal", ".companion")]
            assert {file.name: mode(file) for file in folder.iterdir()} == dict.fromkeys(names, 0o600)
    finally:
        os.umask(before)


def test_the_environment_moves_it_and_an_argument_goes_before(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("D7NB_LEDGER", str(path))
    with Ledger() as ledger:
        send(ledger, [0])
    with Ledger(path) as ledger:
        assert look_up(ledger, [0]).outcome.tolist() == ["accepted"]
    with Ledger(path.with_name("other")) as ledger:
        assert look_up(ledger, [0]).outcome.tolist() == [None]


def test_a_path_may_be_a_url_or_begin_at_home(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(path.parent))
    for given in ("~/ledger.sqlite3", f"sqlite:///{path}", f"sqlite+pysqlite:///{path}"):
        with Ledger(given) as ledger:
            assert repr(ledger) == "Ledger('~/ledger.sqlite3')"
    assert path.exists()


@pytest.mark.parametrize("given", [":memory:", "sqlite://", "sqlite:///:memory:"])
def test_a_ledger_in_memory_is_none(given: str) -> None:
    with pytest.raises(LedgerError, match="in memory"):
        Ledger(given)


def test_other_databases_are_refused() -> None:
    with pytest.raises(LedgerError, match="SQLite file or a PostgreSQL database, not mysql"):
        Ledger("mysql://root:secret@localhost/test")


@pytest.mark.parametrize(
    "given",
    [
        "postgresql://ann:secret@127.0.0.1:1/mailings",
        "postgres://ann@127.0.0.1:1/mailings?password=secret",
        "postgresql+psycopg://ann:secret@127.0.0.1:port/mailings",
        "postgresql+psycopg://ann:secret@[127.0.0.1/mailings",
    ],
)
def test_a_server_that_can_t_be_reached_is_named_without_the_password(given: str) -> None:
    with pytest.raises(LedgerError, match="ledger") as raised:
        Ledger(given)
    assert "secret" not in str(raised.value)
    shown: BaseException | None = raised.value
    while shown is not None and not shown.__suppress_context__:
        shown = shown.__cause__
        assert "secret" not in str(shown)


def test_a_repr_shows_no_password() -> None:
    place = places.find_location("postgresql://ann:secret@db.example:5432/mailings?password=secret&sslmode=require", {})
    assert place.address == "postgresql+psycopg://ann:***@db.example:5432/mailings"
    assert place.name == "mailings on db.example"


def test_postgres_without_its_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(LedgerError, match=r"pip install 'd7nb\[postgres\]'"):
        Ledger("postgresql://root@127.0.0.1/test")


def test_a_slip_in_the_path_begins_no_second_ledger(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"there is no folder 'legder' for the ledger ledger.sqlite3: make it"):
        Ledger(tmp_path / "legder" / "ledger.sqlite3")
    assert not (tmp_path / "legder").exists()
    with pytest.raises(LedgerError, match="is a folder"):
        Ledger(tmp_path)


# Where it may not last

MOUNTS = r"""
/dev/sda1 / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
tmpfs /home/ann/fast tmpfs rw 0 0
/dev/sdb1 /mnt/my\040disk ext4 rw 0 0
sshfs /mnt/my\040disk fuse.sshfs rw 0 0
incomplete
"""


@pytest.mark.parametrize(
    ("path", "filesystem"),
    [
        ("/srv/ledger.sqlite3", "ext4"),
        ("/home/ann/ledger.sqlite3", "nfs4"),
        ("/home/ann/fast/ledger.sqlite3", "tmpfs"),
        ("/home/ann/faster/ledger.sqlite3", "nfs4"),
        ("/mnt/my disk/ledger.sqlite3", "fuse.sshfs"),
    ],
)
def test_the_deepest_mount_says_what_a_file_is_on(path: str, filesystem: str) -> None:
    assert places.filesystem_of(Path(path), MOUNTS) == filesystem
    assert places.filesystem_of(Path(path), "") == ""


@pytest.mark.parametrize(
    ("filesystem", "environ", "contained", "words"),
    [
        ("nfs4", {}, False, r"network file system \(nfs4\).*PostgreSQL"),
        ("cifs", {}, False, "network"),
        ("fuse.sshfs", {}, True, "network"),
        ("fuse.drive", {"COLAB_RELEASE_TAG": "1"}, True, "network"),
        ("tmpfs", {}, False, "in memory, and is gone when"),
        ("overlay", {"COLAB_RELEASE_TAG": "1"}, True, "Colab machine, and is gone"),
        ("overlay", {}, True, "inside a container, and may be gone"),
        ("overlay", {}, False, None),
        ("fuseblk", {}, False, None),
        ("ext4", {}, True, None),
        ("", {}, False, None),
    ],
)
def test_one_sentence_warns_of_places_that_do_not_last(
    filesystem: str, environ: dict[str, str], contained: bool, words: str | None
) -> None:
    warning = places.warning_for(filesystem, environ, contained=contained)
    if words is None:
        assert warning is None
    else:
        assert re.search(words, warning or "")
        assert "D7NB_LEDGER" in (warning or "")


@pytest.mark.parametrize(("filesystem", "journal", "synchronous"), [("ext4", "wal", 2), ("nfs4", "delete", 3)])
def test_every_commit_reaches_the_disk(
    path: Path, monkeypatch: pytest.MonkeyPatch, filesystem: str, journal: str, synchronous: int
) -> None:
    """FULL is 2 and EXTRA 3; no file outside shows which is set."""
    monkeypatch.setattr(database, "read_mounts", lambda: f"somewhere / {filesystem} rw 0 0")
    with Ledger(path) as ledger:
        assert (ledger.warning is not None) == (filesystem == "nfs4")
        send(ledger, [0])
        assert look_up(ledger, [0]).outcome.tolist() == ["accepted"]
        with ledger._database.engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == journal
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == synchronous


# What it keeps


def test_neither_file_holds_a_number_nor_its_plain_hash(path: Path) -> None:
    rows = range(200)
    with Ledger(path) as ledger:
        with start_run(ledger) as run:
            claimed = claim(run, rows)
            told = f"no WhatsApp at {people([0])[0]} nor at +1 201 555 01 01"
            run.record(claimed, "rejected", reason=told, rows=[0], at=NOW)
            run.record(claimed, "accepted", at=NOW)
        kept = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert CAMPAIGN.encode() in kept
    for number in people(rows):
        digits = number.lstrip("+").encode()
        assert digits not in kept
        assert digits[3:] not in kept
        assert hashlib.sha256(number.encode()).digest()[:16] not in kept
    assert b"555 01 01" not in kept


def secret_of(path: Path) -> bytes:
    """The secret that lies beside a ledger."""
    return bytes.fromhex(json.loads(path.with_name(f"{path.name}.companion").read_text())["secret"])


def test_people_are_hashed_under_the_secret_beside_the_file(path: Path) -> None:
    with Ledger(path) as ledger:
        [hashed] = ledger.hash_recipients(["+12025550123"])
    secret = secret_of(path)
    assert hashed == hmac.digest(secret, b"+12025550123", "sha256")[:16]
    assert secret not in path.read_bytes()
    assert secret.hex().encode() not in path.read_bytes()
    with Ledger(path.with_name("another")) as ledger:
        assert ledger.hash_recipients(["+12025550123"]) != [hashed]


@pytest.mark.parametrize("loss", ["removed", "another's"])
def test_without_its_secret_it_does_not_open(path: Path, loss: str) -> None:
    with Ledger(path) as ledger:
        send(ledger, [0])
    companion = path.with_name("ledger.sqlite3.companion")
    companion.unlink()
    if loss == "another's":
        with Ledger(path.with_name("another")):
            path.with_name("another.companion").replace(companion)
    with pytest.raises(LedgerError, match="put it back beside the ledger"):
        Ledger(path)


def statements(file: Path) -> list[str]:
    return sorted(" ".join(sql.split()) for sql in file.read_text(encoding="utf-8").split(";") if sql.strip())


def tables_of(path: Path) -> tuple[str, list[str]]:
    """The version that a ledger says it has, and how its tables were made."""
    connection = sqlite3.connect(path)
    found = connection.execute(
        "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    (version,) = connection.execute("SELECT value FROM d7nb_meta WHERE name = 'schema_version'").fetchone()
    connection.close()
    return version, sorted(" ".join(sql.split()) for (sql,) in found)


def test_the_tables_are_those_of_version_3(path: Path) -> None:
    """Whoever adds to them makes version 4: ledgers of version 3 are out there."""
    with Ledger(path):
        pass
    assert tables_of(path) == ("3", statements(GOLDEN))


# When it can't be used


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Root may write anything; an ordinary user may not."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def theirs() -> Iterator[Path]:
    """A ledger with one row in a folder that belongs to an ordinary user."""
    with TemporaryDirectory() as folder:  # not pytest's, whose parents are root's alone
        path = Path(folder, "ledger.sqlite3")
        with Ledger(path) as ledger:
            send(ledger, [0])
        if os.geteuid() == 0:
            for file in [path.parent, *path.parent.iterdir()]:
                os.chown(file, NOBODY, NOBODY)
        yield path
        path.parent.chmod(0o700)


def test_a_file_that_is_read_only_is_refused(theirs: Path) -> None:
    theirs.chmod(0o400)
    with (
        ordinary_user(),
        pytest.raises(LedgerError, match=r"the ledger ledger.sqlite3 can't be written: make file and"),
    ):
        Ledger(theirs)


def test_a_folder_without_rights_is_refused(theirs: Path) -> None:
    theirs.parent.chmod(0o500)
    with ordinary_user():
        for name in ("ledger.sqlite3", "new.sqlite3"):
            with pytest.raises(LedgerError, match=f"the ledger {name} can't be written: make file and folder"):
                Ledger(theirs.with_name(name))


@pytest.mark.parametrize("content", [b"name,phone\n" * 500, b"SQLite format 3\0" + b"\xff" * 8_000])
def test_a_file_that_is_no_ledger_is_refused_and_kept(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(
        LedgerError, match=r"the ledger ledger.sqlite3 is damaged, or is not a ledger: restore a backup"
    ):
        Ledger(path)
    assert path.read_bytes() == content


def test_damage_inside_is_noticed_before_a_row_is_granted(path: Path) -> None:
    with Ledger(path) as ledger:
        send(ledger, range(2_000))
    content = bytearray(path.read_bytes())
    content[4096:] = bytes(len(content) - 4096)  # all pages but the first, which lists the tables
    path.write_bytes(content)
    with pytest.raises(LedgerError, match=r"the ledger ledger.sqlite3 is damaged"):
        Ledger(path)


@pytest.mark.parametrize(
    ("version", "words"), [("4", "written by a newer d7nb: pip install --upgrade d7nb"), ("", "damaged")]
)
def test_a_ledger_of_a_newer_version_is_refused(path: Path, version: str, words: str) -> None:
    with Ledger(path):
        pass
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE d7nb_meta SET value = ? WHERE name = 'schema_version'", (version,))
    connection.close()
    with pytest.raises(LedgerError, match=f"ledger.sqlite3 .*{words}"):
        Ledger(path)


def test_a_ledger_that_another_program_keeps_locked_grants_nothing(path: Path) -> None:
    with Ledger(path, patience=0.02) as ledger:
        send(ledger, [0])
        locker = sqlite3.connect(path, isolation_level=None)
        locker.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match=r"ledger.sqlite3 is locked by another program: wait"), start_run(ledger):
            pass
        with pytest.raises(LedgerError, match="is locked by another program"):
            Ledger(path, patience=0.02)
        assert look_up(ledger, [0]).outcome.tolist() == ["accepted"]  # who only reads need not wait
        locker.execute("ROLLBACK")
        with start_run(ledger) as run:
            locker.execute("BEGIN IMMEDIATE")
            with pytest.raises(LedgerError, match="is locked by another program"):
                claim(run, [1])
            locker.execute("ROLLBACK")
            assert look_up(ledger, [1]).outcome.tolist() == [None]
            assert claim(run, [1]).granted.all()
        locker.close()


def test_a_database_that_another_client_keeps_locked_grants_nothing() -> None:
    with postgres() as url, Ledger(url, patience=0.05) as ledger, start_run(ledger) as run:
        locker = sqlalchemy.create_engine(url)
        with locker.connect() as connection:
            connection.exec_driver_sql("LOCK TABLE d7nb_ledger_rows IN EXCLUSIVE MODE")
            with pytest.raises(LedgerError, match=r"the ledger test on 127.0.0.1 is locked by another program"):
                claim(run, [0])
        locker.dispose()
        assert claim(run, [0]).granted.all()


@pytest.mark.parametrize("change", ["removed", "replaced"])
def test_a_file_that_is_gone_grants_nothing(path: Path, change: str) -> None:
    with Ledger(path) as ledger, start_run(ledger) as run:
        assert claim(run, [0]).granted.all()
        path.rename(path.with_name("moved"))
        if change == "replaced":
            shutil.copy(path.with_name("moved"), path)
        with pytest.raises(LedgerError, match=r"the ledger ledger.sqlite3 was removed or replaced while it was in use"):
            claim(run, [1])


FULL = """
import json, resource, sys
from d7nb.errors import LedgerError
from d7nb.ledger import Ledger
from tests.support.ledgers import *

if sys.argv[2] == "limit":
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
granted, refused, words = [], [], set()
with Ledger(sys.argv[1]) as ledger, start_run(ledger) as run:
    for start in range(0, 2_000, 50):
        rows = range(start, start + 50)
        try:
            claimed = claim(run, rows)
            granted.extend(row for row, own in zip(rows, claimed.granted) if own)
            run.record(claimed, "accepted", at=NOW)
        except LedgerError as error:
            words.add(str(error))
            if rows[0] not in granted:
                refused.extend(rows)
print(json.dumps([granted, refused, sorted(words)]))
"""


@pytest.mark.parametrize("way", ["limit", "disk"])
def test_a_full_disk_grants_nothing(path: Path, way: str) -> None:
    """What was granted before stays claimed; what was refused is not in the ledger."""
    folder = path.parent / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=400k", "none", str(folder)]
    if way == "disk" and (
        not shutil.which("mount") or subprocess.run(command, check=False, capture_output=True).returncode
    ):
        pytest.skip("no right to mount a small disk")
    try:
        place = folder / path.name
        ran = subprocess.run(
            [sys.executable, "-c", FULL, str(place), way], cwd=ROOT, capture_output=True, text=True, check=True
        )
        granted, refused, words = json.loads(ran.stdout)
        assert granted
        assert refused
        assert [word.partition(":")[0] for word in words] == [
            "the ledger ledger.sqlite3 can't be written, perhaps because the disk is full"
        ]
        kept = path.with_name("kept.sqlite3")
        for end in ("", "-wal", ".companion"):
            if place.with_name(place.name + end).exists():
                shutil.copy(place.with_name(place.name + end), kept.with_name(kept.name + end))
    finally:
        if way == "disk":
            subprocess.run(["umount", str(folder)], check=True)
    with Ledger(kept) as ledger:
        assert set(look_up(ledger, granted).outcome) <= {"accepted", "unknown"}
        assert set(look_up(ledger, refused).outcome) == {None}


# Where the environment puts it


@pytest.mark.parametrize(
    "given", ["ledger.sqlite3", "data/ledger.sqlite3", "./ledger.sqlite3", "sqlite:///ledger.sqlite3"]
)
def test_a_relative_path_in_the_environment_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("D7NB_LEDGER", given)
    absolute = tmp_path / given.removeprefix("sqlite:///")
    with pytest.raises(LedgerError, match=r"D7NB_LEDGER is the relative path .*: set it to an absolute path") as told:
        Ledger()
    assert str(told.value).endswith(f"such as {absolute}")
    assert list(tmp_path.iterdir()) == []
    with Ledger("mine.sqlite3") as ledger:  # an argument may be relative
        assert str(ledger) == str(tmp_path / "mine.sqlite3")


def test_the_absolute_path_that_is_shown_can_be_used_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("D7NB_LEDGER", "ledger.sqlite3")
    with pytest.raises(LedgerError, match=r"such as ~/ledger.sqlite3$"):
        Ledger()
    monkeypatch.setenv("D7NB_LEDGER", "~/ledger.sqlite3")
    with Ledger() as ledger:
        assert str(ledger) == "~/ledger.sqlite3"


# Who may read and write it

ENDS = ("", "-wal", "-shm", ".companion")


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_its_files_are_their_owner_s_alone_whatever_the_umask(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with Ledger(path) as ledger:
            send(ledger, [0])
            ledger.back_up(path.with_name("backup"))
            assert ledger.warning is None
            assert {mode(file) for file in path.parent.iterdir()} == {0o600}
            assert {file.name for file in path.parent.iterdir()} == {
                *(f"ledger.sqlite3{end}" for end in ENDS),
                *("backup", "backup.companion"),
            }
    finally:
        os.umask(before)


@pytest.mark.parametrize("wrong", [0o602, 0o620, 0o622, 0o666, 0o777])
@pytest.mark.parametrize("end", ENDS)
def test_a_file_that_others_can_write_is_refused_with_the_command(path: Path, end: str, wrong: int) -> None:
    with Ledger(path) as ledger:
        send(ledger, [0])
        file = path.with_name(path.name + end)
        file.chmod(wrong)
        with pytest.raises(LedgerError, match=r"others on this machine can write ledger.sqlite3") as told:
            Ledger(path)
        command = str(told.value).partition(": ")[2]
        assert command == f"chmod 600 {file}"
        subprocess.run(["/bin/sh", "-c", command], check=True)
        with Ledger(path) as mended:
            assert mended.warning is None
            assert look_up(mended, [0]).outcome.tolist() == ["accepted"]


@pytest.mark.parametrize("wrong", [0o604, 0o640, 0o644])
def test_a_file_that_others_can_read_is_a_warning_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: int
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / "Ann's data" / "ledger.sqlite3"
    path.parent.mkdir()
    Ledger(path).close()
    for end in ("", ".companion"):
        path.with_name(path.name + end).chmod(wrong)
    with Ledger(path) as ledger:
        assert ledger.warning is not None
        assert str(tmp_path) not in ledger.warning
        told, _, command = ledger.warning.partition(": ")
        assert told == "others on this machine can read ledger.sqlite3 and ledger.sqlite3.companion"
        subprocess.run(["/bin/sh", "-c", command], check=True)
    assert {file.name: mode(file) for file in path.parent.iterdir()} == {
        "ledger.sqlite3": 0o600,
        "ledger.sqlite3.companion": 0o600,
    }
    with Ledger(path) as ledger:
        assert ledger.warning is None


@pytest.fixture
def no_modes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system on which every file is everybody's, as on FAT."""
    real_open, real_chmod = os.open, Path.chmod

    def open_for_all(name: os.PathLike[str] | str, flags: int, mode: int = 0o777, **options: Any) -> int:
        handle = real_open(name, flags, mode, **options)
        if flags & os.O_CREAT:
            os.fchmod(handle, 0o777)
        return handle

    monkeypatch.setattr(os, "open", open_for_all)
    monkeypatch.setattr(Path, "chmod", lambda self, mode: real_chmod(self, 0o777))


@pytest.mark.usefixtures("no_modes")
def test_where_modes_are_not_kept_it_says_so_once_and_goes_on(path: Path) -> None:
    for _ in range(2):
        with Ledger(path) as ledger:
            send(ledger, [0], "unsent")
            assert mode(path) == 0o777
            assert ledger.warning is not None
            assert ledger.warning.count("does not keep who may read a file") == 1
            assert "D7NB_LEDGER" in ledger.warning
    assert sorted(file.name for file in path.parent.iterdir()) == ["ledger.sqlite3", "ledger.sqlite3.companion"]


def test_a_ledger_that_others_can_read_says_so_before_a_real_send(path: Path) -> None:
    Ledger(path).close()
    path.chmod(0o644)
    plan = d7nb.plan(
        pd.DataFrame({"phone": people(range(0))}, dtype=str),
        d7nb.Text("Hi"),
        to="phone",
        originator="+12025550100",
        campaign=CAMPAIGN,
    )
    with d7nb.Client("not-a-real-token", base_url="https://d7.invalid") as real:
        with pytest.warns(LedgerWarning, match=r"others on this machine can read ledger.sqlite3: chmod 600 ") as caught:
            delivery = plan.send(real, progress=False, ledger=path)
        assert len(caught) == 1
        assert delivery.warnings == [str(caught[0].message)]
