"""The user's `Plan`: the frozen decision about every row of a table, and the ways to look at it and send it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pandas as pd

from d7nb.api.rate_limit import RATE
from d7nb.delivery.mailing import Mailing
from d7nb.delivery.options import SendOptions
from d7nb.display.plans import PlanView, plan_html, plan_text
from d7nb.errors import hides_internals
from d7nb.hints import current_surface
from d7nb.planning.build import Decision, build_plan
from d7nb.planning.options import FROM_COLUMNS
from d7nb.planning.preview import preview_of_plan
from d7nb.planning.release import chosen_numbers
from d7nb.planning.trial import build_trial
from d7nb.plugins.registry import current
from d7nb.problems import problem_frame
from d7nb.store.recipes import recipe_of
from d7nb.tables.frames import listed

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

    from d7nb.api.client import Client
    from d7nb.delivery.delivery import Delivery
    from d7nb.display.previews import Preview
    from d7nb.ledger import Ledger


class Plan:
    """A table's rows with their verdicts and, where they are ready, their messages. Made by `d7nb.plan`; never changes.

    Attributes:
        campaign: The name of the mailing.
    """

    def __init__(self, decision: Decision) -> None:
        self._decision = decision
        self._frame, self._ready = decision.frame, decision.ready
        self.campaign = decision.options.campaign

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
        """The number of rows with each verdict."""
        return self._decision.verdicts.count()

    @property
    def problems(self) -> pd.DataFrame:
        """Everything wrong with the table, all at once: one row per problem and cell.

        Columns: ``row`` (position from 0), ``index`` (label), ``column``, ``value`` (masked), ``code``, ``message``,
        ``hint``, ``severity`` (error, held, warning), ``field`` (D7's name of it, such as ``text.body``).
        """
        return self._problems.copy(deep=False)

    @cached_property
    def _problems(self) -> pd.DataFrame:
        return problem_frame(self._decision.verdicts.problems, self._frame, "notebook")

    @property
    def filters(self) -> pd.DataFrame:
        """The filters that were run, in order: ``name``, ``stage``, ``source``, rows it ``saw`` and ``skipped``."""
        lines = [
            (result.row_filter.name, result.row_filter.stage, result.source, result.saw, len(result.positions))
            for result in self._decision.filter_results
        ]
        return pd.DataFrame(lines, columns=["name", "stage", "source", "saw", "skipped"])

    def requests(self, batch_size: int = 100) -> Iterator[dict[str, Any]]:
        """Iterate over the JSON bodies that would be posted; each is made when its turn comes.

        Args:
            batch_size: How many recipients a request may carry.

        Returns:
            An iterator over request bodies, as D7's page "Send WhatsApp Message" documents them.

        Raises:
            ValueError: `batch_size` is less than one.
        """
        if batch_size < 1:
            raise ValueError("batch_size= must be 1 or more")
        builder = self._decision.request_builder
        return (orjson.loads(body) for _, body in builder.bodies(builder.batches(self._ready, batch_size)))

    @hides_internals
    def preview(self, n: int = 6) -> Preview:
        """Draw the most unusual of the messages about to go, filled in, as the recipient would see them.

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
            1 of 1 message that would be sent, numbers masked
            row 0 to +120••••••23 (the only one):
                Hi *Ali*
        """
        return preview_of_plan(self._decision, n)

    @hides_internals
    def check_links(
        self,
        client: Client | None = None,
        *,
        workers: int | None = None,
        timeout: tuple[float | None, float | None] | float | None = None,
        progress: bool = True,
    ) -> pd.DataFrame:
        """Check that the files that the messages link to exist, and are what WhatsApp takes. No file is downloaded.

        Each distinct address in the rows that are ready is requested once: that of an `Attachment`, a header, a
        template's media. The requests carry no token and nothing of your table, and the plan stays as it is.

        Args:
            client: Says how many addresses are requested at once and how long they may take. With a sandbox's client,
                addresses on this machine are no problem. Its token is not used.
            workers: How many addresses are requested at once, never more than four of one host; 8 without a client.
            timeout: Seconds to wait for the connection and for an answer, or one number for both; 5 and 15 without a
                client. No address takes longer than the two together.
            progress: Whether to show a progress bar.

        Returns:
            The problems, as in `problems`: ``error`` for what would fail, ``warning`` for what may.

        Raises:
            PlanError: An option makes no sense.

        Example:
            >>> import pandas as pd, d7nb
            >>> people = pd.DataFrame({"phone": ["+12025550123"], "file": ["http://127.0.0.1:1/a.pdf"]})
            >>> plan = d7nb.plan(people, d7nb.Attachment("document", "{file}"), to="phone", originator="+12025550100")
            >>> plan.check_links(progress=False)[["row", "column", "code"]].to_numpy().tolist()
            [[0, 'file', 'unreachable']]
        """
        from d7nb.planning.links.check import check_links  # noqa: PLC0415  (start-up time: most plans need no HTTP)

        options: dict[str, Any] = {"workers": workers, "timeout": timeout, "progress": progress}
        return check_links(self._decision.request_builder, self._ready, self._frame, client, **options)

    @hides_internals
    def release(self, rows: Any = None, choose: str | Mapping[int, str] = "first") -> Plan:
        """Choose the number of rows that are held because it can be read in two ways.

        Args:
            rows: Positions of held rows, or a mask over all rows; all that are held unless given.
            choose: ``"first"`` of the candidates that `check_numbers` lists, or a number for each row by its position.

        Returns:
            A new plan in which these rows go to the number chosen, unless there is another problem with them; this
            plan stays as it is. ``rows.decided_by`` says ``released`` for them.

        Raises:
            PlanError: A row is not held, or a number is none of its candidates.

        Example:
            >>> import pandas as pd, d7nb
            >>> people = pd.DataFrame({"phone": ["+5215512345678"]})  # Mexico, as only WhatsApp still writes it
            >>> plan = d7nb.plan(people, d7nb.Text("Hi"), to="phone", originator="+12025550100")
            >>> plan.summary["held"], plan.release().rows["recipient"].tolist()
            (1, ['+525512345678'])
        """
        held = np.flatnonzero((self._rows["verdict"] == "held") & (self._rows["decided_by"] == "numbers"))
        before = self._decision
        released = {**before.released, **chosen_numbers(before.numbers, held, rows, choose)}
        return Plan(build_plan(before.frame, before.content, before.options, released))

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
        """Send the rows that are ready and were not sent before. Sending the same plan again sends nothing twice.

        Args:
            client: `d7nb.Client`, or a sandbox's ``client()``.
            ledger: The record of who got what: an open `d7nb.Ledger`, a path, or a PostgreSQL URL; unless given, the
                one that ``D7NB_LEDGER`` names, or a file in your data folder.
            confirm: How many rows you expect to go; if it is another number, nothing goes.
            progress: Whether to show a progress bar.
            resend: Which rows to send although the ledger says that they were sent, or may have been. ``"failed"``:
                those that failed after D7 accepted them, as reports and events say, unless the reason is one that
                never passes (rows that D7 refused at once go anyway). ``"changed"``: those whose recipient got another
                text in this campaign. A boolean for each row (or positions): these rows, whatever their outcome. True:
                all rows, which demands ``confirm=``. A row that another run is sending at this moment is never sent.
                After an interrupt, the same option starts again with all of these rows; to be able to continue, use
                another campaign.
            wait: Whether to return only when the send is over; otherwise it continues in the background.
            split: Whether a refused request is sent again in smaller ones, so that a bad row affects only itself.
            canary: How many rows are sent first; the rest follows when these have their outcomes, and enough were
                accepted.
            stop_if: The share of the canary's rows that may be rejected or unknown; above it, the rest stays unsent.

        Returns:
            The delivery: every input row with its outcome. Rows that were sent before are ``already_sent``.

        Raises:
            ConfirmError: ``confirm`` is not the number of rows about to be sent.
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
        from d7nb.delivery.start import deliver  # noqa: PLC0415  (start-up time: most plans need no HTTP)

        return deliver(
            self._mailing,
            client,
            SendOptions(confirm, progress, resend, wait, split, canary, stop_if),
            builder=self._decision.request_builder,
            send_time_filters=self._decision.send_time_filters,
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
        """Send the most unusual messages to your own phone.

        They are no part of the campaign: no row counts as sent, and running it again sends them again.

        Args:
            client: As for `send`.
            to: Your number, with ``+`` and country code.
            n: How many messages at most; rows with the same message count as one.
            ledger: As for `send`.
            wait: As for `send`.

        Returns:
            The delivery of these rows.

        Raises:
            PlanError: No message can go to that number, or no row is ready.

        Example:
            >>> import pandas as pd, d7nb
            >>> people = pd.DataFrame({"phone": ["+12025550123"], "name": ["Ali"]})
            >>> plan = d7nb.plan(people, d7nb.Text("Hi {name}"), to="phone", originator="+12025550100")
            >>> with d7nb.Sandbox() as sandbox, sandbox.client() as client:
            ...     delivery = plan.test(client, to="+12025550199")
            ...     sandbox.messages["content"][0]["text"]["body"], int(plan.going(client).sum())
            ('Hi Ali', 1)
        """
        trial = Plan(build_trial(self._decision, self.preview(n).frame["row"].to_numpy(), to))
        return trial.send(client, ledger=ledger, resend=True, confirm=len(trial._ready), progress=False, wait=wait)

    @hides_internals
    def delivery(
        self, client: Client | None = None, *, ledger: Ledger | str | os.PathLike[str] | None = None
    ) -> Delivery:
        """Look up what became of this plan's rows, in this kernel or an earlier one; nothing is sent.

        Args:
            client: Says where the messages were sent to; the real API unless given.
            ledger: As for `send`.

        Returns:
            A delivery as `send` gives it: rows that were sent are ``accepted``, those that no run tried are ``unsent``.

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
        """Mark the rows that `send` would send now, given what the ledger knows; its sum is the number to confirm.

        Args:
            client: Says where the messages would be sent to; the real API unless given.
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
        from d7nb.delivery.start import going  # noqa: PLC0415  (as in `send`)

        return going(self._mailing, ledger, client, resend)

    @cached_property
    def _mailing(self) -> Mailing:
        return Mailing(
            frame=self._frame,
            verdicts=self._rows,
            campaign=self.campaign,
            keys=self._decision.keys,
            keyed=self._decision.keyed,
            recipe=recipe_of(listed(self._decision.options.key)),
            clock=self._decision.options.clock,
        )

    def __repr__(self) -> str:
        return plan_text(plan_view(self))

    def _repr_html_(self) -> str:
        return plan_html(plan_view(self))


def plan_view(plan: Plan, rate: int | None = RATE) -> PlanView:
    """Return what the displays of a plan need, as plain data.

    Args:
        plan: The plan.
        rate: Recipients a second for one originator, which the length of the send follows from; None for no limit.
    """
    decision = plan._decision
    faults, in_notebook = decision.verdicts.problems, current_surface() == "notebook"
    return PlanView(
        campaign=plan.campaign,
        content=FROM_COLUMNS if decision.content is None else repr(decision.content),
        recipient_column=decision.options.to,
        originators=decision.request_builder.by_originator(decision.ready),
        rate=rate,
        summary=decision.verdicts.count(),
        problems=plan.problems if in_notebook else problem_frame(faults, decision.frame),
        filters=[(result.row_filter.name, result.saw, len(result.positions)) for result in decision.filter_results],
    )
