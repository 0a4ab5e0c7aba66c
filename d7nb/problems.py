"""Problems of a table, and the verdict on each row that follows from them, with its reason and who decided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from d7nb.hints import Hint, render
from d7nb.privacy import mask_cell, mask_text
from d7nb.tables.coded_texts import CodedTexts

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

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

    def sentence(self) -> Hint:
        """Write the problem in one line, for an exception's message."""
        message = self.message if isinstance(self.message, str) else self.message[0]
        where = f"{self.field}: " if self.field else ""
        separator = "; " if ": " in message else ": "
        advice = (separator, self.hint) if self.hint else ()
        return Hint(where, message, *advice).map_texts(mask_text)


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


VERDICTS = ("ready", "invalid", "held", "skipped")
"""The verdicts, in the order of their codes."""

_READY = VERDICTS.index("ready")
_OF_SEVERITY = {"error": "invalid", "held": "held"}


class Verdicts:
    """One verdict per row, with its reason and who decided; a verdict other than ``ready`` is final.

    Args:
        count: How many rows there are.

    Attributes:
        problems: Every problem taken in so far.
    """

    def __init__(self, count: int) -> None:
        self._verdicts = CodedTexts(np.full(count, _READY, dtype=np.int8), VERDICTS)
        self._reasons, self._deciders = CodedTexts.missing(count), CodedTexts.missing(count)
        self.problems: list[Problem] = []

    @property
    def ready(self) -> np.ndarray:
        """Positions of the rows that nothing speaks against so far."""
        return np.flatnonzero(self._verdicts.codes == _READY)

    def judge(self, decider: str, problems: Iterable[Problem]) -> None:
        """Take problems in: an error makes its rows invalid, ``held`` holds them, a warning changes nothing.

        Args:
            decider: Who found them, as ``decided_by`` will say.
            problems: With their rows; an error without rows is every row's.
        """
        merged = merge(list(problems))
        self.problems.extend(merged)
        for problem in merged:
            verdict = _OF_SEVERITY.get(problem.severity)
            if verdict is not None:
                rows = np.arange(len(self._verdicts.codes)) if problem.rows is None else problem.rows
                self.decide(verdict, decider, rows, _reasons(problem))

    def decide(self, verdict: str, decider: str, rows: np.ndarray, reasons: str | Sequence[str]) -> None:
        """Give rows a verdict, where they are ``ready`` yet.

        Args:
            verdict: The verdict.
            decider: Who gives it, as ``decided_by`` will say.
            rows: Their positions.
            reasons: One reason for all, or one for each of `rows`.
        """
        undecided = np.flatnonzero(self._verdicts.codes[rows] == _READY)
        decided = rows[undecided]
        self._verdicts.fill(decided, verdict)
        self._deciders.fill(decided, decider)
        if isinstance(reasons, str):
            self._reasons.fill(decided, reasons)
        else:
            self._reasons.put(decided, [reasons[position] for position in undecided.tolist()])

    def remark(self, decider: str, rows: np.ndarray, reason: str) -> None:
        """Note at rows that are ready who had a part in it, and why."""
        ready = rows[self._verdicts.codes[rows] == _READY]
        self._reasons.fill(ready, reason)
        self._deciders.fill(ready, decider)

    def count(self) -> dict[str, int]:
        """Count the rows with each verdict."""
        return self._verdicts.count()

    def frame(self, index: pd.Index, recipients: pd.Series) -> pd.DataFrame:
        """Return the rows as ``plan.rows`` shows them."""
        return pd.DataFrame(
            {
                "verdict": self._verdicts.categorical(),
                "reason": self._reasons.array(),
                "decided_by": self._deciders.array(),
                "recipient": recipients.array,
            },
            index=index,
        )


def _reasons(problem: Problem) -> str | list[str]:
    where = f"{problem.column}: " if problem.column is not None else f"{problem.field}: " if problem.field else ""
    if isinstance(problem.message, str):
        return mask_text(where + problem.message)
    return [mask_text(where + message) for message in problem.message]
