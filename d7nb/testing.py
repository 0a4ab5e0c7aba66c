"""Fixtures and helpers for tests of plugins and of programs that use d7nb. Needs pytest; cassettes need vcrpy.

In a ``conftest.py``, ``pytest_plugins = ["d7nb.testing"]`` gives the fixtures ``d7nb_sandbox``, ``d7nb_plugins`` and
``d7nb_cassette``.
"""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest

from d7nb import plugins
from d7nb.api.client import Client
from d7nb.plugins.manager import Manager

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from d7nb.sandbox import Sandbox

MATCH_ON = ("method", "scheme", "host", "port", "path", "query", "body")
"""The parts in which a request must equal the recorded one; without the body, all messages would be equal to vcrpy."""

_NOT_RECORDED = ("authorization", "user-agent", "content-length", "cookie")

_AREAS = (201, 202, 203, 205, 206, 207, 208, 209, 210, 212, 213, 214, 215, 216, 217, 218, 219, 224, 225, 228)
_PER_AREA = 100


def numbers(count: int) -> list[str]:
    """Return valid phone numbers that belong to nobody: +1 NPA 555 01xx, which are reserved for fiction.

    Args:
        count: How many, at most 2,000.

    Returns:
        E.164 numbers, all different.

    Raises:
        ValueError: `count` is more than 2,000.

    Example:
        >>> numbers(2)
        ['+12015550100', '+12015550101']
    """
    most = len(_AREAS) * _PER_AREA
    if count > most:
        message = f"there are {most:,} fictional numbers here, not {count:,}"
        raise ValueError(message)
    return [f"+1{_AREAS[number // _PER_AREA]}55501{number % _PER_AREA:02}" for number in range(count)]


@contextmanager
def fresh_plugins() -> Iterator[Manager]:
    """Use only the built-in plugins inside a ``with`` block; those of installed packages are not loaded.

    Example:
        >>> with fresh_plugins() as manager:
        ...     manager.table()["source"].unique().tolist()
        ['built in']
    """
    with plugins.using(Manager(discover=False)) as manager:
        yield manager


@pytest.fixture
def d7nb_plugins() -> Iterator[Manager]:
    """Use only the built-in plugins in one test."""
    with fresh_plugins() as manager:
        yield manager


@pytest.fixture
def d7nb_sandbox() -> Iterator[Sandbox]:
    """Run a sandbox for one test."""
    from d7nb.sandbox import Sandbox  # noqa: PLC0415  (its packages are an extra)

    with Sandbox() as sandbox:
        yield sandbox


def vcr_config(numbers: Mapping[str, str] | None = None, *, record_mode: str = "none") -> dict[str, Any]:
    """Return settings of vcrpy (and of pytest-recording's fixture ``vcr_config``) for cassettes of D7's API.

    The token is never recorded. vcrpy is not safe with several threads: replay and record with ``Client(workers=1)``.

    Args:
        numbers: Real numbers, each with the fictional one that replaces it in the file; on replay the real one is back.
        record_mode: ``none`` replays only; ``once`` and ``all`` record.

    Returns:
        Keyword arguments of ``vcr.VCR``.

    Example:
        >>> vcr_config({"+971501234567": "+12025550123"})["record_mode"]
        'none'
    """
    return {
        "record_mode": record_mode,
        "match_on": MATCH_ON,
        "decode_compressed_response": True,
        "filter_headers": list(_NOT_RECORDED),
        "filter_sensitive_data": {shown.lstrip("+"): real.lstrip("+") for real, shown in (numbers or {}).items()},
    }


@contextmanager
def replayed(path: str | Path, numbers: Mapping[str, str] | None = None) -> Iterator[Client]:
    """Make a client whose requests a cassette answers, and that can't reach the real host.

    Args:
        path: The cassette.
        numbers: As for `vcr_config`.

    Raises:
        AssertionError: At the end, some requests of the cassette were not made.
    """
    from vcr import VCR  # type: ignore[import-untyped]  # noqa: PLC0415  (vcrpy is an extra)

    def refused(*_: Any, **__: Any) -> None:
        raise OSError("the network is closed while a cassette is replayed")

    with (
        VCR(**vcr_config(numbers)).use_cassette(str(path)) as cassette,
        patch.object(socket, "getaddrinfo", refused),
        patch.object(socket.socket, "connect", refused),
        Client("not-a-token", workers=1, rate=None) as client,
    ):
        yield client
    if not cassette.all_played:
        message = f"recorded requests in the cassette: {len(cassette)}, of which were made: {cassette.play_count}"
        raise AssertionError(message)


@pytest.fixture
def d7nb_cassette(request: pytest.FixtureRequest) -> Iterator[Client]:
    """Make a client that ``cassettes/<module>/<test>.yaml`` below pytest's root folder answers, with one worker."""
    folder = request.config.rootpath / "cassettes" / request.path.stem
    with replayed(folder / f"{request.node.name}.yaml") as client:
        yield client
