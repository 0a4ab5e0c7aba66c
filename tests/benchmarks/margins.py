"""A quick look at the speed targets, with wide margins: what made d7nb much slower would show here."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import NamedTuple

from tests.benchmarks.measuring import Measured, Target

TRIES = 3
"""A busy machine disturbs single figures, so each has three tries."""


class Margin(NamedTuple):
    """What a target must at least come to on a small table."""

    mark: float
    rows: int | None
    runs: int


MARGINS = {
    "1": Margin(7.5, 20_000, 2),
    "2": Margin(0.08, 20_000, 2),
    "3": Margin(2.5, 200_000, 1),
    "4": Margin(1.2, 50_000, 2),
    "5": Margin(100, 1_000, 1),
    "6": Margin(0.5, 160, 1),
    "7": Margin(3, 10_000, 2),
    "8": Margin(0.5, 100_000, 1),
    "9": Margin(1.6, None, 1),
    "10": Margin(6, 100_000, 1),
    "11a": Margin(3, 5_000, 1),
    "11b": Margin(3, 5_000, 1),
    "11c": Margin(6, 50_000, 1),
    "12a": Margin(4, 200_000, 1),
}
"""By the target's number and letter."""
LINUX_ONLY = {"3", "12a"}
"""Targets that want the peak of memory since a moment, which only Linux tells."""


def check(targets: Mapping[str, Target], say: Callable[[str], None]) -> bool:
    """Measure each target until one of three tries comes up to its margin; return whether all do."""
    missed = 0
    for label, margin in MARGINS.items():
        if label in LINUX_ONLY and not sys.platform.startswith("linux"):
            continue
        target, met = targets[label], False
        for _ in range(TRIES):
            measured = Measured(target, target.measure(margin.rows, margin.runs))
            met = target.met_by(measured.median, margin.mark)
            say(f"{label:>3} {target.name}: {measured.median:.3g} {target.unit}, wanted {margin.mark:g}")
            if met:
                break
        missed += not met
    say(f"{len(MARGINS) - missed} of {len(MARGINS)} within their margins")
    return not missed
