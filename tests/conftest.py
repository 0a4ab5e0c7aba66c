"""Fixtures that every test may use. The network is closed but for this machine's loopback."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import settings

import d7nb
from tests.support.ledgers import postgres
from tests.support.privacy_watch import Watch
from tests.support.servers import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator

LEDGER = "D7NB_LEDGER"
LOOPBACK = {"127.0.0.1", "::1", "localhost"}
ORIGINATOR = "+12025550100"
UNWANTED = (
    *("D7_API_TOKEN", "D7NB_PLUGINS", "D7NB_TRACE_PLUGINS", "NETRC", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
)

settings.register_profile("d7nb", deadline=None)  # a busy machine is no failure
settings.load_profile("d7nb")


def pytest_configure(config: pytest.Config) -> None:
    """Neither examples nor notebooks write to the ledger of whoever runs the tests, and no test may leak anything.

    A shell that starts the tests in the background has Ctrl-C ignored, by them and by every process that they start.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    folder = TemporaryDirectory(prefix="d7nb-")
    config.add_cleanup(folder.cleanup)
    os.environ[LEDGER] = str(Path(folder.name) / "ledger.sqlite3")
    os.environ["XDG_DATA_HOME"] = str(Path(folder.name) / "data")
    watch = Watch()
    watch.install()
    config.pluginmanager.register(watch, "d7nb-watch")


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: some tests wait, for a clock, a process or a browser, but each costs its start."""
    return 1 + (os.cpu_count() or 1)


@pytest.fixture(autouse=True)
def _closed_world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test reaches beyond this machine, finds a real token, sees a proxy, or knows what another test sent."""
    monkeypatch.setenv(LEDGER, str(tmp_path / "ledger.sqlite3"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))  # what d7nb notes of ledgers in PostgreSQL
    for name in UNWANTED:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and address[0] not in LOOPBACK:
            message = f"a test tried to reach {address[0]}"
            raise RuntimeError(message)
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def sandbox() -> Iterator[d7nb.Sandbox]:
    """A sandbox of one's own."""
    with d7nb.Sandbox() as running:
        yield running


@pytest.fixture
def people() -> pd.DataFrame:
    """Three customers with fictional numbers."""
    return pd.DataFrame(
        {
            "phone": ["+12025550123", "+12025550124", "+61491570006"],
            "name": ["Ali", "Sara", "Žofie"],
            "balance": [1234.5, 0.0, -7.25],
        }
    )


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a new ledger may live: each of the two databases in turn."""
    if request.param == "sqlite":
        yield str(tmp_path / "ledger.sqlite3")
    else:
        with postgres() as url:
            yield url


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Self-signed certificates, key included, by what they are for."""
    if not shutil.which("openssl"):
        pytest.skip("openssl makes the certificates, and is not installed")
    folder = tmp_path_factory.mktemp("certificates")
    names = {"here": "IP:127.0.0.1", "d7": f"DNS:{HOST}", "elsewhere": "DNS:elsewhere.example"}
    for name, subject in names.items():
        key, certificate = folder / f"{name}.pem", folder / f"{name}.crt"
        command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test"
        rest = ["-keyout", str(key), "-out", str(certificate), "-addext", f"subjectAltName={subject}"]
        subprocess.run([*command.split(), *rest], check=True, capture_output=True)
        key.write_bytes(key.read_bytes() + certificate.read_bytes())
    return {name: folder / f"{name}.pem" for name in names}


@pytest.fixture
def trusted(certificates: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Path]:
    """The same certificates, and REQUESTS_CA_BUNDLE says to trust them all."""
    bundle = tmp_path / "trusted.pem"
    bundle.write_bytes(b"".join(path.with_suffix(".crt").read_bytes() for path in certificates.values()))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    return certificates
