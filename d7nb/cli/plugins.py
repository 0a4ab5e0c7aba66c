"""``plugins``: who is in the house, from where, and whether it works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from d7nb.cli.exit_codes import DONE

if TYPE_CHECKING:
    import argparse


def add_plugins(commands: Any) -> None:
    """``plugins``: list them."""
    plugins = commands.add_parser("plugins", help="list the plugins, with what each offers and whether it works")
    plugins.set_defaults(run=_list)


def _list(_options: argparse.Namespace) -> int:
    from d7nb import plugins  # noqa: PLC0415  (a command loads what it needs)
    from d7nb.display.text import in_terminal  # noqa: PLC0415

    print(plugins.table().fillna("").map(in_terminal).to_string(index=False))
    return DONE
