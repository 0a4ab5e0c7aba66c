"""plan(): the frozen decision about every row of a table, and what it would send."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pandas as pd

from d7nb.api.rate_limit import RATE
from d7nb.content.preview import bubble_of
from d7nb.delivery.mailing import Mailing
from d7nb.delivery.options import SendOptions
from d7nb.display.plans import ShownPlan, plan_html, plan_text
from d7nb.display.previews import Preview, preview_of
from d7nb.errors import PlanError, hides_internals
from d7nb.planning.build import Decision, PlanOptions, decide
from d7nb.planning.envelope import KEY_TAG
from d7nb.planning.release import chosen_numbers
from d7nb.planning.trial import rehearsed
from d7nb.plugins.registry import current
from d7nb.problems import problem_frame
from d7nb.tables.frames import frozen

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from d7nb.api.client import Client
    from d7nb.content.assignment import ByColumn
    from d7nb.content.bubble import Bubble
    from d7nb.content.schema.part import Content
    from d7nb.delivery.delivery import Delivery
    from d7nb.filters.base import RowFilter
    from d7nb.ledger import Ledger


def utc_now() -> datetime:
    """The clock that is used unless another is handed in."""
    return datetime.now(UTC)


@hides_internals
def plan(
    frame: pd.DataFrame,
    content: Content | ByColumn | None = None,
    *,
    to: Hashable = "recipient",
    originator: Any = None,
    campaign: str = "default",
    key: Hashable | Sequence[Hashable] | None = None,
    country: Any = None,
    reference: Mapping[str, Any] | None = None,
    report_url: Any = None,
    schedule: Any = None,
    filters: Iterable[RowFilter] = (),
    key_in: str | None = KEY_TAG,
    clock: Callable[[], datetime] = utc_now,
) -> Plan:
    """Decide for every row of a table whether a message goes to it, and what it says. Nothing is sent.

    Args:
        frame: One row per message. It is not changed, and changing it later changes nothing in the plan.
        content: What the messages say; None to read columns named by D7's dotted paths, such as ``text.body``.
        to: The column with the phone numbers.
        originator: The registered number that the messages come from, or ``col(...)``.
        campaign: Your name for this mailing; a part of each row's identity.
        key: Column or columns that identify a row; without them a row is its recipient and what it is told.
        country: The region whose national numbers are meant, such as ``"AE"``, or ``col(...)``.
        reference: What comes back with reports: ``cust_ref``, ``message_tag1`` to ``message_tag5``,
            ``conversation_id``; values literal, template or ``col(...)`` (d7-api.md section 2).
        report_url: Where D7 posts delivery events, or ``col(...)``.
        schedule: When D7 shall send: a datetime with a zone, its ISO text, or ``col(...)``.
        filters: Pre-send filters for this plan alone, beside the registered ones; see `d7nb.filters`.
        key_in: The reference field in which each row's key travels; None for none.
        clock: Tells the time: what a schedule is held against, and when rows are claimed and recorded as they are sent.

    Returns:
        The plan: verdicts, problems, request bodies.

    Raises:
        PlanError: An option can't be used at all, or the frame is none.
        ColumnError: A column that is asked for is not in the frame, or there twice.

    Example:
        >>> import pandas as pd, d7nb
        >>> people = pd.DataFrame({"phone": ["+12025550123", "call me"], "name": ["Ali", "Sara"]})
        >>> plan = d7nb.plan(people, d7nb.Text("Hi {name}"), to="phone", originator="+12025550100")
        >>> plan.summary
        {'ready': 1, 'invalid': 1, 'held': 0, 'skipped': 0}
    """
    asked: object = filters
    terms = PlanOptions(
        to=to,
        originator=originator,
        campaign=campaign,
        key=key,
        country=country,
        reference=None if reference is None else dict(_mapping(reference)),
        report_url=report_url,
        schedule=schedule,
        filters=tuple(asked) if isinstance(asked, Iterable) else (asked,),  # type: ignore[arg-type]
        key_in=key_in,
        clock=clock,
    )
    return Plan(decide(frozen(frame), content, terms, {}))


class Plan:
    """The frozen decision: for every input row its verdict and, where it is ready, its payload. Made by `plan`.

    Attributes:
        campaign: The name of the mailing.
    """

    def __init__(self, decision: Decision) -> None:
        self._decision = decision
        self._frame = decision.frame
        self._ready = decision.ready
        self.campaign = decision.terms.campaign

    def __len__(self) -> int:
        return len(self._frame)

    @property
    def rows(self) -> pd.DataFrame:
        """One row per input row, same index and order.

        Columns: ``verdict`` (ready, invalid, held, skipped), ``reason``, ``decided_by``, ``recipient`` (E.164).
        """
        return self._rows.copy(deep=False)

    @cached_property
    def _rows(self) -> pd.DataFrame:
        return self._decision.verdicts.frame(self._frame.index, self._decision.numbers["recipient"])

    @property
    def summary(self) -> dict[str, int]:
        """How many rows have each verdict."""
        return self._decision.verdicts.count()

    @property
    def problems(self) -> pd.DataFrame:
        """Everything wrong with the table, all at once: one row per problem and cell.

        Columns: ``row`` (position from 0), ``index`` (label), ``column``, ``value`` (masked), ``code``, ``message``,
        ``hint``, ``severity`` (error, held, warning), ``field`` (D7's dotted path).
        """
        return self._problems.copy(deep=False)

    @cached_property
    def _problems(self) -> pd.DataFrame:
        return problem_frame(self._decision.verdicts.problems, self._frame)

    @property
    def filters(self) -> pd.DataFrame:
        """The filters that were asked, in order: ``name``, ``stage``, ``source``, rows it ``saw`` and ``skipped``."""
        told = [(a.row_filter.name, a.row_filter.stage, a.source, a.saw, len(a.places)) for a in self._decision.asked]
        return pd.DataFrame(told, columns=["name", "stage", "source", "saw", "skipped"])

    def requests(self, batch_size: int = 100) -> Iterator[dict[str, Any]]:
        """The JSON bodies that would be posted, one after another, made as they are asked for.

        Args:
            batch_size: How many recipients a request may carry.

        Returns:
            An iterator over D7's request bodies (d7-api.md section 2).

        Raises:
            ValueError: `batch_size` is less than one.
        """
        if batch_size < 1:
            raise ValueError("batch_size counts from 1")
        batches = self._decision.packer.batches(self._ready, batch_size)
        return (orjson.loads(body) for _, body in self._decision.packer.bodies(batches))

    @hides_internals
    def preview(self, n: int = 6) -> Preview:
        """The strangest of the messages about to go, filled in and drawn as the recipient would see them.

        Longest, shortest, right to left, with an emoji, with a number that looks like ``1.0``, most often repeated:
        each says why it was picked. Numbers are masked until ``d7nb.options.reveal``. Nothing is fetched.

        Args:
            n: How many to show.

        Returns:
            A `Preview`, which shows itself and has the same as ``.frame``.

        Example:
            >>> import pandas as pd, d7nb
            >>> people = pd.DataFrame({"phone": ["+12025550123"], "name": ["Ali"]})
            >>> plan = d7nb.plan(people, d7nb.Text("Hi *{name}*"), to="phone", originator="+12025550100")
            >>> plan.preview()
            1 of 1 messages that would go, numbers masked
            row 0 to +120••••••23 (the only one):
                Hi *Ali*
        """
        packer, kinds = self._decision.packer, self._decision.kinds

        def bubble(row: int, content: dict[str, Any]) -> Bubble:
            return bubble_of(kinds[int(packer.content_of(np.array([row]))[0])], content)

        recipients, groups = self._rows["recipient"].array, packer.content_of(self._ready)
        return preview_of(packer.contents, self._ready, self._frame.index, recipients, n, bubble=bubble, groups=groups)

    @hides_internals
    def check_links(
        self,
        client: Client | None = None,
        *,
        workers: int | None = None,
        timeout: tuple[float | None, float | None] | float | None = None,
        progress: bool = True,
    ) -> pd.DataFrame:
        """Ask whether the files that the messages name are there, and are what WhatsApp takes. No file is read.

        Each distinct address of the rows that are ready is asked once: that of an `Attachment`, a header, a template's
        media. Nothing of yours goes along, and the plan stays as it is.

        Args:
            client: Says how many are asked at once and how long they may take. With a sandbox's, addresses on this
                machine will do. No token leaves it.
            workers: How many addresses are asked at once, never more than four of one host; 8 without a client.
            timeout: Seconds to wait for the connection and for an answer, or one number for both; 5 and 15 without a
                client. No address takes longer than the two together.
            progress: Whether to show a progress bar.

        Returns:
            What is wrong, as in `problems`: ``error`` for what would fail, ``warning`` for what may.

        Raises:
            PlanError: An option makes no sense.

        Example:
            >>> import pandas as pd, d7nb
            >>> people = pd.DataFrame({"phone": ["+12025550123"], "file": ["http://127.0.0.1:1/a.pdf"]})
            >>> plan = d7nb.plan(people, d7nb.Attachment("document", "{file}"), to="phone", originator="+12025550100")
            >>> plan.check_links(progress=False)[["row", "column", "code"]].to_numpy().tolist()
            [[0, 'file', 'unreachable']]
        """
        from d7nb.planning.links.check import check_links  # noqa: PLC0415  (a plan that asks nobody needs no HTTP)

        options: dict[str, Any] = {"workers": workers, "timeout": timeout, "progress": progress}
        return check_links(self._decision.packer, self._ready, self._frame, client, **options)

    @hides_internals
    def release(self, rows: Any = None, choose: str | Mapping[int, str] = "first") -> Plan:
        """Decide about rows that are held because their number can be read in two ways.

        Args:
            rows: Positions of held rows, or a mask over all rows; all that are held unless given.
            choose: ``"first"`` of the candidates that `check_numbers` lists, or a number for each row by its position.

        Returns:
            A new plan in which these rows go to the number chosen, if nothing else speaks against them; this plan
            stays as it is. ``rows.decided_by`` records the word as ``released``.

        Raises:
            PlanError: A row is not held, or a number is none of its candidates.

        Example:
            >>> import pandas as pd, d7nb
            >>> people = pd.DataFrame(
            ...     {"phone": ["+5215512345678"]}
            ... )  # Mexico, in the form that only WhatsApp still uses
            >>> plan = d7nb.plan(people, d7nb.Text("Hi"), to="phone", originator="+12025550100")
            >>> plan.summary["held"], plan.release().rows["recipient"].tolist()
            (1, ['+525512345678'])
        """
        held = np.flatnonzero((self._rows["verdict"] == "held") & (self._rows["decided_by"] == "numbers"))
        past = self._decision
        released = {**past.released, **chosen_numbers(past.numbers, held, rows, choose)}
        return Plan(decide(past.frame, past.content, past.terms, released))

    @hides_internals
    def send(
        self,
        client: Client,
        *,
        ledger: Ledger | str | os.PathLike[str] | None = None,
        confirm: int | None = None,
        progress: bool = True,
        resend: Any = None,
        wait: bool = True,
        split: bool = True,
        canary: int | None = None,
        stop_if: float = 0.05,
    ) -> Delivery:
        """Send what is ready and has not gone out yet. Sending the same plan again sends nobody anything twice.

        Args:
            client: `d7nb.Client`, or a sandbox's ``client()``.
            ledger: Where it is recorded who got what: an open `d7nb.Ledger`, a path, or a PostgreSQL URL; unless given,
                what ``D7NB_LEDGER`` says, or a file in your data folder.
            confirm: How many rows you expect to go; if it is another number, nothing goes.
            progress: Whether to show a progress bar.
            resend: What goes although the ledger speaks against it: ``"failed"``, what failed after D7 accepted it, as
                reports and events told, unless the reason says that it never will arrive (what D7 refused at once goes
                anyway); ``"changed"``, to people who got another text in this campaign; a boolean for each
                row (or positions), those rows, whatever became of them; True, all rows, which demands ``confirm=``.
                What another run is just sending never goes. After an interrupt, the same word begins again with all of
                them: what can be gone on with is another campaign.
            wait: Whether to come back only when all is done; otherwise the delivery goes on in the background.
            split: Whether a refused request is taken apart, so that a bad row costs only itself.
            canary: How many rows go first; the rest follows when their outcomes are there, and good enough.
            stop_if: The share of the canary's rows that may be rejected or unknown; if it is more, the rest is unsent.

        Returns:
            The delivery: every input row with its outcome. Rows that went out before are ``already_sent``.

        Raises:
            ConfirmError: ``confirm`` is not the number of rows about to go.
            LedgerError: The ledger can't be used; nothing was sent.
            PlanError: An option makes no sense.
            Interrupted: The kernel was interrupted; requests in flight were finished first. It is a
                `KeyboardInterrupt` with the partial delivery as ``.delivery``.

        Example:
            >>> import pandas as pd, d7nb
            >>> people = pd.DataFrame({"phone": ["+12025550123"], "name": ["Ali"]})
            >>> plan = d7nb.plan(people, d7nb.Text("Hi {name}"), to="phone", originator="+12025550100")
            >>> with d7nb.Sandbox() as sandbox, sandbox.client() as client:
            ...     first, second = (plan.send(client, progress=False) for _ in range(2))
            >>> first.summary["accepted"], second.summary["accepted"], second.summary["already_sent"]
            (1, 0, 1)
        """
        from d7nb.delivery.start import deliver  # noqa: PLC0415  (a plan that is never sent needs no HTTP)

        return deliver(
            self._mailing,
            client,
            SendOptions(confirm, progress, resend, wait, split, canary, stop_if),
            builder=self._decision.packer,
            send_time_filters=self._decision.recheck,
            ledger=ledger,
            after_send=current().after_send,
        )

    @hides_internals
    def test(
        self,
        client: Client,
        *,
        to: str,
        n: int = 3,
        ledger: Ledger | str | os.PathLike[str] | None = None,
        wait: bool = True,
    ) -> Delivery:
        """Send the strangest rows' messages to your own phone.

        They are no part of the campaign: nobody's row counts as sent, and running it again sends them again.

        Args:
            client: As for `send`.
            to: Your number, with ``+`` and country code.
            n: How many messages at most; rows that say the same make one.
            ledger: As for `send`.
            wait: As for `send`.

        Returns:
            The delivery of these rows.

        Raises:
            PlanError: It is no number that a message could go to, or no row is ready.

        Example:
            >>> import pandas as pd, d7nb
            >>> people = pd.DataFrame({"phone": ["+12025550123"], "name": ["Ali"]})
            >>> plan = d7nb.plan(people, d7nb.Text("Hi {name}"), to="phone", originator="+12025550100")
            >>> with d7nb.Sandbox() as sandbox, sandbox.client() as client:
            ...     delivery = plan.test(client, to="+12025550199")
            ...     sandbox.messages["content"][0]["text"]["body"], int(plan.going(client).sum())
            ('Hi Ali', 1)
        """
        rows = self.preview(n).frame["row"].to_numpy()
        first = np.unique(np.array(self._decision.packer.contents(rows), dtype=object), return_index=True)[1]
        rehearsal = Plan(rehearsed(self._decision, rows[np.sort(first)], to))
        ready = rehearsal.summary["ready"]
        return rehearsal.send(client, ledger=ledger, resend=True, confirm=ready, progress=False, wait=wait)

    @hides_internals
    def delivery(
        self, client: Client | None = None, *, ledger: Ledger | str | os.PathLike[str] | None = None
    ) -> Delivery:
        """What the ledger knows of this plan, in this kernel or another, today or tomorrow; nothing is sent.

        Args:
            client: Says where the messages went; the real API unless given.
            ledger: As for `send`.

        Returns:
            A delivery as `send` gives it: what went out is ``accepted``, what no run has come to is ``unsent``.

        Raises:
            LedgerError: The ledger can't be used.

        Example:
            >>> import pandas as pd, d7nb
            >>> people = pd.DataFrame({"phone": ["+12025550123"], "name": ["Ali"]})
            >>> plan = d7nb.plan(people, d7nb.Text("Hi {name}"), to="phone", originator="+12025550100")
            >>> plan.delivery().frame["d7_outcome"].tolist()
            ['unsent']
        """
        from d7nb.delivery.start import restore_delivery  # noqa: PLC0415

        return restore_delivery(self._mailing, ledger, client)

    @hides_internals
    def going(
        self,
        client: Client | None = None,
        *,
        ledger: Ledger | str | os.PathLike[str] | None = None,
        resend: Any = None,
    ) -> pd.Series:
        """Which rows `send` would send now, given what the ledger knows; its sum is the number to confirm.

        Args:
            client: Says where the messages would go; the real API unless given.
            ledger: As for `send`.
            resend: As for `send`.

        Returns:
            A boolean for each row, with the table's index.

        Raises:
            LedgerError: The ledger can't be used.
            PlanError: ``resend`` makes no sense.

        Example:
            >>> import pandas as pd, d7nb
            >>> people = pd.DataFrame({"phone": ["+12025550123", "nobody"]})
            >>> plan = d7nb.plan(people, d7nb.Text("Hi"), to="phone", originator="+12025550100")
            >>> plan.going().tolist()
            [True, False]
        """
        from d7nb.delivery.start import going  # noqa: PLC0415

        return going(self._mailing, ledger, client, resend)

    @cached_property
    def _mailing(self) -> Mailing:
        decision = self._decision
        return Mailing(
            frame=self._frame,
            verdicts=self._rows,
            campaign=self.campaign,
            keys=decision.keys,
            keyed=decision.keyed,
            by_content=decision.terms.key is None,
            clock=decision.terms.clock,
        )

    def __repr__(self) -> str:
        return plan_text(self._shown())

    def _repr_html_(self) -> str:
        return plan_html(self._shown())

    def _shown(self) -> ShownPlan:
        """What the displays need, as plain data."""
        content, packer = self._decision.content, self._decision.packer
        return ShownPlan(
            campaign=self.campaign,
            content="columns named by D7's paths" if content is None else repr(content),
            to=self._decision.terms.to,
            originators=packer.by_originator(self._ready),
            rate=RATE,
            summary=self.summary,
            problems=self._problems,
            filters=[(each.row_filter.name, each.saw, len(each.places)) for each in self._decision.asked],
        )


def _mapping(reference: Any) -> Mapping[str, Any]:
    if not isinstance(reference, Mapping):
        raise PlanError(f"reference= takes a dict such as {{'cust_ref': col('id')}}, not a {type(reference).__name__}")
    return reference
