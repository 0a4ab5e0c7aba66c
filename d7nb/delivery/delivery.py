"""Delivery: what the user holds after a plan was sent, while it is, and on any later day."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from d7nb.api.client import Client
from d7nb.api.destinations import BASE_URL, destination_of
from d7nb.delivery.eligibility import outcomes_known
from d7nb.delivery.funnel import funnel, reached, segmented
from d7nb.delivery.outcomes import COLUMNS, OutcomeTable
from d7nb.delivery.plotting import plot
from d7nb.delivery.refresh import (
    FollowUp,
    PollSummary,
    failures,
    load_follow_up,
    reload_statuses,
    status_columns,
    take_reports,
    tell_failures,
)
from d7nb.delivery.watching import WATCHED, watch
from d7nb.display.deliveries import DeliveryView, Reason, RequestCounts, delivery_html, delivery_text
from d7nb.display.progress import Progress
from d7nb.display.text import plural
from d7nb.errors import Interrupted, PlanError, hides_internals
from d7nb.store.lookup import find_row_states
from d7nb.store.schema import SETTLED
from d7nb.store.settle import settle
from d7nb.store.store import Store, open_campaign
from d7nb.tables.frames import positions, with_columns

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Hashable, Iterator, Sequence
    from contextlib import AbstractContextManager

    import pandas as pd

    from d7nb.delivery.mailing import Mailing
    from d7nb.delivery.sending.loop import SendLoop
    from d7nb.store.campaign import CampaignLedger
    from d7nb.store.lookup import RowStates

    Place = Store | str | os.PathLike[str] | None

_GLANCE = 0.1
"""Seconds between two looks at a running send."""


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
        outcomes: OutcomeTable,
        ledger: Place,
        *,
        client: Client | None = None,
        sending: SendLoop | None = None,
        closing: ExitStack | None = None,
        after_send: Callable[[Delivery], list[str]] = lambda _: [],
    ) -> None:
        self._mailing = mailing
        self._outcomes = outcomes
        self._ledger = ledger
        self._destination = destination_of(client)
        self._client = client
        self._followed: FollowUp | None = None
        self._asked_in_vain: list[str] = []
        self._sending = sending
        self._closing = closing or ExitStack()
        self._after_send = after_send
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

    def _run(self, sending: SendLoop) -> None:
        self._began.set()
        try:
            with self._closing:
                sending.run()
        except BaseException as failure:  # noqa: BLE001  (it belongs to whoever waits)
            self._failure = failure
        finally:
            self.warnings.extend(sending.warnings)
            self._ended.set()
            self.warnings.extend(self._after_send(self))
            self._observed.set()

    @contextmanager
    def _interruptible(self, sending: SendLoop) -> Iterator[None]:
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

    @hides_internals
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
                bar.show(sending.finished, sending.waiting_for)
            bar.show(sending.finished, sending.waiting_for)
        if self._failure is not None:
            raise self._failure
        return self

    @property
    def frame(self) -> pd.DataFrame:
        """A copy of the input with what became of each row; ``d7_*`` columns that were there are replaced.

        Added: ``d7_outcome``, ``d7_reason``, ``d7_decided_by``, ``d7_recipient``, ``d7_request_id``, ``d7_created_at``;
        after `refresh`, and where the ledger told of an earlier send, also ``d7_msg_id``, ``d7_status`` (queued, sent,
        delivered, read, failed, or a word of D7's own), ``d7_status_reason``, ``d7_status_at`` (D7's time of it where
        an event told it; otherwise when it was asked, by D7's clock).
        """
        return with_columns(self._mailing.frame, self._columns(), without=COLUMNS)

    def _columns(self) -> dict[str, Any]:
        added = self._outcomes.columns(self._mailing.verdicts["recipient"])
        if self._followed is not None:
            added |= status_columns(self._followed.heard)
            tell_failures(added, self._outcomes.went())
        return added

    @property
    def summary(self) -> dict[str, int]:
        """How many rows have each outcome."""
        return self._outcomes.count()

    @property
    def progress(self) -> Progressed:
        """How far the send has come: how many rows are to go, how many have their outcome, what it is waiting for."""
        sending = self._sending
        return (
            Progressed(0, 0, "")
            if sending is None
            else Progressed(sending.total, sending.finished, sending.waiting_for)
        )

    @property
    def requests(self) -> pd.DataFrame:
        """One row per HTTP request: id, outcome, how many rows, originator, status, code, attempts, reason."""
        return self._outcomes.requests()

    @hides_internals
    def refresh(self, client: Client | None = None, *, progress: bool = False) -> Delivery:
        """Ask D7 what became of the messages, and take in what delivery events told meanwhile.

        Each request of which more is to be expected is asked for its report (d7-api.md section 4), several at once and
        no more a second than the client's rate. A message's row is found by its key, or else by its recipient. A status
        never goes backwards; ``read`` and ``failed`` are final. What D7 says is kept in the ledger.

        Args:
            client: Asks; unless given, the one that sent, or one of the real API.
            progress: Whether to show a progress bar.

        Returns:
            This delivery, whose ``frame`` now has the statuses. A report that D7 does not have yet, or that could not
            be had, is told in the display and asked for the next time.

        Raises:
            ApiError: The token was refused, or no report could be had at all.
            LedgerError: The ledger can't be used.
            PlanError: The client speaks to another place than these messages went to.
            Interrupted: The kernel was interrupted; what was heard is kept.

        Example:
            >>> import pandas as pd, d7nb
            >>> people = pd.DataFrame({"phone": ["+12025550123"]})
            >>> plan = d7nb.plan(people, d7nb.Text("Hi"), to="phone", originator="+12025550100")
            >>> with d7nb.Sandbox() as sandbox:
            ...     delivery = plan.send(sandbox.client(), progress=False)
            ...     sandbox.advance(minutes=1)
            ...     delivery.refresh().frame["d7_status"].tolist()
            ['read']
        """
        client = self._asker(client)
        try:
            with self._open_campaign() as campaign:
                followed = self._follow(campaign)
                count = len(followed.open)
                try:
                    with Progress(count, shown=progress and count > 0, unit="report") as bar:
                        reports = take_reports(
                            client,
                            followed.open,
                            campaign,
                            self._mailing.clock,
                            step=lambda n: bar.show(n, ""),
                        )
                finally:
                    rows = self._mailing, self._outcomes
                    self._followed = reload_statuses(followed, *rows, campaign, settle=self.done)
        except KeyboardInterrupt:
            raise Interrupted("asking for reports was interrupted; what was heard is kept", self) from None
        self._asked_in_vain = _in_vain(reports)
        return self

    @hides_internals
    def watch(
        self,
        until: str | Callable[[Delivery], bool] = "delivered",
        *,
        every: float = 30.0,
        timeout: float | None = None,
        client: Client | None = None,
        progress: bool = True,
    ) -> Delivery:
        """Refresh again and again, until all messages have come so far.

        Args:
            until: ``"sent"``, ``"delivered"`` or ``"read"``: until each accepted message has come at least so far, or
                has failed; or a function of this delivery that says whether it is enough.
            every: Seconds between two rounds.
            timeout: Seconds after which to come back in any case; None to wait for ever. Not everybody reads, and not
                every phone is switched on: give one with ``"read"``.
            client: As for `refresh`.
            progress: Whether to show a progress bar.

        Returns:
            This delivery.

        Raises:
            PlanError: ``until`` is no stage.
            Interrupted: The kernel was interrupted; what was heard is kept.
            ApiError: As for `refresh`, at the first round; later ones wait for the next.

        Example:
            >>> import pandas as pd, d7nb
            >>> people = pd.DataFrame({"phone": ["+12025550123"]})
            >>> plan = d7nb.plan(people, d7nb.Text("Hi"), to="phone", originator="+12025550100")
            >>> with d7nb.Sandbox() as sandbox:
            ...     delivery = plan.send(sandbox.client(), progress=False)
            ...     sandbox.advance(minutes=1)
            ...     delivery.watch("read", every=0.1, timeout=20, progress=False).funnel()["read"].tolist()
            [1]
        """
        if not callable(until) and until not in WATCHED:
            raise PlanError(f"until= is one of {', '.join(WATCHED)}, or a function of the delivery, not {until!r}")
        if not every > 0:
            raise PlanError("every= is how many seconds to wait between two rounds: more than none")

        def count() -> tuple[int, int]:
            stages = reached(self._outcomes.went(), self._known().heard)
            there = stages["failed"] | stages["delivered" if callable(until) else until]
            return int(there.sum()), int(stages["accepted"].sum())

        def is_enough() -> bool:
            if callable(until):
                return bool(until(self))
            there, accepted = count()
            return self.done and there >= accepted

        asker = self._asker(client)
        watch(self, lambda: self.refresh(asker), count, is_enough, every=every, timeout=timeout, progress=progress)
        return self

    @hides_internals
    def funnel(self, by: Hashable | Sequence[Hashable] | None = None) -> pd.DataFrame:
        """Count how far the messages came, by what was heard so far.

        Args:
            by: A column of the table, or a list of them: one line for each of its values; else one line for all.

        Returns:
            The columns of `by`, then ``rows``, ``accepted`` (by D7, now or in an earlier run), ``sent``, ``delivered``,
            ``read`` (each counts those that came further, too) and ``failed``.

        Raises:
            ColumnError: There is no such column.
            PlanError: Its values can't be told apart or put in order.

        Example:
            >>> import pandas as pd, d7nb
            >>> people = pd.DataFrame({"phone": ["+12025550123", "+12025550124"], "city": ["Oslo", "Dubai"]})
            >>> plan = d7nb.plan(people, d7nb.Text("Hi"), to="phone", originator="+12025550100")
            >>> with d7nb.Sandbox() as sandbox:
            ...     sandbox.script("+12025550123", "never_read")
            ...     delivery = plan.send(sandbox.client(), progress=False)
            ...     sandbox.advance(minutes=1)
            ...     delivery.refresh().funnel("city")[["city", "delivered", "read"]]
                city  delivered  read
            0  Dubai          1     1
            1   Oslo          1     0
        """
        lines, codes = segmented(self._mailing.frame, by)
        return funnel(lines, codes, reached(self._outcomes.went(), self._known().heard))

    @hides_internals
    def plot(self, by: Hashable | Sequence[Hashable] | None = None) -> Any:
        """Draw the funnel for each segment, and how long it took until messages were delivered.

        Args:
            by: As for `funnel`.

        Returns:
            A matplotlib ``Figure``: a notebook shows it, ``.savefig("funnel.png")`` writes it. The times are D7's where
            delivery events told them; where a report was asked for, they are no later than that.

        Raises:
            ColumnError: There is no such column.
            PlanError: matplotlib, an extra, is not installed.

        Example:
            >>> import pandas as pd, d7nb
            >>> people = pd.DataFrame({"phone": ["+12025550123", "+12025550124"], "city": ["Oslo", "Dubai"]})
            >>> plan = d7nb.plan(people, d7nb.Text("Hi"), to="phone", originator="+12025550100")
            >>> figure = plan.delivery().plot("city")
            >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
            ['Dubai', 'Oslo']
        """
        lines, codes = segmented(self._mailing.frame, by)
        heard, went = self._known().heard, self._outcomes.went()
        arrived = np.fmin(heard.since["delivered"], heard.since["read"])
        waits = (arrived - self._outcomes.accepted_at()) / np.timedelta64(1, "s")
        counts = funnel(lines.iloc[:, :0], codes, reached(went, heard))  # without the user's names, which may be ours
        return plot(lines, codes, counts, waits)

    def _open_campaign(self) -> AbstractContextManager[CampaignLedger]:
        return open_campaign(self._ledger, self._destination, self._mailing.campaign)

    def _asker(self, client: Client | None) -> Client:
        """Who asks D7."""
        if client is None and self._client is None:
            if self._destination != BASE_URL:
                raise PlanError("refresh(client): say who is to ask; these messages did not go to the real API")
            self._client = Client()
        asker = client or self._client
        if not isinstance(asker, Client):
            raise PlanError("a client is asked for: d7nb.Client(), or the client() of a sandbox")
        if asker.destination != self._destination:
            raise PlanError(
                f"these messages went to {self._destination}, and this client speaks to {asker.destination}"
            )
        return asker

    def _follow(self, campaign: CampaignLedger, found: tuple[np.ndarray, RowStates] | None = None) -> FollowUp:
        """What was heard by now; `found` is what the ledger knows of the rows, where that was just looked up."""
        self._followed = load_follow_up(self._mailing, self._outcomes, campaign, settle=self.done, found=found)
        return self._followed

    def _known(self) -> FollowUp:
        """What was heard, read from the ledger if that was not done yet."""
        if self._followed is None:
            with self._open_campaign() as campaign:
                return self._follow(campaign)
        return self._followed

    @hides_internals
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
        with self._open_campaign() as campaign:
            settle(campaign, keys, word, now)
            known = find_row_states(campaign, keys, mailing.people[chosen].tolist(), at=now)
        there = np.flatnonzero(known.outcome.astype(bool))
        self._outcomes.recall(chosen[there], outcomes_known(known).take(there))
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

    def _shown(self) -> DeliveryView:
        """What the displays need, as plain data."""
        return DeliveryView(
            summary=self.summary,
            reasons=[Reason(*told) for told in [*self._outcomes.reasons(), *self._failures()]],
            requests=None if self._sending is None else RequestCounts(*self._outcomes.tally()),
            done=self.done,
            warnings=[*self.warnings, *self._asked_in_vain],
            statuses=self._statuses(),
        )

    def _failures(self) -> list[tuple[str, str, str, int]]:
        return [] if self._followed is None else failures(self._columns(), self._outcomes.went())

    def _statuses(self) -> dict[str, int] | None:
        """How many of the accepted rows have each status; those of which nothing was heard yet are under ``""``."""
        if self._followed is None:
            return None
        heard = self._followed.heard.status[self._outcomes.went()]
        return dict(Counter("" if word is None else str(word) for word in heard.tolist()).most_common())


def _in_vain(reports: PollSummary) -> list[str]:
    """What a person should know of reports that could not be had, or not be understood."""
    told = []
    if reports.pending:
        told.append(f"D7 has no report yet of {plural(reports.pending, 'request')}: refresh() again later")
    if reports.faults:
        fault = reports.faults[0].message
        told.append(f"{plural(len(reports.faults), 'report')} could not be had: {fault}; refresh() asks again")
    if reports.strays:
        are = "is no row's" if reports.strays == 1 else "are no row's"
        told.append(f"D7 reported on {plural(reports.strays, 'message')} that {are}: see Ledger().aside()")
    return told
