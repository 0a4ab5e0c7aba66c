"""How far messages came: accepted, sent, delivered, read, or failed; counted for each segment of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from d7nb.errors import PlanError
from d7nb.tables.frames import listed, require

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from d7nb.store.message_status import MessageStatuses

STAGES = ("accepted", "sent", "delivered", "read", "failed")
_HAVING_REACHED = {"sent": ("sent", "delivered", "read"), "delivered": ("delivered", "read"), "read": ("read",)}


def reached(went: np.ndarray, heard: MessageStatuses) -> dict[str, np.ndarray]:
    """Which rows came how far; whoever read a message had it delivered, whether D7 said so or not.

    Args:
        went: Which rows D7 accepted, now or earlier.
        heard: What was heard of each row.
    """
    ever = {word: ~np.isnat(times) for word, times in heard.since.items()}
    stages = {stage: went & np.any([ever[word] for word in words], axis=0) for stage, words in _HAVING_REACHED.items()}
    return {"accepted": went, **stages, "failed": went & (heard.status == "failed")}


def segmented(frame: pd.DataFrame, by: Hashable | Sequence[Hashable] | None) -> tuple[pd.DataFrame, np.ndarray]:
    """The segments of a table, one line each in the order of their values, and the line of each row.

    Args:
        frame: The user's table.
        by: A column, or several; none for one segment.

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
        told = ", ".join(map(repr, names))
        raise PlanError(f"by= takes columns of plain values, such as texts or numbers; make {told} so first") from None
    lines = segments.take(np.unique(codes, return_index=True)[1]).reset_index(drop=True)
    lines.columns = pd.Index(names)
    return lines, codes


def funnel(lines: pd.DataFrame, codes: np.ndarray, stages: dict[str, np.ndarray]) -> pd.DataFrame:
    """Count rows by segment and stage.

    Args:
        lines: The segments.
        codes: The segment of each row.
        stages: Which rows came how far.

    Returns:
        The segments, each with ``rows`` and a count for each stage.
    """
    counted = {"rows": np.ones(len(codes), dtype=bool), **stages}
    counts = {name: np.bincount(codes[there], minlength=len(lines)) for name, there in counted.items()}
    return pd.concat([lines, pd.DataFrame(counts, index=lines.index)], axis=1)
