"""The built-in pre-send filters. Give them to ``filters=``; `Duplicates` is in every plan.

`people` has those that ask who it is, `times` those that ask when it is; they are plugins like anyone's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d7nb.filters.people import Allow, Consent, Duplicates, OptOut
from d7nb.filters.times import Cap, QuietHours, ServiceWindow
from d7nb.plugins.hookspecs import hookimpl
from d7nb.plugins.row_filter import RowFilter, reasons

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Allow", "Cap", "Consent", "Duplicates", "OptOut", "QuietHours", "RowFilter", "ServiceWindow", "reasons"]


@hookimpl
def d7nb_filters() -> Iterable[RowFilter]:
    """What every plan asks."""
    return (Duplicates(),)
