"""The ledger: the public class that records what was sent to whom, and shows it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from d7nb.api.destinations import BASE_URL, destination_of
from d7nb.delivery.history import history
from d7nb.delivery.sent_elsewhere import import_sent
from d7nb.errors import hides_internals
from d7nb.store.consent import record_opt_outs
from d7nb.store.counts import campaign_funnel
from d7nb.store.files import back_up, create_anew, restore
from d7nb.store.forget import forget
from d7nb.store.location import find_location
from d7nb.store.store import Store
from d7nb.store.views import all_rows, campaign_counts, dead_letter_list, find_marks, opt_out_list

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    import pandas as pd

    from d7nb.api.client import Client
    from d7nb.delivery.delivery import Delivery


class Ledger(Store):
    """The durable record of which messages went out, and which may have, so that nobody gets one twice.

    Several threads, processes and (with PostgreSQL) machines may use one ledger at once.

    Args:
        path_or_url: A file, or a URL such as ``postgresql+psycopg://user@host/database``; without it, what
            ``D7NB_LEDGER`` says, or a file in the user's data folder that only its owner may read.
        patience: Seconds to wait while another program writes.

    Raises:
        LedgerError: It can't be read and written, is damaged, or a newer d7nb wrote it.

    Example:
        >>> import pandas as pd, d7nb
        >>> from tempfile import TemporaryDirectory
        >>> people = pd.DataFrame({"phone": ["+12025550123"]})
        >>> plan = d7nb.plan(people, d7nb.Text("Hi"), to="phone", originator="+12025550100", campaign="hi")
        >>> with TemporaryDirectory() as folder, Ledger(f"{folder}/ledger.sqlite3") as ledger:
        ...     with d7nb.Sandbox() as sandbox, sandbox.client() as client:
        ...         first = plan.send(client, ledger=ledger, progress=False)
        ...         second = plan.send(client, ledger=ledger, progress=False)
        >>> first.frame["d7_outcome"].tolist(), second.frame["d7_outcome"].tolist()
        (['accepted'], ['already_sent'])
    """

    @hides_internals
    def delivery(
        self,
        frame: pd.DataFrame,
        *,
        campaign: str,
        to: Hashable = "recipient",
        key: Hashable | Sequence[Hashable] | None = None,
        country: Any = None,
        client: Client | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> Delivery:
        """Return what became of a mailing, joined onto a table, without its plan.

        Args:
            frame: The table; it need not be the one that was sent.
            campaign: The campaign's name.
            to: The column with the phone numbers: each row tells what its person got last in this campaign.
            key: The column or columns that were the plan's ``key=``, if it had one: then these find the row.
            country: As for `d7nb.plan`.
            client: The client whose destination the messages went to, the real API unless given; `refresh` uses it.
            clock: Returns the time.

        Returns:
            A delivery with ``frame``, ``refresh``, ``funnel`` and everything else.

        Raises:
            ColumnError: The table has no such column.
            LedgerError: The ledger can't be used.

        Example:
            >>> import d7nb, pandas as pd
            >>> from tempfile import TemporaryDirectory
            >>> people = pd.DataFrame({"phone": ["+12025550123", "+12025550124"]})
            >>> plan = d7nb.plan(people[:1], d7nb.Text("Hi"), to="phone", originator="+12025550100", campaign="hi")
            >>> with TemporaryDirectory() as folder, d7nb.Ledger(f"{folder}/ledger.sqlite3") as ledger:
            ...     with d7nb.Sandbox() as sandbox, sandbox.client() as client:
            ...         _ = plan.send(client, ledger=ledger, progress=False)
            ...         ledger.delivery(people, campaign="hi", to="phone", client=client).frame["d7_outcome"].tolist()
            ['accepted', 'unsent']
        """
        return history(self, frame, campaign, to=to, key=key, country=country, client=client, clock=clock)

    @hides_internals
    def import_sent(
        self,
        frame: pd.DataFrame,
        *,
        campaign: str,
        to: Hashable,
        key: Hashable | Sequence[Hashable] | None = None,
        country: Any = None,
        at: datetime | None = None,
        client: Client | None = None,
    ) -> int:
        """Write down that another tool wrote to people, so that they count as written to in a campaign.

        Without ``key=``, nobody knows which text each of them got: a plan of this campaign holds them, until
        ``resend="changed"``. With the plan's own ``key=``, its rows are ``already_sent``.

        Args:
            frame: The table of these people; a person may stand in it several times.
            campaign: The campaign's name.
            to: The column with their phone numbers.
            key: The column or columns that are the plan's ``key=``, if it has one.
            country: As for `d7nb.plan`.
            at: When they were written to; now unless given.
            client: The client whose destination the messages went to, the real API unless given.

        Returns:
            How many rows are new to the ledger.

        Raises:
            ColumnError: The table has no such column.
            PlanError: A number can't be read for sure, or a key is missing; nothing was written.
            LedgerError: The ledger can't be used; nothing was written.

        Example:
            >>> import pandas as pd, d7nb
            >>> from tempfile import TemporaryDirectory
            >>> people = pd.DataFrame({"phone": ["+12025550123", "+12025550124"]})
            >>> plan = d7nb.plan(people, d7nb.Text("Hi"), to="phone", originator="+12025550100", campaign="hi")
            >>> with TemporaryDirectory() as folder, d7nb.Ledger(f"{folder}/ledger.sqlite3") as ledger:
            ...     ledger.import_sent(people[:1], campaign="hi", to="phone")
            ...     plan.going(ledger=ledger).tolist()
            1
            [False, True]
        """
        return import_sent(
            self, frame, campaign, to=to, key=key, country=country, at=at or datetime.now(UTC), client=client
        )

    @hides_internals
    def find(self, marks: Iterable[str]) -> pd.DataFrame:
        """Return the rows that D7 knows by some marks: the 26 characters in a message's reference.

        The ledger stores a keyed hash of each, so that nobody else can tell which message a row is.

        Args:
            marks: The marks, such as ``cust_ref`` in D7's reports; what is none is passed over.

        Returns:
            The columns of `frame` after ``mark``.

        Example:
            >>> from tempfile import TemporaryDirectory
            >>> with TemporaryDirectory() as folder, Ledger(f"{folder}/ledger.sqlite3") as ledger:
            ...     len(ledger.find(["AAAAAAAAAAAAAAAAAAAAAAAAAA"]))
            0
        """
        return find_marks(self._database, marks)

    @hides_internals
    def funnel(self, campaign: str, *, client: Client | None = None) -> pd.DataFrame:
        """Count how far a campaign's messages came; it is counted in the database, however many they are.

        Args:
            campaign: The campaign's name.
            client: The client whose destination the messages went to, the real API unless given.

        Returns:
            One row: ``rows``, ``accepted``, ``sent``, ``delivered``, ``read``, ``failed``. Whoever read a message
            counts as sent and delivered, too.

        Example:
            >>> from tempfile import TemporaryDirectory
            >>> with TemporaryDirectory() as folder, Ledger(f"{folder}/ledger.sqlite3") as ledger:
            ...     ledger.funnel("hi")["accepted"].tolist()
            [0]
        """
        return campaign_funnel(self.campaign(destination_of(client), campaign, recipe=None))

    @classmethod
    @hides_internals
    def create(cls, path_or_url: str | os.PathLike[str] | None = None) -> Self:
        """Begin a new ledger on purpose, where one was lost: it knows of no earlier send.

        What is left of the old one stays beside it, under a name that ends in ``.old-1``.

        Args:
            path_or_url: As for `Ledger`.

        Raises:
            LedgerError: There is a whole ledger, which goes on, or another program keeps it locked; nothing was
                changed.

        Example:
            >>> from tempfile import TemporaryDirectory
            >>> with TemporaryDirectory() as folder, Ledger.create(f"{folder}/ledger.sqlite3") as ledger:
            ...     len(ledger.campaigns())
            0
        """
        create_anew(find_location(path_or_url, os.environ))
        return cls(path_or_url)

    @hides_internals
    def back_up(self, file: str | os.PathLike[str]) -> None:
        """Copy the ledger to a file, and what belongs to it beside that; others may go on using it meanwhile.

        Args:
            file: The copy, which must not exist yet.

        Raises:
            LedgerError: It exists, or can't be written; or the ledger is in PostgreSQL, which has tools of its own.

        Example:
            >>> from tempfile import TemporaryDirectory
            >>> with TemporaryDirectory() as folder, Ledger(f"{folder}/ledger.sqlite3") as ledger:
            ...     ledger.back_up(f"{folder}/monday.sqlite3")
        """
        back_up(self._database, file)

    @classmethod
    @hides_internals
    def restore(cls, file: str | os.PathLike[str] | None, path_or_url: str | os.PathLike[str] | None = None) -> Self:
        """Put a backup in the place of a ledger, whatever is there; that stays beside it under another name.

        Whoever was written to after the backup would be written to again.

        Args:
            file: A copy that `back_up` made; None in PostgreSQL, whose own tools restore a dump: the database counts
                as whole, as it is, from now on.
            path_or_url: As for `Ledger`. A program that has it open can write nothing more to it.

        Raises:
            LedgerError: The backup is none, or lacks what belongs to it, or another program is writing to the ledger
                that is there; nothing was changed.

        Example:
            >>> from tempfile import TemporaryDirectory
            >>> with TemporaryDirectory() as folder:
            ...     with Ledger(f"{folder}/ledger.sqlite3") as ledger:
            ...         ledger.back_up(f"{folder}/monday.sqlite3")
            ...     Ledger.restore(f"{folder}/monday.sqlite3", f"{folder}/ledger.sqlite3").close()
        """
        restore(find_location(path_or_url, os.environ), file)
        return cls(path_or_url)

    @hides_internals
    def opt_out(self, numbers: Iterable[str], *, destination: str = BASE_URL, at: datetime | None = None) -> None:
        """Add people to the list of those who opted out; `d7nb.filters.OptOut` skips them.

        Args:
            numbers: Their numbers, with country code, in any form that `d7nb.check_numbers` reads.
            destination: Where messages to them would go; the real API unless given.
            at: When they opted out; now unless given.

        Raises:
            LedgerError: One of them is no number; none was added.

        Example:
            >>> from tempfile import TemporaryDirectory
            >>> with TemporaryDirectory() as folder, Ledger(f"{folder}/ledger.sqlite3") as ledger:
            ...     ledger.opt_out(["+12025550123"])
            ...     ledger.opt_outs()[["recipient", "stopped"]]
                 recipient  stopped
            0  +120••••••23     True
        """
        record_opt_outs(self._database, destination, numbers, at, stopped=True)

    @hides_internals
    def opt_in(self, numbers: Iterable[str], *, destination: str = BASE_URL, at: datetime | None = None) -> None:
        """Note that people opted in again; arguments as for `opt_out`."""
        record_opt_outs(self._database, destination, numbers, at, stopped=False)

    @hides_internals
    def opt_outs(self) -> pd.DataFrame:
        """Return who opted out, and who opted in again.

        Columns: ``recipient`` (masked), ``stopped``, ``at``, ``word`` (what they wrote), ``destination``.
        """
        return opt_out_list(self._database)

    @hides_internals
    def aside(self) -> pd.DataFrame:
        """Return the events that could not be used, the latest last.

        Columns: ``at``, ``why``, ``text`` (masked and shortened).
        """
        return dead_letter_list(self._database)

    @hides_internals
    def frame(self) -> pd.DataFrame:
        """Return all that the ledger holds, one row per row that was ever claimed for a send.

        Columns: ``campaign``, ``destination``, ``key`` (26 characters; a keyed hash of the mark that travels in the
        reference: `find` looks for one), ``recipient`` (masked), ``outcome`` (missing while a claim is not recorded),
        ``request_id``, ``created_at``, ``status``, ``code``, ``reason``, ``claimed_at``, ``recorded_at``.
        """
        return all_rows(self._database)

    @hides_internals
    def campaigns(self) -> pd.DataFrame:
        """Count the rows of each campaign at each destination by outcome; ``claimed`` counts those without one.

        ``last`` is the time of the last claim.
        """
        return campaign_counts(self._database)

    @hides_internals
    def forget(self, campaign: str, before: datetime, *, destination: str | None = None, force: bool = False) -> int:
        """Delete what was recorded of a campaign before a time, so that these rows would be sent again.

        Args:
            campaign: The campaign.
            before: The time, with its zone.
            destination: Only what went there, as `campaigns` names it; everywhere unless given.
            force: Delete even rows that may have gone out, or are just being sent.

        Returns:
            How many rows were deleted.

        Raises:
            LedgerError: Some of them are unknown or claimed, and `force` was not given; none was deleted.
        """
        return forget(self._database, campaign, before, destination, force=force)
