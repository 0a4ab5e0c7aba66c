"""The columns that hold a table's numbers and their countries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from d7nb.content.binding.format_strings import Column
from d7nb.recipients.check import check_numbers

if TYPE_CHECKING:
    from collections.abc import Hashable

    import pandas as pd


def number_columns(to: Hashable, country: Any) -> list[Hashable]:
    """Return the columns that numbers are read from; the arguments are those of `d7nb.plan`."""
    return [to, country.name] if isinstance(country, Column) else [to]


def read_numbers(table: pd.DataFrame, to: Hashable, country: Any) -> pd.DataFrame:
    """Check the numbers in a table, as `check_numbers` does; the options are those of `d7nb.plan`."""
    return check_numbers(table[to], country=table[country.name] if isinstance(country, Column) else country)
