"""The store behind the ledger: campaigns, what comes in after a send, and opt-outs."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from d7nb.errors import hides_internals
from d7nb.store.campaign import CampaignLedger
from d7nb.store.consent import last_inbound, opted_out
from d7nb.store.database import Database
from d7nb.store.incoming import take_in
from d7nb.store.location import find_location
from d7nb.store.recipes import BY_CONTENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    import numpy as np

    from d7nb.api.inbound import InboundMessage
    from d7nb.api.statuses import StatusUpdate
    from d7nb.store.dead_letters import DeadLetter

PATIENCE = 30.0
"""Seconds to wait for another writer."""


class Store:
    """The durable record of which messages went out, and which may have, so that nobody gets one twice.

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
        self._database = Database(find_location(path_or_url, os.environ), patience)

    @property
    def warning(self) -> str | None:
        """One sentence on what may go wrong with the ledger where it is; None where all is well."""
        return self._database.warning

    def campaign(
        self, destination: str, name: str, *, recipe: str | None = BY_CONTENT, keys_are_hashed: bool = False
    ) -> CampaignLedger:
        """Return the part of the ledger that belongs to one campaign.

        Args:
            destination: Where its messages go, as a client's ``destination`` names it.
            name: The name of the campaign.
            recipe: How the caller tells rows apart, as `d7nb.store.recipes.recipe_of` writes it; None where it only
                looks at them.
            keys_are_hashed: Whether the caller's keys came out of the ledger.
        """
        return CampaignLedger(self._database, destination, name, recipe, keys_are_hashed)

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

        It may come in any order, and more than once. A status of a row that is in doubt settles it.

        Args:
            destination: Whose messages these are, as a client's ``destination`` names it.
            updates: The statuses of messages; one that belongs to no row of the ledger is kept as a dead letter.
            inbound: Messages that people wrote: of them, only who wrote when is stored.
            opt_outs: Those by which people opted out; they are in `inbound`, too.
            aside: Events that could not be read, or belong to nothing that the ledger knows.
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
    def last_inbound(
        self, destination: str, people: Sequence[str | None], originators: Sequence[str | None]
    ) -> np.ndarray:
        """Return when each person last wrote to a business number, ``datetime64`` in UTC; NaT where that is not known.

        Args:
            destination: Where messages to them go, as a client's ``destination`` names it.
            people: One form for all variants of a number, as `d7nb.recipients.variants.family` makes it; None for
                nobody.
            originators: The business number for each, or None for any. If the business number that a person
                wrote to is not known, it counts for every one.
        """
        return last_inbound(self._database, destination, people, originators)

    @hides_internals
    def opted_out(self, destination: str, people: Sequence[str | None]) -> np.ndarray:
        """Return which people opted out; arguments as for `last_inbound`."""
        return opted_out(self._database, destination, people)

    @hides_internals
    def hash_recipients(self, families: Iterable[str | None]) -> list[bytes | None]:
        """Return what the ledger stores of recipients in place of their numbers: a hash under the ledger's own secret.

        Args:
            families: One form for all variants of a number, as `d7nb.recipients.variants.family` makes it.

        Returns:
            16 bytes for each; None for None.
        """
        return self._database.hash_recipients(families)

    def close(self) -> None:
        """Close the file or the connections to the server; what was recorded is on the disk already."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __str__(self) -> str:
        return self._database.address

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._database.address!r})"


@contextmanager
def open_campaign(
    ledger: Store | str | os.PathLike[str] | None, destination: str, name: str, **options: Any
) -> Iterator[CampaignLedger]:
    """Open one campaign of a ledger for a ``with`` block.

    Args:
        ledger: An open ledger, which stays open, or the path or URL of one, which is closed at the end of the block.
        destination: Where the campaign's messages go, as a client's ``destination`` names it.
        name: The name of the campaign.
        **options: Those of `Store.campaign`.

    Raises:
        LedgerError: The ledger can't be used.
    """
    if isinstance(ledger, Store):
        yield ledger.campaign(destination, name, **options)
    else:
        with Store(ledger) as store:
            yield store.campaign(destination, name, **options)
