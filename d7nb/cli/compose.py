"""``compose``: the form as a page of its own, in a browser, for people who have no notebook open."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d7nb.cli.exit_codes import DONE, INTERRUPTED
from d7nb.errors import D7Error, TableError

if TYPE_CHECKING:
    import argparse

TERMS = ("to", "originator", "campaign", "country")


def add_compose(commands: Any) -> None:
    """``compose``: serve the form until Ctrl-C."""
    compose = commands.add_parser("compose", help="compose a mailing in a browser (needs the extra voila)")
    compose.add_argument("table", type=Path, metavar="TABLE", help="CSV or Excel file")
    compose.add_argument("--to", metavar="COLUMN", help="column of phone numbers; guessed if not given")
    compose.add_argument("--originator", metavar="NUMBER", help="registered number that the messages come from")
    compose.add_argument("--campaign", metavar="NAME", help="name of this mailing")
    compose.add_argument("--country", metavar="REGION", help="region whose national numbers are meant, such as AE")
    compose.add_argument("--sandbox", action="store_true", help="send to the embedded sandbox: no message leaves")
    compose.add_argument("--base-url", metavar="URL", help="another address of the API, such as a running sandbox's")
    compose.add_argument("--port", type=int, default=8866, metavar="N", help="port to listen on (%(default)s)")
    compose.add_argument("--no-browser", action="store_true", help="don't open a browser, only say the address")
    compose.set_defaults(run=_compose)


def _compose(options: argparse.Namespace) -> int:
    if not options.table.exists():
        message = f"there is no file {options.table.name}"
        raise TableError(message)
    if find_spec("voila") is None:
        raise D7Error("the form as a page needs Voila: pip install 'd7nb[voila]'")
    with tempfile.TemporaryDirectory(prefix="d7nb-") as folder:
        page = Path(folder) / "compose.ipynb"
        page.write_text(json.dumps(_notebook(_source(options))), encoding="utf-8")
        command = [sys.executable, "-m", "voila", str(page), f"--port={options.port}", "--Voila.ip=127.0.0.1"]
        command += ["--no-browser"] if options.no_browser else []
        with subprocess.Popen(command) as server:  # noqa: S603  (our own words, and a port that argparse read)
            print(f"the form is at http://127.0.0.1:{options.port}/ (Ctrl+C ends it)", flush=True)
            try:
                return DONE if server.wait() == 0 else server.returncode
            except KeyboardInterrupt:
                server.terminate()
                return INTERRUPTED


def _source(options: argparse.Namespace) -> str:
    """The one cell of the page. The token is not in it: it comes from the environment or the keyring."""
    terms = {name: value for name in TERMS if (value := getattr(options, name)) is not None}
    client = "None"
    if options.sandbox:
        client = "d7nb.Sandbox().client()"
    elif options.base_url:
        client = f"d7nb.Client(base_url={options.base_url!r}, ask=False)"
    return (
        "import d7nb\n"
        f"people = d7nb.read_table({str(options.table.resolve())!r})\n"
        f"people.d7.compose({client}, **{terms!r})"
    )


def _notebook(source: str) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "cell_type": "code",
        "id": "form",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
        "source": source,
    }
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
