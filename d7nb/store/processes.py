"""Processes that send: how a run describes its own, and how others tell whether that still runs."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import NamedTuple

_DEAD = frozenset("ZX")
"""States of a process that has ended, and waits only for its parent to notice."""


class Process(NamedTuple):
    """A process, so that others can tell whether it still runs.

    Attributes:
        host: The machine's name, for people.
        machine: Boot and process namespace, within which pids mean something; empty where the system does not say.
        pid: Its number.
        started: When it started, as the kernel writes it.
    """

    host: str
    machine: str
    pid: int
    started: str


def this_process() -> Process:
    """Describe this process."""
    pid = os.getpid()
    return Process(socket.gethostname(), _machine(), pid, _started(pid) or "")


def lives(process: Process) -> bool | None:
    """Tell whether a process still runs; None where that can't be told from here.

    Example:
        >>> lives(Process("elsewhere", "another boot", 1, "12")) is None
        True
    """
    if not process.machine or process.machine != _machine():
        return None
    started = _started(process.pid)
    return None if started is None and _is_hidden(process.pid) else started == process.started


def _machine() -> str:
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _is_hidden(pid: int) -> bool:
    """Tell whether a process runs that ``/proc`` does not show us: another user's, on some systems."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return not Path(f"/proc/{pid}").exists()


def _started(pid: int) -> str | None:
    """Return the start of a process that runs, from ``/proc``; None if it does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *rest = stat.rpartition(")")[2].split()  # the name before it may hold anything
    return None if state in _DEAD else rest[18]
