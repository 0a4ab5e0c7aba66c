"""What is measured beside the targets: how a send behaves while it waits and where others want the processor, memory
over many sends, the first preview, the form, the size of an installation, and how long the README's commands take.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import d7nb.delivery  # noqa: F401  (what a send needs is loaded before any is measured)
from tests.benchmarks.measuring import ROOT, alone
from tests.benchmarks.sending import LATENCY, Sends
from tests.benchmarks.serving import serving
from tests.benchmarks.tables import people, planned

Say = Callable[[str], None]
ROWS, MANY = 2_000, 1_000_000


def show(say: Say, rows: int | None, *, fresh: bool) -> None:
    """Measure and tell, one line each."""
    say("Beside the targets:")
    waiting(say)
    under_load(say)
    ten_sends(say)
    first_preview(say, min(rows or MANY, MANY))
    installation(say)
    without_arrow(say)
    for script in ("compose_reaction", "filter_cost", "numbers", "following", "events_in"):
        command = [sys.executable, "-m", f"tests.benchmarks.{script}"]
        for line in subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines():
            say(f"  {line.strip()}")
    if fresh:
        readme(say)


def _sent(**options: object) -> tuple[float, float]:
    """One send at 50 ms: its seconds by the clock, and of the processor."""
    with TemporaryDirectory(prefix="d7nb-") as folder, serving(LATENCY) as server:
        send = Sends(planned(people(ROWS)), folder, server, **options)
        clock, processor = time.perf_counter(), time.process_time()
        send()
        return time.perf_counter() - clock, time.process_time() - processor


def waiting(say: Say) -> None:
    """Nothing spins: while the rate keeps requests waiting, the processor is free."""
    _sent()
    clock, processor = _sent(rate=400, batch_size=20)
    say(f"  a send that its rate keeps waiting for {clock:.1f} s uses {100 * processor / clock:.1f} % of one core")


@contextmanager
def _busy(count: int) -> Iterator[None]:
    """Others that take all they get of the processor."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def under_load(say: Say) -> None:
    """The same send with every core taken by others, and on a core of which it gets a third."""
    cores = os.sched_getaffinity(0)
    free = [_sent() for _ in range(3)]
    with _busy(len(cores)):
        taken = [_sent() for _ in range(3)]
    try:
        os.sched_setaffinity(0, {min(cores)})  # what is started now stays there, too
        with _busy(2):
            slow = [_sent() for _ in range(3)]
    finally:
        os.sched_setaffinity(0, cores)
    told = [f"{statistics.median(clock for clock, _ in runs):.2f} s" for runs in (free, taken, slow)]
    used = [f"{statistics.median(used for _, used in runs):.2f} s" for runs in (free, taken, slow)]
    say(
        f"  {ROWS:,} rows at {1000 * LATENCY:.0f} ms: {told[0]} alone, {told[1]} with a busy process on each core, "
        f"{told[2]} on one core with two; of the processor {', '.join(used)}"
    )


TEN = """
import gc, tempfile
from pathlib import Path
from tests.benchmarks.measuring import resident
from tests.benchmarks.sending import Sends
from tests.benchmarks.serving import serving
from tests.benchmarks.tables import people, planned
frame = people(20_000)
with tempfile.TemporaryDirectory() as folder, serving() as server:
    for run in range(10):
        own = Path(folder, str(run))
        own.mkdir()
        Sends(planned(frame), str(own), server, batch_size=1_000)()
        gc.collect()
        print(resident())
"""


def ten_sends(say: Say) -> None:
    """Memory over ten plans and sends in one process."""
    sizes = [int(line) / 1e6 for line in alone(TEN).split()]
    told = ", ".join(f"{size:.0f}" for size in sizes)
    say(f"  ten plans and sends of 20,000 rows in one process, MB after each: {told}")


def first_preview(say: Say, rows: int) -> None:
    """From a plan to the strangest of its messages."""
    plan = planned(people(rows))
    start = time.perf_counter()
    repr(plan)
    shown = time.perf_counter()
    plan.preview()
    done = time.perf_counter()
    own, preview = f"{shown - start:.2f} s", f"{done - shown:.2f} s"
    say(f"  a plan of {rows:,} rows shows itself after {own}, its first preview takes {preview}")


WITHOUT_ARROW = """
import statistics, sys
sys.modules["pyarrow"] = None
from tests.benchmarks.planning import against_orjson, against_the_loop
for benchmark in (against_the_loop, against_orjson):
    print(statistics.median(benchmark(20_000, 3).ratios))
"""


def without_arrow(say: Say) -> None:
    """All is the same without the extra `fast`, but for its speed."""
    loop, orjson = (float(line) for line in alone(WITHOUT_ARROW).split())
    say(f"  without pyarrow: target 1 {loop:.1f} times faster, target 2 {orjson:.2f} of the limit")


def installation(say: Say) -> None:
    """How large d7nb and all it needs are, once installed."""
    for extras in ((), ("sandbox", "fast")):
        sizes = {name: _size(name) for name in _needed("d7nb", extras)}
        largest = ", ".join(f"{name} {sizes[name]:.0f}" for name in sorted(sizes, key=sizes.__getitem__)[:-5:-1])
        name = f"d7nb[{','.join(extras)}]" if extras else "d7nb"
        say(f"  {name} installed: {sum(sizes.values()):.0f} MB in {len(sizes)} packages ({largest})")


def _needed(name: str, extras: tuple[str, ...], known: set[str] | None = None) -> set[str]:
    """A package with all that it needs here."""
    known = set() if known is None else known
    known.add(name)
    for text in importlib.metadata.requires(name) or []:
        wanted, _, marker = text.partition(";")
        extra = re.search(r"extra *== *['\"]([\w-]+)", marker)
        other = re.split(r"[ \[<>=!~(;]", wanted.strip())[0].lower().replace("_", "-")
        if (extra is None or extra[1] in extras) and other not in known and _is_here(other):
            _needed(other, (), known)
    return known


def _is_here(name: str) -> bool:
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _size(name: str) -> float:
    files = importlib.metadata.files(name) or []
    paths = [Path(str(file.locate())) for file in files]
    return sum(path.stat().st_size for path in paths if path.is_file()) / 1e6


def readme(say: Say) -> None:
    """The README's two commands, in a copy of the sources with nothing installed; this needs the network."""
    commands = re.findall(r"^python3 -m venv .*$", (ROOT / "README.md").read_text(), re.MULTILINE)
    for command in commands:
        with TemporaryDirectory(prefix="d7nb-") as folder:
            left_out = shutil.ignore_patterns(".venv", ".git", "__pycache__", ".*_cache")
            place = shutil.copytree(ROOT, Path(folder) / "d7nb", ignore=left_out)
            start = time.perf_counter()
            done = subprocess.run(command, shell=True, cwd=place, capture_output=True, text=True, check=False)
            word = "" if done.returncode == 0 else f" (it failed: {done.returncode})"
            say(f"  {command}: {time.perf_counter() - start:.0f} s{word}")
