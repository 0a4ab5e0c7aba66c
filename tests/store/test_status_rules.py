"""Which request of a row a status is about: every combination of status, ids and outcomes, beside a written table.

A line of a table is the row's first request: its id (the same as the status's, another, or none) and its outcome. The
three groups of a line are the ids of the last request in the same order, the five signs of a group its outcomes. A sign
says which request the status is about: ``f`` the first, ``l`` the last, ``-`` neither.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product

import pytest

from d7nb.api.statuses import STAGES, StatusUpdate
from d7nb.store.status_rules import Candidates, StoredRequest

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
IDS = {"same": "request-1", "other": "request-2", "none": None}
OUTCOMES = {"sending": None, "unknown": "unknown", "accepted": "accepted", "rejected": "rejected", "unsent": "unsent"}
SIGNS = {"earlier_request": "f", "last_request": "l", None: "-"}

UNDER_WAY = """
no first         lllll ----- lllll
same sending     fffff fffff fffff
same unknown     fffff fffff fffff
same accepted    fffff fffff fffff
same rejected    lllff fffff fffff
same unsent      lllff fffff fffff
other sending    lllll ----- lllll
other unknown    lllll ----- lllll
other accepted   lllll ----- lllll
other rejected   lllll ----- lllll
other unsent     lllll ----- lllll
none sending     lllll fffff fffff
none unknown     lllll fffff fffff
none accepted    lllll fffff fffff
none rejected    lllll fffff lllff
none unsent      lllll fffff lllff
"""
FAILED = """
no first         lll-- ----- lll--
same sending     fffff fffff fffff
same unknown     fffff fffff fffff
same accepted    fffff fffff fffff
same rejected    lll-- ----- -----
same unsent      lll-- ----- -----
other sending    lll-- ----- lll--
other unknown    lll-- ----- lll--
other accepted   lll-- ----- lll--
other rejected   lll-- ----- lll--
other unsent     lll-- ----- lll--
none sending     lll-- fffff fffff
none unknown     lll-- fffff fffff
none accepted    lll-- fffff fffff
none rejected    lll-- ----- lll--
none unsent      lll-- ----- lll--
"""
ARRIVED = """
no first         lllll lllll lllll
same sending     fffff fffff flfff
same unknown     fffff fffff flfff
same accepted    fffff fffff flfff
same rejected    lllff fffff flfff
same unsent      lllff fffff flfff
other sending    lllll lllll lllll
other unknown    lllll lllll lllll
other accepted   lllll lllll lllll
other rejected   lllll lllll lllll
other unsent     lllll lllll lllll
none sending     lllll fffff llfff
none unknown     lllll fffff llfff
none accepted    lllll fffff llfff
none rejected    lllll fffff lllff
none unsent      lllll fffff lllff
"""
TABLES = {"failed": FAILED, "delivered": ARRIVED, "read": ARRIVED}


@pytest.mark.parametrize("status", [*STAGES, "Throttled"])
def test_a_status_is_about_the_request_that_the_table_says(status: str) -> None:
    update = StatusUpdate("request-1", status, NOW)
    requests = {
        f"{name} {outcome}": StoredRequest(1, IDS[name], OUTCOMES[outcome]) for name, outcome in product(IDS, OUTCOMES)
    }
    lines = []
    for label, first in {"no first": None, **requests}.items():
        signs = "".join(SIGNS[Candidates(1, first, last).choose(update)] for last in requests.values())
        lines.append(f"{label:16} {signs[:5]} {signs[5:10]} {signs[10:]}")
    assert lines == TABLES.get(status, UNDER_WAY).strip().splitlines()
