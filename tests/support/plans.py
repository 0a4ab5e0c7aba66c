"""Small tables, the plans made of them, and what a plan would say or finds wrong, row by row."""

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
"""Cells that are empty, and what programs leave where one was."""


def table(*rows: Mapping[str, Any]) -> pd.DataFrame:
    """Rows that fill some columns each, as a spreadsheet with gaps, and a number for each."""
    frame = pd.DataFrame(list(rows), dtype="object")
    frame.insert(0, "recipient", PHONES[: len(frame)])
    return frame


def plan_of(*rows: Mapping[str, Any], content: Any = None, **options: Any) -> d7nb.Plan:
    """A plan for some rows."""
    return d7nb.plan(table(*rows), content, **{"originator": ORIGINATOR, **options})


def said(plan: d7nb.Plan) -> dict[int, Any]:
    """What each row that is ready would say: D7's content object, by the row's position."""
    contents = {
        PHONES.index(recipient["recipient"]): message["content"]
        for body in plan.requests()
        for message in body["messages"]
        for recipient in message["recipients"]
    }
    return dict(sorted(contents.items()))


def found(plan: d7nb.Plan) -> list[tuple[int, str, str]]:
    """Row, column and code of each problem."""
    problems = plan.problems
    return sorted(zip(problems["row"].tolist(), problems["column"], problems["code"], strict=True), key=str)
