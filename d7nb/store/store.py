"""The ledger: what it knows of rows, who may send them, and a person's word on those in doubt."""

from __future__ import annotations

import os
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Self

import pandas as pd
from sqlalchemy import bindparam, delete, func, select, tuple_, update

from d7nb.api.destinations import BASE_URL
from d7nb.errors import LedgerError, closed_book
from d7nb.store.claims import LIFETIME, Run
from d7nb.store.consent import last_inbound, opted_out, write_inbound, write_opt_outs
from d7nb.store.database import Database
from d7nb.store.keys import key_bytes
from d7nb.store.location import find_place
from d7nb.store.lookup import Known, doubtful_before, last_keys, look_up
from d7nb.store.message_status import Heard, look_up_heard
from d7nb.store.request_state import held, split_off
from d7nb.store.schema import SETTLED, decided, deciding, last, requests, rows, statuses, to_number
from d7nb.store.status_updates import Aside, put_aside, stray, write_updates
from d7nb.store.views import all_rows, campaign_counts, opt_out_list, put_aside_list

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
    from datetime import timedelta

    import numpy as np

    from d7nb.api.client import Client
    from d7nb.api.statuses import Inbound, Update
    from d7nb.delivery.delivery import Delivery

PATIENCE = 30.0
"""Seconds to wait for another writer."""
_SETTLED = {"sent": ("accepted", "you said that it was sent"), "not_sent": ("unsent", "you said that it was not sent")}
_MOVE = (
    update(rows)
    .where(rows.c.destination == bindparam("place"), rows.c.key == bindparam("row"))
    .values(request=bindparam("new_request"), sent=bindparam("new_sent"))
)


class Ledger:
    """The durable record of what went to whom, and of what may have: nobody gets it twice.

    Several threads, processes and (with PostgreSQL) machines may use one ledger at once.

    Args:
        path_or_url: A file, or a URL such as ``postgresql+psycopg://user@host/database``; without it, what
            ``D7NB_LEDGER`` says, or a file in the user's data folder that only its owner may read.
        patience: Seconds to wait while another program writes.

    Raises:
        LedgerError: It can't be read and written, is damaged, or a newer d7nb wrote it.

    Example:
        >>> import numpy as np
        >>> from datetime import UTC, datetime
        >>> from tempfile import TemporaryDirectory
        >>> now, keys = datetime(2026, 11, 23, 9, tzinfo=UTC), np.zeros((1, 16), dtype=np.uint8)
        >>> row = ("https://d7.example", "hello", keys, ["+12025550123"], ["+12025550123"])
        >>> with TemporaryDirectory() as folder, Ledger(f"{folder}/ledger.sqlite3") as ledger:
        ...     with ledger.run() as run:
        ...         claim = run.claim(*row, at=now)
        ...         recorded = run.record(claim, "accepted", request_id="abc", at=now)
        ...         again = run.claim(*row, at=now)
        >>> claim.granted.tolist(), recorded, again.granted.tolist(), again.reason
        ([True], 1, [False], ['already sent on 2026-11-23 at 09:00 UTC'])
    """

    @closed_book
    def __init__(self, path_or_url: str | os.PathLike[str] | None = None, *, patience: float = PATIENCE) -> None:
        self._database = Database(find_place(path_or_url, os.environ), patience)

    @property
    def warning(self) -> str | None:
        """One sentence on why the ledger may not last where it is; None where nothing speaks against it."""
        return self._database.warning

    def run(self, *, lifetime: timedelta = LIFETIME, seen: int | None = None) -> Run:
        """Begin a send; to be used as a context manager.

        Args:
            lifetime: How long a request can live: a claim that is older, and was not recorded, is in doubt.
            seen: What `Known.seen` said of the campaign; texts that other runs sent since then count.

        Returns:
            What claims rows and records outcomes.
        """
        return Run(self._database, lifetime, seen)

    @closed_book
    def look_up(
        self, destination: str, campaign: str, keys: np.ndarray, people: Sequence[str | None], *, at: datetime
    ) -> Known:
        """Say what is known of some rows, without claiming them.

        Args:
            destination: Where they would go.
            campaign: The name of the mailing.
            keys: Each row's key, ``uint8`` of shape (rows, 16).
            people: Each row's recipient, one form for all national variants; None where there is none.
            at: Now.

        Returns:
            What is known, row by row.

        Raises:
            LedgerError: The ledger can't be used.
        """
        return look_up(self._database, destination, campaign, keys, people, at=at)

    @closed_book
    def settle(self, destination: str, keys: np.ndarray, word: Literal["sent", "not_sent"], at: datetime) -> int:
        """Write down a person's word on rows of which it is unknown whether they went out.

        Args:
            destination: Where they went, or did not.
            keys: Each row's key; those with another outcome are passed over, but for those of which a person said
                that they were not sent: that can be taken back.
            word: ``sent``: they count as sent; ``not_sent``: they are free.
            at: Now.

        Returns:
            How many rows were settled.

        Raises:
            LedgerError: Some are just being sent; none was settled.
        """
        if word not in _SETTLED:
            raise ValueError(f"word is 'sent' or 'not_sent', not {word!r}")
        place = self._database.destination(destination)
        if place is None:
            return 0
        outcome, reason = _SETTLED[word]
        said = {"outcome": outcome, "code": SETTLED, "reason": reason, "recorded_at": to_number(at)}
        with self._database.writing() as connection:
            found = list(held(connection, place, key_bytes(keys), at))
            going = sum(known.request.outcome is None for known in found)
            if going:
                message = f"{going} of the rows are just being sent: settle them when that has ended"
                raise LedgerError(message)
            doubtful = [
                known
                for known in found
                if known.request.outcome == "unknown" or (outcome == "accepted" and known.request.taken_back)
            ]
            numbers = {known.request.id for known in doubtful}
            split = {number: split_off(connection, number, said) for number in sorted(numbers)}
            moves = [
                {"place": place, "row": known.key, "new_request": split[known.request.id], "new_sent": known.earlier}
                for known in doubtful
            ]
            if moves:
                connection.execute(_MOVE, moves)
        return len(doubtful)

    @closed_book
    def take_in(
        self,
        destination: str,
        *,
        updates: Sequence[Update] = (),
        inbound: Sequence[Inbound] = (),
        opt_outs: Sequence[Inbound] = (),
        aside: Sequence[Aside] = (),
        at: datetime,
    ) -> int:
        """Write down what came in after a send, all of it in one transaction; at the end it is on the disk.

        It may come in any order, and more than once. What D7 says of a row that is in doubt settles it.

        Args:
            destination: Whose messages these are, as a client's ``destination`` names it.
            updates: What D7 says of messages; what belongs to no row of the ledger is put aside.
            inbound: What people wrote: of it, only who wrote when is kept.
            opt_outs: Those who do not want to be written to any more; in `inbound`, too.
            aside: What could not be made sense of.
            at: Now.

        Returns:
            How many of the updates belong to a row.

        Raises:
            LedgerError: Nothing was written.
        """
        place, people = self._database.make_destination(destination), self._database.people
        with self._database.writing() as connection:
            strays = write_updates(connection, place, people, updates, at)
            write_inbound(connection, place, people, inbound, at)
            said = [(each.sender, each.text, each.at) for each in opt_outs]
            write_opt_outs(connection, place, people, said, stopped=True)
            put_aside(connection, [*aside, *map(stray, strays)], at)
        return len(updates) - len(strays)

    @closed_book
    def heard(self, destination: str, campaign: str, keys: np.ndarray, numbers: np.ndarray) -> Heard:
        """Say what was heard of some rows after they were sent.

        Args:
            destination: Where they went.
            campaign: The name of the mailing.
            keys: Each row's key, ``uint8`` of shape (rows, 16).
            numbers: The request that decides about each row, as `look_up` gives it; 0 where there is none.

        Returns:
            What was heard, row by row.

        Raises:
            LedgerError: The ledger can't be used.
        """
        return look_up_heard(self._database, destination, campaign, keys, numbers)

    @closed_book
    def doubtful_before(self, destination: str, campaign: str, keys: np.ndarray) -> np.ndarray:
        """Of which rows, sent again on purpose, an earlier message is in doubt; arguments as for `heard`."""
        return doubtful_before(self._database, destination, campaign, keys)

    @closed_book
    def last_keys(self, destination: str, campaign: str, people: Sequence[str | None]) -> np.ndarray:
        """Say which row of a campaign each person got last, or is to get.

        Args:
            destination: Where it went.
            campaign: The name of the mailing.
            people: One form for all variants of a number; None for nobody.

        Returns:
            Its key, ``uint8`` of shape (people, 16); zeros where there is none.

        Raises:
            LedgerError: The ledger can't be used.
        """
        return last_keys(self._database, destination, campaign, people)

    @closed_book
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
        """What became of a mailing, joined onto a table: for a day when the plan is not at hand.

        Args:
            frame: The table; another than the one that was sent will do.
            campaign: The name of the mailing.
            to: The column with the phone numbers: each row is what its person got last in this campaign.
            key: The column or columns that were the plan's ``key=``, if it had one: then these find the row.
            country: As for `d7nb.plan`.
            client: Says where the messages went, the real API unless given; it asks when the delivery is refreshed.
            clock: Tells the time.

        Returns:
            A delivery with ``frame``, ``refresh``, ``funnel`` and all the rest.

        Raises:
            ColumnError: A column is not there.
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
        from d7nb.delivery.history import history  # noqa: PLC0415  (a delivery stands above the ledger)

        return history(self, frame, campaign, to=to, key=key, country=country, client=client, clock=clock)

    @closed_book
    def last_inbound(
        self, destination: str, people: Sequence[str | None], originators: Sequence[str | None]
    ) -> np.ndarray:
        """When each person last wrote to a business number, ``datetime64`` in UTC; NaT where that is not known.

        Args:
            destination: Where messages to them go, as a client's ``destination`` names it.
            people: One form for all variants of a number, as `d7nb.recipients.variants.family` makes it; None for
                nobody.
            originators: The business number for each, or None for any. What was written to a number that nobody
                knows counts for all.
        """
        return last_inbound(self._database, destination, people, originators)

    @closed_book
    def opted_out(self, destination: str, people: Sequence[str | None]) -> np.ndarray:
        """Which people do not want to be written to; arguments as for `last_inbound`."""
        return opted_out(self._database, destination, people)

    @closed_book
    def opt_out(self, numbers: Iterable[str], *, destination: str = BASE_URL, at: datetime | None = None) -> None:
        """Put people on the list of those who do not want to be written to; `d7nb.filters.OptOut` spares them.

        Args:
            numbers: Their numbers, with country code, in any form that `d7nb.check_numbers` reads.
            destination: Where messages to them would go; the real API unless given.
            at: When they said so; now unless given.

        Raises:
            LedgerError: One of them is no number; none was noted.

        Example:
            >>> from tempfile import TemporaryDirectory
            >>> with TemporaryDirectory() as folder, Ledger(f"{folder}/ledger.sqlite3") as ledger:
            ...     ledger.opt_out(["+12025550123"])
            ...     ledger.opt_outs()[["recipient", "stopped"]]
                 recipient  stopped
            0  +120••••••23     True
        """
        self._say(numbers, destination, at, stopped=True)

    @closed_book
    def opt_in(self, numbers: Iterable[str], *, destination: str = BASE_URL, at: datetime | None = None) -> None:
        """Take people off that list, because they said so later; arguments as for `opt_out`."""
        self._say(numbers, destination, at, stopped=False)

    def _say(self, numbers: Iterable[str], destination: str, at: datetime | None, *, stopped: bool) -> None:
        from d7nb.recipients.check import check_numbers  # noqa: PLC0415  (the receiver of events has no need of it)

        listed = pd.Series([numbers] if isinstance(numbers, str) else list(numbers), dtype="object")
        read = check_numbers(listed)
        if unread := int((read["verdict"] == "broken").sum()):  # written down as it is, it would stop nobody
            raise LedgerError(f"{unread} of the numbers are none: give them with their country code; nothing was noted")
        known = read["recipient"].fillna(read["candidates"].str[0].astype("str"))  # either way it is one person
        at = at or datetime.now(UTC)
        place = self._database.make_destination(destination)
        with self._database.writing() as connection:
            said = [(number, "", at) for number in known.tolist()]
            write_opt_outs(connection, place, self._database.people, said, stopped=stopped)

    @closed_book
    def opt_outs(self) -> pd.DataFrame:
        """Who does not want to be written to, and who came back.

        Columns: ``recipient`` (masked), ``stopped``, ``at``, ``word`` (what they wrote), ``destination``.
        """
        return opt_out_list(self._database)

    @closed_book
    def aside(self) -> pd.DataFrame:
        """What came in and could not be made sense of, the latest last.

        Columns: ``at``, ``why``, ``text`` (masked and shortened).
        """
        return put_aside_list(self._database)

    @closed_book
    def frame(self) -> pd.DataFrame:
        """Everything the ledger knows: one row per row that was ever claimed.

        Columns: ``campaign``, ``destination``, ``key`` (26 characters, as it travels in the reference), ``recipient``
        (masked), ``outcome`` (missing while a claim is not recorded), ``request_id``, ``created_at``, ``status``,
        ``code``, ``reason``, ``claimed_at``, ``recorded_at``.
        """
        return all_rows(self._database)

    @closed_book
    def campaigns(self) -> pd.DataFrame:
        """How many rows each campaign has at each destination, by outcome; ``claimed`` where there is none yet.

        ``last`` is the time of the last claim.
        """
        return campaign_counts(self._database)

    @closed_book
    def forget(self, campaign: str, before: datetime, *, destination: str | None = None, force: bool = False) -> int:
        """Delete what was recorded of a campaign before a time: these rows would be sent again.

        Args:
            campaign: The campaign.
            before: The time, with its zone.
            destination: Only what went there, as `campaigns` names it; everywhere unless given.
            force: Delete rows, too, that may have gone out, or are just being sent.

        Returns:
            How many rows were deleted.

        Raises:
            LedgerError: Some of them are unknown or claimed, and `force` was not given; none was deleted.
        """
        old = func.coalesce(deciding.c.recorded_at, deciding.c.claimed_at) < to_number(before)
        these = [last.c.campaign == campaign, old]
        unused = [
            requests.c.campaign == campaign,
            func.coalesce(requests.c.recorded_at, requests.c.claimed_at) < to_number(before),
            requests.c.outcome.is_not(None) | force,
            requests.c.id.not_in(select(rows.c.request)),
            requests.c.id.not_in(select(rows.c.sent).where(rows.c.sent.is_not(None))),
        ]
        if destination is not None:
            place = self._database.destination(destination)
            these.append(rows.c.destination == place)
            unused.append(requests.c.destination == place)
        doubtful = deciding.c.outcome.is_(None) | (deciding.c.outcome == "unknown")
        with self._database.writing() as connection:
            count = connection.execute(select(func.count()).select_from(decided).where(*these, doubtful)).scalar_one()
            if count and not force:
                message = (
                    f"{count} rows of this campaign are unknown or being sent: settle them first, or say force=True"
                )
                raise LedgerError(message)
            chosen = select(rows.c.destination, rows.c.key).select_from(decided).where(*these).correlate(None)
            of_campaign = select(requests.c.id).where(requests.c.campaign == campaign)
            where = select(requests.c.destination).where(requests.c.id == statuses.c.request).scalar_subquery()
            told_of = tuple_(where, statuses.c.key).in_(chosen)  # the same key may have gone elsewhere, too
            connection.execute(delete(statuses).where(statuses.c.request.in_(of_campaign), told_of))
            deleted = connection.execute(
                delete(rows).where(tuple_(rows.c.destination, rows.c.key).in_(chosen))
            ).rowcount
            of_unused = select(requests.c.id).where(*unused)
            connection.execute(delete(statuses).where(statuses.c.request.in_(of_unused)))
            connection.execute(delete(requests).where(*unused))
        return deleted

    @closed_book
    def people(self, families: Iterable[str | None]) -> list[bytes | None]:
        """What the ledger keeps of recipients in place of their numbers: a hash under the ledger's own secret.

        Args:
            families: One form for all variants of a number, as `d7nb.recipients.variants.family` makes it.

        Returns:
            16 bytes for each; None for None.
        """
        return self._database.people(families)

    def close(self) -> None:
        """Let go of the file or the server. What was recorded is on the disk already."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Ledger({self._database.shown!r})"


@contextmanager
def opened(ledger: Ledger | str | os.PathLike[str] | None) -> Iterator[Ledger]:
    """The ledger that is meant: an open one, which stays open, or a place, opened for a ``with`` block.

    Raises:
        LedgerError: It can't be used.
    """
    if isinstance(ledger, Ledger):
        yield ledger
    else:
        with Ledger(ledger) as own:
            yield own
