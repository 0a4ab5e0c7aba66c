"""How things are measured: ours and a peer in turns, five times or more; of the ratios the median and the spread.

What the processor alone decides is measured in processor time, which a busy machine distorts less than the clock's;
what waits for a disk or an answer, by the clock. What is about a process, its memory or its imports, has one to itself.
"""

from __future__ import annotations

import gc
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parent.parent.parent
RUNS = 5


class Result(NamedTuple):
    """What a benchmark found.

    Attributes:
        ratios: One for each run.
        said: What stands behind them, in a few words.
    """

    ratios: Sequence[float]
    said: str


class Target(NamedTuple):
    """One of the speed targets.

    Attributes:
        number: Its number in the README.
        name: What is measured.
        target: What must be reached.
        beyond: Where it goes on to.
        unit: What the figure counts.
        more: Whether more is better.
        measure: The benchmark; it takes the number of rows, None for its own, and how often to measure.
        part: A letter, where several are measured under one number.
    """

    number: int
    name: str
    target: float
    beyond: float
    unit: str
    more: bool
    measure: Callable[[int | None, int], Result]
    part: str = ""

    @property
    def label(self) -> str:
        """Its number and its letter."""
        return f"{self.number}{self.part}"

    def met_by(self, measured: float, mark: float | None = None) -> bool:
        """Whether a figure reaches the target, or another mark."""
        mark = self.target if mark is None else mark
        return measured >= mark if self.more else measured <= mark


class Measured(NamedTuple):
    """A target and what was measured."""

    target: Target
    result: Result

    @property
    def median(self) -> float:
        return statistics.median(self.result.ratios)

    @property
    def met(self) -> bool:
        return self.target.met_by(self.median)

    def as_json(self) -> dict[str, Any]:
        target = self.target
        return {
            "number": target.number,
            "name": target.name,
            "target": target.target,
            "measured": float(f"{self.median:.4g}"),
            "met": self.met,
        }

    def line(self) -> str:
        target, median, ratios = self.target, self.median, self.result.ratios
        word = "beyond" if target.met_by(median, target.beyond) else "met" if self.met else "NOT MET"
        spread = f"{short(min(ratios))} to {short(max(ratios))}"
        goal = f"{'>=' if target.more else '<='} {short(target.target)}"
        measured = f"{short(median)} {target.unit}"
        return f"{target.label:>3} {target.name:<52} {goal:>8}  {measured:<22} {spread:<18} {word}"


HEAD = f"{'#':>3} {'what':<52} {'target':>8}  {'measured (median)':<22} {'spread':<18}"


def short(value: float) -> str:
    """A figure in three digits."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def seconds(work: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    """How long some work takes, with nothing left over from before."""
    gc.collect()
    start = clock()
    work()
    return clock() - start


def in_turns(
    ours: Callable[[], object],
    theirs: Callable[[], object],
    *,
    runs: int,
    clock: Callable[[], float] = time.process_time,
) -> list[tuple[float, float]]:
    """Seconds of both, run after run; the one that begins is the other one next time."""
    taken = []
    for run in range(runs):
        if run % 2:
            their_time = seconds(theirs, clock)
            our_time = seconds(ours, clock)
        else:
            our_time = seconds(ours, clock)
            their_time = seconds(theirs, clock)
        taken.append((our_time, their_time))
    return taken


def medians(taken: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The median of ours and of theirs."""
    ours, theirs = (statistics.median(column) for column in zip(*taken, strict=True))
    return ours, theirs


def alone(code: str, *arguments: object) -> str:
    """Run code in a process of its own, and take what it prints."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def resident() -> int:
    """How many bytes of memory this process has now (Linux)."""
    return _status("VmRSS")


def peak() -> int:
    """The most that it has had since `forget_peak`, or since it began (Linux)."""
    return _status("VmHWM")


def forget_peak() -> None:
    """Count the peak from here on (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))
