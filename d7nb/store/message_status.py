"""Look-ups of the statuses of rows' messages, matched a column at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from sqlalchemy import Text, cast, func, select

from d7nb.api.statuses import STAGES, rank
from d7nb.store.keys import key_bytes
from d7nb.store.request_state import FEW
from d7nb.store.schema import HEXADECIMAL, KEY_SIZE, SEPARATOR, requests, statuses
from d7nb.tables.arrays import group_codes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection

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
    if campaign.destination_id is None or not numbers.any():
        return MessageStatuses.empty(len(keys))
    conditions = campaign.conditions(requests)
    if len(keys) <= FEW:
        conditions.append(statuses.c.key.in_(key_bytes(keys)))
    with campaign.database.reading() as connection:
        stored_keys, stored_requests, stored = _read_statuses(connection, conditions)
    if not len(stored_requests):
        return MessageStatuses.empty(len(keys))
    codes = group_codes(np.concatenate([keys, stored_keys]))
    row_codes, stored_codes = codes[: len(keys)], codes[len(keys) :]
    deciding = np.zeros(codes.max() + 1, dtype=np.int64)
    deciding[row_codes] = numbers
    of_deciding = np.flatnonzero(deciding[stored_codes] == stored_requests)
    by_code = MessageStatuses.empty(len(deciding))
    _fill(by_code, stored_codes[of_deciding], stored.take(of_deciding))
    return by_code.take(row_codes)


class _StoredStatuses(NamedTuple):
    """Statuses as columns; a row has one for each status that its message ever had."""

    statuses: np.ndarray
    times: np.ndarray
    msg_ids: np.ndarray
    reasons: np.ndarray

    def take(self, positions: np.ndarray) -> _StoredStatuses:
        """Return the statuses at some positions."""
        return _StoredStatuses(*(column[positions] for column in self))


def _read_statuses(
    connection: Connection, conditions: Sequence[ColumnElement[bool]]
) -> tuple[np.ndarray, np.ndarray, _StoredStatuses]:
    """Read statuses as columns; the database joins those of a request to one text a column.

    Returns:
        For each status the key of its row, the number of its request, and the status itself.
    """
    keys, numbers, counts = bytearray(), [], []
    times: list[str] = []
    texts: tuple[list[str], ...] = ([], [], [])
    columns = [cast(statuses.c.at, Text), statuses.c.status, statuses.c.msg_id, statuses.c.reason]
    query = select(
        statuses.c.request,
        func.aggregate_strings(HEXADECIMAL[connection.dialect.name](statuses.c.key), ""),
        *(func.aggregate_strings(column, SEPARATOR) for column in columns),
    )
    query = query.join(requests, requests.c.id == statuses.c.request).where(*conditions).group_by(statuses.c.request)
    for number, joined_keys, joined_times, *joined_texts in connection.execute(query):
        keys += bytes.fromhex(joined_keys)
        request_times = joined_times.split(SEPARATOR)
        times += request_times
        numbers.append(number)
        counts.append(len(request_times))
        for column, joined in zip(texts, joined_texts, strict=True):
            column.extend(joined.split(SEPARATOR))
    names, msg_ids, reasons = (np.array(column, dtype=object) for column in texts)
    moments = np.array(times, dtype=object).astype(np.int64).view("datetime64[us]")
    return (
        np.frombuffer(keys, dtype=np.uint8).reshape(-1, KEY_SIZE),
        np.repeat(np.array(numbers, dtype=np.int64), counts),
        _StoredStatuses(names, moments, msg_ids, reasons),
    )


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
    has_id = stored.msg_ids != ""
    target.msg_id[rows[has_id]] = stored.msg_ids[has_id]
    codes, distinct = pd.factorize(stored.statuses, sort=True)
    ranks = np.array([rank(status) for status in distinct.tolist()])[codes]
    order = np.lexsort((codes, stored.times, ranks))  # of statuses that we don't know, the latest counts
    rows, ordered = rows[order], stored.take(order)
    target.status[rows] = ordered.statuses  # of a row's several statuses, the last assignment stays
    target.reached[rows], target.reason[rows] = ordered.times, ordered.reasons
    target.reason[target.reason == ""] = None
