"""From cells to digits: undoing what files and people do to phone numbers, and refusing what can't be undone.

`as_text` turns any column into text. `tidy` turns that text into ``+`` and digits, or digits alone, and returns codes
for what it did. No country is known here: `d7nb.recipients.check` reads the digits.
"""

from __future__ import annotations

import functools
import math
import re
import unicodedata
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pandas.api import types

from d7nb.recipients.codes import BIT
from d7nb.recipients.string_columns import fullmatch, put, take

if TYPE_CHECKING:
    from collections.abc import Callable

    Tidied = tuple[str, int] | tuple[None, int]  # the digits, or None where they are refused; the bits that say why

_UNREADABLE = "\0"  # the text of a cell that holds neither text nor a whole number
_ROUNDED = "1E9"  # the text of a number too large for its type to store exactly
_EXACT = {2: 2**11, 4: 2**24}  # whole numbers are exact up to here in a float of so many bytes

_MISSING = frozenset({"", "-", "--", ".", "n/a", "na", "#n/a", "nan", "<na>", "nat", "none", "null", "<null>", "nil"})
_MOST_DIGITS = 15  # of an E.164 number
_LONGEST = 200  # no cell with more characters is a number

_ZEROS = "00000"  # at the end of bare digits: a sign that the others were zeroed too

# The form that needs no tidying, unless it ends in zeros; and forms that are tidied for a whole column at once: the
# pattern, what is removed, the code. `read_cell` knows these and all others, a cell at a time.
_PLAIN = r"\+?[1-9][0-9]{6,14}|00?[1-9][0-9]{5,14}"
_COMMON_FORMS = (
    (r"\+[1-9](?:[ -]?[0-9]){6,12}", "[ -]", "separators"),
    (r"[1-9][0-9]{6,10}[1-9][0-9]{0,3}\.0", r"\.0", "decimal"),
)

_AROUND = " \t\r\n,;"
_QUOTES = "'\"`"
_SEPARATORS = str.maketrans("", "", " \t.-()[]/")
_OF_CATEGORY = {
    "Cf": ("", BIT["invisible"]),
    "Zs": (" ", BIT["invisible"]),
    "Pd": ("-", 0),
    "Zl": ("\n", 0),
    "Zp": ("\n", 0),
}
_SIGNS = dict(zip("＋﹢−．／（）´‘’‛“”ʼ", "++-./()'''''''", strict=True))
_FOREIGN = re.compile(r"[^\x00-\x7f]")
_SCHEME = re.compile(r"(?:tel|sms|callto|whatsapp):(?://)?", re.IGNORECASE)
_NUMBER = re.compile(r"(\+{0,2})([0-9]+)")
_NOTATION = re.compile(
    r"(?P<decimal>\+?[0-9]++[.,]0{1,2})"
    r"|(?P<scientific>\+?[0-9](?:[.,][0-9]*)?[eE]\+?[0-9]{1,2})"
    r"|(?P<fraction>[0-9]++\.[0-9]{1,2})"
    r"|(?P<thousands>\+?[0-9]{1,3}(?:,[0-9]{3}){2,})"
    rf"|(?P<zeros>[1-9][0-9]*{_ZEROS})"
)

_SEVERAL = re.compile(
    r"[0-9]{7,}[^0-9]+[0-9]{7}"  # two runs of digits, whatever stands between
    r"|(?:[0-9][ \t().-]*+){7,}[^0-9 \t().-][^0-9]*(?:[0-9][ \t().-]*+){7}"  # with what stands in no number between
    r"|/ *[0-9]{1,4}$"  # another ending, as in 555 0123/24
)
_REFUSALS = (  # the first pattern that occurs in a text gives the code of its refusal
    ("unreadable", re.compile(_UNREADABLE)),
    ("group", re.compile(r"(?i:@g\.us)$|^1203[0-9]{12,}$")),
    ("several", _SEVERAL),
    ("extension", re.compile(r"[0-9]\W*(?i:ext\w*|x|int|anexo|ramal|poste|доб|#|,,|;)[\s.:=]*[0-9]{1,6}\W*$")),
    ("characters", re.compile(r"[^\W\d_]")),
    ("too_long", re.compile(rf"(?:[0-9][^0-9]*){{{_MOST_DIGITS + 1}}}")),
    ("characters", re.compile("")),
)


def as_text(cells: pd.Series) -> pd.Series[str]:
    """Convert a column's cells to text.

    A whole number becomes its digits, and a float ends in ``.0``, as in a CSV file. A cell that holds neither text nor
    a whole number becomes a text that `tidy` refuses.

    Args:
        cells: A column of any dtype.

    Returns:
        Pandas' ``str`` dtype, indexed from 0, missing where a cell is missing.

    Example:
        >>> as_text(pd.Series([12.0, None])).tolist()
        ['12.0', nan]
    """
    cells = cells.reset_index(drop=True)
    if types.is_integer_dtype(cells.dtype):
        return cells.astype("str").mask((cells < 0).to_numpy(dtype=bool, na_value=False), _UNREADABLE)
    if types.is_float_dtype(cells.dtype):
        return _floats_as_text(cells)
    if isinstance(cells.dtype, pd.StringDtype | pd.ArrowDtype) and types.is_string_dtype(cells.dtype):
        return cells.astype("str")
    return _objects_as_text(cells.astype(object))


def tidy(texts: pd.Series[str], read_cell: Callable[[str], Tidied]) -> tuple[pd.Series[str], np.ndarray]:
    """Reduce each text to the digits of one number.

    Args:
        texts: The result of `as_text`.
        read_cell: The function of that name, or a cached version of it.

    Returns:
        ``+`` and digits where the text has a plus, digits alone where it has none, missing where it is refused; and
        for each text the sum of the `BIT` of what was repaired, or of why it is refused.

    Example:
        >>> tidied, bits = tidy(pd.Series(["(202) 555-0123", "+1 202 555 0123"], dtype="str"), read_cell)
        >>> tidied.tolist()
        ['2025550123', '+12025550123']
    """
    bits = np.zeros(len(texts), dtype=np.int64)
    zeroed = texts.str.endswith(_ZEROS, na=True) & ~texts.str.startswith("+", na=False)
    unusual = np.flatnonzero(zeroed.to_numpy(dtype=bool) | ~fullmatch(texts, _PLAIN))
    digits, bits[unusual] = _tidy_unusual(take(texts, unusual), read_cell)
    return put(texts, unusual, digits), bits


def _tidy_unusual(texts: pd.Series[str], read_cell: Callable[[str], Tidied]) -> tuple[pd.Series[str], np.ndarray]:
    bits = np.zeros(len(texts), dtype=np.int64)
    remaining = np.arange(len(texts))
    for pattern, removed, code in _COMMON_FORMS:
        fits = fullmatch(take(texts, remaining), pattern)
        matched, remaining = remaining[fits], remaining[~fits]
        bits[matched] = BIT[code]
        texts = put(texts, matched, take(texts, matched).str.replace(removed, "", regex=True))
    cells = take(texts, remaining).to_numpy(dtype=object, copy=True)
    for position, (row, cell) in enumerate(zip(remaining, cells, strict=True)):
        cells[position], bits[row] = read_cell(cell) if isinstance(cell, str) else (None, BIT["missing"])
    return put(texts, remaining, pd.Series(cells, dtype="str")), bits


def read_cell(text: str) -> Tidied:
    """Reduce one text to the digits of one number, as `tidy` does.

    Example:
        >>> read_cell("+1 202 555 0123") == ("+12025550123", BIT["separators"])
        True
        >>> read_cell("9.71561E+11") == (None, BIT["digits_lost"])
        True
    """
    if len(text) > _LONGEST:
        return None, _refusal(text[:_LONGEST])
    text, bits = (text, 0) if text.isascii() else _latin(text)
    bare = text.strip(_AROUND + _QUOTES)
    if bare.casefold() in _MISSING:
        return None, BIT["missing"]
    if len(bare) < len(text):
        bits |= BIT["separators" if bare == text.strip(_AROUND) else "apostrophe"]
    if scheme := _SCHEME.match(bare):
        bits, bare = bits | BIT["scheme"], bare[scheme.end() :]
    if (notation := _NOTATION.fullmatch(bare)) and notation.lastgroup:
        digits, notation_bits = _NOTATIONS[notation.lastgroup](bare)
        if digits is None:
            return None, notation_bits
        bits, bare = bits | notation_bits, digits
    compact = bare.translate(_SEPARATORS)
    number = _NUMBER.fullmatch(compact)
    if not number or (compact != bare and _SEVERAL.search(bare)):
        return None, _refusal(bare)
    plus, digits = number.groups()
    if len(digits.lstrip("0")) > _MOST_DIGITS:
        return None, _refusal(bare)
    if compact != bare or len(plus) > 1:
        bits |= BIT["separators"]
    if plus and digits.startswith("00"):
        bits, digits = bits | BIT["idd"], digits[2:]
    return plus[:1] + digits, bits


def _refusal(text: str) -> int:
    """Return the code's bit for a text that is not the digits of one number."""
    return BIT[next(code for code, pattern in _REFUSALS if pattern.search(text))]


def _decimal(text: str) -> Tidied:
    return _unless_zeroed(re.split("[.,]", text)[0], "decimal")


def _scientific(text: str) -> Tidied:
    mantissa, exponent = re.split("[eE]", text)
    sign, digits = text[: text.startswith("+")], re.sub("[+.,]", "", mantissa)
    length = int(exponent) + 1
    if len(digits) < length:
        return None, BIT["digits_lost"]
    if digits[length:].strip("0"):
        return None, BIT["unreadable"]
    return _unless_zeroed(sign + digits[:length], "scientific")


def _thousands(text: str) -> Tidied:
    return _unless_zeroed(text.replace(",", ""), "separators")


def _unless_zeroed(digits: str, code: str) -> Tidied:
    """Refuse digits that end in four zeros: a spreadsheet stored them as a number, so one zero less is suspicious."""
    return (None, BIT["digits_probably_lost"]) if digits.endswith(_ZEROS[1:]) else (digits, BIT[code])


_NOTATIONS: dict[str, Callable[[str], Tidied]] = {
    "decimal": _decimal,
    "scientific": _scientific,
    "thousands": _thousands,
    "fraction": lambda _: (None, BIT["unreadable"]),
    "zeros": lambda _: (None, BIT["digits_probably_lost"]),
}


def _latin(text: str) -> tuple[str, int]:
    """Write a text's digits, spaces, dashes and signs in ASCII, and drop its invisible marks; letters stay."""
    bits = functools.reduce(int.__or__, (_latin_sign(sign)[1] for sign in _FOREIGN.findall(text)))
    return _FOREIGN.sub(lambda sign: _latin_sign(sign[0])[0], text), bits


@functools.cache
def _latin_sign(sign: str) -> tuple[str, int]:
    if sign.isdecimal():
        return str(unicodedata.decimal(sign)), BIT["other_digits"]
    return _OF_CATEGORY.get(unicodedata.category(sign), (_SIGNS.get(sign, sign), 0))


def _floats_as_text(cells: pd.Series) -> pd.Series[str]:
    values = cells.to_numpy(dtype="float64", na_value=math.nan)
    whole = (values >= 0) & (values < 2**63) & (values == np.floor(values))
    texts = pd.Series(np.where(whole, values, 0).astype("int64")).astype("str") + ".0"
    exact = values < _EXACT.get(getattr(cells.dtype, "itemsize", 8), math.inf)
    return texts.where(exact, _ROUNDED).where(whole, _UNREADABLE).mask(np.isnan(values))


def _objects_as_text(cells: pd.Series) -> pd.Series[str]:
    only_text = types.infer_dtype(cells, skipna=True) in {"string", "empty"}
    try:
        return (cells if only_text else pd.Series([_cell_as_text(cell) for cell in cells], dtype=object)).astype("str")
    except UnicodeEncodeError:  # half a character, from a file read in the wrong encoding: Arrow can't store it
        texts = [_cell_as_text(cell) for cell in cells]
        return pd.Series([text and text.encode(errors="replace").decode() for text in texts], dtype="str")


def _cell_as_text(cell: Any) -> str | None:
    if isinstance(cell, str):
        return cell
    if types.is_scalar(cell) and pd.isna(cell):
        return None
    if isinstance(cell, int | np.integer) and not isinstance(cell, bool) and cell >= 0:
        return str(int(cell))
    if isinstance(cell, float | np.floating | Decimal) and 0 <= cell < math.inf and cell == int(cell):
        return f"{int(cell)}.0"
    return _UNREADABLE
