"""A mailing's rows as columns: what claims, outcomes and delivery reports are matched with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from d7nb.recipients.variants import family
from d7nb.tables.arrays import texts_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import pandas as pd


@dataclass(frozen=True, repr=False)
class Mailing:
    """The rows of a plan that delivery needs: their recipients, keys and verdicts, without their contents.

    Attributes:
        frame: The user's table.
        verdicts: For each row ``verdict``, ``reason``, ``decided_by``, ``recipient``.
        campaign: The campaign's name.
        keys: Each row's key, ``uint8`` of shape (rows, 16); zeros where it has none.
        keyed: Positions of the rows that have a key: ready rows, and rows that only a filter or the schedule skipped.
        recipe: How the rows are told apart, as `d7nb.store.recipes.recipe_of` writes it; None where the rows are only
            looked for.
        clock: Returns the current time.
        keys_are_hashed: Whether the keys came out of the ledger.
    """

    frame: pd.DataFrame
    verdicts: pd.DataFrame
    campaign: str
    keys: np.ndarray
    keyed: np.ndarray
    recipe: str | None
    clock: Callable[[], datetime]
    keys_are_hashed: bool = False

    @property
    def campaign_options(self) -> dict[str, Any]:
        """The options of `d7nb.store.store.open_campaign` that describe the rows' keys."""
        return {"recipe": self.recipe, "keys_are_hashed": self.keys_are_hashed}

    @cached_property
    def ready(self) -> np.ndarray:
        """Positions of the rows whose verdict is ``ready``."""
        return np.flatnonzero(self.verdicts["verdict"] == "ready")

    @cached_property
    def numbers(self) -> np.ndarray:
        """Each row's number, E.164; None where it has none."""
        return texts_of(self.verdicts["recipient"])

    @cached_property
    def people(self) -> np.ndarray:
        """Each row's number in the one form that all its national variants share; None where it has none."""
        recipients = self.verdicts["recipient"]
        families = family(recipients)
        variants = np.flatnonzero(families != recipients)
        people = self.numbers.copy()  # most numbers have no variants
        people[variants] = texts_of(families.iloc[variants])
        return people


class Batch(NamedTuple):
    """The rows of one request.

    Attributes:
        rows: Their positions in the frame; rows that share a message are next to each other.
        originator: The number that the messages come from.
    """

    rows: np.ndarray
    originator: str
