"""The codes of phone numbers, each with its verdict and its message, from the least to the most serious.

A value may have been repaired in several ways. Each code is one bit, so that a column's codes are one array of integers
to which ``|`` adds. In the end the highest bit gives a row's verdict and code, and all bits of that verdict give its
message.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

Verdict = Literal["ok", "fixed", "ambiguous", "broken"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

CODES: dict[str, tuple[Verdict, str]] = {
    "ok": ("ok", "a valid number"),
    "has_variant": ("ok", "valid; WhatsApp may know it in another form, which is listed under candidates"),
    # Repaired. The later a repair stands, the more it guesses.
    "separators": ("fixed", "spaces, dots, dashes or brackets were taken out"),
    "invisible": ("fixed", "invisible marks or no-break spaces were taken out"),
    "apostrophe": ("fixed", "the apostrophe or quotes around it were taken off"),
    "other_digits": ("fixed", "digits of another script were read as 0 to 9"),
    "scheme": ("fixed", "'tel:' or the like was taken off"),
    "idd": ("fixed", "'00' was read as '+'"),
    "scientific": ("fixed", "scientific notation was written out; every digit was there"),
    "decimal": ("fixed", "'.0' was dropped: the file or pandas had made a decimal number of it"),
    "trunk_prefix": ("fixed", "the prefix for calls inside the country, as the (0) in +44 (0)7, was dropped"),
    "national": ("fixed", "read as it is dialled in the given country"),
    "plus_assumed": ("fixed", "it has no '+', and was read as if it had one: check the country"),
    "released": ("fixed", "a person chose this number among the candidates"),
    # A person must decide.
    "variant": (
        "ambiguous",
        "WhatsApp may know this number in another form: choose one of the candidates; the first is the likelier",
    ),
    "two_readings": (
        "ambiguous",
        "it could be two numbers, with '+' before it or as dialled in the country: write '+' and the country code",
    ),
    # Refused.
    "invalid": ("broken", "not a valid number in any country: check it for missing or wrong digits"),
    "short": (
        "broken",
        "too few digits: write the whole number with its country code (short codes are not on WhatsApp)",
    ),
    "no_country": (
        "broken",
        "no country code, and no country was given: write '+' and the country code, or say which country is meant",
    ),
    "unknown_country": (
        "broken",
        "the given country is not known: use two letters such as AE or GB, or write '+' and the country code",
    ),
    "several": ("broken", "several numbers in one cell: give each a row of its own"),
    "extension": ("broken", "it has an extension, which WhatsApp can't reach: give a direct number"),
    "characters": ("broken", "it has letters or signs that do not belong in a phone number: write '+' and digits"),
    "too_long": (
        "broken",
        "more than 15 digits, which no phone number has: check whether several numbers run together",
    ),
    "group": ("broken", "the id of a WhatsApp group: give the number of a person"),
    "digits_lost": (
        "broken",
        "digits are lost: a spreadsheet showed the number in scientific notation; take it from the original file",
    ),
    "digits_probably_lost": (
        "broken",
        (
            "digits are probably lost: it ends in zeros, as after scientific notation; take it from the original file,"
            " or write it with '+' if it is right"
        ),
    ),
    "unreadable": ("broken", "it is neither a text nor a whole number: store phone numbers as text"),
    "missing": ("broken", "there is no number"),
}

BIT: dict[str, int] = {code: 1 << position for position, code in enumerate(CODES)}


class Finding(NamedTuple):
    """The verdict on one value."""

    code: str
    verdict: Verdict
    message: str


def summarize(bits: int) -> Finding:
    """Return the verdict on a value with some codes.

    Args:
        bits: The sum of the codes' `BIT`; 0 where there are none.

    Returns:
        The most serious code, its verdict, and the messages of all codes of that verdict.

    Example:
        >>> summarize(BIT["separators"] | BIT["idd"]).message
        "spaces, dots, dashes or brackets were taken out; '00' was read as '+'"
    """
    codes = [code for code in CODES if bits & BIT[code]] or ["ok"]
    verdict = CODES[codes[-1]][0]
    return Finding(codes[-1], verdict, "; ".join(CODES[code][1] for code in codes if CODES[code][0] == verdict))
