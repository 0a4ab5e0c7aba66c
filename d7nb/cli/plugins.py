"""``plugins``: list the plugins."""

from __future__ import annotations

import click

from d7nb.cli.exit_codes import DONE


@click.command
def plugins() -> int:
    """List the plugins, what each of them offers, and whether it works."""
    from d7nb.display.text import in_terminal  # noqa: PLC0415  (a command loads what it needs)
    from d7nb.plugins import table  # noqa: PLC0415

    print(table().fillna("").map(in_terminal).to_string(index=False))
    return DONE
