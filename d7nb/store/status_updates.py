"""What comes in after a send: statuses of rows' messages, and what nobody can make sense of.

Everything here may come twice, late, and in any order, and leaves the ledger as if it had come once and in order.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import bindparam, case, func, literal_column, or_, select, update

from d7nb.api.error_codes import advice_for
from d7nb.api.statuses import STAGES, rank
from d7nb.privacy import mask_text
from d7nb.store.consent import families
from d7nb.store.database import prepare
from d7nb.store.keys import from_base32, split_keys
from d7nb.store.request_state import chunks, split_off
from d7nb.store.schema import (
    HEARD,
    HEXADECIMAL,
    INSERT,
    LONGEST_TEXT,
    LONGEST_WORD,
    RELEASED,
    requests,
    rows,
    statuses,
    storable,
    to_number,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Engine

    from d7nb.api.statuses import StatusUpdate
    from d7nb.store.consent import People

_FAILED = rank("failed")


_Place = tuple[int, bytes]
"""Where a status belongs: the number of a request, and the key of one of its rows."""


class _StoredRequest(NamedTuple):
    """A request that may have carried a row."""

    number: int
    request_id: str | None
    outcome: str | None


class _Candidates(NamedTuple):
    """A row's requests: an earlier one that may have sent it, where there is one, and the last."""

    first: _StoredRequest | None
    last: _StoredRequest

    def about(self, one: StatusUpdate) -> str | None:
        """Which of them an update is about, where that is to be found out: ``first``, ``last``, or None for neither.

        A request that has an id of its own is no other's. Of two in doubt, a status is the first's, so that the row
        stays in doubt; but whoever has the message has it, whichever of them brought it.
        """
        there = rank(one.status) > _FAILED
        went = one.status != "failed"  # any other word says that D7 has the message
        carried: dict[str, _StoredRequest] = {"first": self.first} if self.first else {}
        carried["last"] = self.last
        own = [place for place, request in carried.items() if request.request_id == one.request_id]
        in_doubt = {"unknown"} if own else {"unknown", None}
        if there and self.last.request_id is None and self.last.outcome in in_doubt:
            return "last"
        fitting = own or [place for place, request in carried.items() if request.request_id is None]
        busy = [place for place in fitting if carried[place].outcome not in RELEASED]
        if busy or (fitting and went):
            return (busy or fitting)[0]
        return "last" if there else None  # a message of the row that nobody remembers


def write_updates(
    connection: Connection, place: int, people: People, updates: Sequence[StatusUpdate], at: datetime
) -> list[StatusUpdate]:
    """Write down what D7 says of messages.

    A row is found by the key in its message's reference, or else by its request and recipient. D7's word on a row that
    is in doubt, or that somebody said was not sent, settles it.

    Args:
        connection: In a write transaction.
        place: The number of the destination.
        people: Hashes numbers.
        updates: What D7 says.
        at: Now.

    Returns:
        Those that belong to no row.
    """
    found = _Finder(connection, place, people, at).find(updates)
    values = _values(updates, found)
    if values:
        _prepared(connection.engine)(connection, values)
    return [one for one, home in zip(updates, found, strict=True) if home is None]


class _Finder:
    """Finds the rows of messages, and settles those that were in doubt."""

    def __init__(self, connection: Connection, place: int, people: People, at: datetime) -> None:
        self._connection = connection
        self._place = place
        self._people = people
        self._at = at
        self._heard: dict[tuple[int, str], int] = {}

    def find(self, updates: Sequence[StatusUpdate]) -> list[_Place | None]:
        """The place of each, None where there is none."""
        named = self._in_named_requests({one.request_id for one in updates})
        found: list[_Place | None] = [None] * len(updates)
        others: dict[int, list[bytes]] = {}
        for number, key in _keys_of(updates):
            rows_of = named.get(updates[number].request_id)
            if rows_of is not None and key in rows_of:
                found[number] = (rows_of[key], key)
            else:
                others.setdefault(number, []).append(key)
        left = {number: own for number, own in others.items() if found[number] is None}
        doubts = self._by_key({key for own in left.values() for key in own})
        for number, own in left.items():
            found[number] = self._settled(updates[number], own, doubts)
        self._by_recipient(updates, [number for number, home in enumerate(found) if home is None], found)
        return found

    def _in_named_requests(self, ids: Iterable[str]) -> dict[str, dict[bytes, int]]:
        """For each of D7's ids, the rows whose last request bears it."""
        found: dict[str, dict[bytes, int]] = {}
        joined = func.aggregate_strings(HEXADECIMAL[self._connection.dialect.name](rows.c.key), "")
        query = select(requests.c.request_id, requests.c.id, joined).join(rows, rows.c.request == requests.c.id)
        query = query.where(requests.c.destination == self._place, requests.c.outcome == "accepted")
        query = query.group_by(requests.c.id)
        for some in chunks(sorted(ids)):
            for request_id, number, keys in self._connection.execute(query.where(requests.c.request_id.in_(some))):
                found.setdefault(request_id, {}).update(dict.fromkeys(split_keys(bytes.fromhex(keys)), number))
        return found

    def _by_key(self, keys: Collection[bytes]) -> dict[bytes, _Candidates]:
        if not keys:
            return {}  # as nearly always: even to write the question costs a millisecond
        first, last = requests.alias(), requests.alias()
        query = select(
            rows.c.key,
            *(alias.c[name] for alias in (first, last) for name in ("id", "request_id", "outcome")),
        )
        query = query.select_from(
            rows.join(last, last.c.id == rows.c.request).outerjoin(first, first.c.id == rows.c.sent)
        ).where(rows.c.destination == self._place)
        found = {}
        for some in chunks(sorted(keys)):
            for key, *told in self._connection.execute(query.where(rows.c.key.in_(some))):
                earlier = None if told[0] is None else _StoredRequest(*told[:3])
                found[key] = _Candidates(earlier, _StoredRequest(*told[3:]))
        return found

    def _settled(self, one: StatusUpdate, keys: Sequence[bytes], doubts: dict[bytes, _Candidates]) -> _Place | None:
        """The place of an update whose row is known by its key, and whose request is not, or not as sent."""
        for key in keys:
            place = doubts[key].about(one) if key in doubts else None
            if place is not None:
                carrier: _StoredRequest = getattr(doubts[key], place)
                if (carrier.outcome, carrier.request_id) == ("accepted", one.request_id):
                    return carrier.number, key
                return self._settle(key, place, one.request_id, doubts)
        return None

    def _settle(self, key: bytes, place: str, request_id: str, doubts: dict[bytes, _Candidates]) -> _Place:
        """Move a row to a request like its own that was accepted."""
        doubt = doubts[key]
        old: _StoredRequest = getattr(doubt, place)
        new = self._heard.get((old.number, request_id))
        if new is None:
            new = self._heard[old.number, request_id] = self._accepted_like(old.number, request_id)
        now = doubt._replace(**{place: _StoredRequest(new, request_id, "accepted")})
        if old.outcome == "accepted" and old.request_id is not None:
            now = now._replace(first=old)  # it was another message of the row, of which more may be told
        own = (rows.c.destination == self._place, rows.c.key == key)
        numbers = {"request": now.last.number, "sent": now.first and now.first.number}
        self._connection.execute(update(rows).where(*own).values(numbers))
        doubts[key] = now
        return new, key

    def _accepted_like(self, number: int, request_id: str) -> int:
        """The request for rows of which D7 says that it took them, while others of the same request are in doubt."""
        like = requests.alias()
        query = select(requests.c.id).join(like, (like.c.run == requests.c.run) & (like.c.id == number))
        query = query.where(requests.c.request_id == request_id, requests.c.code == HEARD)
        found: int | None = self._connection.execute(query.order_by(requests.c.id)).scalars().first()
        if found is not None:
            return found
        said = {
            "outcome": "accepted",
            "request_id": request_id,
            "code": HEARD,
            "reason": "D7 reported on it",
            "recorded_at": to_number(self._at),
        }
        new = split_off(self._connection, number, said)
        assert new is not None  # noqa: S101  (the row that points to it was just read)
        return new

    def _by_recipient(self, updates: Sequence[StatusUpdate], places: Sequence[int], found: list[_Place | None]) -> None:
        """Of the rest, those whose request has exactly one row to their recipient."""
        asked = [place for place in places if updates[place].recipient]
        if not asked:
            return
        ids = sorted({updates[place].request_id for place in asked})
        homes: dict[tuple[str, bytes], list[_Place]] = {}
        for some in chunks(ids):
            query = select(requests.c.request_id, rows.c.person, rows.c.request, rows.c.key)
            query = query.join(rows, rows.c.request == requests.c.id).where(
                requests.c.request_id.in_(some),
                requests.c.destination == self._place,
                requests.c.outcome == "accepted",
                rows.c.person.is_not(None),
            )
            for request_id, person, number, key in self._connection.execute(query):
                homes.setdefault((request_id, person), []).append((number, key))
        persons = self._people(families([updates[place].recipient for place in asked])) if homes else []
        for place, person in zip(asked, persons, strict=False):
            own = homes.get((updates[place].request_id, person), []) if person else []
            found[place] = own[0] if len(own) == 1 else None


def _keys_of(updates: Sequence[StatusUpdate]) -> Iterator[tuple[int, bytes]]:
    """What of the updates' marks could be a key, each with the place of its update."""
    owners = [number for number, one in enumerate(updates) for _ in one.references]
    keys = from_base32([mark for one in updates for mark in one.references])
    return ((number, key) for number, key in zip(owners, keys, strict=True) if key is not None)


def _values(updates: Sequence[StatusUpdate], found: Sequence[_Place | None]) -> list[tuple[Any, ...]]:
    """What is stored of those that have a place."""
    values: list[tuple[Any, ...]] = []
    moment, number = None, 0
    for one, home in zip(updates, found, strict=True):
        if home is not None:
            if one.at is not moment:  # all that a report says, it says at one moment
                moment, number = one.at, to_number(one.at)
            msg_id, reason = storable(one.msg_id, LONGEST_TEXT), _kept_reason(one.reason) if one.reason else ""
            values.append((*home, _kept_word(one.status), number, msg_id, reason))
    return values


@lru_cache(maxsize=1024)
def _kept_word(status: str) -> str:
    """A status; in a word of D7's own there may stand anything."""
    return status if status in STAGES else storable(mask_text(status), LONGEST_WORD)


@lru_cache(maxsize=1024)
def _kept_reason(reason: str) -> str:
    """A reason, masked; what to do about it is put behind where masking takes its code for a part of a number."""
    masked, verb = mask_text(reason), advice_for(reason)
    return storable(masked if verb is None or advice_for(masked) == verb else f"{masked} ({verb})", LONGEST_TEXT)


def _upsert(dialect: str) -> Any:
    """The earliest time, the fullest reason, the first of several ids: whatever the order, the same remains."""
    table = INSERT[dialect](statuses).values(
        {name: bindparam(name) for name in ("request", "key", "status", "at", "msg_id", "reason")}
    )
    new, old = table.excluded, statuses.c
    fuller = or_(
        func.length(new.reason) > func.length(old.reason),
        (func.length(new.reason) == func.length(old.reason)) & (new.reason > old.reason),
    )
    none: ColumnElement[str] = literal_column("''")
    another = (new.msg_id != none) & ((old.msg_id == none) | (new.msg_id < old.msg_id))
    return table.on_conflict_do_update(
        index_elements=list(statuses.primary_key),
        set_={
            "at": case((new.at < old.at, new.at), else_=old.at),
            "reason": case((fuller, new.reason), else_=old.reason),
            "msg_id": case((another, new.msg_id), else_=old.msg_id),
        },
        where=(new.at < old.at) | fuller | another,
    )


@lru_cache(maxsize=16)
def _prepared(engine: Engine) -> Callable[..., Any]:
    """The statement for one database, compiled once: batches of events are small."""
    return prepare(engine, _upsert(engine.dialect.name))
