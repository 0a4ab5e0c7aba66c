"""Recipients: what a column of phone numbers really says, with every repair shown and every guess marked.

`normalize` takes a cell down to digits, `metadata` knows libphonenumber's plans, `variants` the countries where one
person has a number in two forms. Here the digits are read, with or without a country, and each row gets its verdict.
A column is worked off in slices, so that the memory this takes does not grow with it.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
from pandas.api import types

from d7nb.errors import PlanError, hides_internals
from d7nb.problems import Problem
from d7nb.recipients.codes import BIT, CODES, VERDICTS, finding
from d7nb.recipients.metadata import INVALID, POSITION, REGIONS, UNCERTAIN, national, parse, regions_of
from d7nb.recipients.normalize import as_text, read_cell, tidy
from d7nb.recipients.string_columns import fullmatch, groups, put, take
from d7nb.recipients.variants import COUNTRIES, family, forms

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

    from d7nb.recipients.codes import Finding
    from d7nb.recipients.normalize import Tidied

__all__ = ["CODES", "check_numbers", "family"]

_SLICE = 131_072
_CACHED = 20_000  # odd cells remembered from slice to slice
_LEAST_DIGITS = 7  # of a number with its calling code, where no '+' says that it has one
# Digits that may be international: their code, their shape, and how many of them stand for '+'.
_GUESSES = {"plus_assumed": (f"[1-9][0-9]{{{_LEAST_DIGITS - 1},}}", 0), "idd": ("00[1-9][0-9]*", 2)}
_NOWHERE, _NO_REGION = -1, -2  # no country given; a country given that is none
_COUNTRIES = [region for region in REGIONS if region.isalpha()]  # without the world's own 001, which is the last


@hides_internals
def check_numbers(series: pd.Series, country: str | Sequence[object] | pd.Series | None = None) -> pd.DataFrame:
    """Find out which number each cell means, and how sure that is.

    ``ok`` and ``fixed`` numbers are valid for libphonenumber. Digits without ``+`` are read as an international number
    (``plus_assumed``). Where `country` says whose they are, they are read as dialled there (``national``) if the
    international reading is not valid; if both are, a person must decide (``two_readings``). So they must for the
    forms that only WhatsApp still uses in Brazil, Mexico and Argentina (``variant``).

    Digits that scientific notation has taken are refused: ``9.71561E+11`` for certain (``digits_lost``); as probable
    (``digits_probably_lost``) decimal numbers that end in four zeros or more, and bare digits that end in five or more.
    What has a ``+``, a leading 0, spaces or dashes was text all the time, and is not suspected.

    Args:
        series: A column of any dtype. It is not changed.
        country: The country of numbers written nationally: two letters such as ``AE``, or a column of them.

    Returns:
        One row per cell, under the same index: ``recipient`` (E.164, missing unless ``ok`` or ``fixed``), ``verdict``
        (``ok``, ``fixed``, ``ambiguous``, ``broken``), ``code`` and ``message`` as in `CODES` (the message names every
        repair, the code the boldest), ``country`` (missing if unknown), ``candidates`` (a list of E.164 numbers in the
        order to try, or None).

    Raises:
        PlanError: `country` is a column of another length or index.

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
    kinds: dict[int, int] = {}
    slices = list(_slices(series, _homes(country, series), candidates, kinds))
    return _frame(slices, [finding(bits) for bits in kinds], candidates).set_axis(series.index)


class _Ask(Protocol):
    """The parser, or a cached one."""

    def __call__(self, text: str, /, region: str | None = None) -> tuple[str, int]: ...


class _Checked(NamedTuple):
    """What was found of a slice: an entry per cell in each."""

    numbers: pd.Series[str]  # E.164 where a region is known, else as far as they could be read
    bits: np.ndarray  # codes, as in `BIT`
    regions: np.ndarray  # positions in `REGIONS`, negative if unknown
    candidates: np.ndarray


class _Slice(NamedTuple):
    """What is kept of a slice, in as little memory as will do."""

    recipients: pd.Series[str]  # missing unless the verdict lets them go
    kinds: np.ndarray  # each combination of bits by a small number
    regions: np.ndarray


def _slices(series: pd.Series, homes: np.ndarray, candidates: np.ndarray, kinds: dict[int, int]) -> Iterator[_Slice]:
    read = functools.lru_cache(_CACHED)(read_cell)
    ask = functools.lru_cache(_CACHED)(parse)
    for start in range(0, max(len(series), 1), _SLICE):
        part = slice(start, start + _SLICE)
        yield _summed_up(_check(series.iloc[part], homes[part], candidates[part], read, ask), kinds)


def _homes(country: str | Sequence[object] | pd.Series | None, series: pd.Series) -> np.ndarray:
    """For each cell the position of its country in `REGIONS`."""
    if types.is_scalar(country):
        return np.full(len(series), _home(country), dtype=np.int16)
    column = pd.Series(country)
    if len(column) != len(series) or (isinstance(country, pd.Series) and not column.index.equals(series.index)):
        raise PlanError("country= has another length or index than the numbers: pass one country, or one for each")
    codes, names = pd.factorize(column)
    return np.array([*map(_home, names), _NOWHERE], dtype=np.int16)[codes]


def _home(country: Any) -> int:
    name = country.strip().upper() if isinstance(country, str) else country
    if name == "" or pd.isna(name):
        return _NOWHERE
    return POSITION[name] if isinstance(name, str) and name in _COUNTRIES else _NO_REGION


def _check(
    cells: pd.Series, homes: np.ndarray, candidates: np.ndarray, read: Callable[[str], Tidied], ask: _Ask
) -> _Checked:
    """Judge a slice: most numbers are valid as they stand, and only the others are looked into."""
    texts = as_text(cells)
    regions = regions_of(texts)
    rows = np.flatnonzero(regions < 0)
    found = _look_into(take(texts, rows), homes[rows], candidates[rows], read, ask)
    bits = np.zeros(len(texts), dtype=np.int64)
    bits[rows], regions[rows], candidates[rows] = found.bits, found.regions, found.candidates
    checked = _Checked(put(texts, rows, found.numbers), bits, regions, candidates)
    _mark_variants(checked)
    return checked


def _look_into(
    texts: pd.Series[str], homes: np.ndarray, candidates: np.ndarray, read: Callable[[str], Tidied], ask: _Ask
) -> _Checked:
    """Judge texts that are no valid numbers as they stand."""
    digits, bits = tidy(texts, read)
    written = digits.notna().to_numpy()
    bare = written & ~digits.str.startswith("+", na=False).to_numpy()
    rows = np.flatnonzero(bare & (homes != _NO_REGION))
    guesses = {code: rows[fullmatch(take(digits, rows), shape)] for code, (shape, _) in _GUESSES.items()}
    numbers, regions = _read_abroad(digits, bits, guesses, ask)
    checked = _Checked(numbers, bits, regions, candidates)
    checked = _read_at_home(checked, digits, np.where(bare, homes, _NOWHERE), ask)
    for code, rows in guesses.items():
        bits[rows[(regions[rows] >= 0) & (bits[rows] & BIT["national"] == 0)]] |= BIT[code]
    failed = np.flatnonzero(written & (regions < 0) & (bits & BIT["two_readings"] == 0))
    bits[failed] |= _why_refused(take(digits, failed), homes[failed])
    return checked


def _read_abroad(
    digits: pd.Series[str], bits: np.ndarray, guesses: dict[str, np.ndarray], ask: _Ask
) -> tuple[pd.Series[str], np.ndarray]:
    """Read what has a ``+``, and what may be meant to have one; other digits are not valid without."""
    typed = digits
    for code, rows in guesses.items():
        typed = put(typed, rows, "+" + take(digits, rows).str.slice(_GUESSES[code][1]))
    numbers, regions = _settle(typed, regions_of(typed), typed, ask)
    stripped = (numbers != typed).to_numpy(dtype=bool, na_value=False) & (regions >= 0)
    bits[stripped] |= BIT["trunk_prefix"]
    return numbers, regions


def _read_at_home(checked: _Checked, digits: pd.Series[str], homes: np.ndarray, ask: _Ask) -> _Checked:
    """Read bare digits as they are dialled in the country given, where there is one."""
    pieces = [
        (rows, *_settle(*national(local, REGIONS[home]), local, functools.partial(ask, region=REGIONS[home])))
        for home, rows in groups(homes)
        if home >= 0 and len(local := take(digits, rows))
    ]
    if not pieces:
        return checked
    rows = np.concatenate([piece[0] for piece in pieces])
    theirs = pd.concat([piece[1] for piece in pieces], ignore_index=True)
    regions = np.concatenate([piece[2] for piece in pieces])

    ours = take(checked.numbers, rows)
    valid, valid_abroad = regions >= 0, checked.regions[rows] >= 0
    twice = np.flatnonzero(valid & valid_abroad & (theirs != ours).to_numpy(dtype=bool))
    mine = np.flatnonzero(valid & ~valid_abroad)
    _give_candidates(checked, rows[twice], take(ours, twice), take(theirs, twice))
    checked.bits[rows[twice]] |= BIT["two_readings"]
    checked.regions[rows[twice]] = INVALID
    checked.bits[rows[mine]] |= BIT["national"]
    checked.regions[rows[mine]] = regions[mine]
    return checked._replace(numbers=put(checked.numbers, rows[mine], take(theirs, mine)))


def _settle(
    numbers: pd.Series[str], regions: np.ndarray, texts: pd.Series[str], ask: _Ask
) -> tuple[pd.Series[str], np.ndarray]:
    """Ask the parser where the patterns leave it open, and let the forms pass that only WhatsApp knows."""
    rows = np.flatnonzero(regions == UNCERTAIN)
    if len(rows):
        read = [ask(text) for text in take(texts, rows).to_numpy(dtype=object)]
        regions[rows] = [region for _, region in read]
        numbers = put(numbers, rows, pd.Series([number for number, _ in read], dtype="str"))
    rows = np.flatnonzero(regions < 0)
    for found in forms(take(numbers, rows)):
        regions[rows[found.rows]] = POSITION[found.region]
    return numbers, regions


def _why_refused(digits: pd.Series[str], homes: np.ndarray) -> np.ndarray:
    bare = ~digits.str.startswith("+").to_numpy(dtype=bool)
    cases = {
        "unknown_country": bare & (homes == _NO_REGION),
        "short": fullmatch(digits, rf"\+?[0-9]{{0,{_LEAST_DIGITS - 1}}}"),
        "no_country": bare & (homes == _NOWHERE) & ~fullmatch(digits, _GUESSES["idd"][0]),
    }
    return np.select(list(cases.values()), [BIT[code] for code in cases], BIT["invalid"])


def _mark_variants(checked: _Checked) -> None:
    """Give the candidates of numbers that WhatsApp may know in another form, and hold the forms only it knows."""
    near = np.flatnonzero(np.isin(checked.regions, [POSITION[country] for country in COUNTRIES]))
    for found in forms(take(checked.numbers, near)):
        rows = near[found.rows]
        legacy = (take(checked.numbers, rows) == found.legacy).to_numpy()
        checked.bits[rows] |= np.where(legacy, BIT["variant"], BIT["has_variant"])
        _give_candidates(checked, rows, found.modern, found.legacy)


def _give_candidates(checked: _Checked, rows: np.ndarray, first: pd.Series[str], second: pd.Series[str]) -> None:
    pairs = zip(first.to_numpy(dtype=object), second.to_numpy(dtype=object), strict=True)
    checked.candidates[rows] = np.fromiter(map(list, pairs), dtype=object, count=len(rows))


def _summed_up(checked: _Checked, kinds: dict[int, int]) -> _Slice:
    """Number the combinations of bits, new ones after those that earlier slices had."""
    codes, found = pd.factorize(checked.bits)
    numbered = np.array([kinds.setdefault(int(bits), len(kinds)) for bits in found], dtype=np.int16)
    sure = np.array([finding(int(bits)).verdict in {"ok", "fixed"} for bits in found], dtype=bool)
    return _Slice(checked.numbers.where(sure[codes]), numbered[codes], checked.regions)


def _frame(slices: Sequence[_Slice], findings: Sequence[Finding], candidates: np.ndarray) -> pd.DataFrame:
    kinds = np.concatenate([part.kinds for part in slices])
    regions = np.concatenate([part.regions for part in slices])
    regions[(regions < 0) | (regions >= len(_COUNTRIES))] = -1
    messages = dict.fromkeys(found.message for found in findings)
    return pd.DataFrame(
        {
            "recipient": pd.concat([part.recipients for part in slices], ignore_index=True),
            "verdict": _categorical([found.verdict for found in findings], kinds, VERDICTS),
            "code": _categorical([found.code for found in findings], kinds, CODES),
            "message": _categorical([found.message for found in findings], kinds, messages),
            "country": pd.Categorical.from_codes(regions, categories=pd.Index(_COUNTRIES)),
            # As a series: a bare array of objects would be searched for numbers and dates.
            "candidates": pd.Series(candidates, dtype=object, copy=False),
        },
        copy=False,
    )


def _categorical(values: Sequence[str], kinds: np.ndarray, categories: Iterable[str]) -> pd.Categorical[str]:
    """The value of each row's kind: there are few of them."""
    of_kind = pd.Categorical(list(values), dtype=pd.CategoricalDtype(list(categories)))
    return of_kind.take(kinds)


def number_problems(numbers: pd.DataFrame, to: Hashable) -> Iterator[Problem]:
    """What is wrong with numbers, as problems of the column that they stand in.

    Args:
        numbers: As `check_numbers` gives them.
        to: The column.
    """
    assumed = numbers.loc[(numbers["code"] == "plus_assumed").to_numpy(), "country"].astype("str").value_counts()
    if len(assumed):
        listed = ", ".join(f"{region} {count:,}" for region, count in assumed.items())
        message = f"bare digits were read as if '+' stood before them, which gives these countries: {listed}"
        hint = "if that is not so, write '+' and the country code, or say country="
        yield Problem("plus_assumed", message, hint, "warning", "recipient", to)
    for verdict, severity in (("broken", "error"), ("ambiguous", "held")):
        rows = np.flatnonzero(numbers["verdict"] == verdict)
        found = numbers.iloc[rows]
        for code in found["code"].unique():
            places = np.flatnonzero(found["code"] == code)
            messages = found["message"].iloc[places].tolist()
            hint = "correct the number" if severity == "error" else "choose one with plan.release()"
            yield Problem(str(code), messages, hint, severity, "recipient", to, rows[places])  # type: ignore[arg-type]
