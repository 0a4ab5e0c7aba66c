"""A mailing's rows as columns: what claims, records and later reports are held against."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from d7nb.recipients.variants import family
from d7nb.tables.arrays import texts_of

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


class Batch(NamedTuple):
    """The rows that go in one request.

    Attributes:
        rows: Their positions in the frame; rows that share a message stand together.
        originator: The number that they come from.
    """

    rows: np.ndarray
    originator: str
