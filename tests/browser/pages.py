"""JupyterLab and Voila as a person uses them: clicking, typing, and reading what is shown."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

try:
    from playwright.sync_api import expect
except ImportError:  # then the fixture `browser` skips every test
    expect: Any = None  # type: ignore[no-redef]

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from tests.browser.processes import Site

_SETTLED = """
([position, before]) => {
  const cells = [...document.querySelectorAll('.jp-Notebook .jp-CodeCell .jp-InputPrompt')]
  const prompts = cells.map(each => each.textContent)
  return prompts[position] !== before && !prompts.some(each => each.includes('*'))
}
"""


class Notebooks:
    """A page of a Jupyter server, and the folder of this test's notebooks and ledger."""

    def __init__(self, page: Page, site: Site, folder: str) -> None:
        self.page = page
        self.site = site
        self.folder = site.folder / folder
        self.folder.mkdir()

    def new(self, *cells: str) -> None:
        """Write a notebook of these code cells, and open it."""
        import nbformat  # takes seconds, which every process of the tests would spend

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

    A code cell is given by its position, from 0, or by a piece of source that only this cell has.
    """

    def _open(self, path: Path) -> None:
        # A workspace for each test, or else Lab would open what an earlier test had open.
        self.page.goto(self._address(f"lab/workspaces/{self.folder.name}/tree", path, "&reset"))
        self.wait_until_idle()

    def wait_until_idle(self) -> None:
        """Wait until there is a kernel and it is idle.

        The status bar shows that; the dot in the toolbar says idle even before there is a kernel.
        """
        expect(self.page.locator("#jp-main-statusbar")).to_contain_text(re.compile(r"Python 3 .*\| Idle"))

    def cell(self, which: int | str) -> Locator:
        """Return a code cell."""
        cells = self.page.locator(".jp-Notebook .jp-CodeCell")
        if isinstance(which, int):
            return cells.nth(which)
        return cells.filter(has=self.page.locator(".jp-InputArea-editor", has_text=which))

    def prompt(self, which: int | str) -> Locator:
        """Return the prompt of a cell: ``[ ]:`` was not run, ``[*]:`` is waiting or running, ``[3]:`` was run."""
        return self.cell(which).locator(".jp-InputPrompt")

    def output(self, which: int | str) -> Locator:
        """Return the output of a cell: text, tables, widgets, errors."""
        return self.cell(which).locator(".jp-Cell-outputArea")

    def table(self, which: int | str) -> list[dict[str, str]]:
        """Return the rows of the frame that a cell shows, as dicts by column."""
        head, *body = self.output(which).locator("table.dataframe tr").all()
        columns = head.locator("th").all_text_contents()
        return [dict(zip(columns, row.locator("th, td").all_text_contents(), strict=True)) for row in body]

    def start(self, which: int | str) -> None:
        """Run a cell as Shift+Enter does, without waiting for its end."""
        self.cell(which).locator(".cm-content").click()
        self.page.keyboard.press("Shift+Enter")

    def run(self, which: int | str) -> Locator:
        """Run a cell to its end, and return its output."""
        first = self._position(which)
        before = self._prompt(first)
        self.start(which)
        self.settle(first, before)
        return self.output(which)

    def start_all(self) -> None:
        """Choose Run > Run All Cells, without waiting for the end."""
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()

    def run_all(self) -> None:
        """Choose Run > Run All Cells, and wait until the last has run or one has failed."""
        before = self._prompt(0)
        self.start_all()
        self.settle(before=before)

    def settle(self, position: int = 0, before: str = "") -> None:
        """Wait until no cell waits or runs, the kernel is idle, and the prompt of a cell has changed."""
        self.page.wait_for_function(_SETTLED, arg=[position, before])
        self.wait_until_idle()

    def add(self, source: str) -> Locator:
        """Write a cell below the last one, run it, and return its output."""
        self.page.locator(".jp-Notebook .jp-Cell").last.locator(".jp-InputPrompt").click()
        count = self.page.locator(".jp-Notebook .jp-CodeCell").count()
        self.page.keyboard.press("b")
        expect(self.page.locator(".jp-Notebook .jp-CodeCell")).to_have_count(count + 1)
        self.cell(count).locator(".cm-content").click()
        self.page.keyboard.insert_text(source)
        return self.run(count)

    def stop(self) -> None:
        """Press the Stop button."""
        self.page.get_by_role("button", name="Interrupt the kernel").click()

    def theme(self, name: str) -> None:
        """Choose Settings > Theme > JupyterLab Light, or Dark."""
        body = self.page.locator("body")
        if body.get_attribute("data-jp-theme-name") != f"JupyterLab {name}":
            self.page.get_by_role("menuitem", name="Settings", exact=True).click()
            self.page.locator(".lm-Menu-item", has_text=re.compile(r"^Theme$")).click()
            self.page.get_by_role("menuitem", name=f"JupyterLab {name}", exact=True).click()
        expect(body).to_have_attribute("data-jp-theme-name", f"JupyterLab {name}")
        expect(body).to_have_attribute("data-jp-theme-light", str(name == "Light").lower())

    def _position(self, which: int | str) -> int:
        """Return the position of a cell, which stays the same when its source changes."""
        if isinstance(which, int):
            return which
        position: int = self.cell(which).evaluate(
            "cell => [...document.querySelectorAll('.jp-CodeCell')].indexOf(cell)"
        )
        return position

    def _prompt(self, position: int) -> str:
        return self.prompt(position).text_content() or ""


class VoilaPage(Notebooks):
    """A notebook as Voila's page: outputs without code, and a new kernel for every visit."""

    def _open(self, path: Path) -> None:
        self.page.goto(self._address("voila/render", path))
        expect(self.page.locator("#rendered_cells")).to_be_visible()
