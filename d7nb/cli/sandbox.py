"""``sandbox``: run the local stand-in for D7."""

from __future__ import annotations

import click

from d7nb.cli.exit_codes import DONE
from d7nb.cli.table_options import StrictOptions, port_option


@click.command(cls=StrictOptions)
@port_option
@click.option(
    "--originator", "originators", multiple=True, metavar="NUMBER", help="registered number; any if not given"
)
@click.option("--callback-url", metavar="URL", help="where its events go: an address on this machine")
@click.option("--lenient", is_flag=True, help="accept what old samples send, too")
def sandbox(port: int, originators: tuple[str, ...], callback_url: str | None, lenient: bool) -> int:
    """Run the local stand-in for D7 until Ctrl-C."""
    from d7nb.sandbox import serve  # noqa: PLC0415  (a command loads what it needs)

    serve(port=port, originators=originators or None, callback_url=callback_url, lenient=lenient)
    return DONE
