"""Where messages go: the real API, or whatever a client speaks to. A ledger never mixes two destinations."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from d7nb.client import Client

BASE_URL = "https://api.d7networks.com"


def destination_of(client: Client | None) -> str:
    """Where a client's messages go; without one, the real API."""
    return BASE_URL if client is None else client.destination
