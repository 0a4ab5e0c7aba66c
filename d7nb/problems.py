"""Problems of a table: each is one broken rule with the rows that break it, until the frame of problems is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from d7nb.hints import render
from d7nb.privacy import mask_cell, mask_text

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from d7nb.hints import Surface

Severity = Literal["error", "held", "warning"]

COLUMNS = ("row", "index", "column", "value", "code", "message", "hint", "severity", "field")

_SHOWN_VALUE = 40
"""Characters of a cell that a problem shows."""

_READ_VALUE = 400
"""Characters of a cell that are masked before it is shortened."""


class Problem(NamedTuple):
    """A broken rule, with the rows that break it.

    Attributes:
        code: The rule's short name, such as ``too_long``.
        message: What is wrong: one sentence for all rows, or one for each.
        hint: What to do about it.
        severity: ``error`` (the row can't be sent), ``held`` (not before the user decides) or ``warning``.
        field: D7's dotted path of the field, empty where the problem lies elsewhere.
        column: The frame's column that holds the faulty cell, None where it is a literal's.
        rows: Positions in the frame; None where the whole plan is meant.
    """

    code: str
    message: str | Sequence[str]
    hint: str = ""
    severity: Severity = "error"
    field: str = ""
    column: Hashable = None
    rows: np.ndarray | None = None

    def sentence(self) -> str:
        """Write the problem in one line, for an exception's message."""
        message = self.message if isinstance(self.message, str) else self.message[0]
        where = f"{self.field}: " if self.field else ""
        return mask_text(f"{where}{message}" + (f" ({self.hint})" if self.hint else ""))


def merge(problems: Sequence[Problem]) -> list[Problem]:
    """Join problems that differ only in their rows (one per slice of the frame) into one each."""
    groups: dict[tuple[object, ...], list[Problem]] = {}
    for problem in problems:
        same = problem.message if isinstance(problem.message, str) else None
        identity = (problem.code, same, problem.hint, problem.severity, problem.field, problem.column)
        groups.setdefault(identity, []).append(problem)
    return [_join(group) for group in groups.values()]


def _join(group: list[Problem]) -> Problem:
    first, *others = group
    if not others or first.rows is None:
        return first
    rows = np.concatenate([problem.rows for problem in group if problem.rows is not None])
    message = first.message
    if not isinstance(message, str):
        message = [sentence for problem in group for sentence in problem.message]
    return first._replace(rows=rows, message=message)


def problem_frame(problems: Sequence[Problem], frame: pd.DataFrame, surface: Surface | None = None) -> pd.DataFrame:
    """Make the frame of problems, sorted by row, with values masked.

    Args:
        problems: The problems.
        frame: The frame whose rows the positions mean.
        surface: Where hints are read; unless given, as `d7nb.hints.render` has it.

    Returns:
        One row per problem and cell, with the columns `COLUMNS`; ``row`` and ``index`` are missing where the
        problem is the whole plan's.
    """
    pieces = [_piece(problem, frame, surface) for problem in problems]
    if not pieces:
        empty = pd.DataFrame({name: pd.Series(dtype="object") for name in COLUMNS})
        return empty.astype({"row": "Int64", **dict.fromkeys(("code", "message", "hint", "severity", "field"), "str")})
    whole = pd.concat(pieces, ignore_index=True)
    return whole.sort_values("row", kind="stable", na_position="first", ignore_index=True)


def _piece(problem: Problem, frame: pd.DataFrame, surface: Surface | None) -> pd.DataFrame:
    rows = problem.rows
    count = 1 if rows is None else len(rows)
    values: list[str | None] = [None] * count
    if rows is not None and problem.column is not None and problem.column in frame.columns:
        mask = mask_cell if problem.field == "recipient" else mask_text
        values = [shown(cell, mask) for cell in frame[problem.column].take(rows)]
    messages = [problem.message] * count if isinstance(problem.message, str) else problem.message
    masked = {message: mask_text(render(message, surface)) for message in set(messages)}  # a message may quote the cell
    return pd.DataFrame(
        {
            "row": pd.array([pd.NA] if rows is None else rows, dtype="Int64"),
            "index": pd.Series([pd.NA] if rows is None else list(frame.index.take(rows)), dtype="object"),
            "column": pd.Series([problem.column] * count, dtype="object"),
            "value": pd.Series(values, dtype="object"),
            "code": pd.Series([problem.code] * count, dtype="str"),
            "message": pd.Series([masked[message] for message in messages], dtype="str"),
            "hint": pd.Series([render(problem.hint, surface)] * count, dtype="str"),
            "severity": pd.Series([problem.severity] * count, dtype="str"),
            "field": pd.Series([problem.field] * count, dtype="str"),
        }
    )


def shown(cell: Any, mask: Callable[[str], str] = mask_text) -> str | None:
    """Write a cell as a problem shows it: masked and shortened, None where it is missing."""
    if cell is None or (pd.api.types.is_scalar(cell) and pd.isna(cell)):
        return None
    text = str(cell).encode(errors="backslashreplace").decode()  # half a character can't be printed
    masked = mask(text[:_READ_VALUE])
    return masked if len(masked) <= _SHOWN_VALUE else masked[: _SHOWN_VALUE - 1] + "…"
