"""The statements that record what became of a claimed request, or of some of its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import bindparam, func, select, update

from d7nb.store.questions import hashes_table
from d7nb.store.request_state import lock_rows, split_off
from d7nb.store.schema import PRESUMED, requests, rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from d7nb.store.claims import Claim

_OUTCOME = ("outcome", "request_id", "created_at", "status", "code", "reason", "recorded_at")
_UPDATE = (
    update(requests)
    .where(requests.c.id == bindparam("number"), requests.c.run == bindparam("of_run"))
    .values({name: bindparam(f"new_{name}") for name in _OUTCOME})
)
RECORD = _UPDATE.where(requests.c.outcome.is_(None))
"""Records the outcome of a request that has none yet."""
_CORRECT = _UPDATE.where(requests.c.code == PRESUMED)


def record_request(
    connection: Connection, run: str, claim: Claim, columns: dict[str, Any], *, record: Callable[..., Any]
) -> bool:
    """Record the outcome of a whole request that has none yet.

    Args:
        connection: In a write transaction.
        run: The id of the run that claimed it.
        claim: The claim.
        columns: The outcome and what goes with it.
        record: `RECORD`, compiled by `prepare`.

    Returns:
        Whether it was recorded; it is not where the request has an outcome by now.
    """
    return bool(record(connection, _parameters(run, claim, columns)).rowcount)


def correct_request(connection: Connection, run: str, claim: Claim, columns: dict[str, Any]) -> int:
    """Record the outcome of a whole request that was presumed unknown meanwhile; arguments as for `record_request`.

    Returns:
        How many rows it still has; 0 where it is no longer this run's to record.
    """
    if not connection.execute(_CORRECT, _parameters(run, claim, columns)).rowcount:
        return 0
    remaining = select(func.count()).where(rows.c.request == claim.request)
    return int(connection.execute(remaining).scalar_one())


def record_rows(connection: Connection, run: str, claim: Claim, mask: np.ndarray, *, columns: dict[str, Any]) -> int:
    """Record an outcome of some rows alone: they get a request of their own, like the one they were claimed for.

    Args:
        connection: In a write transaction.
        run: The id of the run that claimed them.
        claim: The claim.
        mask: Which of its rows.
        columns: The outcome and what goes with it.

    Returns:
        How many of the rows are still that request's.
    """
    is_own = requests.c.run == run, requests.c.outcome.is_(None) | (requests.c.code == PRESUMED)
    new_number = split_off(connection, claim.request, columns, *is_own)
    if new_number is None:
        return 0
    keys = [claim.keys[row] for row in np.flatnonzero(mask)]
    lock_rows(connection, claim.campaign_id, keys)
    of_claim = rows.c.campaign == claim.campaign_id, rows.c.request == claim.request
    moved = update(rows).where(*of_claim, rows.c.key.in_(select(hashes_table(connection, keys).c.value)))
    return connection.execute(moved.values(request=new_number)).rowcount


def _parameters(run: str, claim: Claim, columns: dict[str, Any]) -> dict[str, Any]:
    return {f"new_{name}": value for name, value in columns.items()} | {"number": claim.request, "of_run": run}


def group_by_reason(
    selected: np.ndarray, positions: np.ndarray | Sequence[int] | None, reasons: Sequence[str] | None
) -> list[tuple[np.ndarray, str | None]]:
    """Return masks of the rows that share a reason, each with that reason; None where one serves all.

    Args:
        selected: A mask of the rows to record.
        positions: Their positions, where only some rows of a claim are recorded.
        reasons: A reason for each position, where they differ.
    """
    if not reasons or positions is None:
        return [(selected, None)]
    masks = {reason: np.zeros_like(selected) for reason in reasons}
    for position, reason in zip(positions, reasons, strict=True):
        masks[reason][position] = True
    return [(mask, reason) for reason, mask in masks.items()]
