"""LOCATION: a pin on the map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from d7nb.content.bubble import Bubble
from d7nb.content.preview import place_of
from d7nb.content.rules import DECIMAL, LATITUDE, LONGITUDE, META, RowRule
from d7nb.content.schema.part import Content, leaf

if TYPE_CHECKING:
    from collections.abc import Mapping


def _address_fault(address: Any, name: Any) -> str | None:
    return "WhatsApp shows the address only where there is a name too (Meta)" if address and not name else None


class Location(Content, message_type="LOCATION", root="location"):
    """A place on the map (D7, WhatsApp API reference, "Send message").

    Coordinates are sent as decimal text, as D7's own SDKs send them (so has Meta, "Location messages").

    Args:
        latitude: Degrees from -90 to 90, a number or its text.
        longitude: Degrees from -180 to 180, a number or its text.
        name: What the place is called.
        address: Its address; shown only together with a name.

    Raises:
        ContentError: A literal breaks a rule, or a template is malformed.

    Example:
        >>> from d7nb import Location
        >>> Location(25.2048, "55.2708", name="Our office")
        Location(latitude='25.2048', longitude='55.2708', name='Our office')
    """

    latitude: float | str = leaf("latitude", DECIMAL, LATITUDE)
    longitude: float | str = leaf("longitude", DECIMAL, LONGITUDE)
    name: str | None = leaf("name", default=None)
    address: str | None = leaf("address", default=None)

    row_rules: ClassVar[tuple[RowRule, ...]] = (
        RowRule("hidden_address", ("address", "name"), _address_fault, "give the place a name", META, "warning"),
    )

    @classmethod
    def bubble(cls, payload: Mapping[str, Any]) -> Bubble:
        """Draw the pin with its name, and the address."""
        pin, address = place_of(payload)
        return Bubble(media=pin, lines=address)
