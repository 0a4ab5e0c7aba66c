"""All speed targets, side by side with their peers: ``python -m tests.benchmarks``.

Options: ``--only 1 3`` for some of them, ``--rows 20000`` for a quick look at smaller tables, ``--json`` for a list of
what was measured, ``--picture speed.svg`` for a picture of it, ``--besides`` for what is shown beside the targets. All
of it is for a machine with nothing else to do.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from tests.benchmarks import (
    besides,
    importing,
    joining,
    ledger,
    ledger_growth,
    ledger_memory,
    margins,
    planning,
    sending,
)
from tests.benchmarks.measuring import HEAD, RUNS, Measured
from tests.benchmarks.picture import draw

TARGETS = sorted(
    (
        target
        for group in (planning, sending, ledger, importing, joining, ledger_growth, ledger_memory)
        for target in group.TARGETS
    ),
    key=lambda target: (target.number, target.part),
)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", type=int, nargs="+", metavar="NUMBER", help="measure these targets")
    parser.add_argument("--rows", type=int, help="tables of at most so many rows")
    parser.add_argument("--runs", type=int, default=RUNS, help="how often each is measured")
    parser.add_argument("--margins", action="store_true", help="a quick look: end with 1 where one is far off")
    parser.add_argument("--json", action="store_true", help="print a list of number, name, target, measured, met")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw what was measured into an SVG file")
    parser.add_argument("--besides", action="store_true", help="measure what is not a target, too")
    parser.add_argument("--fresh", action="store_true", help="with --besides: the README's commands, over the network")
    options = parser.parse_args(arguments)
    chosen = [target for target in TARGETS if options.only is None or target.number in options.only]
    with TemporaryDirectory(prefix="d7nb-") as folder:
        os.environ["D7NB_LEDGER"] = str(Path(folder) / "ledger.sqlite3")
        if options.margins:
            return 0 if margins.check({target.label: target for target in TARGETS}, _say) else 1
        say = (lambda *_: None) if options.json else _say
        say(f"Python {platform.python_version()}, pandas {pd.__version__}, {os.cpu_count()} cores; load {_load()}")
        say(HEAD)
        measured = []
        for target in chosen:
            began = time.perf_counter()
            measured.append(Measured(target, target.measure(options.rows, options.runs)))
            say(measured[-1].line())
            say(f"    {measured[-1].result.said}  [{time.perf_counter() - began:.0f} s]")
        if options.picture:
            draw(measured, options.picture)
        if options.json:
            _say(json.dumps([each.as_json() for each in measured], indent=1))
        else:
            say(f"{sum(each.met for each in measured)} of {len(measured)} met; load {_load()}")
        if options.besides:
            besides.show(say, options.rows, fresh=options.fresh)
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    sys.exit(main())
