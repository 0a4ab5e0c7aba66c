"""The plan's word on each row, gathered step by step: the first step that has something against a row decides it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from d7nb.masking import mask_text
from d7nb.problems import Problem, merge

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

VERDICTS = ("ready", "invalid", "held", "skipped")
"""A plan's words on a row, in the order of their codes."""

_OF_SEVERITY = {"error": "invalid", "held": "held"}


class _Words:
    """A column of texts that repeat, or are missing, as most are: each text is kept once."""

    def __init__(self, count: int) -> None:
        self._codes = np.zeros(count, dtype=np.int32)
        self._known: dict[str | None, int] = {None: 0}

    def put(self, rows: np.ndarray, words: Sequence[str]) -> None:
        """Write words at some positions."""
        self._codes[rows] = [self._known.setdefault(word, len(self._known)) for word in words]

    def array(self) -> Any:
        """The column as pandas keeps texts."""
        return pd.array(list(self._known), dtype="str").take(self._codes)


class Verdicts:
    """One verdict per row, with its reason and who decided.

    Args:
        count: How many rows there are.
    """

    def __init__(self, count: int) -> None:
        self._codes = np.zeros(count, dtype=np.int8)
        self._reasons, self._deciders = _Words(count), _Words(count)
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
        self._reasons.put(chosen, [reasons[place] for place in free.tolist()])
        self._deciders.put(chosen, [decider] * len(chosen))

    def remark(self, decider: str, rows: np.ndarray, reason: str) -> None:
        """Say of rows that are ready who had a part in it."""
        still = rows[self._codes[rows] == 0]
        self._reasons.put(still, [reason] * len(still))
        self._deciders.put(still, [decider] * len(still))

    def count(self) -> dict[str, int]:
        """How many rows have each verdict."""
        counts = np.bincount(self._codes, minlength=len(VERDICTS))
        return dict(zip(VERDICTS, counts.tolist(), strict=True))

    def frame(self, index: pd.Index, recipients: pd.Series) -> pd.DataFrame:
        """The rows as ``plan.rows`` shows them."""
        return pd.DataFrame(
            {
                "verdict": pd.Categorical.from_codes(self._codes, categories=pd.Index(VERDICTS)),
                "reason": self._reasons.array(),
                "decided_by": self._deciders.array(),
                "recipient": recipients.array,
            },
            index=index,
        )


def _reasons(problem: Problem, count: int) -> Sequence[str]:
    where = f"{problem.column}: " if problem.column is not None else f"{problem.field}: " if problem.field else ""
    if isinstance(problem.message, str):
        return [mask_text(where + problem.message)] * count
    return [mask_text(where + message) for message in problem.message]
