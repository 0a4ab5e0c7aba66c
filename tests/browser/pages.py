"""JupyterLab and Voila as a person uses them: what is clicked and typed, and what can be read afterwards."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat

try:
    from playwright.sync_api import expect
except ImportError:  # then no test gets as far as using it: the fixture `browser` skips
    expect: Any = None  # type: ignore[no-redef]

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from tests.browser.processes import Site

_SETTLED = """
([place, before]) => {
  const cells = [...document.querySelectorAll('.jp-Notebook .jp-CodeCell .jp-InputPrompt')]
  const prompts = cells.map(each => each.textContent)
  return prompts[place] !== before && !prompts.some(each => each.includes('*'))
}
"""


class Notebooks:
    """A page of a Jupyter server, and the folder in which this test's notebooks and ledger lie."""

    def __init__(self, page: Page, site: Site, folder: str) -> None:
        self.page = page
        self.site = site
        self.folder = site.folder / folder
        self.folder.mkdir()

    def new(self, *cells: str) -> None:
        """Write a notebook of these code cells, and open it."""
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source.strip()) for source in cells])
        book.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}  # else Lab asks for one
        path = self.folder / "notebook.ipynb"
        nbformat.write(book, path)
        self._open(path)

    def open(self, notebook: Path) -> None:
        """Open a copy of a notebook."""
        self._open(Path(shutil.copy(notebook, self.folder)))

    def _open(self, path: Path) -> None:
        raise NotImplementedError

    def _address(self, before: str, path: Path, after: str = "") -> str:
        return f"{self.site.url}/{before}/{path.relative_to(self.site.folder)}?token={self.site.token}{after}"


class Lab(Notebooks):
    """JupyterLab with one notebook open.

    Cells are code cells: their place, from 0, or a piece of source that only one of them has.
    """

    def _open(self, path: Path) -> None:
        # A workspace of the test's own: else Lab would open what an earlier test had open.
        self.page.goto(self._address(f"lab/workspaces/{self.folder.name}/tree", path, "&reset"))
        self.wait_until_idle()

    def wait_until_idle(self) -> None:
        """Wait until a kernel is there and has nothing to do.

        The status bar tells; the dot in the toolbar is called idle even before there is a kernel.
        """
        expect(self.page.locator("#jp-main-statusbar")).to_contain_text(re.compile(r"Python 3 .*\| Idle"))

    def cell(self, which: int | str) -> Locator:
        """A code cell."""
        cells = self.page.locator(".jp-Notebook .jp-CodeCell")
        if isinstance(which, int):
            return cells.nth(which)
        return cells.filter(has=self.page.locator(".jp-InputArea-editor", has_text=which))

    def prompt(self, which: int | str) -> Locator:
        """What stands before a cell: ``[ ]:`` was not run, ``[*]:`` is waiting or running, ``[3]:`` was run."""
        return self.cell(which).locator(".jp-InputPrompt")

    def output(self, which: int | str) -> Locator:
        """All that a cell put out: text, tables, widgets, errors."""
        return self.cell(which).locator(".jp-Cell-outputArea")

    def table(self, which: int | str) -> list[dict[str, str]]:
        """The frame that a cell shows, each row by column."""
        head, *body = self.output(which).locator("table.dataframe tr").all()
        columns = head.locator("th").all_text_contents()
        return [dict(zip(columns, row.locator("th, td").all_text_contents(), strict=True)) for row in body]

    def start(self, which: int | str) -> None:
        """Run a cell as Shift+Enter does, without waiting for its end."""
        self.cell(which).locator(".cm-content").click()
        self.page.keyboard.press("Shift+Enter")

    def run(self, which: int | str) -> Locator:
        """Run a cell to its end, and give its output."""
        first = self._place(which)
        before = self._prompt(first)
        self.start(which)
        self.settle(first, before)
        return self.output(which)

    def start_all(self) -> None:
        """Run > Run All Cells, without waiting for the end."""
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()

    def run_all(self) -> None:
        """Run > Run All Cells, until the last has run or one has failed."""
        before = self._prompt(0)
        self.start_all()
        self.settle(before=before)

    def settle(self, place: int = 0, before: str = "") -> None:
        """Wait until no cell waits or runs, the kernel is idle, and one prompt is not what it was before."""
        self.page.wait_for_function(_SETTLED, arg=[place, before])
        self.wait_until_idle()

    def add(self, source: str) -> Locator:
        """Write a cell below the last one, run it, and give its output."""
        self.page.locator(".jp-Notebook .jp-Cell").last.locator(".jp-InputPrompt").click()
        count = self.page.locator(".jp-Notebook .jp-CodeCell").count()
        self.page.keyboard.press("b")
        expect(self.page.locator(".jp-Notebook .jp-CodeCell")).to_have_count(count + 1)
        self.cell(count).locator(".cm-content").click()
        self.page.keyboard.insert_text(source)
        return self.run(count)

    def stop(self) -> None:
        """The Stop button."""
        self.page.get_by_role("button", name="Interrupt the kernel").click()

    def theme(self, name: str) -> None:
        """Settings > Theme > JupyterLab Light, or Dark."""
        body = self.page.locator("body")
        if body.get_attribute("data-jp-theme-name") != f"JupyterLab {name}":
            self.page.get_by_role("menuitem", name="Settings", exact=True).click()
            self.page.locator(".lm-Menu-item", has_text=re.compile(r"^Theme$")).click()
            self.page.get_by_role("menuitem", name=f"JupyterLab {name}", exact=True).click()
        expect(body).to_have_attribute("data-jp-theme-name", f"JupyterLab {name}")
        expect(body).to_have_attribute("data-jp-theme-light", str(name == "Light").lower())

    def _place(self, which: int | str) -> int:
        """Its place, so that a cell can be told again when its text is all that was given."""
        if isinstance(which, int):
            return which
        place: int = self.cell(which).evaluate("cell => [...document.querySelectorAll('.jp-CodeCell')].indexOf(cell)")
        return place

    def _prompt(self, place: int) -> str:
        return self.prompt(place).text_content() or ""


class VoilaPage(Notebooks):
    """A notebook as Voila's page: its outputs without its code, each visit with a kernel of its own."""

    def _open(self, path: Path) -> None:
        self.page.goto(self._address("voila/render", path))
        expect(self.page.locator("#rendered_cells")).to_be_visible()
