"""One campaign at one destination in a ledger: what every claim, record and look-up of a send is about."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from d7nb.store.keys import key_bytes
from d7nb.store.recipes import BY_CONTENT

if TYPE_CHECKING:
    import numpy as np

    from d7nb.store.database import Database


@dataclass(frozen=True)
class CampaignLedger:
    """The part of a ledger that belongs to one campaign at one destination; made by `Store.campaign`.

    Attributes:
        database: The ledger's database.
        destination: Where the messages go: the origin of D7's address, or a sandbox's own.
        name: The name of the campaign.
        recipe: How the caller tells the campaign's rows apart, as `d7nb.store.recipes.recipe_of` writes it; None where
            it only looks at them.
        keys_are_hashed: Whether the caller's keys came out of the ledger, and are hashed already.
    """

    database: Database = field(repr=False)
    destination: str
    name: str
    recipe: str | None = BY_CONTENT
    keys_are_hashed: bool = False

    @property
    def id(self) -> int | None:
        """The campaign's number in the database; None where nothing of it was ever claimed."""
        return self.database.campaign_id(self.destination, self.name)

    def make_id(self) -> int:
        """Return the campaign's number in the database, which is made if there is none."""
        return self.database.make_campaign_id(self.destination, self.name)

    def row_keys(self, keys: np.ndarray) -> list[bytes]:
        """Return rows' keys as the ledger stores them.

        Args:
            keys: ``uint8`` of shape (rows, 16).
        """
        plain = key_bytes(keys)
        return plain if self.keys_are_hashed else self.database.hash_keys(plain)
