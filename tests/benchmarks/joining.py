"""Target 10: the user's table with what became of each row."""

from __future__ import annotations

import time
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tests.benchmarks.measuring import Result, Target, in_turns, medians
from tests.benchmarks.sending import Sends
from tests.benchmarks.serving import serving
from tests.benchmarks.tables import people, planned

if TYPE_CHECKING:
    from collections.abc import Callable

    import d7nb

MANY, BATCH = 1_000_000, 1_000


def peer(frame: pd.DataFrame, joined: pd.DataFrame) -> Callable[[], pd.DataFrame]:
    """A copy with nine columns appended, of the kinds that a delivery has.

    Each is written anew: to append an array of Arrow's that is there already would only point to it.
    """
    ours = [joined[name].array for name in joined.columns[len(frame.columns) :]]
    columns = {f"d7_column{place}": ours[place % len(ours)] for place in range(9)}
    every = np.arange(len(frame))

    def append() -> pd.DataFrame:
        copied = frame.copy()
        for name, values in columns.items():
            copied[name] = values.take(every)
        return copied

    return append


def delivery_frame(rows: int | None, runs: int) -> Result:
    rows = min(rows or MANY, MANY)
    frame = people(rows)
    with TemporaryDirectory(prefix="d7nb-") as folder, serving() as server:
        delivery: d7nb.Delivery = Sends(planned(frame), folder, server, batch_size=BATCH)()
        joined = delivery.frame
        pd.testing.assert_frame_equal(joined[list(frame.columns)], frame)
        assert (joined["d7_outcome"] == "accepted").all()
        append = peer(frame, joined)
        # By the clock: pandas works in one thread here, but Arrow may not.
        taken = in_turns(lambda: delivery.frame, append, runs=2 * runs + 1, clock=time.perf_counter)
    ours, theirs = medians(taken)
    return Result([our / their for our, their in taken], f"{rows:,} rows: {1000 * ours:.0f} ms, {1000 * theirs:.0f} ms")


TARGETS = (Target(10, "delivery.frame, against a copy with nine columns", 3, 1.5, "x", False, delivery_frame),)
