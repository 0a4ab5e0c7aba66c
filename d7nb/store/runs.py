"""A send in the ledger: it claims rows before a request leaves, and records after it, so that a row goes out once."""

from __future__ import annotations

import secrets
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Self

import numpy as np
from sqlalchemy import bindparam, delete, func, insert, literal_column, select, update

from d7nb.api.statuses import ARRIVED
from d7nb.errors import LedgerError, hides_internals
from d7nb.privacy import mask_number, mask_text
from d7nb.store.claims import Claim
from d7nb.store.database import prepare
from d7nb.store.faults import guarded
from d7nb.store.keys import key_bytes
from d7nb.store.processes import this_process
from d7nb.store.recording import RECORD, correct_request, group_by_reason, record_request, record_rows
from d7nb.store.request_state import StoredRow, chunks, find_rows
from d7nb.store.schema import (
    HEARD,
    INSERT,
    NOTHING_SENT,
    RECORDED,
    SETTLED,
    deciding,
    requests,
    rows,
    runs,
    statuses,
    storable,
    to_number,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from d7nb.store.campaign import CampaignLedger


LEEWAY = timedelta(seconds=110)
"""What a request may live beyond its time-outs: the wait for its turn, a slow disk, clocks that differ."""
LIFETIME = timedelta(seconds=10 + 60) + LEEWAY
"""The longest life of a request with the client's usual time-outs, to connect and to read."""

_CLAIMED = ("run", "destination", "campaign", "claimed_at", "lifetime", "code", "reason")
_INSERT_REQUEST = insert(requests).values({name: bindparam(name) for name in _CLAIMED}).returning(requests.c.id)
_INSERT_ROWS = {dialect: insert_into(rows).on_conflict_do_nothing() for dialect, insert_into in INSERT.items()}
_MOVE_ROWS = (
    update(rows)
    .where(rows.c.destination == bindparam("destination_id"), rows.c.key == bindparam("row"))
    .values({name: bindparam(f"new_{name}") for name in ("request", "sent", "person", "recipient")})
)
_last_seen = requests.alias("last_seen")
_CLAIMED_AT = select(_last_seen.c.claimed_at).where(_last_seen.c.id == bindparam("last_seen")).scalar_subquery()
_LATER_REQUESTS = select(requests.c.id).where(
    requests.c.id > bindparam("last_seen"),
    requests.c.id < bindparam("own"),
    requests.c.destination == bindparam("destination_id"),
    requests.c.campaign == bindparam("name"),
    requests.c.run != bindparam("run"),
    # What was split off an older request is no later one, though its number is.
    requests.c.code.not_like(literal_column(f"'{HEARD}'")) & requests.c.code.not_like(literal_column(f"'{SETTLED}'"))
    | (requests.c.claimed_at > func.coalesce(_CLAIMED_AT, literal_column("0"))),
)


class Run:
    """One send of a campaign, which claims rows and records outcomes; used by one thread, inside its ``with`` block.

    Args:
        campaign: The campaign whose rows it sends.
        lifetime: How long a request can live: a claim that is older, and was not recorded, is in doubt.
        last_request_seen: The campaign's last request that was looked at before the run, as
            `RowStates.last_request_seen` gives it; later ones of other runs may have sent the same
            people another text.

    Attributes:
        id: What its claims bear.
        campaign: The campaign.
    """

    def __init__(
        self, campaign: CampaignLedger, *, lifetime: timedelta = LIFETIME, last_request_seen: int | None = None
    ) -> None:
        self.id = secrets.token_hex(8)
        self.campaign = campaign
        self._last_request_seen = last_request_seen
        self._contacted_by_others: set[bytes] = set()
        self._own_requests: set[int] = set()
        self._database = database = campaign.database
        self._lifetime = lifetime // timedelta(microseconds=1)
        self._connection: Connection | None = None
        self._shared: tuple[Connection, list[tuple[Claim, np.ndarray]]] | None = None
        statements = _INSERT_REQUEST, _INSERT_ROWS[database.dialect], RECORD, _LATER_REQUESTS
        self._insert_request, self._insert_rows, self._record, self._later_requests = (
            prepare(database.engine, statement) for statement in statements
        )

    def __enter__(self) -> Self:
        host, machine, pid, process = this_process()
        values = {"id": self.id, "host": host, "machine": machine, "pid": pid, "process": process, "ended": False}
        with self._database.writing() as connection:
            connection.execute(insert(runs), values)
        with guarded(self._database.name):
            self._connection = self._database.engine.connect()  # one for all: taking one costs as much as a commit
        return self

    def __exit__(self, *_: object) -> None:
        """End the run: whatever it claimed and did not record is in doubt from now on.

        Where even that can't be written down, others wait for a request's lifetime and then come to the same.
        """
        with suppress(LedgerError), self._database.writing(self._connection) as connection:
            connection.execute(update(runs).where(runs.c.id == self.id).values(ended=True))
        if self._connection is not None:
            self._connection.close()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Record whatever is recorded in a ``with`` block in one transaction: all of it is on the disk, or none.

        Raises:
            LedgerError: None of it could be written down; its rows stay claimed, and so in doubt.
        """
        before: list[tuple[Claim, np.ndarray]] = []
        try:
            with self._database.writing(self._connection) as connection:
                self._shared = connection, before
                try:
                    yield
                finally:
                    self._shared = None
        except BaseException:
            for claim, still_open in reversed(before):
                claim.open = still_open
            raise

    @hides_internals
    def claim(
        self,
        keys: np.ndarray,
        people: Sequence[str | None],
        numbers: Sequence[str],
        *,
        at: datetime,
        override_of: np.ndarray | None = None,
        unless_arrived: bool = False,
        is_own_key: Callable[[bytes], bool] | None = None,
    ) -> Claim:
        """Claim the rows of one request, before it leaves: those granted are no other run's, on no other machine.

        Args:
            keys: Each row's key, ``uint8`` of shape (rows, 16).
            people: Each row's recipient, one form for all national variants; only a keyed hash is stored.
            numbers: Each row's number; only a masked form is stored.
            at: Now.
            override_of: For each row, the number of the earlier request that ``resend=`` allows to repeat; 0 for none.
            unless_arrived: Whether to refuse a row anyway if that request's message has arrived.
            is_own_key: Whether a key is one of the run's own rows. Given, rows are held whose person got another text,
                under another key, from another run since this one began.

        Returns:
            Which rows are granted, and why the others are not.

        Raises:
            LedgerError: Nothing is granted, since it could not be written down.
        """
        row_keys = key_bytes(keys)
        if len(set(row_keys)) < len(row_keys):
            raise ValueError(
                "a key occurs twice in one request: the second row would be sent on the claim of the first"
            )
        claim = Claim(row_keys, self.campaign.make_destination_id())
        if not row_keys:
            return claim
        hashes, masked = self._database.hash_recipients(people), [mask_number(number) for number in numbers]
        with self._database.writing(self._connection) as connection:
            values = (self.id, claim.destination_id, self.campaign.name, to_number(at), self._lifetime, "", "")
            claim.request = self._insert_request(connection, dict(zip(_CLAIMED, values, strict=True))).scalar_one()
            if is_own_key is not None:
                self._hold_if_contacted_by_other_run(connection, claim, hashes, is_own_key)
            new_rows = [
                (claim.destination_id, row_keys[row], claim.request, None, hashes[row], masked[row])
                for row in np.flatnonzero(claim.granted).tolist()
            ]
            if new_rows and self._insert_rows(connection, new_rows).rowcount < len(new_rows):
                recipients = hashes, masked
                self._claim_stored_rows(connection, claim, recipients, at, override_of, unless_arrived=unless_arrived)
            if not claim.granted.any():
                connection.execute(delete(requests).where(requests.c.id == claim.request))
        if is_own_key is not None:
            self._last_request_seen = claim.request - (not claim.granted.any())  # SQLite gives a deleted number again
        claim.open = claim.granted.copy()
        self._own_requests.add(claim.request)
        return claim

    def _hold_if_contacted_by_other_run(
        self,
        connection: Connection,
        claim: Claim,
        hashes: Sequence[bytes | None],
        is_own_key: Callable[[bytes], bool],
    ) -> None:
        """Hold the rows whose person got another text from another run since this one began."""
        if self._last_request_seen is not None:
            values = {
                "last_seen": self._last_request_seen,
                "own": claim.request,
                "destination_id": claim.destination_id,
                "name": self.campaign.name,
                "run": self.id,
            }
            later_requests = self._later_requests(connection, values).scalars().all()
            for chunk in chunks(later_requests):  # mostly none: the query is only written where there are some
                may_have_sent = deciding.c.outcome.is_(None) | deciding.c.outcome.not_in(NOTHING_SENT)
                query = select(rows.c.person, rows.c.key).join(deciding, deciding.c.id == rows.c.request)
                query = query.where(rows.c.request.in_(chunk), rows.c.person.is_not(None), may_have_sent)
                self._contacted_by_others |= {
                    person for person, key in connection.execute(query) if not is_own_key(key)
                }
        for row, person in enumerate(hashes if self._contacted_by_others else ()):
            if person in self._contacted_by_others:
                claim.hold(row)

    def _claim_stored_rows(
        self,
        connection: Connection,
        claim: Claim,
        recipients: tuple[Sequence[bytes | None], Sequence[str]],
        at: datetime,
        override_of: np.ndarray | None,
        *,
        unless_arrived: bool,
    ) -> None:
        """Take over, of the rows that the ledger knows, those that are free, or that the user wants to go again."""
        hashes, masked = recipients
        row_of = {claim.keys[row]: row for row in np.flatnonzero(claim.granted).tolist()}
        stored_rows = [
            stored
            for stored in find_rows(connection, claim.destination_id, list(row_of), at)
            if stored.request.id != claim.request
        ]
        arrived = _find_arrived(connection, stored_rows) if unless_arrived else set()
        moves = []
        for stored in stored_rows:
            row, request = row_of[stored.key], stored.request
            is_overridden = override_of is not None and override_of[row] == request.id and request.outcome is not None
            if not request.free and not (is_overridden and stored.key not in arrived):
                claim.refuse(row, request, at)
                continue
            moves.append(
                {
                    "destination_id": claim.destination_id,
                    "row": stored.key,
                    "new_request": claim.request,
                    "new_sent": None if request.free else stored.earlier_request or request.id,
                    "new_person": hashes[row],
                    "new_recipient": masked[row],
                }
            )
        if moves:
            connection.execute(_MOVE_ROWS, moves)

    @hides_internals
    def record(
        self,
        claim: Claim,
        outcome: str,
        *,
        request_id: str | None = None,
        created_at: str | None = None,
        status: int | None = None,
        code: str = "",
        reason: str = "",
        rows: np.ndarray | Sequence[int] | None = None,
        reasons: Sequence[str] | None = None,
        at: datetime,
    ) -> int:
        """Record what became of a claim, where it is still this run's own.

        Another run may have presumed the outcome unknown meanwhile; this one knows better. What a person settled, or
        another run claimed since, stays as it is.

        Args:
            claim: The claim.
            outcome: ``accepted``, ``unknown``, or ``rejected`` and ``unsent``, which free the rows.
            request_id: D7's id of the request.
            created_at: D7's time of it, as given.
            status: The HTTP status.
            code: D7's error code.
            reason: The sentence for the user; numbers in it are masked.
            rows: Positions in the claim, to record only those; the others stay claimed.
            reasons: A sentence for each of `rows`, in place of `reason`, where they differ.
            at: Now.

        Returns:
            How many rows the record is about. Fewer than claimed: the others are no longer this run's.

        Raises:
            LedgerError: It could not be written down; the rows stay claimed, and so in doubt.
        """
        if outcome not in RECORDED:
            raise ValueError(f"outcome is one of {', '.join(RECORDED)}, not {outcome!r}")
        selected = claim.open if rows is None else _select_open(claim, rows)
        if not selected.any():
            return 0
        columns = {
            "outcome": outcome,
            "request_id": request_id and storable(request_id),
            "created_at": created_at and storable(created_at),
            "status": status,
            "code": storable(code),
            "reason": storable(mask_text(reason)),
            "recorded_at": to_number(at),
        }
        still_open, count = claim.open, 0
        with self._writing(claim) as connection:
            for mask, own_reason in group_by_reason(selected, rows, reasons):
                if own_reason is not None:
                    columns["reason"] = storable(mask_text(own_reason))
                if (mask == still_open).all():
                    is_own = record_request(connection, self.id, claim, columns, record=self._record)
                    count += int(mask.sum()) if is_own else correct_request(connection, self.id, claim, columns)
                else:
                    count += record_rows(connection, self.id, claim, mask, columns=columns)
                still_open = still_open & ~mask
        claim.open = still_open
        return count

    @contextmanager
    def _writing(self, claim: Claim) -> Iterator[Connection]:
        """Yield the connection of `together`, where there is one, or one with a transaction of its own."""
        if self._shared is None:
            with self._database.writing(self._connection) as connection:
                yield connection
        else:
            connection, before = self._shared
            before.append((claim, claim.open))
            yield connection

    def free_unconfirmed_claims(self, at: datetime) -> int:
        """Free rows whose claim may have been committed without a confirmation, so that they were never sent.

        Args:
            at: Now, when nothing of the run is on its way any more.

        Returns:
            How many requests were freed.
        """
        unrecorded = select(requests.c.id).where(requests.c.run == self.id, requests.c.outcome.is_(None))
        values = {
            "outcome": "unsent",
            "reason": "it was not sent, because the ledger could not be written",
            "recorded_at": to_number(at),
        }
        with self._database.writing(self._connection) as connection:
            unconfirmed = set(connection.execute(unrecorded).scalars()) - self._own_requests
            for request_id in unconfirmed:
                connection.execute(update(requests).where(requests.c.id == request_id).values(values))
        return len(unconfirmed)


def _find_arrived(connection: Connection, stored_rows: Sequence[StoredRow]) -> set[bytes]:
    """Return the keys of the rows of which it is known by now that their message arrived."""
    numbers, keys = {stored.request.id for stored in stored_rows}, [stored.key for stored in stored_rows]
    conditions = statuses.c.request.in_(numbers), statuses.c.key.in_(keys), statuses.c.status.in_(ARRIVED)
    return set(connection.execute(select(statuses.c.key).where(*conditions)).scalars())


def _select_open(claim: Claim, positions: np.ndarray | Sequence[int]) -> np.ndarray:
    """Return a mask of some rows of a claim, which must not be recorded yet."""
    selected = np.zeros(len(claim.open), dtype=bool)
    selected[positions] = True
    if (selected & ~claim.open).any():
        raise ValueError("rows: some of them were not granted, or have been recorded")
    return selected
