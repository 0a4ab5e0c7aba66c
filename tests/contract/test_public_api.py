"""What others build on: the exported names, what importing costs, and what is written about it."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

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
    assert len(d7nb.__all__) == len(NAMES) <= 32
    assert {name for name in d7nb.__all__ if getattr(d7nb, name, None) is None} == set()
    assert set(d7nb.__all__) <= set(dir(d7nb))


def test_the_names_for_type_checkers_are_the_exported_ones() -> None:
    source = inspect.getsource(d7nb)
    block = source[source.index("if TYPE_CHECKING:") : source.index("__all__")]
    assert set(re.findall(r"\b\w+\b", " ".join(re.findall(r"import \(?([^)]+?)\)?\n(?=    from|\n)", block)))) == NAMES


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


def modules() -> list[str]:
    return [module.name for module in pkgutil.walk_packages(d7nb.__path__, "d7nb.") if "__main__" not in module.name]


def imports_of(name: str) -> set[str]:
    source = inspect.getsource(importlib.import_module(name))
    return set(re.findall(r"^(?:from|import) (d7nb[\w.]*)", source, re.MULTILINE))


def test_the_sandbox_is_a_reading_of_its_own() -> None:
    imported = {target for name in modules() if name.startswith("d7nb.sandbox") for target in imports_of(name)}
    assert {target for target in imported if not target.startswith("d7nb.sandbox")} <= {"d7nb.errors"}


def test_imports_run_downward_only() -> None:
    """What is loaded with a module never leads back to it."""
    graph = {name: {target for target in imports_of(name) if target != name} for name in modules()}

    def reached(name: str, seen: set[str]) -> set[str]:
        for target in graph.get(name, set()) - seen:
            seen.add(target)
            reached(target, seen)
        return seen

    assert [name for name in graph if name in reached(name, set())] == []


def test_every_public_name_has_a_docstring_with_an_example() -> None:
    plain = {"D7Error", "Plan", "Delivery", "hookimpl"}
    for name in sorted(NAMES - plain):
        assert ">>> " in (inspect.getdoc(getattr(d7nb, name)) or ""), name
