"""The frame that filters are shown: the user's columns, and what the plan knows of each row."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from d7nb.tables.arrays import take_rows
from d7nb.tables.frames import with_columns

if TYPE_CHECKING:
    import pandas as pd

    from d7nb.tables.coded_texts import CodedTexts


class RepeatedKeys(NamedTuple):
    """The rows whose key an earlier row has, too.

    Attributes:
        rows: Their positions, in order.
        first: For each of them, the position of the first row with the same key.
    """

    rows: np.ndarray
    first: np.ndarray

    def same_as(self, rows: np.ndarray) -> np.ndarray:
        """Return for each of some rows the position of the first row with the same key: mostly its own."""
        if not len(self.rows):
            return rows
        nearest = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        return np.where(self.rows[nearest] == rows, self.first[nearest], rows)


class FilterFrame:
    """Makes the frame that filters are shown of some rows.

    Args:
        frame: The user's table.
        numbers: What `check_numbers` says of each row's number.
        message_types: Each row's message type.
        originators: Each row's originator.
        repeated: The rows whose key is not their own alone.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        numbers: pd.DataFrame,
        *,
        message_types: CodedTexts,
        originators: CodedTexts,
        repeated: RepeatedKeys,
    ) -> None:
        self._frame, self._numbers = frame, numbers
        self._message_types, self._originators, self._repeated = message_types, originators, repeated

    def __call__(self, rows: np.ndarray, *, whole: bool = True) -> pd.DataFrame:
        """Return the frame of some rows, which `d7nb.filters.base.ADDED` describes.

        Args:
            rows: Their positions, in order.
            whole: Whether with the user's columns; where no filter reads them, they need not be picked out.
        """
        frame = self._frame if whole else self._frame[[]]
        added = {
            "d7_row": rows,
            "d7_recipient": take_rows(self._numbers["recipient"].array, rows),
            "d7_country": self._numbers["country"].array.take(rows),
            "d7_message_type": self._message_types.take(rows),
            "d7_originator": self._originators.take(rows),
            "d7_same_as": self._repeated.same_as(rows),
        }
        return with_columns(frame if len(rows) == len(frame) else frame.take(rows), added, copy=False)
