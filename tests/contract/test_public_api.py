"""What others build on: the exported names, what importing costs, and what is written about it."""

from __future__ import annotations

import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import d7nb

ROOT = Path(__file__).parents[2]
NAMES = {
    *{
        "AddressMessage",
        "Attachment",
        "Contact",
        "Contacts",
        "CtaUrl",
        "Flow",
        "Header",
        "ListMessage",
        "Location",
        "Ledger",
    },
    *{"LocationRequest", "Reaction", "ReplyButtons", "Template", "Text", "by_column", "col"},
    *{"Client", "D7Error", "Delivery", "Plan", "Sandbox", "check_numbers", "hookimpl", "options", "plan", "read_table"},
    *{"reasons", "row_filter"},
}


def test_the_exported_names_are_these_and_each_is_there() -> None:
    assert set(d7nb.__all__) == NAMES
    assert len(d7nb.__all__) == len(NAMES) <= 36
    assert {name for name in d7nb.__all__ if getattr(d7nb, name, None) is None} == set()


def test_dir_shows_the_public_names_and_the_public_rooms_only() -> None:
    rooms = {"content", "errors", "events", "filters", "plugins", "testing"}
    assert set(dir(d7nb)) == NAMES | rooms


def test_a_frame_s_plan_has_the_signature_of_the_function() -> None:
    frame = pd.DataFrame({"phone": ["+12025550123"]})
    whole = inspect.signature(d7nb.plan)
    own = [parameter for name, parameter in whole.parameters.items() if name != "frame"]
    assert list(inspect.signature(frame.d7.plan).parameters.values()) == own
    assert inspect.getdoc(frame.d7.plan) == inspect.getdoc(d7nb.plan)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Texts'"):
        d7nb.Texts  # noqa: B018


def test_no_module_bears_the_name_of_a_public_function() -> None:
    assert NAMES.isdisjoint(module.name for module in pkgutil.iter_modules(d7nb.__path__))


@pytest.mark.parametrize(
    "heavy",
    ["requests", "ipywidgets", "pydantic", "sqlalchemy", "jinja2", "starlette", "phonenumbers", "tqdm", "orjson"],
)
def test_importing_d7nb_loads_nothing_heavy_beside_pandas(heavy: str) -> None:
    script = (
        f"import sys, pandas; before = set(sys.modules); import d7nb; sys.exit({heavy!r} in set(sys.modules) - before)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False, cwd=ROOT).returncode == 0


def test_planning_loads_neither_the_network_nor_the_sandbox() -> None:
    script = (
        "import sys, pandas as pd, d7nb\n"
        "frame = pd.DataFrame({'phone': ['+12025550123']})\n"
        "list(d7nb.plan(frame, d7nb.Text('Hi'), to='phone', originator='+12025550100').requests())\n"
        "others = ('requests', 'starlette', 'pydantic', 'ipywidgets', 'jinja2', 'markupsafe')\n"
        "sys.exit(any(name in sys.modules for name in others))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False, cwd=ROOT).returncode == 0


def test_every_public_name_has_a_docstring_with_an_example() -> None:
    plain = {"D7Error", "Plan", "Delivery", "hookimpl"}
    for name in sorted(NAMES - plain):
        assert ">>> " in (inspect.getdoc(getattr(d7nb, name)) or ""), name
