"""Senders in processes of their own: killed at random moments, two at once, through a storm of faults."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from d7nb import Sandbox
from tests.support.sender_process import (
    ROOT,
    RemoteSandbox,
    check_consistency,
    kill_repeatedly,
    planned,
    send_from_two_processes,
    send_through_faults,
)


# The short, seeded forms; `python -m tests.soak` kills a hundred times, and sends 20,000 rows through the faults.
def test_whoever_is_killed_again_and_again_sends_nobody_anything_twice_and_loses_nobody(tmp_path: Path) -> None:
    print(kill_repeatedly(str(tmp_path / "ledger.sqlite3"), seed=7, kills=8, rows=600))


def test_through_a_storm_of_faults_ledger_sandbox_and_delivery_agree(tmp_path: Path) -> None:
    print(send_through_faults(str(tmp_path / "ledger.sqlite3"), seed=7, rows=8_000))


@pytest.mark.parametrize("kill", [False, True], ids=["both live", "one killed"])
def test_two_senders_at_once_send_each_row_once(place: str, kill: bool) -> None:
    print(send_from_two_processes(place, seed=7, kill=kill))


FULL_DISK = """
import json, resource, sys
from tests.support.sender_process import RemoteSandbox, planned

place, url, limit = sys.argv[1:]
plan = planned(1_000)
plan.delivery(ledger=place)  # the file is made while there is room
resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
with RemoteSandbox(url).client(batch_size=10) as client:
    delivery = plan.send(client, ledger=place, progress=False)
print(json.dumps([delivery.summary, delivery.frame["d7_reason"].iloc[-1], delivery.warnings]))
"""


def test_a_disk_that_fills_up_in_the_middle_costs_nobody_a_message_and_doubles_none(tmp_path: Path) -> None:
    place = str(tmp_path / "ledger.sqlite3")
    with Sandbox() as sandbox:
        command = [sys.executable, "-c", FULL_DISK, place, sandbox.url, "200000"]
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        summary, reason, warnings = json.loads(ran.stdout)
        assert reason.startswith(
            "not tried: the ledger ledger.sqlite3 can't be written, perhaps because the disk is full"
        )
        assert 0 < summary["accepted"] < 1_000
        assert summary["accepted"] + summary["unsent"] == 1_000
        assert len(sandbox.messages) == summary["accepted"]
        later = check_consistency(planned(1_000), place, RemoteSandbox(sandbox.url)).summary
        assert later["accepted"] + later["unknown"] == summary["accepted"]
        assert (later["unknown"] > 0) == bool(warnings)  # what was answered, and could not be written down any more
        with RemoteSandbox(sandbox.url).client(batch_size=10) as client:
            planned(1_000).send(client, ledger=place, progress=False)
        assert check_consistency(planned(1_000), place, RemoteSandbox(sandbox.url)).summary["unsent"] == 0
