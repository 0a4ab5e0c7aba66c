"""Numbers that one person has in two forms: Brazil, Mexico and Argentina.

The only country rules written by hand. In each of the three, mobile numbers were lengthened or shortened once, and
WhatsApp goes on knowing many people by the other form. libphonenumber calls one of the two the valid mobile; that one
is tried first, and stands for both wherever numbers are compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from d7nb.recipients.metadata import is_mobile
from d7nb.recipients.string_columns import fullmatch, put, take

if TYPE_CHECKING:
    import pandas as pd


class _Family(NamedTuple):
    """A country's two forms: they differ by one digit at one place."""

    region: str
    code: str
    modern: str  # the form libphonenumber calls a mobile
    legacy: str  # the form that only WhatsApp still knows
    digit: str
    place: int  # of that digit in the longer form
    grew: bool  # the modern form is the longer one


# Sources, as collected in users.md ("country rules conflict"):
# - Brazil: a mobile has a 9 before its eight digits, and WhatsApp ids often lack it (green-api, whapi, zoko, Zoho; by
#   area, with exceptions: wwebjs/whatsapp-web.js#596). Sent to the form with the 9, a message arrived, and the answer
#   named the id without it (nyaruka/courier#433): so the form with the 9 first. Eight digits that begin with 2 to 5 are
#   a landline's: another person's number than the mobile with the 9.
# - Mexico: the 1 after 52 is not dialled any more, but ids and webhooks show it; libphonenumber refuses it
#   (daviddrysdale/python-phonenumbers#306). code-chat-br/whatsapp-api#107 and codigoencasa/builderbot#1004 take it out,
#   green-api and whapi put it in: so the form without the 1 first.
# - Argentina: libphonenumber, green-api and whapi have a 9 after 54: so the form with the 9 first. Yet the allow-list
#   of a test number knew only the form without it (kevinrivm/vocero-crm#35), which is also how a landline is written.
_FAMILIES = (
    _Family("BR", "+55", r"\+55[1-9]{2}9[016-9][0-9]{7}", r"\+55[1-9]{2}[016-9][0-9]{7}", "9", place=5, grew=True),
    _Family("MX", "+52", r"\+52[2-9][0-9]{9}", r"\+521[2-9][0-9]{9}", "1", place=3, grew=False),
    _Family("AR", "+54", r"\+549[1-8][0-9]{9}", r"\+54[1-8][0-9]{9}", "9", place=3, grew=True),
)
COUNTRIES = tuple(kin.region for kin in _FAMILIES)


class Forms(NamedTuple):
    """The two forms of those numbers of a column that have two.

    Attributes:
        rows: Their positions in the column.
        region: Their country.
        modern: The form libphonenumber calls a valid mobile.
        legacy: The form that only WhatsApp still knows.
    """

    rows: np.ndarray
    region: str
    modern: pd.Series[str]
    legacy: pd.Series[str]


def forms(numbers: pd.Series[str]) -> list[Forms]:
    """Find the numbers that WhatsApp may know in another form, whichever of the two is given.

    Args:
        numbers: E.164 numbers; missing ones are passed over.

    Returns:
        One entry for each country that occurs. Only numbers whose modern form is a valid mobile are in it.

    Example:
        >>> import pandas as pd
        >>> [found] = forms(pd.Series(["+12025550123", "+5212221234567"], dtype="str"))  # libphonenumber's example
        >>> found.rows.tolist(), found.modern.tolist()
        ([1], ['+522221234567'])
    """
    found = []
    for kin in _FAMILIES:
        rows = np.flatnonzero(numbers.str.startswith(kin.code, na=False).to_numpy(dtype=bool))
        if len(rows):
            found.append(_forms(take(numbers, rows), rows, kin))
    return found


def family(recipients: pd.Series[str]) -> pd.Series[str]:
    """Give a number and its national variants one and the same form.

    The form is the one libphonenumber calls a valid mobile; any other number is its own. It depends on the digits
    alone, by rules that don't change with libphonenumber's data: a row's identity is made of it, and must outlive an
    upgrade.

    - Brazil: the 9 is put before eight digits that don't begin with 2 to 5 (those are a landline's).
    - Mexico: the 1 between 52 and ten digits is taken out.
    - Argentina: the 9 is put between 54 and ten digits.

    Args:
        recipients: E.164 numbers; what is missing stays missing.

    Returns:
        A series of pandas' ``str`` dtype with the same index and name.

    Example:
        >>> import pandas as pd
        >>> family(pd.Series(["+5212221234567", "+522221234567", "+12025550123"])).tolist()
        ['+522221234567', '+522221234567', '+12025550123']
    """
    numbers = recipients.astype("str").reset_index(drop=True)
    for kin in _FAMILIES:
        rows = np.flatnonzero(numbers.str.startswith(kin.code, na=False).to_numpy(dtype=bool))
        rows = rows[fullmatch(take(numbers, rows), kin.legacy)] if len(rows) else rows
        if not len(rows):
            continue
        numbers = put(numbers, rows, _modern(take(numbers, rows), kin))
    numbers = numbers.set_axis(recipients.index)
    numbers.name = recipients.name
    return numbers


def _forms(numbers: pd.Series[str], rows: np.ndarray, kin: _Family) -> Forms:
    """`forms` of one country's numbers, which stand at `rows` in their column."""
    old = np.flatnonzero(fullmatch(numbers, kin.legacy))
    modern = put(numbers, old, _modern(take(numbers, old), kin))
    kept = np.flatnonzero(fullmatch(modern, kin.modern) & is_mobile(modern, kin.region))
    modern = take(modern, kept)
    legacy = _shorter(modern, kin) if kin.grew else _longer(modern, kin)
    return Forms(rows[kept], kin.region, modern, legacy)


def _modern(legacy: pd.Series[str], kin: _Family) -> pd.Series[str]:
    return _longer(legacy, kin) if kin.grew else _shorter(legacy, kin)


def _longer(numbers: pd.Series[str], kin: _Family) -> pd.Series[str]:
    return numbers.str.slice(0, kin.place) + kin.digit + numbers.str.slice(kin.place)


def _shorter(numbers: pd.Series[str], kin: _Family) -> pd.Series[str]:
    return numbers.str.slice(0, kin.place) + numbers.str.slice(kin.place + 1)
