"""One campaign at one destination in a ledger: what every claim, record and look-up of a send is about."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.sql import FromClause

    from d7nb.store.database import Database


@dataclass(frozen=True)
class CampaignLedger:
    """The part of a ledger that belongs to one campaign at one destination; made by `Store.campaign`.

    Attributes:
        database: The ledger's database.
        destination: Where the messages go: the origin of D7's address, or a sandbox's own.
        name: The name of the campaign.
    """

    database: Database = field(repr=False)
    destination: str
    name: str

    @property
    def destination_id(self) -> int | None:
        """The destination's number in the database; None where nothing ever went there."""
        return self.database.destination_id(self.destination)

    def make_destination_id(self) -> int:
        """Return the destination's number in the database, which is made if there is none."""
        return self.database.make_destination_id(self.destination)

    def conditions(self, requests: FromClause) -> list[ColumnElement[bool]]:
        """Return the conditions under which a request belongs to this campaign.

        Args:
            requests: The table of requests, or an alias of it.
        """
        return [requests.c.destination == self.destination_id, requests.c.campaign == self.name]
