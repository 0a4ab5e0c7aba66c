"""A question to the ledger costs what it asks for, whatever the campaign holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from d7nb.ledger import Ledger
from d7nb.store.lookup import find_row_states, last_keys
from d7nb.store.message_status import find_statuses
from tests.benchmarks.ledger import people as numbers
from tests.benchmarks.old_rows import fill
from tests.support.ledgers import DESTINATION, NOW

ASKED, SMALL, LARGE = 100, 200, 20_000
STEPS_AT_ONCE = 100


@contextmanager
def counted_steps(ledger: Ledger) -> Iterator[Callable[[], int]]:
    """Yield a function that tells how many hundreds of steps SQLite has done since."""
    count = 0

    def step() -> None:
        nonlocal count
        count += 1

    with ledger._database.reading() as connection:
        driver = connection.connection.driver_connection
    driver.set_progress_handler(step, STEPS_AT_ONCE)
    try:
        yield lambda: count
    finally:
        driver.set_progress_handler(None, 0)


def steps_of_look_up(ledger: Ledger, campaign: str, stored: list[bytes]) -> int:
    """Look some rows up in each way."""
    keys = np.frombuffer(b"".join(stored[:ASKED]), dtype=np.uint8).reshape(-1, 16)
    people, part = numbers(ASKED), ledger.campaign(DESTINATION, campaign, keys_are_hashed=True)
    with counted_steps(ledger) as steps:
        states = find_row_states(part, keys, people, at=NOW)
        assert states.outcome.tolist() == ["accepted"] * ASKED
        assert find_statuses(part, keys, states.request).status.tolist() == ["read"] * ASKED
        assert (last_keys(part, people) == keys).all()
        return steps()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite3") as opened:
        yield opened


def test_looking_rows_up_costs_the_same_in_a_campaign_a_hundred_times_as_large(ledger: Ledger) -> None:
    small, large = (
        steps_of_look_up(ledger, name, fill(ledger, count, name, with_statuses=True))
        for name, count in (("small", SMALL), ("large", LARGE))
    )
    assert large < 1.5 * small
