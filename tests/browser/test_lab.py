"""The notebook face in JupyterLab: what a person sees, presses and gets, held against what the sandbox took in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.browser.pages import Lab, expect
from tests.browser.processes import ROOT, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator, Page

    from tests.browser.processes import SandboxProcess
    from tests.browser.watching import Watch

NUMBERS = [f"+120255501{number}" for number in range(30, 42)]
WHOLE = "2025550"
"""What no display of ours may show: the middle of a number from the range that all our numbers are of."""

HOSTILE = [
    "<script>document.title = 'taken'; alert(1)</script>",
    "<img src='/stolen' onerror='alert(2)'>",
    "<svg onload='alert(3)'><style>* { display: none }</style>",
    "<a href='javascript:alert(4)'>javascript:alert(4)</a>",
    "</div></table></textarea><iframe src='http://elsewhere.example/stolen'></iframe>",
]


def a_mailing(sandbox: SandboxProcess) -> str:
    return f"""
import d7nb, pandas as pd
people = pd.DataFrame({{"phone": {NUMBERS}, "name": list("abcdefghijkl")}})
client = {sandbox.client}
plan = people.d7.plan(d7nb.Text("Hi {{name}}"), to="phone", originator="+12025550100", campaign="a")
"""


def test_the_first_notebook_shows_what_its_sandbox_took_in(lab: Lab, watch: Watch) -> None:
    lab.open(ROOT / "notebooks" / "01-send-a-table.ipynb")
    lab.run_all()
    expect(lab.page.locator(".jp-OutputArea-output[data-mime-type*=error]")).to_have_count(0)

    plan, delivery = lab.output("plan = people.d7.plan("), lab.output("delivery = plan.send(")
    expect(plan).to_contain_text("Plan of campaign balance-2026-11: 3 of 7 rows would be sent")
    expect(lab.output("plan.preview()")).to_contain_text("Hi Ali, your balance is 1,234.50 AED")
    expect(delivery).to_contain_text("Delivery of 7 rows: 3 accepted")
    for shown in (plan, delivery, lab.output("plan.problems"), lab.output("plan.preview()")):
        expect(shown).not_to_contain_text(WHOLE)
    assert lab.page.locator(".d7nb script, .d7nb [onclick], .d7nb img").count() == 0

    rows = lab.table("delivery.frame")
    accepted = [row["d7_recipient"] for row in rows if row["d7_outcome"] == "accepted"]
    taken_in = [row["recipient"] for row in lab.table("sandbox.messages")]
    assert len(rows) == 7
    assert sorted(accepted) == sorted(taken_in) != []
    assert watch.requested, "a watch that sees nothing proves nothing"


def test_the_notebook_on_following_up_shows_what_became_of_messages(
    lab: Lab, shoot: Callable[[Page | Locator, str], None]
) -> None:
    lab.open(ROOT / "notebooks" / "04-follow-up.ipynb")
    lab.run_all()
    expect(lab.page.locator(".jp-OutputArea-output[data-mime-type*=error]")).to_have_count(0)
    followed = lab.output("delivery.watch(")
    expect(followed.get_by_role("row", name="read 16 it was read")).to_be_visible()
    expect(followed.get_by_role("row", name="accepted 1 failed after D7 accepted it: 131026")).to_be_visible()
    expect(followed).not_to_contain_text(WHOLE)
    assert lab.table('delivery.funnel("city")')[1]["read"] == "7"
    drawn = lab.output("delivery.plot(").locator("img")
    expect(drawn).to_have_count(1)  # a figure that is shown twice is a common slip
    drawn.scroll_into_view_if_needed()
    shoot(lab.page, "follow-up")


def test_stop_ends_a_watch_and_keeps_what_was_heard(lab: Lab, sandbox: SandboxProcess) -> None:
    lab.new(
        a_mailing(sandbox) + "delivery = plan.send(client)",
        "delivery.watch(lambda _: False, every=0.5)",
        "print('the next cell')",
        "delivery",
    )
    lab.start_all()
    expect(lab.output(1)).to_contain_text("12/12", timeout=60_000)  # all are delivered
    lab.stop()
    lab.settle()
    expect(lab.output(1)).to_contain_text("Interrupted: watching was interrupted; the statuses read so far are kept")
    expect(lab.output(1)).not_to_contain_text(WHOLE)
    expect(lab.prompt(2)).to_have_text("[ ]:")
    expect(lab.run(3)).to_contain_text("status")


def test_stop_in_the_middle_of_a_send_and_run_again(lab: Lab, sandbox: SandboxProcess) -> None:
    sandbox.fail_next("delay", times=len(NUMBERS), seconds=1)
    lab.new(a_mailing(sandbox), "delivery = plan.send(client)\ndelivery", "print('the next cell')")
    lab.start_all()
    until(lambda: len(sandbox.messages()) >= 2, "the send is in its middle")
    lab.stop()
    lab.settle()

    expect(lab.output(1)).to_contain_text("Interrupted: the send was interrupted; its delivery says how far it came")
    expect(lab.output(1)).not_to_contain_text(WHOLE)
    expect(lab.prompt(2)).to_have_text("[ ]:")
    first = sandbox.recipients()
    assert 2 <= len(first) < len(NUMBERS)
    known = lab.add("print(plan.delivery(client).summary)")
    expect(known).to_contain_text(f"'accepted': {len(first)}")  # what was in flight was finished and recorded
    expect(known).to_contain_text(f"'unsent': {len(NUMBERS) - len(first)}")

    sandbox.reset()
    again = lab.run(1)
    second = sandbox.recipients()
    expect(again).to_contain_text(f"Delivery of {len(NUMBERS)} rows: {len(second)} accepted")
    expect(again.get_by_role("row", name=f"already_sent {len(first)} an earlier run sent it")).to_be_visible()
    assert sorted(first + second) == NUMBERS, "everybody once"

    lab.run(1)
    assert sandbox.recipients() == second, "a third run finds nobody left"


def test_nothing_in_a_table_or_an_answer_comes_alive(lab: Lab, sandbox: SandboxProcess, watch: Watch) -> None:
    refusal = [{"loc": ["body", "messages", 0], "msg": HOSTILE[1], "type": "value_error"}]
    sandbox.fail_next("status", code=422, body={"detail": refusal})
    frame = {"phone": [*NUMBERS[:5], *HOSTILE], "name": HOSTILE * 2, "<b onclick='alert(5)'>": HOSTILE * 2}
    lab.new(
        f"import d7nb, pandas as pd\npeople = pd.DataFrame({frame})\nclient = {sandbox.client}\npeople",
        f"""
text = d7nb.Text("Hi {{name}} {{<b onclick='alert(5)'>}}")
plan = people.d7.plan(text, to="phone", originator="+12025550100", campaign={HOSTILE[1]!r})
plan""",
        "plan.preview()",
        "plan.problems",
        "delivery = plan.send(client)\ndelivery",
        "delivery.requests",
        # Alive itself: when this picture has failed to load, those above would have, too.
        'from IPython.display import HTML\nHTML(\'<img src="/missing" onerror="this.replaceWith(`all done`)">\')',
    )
    lab.run_all()
    expect(lab.output(6)).to_contain_text("all done")

    expect(lab.output(1)).to_contain_text("5 of 10 rows would be sent")
    expect(lab.output(1)).to_contain_text(HOSTILE[1])
    for text in HOSTILE:
        expect(lab.output(2)).to_contain_text(f"Hi {text}")
    expect(lab.output(4)).to_contain_text(HOSTILE[1])
    assert lab.page.locator(".d7nb").locator("script, img, svg, iframe, a, b").count() == 0
    assert not [address for address in watch.requested if "stolen" in address]
    assert "taken" not in lab.page.title()
    assert not watch.dialogs
    sent = [row["content"]["text"]["body"] for row in sandbox.messages()]
    assert sent == [f"Hi {text} {text}" for text in HOSTILE[1:]]


def test_displays_take_the_theme_s_colours(lab: Lab, sandbox: SandboxProcess, shoot: Callable) -> None:
    lab.new(a_mailing(sandbox) + "plan", "plan.preview()", "plan.send(client)")
    lab.run_all()
    colours = set()
    for theme in ("Light", "Dark"):
        lab.theme(theme)
        for place, what in enumerate(["plan", "preview", "delivery"]):
            shown = lab.output(place).locator(".d7nb")
            expect(shown).to_be_visible()
            inherited = shown.evaluate("each => getComputedStyle(each.parentElement).color")
            expect(shown).to_have_css("color", inherited)
            shoot(shown, f"{what}-{theme.lower()}")
            colours.add(inherited)
    assert len(colours) == 2


def test_what_does_come_alive_is_noticed(lab: Lab, watch: Watch) -> None:
    """The watch itself: a test that could not fail would be worth nothing."""
    lab.new(
        "from IPython.display import HTML",
        'HTML(\'<img src="/missing" onerror="alert(1)"><img src="http://elsewhere.example/seen">\')',
    )
    with lab.page.expect_event("dialog"):
        lab.run_all()
    assert set(watch.dialogs) == {"alert: 1"}
    assert set(watch.foreign_requests) == {"http://elsewhere.example/seen"}
    lab.page.close()
    watch.dialogs.clear()
    watch.requested.clear()
