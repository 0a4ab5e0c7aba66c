"""The delivery funnel: how many messages of each segment of a table were accepted, sent, delivered, read or failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from d7nb.api.statuses import IMPLIED_BY
from d7nb.errors import PlanError
from d7nb.tables.frames import listed, require

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from d7nb.store.message_status import MessageStatuses

STAGES = ("accepted", "sent", "delivered", "read", "failed")


def reached(accepted: np.ndarray, statuses: MessageStatuses) -> dict[str, np.ndarray]:
    """Return for each stage which rows have reached it.

    Args:
        accepted: For each row, whether D7 accepted it, in this send or an earlier one.
        statuses: The status of each row.
    """
    had_status = {status: ~np.isnat(times) for status, times in statuses.since.items()}
    stages = {
        stage: accepted & np.any([had_status[status] for status in implying], axis=0)
        for stage, implying in IMPLIED_BY.items()
    }
    return {"accepted": accepted, **stages, "failed": accepted & (statuses.status == "failed")}


def segmented(frame: pd.DataFrame, by: Hashable | Sequence[Hashable] | None) -> tuple[pd.DataFrame, np.ndarray]:
    """Divide a table into segments: one for each distinct value of some columns.

    Args:
        frame: The user's table.
        by: A column, or several; None for one segment of all rows.

    Returns:
        The segments, a row for each in the order of their values, and for each row of the table its segment's number.

    Raises:
        ColumnError: There is no such column.
        PlanError: Its values can't be told apart or put in order.
    """
    names = listed(by)
    if not names:
        return pd.DataFrame(index=pd.RangeIndex(1)), np.zeros(len(frame), dtype=np.int64)
    require(frame, names)
    segments = frame[names].reset_index(drop=True)
    segments.columns = pd.RangeIndex(len(names))  # the user's columns may be called anything
    try:
        codes = segments.groupby(list(segments.columns), dropna=False, observed=True, sort=True).ngroup().to_numpy()
    except TypeError:  # lists, or values of kinds that have no order among them
        columns = ", ".join(map(repr, names))
        raise PlanError(
            f"by= takes columns of plain values, such as texts or numbers; convert {columns} first"
        ) from None
    distinct = segments.take(np.unique(codes, return_index=True)[1]).reset_index(drop=True)
    distinct.columns = pd.Index(names)
    return distinct, codes


def funnel(segments: pd.DataFrame, codes: np.ndarray, stages: dict[str, np.ndarray]) -> pd.DataFrame:
    """Count rows by segment and stage.

    Args:
        segments: A row for each segment.
        codes: For each row of the table, its segment's number.
        stages: For each stage, which rows of the table have reached it.

    Returns:
        The segments, each with ``rows`` and a count for each stage.
    """
    masks = {"rows": np.ones(len(codes), dtype=bool), **stages}
    counts = {name: np.bincount(codes[mask], minlength=len(segments)) for name, mask in masks.items()}
    return pd.concat([segments, pd.DataFrame(counts, index=segments.index)], axis=1)
