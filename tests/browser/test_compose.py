"""The compose form as a person uses it, in JupyterLab and as a page, compared with what the sandbox received."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from tests.browser.conftest import ICONS
from tests.browser.pages import Lab, VoilaPage, expect
from tests.browser.processes import ROOT, until
from tests.support.servers import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from tests.browser.processes import SandboxProcess
    from tests.browser.watching import Watch

NUMBERS = [f"+120255501{number}" for number in range(40, 46)]
OWN = "+46701740605"
NAMES = ["Ali", "Sara", "Žofie", "عائشة", "Jo", None]


def form(sandbox: SandboxProcess, more: str = "", **terms: Any) -> str:
    return f"""
import d7nb, pandas as pd
people = pd.DataFrame({{"phone": {NUMBERS}, "name": {NAMES}}})
client = {sandbox.client}
{more}
form = people.d7.compose(client, originator="+12025550100", campaign="visits", **{terms})
form
"""


def field(page: Page, label: str) -> Locator:
    return page.get_by_label(label, exact=True)


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def texts(sandbox: SandboxProcess) -> list[str]:
    return [message["content"]["text"]["body"] for message in sandbox.messages()]


def compose_and_send(page: Page, sandbox: SandboxProcess) -> None:
    """Fill in, preview, correct, test, send, and read the result."""
    expect(field(page, "Recipient column")).to_have_value("phone")
    expect(page.get_by_text("Not ready yet: body: a value is required")).to_be_visible()
    field(page, "body").fill("Hi ")
    field(page, "column for body").select_option("insert name")
    expect(field(page, "body")).to_have_value("Hi {name}")
    expect(page.locator(".d7nb-bubble").first).to_contain_text("Hi ")
    expect(page.get_by_text("the cell is empty, but the text needs {name}")).to_be_visible()
    expect(button(page, "Send 5 messages")).to_be_disabled()

    field(page, "body").fill("Your visit is on Monday")
    expect(page.locator(".d7nb-bubble").first).to_contain_text("Your visit is on Monday")
    expect(page.get_by_text("the cell is empty")).to_have_count(0)
    field(page, "body").fill("Hi {name}, see you on Monday")
    expect(page.locator(".d7nb-bubble").first).to_contain_text("see you on Monday")

    field(page, "Send a test to").fill(OWN)
    button(page, "Send test").click()
    expect(page.get_by_text("Test: 3 accepted")).to_be_visible()
    assert set(sandbox.recipients()) == {OWN}
    sandbox.reset()

    field(page, "Rows to send").fill("6")
    expect(button(page, "Send 5 messages")).to_be_disabled()
    field(page, "Rows to send").fill("5")
    button(page, "Send 5 messages").click()
    expect(page.get_by_text("Delivery of 6 rows: 5 accepted")).to_be_visible()
    expect(button(page, "Send 0 messages")).to_be_disabled()
    assert sandbox.recipients() == NUMBERS[:5]
    assert texts(sandbox) == [f"Hi {name}, see you on Monday" for name in NAMES[:5]]
    for number in [*NUMBERS, OWN]:
        expect(page.locator(".d7nb").filter(has_text=number[1:])).to_have_count(0)


def test_a_mailing_is_composed_tried_out_and_sent_in_lab(lab: Lab, sandbox: SandboxProcess) -> None:
    lab.new(form(sandbox), "form.delivery.frame['d7_outcome'].tolist()", "print(form.code)")
    lab.run(0)
    compose_and_send(lab.page, sandbox)
    expect(lab.run(1)).to_contain_text("'accepted', 'accepted', 'accepted', 'accepted', 'accepted', 'invalid'")
    expect(lab.run(2)).to_contain_text("Text(body='Hi {name}, see you on Monday')")
    button(lab.page, "Show code").click()
    expect(field(lab.page, "Python")).to_have_value(re.compile(r"plan = d7nb\.plan\("))


def test_a_mailing_is_composed_tried_out_and_sent_on_a_page(voila: VoilaPage, sandbox: SandboxProcess) -> None:
    voila.new(form(sandbox))
    compose_and_send(voila.page, sandbox)


def test_stop_answers_the_kernel_is_free_and_sending_again_goes_on(lab: Lab, sandbox: SandboxProcess) -> None:
    lab.new(form(sandbox), "6 * 7", "form.delivery.summary")
    lab.run(0)
    page = lab.page
    field(page, "body").fill("See you on Monday")
    sandbox.fail_next("delay", seconds=0.6, probability=1.0)
    field(page, "Rows to send").fill("6")
    button(page, "Send 6 messages").click()
    until(lambda: len(sandbox.recipients()) >= 2, "two went out")
    expect(lab.run(1)).to_contain_text("42")
    button(page, "Stop").click()
    expect(page.get_by_text(re.compile(r"Delivery of 6 rows: [2-5] accepted$"))).to_be_visible()
    went = len(sandbox.recipients())
    expect(lab.run(2)).to_contain_text(f"'accepted': {went}, 'rejected': 0, 'unknown': 0, 'unsent': {6 - went}")
    left = f"Send {6 - went} message{'' if went == 5 else 's'}"
    field(page, "Rows to send").fill(str(6 - went))
    button(page, left).click()
    expect(page.get_by_text(f"Delivery of 6 rows: {6 - went} accepted", exact=True)).to_be_visible()
    expect(page.get_by_text(f"{went} rows already sent, so not sent again")).to_be_visible()
    assert Counter(sandbox.recipients()) == Counter(NUMBERS)


def test_a_closed_tab_loses_nothing(lab: Lab, sandbox: SandboxProcess) -> None:
    lab.new(form(sandbox))
    lab.run(0)
    field(lab.page, "body").fill("See you on Monday")
    sandbox.fail_next("delay", seconds=0.3, probability=1.0)
    field(lab.page, "Rows to send").fill("6")
    button(lab.page, "Send 6 messages").click()
    until(sandbox.recipients, "one went out")
    lab.page.close()
    until(lambda: len(sandbox.recipients()) == 6, "all went out")
    assert Counter(sandbox.recipients()) == Counter(NUMBERS)


POLL = """
from collections.abc import Sequence
from d7nb.content import Content, Part, items, leaf
from d7nb.content.rules import META, TEXT, max_length

class Choice(Part):
    text: str = leaf("text", TEXT, max_length(100, META))
    short = ("text",)

class Poll(Content, message_type="POLL", root="poll"):
    question: str = leaf("question")
    choices: Sequence[Choice] = items("choices", Choice, 2, 12, by=META)

class Polls:
    @d7nb.hookimpl
    def d7nb_content_types(self):
        return [Poll]

d7nb.plugins.register(Polls())
sandbox = d7nb.Sandbox(extra_types=["POLL"])
client = sandbox.client()
"""


def test_a_plugin_s_content_has_a_form_a_preview_and_goes_out(lab: Lab, sandbox: SandboxProcess) -> None:
    lab.new(form(sandbox, POLL), "[content['poll'] for content in sandbox.messages['content']][:1]")
    lab.run(0)
    page = lab.page
    field(page, "Kind of message").select_option("Poll")
    field(page, "question").fill("Tea or coffee, ")
    field(page, "column for question").select_option("insert phone")
    field(page, "choices 1 text").fill("Tea")
    field(page, "choices 2 text").fill("Coffee")
    bubble = page.locator(".d7nb-bubble").first
    for words in ("Tea or coffee", "Tea", "Coffee"):
        expect(bubble).to_contain_text(words)
    field(page, "Rows to send").fill("6")
    button(page, "Send 6 messages").click()
    expect(page.get_by_text("Delivery of 6 rows: 6 accepted")).to_be_visible()
    expect(lab.run(1)).to_contain_text(f"'question': 'Tea or coffee, {NUMBERS[0]}'")


HOSTILE = [
    "<script>document.title = 'taken'; alert(1)</script>",
    "<img src='/stolen' onerror='alert(2)'>",
    "<svg onload='alert(3)'><style>* { display: none }</style>",
    "</div></textarea><iframe src='http://elsewhere.example/stolen'></iframe>",
    "\u202egnirts \u2066 zero\u200bwidth",
    "x" * 4000,
]


def test_hostile_cells_and_column_names_stay_words(lab: Lab, sandbox: SandboxProcess, watch: Watch) -> None:
    cells = f"people['<b onclick=alert(5)>x</b>'] = {HOSTILE!r}\npeople['name'] = {HOSTILE!r}"
    lab.new(form(sandbox, cells, content=None))
    lab.run(0)
    page = lab.page
    field(page, "body").fill("{name}")
    field(page, "column for body").select_option("the column <b onclick=alert(5)>x</b> alone")
    for _ in HOSTILE:
        expect(page.locator(".d7nb-bubble").first).to_be_visible()
        button(page, "Next message").click()
    active = ("script", "img", "iframe", "svg", "[onclick]", "[onload]", "[onerror]")
    assert page.locator(", ".join(f".d7nb {each}" for each in active)).count() == 0
    assert page.title() != "taken"
    assert not [address for address in watch.requested if "stolen" in address]


def test_pictures_of_the_form(lab: Lab, sandbox: SandboxProcess, shoot: Callable[[Any, str], None]) -> None:
    lab.new(form(sandbox))
    lab.page.keyboard.press("Control+b")  # the file list, away
    lab.run(0)
    field(lab.page, "body").fill("Hi *{name}*, see you on Monday")
    expect(lab.page.locator(".d7nb-bubble").first).to_contain_text("see you on Monday")
    output = lab.output(0)
    for theme in ("Light", "Dark"):
        lab.theme(theme)
        for width in (1280, 700):
            lab.page.set_viewport_size({"width": width, "height": 1600})
            expect(output).to_be_visible()
            assert output.evaluate("box => box.scrollWidth <= box.clientWidth + 1")
            shoot(output, f"form-{theme.lower()}-{width}")


def test_the_shell_serves_the_form_as_a_page(page: Page, watch: Watch, tmp_path: Path) -> None:
    watch.tolerated = (ICONS,)
    table = tmp_path / "customers.csv"
    table.write_text("phone;name\n" + "".join(f"{number};Ali\n" for number in NUMBERS), encoding="utf-8")
    port = free_port()
    words = ["compose", str(table), "--originator", "+12025550100", "--sandbox", "--no-browser", "--port", str(port)]
    command = [sys.executable, "-m", "d7nb", *words]
    environment = {**os.environ, "D7NB_LEDGER": str(tmp_path / "ledger.sqlite3"), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            until(lambda: answers(port), "the page is served")
            page.goto(f"http://127.0.0.1:{port}/")
            field(page, "body").fill("Hi {name}")
            field(page, "Rows to send").fill("6")
            button(page, "Send 6 messages").click()
            expect(page.get_by_text("Delivery of 6 rows: 6 accepted")).to_be_visible()
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 130


def answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/voila/static/voila.js", timeout=5).status_code < 500
    except requests.ConnectionError:
        return False
