"""Where messages go: the real API, or whatever a client speaks to. A ledger never mixes two destinations."""

from __future__ import annotations

from typing import Protocol
from urllib.parse import urlsplit

BASE_URL = "https://api.d7networks.com"


class Destined(Protocol):
    """What speaks to some place, as a client does."""

    destination: str


def destination_of(client: Destined | None) -> str:
    """Where a client's messages go; without one, the real API."""
    return BASE_URL if client is None else client.destination


def origin_of(base_url: str) -> str:
    """The destination that an address of the API names, as a ledger knows it.

    One spelling for one place: a ledger must not take ``HTTPS://Host:443`` for another destination.

    Raises:
        ValueError: It is no address of an API.

    Example:
        >>> origin_of("HTTPS://api.d7networks.com:443/")
        'https://api.d7networks.com'
    """
    parts = urlsplit(base_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or set(base_url) & set("@?#"):
        message = f"base_url must be an http(s) address such as {BASE_URL}, without a user, a query or a fragment"
        raise ValueError(message)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = "" if parts.port in {None, {"http": 80, "https": 443}[parts.scheme]} else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"
