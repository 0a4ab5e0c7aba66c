"""What 200 filters cost on 100,000 rows, beside the pandas work that they do.

Run it with ``python -m tests.benchmarks.filter_cost``. The target: at most 10 % more than the work itself.
"""

from __future__ import annotations

import statistics
import time

import pandas as pd

import d7nb
from d7nb.planning.filter_runner import run_filters
from d7nb.plugins.manager import FilterEntry
from d7nb.testing import fresh_plugins

ROWS, FILTERS, RUNS, TARGET = 100_000, 200, 5, 1.10


def main() -> float:
    """Measure in turn, print, and give the median ratio."""
    rows = pd.DataFrame({"balance": range(ROWS), "name": [f"name {place}" for place in range(ROWS)]})

    def work(rows: pd.DataFrame) -> pd.Series:
        return (rows["balance"] < 0).map({True: "in debt"})

    with fresh_plugins():
        filters = [d7nb.row_filter(name=f"filter {place:03}", register=False)(work) for place in range(FILTERS)]
        ratios = []
        for _ in range(RUNS):
            start = time.perf_counter()
            for _ in filters:
                work(rows)
            middle = time.perf_counter()
            run_filters([FilterEntry(each, "a benchmark") for each in filters], rows)
            ratios.append((time.perf_counter() - middle) / (middle - start))
    ratio = statistics.median(ratios)
    print(f"{FILTERS} filters, {ROWS:,} rows: {ratio:.3f} x their own work (target {TARGET}); each {sorted(ratios)}")
    return ratio


if __name__ == "__main__":
    main()
