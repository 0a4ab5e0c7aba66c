"""The verdict on each row of a plan, with its reason and who decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from d7nb.privacy import mask_text
from d7nb.problems import Problem, merge
from d7nb.tables.coded_texts import CodedTexts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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
