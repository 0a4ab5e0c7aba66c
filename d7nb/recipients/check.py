"""`check_numbers`: which phone number each cell of a column means, with every repair and every guess named.

`normalize` reduces a cell to digits, `metadata` knows libphonenumber's numbering plans, and `variants` the countries
where one person has a number in two forms. Here the digits are read, with or without a country, and each row gets its
verdict. A column is processed in slices, so that the memory this needs does not grow with it.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
from pandas.api import types

from d7nb.errors import PlanError, hides_internals
from d7nb.hints import Call, Hint, Option
from d7nb.problems import Problem
from d7nb.recipients.codes import BIT, CODES, VERDICTS, summarize
from d7nb.recipients.metadata import INVALID, POSITION, REGIONS, UNCERTAIN, national, parse, regions_of
from d7nb.recipients.normalize import as_text, read_cell, tidy
from d7nb.recipients.string_columns import fullmatch, groups, put, take
from d7nb.recipients.variants import COUNTRIES, family, find_variants

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

    from d7nb.recipients.codes import Finding
    from d7nb.recipients.normalize import Tidied

__all__ = ["CODES", "check_numbers", "family"]

_SLICE = 131_072
_CACHED = 20_000  # unusual cells whose results are remembered from slice to slice
_LEAST_DIGITS = 7  # of a number with its calling code, where no '+' says that it has one
# Digits that may be an international number: the code, the pattern, and how many of the digits stand for '+'.
_GUESSES = {"plus_assumed": (f"[1-9][0-9]{{{_LEAST_DIGITS - 1},}}", 0), "idd": ("00[1-9][0-9]*", 2)}
_NO_COUNTRY, _UNKNOWN_COUNTRY = -1, -2  # no country was given; a country was given that does not exist
_COUNTRIES = [region for region in REGIONS if region.isalpha()]  # without the world's own 001, which is the last


@hides_internals
def check_numbers(series: pd.Series, country: str | Sequence[object] | pd.Series | None = None) -> pd.DataFrame:
    """Find out which number each cell means, and how sure that is.

    ``ok`` and ``fixed`` numbers are valid for libphonenumber. Digits without ``+`` are read as an international number
    (``plus_assumed``). Where `country` is given, they are read as dialled in that country (``national``) if the
    international reading is not valid; if both are valid, a person must decide (``two_readings``). The same holds for
    the forms that only WhatsApp still uses in Brazil, Mexico and Argentina (``variant``).

    Numbers that lost digits to scientific notation are refused: ``9.71561E+11`` certainly has (``digits_lost``);
    decimal numbers that end in four zeros or more, and bare digits that end in five or more, probably have
    (``digits_probably_lost``). A cell with ``+``, a leading 0, spaces or dashes was never a number to a spreadsheet.

    Args:
        series: A column of any dtype. It is not changed.
        country: The country of numbers written nationally: two letters such as ``AE``, or a column of them.

    Returns:
        One row per cell, under the same index: ``recipient`` (E.164, missing unless ``ok`` or ``fixed``), ``verdict``
        (``ok``, ``fixed``, ``ambiguous``, ``broken``), ``code`` and ``message`` as in `CODES` (the message names every
        repair, the code the most uncertain), ``country`` (missing if unknown), ``candidates`` (a list of E.164
        numbers in the order to try them, or None).

    Raises:
        PlanError: `country` is a column with another length or index than the numbers.

    Example:
        >>> check_numbers(pd.Series(["+1 202 555 0123", 61491570006.0, "0491 570 006"]))[["recipient", "code"]]
              recipient          code
        0  +12025550123    separators
        1  +61491570006  plus_assumed
        2           NaN    no_country
        >>> check_numbers(pd.Series(["0491 570 006"]), country="AU")[["recipient", "code"]]
              recipient      code
        0  +61491570006  national
    """
    candidates = np.full(len(series), None, dtype=object)
    kind_of_bits: dict[int, int] = {}
    slices = list(_slices(series, _country_positions(country, series), candidates, kind_of_bits))
    return _frame(slices, [summarize(bits) for bits in kind_of_bits], candidates).set_axis(series.index)


class _Parser(Protocol):
    """`parse`, or a cached version of it."""

    def __call__(self, text: str, /, region: str | None = None) -> tuple[str, int]: ...


class _Checked(NamedTuple):
    """The results for a slice, with an entry per cell in each array."""

    numbers: pd.Series[str]  # E.164 where a region is known, else as far as they could be read
    bits: np.ndarray  # codes, as in `BIT`
    regions: np.ndarray  # positions in `REGIONS`, negative if unknown
    candidates: np.ndarray


class _CompactSlice(NamedTuple):
    """The results for a slice in a compact form, kept until the whole column is done."""

    recipients: pd.Series[str]  # missing unless the verdict is ok or fixed
    kinds: np.ndarray  # a small number for each combination of bits
    regions: np.ndarray


def _slices(
    series: pd.Series, countries: np.ndarray, candidates: np.ndarray, kind_of_bits: dict[int, int]
) -> Iterator[_CompactSlice]:
    read = functools.lru_cache(_CACHED)(read_cell)
    parse_cached = functools.lru_cache(_CACHED)(parse)
    for start in range(0, max(len(series), 1), _SLICE):
        part = slice(start, start + _SLICE)
        checked = _check(series.iloc[part], countries[part], candidates[part], read, parse_cached)
        yield _compact(checked, kind_of_bits)


def _country_positions(country: str | Sequence[object] | pd.Series | None, series: pd.Series) -> np.ndarray:
    """Return the position in `REGIONS` of each cell's country, `_NO_COUNTRY` or `_UNKNOWN_COUNTRY`."""
    if types.is_scalar(country):
        return np.full(len(series), _country_position(country), dtype=np.int16)
    column = pd.Series(country)
    if len(column) != len(series) or (isinstance(country, pd.Series) and not column.index.equals(series.index)):
        raise PlanError(
            "country= has another length or index than the numbers: pass one country, or one for each number"
        )
    codes, names = pd.factorize(column)
    return np.array([*map(_country_position, names), _NO_COUNTRY], dtype=np.int16)[codes]


def _country_position(country: Any) -> int:
    name = country.strip().upper() if isinstance(country, str) else country
    if name == "" or pd.isna(name):
        return _NO_COUNTRY
    return POSITION[name] if isinstance(name, str) and name in _COUNTRIES else _UNKNOWN_COUNTRY


def _check(
    cells: pd.Series, countries: np.ndarray, candidates: np.ndarray, read: Callable[[str], Tidied], parse: _Parser
) -> _Checked:
    """Check a slice: most numbers are valid as they are, and only the others are read with repairs."""
    texts = as_text(cells)
    regions = regions_of(texts)
    rows = np.flatnonzero(regions < 0)
    repaired = _repair(take(texts, rows), countries[rows], candidates[rows], read, parse)
    bits = np.zeros(len(texts), dtype=np.int64)
    bits[rows], regions[rows], candidates[rows] = repaired.bits, repaired.regions, repaired.candidates
    checked = _Checked(put(texts, rows, repaired.numbers), bits, regions, candidates)
    _mark_variants(checked)
    return checked


def _repair(
    texts: pd.Series[str], countries: np.ndarray, candidates: np.ndarray, read: Callable[[str], Tidied], parse: _Parser
) -> _Checked:
    """Read texts that are not valid numbers as they are."""
    digits, bits = tidy(texts, read)
    readable = digits.notna().to_numpy()
    bare = readable & ~digits.str.startswith("+", na=False).to_numpy()
    rows = np.flatnonzero(bare & (countries != _UNKNOWN_COUNTRY))
    guesses = {code: rows[fullmatch(take(digits, rows), pattern)] for code, (pattern, _) in _GUESSES.items()}
    numbers, regions = _read_as_international(digits, bits, guesses, parse)
    checked = _Checked(numbers, bits, regions, candidates)
    checked = _read_as_national(checked, digits, np.where(bare, countries, _NO_COUNTRY), parse)
    for code, rows in guesses.items():
        bits[rows[(regions[rows] >= 0) & (bits[rows] & BIT["national"] == 0)]] |= BIT[code]
    failed = np.flatnonzero(readable & (regions < 0) & (bits & BIT["two_readings"] == 0))
    bits[failed] |= _refusal_bits(take(digits, failed), countries[failed])
    return checked


def _read_as_international(
    digits: pd.Series[str], bits: np.ndarray, guesses: dict[str, np.ndarray], parse: _Parser
) -> tuple[pd.Series[str], np.ndarray]:
    """Read digits that begin with ``+``, and those that may lack it; other digits are not valid numbers."""
    with_plus = digits
    for code, rows in guesses.items():
        with_plus = put(with_plus, rows, "+" + take(digits, rows).str.slice(_GUESSES[code][1]))
    numbers, regions = _resolve_uncertain(with_plus, regions_of(with_plus), with_plus, parse)
    stripped = (numbers != with_plus).to_numpy(dtype=bool, na_value=False) & (regions >= 0)
    bits[stripped] |= BIT["trunk_prefix"]
    return numbers, regions


def _read_as_national(checked: _Checked, digits: pd.Series[str], countries: np.ndarray, parse: _Parser) -> _Checked:
    """Read bare digits as they are dialled in the given country, where there is one."""
    readings = [
        (rows, *_resolve_uncertain(*national(dialled, region), dialled, functools.partial(parse, region=region)))
        for country, rows in groups(countries)
        if country >= 0 and (region := REGIONS[country]) and len(dialled := take(digits, rows))
    ]
    if not readings:
        return checked
    rows = np.concatenate([rows for rows, _, _ in readings])
    national_numbers = pd.concat([numbers for _, numbers, _ in readings], ignore_index=True)
    regions = np.concatenate([regions for _, _, regions in readings])

    international_numbers = take(checked.numbers, rows)
    valid, valid_abroad = regions >= 0, checked.regions[rows] >= 0
    differ = (national_numbers != international_numbers).to_numpy(dtype=bool)
    ambiguous = np.flatnonzero(valid & valid_abroad & differ)
    only_national = np.flatnonzero(valid & ~valid_abroad)
    _set_candidates(checked, rows[ambiguous], take(international_numbers, ambiguous), take(national_numbers, ambiguous))
    checked.bits[rows[ambiguous]] |= BIT["two_readings"]
    checked.regions[rows[ambiguous]] = INVALID
    checked.bits[rows[only_national]] |= BIT["national"]
    checked.regions[rows[only_national]] = regions[only_national]
    numbers = put(checked.numbers, rows[only_national], take(national_numbers, only_national))
    return checked._replace(numbers=numbers)


def _resolve_uncertain(
    numbers: pd.Series[str], regions: np.ndarray, texts: pd.Series[str], parse: _Parser
) -> tuple[pd.Series[str], np.ndarray]:
    """Parse the numbers that the patterns are not certain of, and accept the forms that only WhatsApp knows."""
    rows = np.flatnonzero(regions == UNCERTAIN)
    if len(rows):
        parsed = [parse(text) for text in take(texts, rows).to_numpy(dtype=object)]
        regions[rows] = [region for _, region in parsed]
        numbers = put(numbers, rows, pd.Series([number for number, _ in parsed], dtype="str"))
    rows = np.flatnonzero(regions < 0)
    for variants in find_variants(take(numbers, rows)):
        regions[rows[variants.rows]] = POSITION[variants.region]
    return numbers, regions


def _refusal_bits(digits: pd.Series[str], countries: np.ndarray) -> np.ndarray:
    bare = ~digits.str.startswith("+").to_numpy(dtype=bool)
    cases = {
        "unknown_country": bare & (countries == _UNKNOWN_COUNTRY),
        "short": fullmatch(digits, rf"\+?[0-9]{{0,{_LEAST_DIGITS - 1}}}"),
        "no_country": bare & (countries == _NO_COUNTRY) & ~fullmatch(digits, _GUESSES["idd"][0]),
    }
    return np.select(list(cases.values()), [BIT[code] for code in cases], BIT["invalid"])


def _mark_variants(checked: _Checked) -> None:
    """Set the codes and candidates of numbers that WhatsApp may know in another form."""
    in_countries = np.flatnonzero(np.isin(checked.regions, [POSITION[country] for country in COUNTRIES]))
    for variants in find_variants(take(checked.numbers, in_countries)):
        rows = in_countries[variants.rows]
        is_legacy = (take(checked.numbers, rows) == variants.legacy).to_numpy()
        checked.bits[rows] |= np.where(is_legacy, BIT["variant"], BIT["has_variant"])
        _set_candidates(checked, rows, variants.modern, variants.legacy)


def _set_candidates(checked: _Checked, rows: np.ndarray, first: pd.Series[str], second: pd.Series[str]) -> None:
    pairs = zip(first.to_numpy(dtype=object), second.to_numpy(dtype=object), strict=True)
    checked.candidates[rows] = np.fromiter(map(list, pairs), dtype=object, count=len(rows))


def _compact(checked: _Checked, kind_of_bits: dict[int, int]) -> _CompactSlice:
    """Give each combination of bits a number, counting on from earlier slices, and drop numbers that can't be sent."""
    codes, combinations = pd.factorize(checked.bits)
    kinds = np.array([kind_of_bits.setdefault(int(bits), len(kind_of_bits)) for bits in combinations], dtype=np.int16)
    can_be_sent = np.array([summarize(int(bits)).verdict in {"ok", "fixed"} for bits in combinations], dtype=bool)
    return _CompactSlice(checked.numbers.where(can_be_sent[codes]), kinds[codes], checked.regions)


def _frame(slices: Sequence[_CompactSlice], findings: Sequence[Finding], candidates: np.ndarray) -> pd.DataFrame:
    kinds = np.concatenate([part.kinds for part in slices])
    regions = np.concatenate([part.regions for part in slices])
    regions[(regions < 0) | (regions >= len(_COUNTRIES))] = -1
    messages = dict.fromkeys(finding.message for finding in findings)
    return pd.DataFrame(
        {
            "recipient": pd.concat([part.recipients for part in slices], ignore_index=True),
            "verdict": _categorical([finding.verdict for finding in findings], kinds, VERDICTS),
            "code": _categorical([finding.code for finding in findings], kinds, CODES),
            "message": _categorical([finding.message for finding in findings], kinds, messages),
            "country": pd.Categorical.from_codes(regions, categories=pd.Index(_COUNTRIES)),
            # As a series: pandas would search a bare array of objects for numbers and dates.
            "candidates": pd.Series(candidates, dtype=object, copy=False),
        },
        copy=False,
    )


def _categorical(values: Sequence[str], kinds: np.ndarray, categories: Iterable[str]) -> pd.Categorical[str]:
    """Return the value of each row's kind as a categorical."""
    of_kind = pd.Categorical(list(values), dtype=pd.CategoricalDtype(list(categories)))
    return of_kind.take(kinds)


def likeliest(numbers: pd.DataFrame) -> pd.Series[str]:
    """Return one number for each row, missing where there is none.

    All readings of an ambiguous number are variants of one number, so the first is as good as any.

    Args:
        numbers: The result of `check_numbers`.
    """
    return numbers["recipient"].fillna(numbers["candidates"].str[0].astype("str"))


_HINTS = {
    "broken": "correct the number",
    "ambiguous": Hint(
        "correct the number in the table; or take the likelier one with plan = ",
        Call("plan.release"),
        ", and send this plan",
    ),
    "no_country": Hint("write '+' and the country code, or give ", Option("country")),
}
"""What to do, by code or else by verdict."""


def number_problems(numbers: pd.DataFrame, to: Hashable) -> Iterator[Problem]:
    """Yield the problems with the numbers in a column.

    Args:
        numbers: The result of `check_numbers`.
        to: The column's name.
    """
    assumed = numbers.loc[(numbers["code"] == "plus_assumed").to_numpy(), "country"].astype("str").value_counts()
    if len(assumed):
        listed = ", ".join(f"{region} {count:,}" for region, count in assumed.items())
        message = f"numbers without '+' were read as if they had one, which gives these countries: {listed}"
        hint = Hint("if that is wrong, write '+' and the country code, or give ", Option("country"))
        yield Problem("plus_assumed", message, hint, "warning", "recipient", to)
    for verdict, severity in (("broken", "error"), ("ambiguous", "held")):
        rows = np.flatnonzero(numbers["verdict"] == verdict)
        faulty = numbers.iloc[rows]
        for code in faulty["code"].unique():
            positions = np.flatnonzero(faulty["code"] == code)
            messages = faulty["message"].iloc[positions].tolist()
            advice = _HINTS.get(code, _HINTS[verdict])
            yield Problem(str(code), messages, advice, severity, "recipient", to, rows[positions])  # type: ignore[arg-type]
