"""Servers in processes of their own, as a user runs them; they see no settings of whoever runs the tests."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import requests

from tests.support.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
PATIENCE = 30.0
"""Seconds for what takes two on a quiet machine."""

_FOREIGN = re.compile(r"(?i)(JUPYTER|IPYTHON|VOILA|D7|.*_PROXY$|NETRC$|MPLBACKEND$)")


def until(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """Ask again and again until the answer is yes, and give it back.

    For what no page shows; what a page shows is for Playwright's `expect`, which waits by itself.
    """
    end = time.monotonic() + patience
    while not (answer := condition()):
        assert time.monotonic() < end, f"waited {patience:g} seconds in vain: {what}"
        time.sleep(0.02)
    return answer


class Site(NamedTuple):
    """A Jupyter server: where it is, the token it takes, the folder it serves, and where it keeps a user's settings."""

    url: str
    token: str
    folder: Path
    settings: Path

    def ask(self, method: str, path: str) -> Any:
        """Ask its API."""
        answer = requests.request(method, f"{self.url}/{path}", headers=self._headers, timeout=PATIENCE)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def forget(self) -> None:
        """End every kernel and forget every setting, as if nobody had been here."""
        for kernel in self.ask("GET", "api/kernels"):
            self.ask("DELETE", f"api/kernels/{kernel['id']}")
        shutil.rmtree(self.settings, ignore_errors=True)

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"token {self.token}"}


class SandboxProcess:
    """The sandbox as `python -m d7nb sandbox` runs it, asked over HTTP alone."""

    def __init__(self, url: str) -> None:
        self.url = url

    @property
    def client(self) -> str:
        """Python for a cell: a client of this sandbox that sends row after row, so that a send has a middle."""
        return f'd7nb.Client("sandbox", base_url="{self.url}", batch_size=1, workers=1)'

    def messages(self) -> list[dict[str, Any]]:
        """What it took in, one a message and recipient, oldest first."""
        rows: list[dict[str, Any]] = requests.get(f"{self.url}/_sandbox/messages", timeout=PATIENCE).json()["messages"]
        return rows

    def recipients(self) -> list[str]:
        """To whom, oldest first."""
        return [row["recipient"] for row in self.messages()]

    def fail_next(self, kind: str, times: int = 1, **options: Any) -> None:
        """Order a fault, as `d7nb.Sandbox.fail_next` does."""
        self._post("faults", {"kind": kind, "times": times, "options": options})

    def reset(self) -> None:
        """Forget messages and faults."""
        self._post("reset", {})

    def _post(self, what: str, body: dict[str, Any]) -> None:
        answer = requests.post(f"{self.url}/_sandbox/{what}", json=body, timeout=PATIENCE)
        assert answer.ok, answer.text


@contextmanager
def sandbox_process(home: Path) -> Iterator[SandboxProcess]:
    """A sandbox on a free port."""
    log = home / "sandbox.log"
    with _running(["d7nb", "sandbox", "--port", "0"], home, log) as process:
        line = until(lambda: re.search(r"http://[\w.:]+", _said(process, log)), "the sandbox names its port")
        yield SandboxProcess(line[0])


@contextmanager
def jupyterlab(home: Path) -> Iterator[Site]:
    """A JupyterLab that asks nobody for news, updates or extensions."""
    site = _site(home)
    defaults = home / "config" / "labconfig" / "default_setting_overrides.json"
    defaults.parent.mkdir(parents=True)
    defaults.write_text(json.dumps({"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}))
    words = [
        *("--allow-root", "--no-browser", "--ServerApp.ip=127.0.0.1", "--ServerApp.port_retries=0"),
        *(f"--ServerApp.port={_port(site)}", f"--IdentityProvider.token={site.token}"),
        *(f"--ServerApp.root_dir={site.folder}", "--ServerApp.terminals_enabled=False"),
        *("--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"),
        *("--LabApp.extension_manager=readonly", f"--LabApp.user_settings_dir={site.settings}"),
    ]
    with _answering(["jupyterlab", *words], home, f"{site.url}/api"):
        yield site


@contextmanager
def voila(home: Path) -> Iterator[Site]:
    """A Voila that serves a folder of notebooks as pages."""
    site = _site(home)
    words = [
        *("--no-browser", "--Voila.ip=127.0.0.1", "--port_retries=0", f"--port={_port(site)}"),
        *(f"--token={site.token}", "--VoilaConfiguration.show_tracebacks=True"),
    ]
    with _answering(["voila", str(site.folder), *words], home, site.url):
        yield site


def _site(home: Path) -> Site:
    (home / "notebooks").mkdir()
    return Site(f"http://127.0.0.1:{free_port()}", secrets.token_hex(16), home / "notebooks", home / "settings")


def _port(site: Site) -> str:
    return site.url.rpartition(":")[2]


@contextmanager
def _answering(command: list[str], home: Path, url: str) -> Iterator[None]:
    log = home / "server.log"

    def answers() -> bool:
        _said(process, log)
        try:
            return requests.get(url, timeout=PATIENCE).status_code < 500
        except requests.ConnectionError:
            return False

    with _running(command, home, log) as process:
        until(answers, f"{command[0]} answers")
        yield


@contextmanager
def _running(command: list[str], home: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {name: value for name, value in os.environ.items() if not _FOREIGN.match(name)}
    environment |= {
        "HOME": str(home),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "IPYTHONDIR": str(home / "ipython"),
        "PYTHONPATH": str(ROOT),  # kernels start in the notebook's folder, and shall import this d7nb
        "D7NB_LEDGER": "ledger.sqlite3",  # in the notebook's folder, too: each test has a folder of its own
    }
    with (
        log.open("wb") as out,
        subprocess.Popen(
            [sys.executable, "-m", *command], cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()


def _said(process: subprocess.Popen[bytes], log: Path) -> str:
    """What a process has said so far; an error if it has ended."""
    text = log.read_text(encoding="utf-8", errors="replace")
    assert process.poll() is None, f"{' '.join(process.args[2:4])} ended at once:\n{text[-4000:]}"  # type: ignore[index]
    return text
