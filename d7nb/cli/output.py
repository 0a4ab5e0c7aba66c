"""Files that commands write: CSV or Excel, by the name's ending."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from d7nb.errors import TableError, missing_extra
from d7nb.privacy import mask_text

if TYPE_CHECKING:
    import pandas as pd


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
    written = out.name
    try:
        if out.suffix == ".csv":
            frame.to_csv(out, index=False)
        else:
            _without_zones(frame).to_excel(out, index=False)
    except Exception as error:  # noqa: BLE001  (Excel can't hold everything, but no outcome may be lost)
        folder = out.parent if out.suffix == ".xlsx" else Path(tempfile.mkdtemp())
        written = str(folder / f"{out.stem}.csv")
        frame.to_csv(written, index=False)
        instead = f"the table was written to {Path(written).name} instead"
        print(mask_text(f"d7nb: {_reason_of(error, out.name)}; {instead}"), file=sys.stderr)
    print(f"wrote {mask_text(written)}")


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
