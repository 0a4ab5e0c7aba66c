"""`read_table`: CSV and Excel files as pandas frames in which every column is text, exactly as in the file.

pandas is the parser. Added here is what it doesn't do: find encoding and separator, compare every line's length with
the first, keep "NA" and " x" as they are, and report in one sentence what was guessed.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import logging
import re
import warnings
import zipfile
import zlib
from decimal import Decimal
from functools import partial
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pandas as pd

from d7nb.errors import TableError, hides_internals
from d7nb.hints import Hint, Option, render
from d7nb.privacy import mask_text
from d7nb.tables.encodings import guess_encoding

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable

logger = logging.getLogger("d7nb")

_AFTERWARDS = "every column is read as text; convert afterwards, as in pd.to_numeric(frame['amount'])"
_REFUSED = {"dtype": _AFTERWARDS, "converters": _AFTERWARDS, "parse_dates": _AFTERWARDS}
_REFUSED |= dict.fromkeys(("chunksize", "iterator"), "a table is read as one; nrows= reads its beginning")
# With any other option the lines can't be checked here, only by pandas.
_CHECKED = {"header", "index_col", "keep_default_na", "low_memory", "na_values", "nrows", "usecols"}

_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_NOT_TABLES = dict.fromkeys((b"\x89png", b"\xff\xd8\xff", b"gif8"), "an image")
_NOT_TABLES |= dict.fromkeys((b"<!doctype", b"<html", b"<table", b"<?xml"), "a web page or XML")
_NOT_TABLES |= {b"%pdf": "a PDF", b"\x1f\x8b": "compressed (gzip)"}

_SAMPLE = 65_536
_SEPARATORS = {"\t": "tab", ";": "semicolon", ",": "comma", "|": "pipe"}  # where two fit equally well, the earlier
_NEVER, _END = (
    "\x1f",
    "\x1e",
)  # characters that no text contains: the separator of a single column, and a line put after the last

_MEND_LINE = (
    "Put quotes around a cell that holds a separator, or save the table in Excel as .xlsx, or as CSV UTF-8 with the "
    "column names in the first line; or give "
)
_NO_SEPARATOR = Hint("save the table in Excel as .xlsx, or pass ", Option("sep"), " or ", Option("skiprows"))


@hides_internals
def read_table(path_or_buffer: str | os.PathLike[str] | IO[bytes] | IO[str], **kwargs: Any) -> pd.DataFrame:
    r"""Read a CSV or Excel file with every column as text.

    ``+``, leading zeros, long numbers and surrounding blanks survive, and so does a customer called "NA": only an empty
    cell is missing. What was found out is in ``frame.attrs["d7nb"]`` (source, format, encoding, separator, guessed) and
    in the log ``d7nb``, as INFO, or as WARNING where it is a guess.

    - CSV: the encoding is UTF-8, UTF-16, UTF-32 or the Windows code page whose languages fit the words; the separator
      is tab, semicolon, comma or pipe. An empty line is no row; a line of separators is a row of missing values. Where
      a line has fewer cells than the first (Excel writes such lines) the rest is missing, and a WARNING counts them.
    - Excel, by content, whatever the name: whole numbers without ``.0``, others without an exponent, dates as
      ``2026-11-01`` (``2026-11-01T09:30:00`` where there is a time), booleans as ``TRUE`` and ``FALSE``, formulas by
      the value Excel stored. A cell that shows an error such as ``#N/A`` is missing; the text "#N/A" is text.
    - A column name that comes twice gets a suffix, ``phone.1``; a column without one is ``Unnamed: 2``.

    Args:
        path_or_buffer: A path, or a file open for bytes or text, which is read from its current position.
        **kwargs: Passed to ``pandas.read_csv`` or ``pandas.read_excel``. ``encoding=`` and ``sep=`` replace the
            guesses. Options that would convert the text (``dtype=``, ``converters=``, ``parse_dates=``) are refused.

    Returns:
        The table, cell by cell as the file has it, in pandas' ``str`` dtype.

    Raises:
        TableError: The file can't be read as a table; the message says what to do about it.
        FileNotFoundError: The file does not exist.
        ImportError: The file is an Excel file, and openpyxl is not installed.

    Examples:
        >>> import io, d7nb.tables.reader
        >>> people = d7nb.tables.reader.read_table(io.StringIO("name;phone;flat\nNA;+12025550123;007\n"))
        >>> people.loc[0].to_list()
        ['NA', '+12025550123', '007']
        >>> people.attrs["d7nb"]["separator"]
        ';'
    """
    if kwargs.get("dtype") in (str, "str"):
        del kwargs["dtype"]  # the result is text anyway
    for argument in _REFUSED.keys() & kwargs.keys():
        raise TableError(f"{argument}= is not for read_table: {_REFUSED[argument]}.")
    name, data, encoding = _load(path_or_buffer)
    read = _read_excel if data.startswith(_ZIP) else partial(_read_csv, known_encoding=encoding)
    frame, details = read(mask_text(name), data, {"keep_default_na": False} | kwargs)
    frame = frame.mask(frame == "")
    frame.attrs["d7nb"] = {"source": name, **details}
    return frame


def _load(source: str | os.PathLike[str] | IO[bytes] | IO[str]) -> tuple[str, bytes, str | None]:
    """Return the file's name without its folder, its bytes, and its encoding where that is already known."""
    if hasattr(source, "read"):
        name = Path(str(getattr(source, "name", "the buffer"))).name
        try:
            content = source.read()
            return (name, content, None) if isinstance(content, bytes) else (name, content.encode(), "utf-8")
        except UnicodeError:
            raise TableError(f"{name} was opened as text in an encoding it isn't in: give its path instead.") from None
    path = Path(source).expanduser()
    if path.is_dir():
        raise TableError(f"{path.name} is a folder: name one file in it.")
    return path.name, path.read_bytes(), None


# --- Excel

_CELL_TEXTS: dict[type, Callable[[Any], str | None]] = {
    bool: lambda value: str(value).upper(),  # as Excel shows it
    float: lambda value: format(Decimal(repr(value)), "f") if value == value else None,  # noqa: PLR0124 - NaN
    dt.datetime: lambda value: (value if value.time() > dt.time.min else value.date()).isoformat(),
}


def _cell_text(value: object) -> str | None:
    return _CELL_TEXTS.get(type(value), str)(value)


def _read_excel(name: str, data: bytes, kwargs: dict[str, Any]) -> tuple[pd.DataFrame, dict[str, Any]]:
    sheet = kwargs.get("sheet_name", 0)
    if not isinstance(sheet, str | int):
        raise TableError(
            "sheet_name= must name one sheet, or give its number from 0: each sheet is a table of its own."
        )
    broken = f"{name} is damaged, or no Excel workbook: open it in Excel and save it as .xlsx or CSV (UTF-8)."
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="openpyxl")  # styles and validations that it doesn't know
        try:
            workbook = pd.ExcelFile(io.BytesIO(data), engine="openpyxl")
        except ImportError as error:
            raise ImportError('Reading Excel files needs openpyxl: pip install "d7nb[excel]"') from error
        except Exception as error:  # openpyxl raises many kinds of error for a damaged zip
            raise TableError(broken) from error
        names = workbook.sheet_names
        if sheet not in names and sheet not in range(len(names)):
            raise TableError(f"{name} has no sheet {sheet!r}, only: {', '.join(map(str, names))}.")
        try:
            with workbook:
                frame: pd.DataFrame = pd.read_excel(workbook, dtype=object, **kwargs)
        except (zipfile.BadZipFile, zlib.error, SyntaxError, EOFError) as error:  # SyntaxError: XML's ParseError
            raise TableError(broken) from error
    unsure = len(names) > 1 and "sheet_name" not in kwargs
    logger.log(
        logging.WARNING if unsure else logging.INFO,
        "%s: took the Excel sheet %r%s.",
        name,
        names[sheet] if isinstance(sheet, int) else sheet,
        f", the first of {len(names)} (for another, move it to the front, or pass sheet_name=)" if unsure else "",
    )
    frame = frame.map(_cell_text).astype("str")
    if kwargs.get("header", 0) is not None:
        frame = frame.rename(columns=_cell_text)
    return frame, {"format": "excel", "encoding": None, "separator": None, "guessed": unsure}


# --- CSV


def _read_csv(
    name: str, data: bytes, kwargs: dict[str, Any], *, known_encoding: str | None
) -> tuple[pd.DataFrame, dict[str, Any]]:
    _expect_text(name, data)
    option, errors = kwargs.pop("encoding", None), kwargs.pop("encoding_errors", "strict")
    separator = kwargs.pop("sep", None) or kwargs.pop("delimiter", None)
    encoding, guessed = (known_encoding or option, False) if known_encoding or option else guess_encoding(name, data)
    try:
        # Excel obeys a first line such as sep=; and hides it. A number of lines to skip includes it.
        declared = re.match("sep=(.)[\r\n]", _open(data, encoding, errors).readline(7))
        skip = 1 if declared else 0
        if isinstance(kwargs.get("skiprows"), int):
            skip = max(skip, kwargs.pop("skiprows"))
        lines = partial(_open, data, encoding, errors, skip)
        sample = lines().read(_SAMPLE)
        separator = separator or (declared[1] if declared else _guess_separator(sample))
        frame = _parse(name, lines, separator or _NEVER, skip, kwargs)
    except UnicodeError:
        fault = f"{name} is not {encoding} throughout: save it as CSV UTF-8, or give another "
        raise TableError(Hint(fault, Option("encoding"), ", or none.")) from None
    except pd.errors.EmptyDataError as error:
        raise TableError(f"{name} has no line to take the column names from.") from error
    except (pd.errors.ParserError, pd.errors.ParserWarning, csv.Error) as error:
        reason = str(error).strip(" .\n")
        raise TableError(f"{name} can't be split into cells: {reason}.") from error

    unsure = separator is None and any(mark in sample for mark in _SEPARATORS)
    logger.log(
        logging.WARNING if guessed or unsure else logging.INFO,
        "%s: took %s%s, separator %s%s.",
        name,
        "the text as opened" if known_encoding else f"encoding {encoding}",
        ", which fits its words best (if names look wrong, save the table as CSV UTF-8, or pass encoding=)"
        if guessed
        else "",
        _SEPARATORS.get(separator, repr(separator)) if separator else "none and one column",
        f", for its first line holds none (if that is wrong: {render(_NO_SEPARATOR)})" if unsure else "",
    )
    details = {"encoding": None if known_encoding else encoding, "separator": separator, "guessed": guessed or unsure}
    return frame, {"format": "csv", **details}


def _expect_text(name: str, data: bytes) -> None:
    if not data.strip():
        raise TableError(f"{name} is empty.")
    if data.startswith(_OLE):
        if "EncryptedPackage".encode("utf-16-le") in data:
            raise TableError(f"{name} is protected by a password: open it in Excel and save it without one.")
        raise TableError(f"{name} is in an old Office format: open it in Excel and save it as .xlsx.")
    start = data[:100].lstrip().lower()
    for magic, kind in _NOT_TABLES.items():
        if start.startswith(magic):
            raise TableError(f"{name} is {kind}: save the table as CSV (UTF-8) or .xlsx.")


def _open(data: bytes, encoding: str, errors: str, skip: int = 0) -> io.TextIOWrapper:
    """Open the text after its byte order mark and the skipped lines, with line ends as they are."""
    lines = io.TextIOWrapper(io.BytesIO(data), encoding=encoding, errors=errors, newline="")
    if lines.read(1) != "\ufeff":
        lines.seek(0)
    for _ in range(skip):
        lines.readline()
    return lines


def _guess_separator(sample: str) -> str | None:
    """Return the separator that splits most lines into as many cells as the first; None for a single column."""
    fits = {}
    for separator in _SEPARATORS:
        rows = [row for row in csv.reader(io.StringIO(sample, newline=""), delimiter=separator) if "".join(row).strip()]
        if len(sample) == _SAMPLE and len(rows) > 1:
            rows.pop()  # the sample may end inside a line
        widths = [len(row) for row in rows]
        if widths and widths[0] > 1:
            stray_quotes = sum('"' in cell for row in rows for cell in row)  # from quoted cells that were split
            fits[separator] = (widths.count(widths[0]) / len(widths), -stray_quotes, widths[0])
    return max(fits, key=lambda separator: fits[separator], default=None)


def _parse(name: str, lines: Callable[[], IO[str]], separator: str, skip: int, kwargs: dict[str, Any]) -> pd.DataFrame:
    # Without index_col=False pandas makes row labels of the first column where lines are longer than the header.
    options: dict[str, Any] = {"index_col": False, "sep": separator, "dtype": str}
    text = lines()
    if kwargs.keys() <= _CHECKED and kwargs.get("header", 0) in (0, None, "infer") and len(separator) == 1:
        width, blank = _check_lines(name, text, separator, skip)
        text = lines()
        if blank:
            text = io.StringIO("".join(line for n, line in enumerate(text, 1) if n not in blank), newline="")
        # pandas' own skipping of blank lines can lose the blanks that another line begins with.
        options |= {"usecols": list(range(width)), "skip_blank_lines": False}
    elif len(separator) > 1:
        options["engine"] = "python"  # a regular expression
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Length of header", pd.errors.ParserWarning)  # cells would be lost
        frame: pd.DataFrame = pd.read_csv(text, **options | kwargs)
    return frame


def _check_lines(name: str, lines: Iterable[str], separator: str, skip: int) -> tuple[int, set[int]]:
    """Return the number of columns, and the numbers of the blank lines.

    Without this check, pandas would fill up lines that are too short and say nothing.

    Raises:
        TableError: A line has too many cells, or a quote is not closed.
    """
    width = begin = end = short = first_short = 0
    blank = set()
    records, record = csv.reader(chain(lines, (_END,)), delimiter=separator), [""]
    try:
        for record in records:
            begin, end, cells = end, records.line_num, len(record)
            if 0 < cells == width or record == [_END]:
                pass
            elif not cells or (cells == 1 and not record[0].strip(" \t")):
                blank.add(end)
            elif not width:
                width = cells
            elif cells < width:
                short, first_short = short + 1, first_short or skip + begin + 1
            elif any(record[width:]):  # empty cells at the end come from needless separators
                fault = f"{name}, line {skip + begin + 1}: {cells} cells, but the first line has {width}. "
                advice = (_MEND_LINE, Option("sep"), " or, if titles come first, ", Option("skiprows"), ".")
                raise TableError(Hint(fault, *advice))
    except csv.Error:  # a cell longer than csv.field_size_limit()
        begin, record = end, [""]
    if record != [_END]:
        raise TableError(
            Hint(
                f"{name}, line {skip + begin + 1}: a quote opens a cell and none closes it. Close it, or give ",
                Option("quoting", 3),
                " if quotes mean nothing in this file.",
            )
        )
    if short == 1:
        message = "%s: line %d has fewer cells than the first line; missing cells count as empty."
        logger.warning(message, name, first_short)
    elif short:
        message = "%s: %d lines have fewer cells than the first line (from line %d on); missing cells count as empty."
        logger.warning(message, name, short, first_short)
    return width, blank
