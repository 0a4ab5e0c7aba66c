"""A send's standing in the ledger: its rows are claimed before a request leaves, and recorded after it.

What can't be recorded, because the disk is full or the server gone, is kept and tried again; its rows stay claimed
meanwhile, so that no other run can send them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from d7nb.errors import LedgerError

if TYPE_CHECKING:
    from d7nb.answers import Answer
    from d7nb.ledger import Claim, Run
    from d7nb.mailing import Mailing


class Taken(NamedTuple):
    """The rows of one request, claimed.

    Attributes:
        rows: Their positions in the frame, those included that were not granted.
        claim: The ledger's word on them.
    """

    rows: np.ndarray
    claim: Claim

    @property
    def granted(self) -> np.ndarray:
        """Positions of the rows that may go."""
        return self.rows[self.claim.granted]


class Claims:
    """Claims and records for one send; used by its one thread.

    Args:
        run: The send's run in the ledger.
        mailing: The plan's rows.
        destination: Where they go.
        again: For every row, whether it may go although it went out, or may have.
    """

    def __init__(self, run: Run, mailing: Mailing, destination: str, again: np.ndarray) -> None:
        self._run = run
        self._mailing = mailing
        self._destination = destination
        self._again = again
        self._unwritten: list[tuple[Claim, str, dict[str, Any]]] = []

    def take(self, rows: np.ndarray) -> Taken:
        """Claim the rows of a request that is about to leave.

        Raises:
            LedgerError: It could not be written down, so nothing may leave.
        """
        mailing = self._mailing
        claim = self._run.claim(
            self._destination,
            mailing.campaign,
            mailing.keys[rows],
            mailing.people[rows].tolist(),
            mailing.numbers[rows].tolist(),
            at=mailing.clock(),
            again=self._again[rows],
        )
        return Taken(rows, claim)

    def record(
        self, taken: Taken, rows: np.ndarray, outcome: str, answer: Answer | None = None, reason: str = ""
    ) -> None:
        """Record what became of rows of a request.

        Args:
            taken: The request's claim.
            rows: Which of its rows this is about.
            outcome: ``accepted``, ``unknown``, or ``rejected`` and ``unsent``, which free the rows.
            answer: What D7 answered, where it did.
            reason: Why, where the answer does not say.

        Raises:
            LedgerError: It could not be written down; it is kept, and will be tried again.
        """
        if not len(rows):
            return
        said: dict[str, Any] = {"reason": reason, "rows": np.flatnonzero(np.isin(taken.rows, rows))}
        if answer is not None:
            error = answer.error
            said |= {"request_id": answer.request_id, "created_at": answer.created_at, "status": answer.status}
            said |= {"code": error.code if error else "", "reason": reason or (error.message if error else "")}
        self._unwritten.append((taken.claim, outcome, said | {"at": self._mailing.clock()}))
        self._write()

    def close(self) -> int:
        """Try once more to record what could not be; how many rows remain for which it failed."""
        try:
            self._write()
        except LedgerError:
            return sum(len(said["rows"]) for _, _, said in self._unwritten)
        return 0

    def _write(self) -> None:
        while self._unwritten:
            claim, outcome, said = self._unwritten[0]
            self._run.record(claim, outcome, **said)
            del self._unwritten[0]
