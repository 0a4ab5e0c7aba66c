"""The contents TEXT, REACTION, ATTACHMENT, LOCATION and CONTACTS (D7, "Send Free-form Whatsapp Messages")."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from d7nb.sandbox.schema.base import (
    CountryCode,
    HomeOrWork,
    HttpUrl,
    IsoDate,
    Latitude,
    Longitude,
    NonEmptyStr,
    StrictModel,
    length,
)


class Content(StrictModel):
    """The base of all contents."""

    # It belongs inside `text`. D7's samples of templates and its n8n node put it here, where it is ignored.
    preview_url: Any = None

    def warnings(self) -> list[str]:
        """Return what is wrong with this content although it is accepted."""
        return []


class Text(StrictModel):
    """A text; the limit of 4096 characters is on D7's page "Text Message"."""

    body: Annotated[str, length(4096)]
    preview_url: bool | None = None


class TextContent(Content):
    """`message_type` TEXT."""

    message_type: Literal["TEXT"]
    text: Text

    def warnings(self) -> list[str]:
        """Warn about a `preview_url` outside `text`."""
        return [] if self.preview_url is None else ["preview_url under content is ignored: it belongs inside text"]


class Reaction(StrictModel):
    """A reaction to a message; an empty emoji removes the reaction (Meta, "Reaction messages")."""

    message_id: NonEmptyStr
    emoji: str


class ReactionContent(Content):
    """`message_type` REACTION."""

    message_type: Literal["REACTION"]
    reaction: Reaction


class Attachment(StrictModel):
    """A file by its URL; the limit of 1024 characters for a caption is on Meta's page "Image messages"."""

    type: Literal["image", "document", "video", "audio", "sticker"]
    url: HttpUrl
    caption: Annotated[str, length(1024, minimum=0)] | None = None
    filename: str | None = None


class AttachmentContent(Content):
    """`message_type` ATTACHMENT."""

    message_type: Literal["ATTACHMENT"]
    attachment: Attachment

    def warnings(self) -> list[str]:
        """Warn about fields that WhatsApp does not show with this type of file."""
        file_type = self.attachment.type
        hidden = {
            "caption": self.attachment.caption is not None and file_type in {"audio", "sticker"},
            "filename": self.attachment.filename is not None and file_type != "document",
        }
        return [f"{field} is not shown with {file_type}" for field, is_hidden in hidden.items() if is_hidden]


class Location(StrictModel):
    """A point on the map, by its coordinates."""

    latitude: Latitude
    longitude: Longitude
    name: str | None = None
    address: str | None = None


class LocationContent(Content):
    """`message_type` LOCATION."""

    message_type: Literal["LOCATION"]
    location: Location


class ContactName(StrictModel):
    """A contact's name: the name to show, and at least one of its parts (D7, "Contacts Message")."""

    formatted_name: NonEmptyStr
    first_name: str | None = None
    last_name: str | None = None
    middle_name: str | None = None
    suffix: str | None = None
    prefix: str | None = None

    @model_validator(mode="after")
    def _check_name_parts(self) -> Self:
        if not (self.first_name or self.last_name or self.middle_name or self.suffix or self.prefix):
            raise ValueError(
                "formatted_name needs at least one of first_name, last_name, middle_name, suffix, prefix beside it"
            )
        return self


class Address(StrictModel):
    """A postal address of a contact."""

    street: str | None = None
    city: str | None = None
    state: str | None = None
    zip: str | None = None
    country: str | None = None
    country_code: CountryCode | None = None
    type: HomeOrWork | None = None


class Email(StrictModel):
    """An e-mail address of a contact; its form is not documented, so any text is accepted."""

    email: NonEmptyStr
    type: HomeOrWork | None = None


class Organisation(StrictModel):
    """A contact's employer, department and title."""

    company: str | None = None
    department: str | None = None
    title: str | None = None


class Phone(StrictModel):
    """A phone number of a contact; its form is not documented, so any text is accepted."""

    phone: NonEmptyStr
    type: Literal["CELL", "MAIN", "IPHONE", "HOME", "WORK"] | None = None
    wa_id: str | None = None


class Website(StrictModel):
    """A web address of a contact; its form is not documented, so any text is accepted."""

    url: NonEmptyStr
    type: HomeOrWork | None = None


class Contact(StrictModel):
    """One contact card."""

    name: ContactName
    addresses: list[Address] | None = None
    birthday: IsoDate | None = None
    emails: list[Email] | None = None
    org: Organisation | None = None
    phones: list[Phone] | None = None
    urls: list[Website] | None = None


class ContactsContent(Content):
    """`message_type` CONTACTS: an array of contacts. The limit of 257 is Meta's."""

    message_type: Literal["CONTACTS"]
    contacts: Annotated[list[Contact], Field(min_length=1, max_length=257)]
