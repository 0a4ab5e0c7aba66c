"""Destinations: the names under which a ledger keeps apart what went to the real API and to sandboxes."""

from __future__ import annotations

from typing import Protocol
from urllib.parse import urlsplit

from d7nb.hints import Hint, Option

BASE_URL = "https://api.d7networks.com"


class HasDestination(Protocol):
    """An object that sends to one destination, as a client does."""

    destination: str


def destination_of(client: HasDestination | None) -> str:
    """Return where a client's messages go; without a client, the real API."""
    return BASE_URL if client is None else client.destination


def origin_of(base_url: str) -> str:
    """Return the destination for an address of the API, in one spelling.

    A ledger must not take ``HTTPS://Host:443`` for another destination than ``https://host``.

    Raises:
        ValueError: The address is not http(s), or has a user, a query or a fragment.

    Example:
        >>> origin_of("HTTPS://api.d7networks.com:443/")
        'https://api.d7networks.com'
    """
    parts = urlsplit(base_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or set(base_url) & set("@?#"):
        rules = f" must be an http(s) address such as {BASE_URL}, without a user, a query or a fragment"
        raise ValueError(Hint(Option("base_url"), rules))
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = "" if parts.port in {None, {"http": 80, "https": 443}[parts.scheme]} else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"
