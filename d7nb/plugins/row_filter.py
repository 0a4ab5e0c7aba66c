"""The decorator that makes a pre-send filter of a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, overload

from d7nb.filters.base import FunctionFilter, RowFilter, checked_stage
from d7nb.plugins.hookspecs import hookimpl
from d7nb.plugins.registry import register as register_plugin

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd


class _FilterPlugin:
    """A plugin that offers one filter."""

    def __init__(self, row_filter: RowFilter) -> None:
        self._filter = row_filter

    @hookimpl
    def d7nb_filters(self) -> Iterable[RowFilter]:
        """Offer the filter."""
        return (self._filter,)


_Function = Callable[["pd.DataFrame"], Any]


@overload
def row_filter(function: _Function) -> FunctionFilter: ...


@overload
def row_filter(
    *, name: str | None = None, stage: str = "final", reads_clock: bool = False, register: bool = True
) -> Callable[[_Function], FunctionFilter]: ...


def row_filter(
    function: _Function | None = None,
    *,
    name: str | None = None,
    stage: str = "final",
    reads_clock: bool = False,
    register: bool = True,
) -> FunctionFilter | Callable[[_Function], FunctionFilter]:
    """Make a pre-send filter of a function of the ready rows.

    The function gets a frame with the user's columns and those of `d7nb.filters.base.ADDED`. It returns a series
    aligned with the frame: a reason for each row to skip, missing for each to keep. Running the cell again replaces the
    earlier filter.

    Args:
        function: The function; left out where options are given.
        name: The filter's name in ``plan.rows.decided_by``; the function's name unless given.
        stage: When it runs: ``clean``, ``consent``, ``limit`` or ``final``.
        reads_clock: Whether its answer changes with time; then it runs again before each request of a send.
        register: Whether every plan of this kernel uses it; otherwise only those that name it in ``filters=``.

    Returns:
        The filter.

    Raises:
        PluginError: The stage is none of these, or another plugin has the name.

    Example:
        >>> import pandas as pd, d7nb
        >>> @d7nb.row_filter(register=False)
        ... def paid_already(rows):
        ...     return (rows["balance"] <= 0).map({True: "nothing is owed"})
        >>> people = pd.DataFrame({"phone": ["+12025550123", "+12025550124"], "balance": [5, 0]})
        >>> plan = d7nb.plan(people, d7nb.Text("Hi"), to="phone", originator="+12025550100", filters=[paid_already])
        >>> plan.rows["decided_by"].tolist()
        [nan, 'paid_already']
    """

    def make(function: _Function) -> FunctionFilter:
        filter_name = name or str(getattr(function, "__name__", ""))
        made = FunctionFilter(function, filter_name, checked_stage(filter_name, stage), reads_clock=reads_clock)
        if register:
            register_plugin(_FilterPlugin(made), name=f"{function.__module__}.{filter_name}")
        return made

    return make if function is None else make(function)
