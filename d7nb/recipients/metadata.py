"""libphonenumber's numbering plans, applied to a column at a time.

The plans are data (`phonenumbers.PhoneMetadata`): for each region a general pattern and one for each kind of number.
`regions_of` groups a column by calling code and matches each group against those patterns. Its result is the same as
the parser's, because the parser does just one more thing to a number that is already ``+`` and digits: it may strip a
national prefix. Where it could, the result is `UNCERTAIN` and the caller must `parse`. `national` does the same for
numbers as they are dialled inside a country.
"""

from __future__ import annotations

import functools
import re
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, REGION_CODE_FOR_NON_GEO_ENTITY, PhoneMetadata

from d7nb.recipients.string_columns import fullmatch, groups, take

# The region of international services (+800 and such) comes last.
REGIONS: tuple[str, ...] = (*sorted(phonenumbers.SUPPORTED_REGIONS), REGION_CODE_FOR_NON_GEO_ENTITY)
POSITION: dict[str, int] = {region: position for position, region in enumerate(REGIONS)}
INVALID = -1
UNCERTAIN = -2

_KINDS = (
    "fixed_line",
    "mobile",
    "premium_rate",
    "toll_free",
    "shared_cost",
    "voip",
    "personal_number",
    "pager",
    "uan",
    "voicemail",
)
_FEW_NATIONAL = 100  # of fewer numbers, parsing each takes less time than matching all the patterns


def regions_of(numbers: pd.Series[str]) -> np.ndarray:
    """Find the region of each number that libphonenumber calls valid.

    Args:
        numbers: ``+`` and digits; any other text is not valid, nor is a missing one.

    Returns:
        For each number its region's position in `REGIONS`, `INVALID`, or `UNCERTAIN` where only `parse` decides.

    Example:
        >>> [REGIONS[position] for position in regions_of(pd.Series(["+12025550123", "+61491570006"], dtype="str"))]
        ['US', 'AU']
    """
    regions = np.full(len(numbers), INVALID, dtype=np.int16)
    start_codes, starts = pd.factorize(numbers.str.slice(0, 4))
    calling_codes = np.array([*map(_calling_code, starts), 0], dtype=np.int16)[start_codes]
    order = np.argsort(calling_codes, kind="stable")
    ordered = take(numbers, order)  # sorted once, so that every group is a slice
    for calling_code, rows in groups(calling_codes[order]):
        if calling_code:
            regions[order[rows]] = _regions_of_group(ordered.iloc[rows[0] : rows[-1] + 1], calling_code)
    return regions


def national(digits: pd.Series[str], region: str) -> tuple[pd.Series[str], np.ndarray]:
    """Read digits as they are dialled inside a country.

    Args:
        digits: Texts of ASCII digits, none missing.
        region: One of `REGIONS`.

    Returns:
        The numbers in E.164 form, and their regions as in `regions_of`; `UNCERTAIN` where only `parse` decides.

    Example:
        >>> set(national(pd.Series(["0491570006"] * 200, dtype="str"), "AU")[0])
        {'+61491570006'}
    """
    regions = np.full(len(digits), UNCERTAIN, dtype=np.int16)
    if len(digits) < _FEW_NATIONAL:
        return digits, regions
    plan = _plans(phonenumbers.country_code_for_region(region))[region]
    code = str(plan.calling_code)
    fits_whole = fullmatch(digits, plan.general)
    # As in the parser, leading digits are the calling code only where the whole can't be a national number.
    local = digits.where(fits_whole | ~digits.str.startswith(code), digits.str.slice(len(code)))
    if plan.prefix and re.fullmatch(r"(?:\\[0-9])?", plan.rule):
        local = local.str.replace(f"^(?:{plan.prefix})", plan.rule, regex=True)
    certain = fullmatch(local, plan.general) & ~fullmatch(digits, f"(?:{plan.abroad})[0-9]*")
    if plan.prefix:
        certain &= ~fullmatch(local, f"(?:{plan.prefix})[0-9]*")
    numbers = f"+{code}" + local
    if plan.abroad == "00":
        international = fullmatch(digits, "00[1-9][0-9]*")
        numbers = numbers.where(~international, "+" + digits.str.slice(2))
        certain |= international
    rows = np.flatnonzero(certain)
    regions[rows] = regions_of(take(numbers, rows))
    return numbers, regions


def parse(text: str, region: str | None = None) -> tuple[str, int]:
    """Parse one number with libphonenumber.

    Args:
        text: ``+`` and digits, or digits dialled inside `region`.
        region: One of `REGIONS`.

    Returns:
        The number in E.164 form, and its region's position or `INVALID`.

    Example:
        >>> parse("+610491570006") == ("+61491570006", POSITION["AU"])
        True
    """
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return text, INVALID
    number_region = phonenumbers.region_code_for_number(number)
    valid = number_region is not None and phonenumbers.is_valid_number_for_region(number, number_region)
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return e164, POSITION[number_region] if valid and number_region else INVALID


def is_mobile(numbers: pd.Series[str], region: str) -> np.ndarray:
    """Return whether each number is a valid mobile of a region that is alone in using its calling code.

    Example:
        >>> is_mobile(pd.Series(["+61491570006", "+61255501234"], dtype="str"), "AU").tolist()
        [True, False]
    """
    plan = _plans(phonenumbers.country_code_for_region(region))[region]
    return _fits(numbers, plan, plan.mobile)


class _NumberingPlan(NamedTuple):
    """libphonenumber's metadata of one region; the patterns are empty where it has none."""

    region: str
    calling_code: int
    general: str
    kinds: str  # of all kinds of number; they match only the lengths that are allowed, so that need not be checked
    mobile: str
    leading: str  # of the first digits, where they tell a region from others with the same calling code
    prefix: str  # dialled before a national number
    rule: str  # the replacement of the prefix
    abroad: str  # dialled before a calling code


@functools.cache
def _plans(calling_code: int) -> dict[str, _NumberingPlan]:
    """Return the plans of a calling code in the order libphonenumber tries them; the first is the main region's."""
    return {region: _plan(calling_code, region) for region in COUNTRY_CODE_TO_REGION_CODE[calling_code]}


def _plan(calling_code: int, region: str) -> _NumberingPlan:
    metadata: Any = PhoneMetadata.metadata_for_region_or_calling_code(calling_code, region)
    kinds = [kind.national_number_pattern for kind in (getattr(metadata, name) for name in _KINDS) if kind]
    return _NumberingPlan(
        region=region,
        calling_code=calling_code,
        general=metadata.general_desc.national_number_pattern,
        kinds="|".join(dict.fromkeys(filter(None, kinds))),
        mobile=metadata.mobile.national_number_pattern if metadata.mobile else "",
        leading=metadata.leading_digits or "",
        prefix=metadata.national_prefix_for_parsing or "",
        rule=metadata.national_prefix_transform_rule or "",
        abroad=metadata.international_prefix or "",
    )


def _calling_code(start: str) -> int:
    """Return the calling code that ``+`` and three digits begin with, or 0; no code begins with another."""
    prefixes = (int(start[1:end]) for end in range(2, len(start) + 1) if re.fullmatch(r"\+[1-9][0-9]*", start[:end]))
    return next((prefix for prefix in prefixes if prefix in COUNTRY_CODE_TO_REGION_CODE), 0)


def _regions_of_group(numbers: pd.Series[str], calling_code: int) -> np.ndarray:
    """Find the regions of numbers that share a calling code: the first region whose plan fits decides."""
    plans = _plans(calling_code)
    regions = np.full(len(numbers), INVALID, dtype=np.int16)
    positions, remaining = np.arange(len(numbers)), numbers
    for plan in plans.values():
        if plan.leading:  # all numbers with these first digits are the region's, valid or not
            matched = np.flatnonzero(fullmatch(remaining, rf"\+{calling_code}(?:{plan.leading})[0-9]*"))
            valid = matched[_fits(take(remaining, matched), plan, plan.kinds)] if len(matched) else matched
        else:
            matched = valid = np.flatnonzero(_fits(remaining, plan, plan.kinds))
        if len(matched):
            regions[positions[valid]] = POSITION[plan.region]
            others = np.delete(np.arange(len(remaining)), matched)
            positions, remaining = positions[others], take(remaining, others)
    regions[_begins_with_prefix(numbers, f"+{calling_code}", next(iter(plans.values())).prefix)] = UNCERTAIN
    return regions


def _fits(numbers: pd.Series[str], plan: _NumberingPlan, kind: str) -> np.ndarray:
    """Return whether numbers fit a kind's pattern and the general one, which excludes some numbers of the kind."""
    code = rf"\+{plan.calling_code}"
    fits: np.ndarray = fullmatch(numbers, f"{code}(?:{kind})")
    fits &= fullmatch(numbers, f"{code}(?:{plan.general})")
    return fits


def _begins_with_prefix(numbers: pd.Series[str], code: str, prefix: str) -> np.ndarray:
    """Return whether the parser could take some digits of each number for a national prefix."""
    if not prefix:
        return np.full(len(numbers), False)
    if prefix.isdecimal():
        return numbers.str.startswith(code + prefix).to_numpy(dtype=bool)
    pattern = re.compile(rf"{re.escape(code)}(?:{prefix})", re.ASCII)
    if not pattern.fullmatch(code):
        return fullmatch(numbers, rf"{pattern.pattern}[0-9]*")
    # Argentina's pattern fits the empty prefix too: what matters is whether it takes a digit.
    matches = map(pattern.match, numbers.to_numpy(dtype=object))
    return np.array([match is not None and match.end() > len(code) for match in matches], dtype=bool)
