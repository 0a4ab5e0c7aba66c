"""Backups, restoring them, and a new ledger in the place of one that was lost: no step loses anything."""

from __future__ import annotations

import os
import shlex
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy

from d7nb.errors import LedgerError
from d7nb.ledger import Ledger
from d7nb.store import files
from d7nb.store.companion import CompanionFile
from tests.support.ledgers import claim, look_up, postgres, send, start_run
from tests.support.old_ledgers import make_old_ledger

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    return tmp_path / "backups" / "monday.sqlite3"


@pytest.fixture(autouse=True)
def _folder(backup: Path) -> None:
    backup.parent.mkdir()


def beside(path: Path, end: str) -> Path:
    return path.with_name(path.name + end)


def outcomes(place: Path | str, rows: range) -> list[str | None]:
    with Ledger(place) as ledger:
        return look_up(ledger, rows).outcome.tolist()


def outcomes_unless_gone(path: Path, rows: range) -> list[str | None] | None:
    """Return the outcomes; None where the ledger is said to be gone."""
    try:
        return outcomes(path, rows)
    except LedgerError as error:
        if "is gone or empty" in str(error):
            return None
        raise


def backed_up(path: Path, backup: Path) -> None:
    """Send row 0, back up, and send row 1."""
    with Ledger(path) as ledger:
        send(ledger, [0])
        ledger.back_up(backup)
        send(ledger, [1])


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


@contextmanager
def unchanged(path: Path) -> Iterator[None]:
    """Check that a block changes none of a ledger's files."""
    before = contents(path.parent)
    yield
    assert contents(path.parent) == before


# Backup


def test_a_backup_is_two_files_that_only_their_owner_may_read(path: Path, backup: Path) -> None:
    before = os.umask(0)
    try:
        backed_up(path, backup)
    finally:
        os.umask(before)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in backup.parent.iterdir()}
    assert modes == {"monday.sqlite3": 0o600, "monday.sqlite3.companion": 0o600}
    with closing(sqlite3.connect(f"file:{backup}?mode=ro", uri=True)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert outcomes(backup, range(2)) == ["accepted", None]


def test_a_ledger_is_backed_up_while_others_send(path: Path, backup: Path) -> None:
    def work() -> None:
        with Ledger(path) as ledger, start_run(ledger) as run:
            while not done.is_set():
                claim(run, [len(claimed)])
                claimed.append(len(claimed))

    claimed: list[int] = []
    done = threading.Event()
    thread = threading.Thread(target=work)
    thread.start()
    try:
        with Ledger(path) as ledger:
            for number in range(5):
                known = len(claimed)
                copied = backup.with_name(f"{number}.sqlite3")
                ledger.back_up(copied)
                with Ledger(copied) as copy:
                    assert look_up(copy, range(known)).sending.all()
            assert len(claimed) > known
    finally:
        done.set()
        thread.join()


def test_a_backup_of_a_backup_is_one(path: Path, backup: Path) -> None:
    backed_up(path, backup)
    with Ledger(backup) as ledger:
        ledger.back_up(backup.with_name("second"))
    path.unlink()
    Ledger.restore(backup.with_name("second"), path).close()
    assert outcomes(path, range(2)) == ["accepted", None]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("backups/there", "there exists already: name another file for the backup"),
        ("backups/half", "half exists already: name another file"),
        ("ledger.sqlite3", "ledger.sqlite3 exists already"),
        ("no/such/monday", "there is no folder 'such' for the backup monday: make it"),
        ("backups", "backups exists already"),
    ],
)
def test_a_backup_that_can_t_be_made_says_why_and_changes_nothing(path: Path, name: str, words: str) -> None:
    with Ledger(path) as ledger:
        send(ledger, [0])
        (path.parent / "backups" / "there").write_bytes(b"mine")
        (path.parent / "backups" / "half.companion").write_bytes(b"mine")
        with unchanged(path.parent / "backups" / "there"), pytest.raises(LedgerError, match=words):
            ledger.back_up(path.parent / name)


@pytest.mark.parametrize("loss", ["", ".companion"])
def test_a_ledger_that_lost_a_file_is_not_backed_up(path: Path, backup: Path, loss: str) -> None:
    with Ledger(path) as ledger:
        send(ledger, [0])
        beside(path, loss).unlink()
        with pytest.raises(LedgerError, match=r"a file of the ledger ledger.sqlite3 is gone: open it again"):
            ledger.back_up(backup)
        assert beside(path, loss).exists() is False
    assert list(backup.parent.iterdir()) == []


def test_an_older_copy_is_not_backed_up_as_if_it_were_the_ledger(path: Path, backup: Path) -> None:
    with Ledger(path) as ledger:
        send(ledger, [0])
    older = path.read_bytes()
    with Ledger(path) as ledger:
        send(ledger, [1])
        path.write_bytes(older)
        with pytest.raises(LedgerError, match=r"is an older copy: open it again"):
            ledger.back_up(backup)
    assert list(backup.parent.iterdir()) == []


def test_a_backup_that_was_killed_is_no_obstacle(path: Path, backup: Path) -> None:
    with Ledger(path) as ledger:
        for end in (".draft", ".draft-wal", ".draft-shm"):
            beside(backup, end).write_bytes(b"left")
        ledger.back_up(backup)
    assert sorted(contents(backup.parent)) == ["monday.sqlite3", "monday.sqlite3.companion"]


# Restoring


@pytest.mark.parametrize("loss", ["nothing", "file", "companion", "both", "damaged", "emptied"])
def test_a_backup_takes_the_place_of_whatever_is_there(path: Path, backup: Path, loss: str) -> None:
    backed_up(path, backup)
    if loss in {"file", "both"}:
        path.unlink()
    if loss in {"companion", "both"}:
        beside(path, ".companion").unlink()
    if loss in {"damaged", "emptied"}:
        path.write_bytes(b"no database" * 1_000 if loss == "damaged" else b"")
    left = {name: content for name, content in contents(path.parent).items() if name.startswith("ledger")}
    with Ledger.restore(backup, path) as ledger:
        assert look_up(ledger, range(2)).outcome.tolist() == ["accepted", None]
        send(ledger, [1])
    assert outcomes(path, range(2)) == ["accepted", "accepted"]
    aside = {name.replace(".old-1", ""): content for name, content in contents(path.parent).items() if "old-1" in name}
    assert aside == left
    assert outcomes(backup, range(2)) == ["accepted", None]
    assert not list(path.parent.glob("*.draft*"))


def test_what_was_there_can_be_put_back(path: Path, backup: Path) -> None:
    backed_up(path, backup)
    Ledger.restore(backup, path).close()
    Ledger.restore(beside(path, ".old-1"), path).close()
    assert outcomes(path, range(2)) == ["accepted", "accepted"]
    assert beside(path, ".old-2").exists()


def test_it_is_restored_elsewhere_even_into_a_data_folder_that_is_not_there_yet(
    path: Path, backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backed_up(path, backup)
    backup.chmod(0o400)
    monkeypatch.delenv("D7NB_LEDGER")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "new"))
    with Ledger.restore(backup) as ledger:
        assert look_up(ledger, range(2)).outcome.tolist() == ["accepted", None]
    folder = tmp_path / "new" / "d7nb"
    assert {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {
        "ledger.sqlite3": 0o600,
        "ledger.sqlite3.companion": 0o600,
    }


def test_a_copy_that_lacks_its_last_run_may_be_restored_on_purpose(path: Path, backup: Path) -> None:
    with Ledger(path) as ledger:
        send(ledger, [0])
    shutil.copy(path, backup)
    with Ledger(path) as ledger:
        send(ledger, [1])
    shutil.copy(beside(path, ".companion"), beside(backup, ".companion"))
    with pytest.raises(LedgerError, match=r"is an older copy"):
        Ledger(backup)
    Ledger.restore(backup, path).close()
    assert outcomes(path, range(2)) == ["accepted", None]


def test_the_copy_of_before_an_upgrade_is_restored_and_upgraded_again(path: Path) -> None:
    make_old_ledger(str(path), rows=5)
    with Ledger(path) as ledger:
        before = ledger.frame()
        send(ledger, [900])
    copied = beside(path, ".version-2")
    path.unlink()
    with Ledger.restore(copied, path) as ledger:
        pd.testing.assert_frame_equal(ledger.frame(), before)
    assert not beside(path, ".secret").exists()
    beside(copied, ".secret").write_bytes(b"another")
    with (
        unchanged(path),
        pytest.raises(LedgerError, match=r"the file beside ledger.sqlite3.version-2 belongs to anoth"),
    ):
        Ledger.restore(copied, path)


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("nowhere", "there is no backup monday.sqlite3: name a file that d7nb ledger backup made"),
        ("folder", "there is no backup backups"),
        ("itself", "ledger.sqlite3 is the ledger itself: name a backup of it"),
        ("none", "name the file of the backup to restore"),
        ("no companion", "the backup monday.sqlite3 needs the file monday.sqlite3.companion that was made with it"),
        ("damaged companion", "needs the file monday.sqlite3.companion that was made with it"),
        ("another's companion", "the file beside monday.sqlite3 belongs to another ledger: find the one"),
        ("no database", "monday.sqlite3 is damaged, or is not a ledger"),
        ("half", "monday.sqlite3 is damaged"),
        ("empty", "monday.sqlite3 is no ledger of this version of d7nb: use another backup"),
        ("another database", "monday.sqlite3 is no ledger of this version of d7nb: use another backup"),
        ("newer", "monday.sqlite3 is no ledger of this version of d7nb: use another backup"),
    ],
)
def test_what_is_no_backup_is_refused_and_nothing_is_changed(path: Path, backup: Path, case: str, words: str) -> None:
    with Ledger(path) as ledger:
        send(ledger, range(2_000))
        ledger.back_up(backup)
        send(ledger, [3_000])
    source: Path | None = {"folder": backup.parent, "itself": path, "none": None}.get(case, backup)
    if case == "nowhere":
        backup.unlink()
    elif case == "no companion":
        beside(backup, ".companion").unlink()
    elif case == "damaged companion":
        beside(backup, ".companion").write_text("{}")
    elif case == "another's companion":
        Ledger(path.with_name("another")).close()
        path.with_name("another.companion").replace(beside(backup, ".companion"))
    elif case == "no database":
        backup.write_bytes(b"no database" * 1_000)
    elif case == "half":
        backup.write_bytes(backup.read_bytes()[: backup.stat().st_size // 2])
    elif case == "empty":
        backup.write_bytes(b"")
    elif case == "another database":
        backup.unlink()
        with closing(sqlite3.connect(backup)) as connection:
            connection.execute("CREATE TABLE mine (name)")
    elif case == "newer":
        with closing(sqlite3.connect(backup)) as connection:
            connection.execute("UPDATE d7nb_meta SET value = '99' WHERE name = 'schema_version'")
            connection.commit()
    with unchanged(path), pytest.raises(LedgerError, match=words):
        Ledger.restore(source, path)
    assert outcomes(path, range(2)) == ["accepted"] * 2


def test_a_ledger_that_another_program_is_writing_to_is_not_replaced(
    path: Path, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_PATIENCE", 0.05)
    backed_up(path, backup)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        for change in (lambda: Ledger.restore(backup, path), lambda: Ledger.create(path)):
            with pytest.raises(LedgerError, match=r"ledger.sqlite3 is locked by another program: wait until"):
                change()
        writer.execute("ROLLBACK")
    assert not list(path.parent.glob("*.old-*"))
    assert outcomes(path, range(2)) == ["accepted"] * 2


def test_a_program_that_has_the_ledger_open_writes_no_more_once_it_is_replaced(path: Path, backup: Path) -> None:
    backed_up(path, backup)
    with Ledger(path) as other, start_run(other) as run:
        assert claim(run, [2]).granted.all()
        with Ledger.restore(backup, path) as restored:
            for refused in (lambda: claim(run, [3]), lambda: send(other, [3])):
                with pytest.raises(LedgerError, match=r"was removed or replaced while it was in use"):
                    refused()
            send(restored, [4])
            other.close()  # which must not take away what the new one writes
            send(restored, [5])
    assert outcomes(path, range(6)) == ["accepted", None, None, None, "accepted", "accepted"]
    assert outcomes(beside(path, ".old-1"), range(6)) == [
        "accepted",
        "accepted",
        "unsent",
        None,
        None,
        None,
    ]  # the third is being sent


def test_a_claim_that_waits_while_the_ledger_is_replaced_is_refused(path: Path, backup: Path) -> None:
    """It has looked at the file before, and gets the lock after."""
    backed_up(path, backup)
    refused: list[BaseException] = []
    holds, waits = threading.Event(), threading.Event()
    move_aside = files.move_aside

    def slow(moved: Path) -> Path | None:
        holds.set()
        waits.wait(5)
        return move_aside(moved)

    def work() -> None:
        with Ledger(path) as ledger, start_run(ledger) as run:
            begun.set()
            holds.wait(5)
            threading.Timer(0.3, waits.set).start()
            try:
                claim(run, [7])
            except LedgerError as error:
                refused.append(error)

    begun = threading.Event()
    thread = threading.Thread(target=work)
    thread.start()
    begun.wait(5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "move_aside", slow)
        Ledger.restore(backup, path).close()
    thread.join()
    assert [str(error).partition(" while")[0] for error in refused] == [
        "the ledger ledger.sqlite3 was removed or replaced"
    ]
    assert outcomes(beside(path, ".old-1"), range(8))[7] is None


class Killed(BaseException):
    """Stands for the end of the process at one step."""


def dying(function: Callable[..., object], *, after: bool) -> Callable[..., object]:
    def die(*arguments: object, **options: object) -> object:
        if after:
            function(*arguments, **options)
        raise Killed

    return die


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("owner", "step"), [(files, "move_aside"), (CompanionFile, "write"), (Path, "rename"), (Path, "replace")]
)
def test_a_restore_that_is_killed_begins_nothing_anew(
    path: Path, backup: Path, owner: object, step: str, after: bool
) -> None:
    """Whatever it left behind opens as it was, or says what to do; the same command then does it."""
    backed_up(path, backup)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, step, dying(getattr(owner, step), after=after))
        with pytest.raises(Killed):
            Ledger.restore(backup, path)
    assert outcomes_unless_gone(path, range(2)) in (["accepted", "accepted"], None)
    Ledger.restore(backup, path).close()
    assert outcomes(path, range(2)) == ["accepted", None]
    old = [file for file in path.parent.glob("*.old-?") if file.stat().st_size]
    assert [outcomes(file, range(2)) for file in old] == [["accepted", "accepted"]]


KILLED = """
import sys
from d7nb.ledger import Ledger

print("ready", flush=True)
sys.stdin.readline()
while True:
    Ledger.restore(sys.argv[1], sys.argv[2]).close()
"""


def test_restores_that_are_killed_at_any_moment_begin_nothing_anew(path: Path, backup: Path) -> None:
    backed_up(path, backup)
    for number in range(4):
        child = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(backup), str(path)], cwd=ROOT, text=True, stdin=-1, stdout=-1
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.05 + number * 0.026)
        child.kill()
        child.communicate()
        assert outcomes_unless_gone(path, range(1)) in (["accepted"], None)
        Ledger.restore(backup, path).close()
        assert outcomes(path, range(1)) == ["accepted"]


# A new one on purpose


@pytest.mark.parametrize(
    "loss", ["missing", "emptied", "damaged", "half", "older", "no companion", "damaged companion"]
)
def test_a_new_ledger_takes_the_place_of_one_that_was_lost(path: Path, loss: str) -> None:
    with Ledger(path) as ledger:
        send(ledger, range(500))
    older = path.read_bytes()
    with Ledger(path) as ledger:
        send(ledger, range(1_000, 1_500))
    if loss == "missing":
        path.unlink()
    elif loss == "no companion":
        beside(path, ".companion").unlink()
    elif loss == "damaged companion":
        beside(path, ".companion").write_text("{}")
    else:
        now = path.read_bytes()
        path.write_bytes(
            {"emptied": b"", "damaged": b"none" * 5_000, "half": now[: len(now) // 2], "older": older}[loss]
        )
    with pytest.raises(LedgerError):
        Ledger(path)
    left = contents(path.parent)
    with Ledger.create(path) as ledger:
        assert ledger.campaigns().empty
        send(ledger, [0])
    assert outcomes(path, range(2)) == ["accepted", None]
    aside = {name.replace(".old-1", ""): content for name, content in contents(path.parent).items() if "old-1" in name}
    assert aside == left


def test_a_whole_ledger_is_not_begun_anew(path: Path) -> None:
    with Ledger(path) as ledger:
        send(ledger, [0])
        for _ in range(2):
            with pytest.raises(LedgerError, match=r"there is a ledger ledger.sqlite3 already, and it is whole: go on"):
                Ledger.create(path)
        send(ledger, [1])
    assert outcomes(path, range(2)) == ["accepted", "accepted"]
    assert not list(path.parent.glob("*.old-*"))


@pytest.mark.parametrize(
    ("case", "words"), [("newer", "was written by a newer d7nb"), ("writable", "others on this machine can write")]
)
def test_a_ledger_that_can_t_be_opened_for_another_reason_is_not_begun_anew(path: Path, case: str, words: str) -> None:
    with Ledger(path) as ledger:
        send(ledger, [0])
    if case == "writable":
        path.chmod(0o666)
    else:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("UPDATE d7nb_meta SET value = '99' WHERE name = 'schema_version'")
            connection.commit()
    with unchanged(path), pytest.raises(LedgerError, match=words):
        Ledger.create(path)


def test_a_first_ledger_may_be_created_too(path: Path) -> None:
    with Ledger.create(path) as ledger:
        send(ledger, [0])
    empty = path.with_name("empty.sqlite3")
    empty.touch(mode=0o600)
    Ledger.create(empty).close()
    assert not list(path.parent.glob("*.old-*"))
    with pytest.raises(LedgerError, match=r"there is no folder 'such'"):
        Ledger.create(path.parent / "no" / "such" / "ledger")


# In PostgreSQL


def command_in(sentence: str, program: str) -> list[str]:
    return shlex.split(sentence[sentence.index(program) :].partition(";")[0])


@pytest.mark.skipif(not shutil.which("pg_dump"), reason="PostgreSQL's own tools are not installed")
def test_the_commands_for_a_database_back_it_up_and_restore_it(backup: Path) -> None:
    with postgres() as url:
        with Ledger(url) as ledger:
            send(ledger, [0])
            with pytest.raises(LedgerError, match=r"its own tools: pg_dump") as told:
                ledger.back_up(backup)
        dump = command_in(str(told.value), "pg_dump")
        ran = subprocess.run(dump, cwd=backup.parent, capture_output=True, text=True, check=False)
        if "server version mismatch" in ran.stderr:
            pytest.skip("PostgreSQL's tools are older than the server")
        assert ran.returncode == 0, ran.stderr
        with Ledger(url) as ledger:
            send(ledger, [1])
        with pytest.raises(LedgerError, match=r"its own tools: pg_restore") as told:
            Ledger.restore(backup, url)
        subprocess.run(command_in(str(told.value), "pg_restore"), cwd=backup.parent, check=True, capture_output=True)
        with pytest.raises(LedgerError, match=r"is an older copy"):
            Ledger(url)
        with Ledger.restore(None, url) as ledger:
            assert look_up(ledger, range(2)).outcome.tolist() == ["accepted", None]
            send(ledger, [1])
        assert outcomes(url, range(2)) == ["accepted", "accepted"]


@pytest.mark.parametrize("url", ["postgresql://ann:secret@h/d?sslmode=require", "postgres://ann@h/d?password=secret"])
def test_no_command_shows_a_password(url: str, backup: Path) -> None:
    with pytest.raises(LedgerError, match=r"pg_restore .*postgresql://ann@h/d.* monday.sqlite3; then") as told:
        Ledger.restore(backup, url)
    assert "secret" not in str(told.value)
    assert "***" not in str(told.value)


def test_a_database_without_a_ledger_does_not_count_as_whole() -> None:
    with postgres() as url:
        with pytest.raises(LedgerError, match=r"has no ledger of this version of d7nb: restore a dump first"):
            Ledger.restore(None, url)


def test_a_new_ledger_in_a_database_takes_the_place_of_one_that_was_lost() -> None:
    with postgres() as url:
        with Ledger(url) as ledger:
            send(ledger, [0])
        with pytest.raises(LedgerError, match=r"has a ledger: restore it without a file"):
            Ledger.create(url)
        engine = sqlalchemy.create_engine(url)
        with engine.begin() as connection:
            for name in sqlalchemy.inspect(connection).get_table_names():
                connection.exec_driver_sql(f"DROP TABLE {name} CASCADE")
        engine.dispose()
        with pytest.raises(LedgerError, match=r"is gone or empty"):
            Ledger(url)
        with Ledger.create(url) as ledger:
            assert look_up(ledger, [0]).outcome.tolist() == [None]
            send(ledger, [0])
        assert outcomes(url, range(1)) == ["accepted"]
