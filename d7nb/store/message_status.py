"""Look-ups of the statuses of rows' messages, matched a column at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from sqlalchemy import select

from d7nb.api.statuses import STAGES, rank
from d7nb.store.questions import rows_table
from d7nb.store.schema import messages, statuses

if TYPE_CHECKING:
    from sqlalchemy import Connection, Subquery, Table

    from d7nb.store.campaign import CampaignLedger


@dataclass(frozen=True)
class MessageStatuses:
    """The statuses of some rows, in their order; made by `find_statuses`.

    Attributes:
        status: The status that counts, by `d7nb.api.statuses`; None where there is none.
        reason: D7's reason for it; None where it gave none.
        msg_id: D7's id of the message; None where it gave none.
        reached: Since when it is known to have this status, ``datetime64`` in UTC.
        since: The same for each status that we know, whether it counts or not.
    """

    status: np.ndarray
    reason: np.ndarray
    msg_id: np.ndarray
    reached: np.ndarray
    since: dict[str, np.ndarray]

    @classmethod
    def empty(cls, count: int) -> MessageStatuses:
        """Return the statuses of rows of which none is known.

        Example:
            >>> MessageStatuses.empty(2).status.tolist()
            [None, None]
        """
        status, reason, msg_id = (np.full(count, None, dtype=object) for _ in range(3))
        at, *others = (np.full(count, "NaT", dtype="datetime64[us]") for _ in range(1 + len(STAGES)))
        return cls(status, reason, msg_id, at, dict(zip(STAGES, others, strict=True)))

    def take(self, positions: np.ndarray) -> MessageStatuses:
        """Return the statuses of the rows at some positions, which may be repeated."""
        since = {status: times[positions] for status, times in self.since.items()}
        return MessageStatuses(
            self.status[positions], self.reason[positions], self.msg_id[positions], self.reached[positions], since
        )

    def expand(self, positions: np.ndarray, count: int) -> MessageStatuses:
        """Return the statuses for a longer table, of which these are some rows.

        Args:
            positions: The positions of these rows in that table.
            count: How many rows that table has; the others have no status.
        """
        expanded = MessageStatuses.empty(count)
        for name in ("status", "reason", "msg_id", "reached"):
            getattr(expanded, name)[positions] = getattr(self, name)
        for status, times in self.since.items():
            expanded.since[status][positions] = times
        return expanded


def find_statuses(campaign: CampaignLedger, keys: np.ndarray, numbers: np.ndarray) -> MessageStatuses:
    """Look up the statuses of some rows of a campaign.

    Args:
        campaign: The campaign.
        keys: Each row's key, ``uint8`` of shape (rows, 16).
        numbers: The request that decides about each row, as `RowStates.request` gives it; 0 where there is none.

    Returns:
        The statuses, row by row.

    Raises:
        LedgerError: The ledger can't be used.
    """
    found = MessageStatuses.empty(len(keys))
    sent = np.flatnonzero(numbers)
    if campaign.id is None or not len(sent):
        return found
    with campaign.database.reading() as connection:
        asked = rows_table(connection, campaign.row_keys(keys[sent]), numbers[sent].tolist())
        positions, msg_ids = _read(connection, asked, messages, "msg_id")
        found.msg_id[sent[positions]] = msg_ids
        positions, names, times, reasons = _read(connection, asked, statuses, "status", "at", "reason")
    moments = times.astype(np.int64).view("datetime64[us]")
    _fill(found, sent[positions], _StoredStatuses(names, moments, reasons))
    return found


def _read(connection: Connection, asked: Subquery, table: Table, *names: str) -> list[np.ndarray]:
    """Read some columns of what a table has about rows, after the rows' positions."""
    is_same = (table.c.request == asked.c.request) & (table.c.key == asked.c.key)
    query = select(asked.c.position, *(table.c[name] for name in names)).join_from(asked, table, is_same)
    columns = list(zip(*connection.execute(query).all(), strict=True)) or [()] * (1 + len(names))
    return [np.array(columns[0], dtype=np.int64), *(np.array(column, dtype=object) for column in columns[1:])]


class _StoredStatuses(NamedTuple):
    """Statuses as columns; a row has one for each status that its message ever had."""

    statuses: np.ndarray
    times: np.ndarray
    reasons: np.ndarray

    def take(self, positions: np.ndarray) -> _StoredStatuses:
        """Return the statuses at some positions."""
        return _StoredStatuses(*(column[positions] for column in self))


def _fill(target: MessageStatuses, rows: np.ndarray, stored: _StoredStatuses) -> None:
    """Fill in stored statuses.

    Args:
        target: The statuses of all rows; changed here.
        rows: The position in it of each stored status.
        stored: The stored statuses.
    """
    for status, since in target.since.items():
        has_status = stored.statuses == status
        since[rows[has_status]] = stored.times[has_status]
    codes, distinct = pd.factorize(stored.statuses, sort=True)
    ranks = np.array([rank(status) for status in distinct.tolist()])[codes]
    order = np.lexsort((codes, stored.times, ranks))  # of statuses that we don't know, the latest counts
    rows, ordered = rows[order], stored.take(order)
    target.status[rows] = ordered.statuses  # of a row's several statuses, the last assignment stays
    target.reached[rows], target.reason[rows] = ordered.times, ordered.reasons
    target.reason[target.reason == ""] = None
