"""How soon a form over a large table answers a keystroke, while its plan is being made in the background.

Run from the repository's root, on a machine with nothing else to do: ``python -m tests.benchmarks.compose_reaction``.
The target is 150 ms for each keystroke (issue "The notebook face"): what is measured is the kernel's part, from the new
text to the model that has it, and how long the kernel keeps another caller waiting meanwhile.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from d7nb import Text
from d7nb.widgets.form import ComposeForm

TEXT = "Hi {name}, your balance is {balance:,.2f} AED. See you on Monday!"
TARGET = 150.0


def table(rows: int) -> pd.DataFrame:
    """Numbers that nobody has, +1 202 555 01xx, each of many people with a text of their own."""
    phones = [f"+120255501{row:02d}" for row in range(100)]
    return pd.DataFrame(
        {
            "phone": np.resize(phones, rows),
            "name": [f"N{row}" for row in range(rows)],
            "balance": np.arange(rows) / 7,
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    options = parser.parse_args()
    os.environ["D7NB_LEDGER"] = str(Path(tempfile.mkdtemp()) / "ledger.sqlite3")
    began = time.perf_counter()
    form = ComposeForm(table(options.rows), content=Text("Hi"), originator="+12025550100")
    print(f"{options.rows:,} rows: the form is there after {1000 * (time.perf_counter() - began):.0f} ms")
    form.wait()
    body = next(each for each in _below(form.widget) if getattr(each, "description", "") == "body")
    taken = []
    for end in range(1, len(TEXT) + 1):
        began = time.perf_counter()
        body.value = TEXT[:end]
        taken.append(1000 * (time.perf_counter() - began))
        time.sleep(0.1 if end % 4 else 0.6)  # a typist who stops to think: then the plan is made, while typing goes on
    began = time.perf_counter()
    form.wait()
    settled = time.perf_counter() - began
    worst, median = max(taken), float(np.median(taken))
    print(f"  a keystroke: median {median:.1f} ms, worst {worst:.1f} ms; the target is {TARGET:.0f} ms")
    print(f"  preview and problems stood {settled:.1f} s after the last one: {form.plan.summary}")
    form.close()


def _below(widget):  # type: ignore[no-untyped-def]
    yield widget
    for child in getattr(widget, "children", ()):
        yield from _below(child)


if __name__ == "__main__":
    main()
