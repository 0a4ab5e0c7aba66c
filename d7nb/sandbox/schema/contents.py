"""What a message may say, apart from interactive messages and templates (d7-api.md sections 1.1 to 1.5)."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from d7nb.sandbox.schema.base import CountryCode, Day, Filled, HttpUrl, Latitude, Longitude, Part, Place, chars


class Content(Part):
    """What all contents share."""

    # Belongs inside `text`; D7's template samples and N8N put it here, and nothing reads it (section 8, row 12).
    preview_url: Any = None

    def warnings(self) -> list[str]:
        """What is odd about this content and yet taken in."""
        return []


class Text(Part):
    """4096 characters of body, D7's own limit (section 1.1)."""

    body: Annotated[str, chars(4096)]
    preview_url: bool | None = None


class TextContent(Content):
    """`message_type` TEXT."""

    message_type: Literal["TEXT"]
    text: Text

    def warnings(self) -> list[str]:
        """A preview wish in the wrong place."""
        return [] if self.preview_url is None else ["preview_url under content is ignored: it belongs inside text"]


class Reaction(Part):
    """Any id will do (section 8, row 19); an empty emoji takes a reaction back (a rule of Meta's)."""

    message_id: Filled
    emoji: str


class ReactionContent(Content):
    """`message_type` REACTION."""

    message_type: Literal["REACTION"]
    reaction: Reaction


class Attachment(Part):
    """A file by its URL; 1024 characters of caption are Meta's limit (section 1.3)."""

    type: Literal["image", "document", "video", "audio", "sticker"]
    url: HttpUrl
    caption: Annotated[str, chars(1024, least=0)] | None = None
    filename: str | None = None


class AttachmentContent(Content):
    """`message_type` ATTACHMENT."""

    message_type: Literal["ATTACHMENT"]
    attachment: Attachment

    def warnings(self) -> list[str]:
        """Parts that this kind of file does not show (section 1.3; section 8, row 11)."""
        kind = self.attachment.type
        unseen = {
            "caption": self.attachment.caption is not None and kind in {"audio", "sticker"},
            "filename": self.attachment.filename is not None and kind != "document",
        }
        return [f"{part} is not shown with {kind}" for part, odd in unseen.items() if odd]


class Location(Part):
    """A point on the map (section 1.4)."""

    latitude: Latitude
    longitude: Longitude
    name: str | None = None
    address: str | None = None


class LocationContent(Content):
    """`message_type` LOCATION."""

    message_type: Literal["LOCATION"]
    location: Location


class ContactName(Part):
    """The name to show, and at least one of its parts (section 1.5)."""

    formatted_name: Filled
    first_name: str | None = None
    last_name: str | None = None
    middle_name: str | None = None
    suffix: str | None = None
    prefix: str | None = None

    @model_validator(mode="after")
    def _has_a_part(self) -> Self:
        if not (self.first_name or self.last_name or self.middle_name or self.suffix or self.prefix):
            raise ValueError(
                "formatted_name needs at least one of first_name, last_name, middle_name, suffix, prefix beside it"
            )
        return self


class Address(Part):
    """A postal address of a contact."""

    street: str | None = None
    city: str | None = None
    state: str | None = None
    zip: str | None = None
    country: str | None = None
    country_code: CountryCode | None = None
    type: Place | None = None


class Email(Part):
    """An e-mail address of a contact; its form is not documented, so any text will do."""

    email: Filled
    type: Place | None = None


class Organisation(Part):
    """Where a contact works."""

    company: str | None = None
    department: str | None = None
    title: str | None = None


class Phone(Part):
    """A phone number of a contact; its form is not documented, so any text will do."""

    phone: Filled
    type: Literal["CELL", "MAIN", "IPHONE", "HOME", "WORK"] | None = None
    wa_id: str | None = None


class Website(Part):
    """A web address of a contact; that it be http(s) is not documented."""

    url: Filled
    type: Place | None = None


class Contact(Part):
    """One contact card."""

    name: ContactName
    addresses: list[Address] | None = None
    birthday: Day | None = None
    emails: list[Email] | None = None
    org: Organisation | None = None
    phones: list[Phone] | None = None
    urls: list[Website] | None = None


class ContactsContent(Content):
    """`message_type` CONTACTS: an array (section 8, row 7) of at most 257 cards, Meta's limit."""

    message_type: Literal["CONTACTS"]
    contacts: Annotated[list[Contact], Field(min_length=1, max_length=257)]
