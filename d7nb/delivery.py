"""Delivery: what the user holds after a plan was sent, while it is, and on any later day."""

from __future__ import annotations

import threading
import warnings
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from d7nb.claiming import Claims
from d7nb.client import Client
from d7nb.columns import with_columns
from d7nb.display.deliveries import Reason, Requests, ShownDelivery, delivery_html, delivery_text
from d7nb.display.progress import Progress
from d7nb.display.words import plural
from d7nb.errors import ConfirmError, Interrupted, LedgerWarning, PlanError, closed_book
from d7nb.ledger import LEEWAY, SETTLED, Ledger, opened
from d7nb.outcomes import COLUMNS, Outcomes
from d7nb.plugins import current
from d7nb.queueing import Canary
from d7nb.resending import recall, stand, told_of
from d7nb.rows import positions
from d7nb.sending import Sending

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from d7nb.mailing import Mailing

    Place = Ledger | str | os.PathLike[str] | None

_GLANCE = 0.1
"""Seconds between two looks at a running send."""
_FOREVER = 3600.0
"""Seconds that a request may live whose client has no time-out; afterwards it is in doubt."""


class Progressed(NamedTuple):
    """How far a send has come.

    Attributes:
        total: How many rows are to go.
        finished: How many of them have their outcome.
        word: What it is waiting for, while it does.
    """

    total: int
    finished: int
    word: str


class Delivery:
    """What became of a plan: every input row back in its place, each with exactly one outcome.

    While the send is running, everything here tells how far it has come. One that `Plan.delivery` made tells what the
    ledger knows, and sends nothing.

    Attributes:
        warnings: What went wrong beside the rows, such as a plugin that failed after the send.
    """

    def __init__(
        self,
        mailing: Mailing,
        outcomes: Outcomes,
        ledger: Place,
        destination: str,
        *,
        sending: Sending | None = None,
        closing: ExitStack | None = None,
    ) -> None:
        self._mailing = mailing
        self._outcomes = outcomes
        self._ledger = ledger
        self._destination = destination
        self._sending = sending
        self._closing = closing or ExitStack()
        self.warnings: list[str] = []
        self._failure: BaseException | None = None
        self._thread: threading.Thread | None = None
        # Events, and no join: before Python 3.13, an interrupted join takes a thread for dead that is alive.
        self._began, self._ended, self._observed = threading.Event(), threading.Event(), threading.Event()
        if sending is None:
            for event in (self._began, self._ended, self._observed):
                event.set()

    def _start(self) -> None:
        """Start sending in the background, unless that was done."""
        if self._thread is None and self._sending is not None:
            self._thread = threading.Thread(target=self._run, args=(self._sending,), name="d7nb-send")
            self._thread.start()

    def _run(self, sending: Sending) -> None:
        self._began.set()
        try:
            with self._closing:
                sending.run()
        except BaseException as failure:  # noqa: BLE001  (it belongs to whoever waits)
            self._failure = failure
        finally:
            self.warnings.extend(sending.warnings)
            self._ended.set()
            self.warnings.extend(current().after_send(self))
            self._observed.set()

    @contextmanager
    def _interruptible(self, sending: Sending) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:
            with suppress(KeyboardInterrupt):
                sending.stop("the send was interrupted")
                if not self._began.is_set():
                    self._run(sending)  # stopped before it began: this only closes the books, even if done twice
                while not self._ended.wait(_GLANCE):  # in steps: a signal just before a long wait would not end it
                    pass
            raise Interrupted("the send was interrupted; its delivery says how far it came", self) from None

    @property
    def done(self) -> bool:
        """Whether the send has come to its end."""
        return self._ended.is_set()

    def stop(self) -> None:
        """Start no more requests; those in flight are finished and recorded, the rest is ``unsent``."""
        if self._sending is not None:
            self._sending.stop("the send was stopped")

    @closed_book
    def wait(self, *, progress: bool = False) -> Delivery:
        """Wait until the send is done.

        Args:
            progress: Whether to show a progress bar meanwhile.

        Returns:
            This delivery.

        Raises:
            Interrupted: The kernel was interrupted. What was in flight is finished first; a second interrupt does not
                wait for it.
        """
        sending = self._sending
        if sending is None or threading.current_thread() is self._thread:
            return self  # an observer asks, when all is done
        with self._interruptible(sending), Progress(sending.total, shown=progress) as bar:
            self._start()
            while not self._observed.wait(_GLANCE):
                bar.show(sending.finished, sending.word)
            bar.show(sending.finished, sending.word)
        if self._failure is not None:
            raise self._failure
        return self

    @property
    def frame(self) -> pd.DataFrame:
        """A copy of the input with what became of each row; ``d7_*`` columns that were there are replaced.

        Added: ``d7_outcome``, ``d7_reason``, ``d7_decided_by``, ``d7_recipient``, ``d7_request_id``, ``d7_created_at``.
        """
        added = self._outcomes.columns(self._mailing.verdicts["recipient"])
        return with_columns(self._mailing.frame, added, without=COLUMNS)

    @property
    def summary(self) -> dict[str, int]:
        """How many rows have each outcome."""
        return self._outcomes.count()

    @property
    def progress(self) -> Progressed:
        """How far the send has come: how many rows are to go, how many have their outcome, what it is waiting for."""
        sending = self._sending
        return Progressed(0, 0, "") if sending is None else Progressed(sending.total, sending.finished, sending.word)

    @property
    def requests(self) -> pd.DataFrame:
        """One row per HTTP request: id, outcome, how many rows, originator, status, code, attempts, reason."""
        return self._outcomes.requests()

    @closed_book
    def settle(self, word: Literal["sent", "not_sent"], rows: Any = None) -> Delivery:
        """Say what became of rows that are ``unknown``, because you found out; it is written to the ledger.

        Args:
            word: ``"sent"``: they count as sent, and never go again by themselves; ``"not_sent"``: they go with the
                next send.
            rows: Positions of rows, or a mask over all rows; every row that is unknown unless given. Of rows that were
                settled as not sent, ``"sent"`` takes that back.

        Returns:
            This delivery, in which the rows now are ``accepted`` or ``unsent``.

        Raises:
            PlanError: A row is not unknown, or was decided otherwise meanwhile; or the send is still running.
            LedgerError: Some of them are just being sent, or the ledger can't be used; then none is settled.

        Example:
            >>> import pandas as pd, d7nb
            >>> people = pd.DataFrame({"phone": ["+12025550123"]})
            >>> plan = d7nb.plan(people, d7nb.Text("Hi"), to="phone", originator="+12025550100")
            >>> with d7nb.Sandbox() as sandbox:
            ...     sandbox.fail_next("drop_after")
            ...     delivery = plan.send(sandbox.client(), progress=False)
            >>> delivery.summary["unknown"], delivery.settle("sent").summary["accepted"]
            (1, 1)
        """
        if word not in {"sent", "not_sent"}:
            raise PlanError(f"settle() takes 'sent' or 'not_sent', not {word!r}")
        if not self.done:
            raise PlanError("the send is still running: stop() it or wait() for it, then settle what is in doubt")
        unknown = self._outcomes.rows_with("unknown")
        taken_back = np.intersect1d(self._outcomes.rows_with("unsent"), self._outcomes.decided_by(SETTLED))
        chosen = unknown if rows is None else np.unique(positions(rows, self._mailing.frame))
        if len(others := np.setdiff1d(chosen, np.union1d(unknown, taken_back) if word == "sent" else unknown)):
            message = f"the row at position {others[0]} is not unknown, so there is nothing to settle; see .frame"
            raise PlanError(message)
        mailing = self._mailing
        keys, now = mailing.keys[chosen], mailing.clock()
        with opened(self._ledger) as ledger:
            ledger.settle(self._destination, keys, word, now)
            people = mailing.people[chosen].tolist()
            known = ledger.look_up(self._destination, mailing.campaign, keys, people, at=now)
        there = np.flatnonzero(known.outcome.astype(bool))
        self._outcomes.recall(chosen[there], told_of(known).take(there))
        if otherwise := int((known.outcome != ("accepted" if word == "sent" else "unsent")).sum()):
            message = f"{plural(otherwise, 'row')} had been decided otherwise, by a person or another run: see .frame"
            raise PlanError(message)
        return self

    def __len__(self) -> int:
        return len(self._mailing.frame)

    def __repr__(self) -> str:
        return delivery_text(self._shown())

    def _repr_html_(self) -> str:
        return delivery_html(self._shown())

    def _shown(self) -> ShownDelivery:
        """What the displays need, as plain data."""
        return ShownDelivery(
            summary=self.summary,
            reasons=[Reason(*told) for told in self._outcomes.reasons()],
            requests=None if self._sending is None else Requests(*self._outcomes.tally()),
            done=self.done,
            warnings=list(self.warnings),
        )


def deliver(
    mailing: Mailing,
    client: Client,
    *,
    ledger: Place,
    resend: Any,
    confirm: int | None,
    progress: bool,
    wait: bool,
    split: bool,
    canary: int | None,
    stop_if: float,
) -> Delivery:
    """Start a send, and wait for it if asked to; the arguments are those of `Plan.send`."""
    if not isinstance(client, Client):
        raise PlanError("send() needs a client: d7nb.Client(), or the client() of a sandbox")
    if (canary is not None and canary < 1) or not 0 <= stop_if <= 1:
        raise PlanError("canary= counts rows from 1, and stop_if= is a share from 0 to 1")
    if resend is True and confirm is None:
        raise ConfirmError("resend=True sends again to everybody: say confirm= with the number of rows to go")
    destination = client.destination
    with ExitStack() as stack:
        books = stack.enter_context(opened(ledger))
        standing = stand(mailing, books, destination, resend)
        if confirm is not None and confirm != len(standing.going):
            raise ConfirmError(_not_confirmed(confirm, len(standing.going), len(standing.kept)))
        if not client.is_local and books.warning:
            warnings.warn(books.warning, LedgerWarning, stacklevel=4)
        outcomes = Outcomes(mailing.verdicts)
        outcomes.recall(standing.kept, standing.told)
        lifetime = timedelta(seconds=sum(_FOREVER if limit is None else limit for limit in client.timeout)) + LEEWAY
        run = stack.enter_context(books.run(lifetime=lifetime))
        sending = Sending(
            mailing.packer,
            standing.going,
            client,
            outcomes,
            claims=Claims(run, mailing, destination, standing.again),
            recheck=mailing.recheck,
            split=split,
            canary=None if canary is None else Canary(canary, stop_if),
        )
        delivery = Delivery(mailing, outcomes, ledger, destination, sending=sending, closing=stack.pop_all())
        if not client.is_local and books.warning:
            delivery.warnings.append(books.warning)
    if wait:
        return delivery.wait(progress=progress)
    with delivery._interruptible(sending):
        delivery._start()
    return delivery


def _not_confirmed(confirm: int, going: int, kept: int) -> str:
    why = f" ({plural(kept, 'row')} stay, as the ledger says; see plan.delivery)" if kept else ""
    return f"confirm={confirm!r}, but {plural(going, 'row')} would go{why}; nothing was sent. Look at the plan again"


def remembered(mailing: Mailing, ledger: Place, destination: str) -> Delivery:
    """What the ledger knows of a plan, as a delivery; nothing is sent."""
    with opened(ledger) as books:
        rows, told = recall(mailing, books, destination)
    outcomes = Outcomes(mailing.verdicts)
    outcomes.recall(rows, told)
    outcomes.give_up("no run has come to it")
    return Delivery(mailing, outcomes, ledger, destination)


def going(mailing: Mailing, ledger: Place, destination: str, resend: Any) -> pd.Series:
    """Which rows would go now."""
    with opened(ledger) as books:
        standing = stand(mailing, books, destination, resend)
    goes = np.zeros(len(mailing.frame), dtype=bool)
    goes[standing.going] = True
    return pd.Series(goes, index=mailing.frame.index, name="d7_going")
