"""For tests: those of plugins, and those of whoever sends through d7nb. Needs pytest; cassettes need vcrpy.

In a ``conftest.py``, ``pytest_plugins = ["d7nb.testing"]`` gives the fixtures ``d7nb_sandbox`` and ``d7nb_plugins``.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from d7nb import plugins
from d7nb.plugins.manager import Manager

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d7nb.sandbox import Sandbox

_AREAS = (201, 202, 203, 205, 206, 207, 208, 209, 210, 212, 213, 214, 215, 216, 217, 218, 219, 224, 225, 228)
_PER_AREA = 100


def numbers(count: int) -> list[str]:
    """Phone numbers that are valid and nobody's: +1 NPA 555 01xx, kept for films.

    Args:
        count: How many, at most 2,000.

    Returns:
        E.164 numbers, all different.

    Raises:
        ValueError: More are asked for than there are.

    Example:
        >>> numbers(2)
        ['+12015550100', '+12015550101']
    """
    most = len(_AREAS) * _PER_AREA
    if count > most:
        message = f"there are {most:,} fictional numbers here, not {count:,}"
        raise ValueError(message)
    return [f"+1{_AREAS[place // _PER_AREA]}55501{place % _PER_AREA:02}" for place in range(count)]


@contextmanager
def fresh_plugins() -> Iterator[Manager]:
    """A house of plugins with nothing but the built-in ones, for the length of a ``with`` block; no discovery.

    Example:
        >>> with fresh_plugins() as manager:
        ...     manager.table()["source"].unique().tolist()
        ['built in']
    """
    with plugins.using(Manager(discover=False)) as manager:
        yield manager


@pytest.fixture
def d7nb_plugins() -> Iterator[Manager]:
    """A fresh house of plugins for one test."""
    with fresh_plugins() as manager:
        yield manager


@pytest.fixture
def d7nb_sandbox() -> Iterator[Sandbox]:
    """A running sandbox for one test."""
    from d7nb.sandbox import Sandbox  # noqa: PLC0415  (an extra)

    with Sandbox() as sandbox:
        yield sandbox
