"""The house: its folders, what each may import, and that the tests and CONTRIBUTING mirror it."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = {path.name for path in (ROOT / "d7nb").iterdir() if path.is_dir() and path.name != "__pycache__"}


def test_every_import_keeps_the_contracts() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    told = subprocess.run([lint, "--no-cache"], check=False, cwd=ROOT, capture_output=True, text=True)
    assert told.returncode == 0, told.stdout


def test_one_import_alone_is_let_past_the_contracts() -> None:
    """They count what is imported inside functions and for types, too."""
    let_past = re.findall(r"ignore_imports = (\[.*\])", (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(let_past) == {'["d7nb.sandbox.server -> d7nb.api.client"]'}


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_each_folder_has_a_folder_of_tests(room: str) -> None:
    assert list((ROOT / "tests" / room).glob("test_*.py"))


def test_there_are_few_doors() -> None:
    files = {path.stem for path in (ROOT / "d7nb").glob("*.py")} - {"__init__", "__main__"}
    assert len(ROOMS | files) <= 28


def test_the_table_for_contributors_names_exactly_the_folders() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)/`", text, re.MULTILINE)) == ROOMS


def named_in_the_ways() -> list[str]:
    """What CONTRIBUTING's ways through the code name: ``room/file.function`` or ``room/file.Class.method``."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    ways = text[text.index("## Four ways") : text.index("## Changes in several places")]
    return sorted(set(re.findall(r"`([a-z_]+(?:/[a-z_]+)+\.[A-Za-z_.]+)`", ways)))


@pytest.mark.parametrize("name", named_in_the_ways())
def test_the_ways_through_the_code_name_what_is_there(name: str) -> None:
    path, *attributes = name.split(".")
    thing = importlib.import_module(f"d7nb.{path.replace('/', '.')}")
    for attribute in attributes:
        thing = getattr(thing, attribute)
