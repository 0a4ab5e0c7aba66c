"""A send in the ledger: it claims rows before a request leaves, and records after it, so that a row goes out once."""

from __future__ import annotations

import secrets
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sqlalchemy import bindparam, delete, insert, select, update

from d7nb.api.statuses import ARRIVED
from d7nb.errors import LedgerError, hides_internals
from d7nb.privacy import mask_number, mask_text
from d7nb.store.claims import Claim
from d7nb.store.faults import guarded
from d7nb.store.other_texts import ADOPT_RECIPE, OtherTexts
from d7nb.store.processes import this_process
from d7nb.store.questions import hashes_table
from d7nb.store.recording import RECORD, correct_request, group_by_reason, record_request, record_rows
from d7nb.store.request_state import StoredRow, find_rows, lock_rows
from d7nb.store.schema import (
    INSERT,
    RECORDED,
    people_locks,
    requests,
    rows,
    runs,
    statuses,
    storable,
)
from d7nb.store.statements import prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from d7nb.store.campaign import CampaignLedger


LEEWAY = timedelta(seconds=110)
"""What a request may live beyond its time-outs: the wait for its turn, a slow disk, clocks that differ."""
LIFETIME = timedelta(seconds=10 + 60) + LEEWAY
"""The longest life of a request with the client's usual time-outs, to connect and to read."""

_CLAIMED = ("run", "campaign", "claimed_at", "lifetime", "code", "reason")
_INSERT_REQUEST = insert(requests).values({name: bindparam(name) for name in _CLAIMED}).returning(requests.c.id)
_INSERT_ROWS = {dialect: insert_into(rows).on_conflict_do_nothing() for dialect, insert_into in INSERT.items()}
_MOVE_ROWS = (
    update(rows)
    .where(rows.c.campaign == bindparam("campaign_id"), rows.c.key == bindparam("row"))
    .values({name: bindparam(f"new_{name}") for name in ("request", "sent", "person", "recipient")})
)
_LOCK_PEOPLE = INSERT["postgresql"](people_locks)


class Run:
    """One send of a campaign, which claims rows and records outcomes; used by one thread, inside its ``with`` block.

    Args:
        campaign: The campaign whose rows it sends.
        lifetime: How long a request can live: a claim that is older, and was not recorded, is in doubt.
        last_request_seen: The campaign's last request that was looked at before the run, as
            `RowStates.last_request_seen` gives it; later ones of other runs may have sent the same
            people another text.
        adopts_recipe: Whether the campaign's rows count as told apart in this run's way from now on, where it is not
            known how they are: a row of it was found under its key, or the user said so.

    Attributes:
        id: What its claims bear.
        campaign: The campaign.
    """

    def __init__(
        self,
        campaign: CampaignLedger,
        *,
        lifetime: timedelta = LIFETIME,
        last_request_seen: int | None = None,
        adopts_recipe: bool = False,
    ) -> None:
        self.id = secrets.token_hex(8)
        self.campaign = campaign
        self._adopts_recipe = adopts_recipe
        self._other_texts = OtherTexts(campaign, self.id, last_request_seen or 0)
        self._own_requests: set[int] = set()
        self._database = database = campaign.database
        self._lifetime = lifetime // timedelta(microseconds=1)
        self._connection: Connection | None = None
        self._shared: tuple[Connection, list[tuple[Claim, np.ndarray]]] | None = None
        statements = _INSERT_REQUEST, _INSERT_ROWS[database.dialect], RECORD
        self._insert_request, self._insert_rows, self._record = (
            prepare(database.engine, statement) for statement in statements
        )

    def __enter__(self) -> Self:
        host, machine, pid, process = this_process()
        values = {"id": self.id, "host": host, "machine": machine, "pid": pid, "process": process, "ended": False}
        values["recipe"] = self.campaign.recipe
        with self._database.writing() as connection:
            self._database.begin_run(connection)
            connection.execute(insert(runs), values)
        campaign_id = self.campaign.make_id()
        if self._adopts_recipe:
            with self._database.writing() as connection:
                connection.execute(ADOPT_RECIPE, {"campaign_id": campaign_id, "new_recipe": self.campaign.recipe})
        with guarded(self._database.name):
            self._database.note_run(self.id)
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
        self._database.fold()

    @contextmanager
    def together(self, claims: Sequence[Claim] = ()) -> Iterator[None]:
        """Record whatever is recorded in a ``with`` block in one transaction: all of it is on the disk, or none.

        Args:
            claims: Those that are recorded in parts: their rows are locked together, since whoever locked one part
                after another could wait forever for somebody who does the same.

        Raises:
            LedgerError: None of it could be written down; its rows stay claimed, and so in doubt.
        """
        before: list[tuple[Claim, np.ndarray]] = []
        try:
            with self._database.writing(self._connection) as connection:
                keys = {claim.keys[row] for claim in claims for row in np.flatnonzero(claim.open).tolist()}
                lock_rows(connection, self.campaign.make_id(), sorted(keys))
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
        other_requests: np.ndarray | None = None,
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
            other_requests: For each row, `RowStates.other_request`: what the run knew of other texts to its person; 0
                for all unless given.
            is_own_key: Whether a key, as the ledger stores it, is one of the run's own rows. Given, rows are held whose
                person got another text, under another key, from another run since this one looked. Where rows are
                known to be told apart by the run's key columns, only what was sent otherwise is another text.

        Returns:
            Which rows are granted, and why the others are not.

        Raises:
            LedgerError: Nothing is granted, since it could not be written down.
        """
        row_keys = self.campaign.row_keys(keys)
        if len(set(row_keys)) < len(row_keys):
            raise ValueError(
                "a key occurs twice in one request: the second row would be sent on the claim of the first"
            )
        claim = Claim(row_keys, self.campaign.make_id())
        if not row_keys:
            return claim
        hashes, masked = self._database.hash_recipients(people), [mask_number(number) for number in numbers]
        with self._database.writing(self._connection) as connection, self._locked_people(connection, hashes):
            claimed_at = self._database.now(connection, at)
            values = (self.id, claim.campaign_id, claimed_at, self._lifetime, "", "")
            claim.request = self._insert_request(connection, dict(zip(_CLAIMED, values, strict=True))).scalar_one()
            if is_own_key is not None:
                self._other_texts.hold(connection, claim, hashes, other_requests, is_own_key)
            new_rows = sorted(
                (claim.campaign_id, row_keys[row], claim.request, None, hashes[row], masked[row])
                for row in np.flatnonzero(claim.granted).tolist()
            )
            while new_rows and self._insert_rows(connection, new_rows).rowcount < len(new_rows):
                recipients, moment = (hashes, masked), (at, claimed_at)
                stored_keys = self._claim_stored_rows(
                    connection, claim, recipients, moment, override_of, unless_arrived=unless_arrived
                )
                # What was there when it was to be inserted, and is gone now, was forgotten in between.
                new_rows = [row for row in new_rows if row[1] not in stored_keys]
            if not claim.granted.any():
                connection.execute(delete(requests).where(requests.c.id == claim.request))
        if claim.granted.any():
            self._database.note_request(claim.request)
        claim.open = claim.granted.copy()
        self._own_requests.add(claim.request)
        return claim

    @contextmanager
    def _locked_people(self, connection: Connection, hashes: Sequence[bytes | None]) -> Iterator[None]:
        """Let claims about one person wait for each other; in SQLite, all do."""
        persons = sorted({person for person in hashes if person is not None})
        if self._database.dialect == "sqlite" or not persons:
            yield
            return
        campaign_id = self.campaign.make_id()
        connection.execute(_LOCK_PEOPLE, [{"campaign": campaign_id, "person": person} for person in persons])
        yield
        asked = hashes_table(connection, persons)
        of_these = people_locks.c.campaign == campaign_id, people_locks.c.person.in_(select(asked.c.value))
        connection.execute(delete(people_locks).where(*of_these))

    def _claim_stored_rows(
        self,
        connection: Connection,
        claim: Claim,
        recipients: tuple[Sequence[bytes | None], Sequence[str]],
        moment: tuple[datetime, int],
        override_of: np.ndarray | None,
        *,
        unless_arrived: bool,
    ) -> set[bytes]:
        """Take over, of the rows that the ledger knows, those that are free, or that the user wants to go again.

        Returns:
            The keys of all granted or refused rows that the ledger knows.
        """
        (hashes, masked), (at, now) = recipients, moment
        row_of = {claim.keys[row]: row for row in np.flatnonzero(claim.granted).tolist()}
        known_rows = find_rows(connection, claim.campaign_id, list(row_of), now)
        stored_rows = [stored for stored in known_rows if stored.request.id != claim.request]
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
                    "campaign_id": claim.campaign_id,
                    "row": stored.key,
                    "new_request": claim.request,
                    "new_sent": None if request.free else stored.earlier_request or request.id,
                    "new_person": hashes[row],
                    "new_recipient": masked[row],
                }
            )
        if moves:
            connection.execute(_MOVE_ROWS, moves)
        return {stored.key for stored in known_rows}

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
        }
        still_open, count = claim.open, 0
        with self._writing(claim) as connection:
            columns["recorded_at"] = self._database.now(connection, at)
            groups = group_by_reason(selected, rows, reasons)
            if len(groups) > 1:  # all at once: see `together`
                lock_rows(connection, claim.campaign_id, [claim.keys[row] for row in np.flatnonzero(selected)])
            for mask, own_reason in groups:
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
        values: dict[str, Any] = {
            "outcome": "unsent",
            "reason": "it was not sent, because the ledger could not be written",
        }
        with self._database.writing(self._connection) as connection:
            values["recorded_at"] = self._database.now(connection, at)
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
