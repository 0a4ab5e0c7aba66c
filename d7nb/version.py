"""The version, as the installed package says."""

from __future__ import annotations

from functools import cache


@cache
def version() -> str:
    """The installed version of d7nb."""
    from importlib.metadata import version as installed  # noqa: PLC0415  (slow to import, seldom asked)

    return installed("d7nb")
