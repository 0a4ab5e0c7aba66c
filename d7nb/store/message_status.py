"""What was heard of rows' messages after they were sent, matched to a plan's rows a column at a time."""

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
    """What was heard of some rows, in their order; made by `find_statuses`.

    Attributes:
        status: The status that counts, by `d7nb.api.statuses`; None where nothing was heard.
        reason: What D7 said about it; None where it said nothing.
        msg_id: D7's id of the message; None where it gave none.
        reached: Since when it is known to have this status, ``datetime64`` in UTC.
        since: The same for each word that we know, whether it counts or not.
    """

    status: np.ndarray
    reason: np.ndarray
    msg_id: np.ndarray
    reached: np.ndarray
    since: dict[str, np.ndarray]

    @classmethod
    def nothing(cls, count: int) -> MessageStatuses:
        """What a new ledger has heard of so many rows.

        Example:
            >>> MessageStatuses.nothing(2).status.tolist()
            [None, None]
        """
        status, reason, msg_id = (np.full(count, None, dtype=object) for _ in range(3))
        at, *others = (np.full(count, "NaT", dtype="datetime64[us]") for _ in range(1 + len(STAGES)))
        return cls(status, reason, msg_id, at, dict(zip(STAGES, others, strict=True)))

    def take(self, places: np.ndarray) -> MessageStatuses:
        """The same of some of the rows, or of rows more than once."""
        since = {word: times[places] for word, times in self.since.items()}
        return MessageStatuses(
            self.status[places], self.reason[places], self.msg_id[places], self.reached[places], since
        )

    def spread(self, rows: np.ndarray, count: int) -> MessageStatuses:
        """The same for a longer table, in which these rows stand at some positions, and of the others nothing is known.

        Args:
            rows: The positions.
            count: How many rows that table has.
        """
        spread = MessageStatuses.nothing(count)
        for name in ("status", "reason", "msg_id", "reached"):
            getattr(spread, name)[rows] = getattr(self, name)
        for word, times in self.since.items():
            spread.since[word][rows] = times
        return spread


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
        return MessageStatuses.nothing(len(keys))
    where = campaign.conditions(requests)
    if len(keys) <= FEW:
        where.append(statuses.c.key.in_(key_bytes(keys)))
    with campaign.database.reading() as connection:
        stored = _stored(connection, where)
    if not len(stored.requests):
        return MessageStatuses.nothing(len(keys))
    codes = group_codes(np.concatenate([keys, stored.keys]))
    asked, told = codes[: len(keys)], codes[len(keys) :]
    deciding = np.zeros(codes.max() + 1, dtype=np.int64)
    deciding[asked] = numbers
    ours = deciding[told] == stored.requests
    _, _, words, times, msg_ids, reasons = stored
    told = told[ours]
    heard = MessageStatuses.nothing(len(deciding))
    _date(heard, told, words[ours], times[ours])
    _weigh(heard, told, words[ours], times[ours], reasons[ours])
    named = msg_ids[ours] != ""
    heard.msg_id[told[named]] = msg_ids[ours][named]
    return heard.take(asked)


class _Stored(NamedTuple):
    """Statuses as columns."""

    keys: np.ndarray
    requests: np.ndarray
    words: np.ndarray
    times: np.ndarray
    msg_ids: np.ndarray
    reasons: np.ndarray


def _stored(connection: Connection, where: Sequence[ColumnElement[bool]]) -> _Stored:
    """Statuses as columns; the database joins those of a request to one text a column."""
    keys, numbers, counts = bytearray(), [], []
    times: list[str] = []
    texts: tuple[list[str], ...] = ([], [], [])
    names = (statuses.c.status, statuses.c.msg_id, statuses.c.reason)
    columns = [cast(statuses.c.at, Text), *names]
    query = select(
        statuses.c.request,
        func.aggregate_strings(HEXADECIMAL[connection.dialect.name](statuses.c.key), ""),
        *(func.aggregate_strings(column, SEPARATOR) for column in columns),
    )
    query = query.join(requests, requests.c.id == statuses.c.request).where(*where).group_by(statuses.c.request)
    for number, of_keys, of_times, *others in connection.execute(query):
        keys += bytes.fromhex(of_keys)
        moments = of_times.split(SEPARATOR)
        times += moments
        numbers.append(number)
        counts.append(len(moments))
        for column, joined in zip(texts, others, strict=True):
            column.extend(joined.split(SEPARATOR))
    words, msg_ids, reasons = (np.array(column, dtype=object) for column in texts)
    return _Stored(
        np.frombuffer(keys, dtype=np.uint8).reshape(-1, KEY_SIZE),
        np.repeat(np.array(numbers, dtype=np.int64), counts),
        words,
        np.array(times, dtype=object).astype(np.int64).view("datetime64[us]"),
        msg_ids,
        reasons,
    )


def _date(heard: MessageStatuses, rows: np.ndarray, words: np.ndarray, times: np.ndarray) -> None:
    """Since when each row had each status that we know."""
    for word, since in heard.since.items():
        there = words == word
        since[rows[there]] = times[there]


def _weigh(heard: MessageStatuses, rows: np.ndarray, words: np.ndarray, times: np.ndarray, reasons: np.ndarray) -> None:
    """For each row, of the statuses that it had, the one that counts."""
    own, distinct = pd.factorize(words, sort=True)
    weights = np.array([rank(word) for word in distinct.tolist()])[own]
    order = np.lexsort((own, times, weights))  # of words that we don't know, the latest counts
    rows, words, times, reasons = rows[order], words[order], times[order], reasons[order]
    heard.status[rows], heard.reached[rows], heard.reason[rows] = words, times, reasons  # the last assignment stays
    heard.reason[heard.reason == ""] = None
