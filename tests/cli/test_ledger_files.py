"""``ledger create``, ``backup`` and ``restore``, as a person uses them."""

from __future__ import annotations

from pathlib import Path

import pytest

import d7nb
from d7nb.cli import main
from tests.support.ledgers import look_up, postgres, send


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ledger with one row, where the environment puts it."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "ledger.sqlite3"
    with d7nb.Ledger(path) as ledger:
        send(ledger, [0])
    return path


def outcomes(path: Path | str) -> list[str | None]:
    with d7nb.Ledger(path) as ledger:
        return look_up(ledger, range(2)).outcome.tolist()


def told(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """Run a command; return what it printed, or its error."""
    assert main(["ledger", *arguments]) == code
    printed = capsys.readouterr()
    assert bool(printed.err) == bool(code)
    return printed.err if code else printed.out


def test_a_ledger_is_backed_up_and_restored(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "backup", "monday.sqlite3") == (
        "wrote monday.sqlite3 and monday.sqlite3.companion; keep them together\n"
    )
    with d7nb.Ledger(path) as ledger:
        send(ledger, [1])
    path.unlink()
    assert "restore a backup (python -m d7nb ledger restore FILE)" in told(capsys, code=2)
    assert told(capsys, "restore", "monday.sqlite3") == (
        f"restored the ledger {path}\n"
        "what was there is beside it: ledger.sqlite3.old-1\n"
        "whoever was written to after the backup would be written to again\n"
    )
    assert outcomes(path) == ["accepted", None]


def test_a_backup_is_restored_where_nothing_is(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told(capsys, "backup", "monday.sqlite3")
    new = path.with_name("new.sqlite3")
    printed = told(capsys, "restore", "monday.sqlite3", "--ledger", str(new))
    assert printed.splitlines() == [
        f"restored the ledger {new}",
        "whoever was written to after the backup would be written to again",
    ]
    assert outcomes(new) == ["accepted", None]


def test_a_lost_ledger_is_begun_anew_on_purpose(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_bytes(b"")
    assert "python -m d7nb ledger create begins a new one on purpose" in told(capsys, code=2)
    assert told(capsys, "create") == (
        f"began a new ledger, which knows of no earlier send: {path}\n"
        "what was left of the old one is beside it: ledger.sqlite3.old-1\n"
    )
    assert outcomes(path) == [None, None]
    assert told(capsys, code=0) == f"ledger: {path}\nnothing was sent yet\n"


def test_a_first_ledger_is_created(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = path.with_name("new.sqlite3")
    assert told(capsys, "create", "--ledger", str(new)) == (
        f"began a new ledger, which knows of no earlier send: {new}\n"
    )


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["create"], "there is a ledger ledger.sqlite3 already, and it is whole: go on with it"),
        (["backup", "ledger.sqlite3"], "ledger.sqlite3 exists already: name another file for the backup"),
        (["backup", "no/such/monday"], "there is no folder 'such' for the backup monday: make it"),
        (["backup", "monday", "--ledger", "legder"], "there is no ledger legder to back up: correct the path"),
        (["restore"], "name the file of the backup to restore"),
        (["restore", "tuesday"], "there is no backup tuesday: name a file that d7nb ledger backup made"),
        (["restore", "ledger.sqlite3"], "ledger.sqlite3 is the ledger itself: name a backup of it"),
    ],
    ids=" ".join,
)
def test_what_can_t_be_done_is_said_in_one_line(
    path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], error: str
) -> None:
    assert told(capsys, *arguments, code=2) == f"d7nb: {error}\n"
    assert outcomes(path) == ["accepted", None]
    assert sorted(file.name for file in path.parent.iterdir()) == ["ledger.sqlite3", "ledger.sqlite3.companion"]


def test_no_backup_is_made_of_a_ledger_that_is_gone(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.unlink()
    assert "the ledger ledger.sqlite3 is gone or empty" in told(capsys, "backup", "monday", code=2)
    assert not path.exists()


def test_a_number_in_a_file_s_name_is_masked(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "5550123" not in told(capsys, "backup", "+12025550123")
    assert path.with_name("+12025550123").exists()


def test_in_a_database_its_own_tools_do_the_work(capsys: pytest.CaptureFixture[str]) -> None:
    with postgres() as url:
        with d7nb.Ledger(url) as ledger:
            send(ledger, [0])
        dump = told(capsys, "backup", "monday.dump", "--ledger", url, code=2)
        assert "pg_dump --format=custom --table='d7nb_*' --file=monday.dump 'postgresql://" in dump
        command = told(capsys, "restore", "monday.dump", "--ledger", url, code=2)
        assert "pg_restore --clean --if-exists --single-transaction --dbname='postgresql://" in command
        assert " monday.dump; then restore without a file" in command
        shown = "postgresql+psycopg://root@127.0.0.1:5432/test"
        assert told(capsys, "restore", "--ledger", url).startswith("the ledger postgresql+psycopg://")
        assert shown.partition(":")[0] in told(capsys, "--ledger", url)
        assert "has a ledger: restore it without a file" in told(capsys, "create", "--ledger", url, code=2)
