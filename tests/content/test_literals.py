"""A faulty literal is refused when the content is made, with the rule, its owner and the field."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd
import pytest

from d7nb import (
    AddressMessage,
    Attachment,
    Contacts,
    CtaUrl,
    Flow,
    Header,
    ListMessage,
    Location,
    ReplyButtons,
    Template,
    Text,
    col,
)
from d7nb.content import Part, leaf
from d7nb.errors import ContentError
from tests.support.plans import LINK

if TYPE_CHECKING:
    from d7nb.content import Content


class Literal(NamedTuple):
    """A content that can't be made: each problem's code and field, and words of the message."""

    name: str
    build: Callable[[], Content]
    problems: list[tuple[str, str]]
    words: str


def untyped(value: Any) -> Any:
    """What a type checker would have stopped."""
    return value


def buttons(*given: Any, **parts: Any) -> ReplyButtons:
    return ReplyButtons("Which?", list(given), **parts)


def listed(*sections: Any, **parts: Any) -> ListMessage:
    return ListMessage("Which?", "Open", list(sections), **parts)


def card(**parts: Any) -> Contacts:
    return Contacts([{"name": "Sara", **parts}])


def due(**parts: Any) -> Template:
    return Template("balance_due", "en", **parts)


def flow(**parts: Any) -> Flow:
    return Flow("Which?", **{"flow_id": "1", "flow_cta": "Go", **parts})


LITERALS = [
    # required values
    Literal("no_body", lambda: Text(""), [("required", "body")], "a value is required"),
    Literal("blank_body", lambda: Text(" \n"), [("required", "body")], "fill it in"),
    Literal("nothing_for_body", lambda: Text(untyped(pd.NA)), [("required", "body")], "required"),
    Literal(
        "parameter_missing",
        lambda: due(body_parameters=["a", None]),
        [("required", "body_parameter_values.1")],
        "required",
    ),
    Literal(
        "contact_without_name",
        lambda: Contacts([{"phones": ["1"]}]),
        [("required", "contacts.0.name")],
        "a name is required",
    ),
    Literal(
        "name_in_one_form_only",
        lambda: card(name={"formatted_name": "Sara"}),
        [("bare_name", "contacts.0.name.first_name")],
        "at least one of first, last or middle name",
    ),
    Literal(
        "image_header_without_link",
        lambda: buttons("a", header={"type": "image"}),
        [("required", "header.image.link")],
        "needs its link (D7)",
    ),
    Literal(
        "template_header_without_file",
        lambda: due(media={"media_type": "image"}),
        [("required", "media.media_url")],
        "needs media_url (D7)",
    ),
    Literal(
        "template_header_without_text",
        lambda: due(media={"media_type": "text"}),
        [("required", "media.text_header_title")],
        "needs text_header_title (D7)",
    ),
    Literal(
        "template_header_without_place",
        lambda: due(media={"media_type": "location"}),
        [("required", "media.location.latitude")],
        "needs location.latitude (D7)",
    ),
    Literal(
        "parameters_with_a_gap",
        lambda: due(body_parameters={"0": "a", "2": "c"}),
        [("required", "body_parameter_values.1")],
        "D7 numbers all of them",
    ),
    Literal(
        "parameters_from_1",
        lambda: due(body_parameters={"1": "a"}),
        [("required", "body_parameter_values.0")],
        "D7 numbers all of them",
    ),
    Literal("long_text", lambda: Text("x" * 4097), [("too_long", "body")], "4,097 characters, D7 takes at most 4,096"),
    Literal("long_header", lambda: buttons("a", header="x" * 61), [("too_long", "header.text")], "D7 takes at most 60"),
    Literal("long_footer", lambda: buttons("a", footer="x" * 61), [("too_long", "footer.text")], "D7 takes at most 60"),
    # words, numbers and addresses
    Literal(
        "unknown_attachment",
        lambda: Attachment("gif", LINK),
        [("unknown_word", "type")],
        "not one of image, document, video, audio, sticker (D7)",
    ),
    Literal(
        "unknown_header",
        lambda: buttons("a", header={"type": "audio", "link": LINK}),
        [("unknown_word", "header.type")],
        "not one of text, image, video, document (D7)",
    ),
    Literal(
        "unknown_phone_type",
        lambda: card(phones=[{"phone": "1", "type": "FAX"}]),
        [("unknown_word", "contacts.0.phones.0.type")],
        "not one of CELL",
    ),
    Literal(
        "country_in_words",
        lambda: AddressMessage("a", "India"),
        [("bad_form", "action.parameters.country")],
        "a country's two letters",
    ),
    Literal(
        "button_index_in_words",
        lambda: due(quick_replies=[{"button_index": "first", "button_payload": "a"}]),
        [("bad_form", "buttons.quick_replies.0.button_index")],
        "it is not a position: 0 for the first, 1 for the second (D7)",
    ),
    Literal("latitude_91", lambda: Location(91, 0), [("out_of_range", "latitude")], "not between -90 and 90"),
    Literal(
        "longitude_in_degrees",
        lambda: Location(0, "55°16′"),
        [("bad_value", "longitude")],
        "not a number in plain form",
    ),
    Literal(
        "seconds_for_milliseconds",
        lambda: due(limited_time_offer=1_796_029_200),
        [("out_of_range", "limited_time_offer.expiration_time_ms")],
        "give milliseconds since 1970, not seconds",
    ),
    Literal(
        "time_without_zone",
        lambda: due(limited_time_offer=dt.datetime(2026, 11, 30)),  # noqa: DTZ001
        [("bad_value", "limited_time_offer.expiration_time_ms")],
        "the time has no zone",
    ),
    Literal(
        "number_beyond_json",
        lambda: flow(flow_action_payload={"n": 2**53}),
        [("bad_value", "action.parameters.flow_action_payload.n")],
        "too large to be sent exactly: give at most 15 digits",
    ),
    Literal(
        "ftp",
        lambda: Attachment("image", "ftp://example.com/a.png"),
        [("bad_url", "url")],
        "not an http or https address (D7)",
    ),
    Literal(
        "address_without_scheme",
        lambda: Attachment("image", "example.com/a.png"),
        [("bad_url", "url")],
        "give the whole address",
    ),
    Literal(
        "address_with_a_space",
        lambda: CtaUrl("a", "b", "https://example.com/a b"),
        [("bad_url", "action.parameters.url")],
        "a space or an invisible character",
    ),
    Literal(
        "address_with_an_invisible_character",
        lambda: CtaUrl("a", "b", "https://example.com/a\u200b"),
        [("bad_url", "action.parameters.url")],
        "a space or an invisible character",
    ),
    Literal(
        "day_written_otherwise",
        lambda: card(birthday="30.11.1990"),
        [("bad_value", "contacts.0.birthday")],
        "not a date of the form 2026-11-30",
    ),
    Literal(
        "parameter_with_a_line_break",
        lambda: due(body_parameters=["a\nb"]),
        [("bad_parameter", "body_parameter_values.0")],
        "can't hold a line break, a tab or more than four spaces in a row (Meta)",
    ),
    Literal(
        "flow_button_with_emoji",
        lambda: flow(flow_cta="Book 👍"),
        [("emoji", "action.parameters.flow_cta")],
        "can't show an emoji (Meta)",
    ),
    Literal("half_a_character", lambda: Text("\ud83d"), [("bad_value", "body")], "broken character"),
    Literal(
        "preview_maybe",
        lambda: Text("a", preview_url=untyped("maybe")),
        [("bad_value", "preview_url")],
        "neither yes nor no",
    ),
    # what does not go together
    Literal(
        "sticker_with_caption",
        lambda: Attachment("sticker", LINK, "a"),
        [("no_caption", "caption")],
        "type sticker takes no caption (Meta)",
    ),
    Literal(
        "audio_with_caption",
        lambda: Attachment("audio", LINK, "a"),
        [("no_caption", "caption")],
        "type audio takes no caption (Meta)",
    ),
    Literal(
        "image_with_filename",
        lambda: Attachment("image", LINK, filename="a"),
        [("no_filename", "filename")],
        "takes no file name (D7)",
    ),
    Literal(
        "image_header_with_filename",
        lambda: buttons("a", header={"type": "image", "link": LINK, "filename": "a"}),
        [("no_filename", "header.filename")],
        "takes no file name (D7)",
    ),
    Literal(
        "text_header_with_link",
        lambda: buttons("a", header={"type": "text", "link": LINK, "text": "a"}),
        [("no_field", "header.link")],
        "a header of type text has no link",
    ),
    Literal(
        "media_header_on_a_list",
        lambda: listed({"rows": ["a"]}, header=Header("image", LINK)),
        [("media_header", "header")],
        "a list takes a text header only (Meta)",
    ),
    Literal(
        "two_sections_one_title",
        lambda: listed({"title": "a", "rows": ["a"]}, {"rows": ["b"]}),
        [("required", "action.sections.1.title")],
        "with several sections each needs a title (Meta)",
    ),
    Literal(
        "template_text_header_with_file",
        lambda: due(media={"media_type": "text", "text_header_title": "a", "media_url": LINK}),
        [("no_field", "media.media_url")],
        "a header of type text has no media_url (D7)",
    ),
    Literal(
        "bound_header_type",
        lambda: buttons("a", header={"type": col("kind"), "link": LINK}),
        [("bound_type", "header.type")],
        "use by_column",
    ),
    # structure
    Literal(
        "misspelt_key",
        lambda: buttons({"id": "a", "titel": "A"}),
        [("unknown_field", "action.buttons.0.titel")],
        "did you mean 'title'?",
    ),
    Literal(
        "strange_key",
        lambda: buttons("a", header={"type": "text", "text": "a", "colour": "red"}),
        [("unknown_field", "header.colour")],
        "use one of type, link, filename, text",
    ),
    Literal(
        "buttons_in_a_text",
        lambda: ReplyButtons("Which?", "Yes"),
        [("not_a_list", "action.buttons")],
        "give a list of buttons; ",
    ),
    Literal(
        "no_buttons_yet",
        lambda: ReplyButtons("Which?", untyped(None)),
        [("not_a_list", "action.buttons")],
        "action.buttons: add at least one button",
    ),
    Literal(
        "buttons_in_a_column",
        lambda: ReplyButtons("Which?", col("buttons")),
        [("not_a_list", "action.buttons")],
        "a column can fill a value of an item, but not the whole list",
    ),
    Literal(
        "rows_in_a_text",
        lambda: listed({"rows": "Tea"}),
        [("not_a_list", "action.sections.0.rows")],
        "give a list of rows; ",
    ),
    Literal(
        "contacts_in_a_mapping",
        lambda: Contacts(untyped({"name": "Sara"})),
        [("not_a_list", "contacts")],
        "give a list of contacts; ",
    ),
    Literal(
        "button_in_a_list",
        lambda: buttons(["a", "A"]),
        [("bad_part", "action.buttons.0")],
        "give a button as a dict of id, title, not a list",
    ),
    Literal(
        "section_in_a_text",
        lambda: listed("Tea"),
        [("bad_part", "action.sections.0")],
        "give a section as a dict of title, rows, not a text",
    ),
    Literal(
        "parameters_in_a_text",
        lambda: due(body_parameters="Ali"),
        [("not_a_mapping", "body_parameter_values")],
        "give a dict; ",
    ),
    Literal(
        "parameters_in_a_column",
        lambda: due(body_parameters=col("x")),
        [("not_a_mapping", "body_parameter_values")],
        "a column can fill a value in it, but not the whole dict",
    ),
    Literal(
        "payload_in_a_text",
        lambda: flow(flow_action_payload="{}"),
        [("not_a_mapping", "action.parameters.flow_action_payload")],
        "give a dict; ",
    ),
    Literal(
        "components_in_a_mapping",
        lambda: due(carousel={"cards": [{"card_index": "0", "components": {}}]}),
        [("not_a_list", "carousel.cards.0.components")],
        "give a list; a column can fill a value in it, but not the whole list",
    ),
    Literal(
        "a_series_for_a_text",
        lambda: Text(untyped(pd.Series(["a"]))),
        [("bad_value", "body")],
        "it is a Series, not one value: give a text, or, in Python, col('...') for a column",
    ),
    Literal(
        "a_mapping_for_a_text",
        lambda: buttons("a", footer={"text": "a"}),
        [("bad_value", "footer.text")],
        "it is a dict, not one value",
    ),
    # all of it at once
    Literal(
        "several",
        lambda: Attachment("sticker", "ftp://example.com", "x" * 1025, "a.pdf"),
        [("bad_url", "url"), ("too_long", "caption"), ("no_filename", "filename")],
        "3 problems",
    ),
    Literal(
        "several_parts",
        lambda: Contacts(
            [{"name": {"formatted_name": "Sara"}}, {"phones": [{"phone": "1", "type": "FAX"}]}, {"nam": "Ali"}]
        ),
        [
            ("bare_name", "contacts.0.name.first_name"),
            ("required", "contacts.1.name"),
            ("unknown_word", "contacts.1.phones.0.type"),
            ("unknown_field", "contacts.2.nam"),
        ],
        "4 problems",
    ),
]


@pytest.mark.parametrize("case", LITERALS, ids=lambda case: case.name)
def test_a_faulty_literal_is_refused_when_the_content_is_made(case: Literal) -> None:
    with pytest.raises(ContentError) as caught:
        case.build()
    assert [(problem.code, problem.field) for problem in caught.value.problems] == case.problems
    assert case.words in str(caught.value)


@pytest.mark.parametrize("attribute", ["short", "shorthand"])
def test_a_bare_scalar_fills_the_fields_that_a_part_names(attribute: str) -> None:
    class Choice(Part):
        text: str = leaf("text")
        locals()[attribute] = ("text",)

    assert Choice.from_value("Yes") == Choice(text="Yes")
