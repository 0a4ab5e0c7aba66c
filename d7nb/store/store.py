"""The store behind the ledger: what it knows of rows, who may send them, what comes in later."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, Self

from d7nb.errors import hides_internals
from d7nb.store.claims import LIFETIME, Run
from d7nb.store.consent import last_inbound, opted_out
from d7nb.store.database import Database
from d7nb.store.incoming import take_in
from d7nb.store.location import find_place
from d7nb.store.lookup import RowStates, doubtful_before, last_keys, look_up
from d7nb.store.message_status import MessageStatuses, find_statuses
from d7nb.store.settle import settle

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime, timedelta

    import numpy as np

    from d7nb.api.statuses import InboundMessage, StatusUpdate
    from d7nb.store.dead_letters import DeadLetter

PATIENCE = 30.0
"""Seconds to wait for another writer."""


class Store:
    """The durable record of what went to whom, and of what may have: nobody gets it twice.

    Several threads, processes and (with PostgreSQL) machines may use one ledger at once.

    Args:
        path_or_url: A file, or a URL such as ``postgresql+psycopg://user@host/database``; without it, what
            ``D7NB_LEDGER`` says, or a file in the user's data folder that only its owner may read.
        patience: Seconds to wait while another program writes.

    Raises:
        LedgerError: It can't be read and written, is damaged, or a newer d7nb wrote it.
    """

    @hides_internals
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

    @hides_internals
    def look_up(
        self, destination: str, campaign: str, keys: np.ndarray, people: Sequence[str | None], *, at: datetime
    ) -> RowStates:
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

    @hides_internals
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
        return settle(self._database, destination, keys, word, at)

    @hides_internals
    def take_in(
        self,
        destination: str,
        *,
        updates: Sequence[StatusUpdate] = (),
        inbound: Sequence[InboundMessage] = (),
        opt_outs: Sequence[InboundMessage] = (),
        aside: Sequence[DeadLetter] = (),
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
        return take_in(
            self._database, destination, updates=updates, inbound=inbound, opt_outs=opt_outs, aside=aside, at=at
        )

    @hides_internals
    def heard(self, destination: str, campaign: str, keys: np.ndarray, numbers: np.ndarray) -> MessageStatuses:
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
        return find_statuses(self._database, destination, campaign, keys, numbers)

    @hides_internals
    def doubtful_before(self, destination: str, campaign: str, keys: np.ndarray) -> np.ndarray:
        """Of which rows, sent again on purpose, an earlier message is in doubt; arguments as for `heard`."""
        return doubtful_before(self._database, destination, campaign, keys)

    @hides_internals
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

    @hides_internals
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

    @hides_internals
    def opted_out(self, destination: str, people: Sequence[str | None]) -> np.ndarray:
        """Which people do not want to be written to; arguments as for `last_inbound`."""
        return opted_out(self._database, destination, people)

    @hides_internals
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
        return f"{type(self).__name__}({self._database.shown!r})"


@contextmanager
def opened(ledger: Store | str | os.PathLike[str] | None) -> Iterator[Store]:
    """The ledger that is meant: an open one, which stays open, or a place, opened for a ``with`` block.

    Raises:
        LedgerError: It can't be used.
    """
    if isinstance(ledger, Store):
        yield ledger
    else:
        with Store(ledger) as own:
            yield own
