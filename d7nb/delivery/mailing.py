"""A mailing's rows as columns: what claims, records and later reports are held against."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from d7nb.recipients.variants import family

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import pandas as pd


@dataclass(frozen=True, repr=False)
class Mailing:
    """Rows that went out, or are to go, without the plan that decided about them.

    Attributes:
        frame: The plan's table.
        verdicts: Its rows: ``verdict``, ``reason``, ``decided_by``, ``recipient``.
        campaign: The name of the mailing.
        keys: Each row's key, ``uint8`` of shape (rows, 16); zeros where it has none.
        keyed: Positions of the rows that have a key: those that only a filter or the schedule spoke against, and those
            that are ready.
        by_content: Whether keys are made of recipient and content, and not of the user's own columns.
        clock: Tells the time.
    """

    frame: pd.DataFrame
    verdicts: pd.DataFrame
    campaign: str
    keys: np.ndarray
    keyed: np.ndarray
    by_content: bool
    clock: Callable[[], datetime]

    @cached_property
    def ready(self) -> np.ndarray:
        """Positions of the rows that the plan would send."""
        return np.flatnonzero(self.verdicts["verdict"] == "ready")

    @cached_property
    def numbers(self) -> np.ndarray:
        """Each row's recipient, E.164; None where it has none."""
        return texts_of(self.verdicts["recipient"])

    @cached_property
    def people(self) -> np.ndarray:
        """Each row's recipient, one form for all national variants of a number; None where it has none."""
        recipients = self.verdicts["recipient"]
        families = family(recipients)
        others = np.flatnonzero(families != recipients)
        people = self.numbers.copy()  # most people's number is their only one
        people[others] = texts_of(families.iloc[others])
        return people


def texts_of(series: pd.Series) -> np.ndarray:
    """A column of texts as Python's own, None where one is missing.

    Example:
        >>> import pandas as pd
        >>> texts_of(pd.Series(["+12025550123", None], dtype="str")).tolist()
        ['+12025550123', None]
    """
    texts = series.to_numpy(dtype=object, copy=True)
    texts[series.isna().to_numpy()] = None
    return texts
