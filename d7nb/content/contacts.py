"""CONTACTS: contact cards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from d7nb.content.bubble import Bubble, Line
from d7nb.content.rules import COUNTRY_CODE, D7, DAY, META, PHONE, TEXT, URL, RowRule, one_of
from d7nb.content.schema.part import Content, Part, items, leaf, nested

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ADDRESS_TYPES = ("HOME", "WORK")
PHONE_TYPES = ("CELL", "MAIN", "IPHONE", "HOME", "WORK")


def _name_fault(*others: Any) -> str | None:
    return None if any(others) else "a name needs at least one of first, last or middle name, prefix or suffix (D7)"


class Name(Part):
    """A contact's name: the formatted name and at least one of its parts; a bare text is formatted and first name.

    Example:
        >>> Name(formatted_name="Sara Haddad", first_name="Sara")
        Name(formatted_name='Sara Haddad', first_name='Sara')
    """

    formatted_name: str = leaf("formatted_name")
    first_name: str | None = leaf("first_name", default=None)
    last_name: str | None = leaf("last_name", default=None)
    middle_name: str | None = leaf("middle_name", default=None)
    suffix: str | None = leaf("suffix", default=None)
    prefix: str | None = leaf("prefix", default=None)

    shorthand: ClassVar[tuple[str, ...]] = ("formatted_name", "first_name")
    row_rules: ClassVar[tuple[RowRule, ...]] = (
        RowRule(
            "bare_name",
            ("first_name", "last_name", "middle_name", "suffix", "prefix"),
            _name_fault,
            "give the first name too",
            D7,
        ),
    )


class Phone(Part):
    """A contact's phone number, shown as given; a bare text is the number. An empty cell leaves the phone out."""

    phone: str = leaf("phone", PHONE, carries=True)
    type: str | None = leaf("type", TEXT, one_of(*PHONE_TYPES, by=D7), default=None)
    wa_id: str | None = leaf("wa_id", PHONE, default=None)

    shorthand: ClassVar[tuple[str, ...]] = ("phone",)


class Email(Part):
    """A contact's e-mail address; a bare text is the address. An empty cell leaves the email out."""

    email: str = leaf("email", carries=True)
    type: str | None = leaf("type", TEXT, one_of(*ADDRESS_TYPES, by=D7), default=None)

    shorthand: ClassVar[tuple[str, ...]] = ("email",)


class Link(Part):
    """A contact's web address; a bare text is the address. An empty cell leaves the link out."""

    url: str = leaf("url", TEXT, URL, carries=True)
    type: str | None = leaf("type", TEXT, one_of(*ADDRESS_TYPES, by=D7), default=None)

    shorthand: ClassVar[tuple[str, ...]] = ("url",)


class Address(Part):
    """A contact's postal address."""

    street: str | None = leaf("street", default=None)
    city: str | None = leaf("city", default=None)
    state: str | None = leaf("state", default=None)
    zip: str | None = leaf("zip", default=None)
    country: str | None = leaf("country", default=None)
    country_code: str | None = leaf("country_code", TEXT, COUNTRY_CODE, default=None)
    type: str | None = leaf("type", TEXT, one_of(*ADDRESS_TYPES, by=D7), default=None)


class Organisation(Part):
    """A contact's workplace; a bare text is the company."""

    company: str | None = leaf("company", default=None)
    department: str | None = leaf("department", default=None)
    title: str | None = leaf("title", default=None)

    shorthand: ClassVar[tuple[str, ...]] = ("company",)


class Contact(Part):
    """One contact card. Each part may be a plain dict of its fields, or a text as its shorthand.

    Args:
        name: ``{"formatted_name", "first_name", "last_name", "middle_name", "suffix", "prefix"}``, or a text.
        phones: A list of ``{"phone", "type", "wa_id"}``, or of texts; type CELL, MAIN, IPHONE, HOME or WORK.
        emails: A list of ``{"email", "type"}``, or of texts; type HOME or WORK.
        urls: A list of ``{"url", "type"}``, or of texts.
        addresses: A list of ``{"street", "city", "state", "zip", "country", "country_code", "type"}``.
        org: ``{"company", "department", "title"}``, or the company's name.
        birthday: A date, or its ISO form.

    Raises:
        ContentError: A literal breaks a rule, or a template is malformed.

    Example:
        >>> from d7nb import Contact
        >>> Contact(name="{agent}", phones=["+12025550123"])
        Contact(name=Name(formatted_name='{agent}', first_name='{agent}'), phones=[Phone(phone='+120••••••23')])
    """

    name: Name | Mapping[str, Any] | str = nested("name", Name)
    phones: Sequence[Phone | Mapping[str, Any] | str] | None = items("phones", Phone, default=None)
    emails: Sequence[Email | Mapping[str, Any] | str] | None = items("emails", Email, default=None)
    urls: Sequence[Link | Mapping[str, Any] | str] | None = items("urls", Link, default=None)
    addresses: Sequence[Address | Mapping[str, Any]] | None = items("addresses", Address, default=None)
    org: Organisation | Mapping[str, Any] | str | None = nested("org", Organisation, default=None)
    birthday: Any = leaf("birthday", DAY, default=None)


class Contacts(Content, message_type="CONTACTS"):
    """Contact cards (D7, WhatsApp API reference, "Send message").

    They are sent as a JSON array, as D7's own SDKs send them; an outline in the reference shows an object.

    Args:
        contacts: 1 to 257 of `Contact` (Meta's limit; fewer are advised), or dicts of its fields.

    Raises:
        ContentError: A literal breaks a rule, or a template is malformed.

    Example:
        >>> from d7nb import Contact, Contacts
        >>> Contacts([Contact(name="{agent}", emails=["{agent_email}"])]).contacts[0].emails
        (Email(email='{agent_email}'),)
    """

    contacts: Sequence[Contact | Mapping[str, Any]] = items("contacts", Contact, 1, 257, by=META)

    @classmethod
    def bubble(cls, payload: Mapping[str, Any]) -> Bubble:
        """Draw a card for each contact."""
        return Bubble(cards=tuple(_card(contact) for contact in payload.get("contacts", [])))


_NAME_PARTS = ("prefix", "first_name", "middle_name", "last_name", "suffix")
_POSTAL = ("street", "city", "state", "zip", "country", "country_code")


def _card(contact: Mapping[str, Any]) -> Bubble:
    name, org = contact.get("name", {}), contact.get("org", {})
    formatted_name = name.get("formatted_name", "")
    name_in_parts = _join_values(name, _NAME_PARTS, " ")
    lines = [Line("saved as", name_in_parts)] if name_in_parts != formatted_name else []
    if org:
        lines.append(Line("works at", _join_values(org, ("title", "department", "company"), ", ")))
    for key, label in (("phones", "phone"), ("emails", "email"), ("urls", "url"), ("addresses", "address")):
        lines.extend(_lines(contact.get(key, []), label))
    if birthday := contact.get("birthday"):
        lines.append(Line("birthday", birthday))
    return Bubble(header=formatted_name, lines=tuple(lines), shape="contact")


def _lines(entries: list[Mapping[str, Any]], label: str) -> Iterator[Line]:
    for entry in entries:
        text = _join_values(entry, _POSTAL, ", ") if label == "address" else entry.get(label, "")
        yield Line(f"{label} {entry.get('type', '').lower()}".strip(), text)


def _join_values(node: Mapping[str, Any], keys: tuple[str, ...], separator: str) -> str:
    return separator.join(str(node[key]) for key in keys if node.get(key))
