"""What the ledger knows of the rows of a plan: one reading of the campaign, matched a column at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sqlalchemy import func, select

from d7nb.store.database import HASH_SIZE
from d7nb.store.keys import check_keys, key_bytes
from d7nb.store.request_state import FEW, Request, columns_of, presume, request_of
from d7nb.store.schema import HEXADECIMAL, KEY_SIZE, RELEASED, last, requests, rows, runs
from d7nb.tables.arrays import group_codes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection

    from d7nb.store.campaign import CampaignLedger
    from d7nb.store.database import Database

_NOBODY = bytes(HASH_SIZE)


@dataclass(frozen=True)
class RowStates:
    """What the ledger knows of some rows, in their order; made by `find_row_states`.

    Attributes:
        outcome: accepted, rejected, unknown or unsent; None where the ledger does not know the row.
        code: D7's word for what went wrong, or the ledger's own: `SETTLED` where a person said what became of the row.
        reason: The sentence that goes with it; None where the ledger does not know the row.
        request_id: D7's id of the request, where it gave one.
        created_at: D7's time of it, as given.
        recorded_at: When the outcome was recorded, ``datetime64`` in UTC.
        sending: Whether a run is just sending the row; its outcome is then unsent.
        since: Since when, ``datetime64`` in UTC.
        other_text: Whether the person already got another row of this campaign, or may have: one not among these.
        request: The number of the request that decides about the row; 0 where the ledger does not know the row.
        last_request_seen: The number of the campaign's last request that this knows of.
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
    def nothing(cls, count: int) -> RowStates:
        """What a new ledger knows of so many rows.

        Example:
            >>> RowStates.nothing(2).outcome.tolist()
            [None, None]
        """
        columns: dict[str, Any] = {
            name: np.full(count, None, dtype=object)
            for name in ("outcome", "code", "reason", "request_id", "created_at")
        }
        columns |= {name: np.full(count, "NaT", dtype="datetime64[us]") for name in ("recorded_at", "since")}
        columns |= {name: np.zeros(count, dtype=bool) for name in ("sending", "other_text")}
        return cls(**columns, request=np.zeros(count, dtype=np.int64))


class _Stored(NamedTuple):
    """Rows of a campaign as columns: key and hash of 16 bytes each, and the number of the request that decides."""

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
    known, few = RowStates.nothing(len(keys)), len(keys) <= FEW
    if campaign.destination_id is None:
        return known
    database, ours = campaign.database, campaign.conditions(requests)
    _presume(database, ours, at)
    with database.reading() as connection:
        found = _requests(connection, ours)
        if not found:
            return known
        known = replace(known, last_request_seen=found[-1].id)
        wanted = campaign.conditions(last)
        if few:
            wanted.append(rows.c.key.in_(key_bytes(keys)) | rows.c.person.in_(database.people(people)))
        stored = _rows(connection, wanted)
    deciding_ones = np.searchsorted([request.id for request in found], stored.requests)
    codes = group_codes(np.concatenate([keys, stored.keys]))
    asked, kept = codes[: len(keys)], codes[len(keys) :]
    place_of = np.full(len(codes), -1)
    place_of[kept] = np.arange(len(kept))
    rows_known = np.flatnonzero(place_of[asked] >= 0)
    _tell(known, rows_known, found, deciding_ones[place_of[asked[rows_known]]], at)
    gone = ~np.array([request.free for request in found])
    others = stored.persons[gone[deciding_ones] & ~np.isin(kept, asked)]
    if len(others):
        known.other_text[:] = _among(database.people(people), others)
    return known


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
    database, ours = campaign.database, campaign.conditions(requests)
    wanted = campaign.conditions(last)
    hashes = database.people(people)
    if len(people) <= FEW:
        wanted.append(rows.c.person.in_([each for each in hashes if each is not None]))
    with database.reading() as connection:
        found = _requests(connection, ours)
        stored = _rows(connection, wanted)
    went = ~np.array([request.free for request in found], dtype=bool)
    deciding_ones = np.searchsorted([request.id for request in found], stored.requests)
    # What went out before what did not, then the latest. What was settled has a new request, but was claimed long ago.
    claimed = np.array([request.claimed_at for request in found], dtype=np.int64)
    order = np.lexsort((stored.requests, claimed[deciding_ones], went[deciding_ones]))
    asked = _columns(b"".join(_NOBODY if each is None else each for each in hashes), HASH_SIZE)
    codes = group_codes(np.concatenate([asked, stored.persons[order]]))
    place_of = np.full(len(codes), -1)
    place_of[codes[len(asked) :]] = order
    chosen = place_of[codes[: len(asked)]]
    there = (chosen >= 0) & np.array([each is not None for each in hashes], dtype=bool)
    keys[there] = stored.keys[chosen[there]]
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


def _presume(database: Database, ours: Sequence[ColumnElement[bool]], at: datetime) -> None:
    """Record that requests are in doubt which nobody sends any more."""
    still_open = [*ours, requests.c.outcome.is_(None)]
    with database.reading() as connection:
        gone = not all(request.going(at) for request in _requests(connection, still_open))
    if gone:
        with database.writing() as connection:  # asked again: an answer may have come meanwhile
            presume(connection, _requests(connection, still_open), at)


def _requests(connection: Connection, conditions: Sequence[ColumnElement[bool]]) -> list[Request]:
    """Requests in the order of their numbers."""
    query = select(*columns_of(requests)).join(runs, runs.c.id == requests.c.run)
    return [request_of(row) for row in connection.execute(query.where(*conditions).order_by(requests.c.id))]


def _rows(connection: Connection, conditions: Sequence[ColumnElement[bool]]) -> _Stored:
    """Rows as columns. The database joins those of a request to one text: a million rows are no million objects."""
    keys, persons, numbers, counts = bytearray(), bytearray(), [], []
    hexadecimal = HEXADECIMAL[connection.dialect.name]
    columns = [hexadecimal(rows.c.key), hexadecimal(func.coalesce(rows.c.person, _NOBODY))]
    an_earlier_decides = last.c.outcome.in_(RELEASED) & rows.c.sent.is_not(None)  # `decided` in two parts: see below
    the_last_decides = last.c.outcome.is_(None) | last.c.outcome.not_in(RELEASED) | rows.c.sent.is_(None)
    # The first part comes in the order of an index, and holds nearly all; in one part, all would have to be sorted.
    for number, part in ((last.c.id, the_last_decides), (rows.c.sent, an_earlier_decides)):
        query = select(number, *(func.aggregate_strings(column, "") for column in columns))
        query = query.select_from(rows.join(last, last.c.id == rows.c.request)).where(*conditions, part)
        for request, of_keys, of_persons in connection.execute(query.group_by(number)):
            keys += bytes.fromhex(of_keys)
            persons += bytes.fromhex(of_persons)
            numbers.append(request)
            counts.append(len(of_keys) // (2 * KEY_SIZE))
    repeated = np.repeat(np.array(numbers, dtype=np.int64), counts)
    return _Stored(_columns(keys, KEY_SIZE), _columns(persons, HASH_SIZE), repeated)


def _columns(joined: bytes | bytearray, size: int) -> np.ndarray:
    return np.frombuffer(joined, dtype=np.uint8).reshape(-1, size)


def _tell(
    known: RowStates, places: np.ndarray, found: Sequence[Request], deciding_ones: np.ndarray, at: datetime
) -> None:
    """Write down for some rows what the requests say that decide about them."""
    used, own = np.unique(deciding_ones, return_inverse=True)
    those = [found[number] for number in used]
    columns: dict[str, tuple[Any, list[Any]]] = {
        "request": (np.int64, [request.id for request in those]),
        "outcome": (object, [request.outcome or "unsent" for request in those]),
        "code": (object, [request.code for request in those]),
        "reason": (object, [request.told(at) for request in those]),
        "request_id": (object, [request.request_id for request in those]),
        "created_at": (object, [request.created_at for request in those]),
        "recorded_at": ("datetime64[us]", [request.recorded_at for request in those]),
        "sending": (bool, [request.outcome is None for request in those]),
        "since": ("datetime64[us]", [None if request.outcome else request.claimed_at for request in those]),
    }
    for name, (kind, values) in columns.items():
        getattr(known, name)[places] = np.array(values, dtype=kind)[own]


def _among(hashes: Sequence[bytes | None], others: np.ndarray) -> np.ndarray:
    """Which of some people are among others."""
    asked = _columns(b"".join(_NOBODY if one is None else one for one in hashes), HASH_SIZE)
    codes = group_codes(np.concatenate([asked, others]))
    somebody = np.array([one is not None for one in hashes])
    among: np.ndarray = np.isin(codes[: len(asked)], codes[len(asked) :]) & somebody
    return among
