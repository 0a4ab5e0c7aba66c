"""Target 9: what ``import d7nb`` costs, each time in a new process."""

from __future__ import annotations

import statistics

from tests.benchmarks.measuring import Result, Target, alone

IMPORT = "import time; began = time.process_time(); import {}; print(time.process_time() - began)"


def against_pandas(rows: int | None, runs: int) -> Result:
    """Whoever imports d7nb has pandas, too: so 1 is what can't be beaten."""
    for module in ("d7nb", "pandas"):
        alone(IMPORT.format(module))  # their bytecode is compiled, and the disk's part is over
    taken = [[float(alone(IMPORT.format(module))) for module in ("d7nb", "pandas")] for _ in range(2 * runs + 1)]
    ours, pandas = (statistics.median(column) for column in zip(*taken, strict=True))
    said = f"{1000 * ours:.0f} ms against {1000 * pandas:.0f} ms of processor time"
    return Result([one / other for one, other in taken], said)


TARGETS = (Target(9, "import d7nb, against import pandas", 1.25, 1.1, "x", False, against_pandas),)
