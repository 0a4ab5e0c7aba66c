"""``receive``: take D7's events into the ledger."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d7nb.api.destinations import BASE_URL, origin_of
from d7nb.cli.exit_codes import DONE
from d7nb.errors import ReceiverError

if TYPE_CHECKING:
    import argparse

    from d7nb.api.inbound import InboundShape

VARIABLE = "D7NB_EVENTS_SECRET"
PATIENCE = 3.0
"""Seconds to wait for another writer: D7 waits for our answer meanwhile, and may come again after a 503."""
_PATHS = {
    "sender": "the number of whoever wrote",
    "originator": "the business number",
    "at": "the time",
    "text": "what was written",
    "kind": "the kind, such as text or image",
    "message-id": "the id",
    "event-type": "",
}
_ADVICE = """\
D7 has to reach it: let a tunnel or a reverse proxy with TLS pass https://YOUR-HOST/SECRET on to it, without a log of
paths, and give D7 that address in its dashboard or as the report_url of a plan. D7 documents neither a signature of its
events nor whether it repeats one that was not answered, so the secret is all that tells them from anybody else's, and
`delivery.refresh()` asks for what never came."""


def add_receive(commands: Any) -> None:
    """``receive``: run until Ctrl-C."""
    receive = commands.add_parser(
        "receive",
        help="take delivery events, and what people write, into the ledger until Ctrl-C",
        epilog=f"Other users of this machine can see --secret: give it by {VARIABLE} or --secret-file.",
    )
    receive.add_argument("--port", type=int, default=0, metavar="N", help="port to listen on; a free one if not given")
    receive.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="address to listen on (%(default)s)")
    receive.add_argument("--secret", metavar="TEXT", help=f"the path that events are posted to; better by {VARIABLE}")
    receive.add_argument("--secret-file", type=Path, metavar="FILE", help="a file that holds the secret")
    receive.add_argument("--ledger", metavar="PLACE", help="file or PostgreSQL URL; otherwise D7NB_LEDGER, or your own")
    receive.add_argument(
        "--base-url", default=BASE_URL, metavar="URL", help="whose events these are, as `send` has it (%(default)s)"
    )
    receive.add_argument(
        "--inbound",
        choices=["meta", "sandbox"],
        action="append",
        help="how events hold what people write (both, unless paths are given)",
    )
    for name, what in _PATHS.items():
        meaning = f"the dotted path to {what}" if what else "the event_type of such an event, if it is always one"
        receive.add_argument(f"--inbound-{name}", metavar="PATH" if what else "WORD", help=meaning)
    receive.add_argument(
        "--stop-word",
        action="append",
        default=[],
        metavar="WORD",
        help="a word by which people say that they want no more messages, beside STOP and its like",
    )
    receive.set_defaults(run=_receive)


def _receive(options: argparse.Namespace) -> int:
    from d7nb.events import STOP_WORDS, serve  # noqa: PLC0415  (a command loads what it needs)
    from d7nb.ledger import Ledger  # noqa: PLC0415

    secret, shapes, destination = _secret(options), _shapes(options), _destination(options.base_url)
    words = [*STOP_WORDS, *options.stop_word]
    print(f"{_ADVICE}\n")
    with Ledger(options.ledger, patience=PATIENCE) as ledger:
        if ledger.warning:
            print(f"warning: {ledger.warning}")
        serve(
            ledger,
            secret,
            host=options.host,
            port=options.port,
            destination=destination,
            inbound=shapes,
            stop_words=words,
        )
    return DONE


def _destination(place: str) -> str:
    """An address of the API; or the name that a sandbox in a notebook gives its own client."""
    return place if place.startswith("sandbox:") else origin_of(place)


def _secret(options: argparse.Namespace) -> str:
    from d7nb.events.app import SECRET_COMMAND  # noqa: PLC0415

    if options.secret_file is not None:
        return str(options.secret_file.read_text(encoding="utf-8-sig").strip())
    secret = options.secret or os.environ.get(VARIABLE, "").strip()
    if not secret:
        message = f"events need a secret path: set {VARIABLE} to one, made with {SECRET_COMMAND}"
        raise ReceiverError(message)
    return str(secret)


def _shapes(options: argparse.Namespace) -> list[InboundShape]:
    """The shapes that were named, and the one whose paths were given."""
    from d7nb.api.inbound import META, SANDBOX, InboundShape  # noqa: PLC0415

    known = {"meta": META, "sandbox": SANDBOX}
    names = [name.replace("-", "_") for name in _PATHS]
    given = {name: path for name in names if (path := getattr(options, f"inbound_{name}"))}
    named = [known[name] for name in options.inbound or ()]
    if given:
        return [InboundShape(**{"sender": ""} | given), *named]
    return named or list(known.values())
