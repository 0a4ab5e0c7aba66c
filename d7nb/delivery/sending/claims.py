"""A send's standing in the ledger: its rows are claimed before a request leaves, and recorded after it.

What can't be recorded, because the disk is full or the server gone, is kept and tried again; its rows stay claimed
meanwhile, so that no other run can send them.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from d7nb.errors import LedgerError
from d7nb.store.keys import key_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from d7nb.api.responses import SendResponse
    from d7nb.delivery.mailing import Mailing
    from d7nb.store.claims import Claim
    from d7nb.store.runs import Run


class ClaimedRows(NamedTuple):
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


class LedgerWriter:
    """Claims and records for one send; used by its one thread.

    Args:
        run: The send's run in the ledger.
        mailing: The plan's rows.
        again: For every row, the number of the request that does not stand in its way.
        unless_arrived: Whether it does if its message was delivered by then.

    Attributes:
        disowned: How many rows were no longer the run's own when their outcome was to be recorded.
    """

    def __init__(self, run: Run, mailing: Mailing, again: np.ndarray, *, unless_arrived: bool = False) -> None:
        self._run = run
        self._mailing = mailing
        self._again = again
        self._unless_arrived = unless_arrived
        self._unwritten: list[tuple[Claim, str, dict[str, Any]]] = []
        self._strays = False
        self.disowned = 0

    def take(self, rows: np.ndarray) -> ClaimedRows:
        """Claim the rows of a request that is about to leave.

        Raises:
            LedgerError: It could not be written down, so nothing may leave.
        """
        mailing = self._mailing
        try:
            claim = self._run.claim(
                mailing.keys[rows],
                mailing.people[rows].tolist(),
                mailing.numbers[rows].tolist(),
                at=mailing.clock(),
                override_of=self._again[rows],
                unless_arrived=self._unless_arrived,
                is_own_key=self._is_own_key if mailing.by_content else None,
            )
        except LedgerError:
            self._strays = True  # a commit may have succeeded without telling
            raise
        return ClaimedRows(rows, claim)

    def _is_own_key(self, key: bytes) -> bool:
        return key in self._own_keys

    @cached_property
    def _own_keys(self) -> frozenset[bytes]:
        """Asked for only where another run sends in this campaign at the same time."""
        return frozenset(key_bytes(self._mailing.keys[self._mailing.keyed]))

    def record(
        self,
        taken: ClaimedRows,
        rows: np.ndarray,
        outcome: str,
        *,
        answer: SendResponse | None = None,
        reason: str = "",
        reasons: Sequence[str] = (),
    ) -> None:
        """Note what became of rows of a request; `write` writes it down.

        Args:
            taken: The request's claim.
            rows: Which of its rows this is about.
            outcome: ``accepted``, ``unknown``, or ``rejected`` and ``unsent``, which free the rows.
            answer: What D7 answered, where it did.
            reason: Why, where the answer does not say.
            reasons: A reason for each row, where they differ.
        """
        if not len(rows):
            return
        place_of = {row: place for place, row in enumerate(taken.rows.tolist())}
        said: dict[str, Any] = {"reason": reason, "rows": [place_of[row] for row in rows.tolist()], "reasons": reasons}
        if answer is not None:
            error = answer.error
            said |= {"request_id": answer.request_id, "created_at": answer.created_at, "status": answer.status}
            said |= {"code": error.code if error else "", "reason": reason or (error.message if error else "")}
        self._unwritten.append((taken.claim, outcome, said | {"at": self._mailing.clock()}))

    def write(self) -> None:
        """Write down all that was noted, in one transaction: requests that were answered together cost one commit.

        Raises:
            LedgerError: It could not be written down; it is kept, and will be tried again.
        """
        if not self._unwritten:
            return
        disowned = 0
        with self._run.together():
            for claim, outcome, said in self._unwritten:
                disowned += len(said["rows"]) - self._run.record(claim, outcome, **said)
        self._unwritten.clear()
        self.disowned += disowned

    def close(self) -> int:
        """Try once more to record what could not be; how many rows remain for which it failed.

        To be called when nothing is on its way any more.
        """
        try:
            self.write()
            if self._strays:
                self._run.release_strays(self._mailing.clock())
        except LedgerError:
            return sum(len(said["rows"]) for _, _, said in self._unwritten)
        return 0
