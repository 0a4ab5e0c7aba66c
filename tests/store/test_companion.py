"""A ledger that is gone, or that lacks what it held, is noticed before anybody gets anything twice."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy

import d7nb
from d7nb.errors import LedgerError
from d7nb.ledger import Ledger
from d7nb.store import companion as companions, database, opening
from d7nb.store.companion import Companion, CompanionFile, Damaged, LedgerLost
from d7nb.store.location import find_location
from tests.support.ledgers import CAMPAIGN, LATER, NOW, claim, look_up, people, postgres, send, start_run

ROOT = Path(__file__).parents[2]
ORIGINATOR = "+12025550100"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


@pytest.fixture
def client(sandbox: d7nb.Sandbox) -> Iterator[d7nb.Client]:
    with sandbox.client() as client:
        yield client


def beside(path: Path, end: str) -> Path:
    return path.with_name(path.name + end)


def companion_of(path: Path) -> Companion:
    found = CompanionFile(beside(path, ".companion")).read()
    assert found is not None
    return found


def copy(path: Path, folder: str, *ends: str) -> Path:
    """Copy a ledger's file, and others that belong to it, as they are on the disk."""
    copied = path.parent / folder / path.name
    copied.parent.mkdir(exist_ok=True)
    for end in ("", *ends):
        if beside(path, end).exists():
            shutil.copy(beside(path, end), beside(copied, end))
    return copied


def planned(rows: int = 20) -> d7nb.Plan:
    frame = pd.DataFrame({"phone": people(range(rows))})
    return d7nb.plan(frame, d7nb.Text("Hi"), to="phone", originator=ORIGINATOR, campaign=CAMPAIGN)


def nothing_goes(place: str | Path, sandbox: d7nb.Sandbox, client: d7nb.Client, match: str) -> None:
    """Check that a plan sends nothing, and says why."""
    before = len(sandbox.messages)
    with pytest.raises(LedgerError, match=match):
        planned().send(client, ledger=place, progress=False)
    assert len(sandbox.messages) == before


# What it holds


def test_a_companion_is_read_as_it_was_written() -> None:
    whole = Companion("ab", "cd" * 32, "~/ledger", is_complete=True, run="ef", at=NOW.isoformat(), last_request=7)
    assert Companion.from_text(whole.to_text()) == whole


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "{}", '{"ledger": "a"}', '{"ledger": "a", "last_request": "x"}', "null", "\0" * 300),
        '{"ledger": "a", "last_request": "1", "secret": "no digits"}',
        '{"ledger": "a", "last_request": "1", "at": "x"}',
        '{"ledger": "a", "last_request": "1", "more": 1}',
    ],
)
def test_what_is_no_companion_is_damaged(text: str) -> None:
    with pytest.raises(Damaged):
        Companion.from_text(text)


def test_it_names_the_last_run_and_the_last_request_and_is_never_ahead(path: Path) -> None:
    with Ledger(path) as ledger:
        assert (companion_of(path).run, companion_of(path).last_request) == ("", 0)
        with start_run(ledger) as run:
            assert companion_of(path).run == run.id
            for number in (1, 2):
                claim(run, [number])
                assert companion_of(path).last_request == number
            assert not claim(run, [1]).granted.any()  # nothing was claimed, so there is nothing to be lost
            assert companion_of(path).last_request == 2


def test_a_smaller_number_replaces_no_greater_one(path: Path) -> None:
    with Ledger(path) as ledger, start_run(ledger) as run:
        claim(run, [1])
        claim(run, [2])
        file = CompanionFile(beside(path, ".companion"))
        file.note_request(1)
        assert companion_of(path).last_request == 2
        file.note_request(9)
        assert companion_of(path).last_request == 9


def test_a_request_that_was_not_noted_is_noted_with_the_next_run(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Ledger(path) as ledger:
        with monkeypatch.context() as patch:
            patch.setattr(CompanionFile, "note_request", lambda *_: None)
            send(ledger, [0])
        assert companion_of(path).last_request == 0
        with start_run(ledger):
            assert companion_of(path).last_request == 1


def test_forgotten_runs_are_still_known(path: Path) -> None:
    with Ledger(path) as ledger:
        send(ledger, range(50))
        assert ledger.forget(CAMPAIGN, LATER) == 50
    with Ledger(path) as ledger:
        send(ledger, range(50))
        assert ledger.campaigns()["accepted"].tolist() == [50]


def test_the_wal_is_folded_in_when_the_last_holder_closes(path: Path) -> None:
    with Ledger(path):
        with Ledger(path) as ledger:
            send(ledger, range(50))
        assert beside(path, "-wal").exists()
    assert not beside(path, "-wal").exists()
    assert not beside(path, "-shm").exists()
    moved = copy(path, "elsewhere", ".companion")
    with Ledger(moved) as ledger:
        assert set(look_up(ledger, range(50)).outcome) == {"accepted"}


# What was lost


@pytest.mark.parametrize("loss", ["missing", "empty"])
def test_a_file_that_is_missing_or_empty_stops_the_send(
    path: Path, sandbox: d7nb.Sandbox, client: d7nb.Client, loss: str
) -> None:
    planned().send(client, ledger=path, progress=False)
    path.unlink()
    if loss == "empty":
        path.touch(mode=0o600)
    began = companion_of(path).to_text().partition('"at": "')[2]
    since = f"{began[:10]} at {began[11:16]} UTC"
    nothing_goes(path, sandbox, client, rf"ledger.sqlite3 is gone or empty; it was there on {since}; nothing is sent,")
    nothing_goes(
        path, sandbox, client, r"put the file back, or restore a backup \(python -m d7nb ledger restore FILE\); where"
    )
    nothing_goes(path, sandbox, client, r"d7nb.Ledger.create\(...\) begins a new one on purpose")
    assert path.exists() == (loss == "empty")  # nothing was begun in its place
    assert len(sandbox.messages) == 20


def test_a_half_copied_file_stops_the_send(path: Path, sandbox: d7nb.Sandbox, client: d7nb.Client) -> None:
    planned(200).send(client, ledger=path, progress=False)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    nothing_goes(path, sandbox, client, "is damaged, or is not a ledger|is an older copy")


def test_a_copy_without_what_was_written_last_stops_the_send(
    path: Path, sandbox: d7nb.Sandbox, client: d7nb.Client
) -> None:
    """The run is in the file, and what it claimed afterwards in the -wal alone."""
    with Ledger(path) as ledger, start_run(ledger) as run:
        claim(run, [0])
        ledger._database.fold()
        claim(run, [1])
        whole = copy(path, "whole", "-wal", ".companion")
        part = copy(path, "part", ".companion")
    with sqlite3.connect(part) as connection:
        assert connection.execute("SELECT id FROM d7nb_ledger_runs").fetchall() == [(run.id,)]
    connection.close()
    nothing_goes(part, sandbox, client, r"ledger.sqlite3 is an older copy, and lacks messages that were sent on ")
    with Ledger(whole) as ledger:
        assert look_up(ledger, [0, 1]).sending.all()


def test_yesterday_s_file_alone_stops_the_send(path: Path, sandbox: d7nb.Sandbox, client: d7nb.Client) -> None:
    planned(5).send(client, ledger=path, progress=False)
    yesterday = copy(path, "yesterday")
    planned().send(client, ledger=path, progress=False)
    shutil.copy(yesterday, path)
    nothing_goes(path, sandbox, client, "is an older copy, and lacks messages that were sent")
    assert len(sandbox.messages) == 20


def test_file_and_companion_of_yesterday_together_are_not_noticed(
    path: Path, sandbox: d7nb.Sandbox, client: d7nb.Client
) -> None:
    """Nothing is left that could tell: README says so."""
    planned(5).send(client, ledger=path, progress=False)
    yesterday = copy(path, "yesterday", ".companion")
    planned().send(client, ledger=path, progress=False)
    assert planned().send(client, ledger=yesterday, progress=False).summary["accepted"] == 15
    assert len(sandbox.messages) == 35


@pytest.mark.parametrize("loss", ["missing", "another's", "damaged", "empty", "cut off"])
def test_without_its_companion_nothing_goes(path: Path, sandbox: d7nb.Sandbox, client: d7nb.Client, loss: str) -> None:
    planned().send(client, ledger=path, progress=False)
    file = beside(path, ".companion")
    whole = file.read_text()
    words = "needs the file ledger.sqlite3.companion that was made with it, to recognise people: put it back beside"
    if loss == "missing":
        file.unlink()
    elif loss == "another's":
        Ledger(path.with_name("another")).close()
        path.with_name("another.companion").replace(file)
    else:
        file.write_text({"damaged": "{}", "empty": "", "cut off": whole[:60]}[loss])
        words = "the file ledger.sqlite3.companion beside the ledger ledger.sqlite3 is damaged: put the file back"
    nothing_goes(path, sandbox, client, words)
    file.write_text(whole)
    assert planned().send(client, ledger=path, progress=False).summary["already_sent"] == 20


def test_a_file_that_is_overwritten_while_it_is_open_stops_the_send(
    path: Path, sandbox: d7nb.Sandbox, client: d7nb.Client
) -> None:
    planned(5).send(client, ledger=path, progress=False)
    yesterday = copy(path, "yesterday")
    with Ledger(path) as ledger:
        planned(10).send(client, ledger=ledger, progress=False)
        today = path.read_bytes()
        number = path.stat().st_ino
        path.write_bytes(yesterday.read_bytes())
        assert path.stat().st_ino == number
        before = len(sandbox.messages)
        for rows in (20, 20):
            with pytest.raises(LedgerError, match="is an older copy, and lacks messages that were sent"):
                planned(rows).send(client, ledger=ledger, progress=False)
        nothing_goes(path, sandbox, client, "is an older copy")
        assert len(sandbox.messages) == before == 10
        path.write_bytes(today)
    assert planned().send(client, ledger=path, progress=False).summary["accepted"] == 10


def test_a_companion_that_is_lost_while_the_ledger_is_open_comes_back(path: Path) -> None:
    with Ledger(path) as ledger:
        send(ledger, [0])
        secret = companion_of(path).secret
        beside(path, ".companion").unlink()
        send(ledger, [1])
    found = companion_of(path)
    assert (found.secret, found.last_request, found.is_complete) == (secret, 2, True)


@pytest.mark.parametrize("loss", ["another's", "damaged"])
def test_a_companion_that_is_replaced_while_the_ledger_is_open_stops_the_send(
    path: Path, sandbox: d7nb.Sandbox, client: d7nb.Client, loss: str
) -> None:
    with Ledger(path) as ledger:
        planned(5).send(client, ledger=ledger, progress=False)
        if loss == "another's":
            Ledger(path.with_name("another")).close()
            path.with_name("another.companion").replace(beside(path, ".companion"))
        else:
            beside(path, ".companion").write_text("{}")
        with pytest.raises(LedgerError, match=r"the file ledger.sqlite3.companion (now belongs to another|beside)"):
            planned().send(client, ledger=ledger, progress=False)
    assert len(sandbox.messages) == 5


# What is interrupted


class Killed(BaseException):
    """Stands for the end of the process at one step."""


STEPS = ["make_file", "write", "create", "complete"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("side", ["before", "after"])
def test_a_ledger_whose_creation_was_cut_off_opens_afterwards(
    path: Path, monkeypatch: pytest.MonkeyPatch, step: str, side: str
) -> None:
    def dying(function: Callable[..., object]) -> Callable[..., object]:
        def die(*arguments: object, **options: object) -> object:
            if side == "after":
                function(*arguments, **options)
            raise Killed

        return die

    where: tuple[object, str] = {
        "make_file": (database, "make_file"),
        "write": (CompanionFile, "write"),
        "create": (opening, "_create"),
        "complete": (opening, "_complete"),
    }[step]
    with monkeypatch.context() as patch:
        patch.setattr(*where, dying(getattr(*where)))
        with pytest.raises(Killed):
            Ledger(path)
    with Ledger(path) as ledger:
        send(ledger, [0])
    assert companion_of(path).is_complete
    with Ledger(path) as ledger:
        assert look_up(ledger, [0]).outcome.tolist() == ["accepted"]


BEGINNER = """
import sys, time
import d7nb.ledger
from tests.support.ledgers import *

print("ready", flush=True)
sys.stdin.readline()
with Ledger(sys.argv[1]) as ledger:
    for number in range(1_000):
        send(ledger, [number])
        print(number, flush=True)
"""


def test_a_process_that_is_killed_at_any_moment_leaves_a_ledger_that_opens(tmp_path: Path) -> None:
    moments = random.Random(7)
    for number in range(6):
        path = tmp_path / f"ledger-{number}.sqlite3"
        child = subprocess.Popen(
            [sys.executable, "-c", BEGINNER, str(path)],
            cwd=ROOT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
        time.sleep(moments.uniform(0, 0.25))
        child.send_signal(signal.SIGKILL)
        sent = [int(line) for line in child.communicate()[0].split() if line.isdigit()]
        with Ledger(path) as ledger:
            assert set(look_up(ledger, sent).outcome) <= {"accepted"}
            send(ledger, [1_500])
        with Ledger(path) as ledger:
            assert look_up(ledger, [*sent, 1_500]).outcome.tolist() == ["accepted"] * (len(sent) + 1)


def test_a_kill_between_ledger_and_companion_loses_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger has a run that its companion does not know: never the other way round."""

    def die(*_: object) -> None:
        raise Killed

    for name in ("note_run", "note_request"):
        with Ledger(path) as ledger, monkeypatch.context() as patch:
            patch.setattr(CompanionFile, name, die)
            with pytest.raises(Killed), start_run(ledger) as run:
                claim(run, [0])
    with Ledger(path) as ledger:
        assert look_up(ledger, [0]).outcome.tolist() == ["unknown"]
        send(ledger, [1])


def test_a_companion_that_can_t_be_written_stops_the_send(
    path: Path, monkeypatch: pytest.MonkeyPatch, sandbox: d7nb.Sandbox, client: d7nb.Client
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    Ledger(path).close()
    with monkeypatch.context() as patch:
        patch.setattr(companions, "replace_private", full)
        nothing_goes(path, sandbox, client, "No space left on device")
    assert planned().send(client, ledger=path, progress=False).summary["accepted"] == 20


def test_runs_that_begin_at_once_leave_a_companion_that_fits(place: str) -> None:
    def work(first: int) -> None:
        try:
            with Ledger(place) as ledger:
                for row in range(first, first + 10):
                    send(ledger, [row])
        except BaseException as error:  # noqa: BLE001  (whatever it is, the test must see it)
            errors.append(error)

    errors: list[BaseException] = []
    threads = [threading.Thread(target=work, args=(first,)) for first in range(0, 100, 25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with Ledger(place) as ledger:
        assert ledger.campaigns()["accepted"].tolist() == [40]
    found = CompanionFile.of(find_location(place, {})).read()
    assert found is not None
    assert found.is_complete
    if "://" not in place:
        assert found.last_request == 40


def test_processes_that_begin_a_ledger_at_once_share_it(path: Path) -> None:
    script = BEGINNER.replace("1_000", "5").replace("[number]", "[number + int(sys.argv[2])]")
    children = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(path), str(first)], cwd=ROOT, text=True, stdin=-1, stdout=-1
        )
        for first in (0, 100)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    for child in children:
        child.communicate()
        assert child.returncode == 0
    with Ledger(path) as ledger:
        assert ledger.campaigns()["accepted"].tolist() == [10]
    assert companion_of(path).last_request == 10


# In PostgreSQL


def mark_of(url: str) -> Path:
    return CompanionFile.of(find_location(url, {})).path


def test_a_database_s_mark_is_in_the_user_s_data_folder(tmp_path: Path) -> None:
    with postgres() as url:
        with Ledger(url) as ledger:
            assert not mark_of(url).exists()
            with start_run(ledger) as run:
                assert mark_of(url).parent == tmp_path / "data" / "d7nb" / "postgresql"
                held = json.loads(mark_of(url).read_text())
                assert (held["run"], held["secret"]) == (run.id, "")  # the secret is in the database
        assert mark_of(url).stat().st_mode & 0o077 == 0


def test_a_mark_tells_databases_apart() -> None:
    urls = ["postgresql://a@h/d", "postgresql://b@h/d", "postgresql://a@i/d", "postgresql://a@h/e"]
    urls += ["postgresql://a@h:6/d", "postgresql://a@/d?host=h", "postgresql://a@/d?host=i"]
    urls += ["postgresql://a@h/d?options=-csearch_path%3Dx"]
    assert len({mark_of(url) for url in urls}) == len(urls)
    assert mark_of("postgresql://a:secret@h/d") == mark_of("postgres://a@h:5432/d")


@pytest.mark.parametrize("loss", ["dropped", "another"])
def test_a_database_without_its_ledger_stops_the_send(sandbox: d7nb.Sandbox, client: d7nb.Client, loss: str) -> None:
    with postgres() as url, Ledger(url) as ledger:
        planned().send(client, ledger=ledger, progress=False)
        engine = sqlalchemy.create_engine(url)
        with engine.begin() as connection:
            for name in sqlalchemy.inspect(connection).get_table_names():
                connection.exec_driver_sql(f"DROP TABLE {name} CASCADE")
        if loss == "another":
            mark = mark_of(url).rename(mark_of(url).with_suffix(".aside"))
            Ledger(url).close()
            mark.rename(mark_of(url))
            words = "holds another ledger than before on .*; nothing is sent, .*: connect to the database that had it"
        else:
            words = "is gone or empty; it was there on .*; nothing is sent, .*: connect to the database that had it"
        nothing_goes(url, sandbox, client, words)
        with pytest.raises(LedgerError, match=r"older copy|can't be used"):
            planned().send(client, ledger=ledger, progress=False)
        assert len(sandbox.messages) == 20
        with engine.connect() as connection:
            assert bool(sqlalchemy.inspect(connection).get_table_names()) == (loss == "another")
        engine.dispose()


def test_a_database_that_lost_its_last_run_stops_the_send(sandbox: d7nb.Sandbox, client: d7nb.Client) -> None:
    """As where a dump of yesterday was restored into it."""
    with postgres() as url:
        planned().send(client, ledger=url, progress=False)
        engine = sqlalchemy.create_engine(url)
        with engine.begin() as connection:
            connection.exec_driver_sql("TRUNCATE d7nb_ledger_runs CASCADE")
        engine.dispose()
        nothing_goes(url, sandbox, client, "is an older copy, and lacks messages that were sent")
        Ledger.restore(None, url).close()  # on purpose
        assert planned().send(client, ledger=url, progress=False).summary["accepted"] == 20


def test_where_no_mark_can_be_written_the_send_goes_on_and_says_so_once(
    sandbox: d7nb.Sandbox, client: d7nb.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").write_text("a file, where a folder would be")
    with postgres() as url, Ledger(url) as ledger:
        assert ledger.warning is None
        for rows in (5, 10):
            planned(rows).send(client, ledger=ledger, progress=False)
        assert len(sandbox.messages) == 10
        assert ledger.warning is not None
        assert ledger.warning.count("can't be written, so it will not be noticed if the database test on 127") == 1
        with d7nb.Client("not-a-real-token", base_url="https://d7.invalid") as real:
            with pytest.warns(d7nb.errors.LedgerWarning, match="can't be written, so it will not be noticed") as caught:
                delivery = planned(0).send(real, progress=False, ledger=url)
            assert len(caught) == 1
            assert delivery.warnings == [str(caught[0].message)]
            assert [warning.filename for warning in caught] == [__file__]


def test_a_damaged_mark_stops_the_send_and_says_how_to_make_it_anew(
    sandbox: d7nb.Sandbox, client: d7nb.Client, tmp_path: Path
) -> None:
    with postgres() as url:
        planned().send(client, ledger=url, progress=False)
        mark_of(url).write_text("{}")
        nothing_goes(
            url, sandbox, client, r"is damaged: if the database lost nothing, run python -m d7nb ledger restore"
        )
        Ledger.restore(None, url).close()
        assert planned().send(client, ledger=url, progress=False).summary["already_sent"] == 20


def test_a_lost_ledger_is_a_ledger_error_of_its_own() -> None:
    assert issubclass(LedgerLost, LedgerError)


def test_a_claim_in_the_future_does_not_confuse_the_companion(path: Path) -> None:
    with Ledger(path) as ledger:
        send(ledger, [0], at=NOW + timedelta(days=4_000))
    with Ledger(path) as ledger:
        assert look_up(ledger, [0]).outcome.tolist() == ["accepted"]


@pytest.mark.skipif(os.name != "posix", reason="a file that is open can't be removed elsewhere")
def test_a_ledger_whose_file_is_removed_while_it_is_open_is_not_begun_anew(path: Path) -> None:
    with Ledger(path) as ledger:
        send(ledger, [0])
        path.unlink()
        with pytest.raises(LedgerError, match="was removed or replaced while it was in use"):
            send(ledger, [1])
        assert not path.exists()
