"""Servers in separate processes, as a user runs them, without the settings of whoever runs the tests."""

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
"""Seconds to wait for something; on an idle machine two are enough."""

_REMOVED_VARIABLES = re.compile(r"(?i)(JUPYTER|IPYTHON|VOILA|D7|.*_PROXY$|NETRC$|MPLBACKEND$)")


def until(condition: Callable[[], Any], description: str, patience: float = PATIENCE) -> Any:
    """Call a condition again and again until its result is true, and return the result.

    Use it for what no page shows; for what a page shows, Playwright's `expect` waits by itself.
    """
    end = time.monotonic() + patience
    while not (result := condition()):
        assert time.monotonic() < end, f"waited {patience:g} seconds in vain: {description}"
        time.sleep(0.02)
    return result


class Site(NamedTuple):
    """A Jupyter server: its URL, its token, the folder that it serves, and its folder of user settings."""

    url: str
    token: str
    folder: Path
    settings: Path

    def call(self, method: str, path: str) -> Any:
        """Call the server's API, and return the JSON of its response."""
        response = requests.request(method, f"{self.url}/{path}", headers=self._headers, timeout=PATIENCE)
        response.raise_for_status()
        return response.json() if response.content else None

    def reset(self) -> None:
        """End all kernels and delete all settings."""
        for kernel in self.call("GET", "api/kernels"):
            self.call("DELETE", f"api/kernels/{kernel['id']}")
        shutil.rmtree(self.settings, ignore_errors=True)

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"token {self.token}"}


class SandboxProcess:
    """The sandbox as `python -m d7nb sandbox` runs it, used over HTTP only."""

    def __init__(self, url: str) -> None:
        self.url = url

    @property
    def client(self) -> str:
        """Python code for a client of this sandbox; it sends row after row, so that a send can be interrupted."""
        return f'd7nb.Client("sandbox", base_url="{self.url}", batch_size=1, workers=1)'

    def messages(self) -> list[dict[str, Any]]:
        """Return the messages received, one for each message and recipient, oldest first."""
        rows: list[dict[str, Any]] = requests.get(f"{self.url}/_sandbox/messages", timeout=PATIENCE).json()["messages"]
        return rows

    def recipients(self) -> list[str]:
        """Return the recipients of these messages, oldest first."""
        return [row["recipient"] for row in self.messages()]

    def fail_next(self, kind: str, times: int = 1, **options: Any) -> None:
        """Order a fault, as `d7nb.Sandbox.fail_next` does."""
        self._post("faults", {"kind": kind, "times": times, "options": options})

    def reset(self) -> None:
        """Delete all messages and faults."""
        self._post("reset", {})

    def _post(self, endpoint: str, body: dict[str, Any]) -> None:
        response = requests.post(f"{self.url}/_sandbox/{endpoint}", json=body, timeout=PATIENCE)
        assert response.ok, response.text


@contextmanager
def sandbox_process(home: Path) -> Iterator[SandboxProcess]:
    """Run a sandbox on a free port."""
    log = home / "sandbox.log"
    with _running_process(["d7nb", "sandbox", "--port", "0"], home, log) as process:
        line = until(lambda: re.search(r"http://[\w.:]+", _log_text(process, log)), "the sandbox names its port")
        yield SandboxProcess(line[0])


@contextmanager
def jupyterlab(home: Path) -> Iterator[Site]:
    """Run a JupyterLab that looks for no news, updates or extensions."""
    site = _site(home)
    defaults = home / "config" / "labconfig" / "default_setting_overrides.json"
    defaults.parent.mkdir(parents=True)
    defaults.write_text(json.dumps({"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}))
    options = [
        *("--allow-root", "--no-browser", "--ServerApp.ip=127.0.0.1", "--ServerApp.port_retries=0"),
        *(f"--ServerApp.port={_port(site)}", f"--IdentityProvider.token={site.token}"),
        *(f"--ServerApp.root_dir={site.folder}", "--ServerApp.terminals_enabled=False"),
        *("--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"),
        *("--LabApp.extension_manager=readonly", f"--LabApp.user_settings_dir={site.settings}"),
    ]
    with _serving(["jupyterlab", *options], home, f"{site.url}/api"):
        yield site


@contextmanager
def voila(home: Path) -> Iterator[Site]:
    """Run a Voila that serves a folder of notebooks as pages."""
    site = _site(home)
    options = [
        *("--no-browser", "--Voila.ip=127.0.0.1", "--port_retries=0", f"--port={_port(site)}"),
        *(f"--token={site.token}", "--VoilaConfiguration.show_tracebacks=True"),
    ]
    with _serving(["voila", str(site.folder), *options], home, site.url):
        yield site


def _site(home: Path) -> Site:
    (home / "notebooks").mkdir()
    return Site(f"http://127.0.0.1:{free_port()}", secrets.token_hex(16), home / "notebooks", home / "settings")


def _port(site: Site) -> str:
    return site.url.rpartition(":")[2]


@contextmanager
def _serving(command: list[str], home: Path, url: str) -> Iterator[None]:
    log = home / "server.log"

    def answers() -> bool:
        _log_text(process, log)
        try:
            return requests.get(url, timeout=PATIENCE).status_code < 500
        except requests.ConnectionError:
            return False

    with _running_process(command, home, log) as process:
        until(answers, f"{command[0]} answers")
        yield


_OWN_LEDGER = """
import os

os.environ["D7NB_LEDGER"] = os.path.abspath("ledger.sqlite3")  # in the notebook's folder: each test has one of its own
"""


@contextmanager
def _running_process(command: list[str], home: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {name: value for name, value in os.environ.items() if not _REMOVED_VARIABLES.match(name)}
    environment |= {
        "HOME": str(home),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "IPYTHONDIR": str(home / "ipython"),
        "PYTHONPATH": str(ROOT),  # kernels start in the notebook's folder, and must import this d7nb
    }
    startup = home / "ipython" / "profile_default" / "startup" / "ledger.py"
    startup.parent.mkdir(parents=True, exist_ok=True)
    startup.write_text(_OWN_LEDGER, encoding="utf-8")
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


def _log_text(process: subprocess.Popen[bytes], log: Path) -> str:
    """Return the output of a process so far; fail if the process has ended."""
    text = log.read_text(encoding="utf-8", errors="replace")
    assert process.poll() is None, f"{' '.join(process.args[2:4])} ended at once:\n{text[-4000:]}"  # type: ignore[index]
    return text
