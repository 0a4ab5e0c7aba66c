"""Look-ups of what the ledger knows of a campaign's rows, matched a column at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sqlalchemy import func, select

from d7nb.store.keys import check_keys
from d7nb.store.questions import hashes_table, numbers_table
from d7nb.store.recipes import BY_CONTENT
from d7nb.store.request_state import Request, presume_unknown, request_columns, request_from
from d7nb.store.schema import KEY_SIZE, campaigns, requests, rows, runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import Column, ColumnElement, Connection

    from d7nb.store.campaign import CampaignLedger


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
        request: The number of the request that decides about the row; 0 where the ledger does not know the row.
        other_request: The number of the last request by which the person got another row of this campaign, or may
            have, which is not among these; 0 where none did. Where rows are told apart by key columns, and are known to
            have been told apart so, another row is no other text.
        last_request_seen: The number of the campaign's last request at the time of the look-up; 0 where it has none.
        recipe: How the campaign's rows are known to be told apart; None where that is not known.
    """

    outcome: np.ndarray
    code: np.ndarray
    reason: np.ndarray
    request_id: np.ndarray
    created_at: np.ndarray
    recorded_at: np.ndarray
    sending: np.ndarray
    since: np.ndarray
    request: np.ndarray
    other_request: np.ndarray
    last_request_seen: int = 0
    recipe: str | None = None

    @property
    def other_text(self) -> np.ndarray:
        """Tell for each row whether its person already got another text in this campaign, or may have."""
        is_other: np.ndarray = self.other_request > 0
        return is_other

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
        columns |= {name: np.zeros(count, dtype=np.int64) for name in ("request", "other_request")}
        return cls(**columns, sending=np.zeros(count, dtype=bool))


class _Found(NamedTuple):
    """Rows that the ledger has, as columns; each was found by one of the values that were asked for.

    Attributes:
        positions: The position of that value in the list.
        keys: The rows' keys, as the ledger stores them.
        last: The number of the last request that claimed each.
        sent: The number of an earlier one that may have sent it; 0 where there is none.
    """

    positions: np.ndarray
    keys: list[bytes]
    last: np.ndarray
    sent: np.ndarray

    def decided_by(self, stored_requests: Requests) -> np.ndarray:
        """Return the position of the request that decides about each row: its last, unless that sent nothing."""
        positions = stored_requests.positions_of(self.last)
        an_earlier = stored_requests.free[positions] & (self.sent > 0)
        positions[an_earlier] = stored_requests.positions_of(self.sent[an_earlier])
        return positions


class Requests:
    """Stored requests, in the order of their numbers.

    Args:
        requests: The requests.
    """

    def __init__(self, requests: Iterable[Request]) -> None:
        self.all = sorted(requests)
        self.numbers = np.array([request.id for request in self.all], dtype=np.int64)
        self.free = np.array([request.free for request in self.all], dtype=bool)

    def positions_of(self, numbers: np.ndarray) -> np.ndarray:
        """Return where requests are, by their numbers."""
        return np.searchsorted(self.numbers, numbers)


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
    campaign_id = campaign.id
    if campaign_id is None:
        return states
    presume_abandoned(campaign, at)
    row_keys, hashes = campaign.row_keys(keys), campaign.database.hash_recipients(people)
    with campaign.database.reading() as connection:
        newest = select(func.max(requests.c.id)).where(requests.c.campaign == campaign_id)
        last_request_seen = int(connection.execute(newest).scalar() or 0)
        found = _find(connection, rows.c.key, campaign_id, row_keys)
        stored_requests = _read_requests(connection, found)
        recipe = connection.execute(select(campaigns.c.recipe).where(campaigns.c.id == campaign_id)).scalar()
        if recipe is None and len(found.positions):  # a row under its key shows how it was made
            recipe = campaign.recipe
        others = {}
        if campaign.recipe is not None:
            same_recipe = campaign.recipe != BY_CONTENT and recipe == campaign.recipe
            told_apart_by = campaign.recipe if same_recipe else None
            others = _other_requests(connection, campaign_id, hashes, set(row_keys), told_apart_by=told_apart_by)
    states = replace(states, last_request_seen=last_request_seen, recipe=recipe)
    _fill(states, found.positions, stored_requests.all, found.decided_by(stored_requests), at)
    if others:
        states.other_request[:] = [0 if person is None else others.get(person, 0) for person in hashes]
    return states


def last_keys(campaign: CampaignLedger, people: Sequence[str | None]) -> np.ndarray:
    """Look up which row of a campaign each person got last, or is to get.

    Args:
        campaign: The campaign.
        people: One form for all variants of a number; None for nobody.

    Returns:
        Its key as the ledger stores it, ``uint8`` of shape (people, 16); zeros where there is none.

    Raises:
        LedgerError: The ledger can't be used.
    """
    keys = np.zeros((len(people), KEY_SIZE), dtype=np.uint8)
    campaign_id = campaign.id
    if campaign_id is None:
        return keys
    hashes = campaign.database.hash_recipients(people)
    has_hash = np.flatnonzero([person is not None for person in hashes])
    with campaign.database.reading() as connection:
        found = _find(connection, rows.c.person, campaign_id, [person for person in hashes if person is not None])
        stored_requests = _read_requests(connection, found)
    deciding = found.decided_by(stored_requests)
    went_out = ~stored_requests.free[deciding]
    claimed_at = np.array([request.claimed_at for request in stored_requests.all], dtype=np.int64)[deciding]
    # What went out counts before what did not, then the latest. What was settled has a new request, but an old claim.
    order = np.lexsort((deciding, claimed_at, went_out))
    stored_keys = np.frombuffer(b"".join(found.keys), dtype=np.uint8).reshape(-1, KEY_SIZE)
    keys[has_hash[found.positions[order]]] = stored_keys[order]  # of a person's several rows, the last one stays
    return keys


def has_earlier_request_in_doubt(campaign: CampaignLedger, keys: np.ndarray) -> np.ndarray:
    """Tell for each row whether it was sent again on purpose while it is unknown if an earlier request arrived.

    Args:
        campaign: The campaign.
        keys: Each row's key, ``uint8`` of shape (rows, 16).

    Raises:
        LedgerError: The ledger can't be used.
    """
    campaign_id = campaign.id
    in_doubt = np.zeros(len(keys), dtype=bool)
    if campaign_id is None:
        return in_doubt
    with campaign.database.reading() as connection:
        found = _find(connection, rows.c.key, campaign_id, campaign.row_keys(keys))
        stored_requests = _read_requests(connection, found)
    was_sent_again = np.flatnonzero(found.sent)
    earlier = stored_requests.positions_of(found.sent[was_sent_again])
    is_unknown = np.array([stored_requests.all[position].outcome == "unknown" for position in earlier], dtype=bool)
    in_doubt[found.positions[was_sent_again[is_unknown]]] = True
    return in_doubt


def presume_abandoned(campaign: CampaignLedger, at: datetime) -> None:
    """Record that requests of a campaign are in doubt which nobody sends any more."""
    database = campaign.database
    conditions = requests.c.campaign == campaign.id, requests.c.outcome.is_(None)
    with database.reading() as connection:
        now = database.now(connection, at)
        all_live = all(request.is_being_sent(now) for request in _requests_where(connection, *conditions))
    if not all_live:
        with database.writing() as connection:  # read again: an answer may have come meanwhile
            presume_unknown(connection, _requests_where(connection, *conditions), database.now(connection, at))


def _find(connection: Connection, column: Column[bytes], campaign_id: int, hashes: Sequence[bytes]) -> _Found:
    """Find a campaign's rows by their keys or persons."""
    nothing = np.zeros(0, dtype=np.int64)
    if not hashes:
        return _Found(nothing, [], nothing, nothing)
    order = sorted(range(len(hashes)), key=hashes.__getitem__)  # neighbours lie on one page
    asked = hashes_table(connection, [hashes[position] for position in order])
    query = select(asked.c.position, rows.c.key, rows.c.request, func.coalesce(rows.c.sent, 0)).select_from(
        asked.join(rows, (rows.c.campaign == campaign_id) & (column == asked.c.value))
    )
    columns = list(zip(*connection.execute(query).all(), strict=True))
    if not columns:
        return _Found(nothing, [], nothing, nothing)
    positions, last, sent = (np.array(columns[place], dtype=np.int64) for place in (0, 2, 3))
    return _Found(np.array(order, dtype=np.int64)[positions], list(columns[1]), last, sent)


def _other_requests(
    connection: Connection,
    campaign_id: int,
    hashes: Sequence[bytes | None],
    own_keys: set[bytes],
    *,
    told_apart_by: str | None,
) -> dict[bytes, int]:
    """Return for each person who got another text, or may have, the number of the last request for it.

    Args:
        connection: Any.
        campaign_id: The number of the campaign.
        hashes: The persons.
        own_keys: Those of the plan's rows.
        told_apart_by: The key columns by which rows are known to be told apart: a row under another key is no other
            text then, unless it was sent otherwise. None where each is one.
    """
    persons = sorted({person for person in hashes if person is not None})
    if not persons:
        return {}
    asked = hashes_table(connection, persons)
    of_persons = select(asked.c.position, rows.c.key).select_from(
        asked.join(rows, (rows.c.campaign == campaign_id) & (rows.c.person == asked.c.value))
    )  # the index holds all of this
    other_rows = {key: position for position, key in connection.execute(of_persons) if key not in own_keys}
    others = _find(connection, rows.c.key, campaign_id, list(other_rows))
    stored_requests = _read_requests(connection, others)
    deciding = others.decided_by(stored_requests)
    went_out = ~stored_requests.free[deciding]
    if told_apart_by is not None:
        otherwise = [request.tells_rows_apart_otherwise(told_apart_by) for request in stored_requests.all]
        went_out &= np.array(otherwise, dtype=bool)[deciding]
    numbers: dict[bytes, int] = {}
    keys = [others.keys[position] for position in np.flatnonzero(went_out)]
    for key, number in zip(keys, others.last[went_out].tolist(), strict=True):
        person = persons[other_rows[key]]
        numbers[person] = max(number, numbers.get(person, 0))
    return numbers


def _read_requests(connection: Connection, found: _Found) -> Requests:
    """Read the requests of some rows."""
    numbers = np.union1d(found.last, found.sent[found.sent > 0]).tolist()
    if not numbers:
        return Requests([])
    asked = numbers_table(connection, numbers)
    query = select(*request_columns(requests)).select_from(
        asked.join(requests, requests.c.id == asked.c.value).join(runs, runs.c.id == requests.c.run)
    )
    return Requests(map(request_from, connection.execute(query)))


def _requests_where(connection: Connection, *conditions: ColumnElement[bool]) -> list[Request]:
    query = select(*request_columns(requests)).join(runs, runs.c.id == requests.c.run)
    return [request_from(row) for row in connection.execute(query.where(*conditions).order_by(requests.c.id))]


def _fill(
    states: RowStates,
    known: np.ndarray,
    stored_requests: Sequence[Request],
    deciding: np.ndarray,
    at: datetime,
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
