"""A ledger of version 1 or 2 is brought to version 3: all of it or nothing, after a backup, whoever is in between."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy
from sqlalchemy import text

from d7nb.errors import LedgerError
from d7nb.ledger import Ledger
from d7nb.store.lookup import find_row_states
from d7nb.store.recipes import BY_CONTENT, recipe_of
from tests.support import old_ledgers
from tests.support.ledgers import CAMPAIGN, DESTINATION, LATER, claim, keys, look_up, people, postgres, start_run
from tests.support.old_ledgers import make_old_ledger, version_of
from tests.support.upgrades import kill_while_upgrading

ROOT = Path(__file__).parents[2]
ROWS = 230


@pytest.mark.parametrize("version", [1, 2])
def test_it_forgets_nobody_and_nothing(place: str, version: int) -> None:
    make_old_ledger(place, version, ROWS)
    for _ in range(2):
        with Ledger(place) as ledger:
            outcome = look_up(ledger, range(ROWS + 1)).outcome.tolist()
            in_doubt = {99, 199, ROWS - 1}
            assert outcome == [*("unknown" if row in in_doubt else "accepted" for row in range(ROWS)), None]
            assert look_up(ledger, [0]).request_id.tolist() == ["request-1"]
            frame = pd.DataFrame({"phone": people(range(3))})
            told = ledger.delivery(frame, campaign=CAMPAIGN, to="phone").frame
            assert told["d7_outcome"].tolist() == ["accepted"] * 3
            assert ledger.campaigns()[["accepted", "unknown"]].to_numpy().tolist() == [[ROWS - 3, 3]]
            if version == 2:
                assert told["d7_msg_id"].tolist()[0] == "message-0"
                assert told["d7_status"].tolist()[0] == "read"
                read = sum(row % 3 == 0 for row in range(ROWS) if row not in in_doubt)
                assert ledger.funnel(CAMPAIGN)["read"].tolist() == [len(ledger.frame()) and read]
                assert ledger.opt_outs()["stopped"].tolist() == [True]
                assert len(ledger.aside()) == 1
                assert ledger.opted_out(DESTINATION, people([0, 1])).tolist() == [True, False]
            with start_run(ledger) as run:
                assert not claim(run, range(100)).granted.any()
    assert version_of(place) == "3"


def test_new_requests_count_on_from_the_old(place: str) -> None:
    make_old_ledger(place, rows=3)
    with Ledger(place) as ledger, start_run(ledger) as run:
        claimed = claim(run, [500])
        assert claimed.granted.all()
        assert claimed.request > 2


def test_a_backup_lies_beside_it_that_an_old_d7nb_can_open(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    make_old_ledger(str(path), rows=ROWS)
    before = sorted(path.read_bytes().count(word) for word in (b"request-1", b"message-0"))
    Ledger(path).close()
    backup = tmp_path / "ledger.sqlite3.version-2"
    assert version_of(str(backup)) == "2"
    assert (tmp_path / "ledger.sqlite3.version-2.secret").read_bytes() == old_ledgers.SECRET
    assert sorted(backup.read_bytes().count(word) for word in (b"request-1", b"message-0")) == before
    assert backup.stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "ledger.sqlite3.secret").exists()


def test_the_statements_of_an_old_program_fail(place: str) -> None:
    """It holds the file open, and has prepared what it says next: none of it reaches the ledger."""
    make_old_ledger(place, rows=3)
    engine = sqlalchemy.create_engine(old_ledgers.url_of(place))
    with engine.connect() as old:
        assert old.execute(text("SELECT count(*) FROM d7nb_rows")).scalar() == 3
        old.commit()
        with Ledger(place) as ledger:
            before = ledger.frame()
            written = {
                old_ledgers.INSERT_RUN: {"id": "old", "ended": False},
                old_ledgers.INSERT_REQUEST: {
                    **dict.fromkeys(("outcome", "request_id", "created_at", "status", "recorded_at")),
                    "id": 99,
                    "run": "old",
                    "destination": 1,
                    "campaign": CAMPAIGN,
                    "at": 1,
                    "reason": "",
                },
                old_ledgers.INSERT_ROW: {
                    "destination": 1,
                    "key": bytes(16),
                    "request": 1,
                    "sent": None,
                    "person": None,
                    "recipient": "+1",
                },
                old_ledgers.INSERT_STATUS: {
                    "request": 1,
                    "key": bytes(16),
                    "status": "read",
                    "at": 1,
                    "msg_id": "",
                    "reason": "",
                },
            }
            for statement, values in written.items():
                with pytest.raises(sqlalchemy.exc.DBAPIError, match="d7nb_"):
                    old.execute(text(statement), values)
                old.rollback()
            if engine.dialect.name == "postgresql":  # an old d7nb asks this before it writes
                version = old.execute(text("SELECT value FROM d7nb_meta WHERE name = 'schema_version'")).scalar()
                assert version == "3"
            pd.testing.assert_frame_equal(ledger.frame(), before)
    engine.dispose()


def test_several_that_open_it_at_once_bring_it_up_once(place: str) -> None:
    make_old_ledger(place, rows=ROWS)
    with ThreadPoolExecutor(4) as pool:
        for ledger in pool.map(lambda _: Ledger(place), range(4)):
            assert look_up(ledger, range(3)).outcome.tolist() == ["accepted"] * 3
            ledger.close()


def test_whoever_is_killed_while_upgrading_leaves_the_old_ledger_or_the_new_one(tmp_path: Path) -> None:
    """A short form: the soak kills fifty times, in a ledger of 100,000 rows."""
    kill_while_upgrading(tmp_path, rows=8_000, kills=3, seed=14)


def test_an_upgraded_campaign_s_recipe_is_not_known(place: str) -> None:
    """Whoever was written to counts as written to, whatever the plan's key; until one of its rows is found."""
    make_old_ledger(place, rows=3)
    by_order = recipe_of(["order"])
    new_keys = keys(range(4), "by order")
    with Ledger(place) as ledger:
        campaign = ledger.campaign(DESTINATION, CAMPAIGN, recipe=by_order)
        states = find_row_states(campaign, new_keys, people(range(4)), at=LATER)
        assert states.recipe is None
        assert states.other_text.tolist() == [True, True, True, False]
        old_keys = keys(range(4), CAMPAIGN)
        states = find_row_states(campaign, old_keys, people([3, 3, 3, 0]), at=LATER)
        assert states.recipe == by_order  # a row of it was found under its key
        assert not states.other_text.any()
        assert (
            find_row_states(ledger.campaign(DESTINATION, CAMPAIGN), new_keys, people(range(4)), at=LATER).recipe is None
        )
        with start_run(ledger, adopts_recipe=True) as run:
            assert run.campaign.recipe == BY_CONTENT
        states = find_row_states(campaign, new_keys, people(range(4)), at=LATER)
        assert states.recipe == BY_CONTENT
        assert states.other_text.tolist() == [True, True, True, False]


@pytest.mark.parametrize("loss", ["no secret", "another's secret"])
def test_without_its_secret_it_stays_as_it_is(tmp_path: Path, loss: str) -> None:
    path = tmp_path / "ledger.sqlite3"
    make_old_ledger(str(path), rows=3)
    secret = tmp_path / "ledger.sqlite3.secret"
    secret.unlink()
    if loss == "another's secret":
        secret.write_bytes(bytes(32))
    with pytest.raises(LedgerError, match=r"ledger.sqlite3.secret .* put it back beside the ledger"):
        Ledger(path)
    assert version_of(str(path)) == "2"


def test_what_an_old_program_is_writing_at_that_moment_is_brought_over(place: str) -> None:
    """It has the lock that version 2 takes before it writes, and commits while another program opens the ledger."""
    make_old_ledger(place, rows=3)
    engine = sqlalchemy.create_engine(old_ledgers.url_of(place))
    with engine.connect() as old, ThreadPoolExecutor(1) as pool:
        if engine.dialect.name == "sqlite":
            old.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            old.execute(text("SELECT value FROM d7nb_meta WHERE name = 'schema_version' FOR UPDATE"))
        opening = pool.submit(Ledger, place)
        time.sleep(0.3)
        assert not opening.done()
        request = dict.fromkeys(("outcome", "request_id", "created_at", "status", "recorded_at"))
        at = old_ledgers.to_number(LATER)
        request |= {"id": 99, "run": "run-1", "destination": 1, "campaign": CAMPAIGN, "at": at, "reason": ""}
        old.execute(text(old_ledgers.INSERT_REQUEST), request)
        row = {"destination": 1, "key": keys([7], CAMPAIGN)[0].tobytes(), "request": 99, "sent": None, "person": None}
        old.execute(text(old_ledgers.INSERT_ROW), row | {"recipient": "+120••••••07"})
        old.commit()
        with opening.result(30) as ledger:
            assert look_up(ledger, [0, 7], LATER).outcome.tolist() == ["accepted", "unknown"]
    engine.dispose()


# Whatever goes wrong


def test_a_damaged_page_is_told_and_nothing_is_changed(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    make_old_ledger(str(path), rows=3_000)
    with sqlite3.connect(path) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'd7nb_rows'").fetchone()
    connection.close()
    content = bytearray(path.read_bytes())
    content[(page - 1) * 4096 : page * 4096] = b"\xff" * 4096
    path.write_bytes(content)
    with pytest.raises(LedgerError, match=r"^the ledger ledger.sqlite3 is damaged, .*restore a backup"):
        Ledger(path)
    assert path.read_bytes()[100:] == content[100:]  # SQLite's header says by now how it is journalled
    assert path.with_name(f"{path.name}.secret").read_bytes() == old_ledgers.SECRET
    assert not path.with_name(f"{path.name}.companion").exists()


def test_a_file_that_another_program_keeps_locked_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    make_old_ledger(str(path), rows=3)
    locker = sqlite3.connect(path, isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerError, match=r"ledger.sqlite3 is locked by another program: wait until that is done"):
        Ledger(path, patience=0.05)
    locker.execute("ROLLBACK")
    locker.close()
    assert version_of(str(path)) == "2"
    with Ledger(path) as ledger:
        assert look_up(ledger, range(2)).outcome.tolist() == ["accepted"] * 2


def test_a_database_that_another_client_keeps_locked_stays_as_it_is() -> None:
    with postgres() as url:
        make_old_ledger(url, rows=3)
        with old_ledgers.connected(url) as locker:
            locker.execute(text("LOCK TABLE d7nb_rows"))
            with pytest.raises(LedgerError, match="is locked by another program: wait until that is done"):
                Ledger(url, patience=0.05)
        assert version_of(url) == "2"
        with Ledger(url) as ledger:
            assert look_up(ledger, range(2)).outcome.tolist() == ["accepted"] * 2


@pytest.mark.parametrize("room", [5, 45, 75], ids=lambda room: f"{room} % of what it takes")
def test_a_full_disk_leaves_the_old_ledger(tmp_path: Path, room: int) -> None:
    """Whether the backup or the new tables find no room."""
    rows, small = 4_000, tmp_path / "small"
    original = tmp_path / "ledger.sqlite3"
    make_old_ledger(str(original), rows=rows)
    size = original.stat().st_size
    kilobytes = (size + int(size * 4 * room / 100)) // 1024
    small.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", str(small)]
    if not shutil.which("mount") or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("no right to mount a small disk")
    try:
        for end in ("", ".secret"):
            shutil.copy(original.with_name(original.name + end), small)
        path = small / original.name
        script = "import sys; from d7nb.ledger import Ledger; Ledger(sys.argv[1]).close()"
        ran = subprocess.run(
            [sys.executable, "-c", script, str(path)], cwd=ROOT, capture_output=True, text=True, check=False
        )
        kept = tmp_path / "kept"
        shutil.copytree(small, kept)
    finally:
        subprocess.run(["umount", str(small)], check=True)
    version = version_of(str(kept / original.name))
    if ran.returncode == 0:
        assert version == "3"
    else:
        last = ran.stderr.strip().splitlines()[-1]
        assert last.startswith("d7nb.errors.LedgerError: the ledger ledger.sqlite3 can't be written, perhaps"), last
        assert version == "2"
    assert room > 70 or ran.returncode, "there was room"
    with Ledger(kept / original.name) as ledger:
        assert set(look_up(ledger, range(rows)).outcome) == {"accepted", "unknown"}
        with start_run(ledger) as run:
            assert not claim(run, range(100)).granted.any()


def test_two_programs_that_upgrade_at_once_do_it_once(place: str) -> None:
    """Threads are the test above; these are processes."""
    make_old_ledger(place, rows=ROWS)
    script = "import sys; from d7nb.ledger import Ledger; Ledger(sys.argv[1]).close()"
    children = [
        subprocess.Popen([sys.executable, "-c", script, place], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [(child.communicate()[1], child.returncode) for child in children] == [("", 0), ("", 0)]
    with Ledger(place) as ledger:
        assert len(ledger.frame()) == ROWS
