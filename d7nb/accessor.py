"""``frame.d7``: the functions of d7nb as methods of a DataFrame."""

from __future__ import annotations

from pkgutil import resolve_name
from types import MethodType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable

    from d7nb.planning.planner import plan
    from d7nb.widgets.form import ComposeForm

P = ParamSpec("P")
T = TypeVar("T")


class FrameMethod(Generic[P, T]):
    """A function of a frame as a method of the accessor: imported when first used, with its own signature.

    Args:
        function: The function, whose first argument is the frame: itself for type checkers, its ``module:name`` at run
            time.
    """

    def __init__(self, function: Callable[Concatenate[pd.DataFrame, P], T]) -> None:
        self._function: Any = function

    @overload
    def __get__(self, accessor: None, owner: type[Accessor]) -> FrameMethod[P, T]: ...

    @overload
    def __get__(self, accessor: Accessor, owner: type[Accessor]) -> Callable[P, T]: ...

    def __get__(self, accessor: Accessor | None, owner: type[Accessor]) -> FrameMethod[P, T] | Callable[P, T]:
        """Bind the function to the accessor's frame."""
        if accessor is None:
            return self
        function = resolve_name(self._function) if isinstance(self._function, str) else self._function
        return MethodType(function, accessor._frame)


@pd.api.extensions.register_dataframe_accessor("d7")
class Accessor:
    """The functions of d7nb as methods of a frame; it holds nothing but the frame.

    ``frame.d7.plan(content, ...)`` is ``d7nb.plan(frame, content, ...)``; ``frame.d7.compose(client, ...)`` is the form
    `d7nb.widgets.form.ComposeForm`.

    Example:
        >>> import pandas as pd, d7nb
        >>> people = pd.DataFrame({"phone": ["+12025550123"]})
        >>> people.d7.plan(d7nb.Text("Hello"), to="phone", originator="+12025550100").summary["ready"]
        1
    """

    if TYPE_CHECKING:
        plan, compose = FrameMethod(plan), FrameMethod(ComposeForm)
    else:
        plan, compose = FrameMethod("d7nb.planning.planner:plan"), FrameMethod("d7nb.widgets.form:ComposeForm")

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def __repr__(self) -> str:
        rows, columns = self._frame.shape
        return f"d7nb accessor of {rows:,} rows and {columns:,} columns: .plan(content, to=..., originator=...)"
