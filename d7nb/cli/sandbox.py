"""``sandbox``: run a local stand-in for D7."""

from __future__ import annotations

import click

from d7nb.cli.exit_codes import DONE
from d7nb.cli.table_options import StrictOptions, port_option


@click.command(cls=StrictOptions)
@port_option
@click.option(
    "--originator",
    "originators",
    multiple=True,
    metavar="NUMBER",
    help="Registered number, may be repeated; any number if not given.",
)
@click.option("--callback-url", metavar="URL", help="Address on this machine to which events are posted.")
@click.option("--lenient", is_flag=True, help="Accept also what only D7's older samples send.")
def sandbox(port: int, originators: tuple[str, ...], callback_url: str | None, lenient: bool) -> int:
    """Run a local stand-in for D7 until Ctrl-C."""
    from d7nb.sandbox import serve  # noqa: PLC0415  (a command loads what it needs)

    serve(port=port, originators=originators or None, callback_url=callback_url, lenient=lenient)
    return DONE
