"""For tests: those of plugins, and those of whoever sends through d7nb. Needs pytest; cassettes need vcrpy.

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
"""What makes a request the recorded one. Without the body, two different messages would be the same to vcrpy."""

_NOBODYS_BUSINESS = ("authorization", "user-agent", "content-length", "cookie")

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


def vcr_config(numbers: Mapping[str, str] | None = None, *, record_mode: str = "none") -> dict[str, Any]:
    """Settings of vcrpy (and of pytest-recording's fixture of that name) for cassettes of D7's API.

    The token is never written. vcrpy is not safe with several threads: play and record with ``Client(workers=1)``.

    Args:
        numbers: Real numbers, each with the fictional one that stands for it in the file; they are put back on reading.
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
        "filter_headers": list(_NOBODYS_BUSINESS),
        "filter_sensitive_data": {shown.lstrip("+"): real.lstrip("+") for real, shown in (numbers or {}).items()},
    }


@contextmanager
def replayed(path: str | Path, numbers: Mapping[str, str] | None = None) -> Iterator[Client]:
    """A client that is answered by a cassette, and that can't reach the real host.

    Args:
        path: The cassette.
        numbers: As for `vcr_config`.

    Raises:
        AssertionError: At the end, something in the cassette was not asked for.
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
        message = f"the cassette holds {len(cassette)} exchanges, {cassette.play_count} were asked for"
        raise AssertionError(message)


@pytest.fixture
def d7nb_cassette(request: pytest.FixtureRequest) -> Iterator[Client]:
    """A client that is answered by ``cassettes/<module>/<test>.yaml`` below pytest's root folder, with one worker."""
    folder = request.config.rootpath / "cassettes" / request.path.stem
    with replayed(folder / f"{request.node.name}.yaml") as client:
        yield client
