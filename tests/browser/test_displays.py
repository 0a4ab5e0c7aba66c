"""What plans, previews and deliveries look like in a browser: legible, nothing cut off, nothing loaded, nothing run.

Pictures of each go to the folder ``screenshots``, light and dark, wide and narrow: they are there to be looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import d7nb
from tests.browser import processes
from tests.browser.watching import Watch
from tests.support.plans import LINK
from tests.support.samples import HOSTILE, by_case, delivered, harmful, saying, troubled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

SCREENSHOTS = processes.ROOT / "screenshots"
WIDTHS = (1280, 700)
LEAST_CONTRAST = 4.5

# What JupyterLab's two themes say, and what its stylesheet does to tables, lists and code in an output.
LAB = """
:root{--jp-content-font-family:system-ui,sans-serif;--jp-code-font-family:monospace;--jp-rendermime-table-row-background:%s;
--jp-rendermime-table-row-hover-background:#2f6fb0;--jp-layout-color0:%s;--jp-layout-color2:%s;
--jp-content-font-color1:%s;--jp-ui-font-color1:%s}
body{background:var(--jp-layout-color0);margin:0}
.jp-RenderedHTMLCommon{color:var(--jp-content-font-color1);font:14px/1.6 system-ui,sans-serif;padding-right:20px}
.jp-RenderedHTMLCommon table{border-collapse:collapse;border-spacing:0;border:none;color:var(--jp-ui-font-color1);
font-size:12px;table-layout:fixed;margin-left:auto;margin-bottom:1em;margin-right:auto}
.jp-RenderedHTMLCommon td,.jp-RenderedHTMLCommon th,.jp-RenderedHTMLCommon tr{vertical-align:middle;padding:.5em;
line-height:normal;white-space:normal;max-width:none;border:none}
:not(.jp-RenderedMarkdown).jp-RenderedHTMLCommon td,
:not(.jp-RenderedMarkdown).jp-RenderedHTMLCommon th{text-align:right}
.jp-RenderedHTMLCommon tbody tr:nth-child(odd){background:var(--jp-layout-color0)}
.jp-RenderedHTMLCommon tbody tr:nth-child(even){background:var(--jp-rendermime-table-row-background)}
.jp-RenderedHTMLCommon ul:not(.list-inline){padding-left:2em}.jp-RenderedHTMLCommon ul{list-style:disc}
.jp-RenderedHTMLCommon :not(pre)>code{background-color:var(--jp-layout-color2);padding:1px 5px}
.jp-RenderedHTMLCommon pre,.jp-RenderedHTMLCommon code{border:0;font-family:monospace;font-size:inherit;overflow-x:auto}
"""
LIGHT, DARK = ("#f5f5f5", "white", "#eee", *["rgba(0,0,0,.87)"] * 2), ("#333", "#111", "#424242", "#fff", "#eee")
PLACES: dict[str, tuple[str, Any]] = {
    "light": ("", "light"),
    "dark": ("body{background:#000}", "dark"),
    "lab-light": (LAB % LIGHT, "dark"),  # the notebook's theme counts, not the system's wish
    "lab-dark": (LAB % DARK, "light"),
}

CONTRASTS = """() => {
  const parse = c => { const n = c.match(/[\\d.]+/g).map(Number); return n.length > 3 ? n : [...n, 1] }
  const over = (a, b) => [0, 1, 2].map(i => a[i] * a[3] + b[i] * (1 - a[3])).concat(1)
  const light = c => { const [r, g, b] = c.map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    return .2126 * r + .7152 * g + .0722 * b }
  const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (walker.nextNode()) {
    const node = walker.currentNode, element = node.parentElement
    if (!node.data.trim() || element.closest("style,script") || !element.getClientRects().length) continue
    const layers = []; let opacity = 1
    for (let up = element; up; up = up.parentElement) {
      const style = getComputedStyle(up); layers.push(parse(style.backgroundColor)); opacity *= Number(style.opacity)
    }
    const behind = layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255, 1])
    const ink = parse(getComputedStyle(element).color); ink[3] *= opacity
    const [a, b] = [light(over(ink, behind)), light(behind)].sort((x, y) => y - x)
    found.push({text: node.data.trim().slice(0, 40), contrast: (a + .05) / (b + .05)})
  }
  return found
}"""


def deliveries() -> dict[str, str]:
    with d7nb.Sandbox() as sandbox:
        done = delivered(sandbox)._repr_html_()
    with d7nb.Sandbox() as sandbox, sandbox.client(batch_size=1) as client:
        sandbox.fail_next("delay", seconds=0.2)
        delivery = saying("a", "b").send(client, wait=False)
        running = delivery._repr_html_()
        delivery.wait()
    known = saying("a", "c", campaign="another").delivery()._repr_html_()
    return {"delivery": done, "delivery-running": running, "delivery-remembered": known}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The HTML of each display, by the name of its picture."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("D7NB_LEDGER", str(tmp_path_factory.mktemp("ledger") / "ledger.sqlite3"))
        yield {
            "plan": troubled()._repr_html_(),
            "plan-well": saying("a", "b", campaign="newsletter")._repr_html_(),
            "plan-empty": saying()._repr_html_(),
            "plan-hostile": harmful()._repr_html_(),
            "preview-every-content": by_case().preview(60)._repr_html_(),
            "preview-hostile": saying(*HOSTILE.values()).preview(30)._repr_html_(),
            "preview-long": saying("Hello " * 600, "short", "word " * 100).preview()._repr_html_(),
            "preview-strangest": troubled().preview()._repr_html_(),
            "preview-empty": saying().preview()._repr_html_(),
            **deliveries(),
        }


NAMES = [
    *("plan", "plan-well", "plan-empty", "plan-hostile"),
    *("preview-every-content", "preview-hostile", "preview-long", "preview-strangest", "preview-empty"),
    *("delivery", "delivery-running", "delivery-remembered"),
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", PLACES)
def test_a_display_is_legible_whole_and_inert(browser: Browser, shown: dict[str, str], name: str, place: str) -> None:
    style, scheme = PLACES[place]
    SCREENSHOTS.mkdir(exist_ok=True)
    with browser.new_context(color_scheme=scheme) as context:
        watch, page = Watch(context), context.new_page()
        page.set_content(
            f'<!doctype html><title>as it was</title><style>{style}</style><body><div class="jp-RenderedHTMLCommon">'
            f"{shown[name]}</div></body>"
        )
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            page.screenshot(path=SCREENSHOTS / f"{name}-{place}-{width}.png", full_page=True)
            across, room = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
            assert across <= room, "the page has to be scrolled sideways"
        found = page.evaluate(CONTRASTS)
        assert found
        assert [each for each in found if each["contrast"] < LEAST_CONTRAST] == []
        assert page.title() == "as it was"
        assert page.evaluate("document.querySelectorAll('.d7nb h1, .d7nb img, .d7nb a, .d7nb script').length") == 0
        assert (watch.requested, watch.dialogs, watch.console) == ([], [], [])


@pytest.mark.parametrize("cell", HOSTILE)
def test_a_cell_moves_nothing_outside_of_its_bubble(page: Page, cell: str) -> None:
    """What stands around a hostile cell stands where it stands around a plain one."""
    around = []
    for text in ("plain", HOSTILE[cell]):
        page.set_content(saying(text, "after").preview()._repr_html_())
        captions = page.locator("figcaption").all_text_contents()
        widths = [bubble.bounding_box()["width"] <= 360 for bubble in page.locator("figure > .d7nb-bubble").all()]  # type: ignore[index]
        around.append((len(captions), all("row " in caption for caption in captions), widths))
    assert around[0] == around[1]


def test_a_picture_is_never_fetched(page: Page, watch: Watch) -> None:
    page.set_content(by_case().preview(60)._repr_html_(), wait_until="networkidle")
    assert page.get_by_text(LINK).count() > 5
    assert watch.requested == []
