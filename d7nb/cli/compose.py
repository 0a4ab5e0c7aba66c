"""``compose``: the form as a page of its own, in a browser, for people who have no notebook open."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from d7nb.cli.exit_codes import DONE, INTERRUPTED
from d7nb.cli.table_options import StrictOptions, base_url_option, country_option, originator_option
from d7nb.errors import D7Error, TableError


@click.command(cls=StrictOptions)
@click.argument("table", type=Path, metavar="TABLE")
@click.option("--to", metavar="COLUMN", help="Column of phone numbers; guessed if not given.")
@originator_option
@click.option("--campaign", metavar="NAME", help="Name of this mailing.")
@country_option
@click.option("--sandbox", is_flag=True, help="Send to the embedded sandbox: no message leaves this machine.")
@base_url_option
@click.option("--port", type=int, default=8866, show_default=True, metavar="N", help="Port to listen on.")
@click.option("--no-browser", is_flag=True, help="Print the address of the form, but open no browser.")
def compose(table: Path, sandbox: bool, base_url: str | None, port: int, no_browser: bool, **terms: str | None) -> int:
    """Compose a mailing in a browser (needs the extra voila).

    TABLE is a CSV or Excel file.
    """
    if not table.exists():
        message = f"there is no file {table.name}"
        raise TableError(message)
    if find_spec("voila") is None:
        raise D7Error("the form as a page needs Voila: pip install 'd7nb[voila]'")
    client = "d7nb.Sandbox().client()" if sandbox else _client_source(base_url)
    given_terms = {name: value for name, value in terms.items() if value is not None}
    with tempfile.TemporaryDirectory(prefix="d7nb-") as folder:
        page = Path(folder) / "compose.ipynb"
        page.write_text(json.dumps(_notebook(_form_source(table, client, given_terms))), encoding="utf-8")
        command = [sys.executable, "-m", "voila", str(page), f"--port={port}", "--Voila.ip=127.0.0.1"]
        command += ["--no-browser"] if no_browser else []
        with subprocess.Popen(command) as server:  # noqa: S603  (our own words, and a number)
            print(f"the form is at http://127.0.0.1:{port}/ (Ctrl+C ends it)", flush=True)
            try:
                return DONE if server.wait() == 0 else server.returncode
            except KeyboardInterrupt:
                server.terminate()
                return INTERRUPTED


def _client_source(base_url: str | None) -> str:
    """Return the expression of a client; its token comes from the environment or the keyring, never from the page."""
    return f"d7nb.Client(base_url={base_url!r}, ask=False)" if base_url else "None"


def _form_source(table: Path, client: str, terms: dict[str, str]) -> str:
    """Return the code of the page's only cell."""
    return f"import d7nb\npeople = d7nb.read_table({str(table.resolve())!r})\npeople.d7.compose({client}, **{terms!r})"


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
