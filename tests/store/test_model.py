"""The ledger beside a plain model of it, through whatever order of plans, claims, records, events, words and clocks."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support.ledger_model import run_model
from tests.support.ledgers import postgres

MEMORY = Path("/dev/shm")


@pytest.mark.parametrize("seed", [14, 15])
def test_the_ledger_is_as_the_model_says_in_sqlite(seed: int) -> None:
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        run_model(f"{folder}/ledger.sqlite3", seed, examples=100, steps=25)


def test_the_ledger_is_as_the_model_says_in_postgresql() -> None:
    with postgres() as url:
        run_model(url, 15, examples=25, steps=25)
