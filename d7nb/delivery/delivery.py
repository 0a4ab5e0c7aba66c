"""The user's `Delivery`: the outcome of every row of a plan that was sent, and later the status of its messages."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from d7nb.api.destinations import destination_of
from d7nb.delivery.background import SendProgress
from d7nb.delivery.funnel import funnel, reached, segmented
from d7nb.delivery.outcomes import COLUMNS, OutcomeTable
from d7nb.delivery.plotting import plot
from d7nb.delivery.refresh import (
    FollowUp,
    add_failure_reasons,
    check_refresh_client,
    failure_counts,
    load_follow_up,
    reload_statuses,
    status_columns,
    store_reports,
)
from d7nb.delivery.settlement import settle_rows
from d7nb.delivery.watching import WATCHED, watch
from d7nb.display.deliveries import DeliveryView, Reason, RequestCounts, delivery_html, delivery_text
from d7nb.display.progress import Progress
from d7nb.errors import Interrupted, PlanError, hides_internals
from d7nb.store.store import Store, open_campaign
from d7nb.tables.frames import with_columns

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Hashable, Sequence
    from contextlib import AbstractContextManager

    import pandas as pd

    from d7nb.api.client import Client
    from d7nb.delivery.background import BackgroundSend
    from d7nb.delivery.mailing import Mailing
    from d7nb.store.campaign import CampaignLedger
    from d7nb.store.message_status import MessageStatuses

    LedgerOrLocation = Store | str | os.PathLike[str] | None


class Delivery:
    """The result of sending a plan: every input row, each with exactly one outcome.

    While the send is running, everything here shows how far it has come. A delivery made by `Plan.delivery` shows what
    the ledger knows, and sends nothing.

    Attributes:
        warnings: Sentences about what went wrong apart from the rows, such as a plugin that failed after the send.
    """

    def __init__(
        self,
        mailing: Mailing,
        outcomes: OutcomeTable,
        ledger: LedgerOrLocation,
        *,
        client: Client | None = None,
        send: BackgroundSend | None = None,
        follow_up: FollowUp | None = None,
    ) -> None:
        self._mailing = mailing
        self._outcomes = outcomes
        self._ledger = ledger
        self._destination = destination_of(client)
        self._client = client
        self._send = send
        self._follow_up = follow_up
        self._report_warnings: list[str] = []
        self._settled = ""
        self.warnings: list[str] = [] if send is None else send.warnings

    @property
    def done(self) -> bool:
        """Whether the send has ended."""
        return self._send is None or self._send.done

    def stop(self) -> None:
        """Start no more requests; those in flight are finished and recorded, all other rows are ``unsent``."""
        if self._send is not None:
            self._send.stop("the send was stopped")

    @hides_internals
    def wait(self, *, progress: bool = False) -> Delivery:
        """Wait until the send has ended.

        Args:
            progress: Whether to show a progress bar meanwhile.

        Returns:
            This delivery.

        Raises:
            Interrupted: The kernel was interrupted. What was in flight is finished first; a second interrupt does not
                wait for it.
        """
        if self._send is not None:
            self._send.wait(self, progress=progress)
        return self

    @property
    def frame(self) -> pd.DataFrame:
        """A copy of the input with the outcome of each row; columns that already have one of the names are replaced.

        Added: ``d7_outcome``, ``d7_reason``, ``d7_decided_by``, ``d7_recipient``, ``d7_request_id``, ``d7_created_at``.
        After `refresh`, and where the ledger knows of an earlier send, also ``d7_msg_id``, ``d7_status`` (queued, sent,
        delivered, read, failed, or another status that D7 gave), ``d7_status_reason``, and ``d7_status_at`` (D7's time
        of the status from a delivery event; from a report, D7's time when it was asked).
        """
        return with_columns(self._mailing.frame, self._columns(), without=COLUMNS)

    def _columns(self) -> dict[str, Any]:
        columns = self._outcomes.columns(self._mailing.verdicts["recipient"])
        if self._follow_up is not None:
            columns |= status_columns(self._follow_up.statuses)
            add_failure_reasons(columns, self._outcomes.is_accepted())
        return columns

    @property
    def summary(self) -> dict[str, int]:
        """The number of rows with each outcome."""
        return self._outcomes.count()

    @property
    def progress(self) -> SendProgress:
        """How far the send has come: the number of rows to send and of those finished, and what it is waiting for."""
        return SendProgress() if self._send is None else self._send.progress

    @property
    def requests(self) -> pd.DataFrame:
        """One row per HTTP request: id, outcome, number of rows, originator, status, code, attempts, reason."""
        return self._outcomes.requests()

    @hides_internals
    def refresh(self, client: Client | None = None, *, progress: bool = False) -> Delivery:
        """Ask D7 for the status of the messages, and read the statuses that delivery events brought meanwhile.

        The report of each request with a message that has no final status is asked for, several at once and no more a
        second than the client's rate. A message is matched with its row by the row's key, or else by its recipient. A
        status never goes backwards; ``read`` and ``failed`` are final. All statuses are kept in the ledger.

        Args:
            client: Asks; unless given, the client that sent, or one of the real API.
            progress: Whether to show a progress bar.

        Returns:
            This delivery, whose ``frame`` now has the statuses. Its display names the number of reports that D7 does
            not have yet, or that could not be read; the next call asks for them again.

        Raises:
            ApiError: The token was refused, or no report could be read at all.
            LedgerError: The ledger can't be used.
            PlanError: The client's address is not the one that these messages were sent to.
            Interrupted: The kernel was interrupted; the statuses read so far are kept.

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
        client = self._refresh_client(client)
        try:
            with self._open_campaign() as campaign:
                follow_up = self._load_follow_up(campaign)
                request_ids, clock = follow_up.open_requests, self._mailing.clock
                count = len(request_ids)
                try:
                    with Progress(count, shown=progress and count > 0, unit="report") as bar:
                        reports = store_reports(client, request_ids, campaign, clock, step=lambda n: bar.show(n, ""))
                finally:
                    self._follow_up = reload_statuses(
                        follow_up, self._mailing, self._outcomes, campaign, update_outcomes=self.done
                    )
        except KeyboardInterrupt:
            raise Interrupted("asking for reports was interrupted; the statuses read so far are kept", self) from None
        self._report_warnings = reports.warnings()
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
        """Refresh at intervals, until all messages have reached a stage.

        Args:
            until: ``"sent"``, ``"delivered"`` or ``"read"``: until each accepted message has reached this stage, or
                has failed; or a function of this delivery that returns whether to stop.
            every: Seconds between two rounds.
            timeout: Seconds after which to return in any case; None to wait for ever. Not everybody reads, and not
                every phone is switched on: give one with ``"read"``.
            client: As for `refresh`.
            progress: Whether to show a progress bar.

        Returns:
            This delivery.

        Raises:
            PlanError: ``until`` is no stage.
            Interrupted: The kernel was interrupted; the statuses read so far are kept.
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
            raise PlanError("every= is the number of seconds between two rounds: more than 0")

        def count() -> tuple[int, int]:
            stages = reached(self._outcomes.is_accepted(), self._statuses())
            arrived = stages["failed"] | stages["delivered" if callable(until) else until]
            return int(arrived.sum()), int(stages["accepted"].sum())

        def is_enough() -> bool:
            if callable(until):
                return bool(until(self))
            arrived, accepted = count()
            return self.done and arrived >= accepted

        asking = self._refresh_client(client)
        watch(self, lambda: self.refresh(asking), count, is_enough, every=every, timeout=timeout, progress=progress)
        return self

    @hides_internals
    def funnel(self, by: Hashable | Sequence[Hashable] | None = None) -> pd.DataFrame:
        """Count the messages that reached each stage, by the statuses known so far.

        Args:
            by: A column of the table, or a list of columns: one row for each distinct value; without it, one row for
                all.

        Returns:
            The columns of `by`, then ``rows``, ``accepted`` (by D7, now or in an earlier run), ``sent``, ``delivered``,
            ``read`` (each includes the messages that reached a later stage) and ``failed``.

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
        segments, codes = segmented(self._mailing.frame, by)
        return funnel(segments, codes, reached(self._outcomes.is_accepted(), self._statuses()))

    @hides_internals
    def plot(self, by: Hashable | Sequence[Hashable] | None = None) -> Any:
        """Draw the funnel for each segment, and how long it took until messages were delivered.

        Args:
            by: As for `funnel`.

        Returns:
            A matplotlib ``Figure``: a notebook shows it, ``.savefig("funnel.png")`` writes it. Times to delivery from
            delivery events are D7's; those from a report end when the report was asked for.

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
        segments, codes = segmented(self._mailing.frame, by)
        statuses, accepted = self._statuses(), self._outcomes.is_accepted()
        arrived_at = np.fmin(statuses.since["delivered"], statuses.since["read"])
        waits = (arrived_at - self._outcomes.accepted_at()) / np.timedelta64(1, "s")
        unnamed = segments.iloc[:, :0]  # a column of the user's may have the name of a stage
        counts = funnel(unnamed, codes, reached(accepted, statuses))
        return plot(segments, codes, counts, waits)

    def _open_campaign(self) -> AbstractContextManager[CampaignLedger]:
        mailing = self._mailing
        return open_campaign(self._ledger, self._destination, mailing.campaign, **mailing.campaign_options)

    def _refresh_client(self, client: Client | None) -> Client:
        """Return the client that asks D7; one that was made for it is kept, since it may have prompted for a token."""
        asking = check_refresh_client(client or self._client, self._destination)
        if client is None:
            self._client = asking
        return asking

    def _load_follow_up(self, campaign: CampaignLedger) -> FollowUp:
        """Read the statuses from the ledger, and keep them."""
        self._follow_up = load_follow_up(self._mailing, self._outcomes, campaign, update_outcomes=self.done)
        return self._follow_up

    def _statuses(self) -> MessageStatuses:
        """Return the status of each row, read from the ledger if that was not done before."""
        if self._follow_up is None:
            with self._open_campaign() as campaign:
                return self._load_follow_up(campaign).statuses
        return self._follow_up.statuses

    @hides_internals
    def settle(self, word: Literal["sent", "not_sent"], rows: Any = None) -> Delivery:
        """Record in the ledger what became of rows that are ``unknown``, after you found it out.

        Args:
            word: ``"sent"``: the rows count as sent, and are not sent again by themselves; ``"not_sent"``: the next
                send includes them.
            rows: Positions of rows, or a mask over all rows; without it, all rows that are unknown. Rows that were
                settled as not sent can be settled again as ``"sent"``.

        Returns:
            This delivery, in which the rows are now ``accepted`` or ``unsent``; its display says how many.

        Raises:
            PlanError: A row is not unknown, or the ledger has another decision about it; or the send is still running.
            LedgerError: Some of the rows are being sent, or the ledger can't be used; no row is settled then.

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
            raise PlanError("the send is still running: stop() it or wait() for it, then settle its unknown rows")
        self._settled = settle_rows(self._mailing, self._outcomes, self._open_campaign(), word, rows)
        return self

    def __len__(self) -> int:
        return len(self._mailing.frame)

    def __repr__(self) -> str:
        return delivery_text(self._shown())

    def _repr_html_(self) -> str:
        return delivery_html(self._shown())

    def _shown(self) -> DeliveryView:
        """Return what the displays show, as plain data."""
        counts = self._outcomes.reasons()
        if self._follow_up is not None:
            counts += failure_counts(self._columns(), self._outcomes.is_accepted())
        return DeliveryView(
            summary=self.summary,
            reasons=[Reason(*fields) for fields in counts],
            requests=None if self._send is None else RequestCounts(*self._outcomes.request_counts()),
            done=self.done,
            warnings=[*self.warnings, *self._report_warnings],
            statuses=self._status_counts(),
            settled=self._settled,
        )

    def _status_counts(self) -> dict[str, int] | None:
        """Count the accepted rows of each status, with ``""`` for none yet; None where the statuses were not read."""
        if self._follow_up is None:
            return None
        statuses = self._follow_up.statuses.status[self._outcomes.is_accepted()]
        return dict(Counter("" if status is None else str(status) for status in statuses.tolist()).most_common())
