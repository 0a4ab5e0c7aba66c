"""Statuses that D7 reports after a send: each is matched to its row, stored, and settles a row in doubt.

They may come twice, late, and in any order, and leave the ledger as if they had come once and in order.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, case, func, or_, select, true, update

from d7nb.api.error_codes import advice_for
from d7nb.api.statuses import STAGES
from d7nb.privacy import mask_text
from d7nb.store.consent import families
from d7nb.store.keys import from_base32, split_keys
from d7nb.store.questions import hashes_table
from d7nb.store.request_state import chunks, lock_rows, split_off
from d7nb.store.schema import (
    HEARD,
    HEXADECIMAL,
    INSERT,
    LONGEST_TEXT,
    LONGEST_WORD,
    campaigns,
    messages,
    requests,
    rows,
    statuses,
    storable,
    to_number,
)
from d7nb.store.statements import prepare
from d7nb.store.status_rules import Candidates, StoredRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Engine, Join, Subquery

    from d7nb.api.statuses import StatusUpdate
    from d7nb.store.database import Hashing

_RowId = tuple[int, bytes]
"""The number of a request, and the key of one of its rows."""


def write_updates(
    connection: Connection,
    destination_id: int,
    hashing: Hashing,
    updates: Sequence[StatusUpdate],
    at: datetime,
) -> list[StatusUpdate]:
    """Store the statuses of messages, and settle the rows in doubt that they are about.

    A row is found by the key in its message's reference, or else by its request and recipient. D7's status of a row
    that is in doubt, or that somebody said was not sent, settles it.

    Args:
        connection: In a write transaction.
        destination_id: The number of the destination.
        hashing: Hashes numbers and keys.
        updates: The statuses.
        at: Now.

    Returns:
        Those that belong to no row.
    """
    row_ids = _Matcher(connection, destination_id, hashing, at).match(updates)
    write_statuses, write_messages = _prepared(connection.engine)
    if values := _status_rows(updates, row_ids):
        write_statuses(connection, values)
    if ids := _message_rows(updates, row_ids):
        write_messages(connection, ids)
    return [update for update, row_id in zip(updates, row_ids, strict=True) if row_id is None]


class _Matcher:
    """Matches updates to rows, and settles the rows that were in doubt."""

    def __init__(self, connection: Connection, destination_id: int, hashing: Hashing, at: datetime) -> None:
        self._connection = connection
        self._destination_id = destination_id
        self._hashing = hashing
        self._at = at
        self._accepted: dict[tuple[int, str], int] = {}

    def match(self, updates: Sequence[StatusUpdate]) -> list[_RowId | None]:
        """Return the row of each update; None where there is none."""
        rows_of_requests = self._rows_of_requests({update.request_id for update in updates})
        row_ids: list[_RowId | None] = [None] * len(updates)
        keys_of: dict[int, list[bytes]] = {}
        for position, key in _keys_in(updates, self._hashing):
            number_of = rows_of_requests.get(updates[position].request_id)
            if number_of is not None and key in number_of:
                row_ids[position] = (number_of[key], key)
            else:
                keys_of.setdefault(position, []).append(key)
        unmatched = {position: keys for position, keys in keys_of.items() if row_ids[position] is None}
        candidates = self._candidates({key for keys in unmatched.values() for key in keys})
        for position, keys in unmatched.items():
            row_ids[position] = self._match_candidates(updates[position], keys, candidates)
        self._match_by_recipient(updates, row_ids)
        return row_ids

    def _rows_of_requests(self, request_ids: Iterable[str]) -> dict[str, dict[bytes, int]]:
        """Return for each of D7's ids the keys of the rows whose last request bears it, with its number."""
        rows_of: dict[str, dict[bytes, int]] = {}
        joined_keys = func.aggregate_strings(HEXADECIMAL[self._connection.dialect.name](rows.c.key), "")
        query = select(requests.c.request_id, requests.c.id, joined_keys).select_from(
            requests.join(campaigns, campaigns.c.id == requests.c.campaign).join(rows, rows.c.request == requests.c.id)
        )
        query = query.where(campaigns.c.destination == self._destination_id, requests.c.outcome == "accepted")
        query = query.group_by(requests.c.id)
        for chunk in chunks(sorted(request_ids)):
            for request_id, number, keys in self._connection.execute(query.where(requests.c.request_id.in_(chunk))):
                rows_of.setdefault(request_id, {}).update(dict.fromkeys(split_keys(bytes.fromhex(keys)), number))
        return rows_of

    def _candidates(self, keys: Collection[bytes]) -> dict[bytes, Candidates]:
        """Return for each key that the ledger knows the requests that may have carried its row."""
        if not keys:
            return {}  # as nearly always: even to build the query costs a millisecond
        earlier, last = requests.alias(), requests.alias()
        asked = hashes_table(self._connection, sorted(keys))
        # Rows lie by campaign: each campaign of the destination is looked through for each key.
        found = campaigns.join(asked, true()).join(
            rows, (rows.c.campaign == campaigns.c.id) & (rows.c.key == asked.c.value)
        )
        locked = self._lock_found(found, asked)
        query = select(
            rows.c.key,
            rows.c.campaign,
            *(alias.c[name] for alias in (earlier, last) for name in ("id", "request_id", "outcome")),
        )
        query = query.select_from(
            found.join(last, last.c.id == rows.c.request).outerjoin(earlier, earlier.c.id == rows.c.sent)
        ).where(campaigns.c.destination == self._destination_id)
        candidates = {}
        for key, campaign_id, *columns in self._connection.execute(query):
            if locked is not None and (campaign_id, key) not in locked:
                continue  # it was written at this moment, and somebody else may lock it
            earlier_request = None if columns[0] is None else StoredRequest(*columns[:3])
            candidates[key] = Candidates(campaign_id, earlier_request, StoredRequest(*columns[3:]))
        return candidates

    def _lock_found(self, found: Join, asked: Subquery) -> set[tuple[int, bytes]] | None:
        """Lock the rows that are found, before they are read; return their campaigns and keys, None for all."""
        if self._connection.dialect.name == "sqlite":
            return None
        query = select(rows.c.campaign, asked.c.value).select_from(found)
        query = query.where(campaigns.c.destination == self._destination_id)
        of_campaign: dict[int, list[bytes]] = {}
        for campaign_id, key in self._connection.execute(query):
            of_campaign.setdefault(campaign_id, []).append(key)
        return {
            (campaign_id, key)
            for campaign_id, keys in sorted(of_campaign.items())
            for key in lock_rows(self._connection, campaign_id, keys)
        }

    def _match_candidates(
        self, update: StatusUpdate, keys: Sequence[bytes], candidates: dict[bytes, Candidates]
    ) -> _RowId | None:
        """Return the row of an update whose key is known, and whose request is not, or not as accepted."""
        for key in keys:
            choice = candidates[key].choose(update) if key in candidates else None
            if choice is not None:
                request: StoredRequest = getattr(candidates[key], choice)
                if (request.outcome, request.request_id) == ("accepted", update.request_id):
                    return request.number, key
                return self._settle(key, choice, update.request_id, candidates)
        return None

    def _settle(self, key: bytes, choice: str, request_id: str, candidates: dict[bytes, Candidates]) -> _RowId:
        """Move a row to a request like the chosen one that was accepted."""
        old: StoredRequest = getattr(candidates[key], choice)
        number = self._accepted.get((old.number, request_id))
        if number is None:
            number = self._accepted[old.number, request_id] = self._accepted_like(old.number, request_id)
        accepted: dict[str, Any] = {choice: StoredRequest(number, request_id, "accepted")}
        settled = candidates[key]._replace(**accepted)
        if old.outcome == "accepted" and old.request_id is not None:
            settled = settled._replace(earlier_request=old)  # another message of the row, whose status may yet come
        this_row = (rows.c.campaign == settled.campaign_id, rows.c.key == key)
        earlier = settled.earlier_request
        numbers = {"request": settled.last_request.number, "sent": earlier and earlier.number}
        self._connection.execute(update(rows).where(*this_row).values(numbers))
        candidates[key] = settled
        return number, key

    def _accepted_like(self, number: int, request_id: str) -> int:
        """Return the accepted copy of a request, for those of its rows that D7 reported on."""
        like = requests.alias()
        query = select(requests.c.id).join(like, (like.c.run == requests.c.run) & (like.c.id == number))
        query = query.where(requests.c.request_id == request_id, requests.c.code == HEARD)
        existing: int | None = self._connection.execute(query.order_by(requests.c.id)).scalars().first()
        if existing is not None:
            return existing
        changes = {
            "outcome": "accepted",
            "request_id": request_id,
            "code": HEARD,
            "reason": "D7 reported on it",
            "recorded_at": to_number(self._at),
        }
        new = split_off(self._connection, number, changes)
        assert new is not None  # noqa: S101  (the row that points to it was just read)
        return new

    def _match_by_recipient(self, updates: Sequence[StatusUpdate], row_ids: list[_RowId | None]) -> None:
        """Match what has no row yet, where its request has exactly one row to its recipient."""
        positions = [
            position for position, row_id in enumerate(row_ids) if row_id is None and updates[position].recipient
        ]
        if not positions:
            return
        rows_of: dict[tuple[str, bytes], list[_RowId]] = {}
        for chunk in chunks(sorted({updates[position].request_id for position in positions})):
            query = select(requests.c.request_id, rows.c.person, rows.c.request, rows.c.key)
            query = query.select_from(
                requests.join(campaigns, campaigns.c.id == requests.c.campaign).join(
                    rows, rows.c.request == requests.c.id
                )
            ).where(
                requests.c.request_id.in_(chunk),
                campaigns.c.destination == self._destination_id,
                requests.c.outcome == "accepted",
                rows.c.person.is_not(None),
            )
            for request_id, person, number, key in self._connection.execute(query):
                rows_of.setdefault((request_id, person), []).append((number, key))
        if not rows_of:
            return
        persons = self._hashing.recipients(families([updates[position].recipient for position in positions]))
        for position, person in zip(positions, persons, strict=True):
            matching_rows = rows_of.get((updates[position].request_id, person), []) if person else []
            row_ids[position] = matching_rows[0] if len(matching_rows) == 1 else None


def _keys_in(updates: Sequence[StatusUpdate], hashing: Hashing) -> Iterator[tuple[int, bytes]]:
    """Yield what of the updates' references could be a key, hashed, each with the position of its update."""
    positions = [position for position, update in enumerate(updates) for _ in update.references]
    keys = from_base32([mark for update in updates for mark in update.references])
    found = [(position, key) for position, key in zip(positions, keys, strict=True) if key is not None]
    return zip((position for position, _ in found), hashing.keys(key for _, key in found), strict=True)


def _status_rows(updates: Sequence[StatusUpdate], row_ids: Sequence[_RowId | None]) -> list[tuple[Any, ...]]:
    """Return what is stored of the updates that have a row."""
    values: list[tuple[Any, ...]] = []
    moment, number = None, 0
    for status_update, row_id in zip(updates, row_ids, strict=True):
        if row_id is not None:
            if status_update.at is not moment:  # all statuses of a report have one time
                moment, number = status_update.at, to_number(status_update.at)
            reason = _stored_reason(status_update.reason)
            values.append((*row_id, _stored_status(status_update.status), number, reason))
    return values


def _message_rows(updates: Sequence[StatusUpdate], row_ids: Sequence[_RowId | None]) -> list[tuple[Any, ...]]:
    """Return the ids of the messages that have a row; of several, the first in order."""
    ids: dict[_RowId, str] = {}
    for status_update, row_id in zip(updates, row_ids, strict=True):
        if row_id is not None and status_update.msg_id:
            msg_id = storable(status_update.msg_id, LONGEST_TEXT)
            ids[row_id] = min(msg_id, ids.get(row_id, msg_id))
    return [(*row_id, msg_id) for row_id, msg_id in ids.items()]


@lru_cache(maxsize=1024)
def _stored_status(status: str) -> str:
    """Return a status as it is stored; D7's own may hold anything, so it is masked and shortened."""
    return status if status in STAGES else storable(mask_text(status), LONGEST_WORD)


@lru_cache(maxsize=1024)
def _stored_reason(reason: str) -> str:
    """Return a reason, masked; the advice is added where masking takes its error code for a part of a number."""
    if not reason:
        return ""
    masked, advice = mask_text(reason), advice_for(reason)
    return storable(masked if advice is None or advice_for(masked) == advice else f"{masked} ({advice})", LONGEST_TEXT)


def _upsert_statuses(dialect: str) -> Any:
    """Build the statement that keeps the earliest time and the fullest reason, whatever the order."""
    table = INSERT[dialect](statuses).values(
        {name: bindparam(name) for name in ("request", "key", "status", "at", "reason")}
    )
    new, old = table.excluded, statuses.c
    fuller = or_(
        func.length(new.reason) > func.length(old.reason),
        (func.length(new.reason) == func.length(old.reason)) & (new.reason > old.reason),
    )
    return table.on_conflict_do_update(
        index_elements=list(statuses.primary_key),
        set_={
            "at": case((new.at < old.at, new.at), else_=old.at),
            "reason": case((fuller, new.reason), else_=old.reason),
        },
        where=(new.at < old.at) | fuller,
    )


def _upsert_messages(dialect: str) -> Any:
    """Build the statement that keeps the first id, whatever the order."""
    table = INSERT[dialect](messages).values({name: bindparam(name) for name in ("request", "key", "msg_id")})
    new, old = table.excluded, messages.c
    return table.on_conflict_do_update(
        index_elements=list(messages.primary_key), set_={"msg_id": new.msg_id}, where=new.msg_id < old.msg_id
    )


@lru_cache(maxsize=16)
def _prepared(engine: Engine) -> tuple[Callable[..., Any], ...]:
    """Return the statements for one database, compiled once: batches of events are small."""
    return tuple(prepare(engine, upsert(engine.dialect.name)) for upsert in (_upsert_statuses, _upsert_messages))
