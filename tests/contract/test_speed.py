"""A quick look at the speed targets, with wide margins: what made d7nb much slower would show here.

The whole of it is ``python -m tests.benchmarks``. A busy machine disturbs single figures, so each has three tries.
"""

from __future__ import annotations

import sys

import pytest

from tests.benchmarks import importing, joining, ledger, planning, sending
from tests.benchmarks.measuring import Measured, Target

TARGETS = {
    target.number: target for group in (planning, sending, ledger, importing, joining) for target in group.TARGETS
}
TRIES = 3


def reaches(target: Target, mark: float, rows: int | None, runs: int) -> None:
    """One of three tries comes up to the mark."""
    missed = []
    for _ in range(TRIES):
        measured = Measured(target, target.measure(rows, runs))
        if target.met_by(measured.median, mark):
            return
        missed.append(f"{measured.median:.3g} {target.unit} ({measured.result.said})")
    pytest.fail(f"target {target.number}, {target.name}: {mark:g} was not reached in {TRIES} tries: {missed}")


@pytest.mark.parametrize(
    ("number", "mark", "rows", "runs"),
    [
        pytest.param(1, 7.5, 10_000, 2, id="plan and bodies"),
        pytest.param(2, 0.08, 10_000, 2, id="bodies alone"),
        pytest.param(4, 1.2, 50_000, 2, id="growth"),
        pytest.param(5, 100, 1_000, 1, id="a send"),
        pytest.param(6, 0.5, 160, 1, id="single rows"),
        pytest.param(7, 3, 10_000, 2, id="ledger"),
        pytest.param(8, 0.5, 100_000, 1, id="first POST"),
        pytest.param(9, 1.6, None, 1, id="import"),
        pytest.param(10, 6, 100_000, 1, id="delivery.frame"),
    ],
)
def test_nothing_became_much_slower(number: int, mark: float, rows: int | None, runs: int) -> None:
    reaches(TARGETS[number], mark, rows, runs)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells the peak since a moment")
def test_memory_did_not_grow_much() -> None:
    reaches(TARGETS[3], 2.5, 200_000, 1)
