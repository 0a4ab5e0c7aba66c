"""Claim before, record after: how a run makes sure that a row goes out once."""

from __future__ import annotations

import secrets
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sqlalchemy import bindparam, delete, func, insert, literal_column, select, update

from d7nb.api.statuses import ARRIVED
from d7nb.errors import LedgerError, hides_internals
from d7nb.privacy import mask_number, mask_text
from d7nb.store.database import prepare
from d7nb.store.faults import guarded
from d7nb.store.keys import key_bytes
from d7nb.store.processes import this_process
from d7nb.store.request_state import AT_ONCE, Held, Request, held, split_off
from d7nb.store.schema import (
    HEARD,
    INSERT,
    PRESUMED,
    RECORDED,
    RELEASED,
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
_BEGIN = insert(requests).values({name: bindparam(name) for name in _CLAIMED}).returning(requests.c.id)
_ADD = {dialect: insert_into(rows).on_conflict_do_nothing() for dialect, insert_into in INSERT.items()}
_MOVE = (
    update(rows)
    .where(rows.c.destination == bindparam("destination_id"), rows.c.key == bindparam("row"))
    .values({name: bindparam(f"new_{name}") for name in ("request", "sent", "person", "recipient")})
)
_SAID = ("outcome", "request_id", "created_at", "status", "code", "reason", "recorded_at")
_OWN = update(requests).where(requests.c.id == bindparam("this"), requests.c.run == bindparam("own"))
_SAY = _OWN.values({name: bindparam(f"new_{name}") for name in _SAID})
_RECORD, _CORRECT = _SAY.where(requests.c.outcome.is_(None)), _SAY.where(requests.c.code == PRESUMED)
_OUTCOME_OF_REFUSED = {"accepted": "already_sent", "unknown": "unknown", None: "unsent"}
_earlier = requests.alias("seen")
_SEEN_AT = select(_earlier.c.claimed_at).where(_earlier.c.id == bindparam("seen")).scalar_subquery()
_LATER = select(requests.c.id).where(
    requests.c.id > bindparam("seen"),
    requests.c.id < bindparam("own"),
    requests.c.destination == bindparam("destination_id"),
    requests.c.campaign == bindparam("name"),
    requests.c.run != bindparam("run"),
    # What was split off an older request is no later one, though its number is.
    requests.c.code.not_like(literal_column(f"'{HEARD}'")) & requests.c.code.not_like(literal_column(f"'{SETTLED}'"))
    | (requests.c.claimed_at > func.coalesce(_SEEN_AT, literal_column("0"))),
)
OTHER_TEXT = (
    "already got another text in this campaign; resend='changed' sends this one too, and so does another campaign="
)


class Claim:
    """What `Run.claim` says of each row that was asked for; handed back to `Run.record`.

    Attributes:
        granted: Whether the row is the run's own to send.
        outcome: Of the others: ``already_sent``, ``unknown``, ``unsent`` where a run is just sending it, or ``held``
            where the person got another text since this run began.
        reason: Of the others: why they were not granted.
        request_id: Of the others: the id of the request that sent them first, where D7 gave one.
        created_at: Of the others: D7's time of it, as given.
        open: Which of the granted rows are not recorded yet.
    """

    def __init__(self, keys: list[bytes], destination_id: int) -> None:
        self.granted = np.ones(len(keys), dtype=bool)
        self.outcome: list[str | None] = [None] * len(keys)
        self.reason: list[str | None] = [None] * len(keys)
        self.request_id: list[str | None] = [None] * len(keys)
        self.created_at: list[str | None] = [None] * len(keys)
        self.open = np.zeros(len(keys), dtype=bool)
        self.keys = keys
        self.destination_id = destination_id
        self.request = 0

    def __repr__(self) -> str:
        return f"Claim({self.granted.sum()} of {len(self.granted)} rows granted, {self.open.sum()} not recorded)"

    def hold(self, row: int) -> None:
        """Say that a row is not granted, since its person just got another text."""
        self.granted[row] = False
        self.outcome[row], self.reason[row] = "held", OTHER_TEXT

    def refuse(self, row: int, request: Request, at: datetime) -> None:
        """Say why a row is not granted: a request decides about it."""
        self.granted[row] = False
        self.outcome[row] = _OUTCOME_OF_REFUSED[request.outcome]
        self.reason[row] = request.told(at)
        self.request_id[row], self.created_at[row] = request.request_id, request.created_at


class Run:
    """One send's standing in the ledger; used by one thread, inside its ``with`` block.

    Args:
        campaign: The campaign whose rows it sends.
        lifetime: How long a request can live: a claim that is older, and was not recorded, is in doubt.
        last_request_seen: The campaign's last request that was looked at before the run, as
            `RowStates.last_request_seen` gives it; later ones of other runs may have told the same people something
            else.

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
        self._told_elsewhere: dict[bytes, set[bytes]] = {}
        self._begun: set[int] = set()
        self._database = database = campaign.database
        self._lifetime = lifetime // timedelta(microseconds=1)
        self._connection: Connection | None = None
        self._joint: tuple[Connection, list[tuple[Claim, np.ndarray]]] | None = None
        self._begin, self._add, self._record, self._later = (
            prepare(database.engine, statement) for statement in (_BEGIN, _ADD[database.dialect], _RECORD, _LATER)
        )

    def __enter__(self) -> Self:
        host, machine, pid, process = this_process()
        own = {"id": self.id, "host": host, "machine": machine, "pid": pid, "process": process, "ended": False}
        with self._database.writing() as connection:
            connection.execute(insert(runs), own)
        with guarded(self._database.name):
            self._connection = self._database.engine.connect()  # one for all: taking one costs as much as a commit
        return self

    def __exit__(self, *_: object) -> None:
        """Whatever was claimed and not recorded is in doubt from now on, and whoever looks next says so.

        Where even that can't be written down, others wait for a request's lifetime and then say the same.
        """
        with suppress(LedgerError), self._database.writing(self._connection) as connection:
            connection.execute(update(runs).where(runs.c.id == self.id).values(ended=True))
        if self._connection is not None:
            self._connection.close()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Whatever is recorded in a ``with`` block is one transaction: all of it is on the disk at its end, or none.

        Raises:
            LedgerError: None of it could be written down; its rows stay claimed, and so in doubt.
        """
        before: list[tuple[Claim, np.ndarray]] = []
        try:
            with self._database.writing(self._connection) as connection:
                self._joint = connection, before
                try:
                    yield
                finally:
                    self._joint = None
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
        ours: Callable[[bytes], bool] | None = None,
    ) -> Claim:
        """Claim the rows of one request, before it leaves: those granted are no other run's, on no other machine.

        Args:
            keys: Each row's key, ``uint8`` of shape (rows, 16).
            people: Each row's recipient, one form for all national variants; only a keyed hash is kept.
            numbers: Each row's number; only a masked form is kept.
            at: Now.
            override_of: For each row, the number of the request that may have sent it and does not stand in its way,
                since the user said so; 0 where there is none. Another request does.
            unless_arrived: Whether such a request does stand in the way if its message was delivered by now.
            ours: Whether a key is one of the run's own rows. Given, rows are held whose person got another text, under
                another key, from another run since this one began.

        Returns:
            Which rows are granted, and why the others are not.

        Raises:
            LedgerError: Nothing is granted, since it could not be written down.
        """
        texts = key_bytes(keys)
        if len(set(texts)) < len(texts):
            raise ValueError(
                "a key stands twice in one request: its second row would be sent on the claim of its first"
            )
        claim = Claim(texts, self.campaign.make_destination_id())
        if not texts:
            return claim
        hashes = self._database.people(people)
        masked = [mask_number(number) for number in numbers]
        with self._database.writing(self._connection) as connection:
            values = (self.id, claim.destination_id, self.campaign.name, to_number(at), self._lifetime, "", "")
            claim.request = self._begin(connection, dict(zip(_CLAIMED, values, strict=True))).scalar_one()
            if ours is not None:
                self._hold_if_contacted_by_other_run(connection, claim, hashes, ours)
            wanted = np.flatnonzero(claim.granted).tolist()
            new = [(claim.destination_id, texts[row], claim.request, None, hashes[row], masked[row]) for row in wanted]
            if new and self._add(connection, new).rowcount < len(new):
                self._claim_held(connection, claim, (hashes, masked), at, override_of, unless_arrived=unless_arrived)
            if not claim.granted.any():
                connection.execute(delete(requests).where(requests.c.id == claim.request))
        if ours is not None:
            self._last_request_seen = claim.request - (not claim.granted.any())  # SQLite gives a deleted number again
        claim.open = claim.granted.copy()
        self._begun.add(claim.request)
        return claim

    def _hold_if_contacted_by_other_run(
        self,
        connection: Connection,
        claim: Claim,
        hashes: Sequence[bytes | None],
        ours: Callable[[bytes], bool],
    ) -> None:
        """Two runs with two texts for the same people: whoever comes second to a person holds the row."""
        if self._last_request_seen is not None:
            values = {
                "seen": self._last_request_seen,
                "own": claim.request,
                "destination_id": claim.destination_id,
                "name": self.campaign.name,
                "run": self.id,
            }
            later = self._later(connection, values).scalars().all()
            for start in range(0, len(later), AT_ONCE):
                these = select(rows.c.person, rows.c.key).join(deciding, deciding.c.id == rows.c.request)
                these = these.where(rows.c.request.in_(later[start : start + AT_ONCE]), rows.c.person.is_not(None))
                sent = deciding.c.outcome.is_(None) | deciding.c.outcome.not_in(RELEASED)
                for person, key in connection.execute(these.where(sent)):
                    if not ours(key):
                        self._told_elsewhere.setdefault(person, set()).add(key)
        for row, person in enumerate(hashes if self._told_elsewhere else ()):
            if person in self._told_elsewhere:
                claim.hold(row)

    def _claim_held(
        self,
        connection: Connection,
        claim: Claim,
        columns: tuple[Sequence[bytes | None], Sequence[str]],
        at: datetime,
        override_of: np.ndarray | None,
        *,
        unless_arrived: bool,
    ) -> None:
        """Of the rows that the ledger knows, take over those that are free, or that the user wants to go again."""
        hashes, masked = columns
        row_of = {claim.keys[row]: row for row in np.flatnonzero(claim.granted).tolist()}
        moves = []
        found = [
            known
            for known in held(connection, claim.destination_id, list(row_of), at)
            if known.request.id != claim.request
        ]
        arrived = _arrived(connection, found) if unless_arrived else set()
        for known in found:
            row = row_of[known.key]
            wanted = (
                override_of is not None and override_of[row] == known.request.id and known.request.outcome is not None
            )
            wanted = wanted and known.key not in arrived
            if not known.request.free and not wanted:
                claim.refuse(row, known.request, at)
                continue
            sent = None if known.request.free else known.earlier or known.request.id
            moves.append(
                {
                    "destination_id": claim.destination_id,
                    "row": known.key,
                    "new_request": claim.request,
                    "new_sent": sent,
                    "new_person": hashes[row],
                    "new_recipient": masked[row],
                }
            )
        if moves:
            connection.execute(_MOVE, moves)

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
        """Record what became of a claim, on condition that it is still this run's own.

        Another run may have presumed the outcome unknown meanwhile; this one knows better. What a person settled, or
        another run claimed since, stays as it is.

        Args:
            claim: The claim.
            outcome: ``accepted``, ``unknown``, or ``rejected`` and ``unsent``, which free the rows.
            request_id: D7's id of the request.
            created_at: D7's time of it, as given.
            status: The HTTP status.
            code: D7's word for what went wrong.
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
        chosen = claim.open if rows is None else _chosen(claim, rows)
        if not chosen.any():
            return 0
        said = {
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
            for part, why in _by_reason(chosen, rows, reasons):
                own = said if why is None else said | {"reason": storable(mask_text(why))}
                record = self._record_all if (part == still_open).all() else self._record_some
                count += record(connection, claim, part, own)
                still_open = still_open & ~part
        claim.open = still_open
        return count

    @contextmanager
    def _writing(self, claim: Claim) -> Iterator[Connection]:
        """The transaction of `together`, where there is one, or one alone."""
        if self._joint is None:
            with self._database.writing(self._connection) as connection:
                yield connection
        else:
            connection, before = self._joint
            before.append((claim, claim.open))
            yield connection

    def release_strays(self, at: datetime) -> int:
        """Free what was claimed by a commit whose success was never told: nothing of it can have left.

        Args:
            at: Now, when nothing of the run is on its way any more.

        Returns:
            How many requests were freed.
        """
        own = select(requests.c.id).where(requests.c.run == self.id, requests.c.outcome.is_(None))
        said = {"outcome": "unsent", "reason": "it was not sent: its claim failed", "recorded_at": to_number(at)}
        with self._database.writing(self._connection) as connection:
            strays = set(connection.execute(own).scalars()) - self._begun
            for stray in strays:
                connection.execute(update(requests).where(requests.c.id == stray).values(said))
        return len(strays)

    def _record_all(self, connection: Connection, claim: Claim, chosen: np.ndarray, said: dict[str, Any]) -> int:
        new = {f"new_{name}": value for name, value in said.items()} | {"this": claim.request, "own": self.id}
        if self._record(connection, new).rowcount:
            return int(chosen.sum())
        if not connection.execute(_CORRECT, new).rowcount:
            return 0
        pointing = select(func.count()).where(rows.c.request == claim.request)
        return int(connection.execute(pointing).scalar_one())

    def _record_some(self, connection: Connection, claim: Claim, chosen: np.ndarray, said: dict[str, Any]) -> int:
        """Rows with an outcome of their own get a request of their own, like the one they were claimed for."""
        own = requests.c.run == self.id, requests.c.outcome.is_(None) | (requests.c.code == PRESUMED)
        request = split_off(connection, claim.request, said, *own)
        if request is None:
            return 0
        keys = [claim.keys[row] for row in np.flatnonzero(chosen)]
        count = 0
        for start in range(0, len(keys), AT_ONCE):
            still_ours = update(rows).where(
                rows.c.destination == claim.destination_id,
                rows.c.key.in_(keys[start : start + AT_ONCE]),
                rows.c.request == claim.request,
            )
            count += connection.execute(still_ours.values(request=request)).rowcount
        return count


def _arrived(connection: Connection, found: Sequence[Held]) -> set[bytes]:
    """Of which rows it is known by now that their message arrived."""
    numbers, keys = {known.request.id for known in found}, [known.key for known in found]
    those = statuses.c.request.in_(numbers), statuses.c.key.in_(keys), statuses.c.status.in_(ARRIVED)
    return set(connection.execute(select(statuses.c.key).where(*those)).scalars())


def _by_reason(
    chosen: np.ndarray, positions: np.ndarray | Sequence[int] | None, reasons: Sequence[str] | None
) -> list[tuple[np.ndarray, str | None]]:
    """The rows to record, apart by what is said of them."""
    if not reasons or positions is None:
        return [(chosen, None)]
    parts = {why: np.zeros_like(chosen) for why in reasons}
    for position, why in zip(positions, reasons, strict=True):
        parts[why][position] = True
    return [(part, why) for why, part in parts.items()]


def _chosen(claim: Claim, positions: np.ndarray | Sequence[int]) -> np.ndarray:
    chosen = np.zeros(len(claim.open), dtype=bool)
    chosen[positions] = True
    if (chosen & ~claim.open).any():
        raise ValueError("rows: some of them were not granted, or have been recorded")
    return chosen
