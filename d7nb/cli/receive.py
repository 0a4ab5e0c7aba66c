"""``receive``: record D7's events in the ledger."""

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
    "sender": ("PATH", "Dotted path to the sender's number, such as contacts.0.wa_id."),
    "originator": ("PATH", "Dotted path to the business number."),
    "at": ("PATH", "Dotted path to the time."),
    "text": ("PATH", "Dotted path to the text."),
    "kind": ("PATH", "Dotted path to the kind, such as text or image."),
    "message_id": ("PATH", "Dotted path to the message id."),
    "event_type": ("WORD", "The event_type of incoming messages, if it is always the same."),
}
"""The fields of an `InboundShape` that options of the same names set."""
_ADVICE = """\
D7 must be able to reach this receiver: let a tunnel or a reverse proxy with TLS pass https://YOUR-HOST/SECRET on to it,
without logging paths, and give D7 that address in its dashboard, or as report_url= of d7nb.plan() in a notebook.
D7 documents neither a signature of its events nor whether it repeats one that was not answered. Keep the secret to
yourself, because nothing else tells D7's events from forged ones. To ask D7 for statuses that never came: in a
notebook, make the same plan and run plan.delivery(d7nb.Client()).refresh()."""


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
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Address to listen on.")
@click.option("--secret", metavar="TEXT", help=f"Secret path that events are posted to; safer in {VARIABLE}.")
@click.option("--secret-file", type=Path, metavar="FILE", help="File that holds the secret.")
@ledger_option
@click.option(
    "--base-url",
    default=BASE_URL,
    show_default=True,
    metavar="URL",
    help="Address of the API that the events come from, as for send.",
)
@click.option(
    "--inbound",
    "shape_names",
    type=click.Choice(["meta", "sandbox"]),
    multiple=True,
    help="Format of incoming messages, may be repeated. Without this option and without --inbound-..., both are read.",
)
@_inbound_options
@click.option(
    "--stop-word",
    "stop_words",
    multiple=True,
    metavar="WORD",
    help="Another word for 'send me no more messages', besides STOP and the like; may be repeated.",
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
    """Record delivery events and incoming messages until Ctrl-C.

    They are posted by D7 and recorded in the ledger.
    """
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
    from d7nb.events.app import SECRET_COMMAND  # noqa: PLC0415

    if secret_file is not None:
        return secret_file.read_text(encoding="utf-8-sig").strip()
    secret = secret or os.environ.get(VARIABLE, "").strip()
    if not secret:
        message = f"events need a secret path: set {VARIABLE} to one, made with {SECRET_COMMAND}"
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
