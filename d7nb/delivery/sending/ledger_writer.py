"""The ledger's side of a send: rows are claimed before their request is posted, and recorded after it.

A record that can't be written, because the disk is full or the server is down, is kept and tried again. Its rows stay
claimed meanwhile, so that no other run can send them.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from d7nb.display.text import plural
from d7nb.errors import LedgerError
from d7nb.hints import Call, Hint

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from d7nb.api.responses import SendResponse
    from d7nb.delivery.eligibility import Eligibility
    from d7nb.delivery.mailing import Mailing
    from d7nb.store.claims import Claim
    from d7nb.store.runs import Run


class ClaimedRows(NamedTuple):
    """The rows of one request, and which of them the ledger granted.

    Attributes:
        rows: Positions in the frame of all rows of the request, granted or not.
        claim: The ledger's claim, with a value for each of these rows.
    """

    rows: np.ndarray
    claim: Claim

    @property
    def granted(self) -> np.ndarray:
        """Positions of the rows that may be sent."""
        return self.rows[self.claim.granted]


class LedgerWriter:
    """The claims and records of one send; used by one thread.

    Args:
        run: The send's run in the ledger.
        mailing: The plan's rows.
        eligibility: What was decided about the rows, and what that is based on.
        unless_arrived: Whether to refuse a row anyway if that request's message has arrived.
    """

    def __init__(self, run: Run, mailing: Mailing, eligibility: Eligibility, *, unless_arrived: bool = False) -> None:
        self._run = run
        self._mailing = mailing
        self._eligibility = eligibility
        self._unless_arrived = unless_arrived
        self._pending: list[tuple[Claim, str, dict[str, Any]]] = []
        self._claim_failed = False
        self._superseded = 0  # rows that were no longer claimed by this run when their outcome was written

    def claim(self, rows: np.ndarray) -> ClaimedRows:
        """Claim the rows of a request that is about to be posted.

        Raises:
            LedgerError: The claim could not be written, so the request must not be posted.
        """
        mailing = self._mailing
        try:
            claim = self._run.claim(
                mailing.keys[rows],
                mailing.people[rows].tolist(),
                mailing.numbers[rows].tolist(),
                at=mailing.clock(),
                override_of=self._eligibility.override_of[rows],
                other_requests=self._eligibility.other_requests[rows],
                unless_arrived=self._unless_arrived,
                is_own_key=self._is_key_of_this_plan,
            )
        except LedgerError:
            self._claim_failed = True  # the commit may have succeeded all the same
            raise
        return ClaimedRows(rows, claim)

    def _is_key_of_this_plan(self, key: bytes) -> bool:
        return key in self._plan_keys

    @cached_property
    def _plan_keys(self) -> frozenset[bytes]:
        """The keys of the plan's rows; made only where another run sends in this campaign at the same time."""
        return frozenset(self._run.campaign.row_keys(self._mailing.keys[self._mailing.keyed]))

    def record(
        self,
        claimed: ClaimedRows,
        rows: np.ndarray,
        outcome: str,
        *,
        response: SendResponse | None = None,
        reason: str = "",
        reasons: Sequence[str] = (),
    ) -> None:
        """Queue the outcome of some rows of a request for the next `write`.

        Args:
            claimed: The request's claim.
            rows: Positions in the frame of the rows that have this outcome.
            outcome: ``accepted``, ``unknown``, or ``rejected`` and ``unsent``, which free the rows.
            response: D7's answer, where there was one.
            reason: The reason, where it is not the answer's error message.
            reasons: A reason for each row, where they differ.
        """
        if not len(rows):
            return
        position_of = {row: position for position, row in enumerate(claimed.rows.tolist())}
        fields: dict[str, Any] = {
            "at": self._mailing.clock(),
            "reason": reason,
            "rows": [position_of[row] for row in rows.tolist()],
            "reasons": reasons,
        }
        if response is not None:
            error = response.error
            fields |= {
                "request_id": response.request_id,
                "created_at": response.created_at,
                "status": response.status,
                "code": error.code if error else "",
                "reason": reason or (error.message if error else ""),
            }
        self._pending.append((claimed.claim, outcome, fields))

    def write(self) -> None:
        """Write all queued outcomes in one transaction: requests that were answered together cost one commit.

        Raises:
            LedgerError: They could not be written; they stay queued for the next call.
        """
        if not self._pending:
            return
        superseded = 0
        partly = [claim for claim, _, fields in self._pending if len(fields["rows"]) < claim.open.sum()]
        with self._run.together(partly):
            for claim, outcome, fields in self._pending:
                superseded += len(fields["rows"]) - self._run.record(claim, outcome, **fields)
        self._pending.clear()
        self._superseded += superseded

    def close(self) -> list[str]:
        """Write what is still queued, and return a warning about each kind of outcome that the ledger does not have.

        Must be called when no request is in flight any more.
        """
        warnings: list[str] = []
        try:
            self.write()
            if self._claim_failed:
                self._run.free_unconfirmed_claims(self._mailing.clock())
        except LedgerError:
            unwritten = sum(len(fields["rows"]) for _, _, fields in self._pending)
            if unwritten:
                not_written = (
                    f"the outcome of {plural(unwritten, 'row')} could not be written to the ledger, so a later run "
                    "will call them unknown: settle them then, with the outcomes from "
                )
                warnings.append(Hint(not_written, Call("delivery.frame", arguments=None)))
        if self._superseded:
            they = "it" if self._superseded == 1 else "they"
            too_late = (
                f"D7's answer for {plural(self._superseded, 'row')} came after {they} had been settled or sent again: "
            )
            warnings.append(Hint(too_late, Call("plan.delivery", arguments=("client",)), " shows what the ledger has"))
        return warnings
