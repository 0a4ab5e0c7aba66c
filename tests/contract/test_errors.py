"""The tree in the docstring of errors.py is the tree, and each error is also its builtin."""

from __future__ import annotations

import builtins
import copy
import inspect
import pickle
import re
from typing import Any

import pytest

from d7nb import errors
from tests.support.privacy_watch import frames_of

DRAWN = re.compile(r"^    (?P<lines>[│├└─ ]*)(?P<name>[A-Z]\w+)(?: \((?P<builtin>\w+)\))?(?: |$)", re.MULTILINE)
REAL = {
    name: kind
    for name, kind in vars(errors).items()
    if inspect.isclass(kind) and issubclass(kind, BaseException) and kind.__module__ == "d7nb.errors"
}


def drawn() -> dict[str, tuple[str | None, str | None]]:
    """Name: parent and builtin, as the drawing has them."""
    tree: dict[str, tuple[str | None, str | None]] = {}
    above: dict[int, str] = {}
    for match in DRAWN.finditer(errors.__doc__ or ""):
        depth = len(match["lines"]) // 4
        above[depth] = match["name"]
        tree[match["name"]] = (above[depth - 1] if depth else None, match["builtin"])
    return tree


def real() -> dict[str, tuple[str | None, str | None]]:
    """Name: parent and builtin, as the classes have them."""
    tree = {}
    for name, kind in REAL.items():
        bases = [base.__name__ for base in kind.__bases__]
        own = [base for base in bases if base in REAL]
        foreign = [base for base in bases if base in vars(builtins) and base != "Exception"]
        assert len(own) <= 1
        assert len(foreign) <= 1
        tree[name] = (own[0] if own else None, foreign[0] if foreign else None)
    return tree


def test_the_drawing_is_the_tree() -> None:
    assert drawn() == real()


def test_all_errors_have_one_root_but_the_one_that_stops_a_notebook_and_the_warning() -> None:
    assert {name for name, kind in REAL.items() if not issubclass(kind, errors.D7Error)} == {
        "Interrupted",
        "LedgerWarning",
    }


@pytest.mark.parametrize("name", REAL)
def test_each_error_says_what_it_is_in_a_docstring(name: str) -> None:
    assert REAL[name].__doc__


@pytest.mark.parametrize("kind", [kind for kind in REAL.values() if issubclass(kind, errors.ApiError)])
def test_an_api_error_survives_the_way_between_processes(kind: type[errors.ApiError]) -> None:
    error = kind("wrong", status=418, code="A", details=["b"], rows=[1, 2], retry_after=3.0)
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(other) is kind
        assert str(other) == other.message == "wrong"
        assert (other.status, other.code, other.details) == (418, "A", ("b",))
        assert (other.rows, other.retry_after) == ((1, 2), 3.0)


OURS = """
def send(number):
    try:
        look_up(number)
    except OSError as error:
        raise LedgerError("no") from error
"""
THEIRS = """
def look_up(number):
    try:
        [][number]
    except TypeError as error:
        raise OSError("no") from error
"""


def test_what_a_library_of_ours_raised_for_reasons_of_its_own_is_closed_too() -> None:
    library: dict[str, Any] = {"__name__": "library"}
    house: dict[str, Any] = {"__name__": "d7nb.house", "LedgerError": errors.LedgerError}
    exec(THEIRS, library)
    house["look_up"] = library["look_up"]
    exec(OURS, house)
    with pytest.raises(errors.LedgerError) as caught:
        errors.hides_internals(house["send"])("+12025550123")
    assert isinstance(caught.value.__cause__, OSError)
    assert isinstance(caught.value.__cause__.__cause__, TypeError)
    assert {frame.f_globals["__name__"] for frame in frames_of(caught.value)} == {__name__}
