"""Processes that upgrade a ledger, and are killed while they do."""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from d7nb.ledger import Ledger
from tests.support.ledgers import claim, look_up, start_run
from tests.support.old_ledgers import make_old_ledger, version_of

ROOT = Path(__file__).parents[2]
OPEN = "import sys; from d7nb.ledger import Ledger; print('ready', flush=True); Ledger(sys.argv[1]).close()"


def kill_fifty_upgrades(place: str, seed: int) -> str:
    """Kill fifty upgrades of a ledger of 100,000 rows; say how often it was old and new afterwards."""
    folder = Path(place).parent / f"upgrades-{seed}"  # a file, whatever the ledger: it is copied for each of them
    folder.mkdir()
    found = kill_while_upgrading(folder, rows=100_000, kills=50, seed=seed)
    return f"{found['2']} times old, {found['3']} times new"


def kill_while_upgrading(folder: Path, *, rows: int, kills: int, seed: int) -> dict[str, int]:
    """Kill processes that upgrade a ledger, each at a random moment; return how often it was old and new afterwards."""
    draw = random.Random(seed)
    original = folder / "original.sqlite3"
    make_old_ledger(str(original), rows=rows)
    started = time.monotonic()
    _upgrade(_copy(original, folder / "timed"), kill_after=None)
    longest = time.monotonic() - started
    found = {"2": 0, "3": 0}
    for kill in range(kills):
        path = _copy(original, folder / f"kill-{kill}")
        _upgrade(path, kill_after=draw.uniform(0, longest))
        version = version_of(str(path))
        found[version] += 1
        with sqlite3.connect(path) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            table = {"2": "d7nb_rows", "3": "d7nb_ledger_rows"}[version]
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (rows,)
        connection.close()
        with Ledger(path) as ledger:
            assert set(look_up(ledger, range(rows)).outcome) == {"accepted", "unknown"}
            with start_run(ledger) as run:
                assert not claim(run, range(rows - 100, rows)).granted.any()
        shutil.rmtree(path.parent)
    return found


def _copy(original: Path, folder: Path) -> Path:
    folder.mkdir()
    for suffix in ("", ".secret"):
        name = original.name + suffix
        (folder / name).write_bytes((original.parent / name).read_bytes())
    return folder / original.name


def _upgrade(path: Path, *, kill_after: float | None) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", OPEN, str(path)], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    if kill_after is not None:
        time.sleep(kill_after)
        child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
