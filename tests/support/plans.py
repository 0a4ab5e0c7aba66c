"""Small tables, the plans made of them, and the contents and problems that a plan has for each row."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import d7nb

if TYPE_CHECKING:
    from collections.abc import Mapping

ORIGINATOR = "+12025550100"
PHONES = [f"+120255501{number:02}" for number in range(100)]
LINK = "https://example.com/a.png"
NOTHING = [
    *(None, float("nan"), np.float32("nan"), pd.NA, pd.NaT, np.datetime64("NaT"), Decimal("NaN"), "", " \t\n", "\xa0"),
    *("nan", "NaN", "<NA>", "NaT", "n/a", "N/A", "#N/A", " n/a "),
]
"""Empty cells, and the texts that programs write for them."""


def table(*rows: Mapping[str, Any]) -> pd.DataFrame:
    """Make a table with a recipient for each row, in which rows fill different columns."""
    frame = pd.DataFrame(list(rows), dtype="object")
    frame.insert(0, "recipient", PHONES[: len(frame)])
    return frame


def plan_of(*rows: Mapping[str, Any], content: Any = None, **options: Any) -> d7nb.Plan:
    """Plan some rows."""
    return d7nb.plan(table(*rows), content, **{"originator": ORIGINATOR, **options})


def contents_by_row(plan: d7nb.Plan) -> dict[int, Any]:
    """Return D7's content object of each ready row, by the row's position."""
    contents = {
        PHONES.index(recipient["recipient"]): message["content"]
        for body in plan.requests()
        for message in body["messages"]
        for recipient in message["recipients"]
    }
    return dict(sorted(contents.items()))


def problem_cells(plan: d7nb.Plan) -> list[tuple[int, str, str]]:
    """Return the row, column and code of each problem."""
    problems = plan.problems
    return sorted(zip(problems["row"].tolist(), problems["column"], problems["code"], strict=True), key=str)
