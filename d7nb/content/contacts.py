"""CONTACTS: contact cards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from d7nb.content.bubble import Bubble, Line
from d7nb.content.rules import COUNTRY_CODE, D7, DAY, META, PHONE, TEXT, URL, RowRule, one_of
from d7nb.content.schema.part import Content, Part, items, leaf, nested

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PLACES = ("HOME", "WORK")
PHONE_TYPES = ("CELL", "MAIN", "IPHONE", "HOME", "WORK")


def _name_fault(*others: Any) -> str | None:
    return None if any(others) else "a name needs at least one of first, last or middle name, prefix or suffix (D7)"


class Name(Part):
    """A contact's name: the formatted name and at least one of its parts; a bare text is both.

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

    short: ClassVar[tuple[str, ...]] = ("formatted_name", "first_name")
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
    """A contact's phone number, shown as given; a bare text is the number. Where its cell is empty it is left out."""

    phone: str = leaf("phone", PHONE, carries=True)
    type: str | None = leaf("type", TEXT, one_of(*PHONE_TYPES, by=D7), default=None)
    wa_id: str | None = leaf("wa_id", PHONE, default=None)

    short: ClassVar[tuple[str, ...]] = ("phone",)


class Email(Part):
    """A contact's e-mail address; a bare text is the address. Where its cell is empty it is left out."""

    email: str = leaf("email", carries=True)
    type: str | None = leaf("type", TEXT, one_of(*PLACES, by=D7), default=None)

    short: ClassVar[tuple[str, ...]] = ("email",)


class Link(Part):
    """A contact's web address; a bare text is the address. Where its cell is empty it is left out."""

    url: str = leaf("url", TEXT, URL, carries=True)
    type: str | None = leaf("type", TEXT, one_of(*PLACES, by=D7), default=None)

    short: ClassVar[tuple[str, ...]] = ("url",)


class Address(Part):
    """A contact's postal address."""

    street: str | None = leaf("street", default=None)
    city: str | None = leaf("city", default=None)
    state: str | None = leaf("state", default=None)
    zip: str | None = leaf("zip", default=None)
    country: str | None = leaf("country", default=None)
    country_code: str | None = leaf("country_code", TEXT, COUNTRY_CODE, default=None)
    type: str | None = leaf("type", TEXT, one_of(*PLACES, by=D7), default=None)


class Organisation(Part):
    """Where a contact works; a bare text is the company."""

    company: str | None = leaf("company", default=None)
    department: str | None = leaf("department", default=None)
    title: str | None = leaf("title", default=None)

    short: ClassVar[tuple[str, ...]] = ("company",)


class Contact(Part):
    """One contact card (d7-api.md section 1.5). Each part may be a plain dict of its fields, or a text in short.

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
    """Contact cards (d7-api.md section 1.5); D7's key holds an array (section 8, row 7).

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
    def bubble(cls, said: Mapping[str, Any]) -> Bubble:
        """A card for each contact."""
        return Bubble(cards=tuple(_card(contact) for contact in said.get("contacts", [])))


_NAME_IN_PARTS = ("prefix", "first_name", "middle_name", "last_name", "suffix")
_POSTAL = ("street", "city", "state", "zip", "country", "country_code")


def _card(contact: Mapping[str, Any]) -> Bubble:
    name, org = contact.get("name", {}), contact.get("org", {})
    shown = name.get("formatted_name", "")
    in_parts = _joined(name, _NAME_IN_PARTS, " ")
    lines = [Line("saved as", in_parts)] if in_parts != shown else []
    if org:
        lines.append(Line("works at", _joined(org, ("title", "department", "company"), ", ")))
    for key, label in (("phones", "phone"), ("emails", "email"), ("urls", "url"), ("addresses", "address")):
        lines.extend(_lines(contact.get(key, []), label))
    if birthday := contact.get("birthday"):
        lines.append(Line("birthday", birthday))
    return Bubble(header=shown, lines=tuple(lines), shape="contact")


def _lines(entries: list[Mapping[str, Any]], label: str) -> Iterator[Line]:
    for entry in entries:
        words = _joined(entry, _POSTAL, ", ") if label == "address" else entry.get(label, "")
        yield Line(f"{label} {entry.get('type', '').lower()}".strip(), words)


def _joined(node: Mapping[str, Any], keys: tuple[str, ...], between: str) -> str:
    return between.join(str(node[key]) for key in keys if node.get(key))
