"""Mobile numbers that have two forms, in Brazil, Mexico and Argentina.

These are the only country rules written by hand. In each of the three, mobile numbers were once lengthened or
shortened, and WhatsApp still knows many people under the other form. libphonenumber calls one of the two the valid
mobile; that one is tried first, and represents both wherever numbers are compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from d7nb.recipients.metadata import is_mobile
from d7nb.recipients.string_columns import fullmatch, put, take

if TYPE_CHECKING:
    import pandas as pd


class _CountryRule(NamedTuple):
    """The two forms of a country's mobile numbers, which differ by one digit at one position."""

    region: str
    code: str
    modern: str  # pattern of the form that libphonenumber calls a mobile
    legacy: str  # pattern of the form that only WhatsApp still knows
    digit: str
    position: int  # of that digit in the longer form
    modern_is_longer: bool


# The rules that people and programs follow conflict; sources:
# - Brazil: a mobile has a 9 before its eight digits, and WhatsApp ids often lack it (green-api, whapi, zoko, Zoho; by
#   area, with exceptions: wwebjs/whatsapp-web.js#596). Sent to the form with the 9, a message arrived, and the answer
#   had the id without it (nyaruka/courier#433): so the form with the 9 first. Eight digits that begin with 2 to 5 are
#   a landline's: another person's number than the mobile with the 9.
# - Mexico: the 1 after 52 is not dialled any more, but ids and webhooks show it; libphonenumber refuses it
#   (daviddrysdale/python-phonenumbers#306). code-chat-br/whatsapp-api#107 and codigoencasa/builderbot#1004 take it out,
#   green-api and whapi put it in: so the form without the 1 first.
# - Argentina: libphonenumber, green-api and whapi have a 9 after 54: so the form with the 9 first. Yet the allow-list
#   of a test number knew only the form without it (kevinrivm/vocero-crm#35), which is also how a landline is written.
# Row keys and the hashes of people are computed from the form that these rules lead to: with a new rule, rows of its
# country that were sent count as not sent, and its opt-outs are lost.
_RULES = (
    _CountryRule(
        "BR", "+55", r"\+55[1-9]{2}9[016-9][0-9]{7}", r"\+55[1-9]{2}[016-9][0-9]{7}", "9", 5, modern_is_longer=True
    ),
    _CountryRule("MX", "+52", r"\+52[2-9][0-9]{9}", r"\+521[2-9][0-9]{9}", "1", 3, modern_is_longer=False),
    _CountryRule("AR", "+54", r"\+549[1-8][0-9]{9}", r"\+54[1-8][0-9]{9}", "9", 3, modern_is_longer=True),
)
COUNTRIES = tuple(rule.region for rule in _RULES)


class Variants(NamedTuple):
    """The two forms of those numbers in a column that have two, of one country.

    Attributes:
        rows: Their positions in the column.
        region: Their country.
        modern: The form that libphonenumber calls a valid mobile.
        legacy: The form that only WhatsApp still knows.
    """

    rows: np.ndarray
    region: str
    modern: pd.Series[str]
    legacy: pd.Series[str]


def find_variants(numbers: pd.Series[str]) -> list[Variants]:
    """Find the numbers that WhatsApp may know in another form, whichever of the two is given.

    Args:
        numbers: E.164 numbers; missing ones are ignored.

    Returns:
        One entry for each country that occurs. Only numbers whose modern form is a valid mobile are in it.

    Example:
        >>> import pandas as pd
        >>> [variants] = find_variants(
        ...     pd.Series(["+12025550123", "+5212221234567"], dtype="str")
        ... )  # libphonenumber's example
        >>> variants.rows.tolist(), variants.modern.tolist()
        ([1], ['+522221234567'])
    """
    variants = []
    for rule in _RULES:
        rows = np.flatnonzero(numbers.str.startswith(rule.code, na=False).to_numpy(dtype=bool))
        if len(rows):
            variants.append(_variants(take(numbers, rows), rows, rule))
    return variants


def family(recipients: pd.Series[str]) -> pd.Series[str]:
    """Return one form for a number and its variants, by which numbers are compared.

    The form is the one that libphonenumber calls a valid mobile; any other number is returned as it is. It depends on
    the digits alone, by rules that don't change with libphonenumber's data: a row's key is computed from it, and must
    stay the same after an upgrade.

    - Brazil: a 9 is inserted before eight digits that don't begin with 2 to 5 (those are a landline's).
    - Mexico: the 1 between 52 and ten digits is removed.
    - Argentina: a 9 is inserted between 54 and ten digits.

    Args:
        recipients: E.164 numbers; missing ones stay missing.

    Returns:
        A series of pandas' ``str`` dtype with the same index and name.

    Example:
        >>> import pandas as pd
        >>> family(pd.Series(["+5212221234567", "+522221234567", "+12025550123"])).tolist()
        ['+522221234567', '+522221234567', '+12025550123']
    """
    numbers = recipients.astype("str").reset_index(drop=True)
    for rule in _RULES:
        rows = np.flatnonzero(numbers.str.startswith(rule.code, na=False).to_numpy(dtype=bool))
        rows = rows[fullmatch(take(numbers, rows), rule.legacy)] if len(rows) else rows
        if len(rows):
            numbers = put(numbers, rows, _modern(take(numbers, rows), rule))
    numbers = numbers.set_axis(recipients.index)
    numbers.name = recipients.name
    return numbers


def _variants(numbers: pd.Series[str], rows: np.ndarray, rule: _CountryRule) -> Variants:
    """Find the variants among one country's numbers, which have the positions `rows` in their column."""
    old = np.flatnonzero(fullmatch(numbers, rule.legacy))
    modern = put(numbers, old, _modern(take(numbers, old), rule))
    mobile = np.flatnonzero(fullmatch(modern, rule.modern) & is_mobile(modern, rule.region))
    modern = take(modern, mobile)
    legacy = _shorter(modern, rule) if rule.modern_is_longer else _longer(modern, rule)
    return Variants(rows[mobile], rule.region, modern, legacy)


def _modern(legacy: pd.Series[str], rule: _CountryRule) -> pd.Series[str]:
    return _longer(legacy, rule) if rule.modern_is_longer else _shorter(legacy, rule)


def _longer(numbers: pd.Series[str], rule: _CountryRule) -> pd.Series[str]:
    return numbers.str.slice(0, rule.position) + rule.digit + numbers.str.slice(rule.position)


def _shorter(numbers: pd.Series[str], rule: _CountryRule) -> pd.Series[str]:
    return numbers.str.slice(0, rule.position) + numbers.str.slice(rule.position + 1)
