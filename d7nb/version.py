"""The version of the installed package."""

from __future__ import annotations

from functools import cache


@cache
def version() -> str:
    """Return the installed version of d7nb."""
    from importlib.metadata import version as installed  # noqa: PLC0415  (slow to import, seldom asked)

    return installed("d7nb")
