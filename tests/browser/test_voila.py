"""What forms as pages need of Voila: labels, buttons and outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.browser.pages import VoilaPage, expect

if TYPE_CHECKING:
    from tests.browser.watching import Watch

FORM = """
import ipywidgets as widgets

name = widgets.Text(description="Your name", style={"description_width": "initial"})
greet = widgets.Button(description="Greet")
said = widgets.HTML("nobody yet")
greet.on_click(lambda _: setattr(said, "value", f"Hi {name.value}"))
widgets.VBox([name, greet, said])
"""


def test_a_field_is_found_by_its_label_and_a_click_changes_what_is_shown(voila: VoilaPage) -> None:
    voila.new(FORM)
    page = voila.page
    expect(page.get_by_text("nobody yet")).to_be_visible()
    page.get_by_label("Your name").fill("Žofie عائشة")
    page.get_by_role("button", name="Greet").click()
    expect(page.get_by_text("Hi Žofie عائشة")).to_be_visible()


def test_the_icon_font_is_asked_for_and_not_got(voila: VoilaPage, watch: Watch) -> None:
    """If Voila stops asking, the exception made for it can go."""
    voila.new("'loaded'")
    expect(voila.page.get_by_text("loaded")).to_be_visible()
    strange = [address for address in watch.requested if address.startswith(watch.tolerated)]
    assert strange
    assert any("ERR_NAME_NOT_RESOLVED" in line for line in watch.console)
