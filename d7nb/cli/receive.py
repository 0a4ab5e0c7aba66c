"""``receive``: take D7's events into the ledger."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from d7nb.api.destinations import BASE_URL, origin_of
from d7nb.cli.exit_codes import DONE
from d7nb.cli.table_options import StrictOptions, ledger_option, port_option
from d7nb.errors import ReceiverError

if TYPE_CHECKING:
    from collections.abc import Callable

    from d7nb.api.inbound import InboundShape

F = TypeVar("F", bound="Callable[..., Any]")

VARIABLE = "D7NB_EVENTS_SECRET"
PATIENCE = 3.0
"""Seconds to wait for another writer: D7 waits for our answer meanwhile, and may come again after a 503."""
_INBOUND_OPTIONS = {
    "sender": ("PATH", "the dotted path to the number of whoever wrote"),
    "originator": ("PATH", "the dotted path to the business number"),
    "at": ("PATH", "the dotted path to the time"),
    "text": ("PATH", "the dotted path to what was written"),
    "kind": ("PATH", "the dotted path to the kind, such as text or image"),
    "message_id": ("PATH", "the dotted path to the id"),
    "event_type": ("WORD", "the event_type of such an event, if it is always one"),
}
"""The fields of an `InboundShape` that options of the same names set."""
_ADVICE = """\
D7 has to reach it: let a tunnel or a reverse proxy with TLS pass https://YOUR-HOST/SECRET on to it, without a log of
paths, and give D7 that address in its dashboard or as the report_url of a plan. D7 documents neither a signature of its
events nor whether it repeats one that was not answered, so the secret is all that tells them from anybody else's, and
`delivery.refresh()` asks for what never came."""


def _inbound_options(command: F) -> F:
    for field, (metavar, meaning) in reversed(_INBOUND_OPTIONS.items()):
        name = f"--inbound-{field.replace('_', '-')}"
        command = click.option(name, field, metavar=metavar, help=meaning)(command)
    return command


@click.command(
    cls=StrictOptions,
    epilog=f"Other users of this machine can see --secret: give it by {VARIABLE} or --secret-file.",
)
@port_option
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="address to listen on")
@click.option("--secret", metavar="TEXT", help=f"the path that events are posted to; better by {VARIABLE}")
@click.option("--secret-file", type=Path, metavar="FILE", help="a file that holds the secret")
@ledger_option
@click.option(
    "--base-url", default=BASE_URL, show_default=True, metavar="URL", help="whose events these are, as `send` has it"
)
@click.option(
    "--inbound",
    "shape_names",
    type=click.Choice(["meta", "sandbox"]),
    multiple=True,
    help="how events hold what people write (both, unless paths are given)",
)
@_inbound_options
@click.option(
    "--stop-word",
    "stop_words",
    multiple=True,
    metavar="WORD",
    help="a word by which people say that they want no more messages, beside STOP and its like",
)
def receive(
    *,
    port: int,
    host: str,
    secret: str | None,
    secret_file: Path | None,
    ledger: str | None,
    base_url: str,
    shape_names: tuple[str, ...],
    stop_words: tuple[str, ...],
    **inbound_fields: str | None,
) -> int:
    """Take delivery events, and what people write, into the ledger until Ctrl-C."""
    from d7nb.events import STOP_WORDS, serve  # noqa: PLC0415  (a command loads what it needs)
    from d7nb.ledger import Ledger  # noqa: PLC0415

    secret_path = _read_secret(secret, secret_file)
    shapes = _inbound_shapes(shape_names, {field: value for field, value in inbound_fields.items() if value})
    destination = _destination(base_url)
    print(f"{_ADVICE}\n")
    with Ledger(ledger, patience=PATIENCE) as opened:
        if opened.warning:
            print(f"warning: {opened.warning}")
        serve(
            opened,
            secret_path,
            host=host,
            port=port,
            destination=destination,
            inbound=shapes,
            stop_words=[*STOP_WORDS, *stop_words],
        )
    return DONE


def _destination(base_url: str) -> str:
    """Return the destination of an address of the API; a sandbox in a notebook has a name of its own."""
    return base_url if base_url.startswith("sandbox:") else origin_of(base_url)


def _read_secret(secret: str | None, secret_file: Path | None) -> str:
    """Return the secret: that of the file, else the one given, else that of the environment.

    Raises:
        ReceiverError: There is none.
    """
    from d7nb.events.app import HOW_TO_MAKE_ONE  # noqa: PLC0415

    if secret_file is not None:
        return secret_file.read_text(encoding="utf-8-sig").strip()
    secret = secret or os.environ.get(VARIABLE, "").strip()
    if not secret:
        message = f"events need a secret path: set {VARIABLE} to one, made with {HOW_TO_MAKE_ONE}"
        raise ReceiverError(message)
    return secret


def _inbound_shapes(names: tuple[str, ...], fields: dict[str, Any]) -> list[InboundShape]:
    """Return the shape whose fields were given, and those that were named; both named shapes if there is none."""
    from d7nb.api.inbound import META, SANDBOX, InboundShape  # noqa: PLC0415

    named_shapes = {"meta": META, "sandbox": SANDBOX}
    shapes = [named_shapes[name] for name in names]
    if fields:
        return [InboundShape(**{"sender": ""} | fields), *shapes]
    return shapes or list(named_shapes.values())
