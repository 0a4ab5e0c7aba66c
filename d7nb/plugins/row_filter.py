"""What a pre-send filter is, and how a function becomes one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, overload

from d7nb.filters.base import FunctionFilter, RowFilter, checked_stage
from d7nb.plugins.hookspecs import hookimpl
from d7nb.plugins.registry import register as register_plugin

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd


class _OneFilter:
    """The plugin that a registered function is."""

    def __init__(self, row_filter: RowFilter) -> None:
        self._filter = row_filter

    @hookimpl
    def d7nb_filters(self) -> Iterable[RowFilter]:
        """Offer it."""
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

    The function gets a frame with the user's columns and those of `ADDED`. It answers a series aligned with it: a
    reason for each row to skip, missing for each to keep. Running the cell again replaces the earlier one.

    Args:
        function: The function; left out where options are given.
        name: What ``plan.rows.decided_by`` calls it; the function's name unless given.
        stage: ``clean``, ``consent``, ``limit`` or ``final``.
        reads_clock: Whether its answer changes with time; then it is asked again at each request of a send.
        register: Whether it joins every plan of this kernel; otherwise it is for ``filters=`` alone.

    Returns:
        The filter.

    Raises:
        PluginError: The stage is none, or the name is taken.

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

    def made(function: _Function) -> FunctionFilter:
        given = name or str(getattr(function, "__name__", ""))
        row_filter = FunctionFilter(function, given, checked_stage(given, stage), reads_clock=reads_clock)
        if register:
            register_plugin(_OneFilter(row_filter), name=f"{function.__module__}.{given}")
        return row_filter

    return made if function is None else made(function)
