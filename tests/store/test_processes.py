"""Several processes at one ledger, and processes that die at the worst of moments."""

from __future__ import annotations

import json
import os
import random
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy

from d7nb.errors import LedgerError
from d7nb.ledger import Ledger
from d7nb.store.runs import LIFETIME
from tests.support.ledgers import NOW, claim, look_up, postgres, send, start_run

ROOT = Path(__file__).parents[2]
ROWS = 2_000

RIVAL = """
import json, random, sys
from tests.support.ledgers import *

sys.stdin.readline()  # both are ready
rows, granted = list(range(2_000)), []
random.Random(sys.argv[2]).shuffle(rows)
with Ledger(sys.argv[1]) as ledger, start_run(ledger) as run:
    for start in range(0, len(rows), 50):
        part = rows[start : start + 50]
        claimed = claim(run, part)
        granted += [row for row, own in zip(part, claimed.granted) if own]
        assert set(claimed.outcome) <= {None, "already_sent", "unsent"}
        run.record(claimed, "accepted", request_id=sys.argv[2], at=NOW)
print(json.dumps(granted))
"""

DOOMED = """
import sys
from tests.support.ledgers import *

place, first, waits_at = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
sys.stdin.readline()
with Ledger(place) as ledger, start_run(ledger) as run:
    for row in range(first, first + 400, 2):
        claimed = claim(run, [row, row + 1])
        print("claimed", row, flush=True)
        if row == waits_at:
            sys.stdin.readline()  # for an answer that never comes
        run.record(claimed, "rejected", rows=[1], at=NOW)
        run.record(claimed, "accepted", at=NOW)
        print("recorded", row, flush=True)
sys.stdin.readline()
"""


@contextmanager
def children(script: str, *arguments: tuple[str, ...]) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that wait for a word before they begin; none outlives the block."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", script, *each], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for each in arguments
    ]
    try:
        yield started
    finally:
        for child in started:
            child.kill()
            child.communicate()


@pytest.mark.parametrize("before", ["unknown to it", "released"])
def test_two_processes_share_the_rows_and_each_goes_once(place: str, before: str) -> None:
    if before == "released":
        with Ledger(place) as ledger:
            send(ledger, range(ROWS), "unsent")
    with children(RIVAL, (place, "1"), (place, "2")) as rivals:
        for rival in rivals:
            assert rival.stdin is not None
            rival.stdin.write("\n")
            rival.stdin.flush()
        granted = [json.loads(rival.communicate()[0]) for rival in rivals]
    assert sorted(granted[0] + granted[1]) == list(range(ROWS))
    with Ledger(place) as ledger:
        assert ledger.campaigns()["accepted"].tolist() == [ROWS]
        assert set(look_up(ledger, granted[0]).request_id) <= {"1"}
        assert set(look_up(ledger, granted[1]).request_id) <= {"2"}


def test_a_killed_process_leaves_its_rows_in_doubt_never_free(place: str) -> None:
    """One is killed while it waits for D7's answer, the other wherever it happens to be."""
    firsts = range(0, 800, 400)
    waits = {0: 20}
    with children(DOOMED, *((place, str(first), str(waits.get(first, -1))) for first in firsts)) as doomed:
        said: list[list[tuple[str, int]]] = []
        for first, child in zip(firsts, doomed, strict=True):
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write("\n")
            child.stdin.flush()
            count = waits[first] - first + 1 if first in waits else random.randrange(1, 40)
            lines = [child.stdout.readline() for _ in range(count)]
            child.kill()
            lines += child.stdout.read().splitlines()
            child.wait()
            said.append([(line.split()[0], int(line.split()[1])) for line in lines if len(line.split()) == 2])
    with Ledger(place) as ledger:
        for first, words in zip(firsts, said, strict=True):
            outcome = look_up(ledger, range(first, first + 400)).outcome.tolist()
            assert not look_up(ledger, range(first, first + 400)).sending.any()
            recorded = [row for word, row in words if word == "recorded"]
            claimed = [row for word, row in words if word == "claimed" and row not in recorded]
            for row in recorded:
                assert outcome[row - first : row - first + 2] == ["accepted", "rejected"]
            for row in claimed:
                assert outcome[row - first] in {"unknown", "accepted"}
                assert outcome[row - first + 1] in {"unknown", "rejected"}
            if first in waits:
                assert claimed == [waits[first]]
                assert outcome[claimed[0] - first : claimed[0] - first + 2] == ["unknown", "unknown"]
            reached = max(row for _, row in words) + 2 - first
            assert set(outcome[reached + 2 :]) == {None}  # it was killed before its end
            with start_run(ledger) as run:
                again = claim(run, range(first, first + reached, 2))
                assert not again.granted.any()


def pretend(place: str, **values: object) -> None:
    """Change what the runs of a ledger left about themselves."""
    engine = sqlalchemy.create_engine(place if "://" in place else f"sqlite:///{place}")
    with engine.begin() as connection:
        runs = sqlalchemy.table("d7nb_ledger_runs", *(sqlalchemy.column(name) for name in values))
        connection.execute(sqlalchemy.update(runs).values(values))
    engine.dispose()


def test_a_run_on_another_machine_is_believed_for_a_request_s_lifetime(place: str) -> None:
    with Ledger(place) as ledger, start_run(ledger) as run:
        claim(run, [0])
        pretend(place, machine="another", host="far-away", pid=1)
        young, old = NOW + LIFETIME, NOW + LIFETIME + timedelta(seconds=1)
        assert look_up(ledger, [0], young).reason.tolist() == ["being sent by another run on far-away since 09:30 UTC"]
        assert look_up(ledger, [0], old).outcome.tolist() == ["unknown"]
        assert "on far-away stopped before" in look_up(ledger, [0], old).reason[0]


def test_another_process_with_the_same_number_is_not_the_run_s(place: str) -> None:
    with Ledger(place) as ledger, start_run(ledger) as run:
        claim(run, [0])
        assert look_up(ledger, [0]).sending.all()
        pretend(place, process="1")
        assert look_up(ledger, [0]).outcome.tolist() == ["unknown"]


def test_a_process_that_ended_but_was_not_buried_is_not_alive(place: str) -> None:
    with Ledger(place) as ledger, start_run(ledger) as run:
        claim(run, [0])
        child = subprocess.Popen([sys.executable, "-c", ""])
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        started = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
        assert started[0] == "Z"
        pretend(place, pid=child.pid, process=started[19])
        assert look_up(ledger, [0]).outcome.tolist() == ["unknown"]
        child.wait()


def test_where_processes_can_t_be_told_apart_age_decides(place: str) -> None:
    with Ledger(place) as ledger, start_run(ledger) as run:
        claim(run, [0, 1])
        pretend(place, machine="", process="")
        assert look_up(ledger, [0], NOW + LIFETIME).sending.all()
        assert look_up(ledger, [0], NOW + LIFETIME * 2).outcome.tolist() == ["unknown"]


def test_a_server_that_drops_the_connection_grants_nothing_and_is_found_again() -> None:
    name = f"d7nb-{secrets.token_hex(6)}"
    with postgres() as url, Ledger(f"{url}&application_name={name}") as ledger, start_run(ledger) as run:
        engine = sqlalchemy.create_engine(url)
        with engine.begin() as connection:
            ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %(name)s"
            assert connection.exec_driver_sql(ended, {"name": name}).all()
        engine.dispose()
        with pytest.raises(LedgerError, match=r"the ledger test on 127.0.0.1 can't be used"):
            claim(run, [1])
        assert look_up(ledger, [1]).outcome.tolist() == [None]
        assert claim(run, [1]).granted.all()
