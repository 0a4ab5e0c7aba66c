"""The functions of `d7nb.plugins`: register a plugin, remove it, list the plugins and what they offer."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from d7nb.content.schema.part import Content
    from d7nb.filters.base import RowFilter
    from d7nb.plugins.manager import Manager, Registration

_managers: list[Manager] = []


def current() -> Manager:
    """Return the manager in use; it is made at the first call."""
    if not _managers:
        from d7nb.plugins.manager import Manager  # noqa: PLC0415  (importing d7nb loads no plugin)

        _managers.append(Manager())
    return _managers[-1]


@contextmanager
def using(other: Manager) -> Iterator[Manager]:
    """Use another manager inside a ``with`` block."""
    current()
    _managers.append(other)
    try:
        yield other
    finally:
        _managers.remove(other)


def register(plugin: Any, name: str | None = None) -> Registration:
    """Register a plugin. Running the cell again replaces it: the same module and name are the same plugin.

    Args:
        plugin: An object, not a class, with functions marked with ``@d7nb.hookimpl``.
        name: Its name; that of its module and class unless given.

    Returns:
        The registration; as a context manager it removes the plugin at the end of the block.

    Raises:
        PluginError: It is a class, has no hook or a misspelt one, or has an argument that the hook does not have.
    """
    return current().register(plugin, name)


def unregister(plugin: Any) -> None:
    """Remove a plugin.

    Args:
        plugin: The object, or its name in `table`.

    Raises:
        PluginError: It is not registered, or it is built in.
    """
    current().unregister(plugin)


def table() -> pd.DataFrame:
    """List every plugin: name, version, source, hooks, and status (active, or why it is not).

    Example:
        >>> import d7nb
        >>> d7nb.plugins.table()["source"].tolist()
        ['built in', 'built in']
    """
    return current().table()


def content_types() -> tuple[type[Content], ...]:
    """Return every content type that can be sent."""
    return current().content_types()


def filters() -> tuple[RowFilter, ...]:
    """Return every registered filter, in the order in which plans run them."""
    return tuple(entry.row_filter for entry in current().filters())
