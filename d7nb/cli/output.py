"""Files that commands write: CSV or Excel, by the name's ending."""

from __future__ import annotations

import sys
import tempfile
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from d7nb.errors import D7Error, TableError, missing_extra
from d7nb.privacy import mask_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd

_ROWS_OF_A_SHEET = 1_048_576


def check_out(out: Path | None) -> None:
    """Make sure, before anything is sent, that a file can be written afterwards.

    Raises:
        TableError: Its name or its folder will not do.
    """
    if out is not None and out.suffix not in {".csv", ".xlsx"}:
        message = f"{out.name} can't be written: give a name that ends in .csv or .xlsx"
        raise TableError(message)
    if out is not None and not out.resolve().parent.is_dir():
        message = f"{out.name} can't be written: its folder does not exist"
        raise TableError(message)


def write(frame: pd.DataFrame, out: Path) -> None:
    """Write a frame; as CSV, in another folder if need be, if it can't be written as asked: no outcome may be lost."""
    write_slices(lambda: iter([frame]), out)


def write_slices(slices: Callable[[], Iterator[pd.DataFrame]], out: Path) -> None:
    """Write frames of the same columns one below the other, and hold no more than one; otherwise as `write` does.

    Args:
        slices: Returns the frames, at least one, from the first on each time.
        out: The file.
    """
    written = out.name
    try:
        _WRITERS[out.suffix](slices(), out)
    except D7Error:
        raise
    except Exception as error:  # noqa: BLE001  (Excel can't hold everything, but no outcome may be lost)
        folder = out.parent if out.suffix == ".xlsx" else Path(tempfile.mkdtemp())
        written = str(folder / f"{out.stem}.csv")
        _write_csv(slices(), Path(written))
        instead = f"the table was written to {Path(written).name} instead"
        print(mask_text(f"d7nb: {_reason_of(error, out.name)}; {instead}"), file=sys.stderr)
    print(f"wrote {mask_text(written)}")


def _write_csv(slices: Iterator[pd.DataFrame], out: Path) -> None:
    with out.open("w", encoding="utf-8", newline="") as file:
        for number, frame in enumerate(slices):
            frame.to_csv(file, index=False, header=number == 0)


def _write_excel(slices: Iterator[pd.DataFrame], out: Path) -> None:
    """Write an Excel file: in one piece as pandas does, or in several by openpyxl, which keeps none of them."""
    first = next(slices)
    second = next(slices, None)
    if second is None:
        _without_zones(first).to_excel(out, index=False)
        return
    from openpyxl import Workbook  # type: ignore[import-untyped]  # noqa: PLC0415  (a command loads what it needs)

    book = Workbook(write_only=True)
    sheet = book.create_sheet("Sheet1")
    sheet.append(list(first.columns))
    row_count = 1
    for frame in chain([first, second], slices):
        row_count += len(frame)
        if row_count > _ROWS_OF_A_SHEET:
            raise ValueError(f"a sheet takes {_ROWS_OF_A_SHEET} rows")
        known = _without_zones(frame).astype(object)
        for row in known.where(frame.notna(), None).itertuples(index=False, name=None):
            sheet.append(row)
    book.save(out)


_WRITERS = {".csv": _write_csv, ".xlsx": _write_excel}


def _reason_of(error: Exception, name: str) -> str:
    """Return why a file could not be written, and what to install where that helps."""
    if isinstance(error, ModuleNotFoundError):
        return str(missing_extra(error, name, "excel", {"openpyxl"}))
    return f"{name} could not be written ({type(error).__name__})"


def _without_zones(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame for Excel, which knows no time zones; d7nb's own times are UTC."""
    import pandas as pd  # noqa: PLC0415  (a command loads what it needs)

    frame = frame.copy(deep=False)
    for position, dtype in enumerate(frame.dtypes):
        if isinstance(dtype, pd.DatetimeTZDtype):
            frame.isetitem(position, frame.iloc[:, position].dt.tz_localize(None))
    return frame
