"""The ledger beside a plain model of it, through whatever order of plans, claims, records, events, words and clocks."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.ledger_model import run_model
from tests.support.ledgers import postgres

MEMORY = Path("/dev/shm")


def test_the_ledger_is_as_the_model_says_in_sqlite() -> None:
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        run_model(f"{folder}/ledger.sqlite3", 14, examples=30, steps=25)


def test_the_ledger_is_as_the_model_says_in_postgresql() -> None:
    with postgres() as url:
        run_model(url, 15, examples=10, steps=25)
