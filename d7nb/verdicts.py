"""The plan's word on each row, gathered step by step: the first step that has something against a row decides it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from d7nb.columns import as_texts
from d7nb.masking import mask_text
from d7nb.problems import Problem, merge

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

VERDICTS = ("ready", "invalid", "held", "skipped")
"""A plan's words on a row, in the order of their codes."""

_OF_SEVERITY = {"error": "invalid", "held": "held"}


class Verdicts:
    """One verdict per row, with its reason and who decided.

    Args:
        count: How many rows there are.
    """

    def __init__(self, count: int) -> None:
        self._codes = np.zeros(count, dtype=np.int8)
        self._reasons = np.full(count, None, dtype=object)
        self._deciders = np.full(count, None, dtype=object)
        self.problems: list[Problem] = []

    @property
    def ready(self) -> np.ndarray:
        """Positions of the rows that nothing speaks against so far."""
        return np.flatnonzero(self._codes == 0)

    def judge(self, decider: str, problems: Iterable[Problem]) -> None:
        """Take problems in: an error makes its rows invalid, ``held`` holds them, a warning changes nothing.

        Args:
            decider: Who found them, as ``decided_by`` will say.
            problems: With their rows; an error without rows is every row's.
        """
        found = merge(list(problems))
        self.problems.extend(found)
        for problem in found:
            verdict = _OF_SEVERITY.get(problem.severity)
            if verdict is not None:
                rows = np.arange(len(self._codes)) if problem.rows is None else problem.rows
                self.decide(verdict, decider, rows, _reasons(problem, len(rows)))

    def decide(self, verdict: str, decider: str, rows: np.ndarray, reasons: Sequence[str]) -> None:
        """Give rows a verdict, where they have none but ``ready`` yet."""
        free = np.flatnonzero(self._codes[rows] == 0)
        chosen = rows[free]
        self._codes[chosen] = VERDICTS.index(verdict)
        self._reasons[chosen] = [reasons[place] for place in free.tolist()]
        self._deciders[chosen] = decider

    def remark(self, decider: str, rows: np.ndarray, reason: str) -> None:
        """Say of rows that are ready who had a part in it."""
        still = rows[self._codes[rows] == 0]
        self._reasons[still] = reason
        self._deciders[still] = decider

    def frame(self, index: pd.Index, recipients: pd.Series) -> pd.DataFrame:
        """The rows as ``plan.rows`` shows them."""
        return pd.DataFrame(
            {
                "verdict": pd.Categorical.from_codes(self._codes, categories=pd.Index(VERDICTS)),
                "reason": as_texts(self._reasons),
                "decided_by": as_texts(self._deciders),
                "recipient": recipients.array,
            },
            index=index,
        )


def _reasons(problem: Problem, count: int) -> Sequence[str]:
    where = f"{problem.column}: " if problem.column is not None else f"{problem.field}: " if problem.field else ""
    if isinstance(problem.message, str):
        return [mask_text(where + problem.message)] * count
    return [mask_text(where + message) for message in problem.message]
