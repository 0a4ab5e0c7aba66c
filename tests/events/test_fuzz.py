"""Bodies that nobody should post: the receiver answers each, and no row learns what no body said of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.event_fuzz import post_random_bodies


def test_random_bodies_are_answered_and_teach_no_row_what_was_not_said_of_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Two thousand of them, always the same; ``python -m tests.soak --only fuzz`` posts ten thousand with each seed."""
    print(post_random_bodies(str(tmp_path / "ledger.sqlite3"), seed=7, bodies_posted=2_000))
    assert not [record.getMessage() for record in caplog.records if record.name == "d7nb.events"]
