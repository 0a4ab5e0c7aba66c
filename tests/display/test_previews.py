"""Previews: which rows are picked and why, and each message as its recipient would see it."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, strategies as st

import d7nb
from d7nb import Attachment, Contacts, Location, ReplyButtons, Template, Text, by_column, col, hookimpl
from d7nb.content import Content, Part, free, items, leaf, nested
from d7nb.content.bubble import Bubble, Button, Line, Media, Section
from d7nb.display.bubbles import bubble_html, bubble_text
from d7nb.display.css import STYLE
from tests.support.contents import CASES, Case
from tests.support.html import Element, read
from tests.support.plans import LINK, ORIGINATOR, PHONES
from tests.support.samples import HOSTILE, by_case, saying


def bubbles(preview: Any) -> list[Element]:
    """Return the bubble of each message in a preview."""
    return [figure.of("bubble")[0] for figure in read(preview._repr_html_()).of("message")]


def drawn(content: Content, **columns: Any) -> Element:
    """Return the bubble of one message."""
    frame = pd.DataFrame({"phone": PHONES[:1], **{name: pd.Series([cell]) for name, cell in columns.items()}})
    (bubble,) = bubbles(d7nb.plan(frame, content, to="phone", originator=ORIGINATOR).preview())
    return bubble


# Each content

UNREAD = {
    *("message_type", "type", "media_type", "action_type", "sub_type", "flow_message_version", "flow_action"),
    *("id", "wa_id", "flow_token", "button_index", "action_index", "card_index", "index", "preview_url", "data"),
    "flow_action_data",
    *("first_name", "last_name", "middle_name", "prefix", "suffix"),  # all of them in the formatted name
    *("language", "expiration_time_ms"),  # shown in other words
}


def texts_in(node: Any) -> list[str]:
    """Return the texts of D7's JSON that a recipient reads."""
    if isinstance(node, dict):
        read = {key: child for key, child in node.items() if key not in UNREAD}
        if "name" in read and {"parameters", "name"} >= read.keys():
            read.pop("name")  # an action's
        return [text for child in read.values() for text in texts_in(child)]
    if isinstance(node, list):
        return [text for child in node for text in texts_in(child)]
    return [str(node).replace("*", "")]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
@pytest.mark.parametrize("where", ["literal", "column"])
def test_every_text_of_every_content_is_in_its_bubble(case: Case, where: str) -> None:
    columns: dict[str, Any] = {}

    def bound(value: Any) -> Any:
        columns[name := f"column {len(columns)}"] = value
        return col(name)

    content = case.build(bound if where == "column" and not case.name.startswith("bound") else lambda value: value)
    with d7nb.options.revealed():
        frame = pd.DataFrame({"phone": PHONES[:1]} | {name: pd.Series([cell]) for name, cell in columns.items()})
        preview = d7nb.plan(frame, content, to="phone", originator=ORIGINATOR).preview()
        (bubble,) = bubbles(preview)
        assert [text for text in texts_in(case.expected) if text not in bubble.text] == []
        assert [text for text in texts_in(case.expected) if text not in repr(preview).replace("*", "")] == []
        assert "could not draw itself" not in bubble.text


PARTS: dict[str, list[tuple[str, str]]] = {
    "text": [("body", "Hi Ali 👍")],
    "text_with_preview": [("note", "WhatsApp previews the first address")],
    "reaction": [("reaction", "👍on the customer's message5a4b1c2e-8d6f-11ee-9a3b-0242ac130002")],
    "image": [("tile-image", "Image"), ("where", LINK), ("body", "Our shop")],
    "document": [("tile-document", "Document"), ("name", "Invoice 17.pdf"), ("body", "May")],
    "video": [("tile-video", "Video"), ("body", "Tour")],
    "audio": [("tile-audio", "Audio")],
    "sticker": [("sticker", f"Sticker{LINK}")],
    "location": [("name", "Office"), ("where", "Office25.2048, -55.5"), ("tile-location", "")],
    "contact": [("contact", "Sara Haddadphone+120••••••42")],
    "text_header_and_footer": [
        ("header", "Order 17"),
        ("body", "Which?"),
        ("footer", "The shop"),
        ("buttons", "YesNo"),
    ],
    "document_header": [("tile-document", "Document"), ("name", "a.pdf")],
    "list": [("header", "Menu"), ("buttons", "Openopens the list"), ("footer", "Today")],
    "cta_url": [("buttons", f"Openopens {LINK}"), ("tile-image", "Image")],
    "location_request": [("buttons", "Send locationWhatsApp's own button, in the customer's language")],
    "flow": [("buttons", "Bookopens flow 1234 at START")],
    "template_parameters_in_order": [("label", "Template balance_due, en_GB")],
    "template_text_header": [("header", "Order 17")],
    "template_location_header": [("where", "Office25.5, 55.25")],
    "template_carousel": [("carousel", "")],
}


@pytest.mark.parametrize("name", PARTS)
def test_each_part_is_in_its_element(name: str) -> None:
    plan = by_case()
    rows = plan.preview(60).frame["row"].tolist()
    bubble = bubbles(plan.preview(60))[rows.index([case.name for case in CASES].index(name))]
    for part, expected in PARTS[name]:
        (element,) = [
            each for each in [bubble, *bubble.of(part)] if f"d7nb-{part}" in each.attributes["class"].split()
        ][:1]
        assert re.sub(r"\n", "", element.text) == expected or not expected


def test_a_list_shows_its_sections_and_rows() -> None:
    content = next(case for case in CASES if case.name == "list").build(lambda value: value)
    bubble = drawn(content)
    assert [section.text for section in bubble.of("section")] == ["Hot", "Cold"]
    assert [[row.text for row in each.all("li")] for each in bubble.of("rows")] == [["TeaBlack", "Milk"], ["Water"]]


def test_a_template_shows_its_parameters_as_the_template_counts_them() -> None:
    bubble = drawn(Template("due", "ar", body_parameters=["{a}", *"23456789", "*ten*", "eleven"]), a="one")
    terms = [(term.text, text.text) for term, text in zip(bubble.all("dt"), bubble.all("dd"), strict=True)]
    assert terms[0] == ("{{1}}", "one")
    assert terms[9:] == [("{{10}}", "ten"), ("{{11}}", "eleven")]
    assert {text.attributes["lang"] for text in bubble.all("dd")} == {"ar"}
    assert "own words are kept at Meta" in bubble.one("note").text


@pytest.mark.parametrize("language", ["en_GB", "zh_Hant_TW", '"><b>', "", "e" * 90])
def test_a_language_is_named_where_it_is_one(language: str) -> None:
    bubble = read(STYLE + bubble_html(Bubble(body="x", lang=language.replace("_", "-"))))
    assert [each.attributes.get("lang", "none") for each in bubble.of("body")] == [
        language.replace("_", "-") if re.fullmatch(r"\w\w(_\w+)+", language) else "none"
    ]


def test_a_carousel_shows_its_cards_and_their_parts() -> None:
    content = next(case for case in CASES if case.name == "template_carousel").build(lambda value: value)
    first, second = drawn(content).of("card")
    assert first.of("tile-image")
    assert [text.text for text in first.all("dd")] == ["Card 0"]
    assert second.one("buttons").text.strip() == "Button 1quick reply more-1"


@pytest.mark.parametrize(
    "components",
    [
        [{"type": "header", "parameters": [{"type": "text", "text": "Words"}]}],
        [{"type": "header", "parameters": [{"type": "image", "image": {"id": "Words"}}]}],
        [{"type": "new", "parameters": [{"deep": ["Words"]}]}],
        ["Words"],
        [{"type": "body", "parameters": "Words"}],
        [[["Words"]]],
    ],
)
def test_cards_of_any_shape_are_shown(components: list[Any]) -> None:
    bubble = drawn(Template("due", "en", carousel={"cards": [{"card_index": "0", "components": components}]}))
    assert "Words" in bubble.text


def test_a_contact_s_name_in_parts_is_shown_where_it_differs() -> None:
    bubble = drawn(Contacts([{"name": {"formatted_name": "Dr Haddad", "first_name": "Sara"}}]))
    assert [(term.text, text.text) for term, text in zip(bubble.all("dt"), bubble.all("dd"), strict=True)] == [
        ("saved as", "Sara")
    ]


def test_a_reaction_that_takes_one_back_says_so() -> None:
    assert "takes an earlier reaction back" in drawn(d7nb.Reaction("5a4b", "")).text


def test_every_text_has_its_direction_found_by_the_browser() -> None:
    for preview in (by_case().preview(60), saying(*HOSTILE.values()).preview(30)):
        for bubble in bubbles(preview):
            elements = [each for name in ("text", "label", "section", "name") for each in bubble.of(name)]
            elements += [span for entry in bubble.all("li") for span in entry.children if isinstance(span, Element)]
            elements += [child for each in bubble.of("where") for child in each.children if isinstance(child, Element)]
            assert {each.attributes.get("dir") for each in (*elements, *bubble.all("dt"))} == {"auto"}


# WhatsApp's markup

MARKUP = {
    "*bold*": [("bold", "strong")],
    "_italic_": [("italic", "em")],
    "~gone~": [("gone", "s")],
    "```a\n*b*```": [("a\n*b*", "code")],
    "`a *b*`": [("a *b*", "code")],
    "*_both_*": [("both", "strong em")],
    "*a _b ~c~_*": [("a ", "strong"), ("b ", "strong em"), ("c", "strong em s")],
    "(*a*), *b*!": [("a", "strong"), ("b", "strong")],
    "*`a`*": [("a", "code")],
    "5 * 3 * 2": [],
    "a*b*c": [],
    "snake_case_name": [],
    "*a\nb*": [],
    "* a*": [],
    "*a *": [],
    "**": [],
    "```": [],
    "*a": [],
    "*<b>*": [("<b>", "strong")],
}


def runs(element: Element, *tags: str) -> list[tuple[str, str]]:
    """Return each run of text that is inside other elements, with their tags."""
    styled = []
    for child in element.children:
        if isinstance(child, Element):
            styled += runs(child, *tags, child.tag)
        elif tags:
            styled.append((child, " ".join(tags)))
    return styled


@pytest.mark.parametrize("text", MARKUP)
def test_whatsapp_s_markup_is_drawn_as_whatsapp_draws_it(text: str) -> None:
    body = drawn(Text(text.replace("{", "{{").replace("}", "}}"))).one("body")
    assert runs(body) == MARKUP[text]
    if not MARKUP[text]:
        assert body.text == text


@pytest.mark.parametrize("text", ["*a_~" * 1024, " *a" * 1365, "`" * 4096, "```x" * 1024, "*_~" * 1365])
def test_marks_without_end_are_drawn_in_no_time(text: str) -> None:
    assert drawn(Text(col("text")), text=text).text


def test_headers_buttons_and_names_know_no_markup() -> None:
    bubble = drawn(ReplyButtons("*a*", ["*b*"], header="*c*", footer="*d*"))
    assert [each.text for each in bubble.all("strong")] == ["a"]
    assert "*b*" in bubble.one("buttons").text
    assert (bubble.one("header").text, bubble.one("footer").text) == ("*c*", "*d*")


# Hostile cells

TRICKS = st.sampled_from(
    [
        *HOSTILE.values(),
        *(
            "<",
            ">",
            '"',
            "'",
            "&",
            "&lt;",
            "\x00",
            "\x1b[2J",
            "\r\n",
            "\u2028",
            "{{",
            "}}",
            "{%",
            "{#",
            "*",
            "_",
            "~",
            "`",
        ),
        *("\u202e", "\u2066", "\u200f", "\u200d", "\ufeff", "-->", "]]>", "<!--", "</style>", "javascript:", "👍"),
    ]
)
NASTY = st.lists(TRICKS | st.text(max_size=8), max_size=12).map("".join)
HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u200b\u202a-\u202e\u2028\u2029\u2060-\u206f\ufeff\ud800-\udfff]")


def everywhere(text: str) -> Bubble:
    """Return a bubble with a text in each of its parts."""
    line, button, file = Line(text, text), Button(text, text), Media(text, text, text)
    inner = Bubble(
        text, file, text, text, (line,), (), text, (button,), (Section(text, (line,)),), text, text, "contact"
    )
    return Bubble(
        text, file, text, text, (line,), (inner,), text, (button,), (Section(text, (line,)),), text, text, text
    )


@given(NASTY)
def test_no_text_breaks_out_of_its_element(text: str) -> None:
    html = STYLE + bubble_html(everywhere(f"x{text}"))
    assert read(html).shape == read(STYLE + bubble_html(everywhere("x"))).shape
    assert not HIDDEN.search(html)
    assert not HIDDEN.search(bubble_text(everywhere(f"x{text}")))


@given(NASTY)
def test_no_cell_breaks_out_of_a_plan_s_displays(text: str) -> None:
    plan = saying(f"x{text}", "x", campaign=f"x{text}")
    shape = read(saying("x", "xx").preview()._repr_html_())
    shown = read(plan.preview()._repr_html_())
    if plan.summary["ready"] == 2:
        assert len(shown.of("message")) == len(shape.of("message"))
        assert not HIDDEN.search(repr(plan.preview()))
    assert not HIDDEN.search(read(plan._repr_html_()).text)
    assert not HIDDEN.search(repr(plan))


BETWEEN = ["", " ", "-", ".", "*", "_", "\u200b", "\ufeff", "\u202e", "\u2066", "\xad", "\u2060", " \u200f"]


@given(st.lists(st.sampled_from(BETWEEN), min_size=10, max_size=10), st.sampled_from(["", "*", "_", "`", "```", "~"]))
def test_no_number_shows_through(between: list[str], mark: str) -> None:
    digits = "12025550123"
    number = digits[0] + "".join(gap + digit for gap, digit in zip(between, digits[1:], strict=True))
    text = f"call {mark}+{number}{mark} now"
    preview = saying(text, "x").preview()
    for shown in (read(preview._repr_html_()).text, repr(preview)):
        assert digits not in re.sub(r"\D", "", re.sub(r"⟨[^⟩]*⟩|row \d+ to \S+", "", shown))


def test_a_number_whose_digits_stand_in_two_styles_is_masked() -> None:
    assert "+120••••••23" in drawn(Text("call +1 202 `555` 0123")).text


def test_invisible_characters_are_shown_as_tokens() -> None:
    body = drawn(Text(col("text")), text="a\u202eb\u200bc\x1bd\x07").one("body")
    tokens = [(each.text, each.attributes["title"]) for each in body.of("unseen")]
    assert tokens == [
        ("RLO", "U+202E RIGHT-TO-LEFT OVERRIDE"),
        ("ZWSP", "U+200B ZERO WIDTH SPACE"),
        ("ESC", "U+001B"),
        ("U+0007", "U+0007"),
    ]
    assert "a⟨RLO⟩b⟨ZWSP⟩c⟨ESC⟩d⟨U+0007⟩" in repr(saying("a\u202eb\u200bc\x1bd\x07").preview())


@pytest.mark.parametrize("text", [HOSTILE["emoji"], HOSTILE["persian"], "שלום\u200f, Ali", "❤\ufe0f 1\ufe0f\u20e3"])
def test_joiners_stay_where_a_script_needs_them(text: str) -> None:
    body = drawn(Text(col("text")), text=text).one("body")
    assert body.text == text
    assert body.of("unseen") == []


def test_long_texts_are_cut_short_with_a_note() -> None:
    preview = d7nb.plan(
        pd.DataFrame({"phone": PHONES[:1], "text": "é" * 100_000}),
        Template("due", "en", body_parameters=["{text}"], quick_replies=["{text}"]),
        to="phone",
        originator=ORIGINATOR,
    ).preview()
    assert "… 95,904 more characters" in read(preview._repr_html_()).text
    assert "more characters" in repr(preview)
    assert len(preview._repr_html_()) < 30_000
    assert len(repr(preview)) < 10_000
    assert len(preview.frame.loc[0, "text"]) > 200_000  # the frame is the user's


def test_many_cards_and_lines_are_cut_short_with_a_note() -> None:
    bubble = drawn(Contacts([{"name": f"Contact {number}"} for number in range(50)]))
    assert len(bubble.of("contact")) == 40
    assert "… 10 more cards" in bubble.text
    assert "… 1 more card<" in bubble_html(Bubble(cards=(Bubble(body="x"),) * 41))
    assert "… 10 more lines" in bubble_text(Bubble(lines=tuple(Line("x") for _ in range(50))))


def test_links_are_text() -> None:
    bubble = drawn(Text("https://example.com javascript:alert(1)"))
    assert bubble.one("body").text == "https://example.com javascript:alert(1)"


# Numbers


def test_numbers_are_masked_until_the_user_asks() -> None:
    plan = d7nb.plan(
        pd.DataFrame({"phone": PHONES[:1]}),
        Contacts([{"name": "Sara", "phones": ["+12025550142"]}]),
        to="phone",
        originator=ORIGINATOR,
    )
    preview = plan.preview()
    for shown in (preview._repr_html_(), repr(preview), preview.frame.to_string()):
        assert "+120••••••42" in shown
        assert "2025550" not in shown
    with d7nb.options.revealed():
        for shown in (preview._repr_html_(), repr(preview), preview.frame.to_string()):
            assert "+12025550142" in shown
            assert PHONES[0] in shown
            assert "numbers masked" not in shown
    assert "2025550" not in repr(preview)
    with d7nb.options.revealed():
        assert "2025550" not in plan._repr_html_() + repr(plan)


def test_coordinates_are_not_masked_as_a_number() -> None:
    assert drawn(Location(25.2048493, 55.2707828)).one("where").text.strip() == "25.2048493, 55.2707828"


# Which rows, and why


FIRST = "one of the first"


def reasons_of(preview: Any) -> dict[int, str]:
    return dict(zip(preview.frame["row"], preview.frame["why"], strict=True))


def test_each_picked_row_says_why_in_the_display_too() -> None:
    preview = saying("middling", "a", "long " * 9, "مرحبا", "party 🎉", "1.0", "same", "same").preview(7)
    shown = read(preview._repr_html_())
    assert [each.text for each in shown.of("why")] == preview.frame["why"].tolist()
    assert preview.frame.columns.tolist() == ["row", "index", "why", "recipient", "message_type", "text"]
    for row, why in reasons_of(preview).items():
        assert f"row {row} to +120••••••0{row} ({why}):" in repr(preview)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["alone"], {0: "the only one"}),
        (["same", "same"], {0: "the same for all 2 rows", 1: "one of the first"}),
        (
            ["bb", "bb", "bb", "cc", "dd", "ee", "a", "fff"],
            {7: "longest", 6: "shortest", 0: "the same for 3 rows", 3: FIRST, 4: FIRST, 5: FIRST},
        ),
        (["aa", "bb"], {0: "one of the first", 1: "one of the first"}),
        (["a", "bb", "bb"], {1: "longest, the same for 2 rows", 0: "shortest", 2: "one of the first"}),
        (["a\ufeffb", "plain text"], {1: "longest", 0: "shortest, invisible characters"}),
        (["1.00", "a 12.0 b", "x"], {1: "longest, a number that looks like 1.0", 2: "shortest", 0: "one of the first"}),
        (["1️⃣", "a ⭐", "🇦🇪 flag"], {2: "longest", 0: "shortest, emoji", 1: "one of the first"}),
    ],
)
def test_unusual_rows_are_picked(texts: list[str], expected: dict[int, str]) -> None:
    assert reasons_of(saying(*texts).preview()) == expected


def test_each_kind_of_message_is_shown_if_there_is_room() -> None:
    frame = pd.DataFrame(
        {"phone": PHONES[:9], "kind": [*["text"] * 7, "map", "file"], "text": [*"abcdefg", None, None]}
    )
    kinds = {"text": Text("{text}"), "map": Location(1, 2), "file": Attachment("image", LINK)}
    plan = d7nb.plan(frame, by_column("kind", kinds), to="phone", originator=ORIGINATOR)
    assert reasons_of(plan.preview(4)) == {
        8: "longest",
        0: "shortest",
        7: "the first of its kind",
        1: "one of the first",
    }
    assert "row 7 to +120••••••07, LOCATION" in read(plan.preview()._repr_html_()).text


@pytest.mark.parametrize("n", [0, -1, 1, 100])
def test_as_many_are_shown_as_asked_for_and_no_more(n: int) -> None:
    preview = saying(*"abcd").preview(n)
    assert len(bubbles(preview)) == len(preview.frame) == max(min(n, 4), 0)
    assert f"{len(preview.frame)} of 4 messages" in preview._repr_html_()


# A plugin's own


class Choice(Part):
    text: str = leaf("text")
    hint: str | None = leaf("hint", default=None)


class Prize(Part):
    name: str = leaf("label.name")
    worth: int | None = leaf("worth", default=None)


class Poll(Content, message_type="POLL", root="poll", constants={"version": "7"}):
    """A content type without a drawing of its own."""

    title: str = leaf("title")
    choices: Any = items("choices", Choice, 1)
    prize: Any = nested("prize", Prize, default=None)
    more: Any = free("more", dict, default=None)


POLL = Poll(
    "Who wins, {who}?",
    [{"text": "{who}", "hint": "a guess"}, {"text": "Nobody"}],
    prize={"name": "A cup", "worth": "5"},
    more={"deep": {"is_open": True}},
)


class Offers:
    def __init__(self, kind: type[Content]) -> None:
        self._kind = kind

    @hookimpl
    def d7nb_content_types(self) -> list[type[Content]]:
        return [self._kind]


def test_a_plugin_s_content_gets_a_preview_for_free() -> None:
    with d7nb.plugins.register(Offers(Poll)):
        bubble = drawn(POLL, who="Ali")
    assert bubble.one("label").text == "Poll"
    assert bubble.one("body").text == "Who wins, Ali?"
    assert [row.text for row in bubble.one("rows").all("li")] == ["Alia guess", "Nobody"]
    assert [(term.text, text.text) for term, text in zip(bubble.all("dt"), bubble.all("dd"), strict=True)] == [
        ("prize name", "A cup"),
        ("prize worth", "5"),
        ("more deep is open", "yes"),
    ]
    assert "7" not in bubble.text


class Drawn(Poll, message_type="POLL", root="poll"):
    """A content type that draws itself."""

    @classmethod
    def bubble(cls, said: Any) -> Bubble:
        return Bubble(body=said["title"], buttons=tuple(Button(each["text"]) for each in said["choices"]))


class Raises(Poll, message_type="POLL", root="poll"):
    @classmethod
    def bubble(cls, said: Any) -> Bubble:
        message = "no <b>luck</b> with +12025550142"
        raise ValueError(message)


class Wrong(Poll, message_type="POLL", root="poll"):
    @classmethod
    def bubble(cls, said: Any) -> Any:
        return "<b>not a bubble</b>"


class Bent(Poll, message_type="POLL", root="poll"):
    @classmethod
    def bubble(cls, said: Any) -> Bubble:
        return Bubble(body="x", buttons=("not a button",))  # type: ignore[arg-type]


def test_a_plugin_can_draw_its_content_itself() -> None:
    bubble = drawn(Drawn("Who?", [{"text": "Ali"}]))
    assert bubble.one("buttons").text.strip() == "Ali"
    assert bubble.of("label") == []


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (Raises, "ValueError: no <b>luck</b> with +120••••••42"),
        (Wrong, "bubble() returned a text, not a Bubble"),
        (Bent, "TypeError: buttons takes Button objects, not a text"),
    ],
)
def test_a_plugin_whose_drawing_fails_is_drawn_all_the_same(kind: type[Poll], why: str) -> None:
    bubble = drawn(kind("Who?", [{"text": "Ali"}]))
    assert bubble.one("body").text == "Who?"
    assert bubble.one("note").text == f"{kind.__name__} could not draw itself, so this shows its fields: {why}"


def test_an_empty_message_is_shown_as_empty() -> None:
    assert "empty message" in read(STYLE + bubble_html(Bubble())).text
    assert bubble_text(Bubble()) == "(empty message)"


def test_cards_go_only_so_deep() -> None:
    deep = Bubble(body="bottom")
    for _ in range(2000):
        deep = Bubble(cards=(deep,))
    assert "more cards inside this one" in read(STYLE + bubble_html(deep)).text
    assert "bottom" not in bubble_text(deep)
