"""Targets 1 to 4: from a table to request bodies, its time, its memory, and how both grow."""

from __future__ import annotations

import math
import statistics
from collections import deque

import orjson

from tests.benchmarks.measuring import Result, Target, alone, in_turns, medians, seconds
from tests.benchmarks.tables import analysts_loop, keys_in, people, planned, posted, same_as_json

ROWS, MANY, FEW = 100_000, 1_000_000, 10_000
LOOP_ROWS = 20_000
"""The loop does so many rows, and its time is scaled: it takes the same for each."""


def drained(bodies: object) -> None:
    """Make all bodies, keep none."""
    deque(bodies, maxlen=0)  # type: ignore[arg-type]


def against_the_loop(rows: int | None, runs: int) -> Result:
    rows = min(rows or ROWS, ROWS)
    part = min(rows, LOOP_ROWS)
    frame, slice_ = people(rows), people(rows).head(part)
    bodies = list(posted(planned(slice_)))
    keys = keys_in(bodies)
    same_as_json(bodies, analysts_loop(slice_, keys))
    taken = in_turns(lambda: drained(posted(planned(frame))), lambda: analysts_loop(slice_, keys), runs=runs)
    scale = rows / part
    ours, theirs = medians(taken)
    dicts = statistics.median(seconds(lambda: drained(planned(frame).requests())) for _ in range(3))
    said = (
        f"{rows:,} rows: {ours:.2f} s against {scale * theirs:.2f} s; "
        f"{scale * theirs / dicts:.1f} times with the bodies read back into dicts, as plan.requests() gives them"
    )
    return Result([scale * their / our for our, their in taken], said)


def against_orjson(rows: int | None, runs: int) -> Result:
    rows = min(rows or ROWS, ROWS)
    plan = planned(people(rows))
    ready = [orjson.loads(body) for body in posted(plan)]
    same_as_json(list(posted(plan)), [orjson.dumps(body) for body in ready])
    taken = in_turns(
        lambda: drained(posted(plan)), lambda: drained(orjson.dumps(body) for body in ready), runs=2 * runs + 1
    )
    ours, theirs = medians(taken)
    said = f"{rows / ours / 1e6:.2f} M rows/s, the limit {rows / theirs / 1e6:.2f} M"
    return Result([their / our for our, their in taken], said)


MEMORY = """
import gc, sys
from tests.benchmarks.measuring import forget_peak, peak, resident
from tests.benchmarks.planning import drained
from tests.benchmarks.tables import people, planned, posted
drained(posted(planned(people(100))))
frame = people(int(sys.argv[1]))
gc.collect()
before = resident()
forget_peak()
drained(posted(planned(frame)))
print(peak() - before, frame.memory_usage(deep=True).sum())
"""


def memory(rows: int | None, runs: int) -> Result:
    rows = min(rows or MANY, MANY)
    taken = [tuple(map(int, alone(MEMORY, rows).split())) for _ in range(runs)]
    more, frame = (statistics.median(column) for column in zip(*taken, strict=True))
    return Result(
        [more / frame for more, frame in taken], f"{rows:,} rows: {more / 1e6:.0f} MB above {frame / 1e6:.0f}"
    )


def growth(rows: int | None, runs: int) -> Result:
    many = min(rows or MANY, MANY)
    few = min(FEW, max(many // 10, 1))
    small, large = people(few), people(many)
    drained(posted(planned(small)))
    times = many // few // 4

    def repeated() -> None:
        for _ in range(times):
            drained(posted(planned(small)))

    taken = in_turns(lambda: drained(posted(planned(large))), repeated, runs=runs)
    exponents = [math.log(large_time / (small_time / times)) / math.log(many / few) for large_time, small_time in taken]
    long, short = medians(taken)
    said = f"{few:,} rows in {1000 * short / times:.0f} ms, {many:,} in {long:.2f} s"
    return Result(exponents, said)


TARGETS = (
    Target(1, "plan and bodies, against the analyst's loop", 15, 40, "times faster", True, against_the_loop),
    Target(2, "bodies alone, against orjson over ready-made dicts", 0.15, 0.5, "of the limit", True, against_orjson),
    Target(3, "peak memory of plan and bodies, 1 M rows", 1.0, 0.5, "x the frame", False, memory),
    Target(4, "growth of 1 from 10 k to 1 M rows", 1.05, 1.0, "(exponent)", False, growth),
)
