"""Look-ups of what the ledger knows of a campaign's rows, matched a column at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sqlalchemy import func, select

from d7nb.store.database import HASH_SIZE
from d7nb.store.keys import check_keys, key_bytes
from d7nb.store.request_state import FEW, Request, presume_unknown, request_columns, request_from
from d7nb.store.schema import HEXADECIMAL, KEY_SIZE, NOTHING_SENT, last, requests, rows, runs
from d7nb.tables.arrays import group_codes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection

    from d7nb.store.campaign import CampaignLedger

_NOBODY = bytes(HASH_SIZE)
"""Stands for the hash of a person where there is none."""


@dataclass(frozen=True)
class RowStates:
    """The states of some rows in the ledger, in their order; made by `find_row_states`.

    Attributes:
        outcome: accepted, rejected, unknown or unsent; None where the ledger does not know the row.
        code: D7's error code, or one of the ledger's own, such as `SETTLED` where a person said what became of the row.
        reason: The sentence that goes with it; None where the ledger does not know the row.
        request_id: D7's id of the request, where it gave one.
        created_at: D7's time of it, as given.
        recorded_at: When the outcome was recorded, ``datetime64`` in UTC.
        sending: Whether a run is sending the row at this moment; its outcome is then unsent.
        since: Since when it is being sent, ``datetime64`` in UTC.
        other_text: Whether the person already got another row of this campaign, or may have, which is not among these.
        request: The number of the request that decides about the row; 0 where the ledger does not know the row.
        last_request_seen: The number of the campaign's last request at the time of the look-up; 0 where it has none.
    """

    outcome: np.ndarray
    code: np.ndarray
    reason: np.ndarray
    request_id: np.ndarray
    created_at: np.ndarray
    recorded_at: np.ndarray
    sending: np.ndarray
    since: np.ndarray
    other_text: np.ndarray
    request: np.ndarray
    last_request_seen: int = 0

    @classmethod
    def empty(cls, count: int) -> RowStates:
        """Return the states of rows that the ledger does not know.

        Example:
            >>> RowStates.empty(2).outcome.tolist()
            [None, None]
        """
        columns: dict[str, Any] = {
            name: np.full(count, None, dtype=object)
            for name in ("outcome", "code", "reason", "request_id", "created_at")
        }
        columns |= {name: np.full(count, "NaT", dtype="datetime64[us]") for name in ("recorded_at", "since")}
        columns |= {name: np.zeros(count, dtype=bool) for name in ("sending", "other_text")}
        return cls(**columns, request=np.zeros(count, dtype=np.int64))


class _StoredRows(NamedTuple):
    """A campaign's rows as columns.

    Attributes:
        keys: ``uint8`` of shape (rows, 16).
        persons: Hashes of the recipients, of the same shape.
        requests: The request that decides about each row: its position among the campaign's requests.
    """

    keys: np.ndarray
    persons: np.ndarray
    requests: np.ndarray


def find_row_states(
    campaign: CampaignLedger, keys: np.ndarray, people: Sequence[str | None], *, at: datetime
) -> RowStates:
    """Look up what the ledger knows of some rows of a campaign, without claiming them.

    Args:
        campaign: The campaign.
        keys: Each row's key, ``uint8`` of shape (rows, 16).
        people: Each row's recipient, one form for all national variants; None where there is none.
        at: Now.

    Returns:
        What is known, row by row.

    Raises:
        LedgerError: The ledger can't be used.
    """
    check_keys(keys)
    states = RowStates.empty(len(keys))
    if campaign.destination_id is None:
        return states
    hash_recipients = campaign.database.hash_recipients
    conditions = []
    if len(keys) <= FEW:
        conditions.append(rows.c.key.in_(key_bytes(keys)) | rows.c.person.in_(hash_recipients(people)))
    _presume_unknown(campaign, at)
    read = _read(campaign, conditions)
    if read is None:
        return states
    stored_requests, stored = read
    states = replace(states, last_request_seen=stored_requests[-1].id)
    positions = _positions_among(stored.keys, keys)
    known = np.flatnonzero(positions >= 0)
    positions = positions[known]
    _fill(states, known, stored_requests, stored.requests[positions], at)
    has_other_text = ~_are_free(stored_requests)[stored.requests]
    has_other_text[positions] = False
    if has_other_text.any():
        hashes = hash_recipients(people)
        states.other_text[:] = _positions_among(stored.persons[has_other_text], _hash_column(hashes)) >= 0
        states.other_text[_are_missing(hashes)] = False
    return states


def last_keys(campaign: CampaignLedger, people: Sequence[str | None]) -> np.ndarray:
    """Look up which row of a campaign each person got last, or is to get.

    Args:
        campaign: The campaign.
        people: One form for all variants of a number; None for nobody.

    Returns:
        Its key, ``uint8`` of shape (people, 16); zeros where there is none.

    Raises:
        LedgerError: The ledger can't be used.
    """
    keys = np.zeros((len(people), KEY_SIZE), dtype=np.uint8)
    if campaign.destination_id is None:
        return keys
    hashes = campaign.database.hash_recipients(people)
    conditions = []
    if len(people) <= FEW:
        conditions.append(rows.c.person.in_([person for person in hashes if person is not None]))
    read = _read(campaign, conditions)
    if read is None:
        return keys
    stored_requests, stored = read
    went_out = ~_are_free(stored_requests)[stored.requests]
    claimed_at = np.array([request.claimed_at for request in stored_requests], dtype=np.int64)[stored.requests]
    # What went out counts before what did not, then the latest. What was settled has a new request, but an old claim.
    order = np.lexsort((stored.requests, claimed_at, went_out))
    positions = _positions_among(stored.persons[order], _hash_column(hashes))
    has_row = (positions >= 0) & ~_are_missing(hashes)
    keys[has_row] = stored.keys[order[positions[has_row]]]
    return keys


def has_earlier_request_in_doubt(campaign: CampaignLedger, keys: np.ndarray) -> np.ndarray:
    """Tell for each row whether it was sent again on purpose while it is unknown if an earlier request arrived.

    Args:
        campaign: The campaign.
        keys: Each row's key, ``uint8`` of shape (rows, 16).

    Raises:
        LedgerError: The ledger can't be used.
    """
    earlier = requests.alias("earlier")
    if campaign.destination_id is None:
        return np.zeros(len(keys), dtype=bool)
    query = select(rows.c.key).join(last, last.c.id == rows.c.request).join(earlier, earlier.c.id == rows.c.sent)
    query = query.where(*campaign.conditions(last), earlier.c.outcome == "unknown")
    with campaign.database.reading() as connection:
        doubtful = set(connection.execute(query).scalars())
    return np.array([key in doubtful for key in key_bytes(keys)], dtype=bool)


def _presume_unknown(campaign: CampaignLedger, at: datetime) -> None:
    """Record that requests are in doubt which nobody sends any more."""
    conditions = [*campaign.conditions(requests), requests.c.outcome.is_(None)]
    with campaign.database.reading() as connection:
        all_live = all(request.is_being_sent(at) for request in _read_requests(connection, conditions))
    if not all_live:
        with campaign.database.writing() as connection:  # read again: an answer may have come meanwhile
            presume_unknown(connection, _read_requests(connection, conditions), at)


def _read(
    campaign: CampaignLedger, conditions: Sequence[ColumnElement[bool]]
) -> tuple[list[Request], _StoredRows] | None:
    """Read a campaign's requests, in the order of their numbers, and the rows that meet the conditions.

    Returns:
        Both; None where the campaign has no request yet.
    """
    with campaign.database.reading() as connection:
        stored_requests = _read_requests(connection, campaign.conditions(requests))
        if not stored_requests:
            return None
        stored = _read_rows(connection, [*campaign.conditions(last), *conditions])
    numbers = [request.id for request in stored_requests]
    return stored_requests, stored._replace(requests=np.searchsorted(numbers, stored.requests))


def _read_requests(connection: Connection, conditions: Sequence[ColumnElement[bool]]) -> list[Request]:
    query = select(*request_columns(requests)).join(runs, runs.c.id == requests.c.run)
    return [request_from(row) for row in connection.execute(query.where(*conditions).order_by(requests.c.id))]


def _read_rows(connection: Connection, conditions: Sequence[ColumnElement[bool]]) -> _StoredRows:
    """Read rows as columns, with the numbers of their requests.

    The database joins those of a request to one text: a million rows are no million objects.
    """
    keys, persons, numbers, counts = bytearray(), bytearray(), [], []
    hexadecimal = HEXADECIMAL[connection.dialect.name]
    columns = [hexadecimal(rows.c.key), hexadecimal(func.coalesce(rows.c.person, _NOBODY))]
    an_earlier_decides = last.c.outcome.in_(NOTHING_SENT) & rows.c.sent.is_not(
        None
    )  # `decided` in two parts: see below
    the_last_decides = last.c.outcome.is_(None) | last.c.outcome.not_in(NOTHING_SENT) | rows.c.sent.is_(None)
    # The first part comes in the order of an index, and holds nearly all; in one part, all would have to be sorted.
    for number, part in ((last.c.id, the_last_decides), (rows.c.sent, an_earlier_decides)):
        query = select(number, *(func.aggregate_strings(column, "") for column in columns))
        query = query.select_from(rows.join(last, last.c.id == rows.c.request)).where(*conditions, part)
        for request, joined_keys, joined_persons in connection.execute(query.group_by(number)):
            keys += bytes.fromhex(joined_keys)
            persons += bytes.fromhex(joined_persons)
            numbers.append(request)
            counts.append(len(joined_keys) // (2 * KEY_SIZE))
    repeated = np.repeat(np.array(numbers, dtype=np.int64), counts)
    return _StoredRows(_split_column(keys, KEY_SIZE), _split_column(persons, HASH_SIZE), repeated)


def _split_column(joined: bytes | bytearray, size: int) -> np.ndarray:
    return np.frombuffer(joined, dtype=np.uint8).reshape(-1, size)


def _hash_column(hashes: Sequence[bytes | None]) -> np.ndarray:
    return _split_column(b"".join(_NOBODY if person is None else person for person in hashes), HASH_SIZE)


def _are_missing(hashes: Sequence[bytes | None]) -> np.ndarray:
    return np.array([person is None for person in hashes], dtype=bool)


def _are_free(stored_requests: Sequence[Request]) -> np.ndarray:
    return np.array([request.free for request in stored_requests], dtype=bool)


def _positions_among(digests: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the position of each wanted digest among some, the last where it occurs several times; -1 for none."""
    codes = group_codes(np.concatenate([wanted, digests]))
    positions: np.ndarray = np.full(len(codes), -1)
    positions[codes[len(wanted) :]] = np.arange(len(digests))
    wanted_positions: np.ndarray = positions[codes[: len(wanted)]]
    return wanted_positions


def _fill(
    states: RowStates, known: np.ndarray, stored_requests: Sequence[Request], deciding: np.ndarray, at: datetime
) -> None:
    """Fill in the states of rows that the ledger knows.

    Args:
        states: The states of all rows; changed here.
        known: Positions of the rows that the ledger knows.
        stored_requests: The campaign's requests.
        deciding: For each of these rows, the position of the request that decides about it.
        at: Now.
    """
    used, inverse = np.unique(deciding, return_inverse=True)
    used_requests = [stored_requests[position] for position in used]
    columns: dict[str, tuple[Any, list[Any]]] = {
        "request": (np.int64, [request.id for request in used_requests]),
        "outcome": (object, [request.outcome or "unsent" for request in used_requests]),
        "code": (object, [request.code for request in used_requests]),
        "reason": (object, [request.explain(at) for request in used_requests]),
        "request_id": (object, [request.request_id for request in used_requests]),
        "created_at": (object, [request.created_at for request in used_requests]),
        "recorded_at": ("datetime64[us]", [request.recorded_at for request in used_requests]),
        "sending": (bool, [request.outcome is None for request in used_requests]),
        "since": ("datetime64[us]", [None if request.outcome else request.claimed_at for request in used_requests]),
    }
    for name, (dtype, values) in columns.items():
        getattr(states, name)[known] = np.array(values, dtype=dtype)[inverse]
