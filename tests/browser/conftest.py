"""Fixtures for tests in a real browser; README.md beside this file describes them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser import processes
from tests.browser.pages import Lab, VoilaPage, expect
from tests.browser.watching import Watch
from tests.support.requirements import lacking

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Locator, Page

SCREENSHOTS = processes.ROOT / "screenshots"
MILLISECONDS = processes.PATIENCE * 1000
CHROMIUMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
QUIET = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # no other host can be reached
]
ICONS = "https://cdn.jsdelivr.net/npm/@fortawesome/"
"""The icon font that Voila's page template requests; the page works without it."""


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if find_spec("playwright") is None:
        lacking("browser", "Playwright is not installed: tests in a browser need the extra 'test'")
    if not (path := next(filter(None, map(shutil.which, CHROMIUMS)), None)):
        lacking("browser", "no Chromium: to test in a browser, install one, such as Debian's package chromium")
    from playwright.sync_api import sync_playwright

    expect.set_options(timeout=MILLISECONDS)
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=path, args=QUIET) as running:
        yield running


@pytest.fixture(scope="package")
def _sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[processes.SandboxProcess]:
    with processes.sandbox_process(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


@pytest.fixture
def sandbox(_sandbox: processes.SandboxProcess) -> processes.SandboxProcess:
    """A sandbox in another process, without messages."""
    _sandbox.reset()
    return _sandbox


@pytest.fixture(scope="package")
def _context(browser: Browser) -> Iterator[BrowserContext]:
    """One for all: JupyterLab is several megabytes of JavaScript, which the browser then reads and compiles once."""
    with browser.new_context(
        viewport={"width": 1280, "height": 900}, service_workers="block", color_scheme="light", reduced_motion="reduce"
    ) as context:
        context.set_default_timeout(MILLISECONDS)
        yield context


@pytest.fixture
def context(_context: BrowserContext) -> Iterator[BrowserContext]:
    """A browser without cookies and open pages."""
    _context.clear_cookies()
    yield _context
    for page in _context.pages:
        page.close()


@pytest.fixture
def watch(context: BrowserContext) -> Iterator[Watch]:
    """A record of what the pages did; a test fails if they sent a request elsewhere or opened a dialog."""
    watch = Watch(context)
    yield watch
    watch.end()
    watch.check()


@pytest.fixture
def page(context: BrowserContext, watch: Watch) -> Page:
    """A blank page that is watched."""
    return context.new_page()


@pytest.fixture(scope="package")
def _jupyterlab(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[processes.Site]:
    if find_spec("jupyterlab") is None:
        lacking("browser", "JupyterLab is not installed: tests in a browser need the extra 'test'")
    with processes.jupyterlab(tmp_path_factory.mktemp("lab")) as site:
        yield site


@pytest.fixture
def lab(
    sandbox: processes.SandboxProcess, page: Page, _jupyterlab: processes.Site, request: pytest.FixtureRequest
) -> Iterator[Lab]:
    """JupyterLab; its kernels end after the test, and with them a send that is still running."""
    yield Lab(page, _jupyterlab, _folder(request))
    page.close()
    _jupyterlab.reset()


@pytest.fixture(scope="package")
def _voila(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[processes.Site]:
    if find_spec("voila") is None:
        lacking("browser", "Voila is not installed: tests in a browser need the extra 'test'")
    with processes.voila(tmp_path_factory.mktemp("voila")) as site:
        yield site


@pytest.fixture
def voila(
    sandbox: processes.SandboxProcess,
    page: Page,
    watch: Watch,
    _voila: processes.Site,
    request: pytest.FixtureRequest,
) -> VoilaPage:
    """Voila."""
    watch.tolerated = (ICONS,)
    return VoilaPage(page, _voila, _folder(request))


@pytest.fixture
def shoot() -> Callable[[Page | Locator, str], None]:
    """A function that takes a picture of a page, or of a part of it, for people to look at."""

    def shoot(page_or_part: Page | Locator, name: str) -> None:
        page_or_part.screenshot(path=SCREENSHOTS / f"{name}.png", animations="disabled")

    return shoot


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist looks at the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In two processes: each has one browser and one JupyterLab for its tests, and mostly waits for them."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.xdist_group("form" if item.path.stem == "test_compose" else "displays"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Add a picture and the console's messages to the report of a failure."""
    report = yield
    fixtures = getattr(item, "funcargs", {})
    if report.when == "call" and report.failed and "page" in fixtures:
        picture = SCREENSHOTS / f"failed-{_plain(item.name)}.png"
        fixtures["page"].screenshot(path=picture)
        lines = [f"picture: {picture.relative_to(processes.ROOT)}", *fixtures["watch"].console]
        report.sections.append(("browser", "\n".join(lines)))
    return report


def _folder(request: pytest.FixtureRequest) -> str:
    return _plain(request.node.name)


def _plain(name: str) -> str:
    return re.sub(r"\W+", "-", name).strip("-")
