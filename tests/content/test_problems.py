"""A faulty cell is reported with its row, column, rule and the rule's owner, all at once; nothing is sent."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

import d7nb
from d7nb import (
    AddressMessage,
    Attachment,
    Contacts,
    CtaUrl,
    Flow,
    ListMessage,
    Location,
    ReplyButtons,
    Template,
    Text,
    col,
)
from d7nb.errors import ColumnError, ContentError, PlanError
from tests.support.plans import LINK, NOTHING, ORIGINATOR, PHONES, contents_by_row, problem_cells

if TYPE_CHECKING:
    from d7nb.content import Content

GOOD, BAD = PHONES[:2]


class Case(NamedTuple):
    """A content that reads column x, a good and a bad cell, the problem's code and words of its message."""

    content: Content
    good: Any
    bad: Any
    code: str
    words: str


class Several(NamedTuple):
    """A content that reads some columns, a good and a bad cell of each, and all problems' columns and codes."""

    content: Content
    columns: dict[str, tuple[Any, Any]]
    problems: list[tuple[str, str]]
    words: str


def named(**parts: Any) -> Contacts:
    return Contacts([{"name": {"formatted_name": "Sara Haddad", **parts}}])


def due(**parts: Any) -> Template:
    return Template("balance_due", "en", **parts)


FILE = due(media={"media_type": "image", "media_url": col("x")})
SECTIONS = ListMessage("Which?", "Open", [{"title": "a", "rows": ["1"]}, {"title": col("x"), "rows": ["2"]}])
VERSIONED = Flow("Which?", "1", "Go", flow_message_version=col("x"))
BORN = Contacts([{"name": "Sara", "birthday": col("x")}])
STICKER = Attachment("sticker", LINK, caption=col("x"))
CAPTION = Attachment(col("x"), LINK, caption="Look")
FILENAME = Attachment(col("x"), LINK, filename="a.pdf")
CASES = {
    # nothing where something is needed
    "template": Case(Text("Hi {x}"), "Ali", None, "missing", "the cell is empty, but the text needs {x}"),
    "column": Case(Text(col("x")), "Ali", None, "missing", "the cell is empty, but text.body is required"),
    "parameter": Case(due(body_parameters=[col("x")]), "Ali", None, "missing", "body_parameter_values.0 is required"),
    "coordinate": Case(Location(col("x"), 55), 25, None, "missing", "location.latitude is required"),
    "contact": Case(Contacts([{"name": col("x")}]), "Ali", None, "missing", "formatted_name is required"),
    "first_name": Case(named(first_name=col("x")), "Ali", None, "bare_name", "at least one of first, last or middle"),
    "file": Case(FILE, LINK, None, "required", "a header of type image needs media_url (D7)"),
    "section": Case(SECTIONS, "b", None, "required", "with several sections each needs a title (Meta)"),
    "version": Case(VERSIONED, "3", None, "missing", "flow_message_version is required"),
    # values that are none of the kind
    "latitude_91": Case(Location(col("x"), 55), 90, 91, "out_of_range", "it is not between -90 and 90"),
    "latitude_north": Case(Location(col("x"), 55), "90", "90N", "bad_value", "not a number in plain form"),
    "latitude_with_comma": Case(Location(col("x"), 55), "25.2", "25,2", "bad_value", "not a number in plain form"),
    "latitude_true": Case(Location(col("x"), 55), 1, True, "bad_value", "not a number in plain form"),
    "ftp": Case(CtaUrl("a", "b", col("x")), LINK, "ftp://a.com", "bad_url", "it is not an http or https address (D7)"),
    "built_address": Case(
        CtaUrl("a", "b", f"{LINK}?{{x}}"), "17", "1 7", "bad_url", "a space or an invisible character"
    ),
    "zero_width_space": Case(CtaUrl("a", "b", col("x")), LINK, f"{LINK}\u200b", "bad_url", "an invisible character"),
    "type": Case(
        Attachment(col("x"), LINK), "image", "gif", "unknown_word", "not one of image, document, video, audio"
    ),
    "country": Case(AddressMessage("a", col("x")), "IN", "India", "bad_form", "a country's two letters"),
    "preview": Case(Text("a", preview_url=col("x")), "yes", "perhaps", "bad_value", "neither yes nor no"),
    "day": Case(BORN, "1990-02-28", "1990-02-30", "bad_value", "not a date of the form 2026-11-30"),
    "seconds": Case(due(limited_time_offer=col("x")), 1_796_029_200_000, 1_796_029_200, "out_of_range", "not between"),
    "line_break": Case(due(body_parameters=["{x}"]), "a b", "a\nb", "bad_parameter", "can't hold a line break"),
    "tab": Case(due(body_parameters=[col("x")]), "a b", "a\tb", "bad_parameter", "a tab or more than four spaces"),
    "five_spaces": Case(due(body_parameters=[col("x")]), "a    b", "a     b", "bad_parameter", "in a row (Meta)"),
    "emoji": Case(Flow("a", "1", col("x")), "Go", "Go 👍", "emoji", "a flow's button can't show an emoji (Meta)"),
    "infinite": Case(Text("{x}"), 1.5, float("inf"), "bad_value", "it is not a usable number"),
    "infinite_decimal": Case(Text(col("x")), Decimal(1), Decimal("-Infinity"), "bad_value", "not a usable number"),
    "half_a_character": Case(Text(col("x")), "a", "\udfff", "bad_value", "it has a broken character"),
    # values that a format does not fit
    "german": Case(Text("{x:,.2f}"), "1234.50", "1.234,50", "bad_format", "the cell is not a number in plain form"),
    "english": Case(Text("{x:,.2f}"), "1234.50", "1,234.50", "bad_format", "the cell is not a number in plain form"),
    "half": Case(Text("{x:d}"), "17", "17.5", "bad_format", "the cell is not a whole number in plain form"),
    "german_day": Case(
        Text("{x:%d.%m.}"), "2026-11-30", "30.11.2026", "bad_format", "not a date of the form 2026-11-30"
    ),
    "number_for_day": Case(
        Text("{x:%d.%m.}"), "2026-11-30", 20261130, "bad_format", "not a date of the form 2026-11-30"
    ),
    # fields that do not go together
    "caption": Case(STICKER, None, "Hi", "no_caption", "type sticker takes no caption (Meta)"),
    "type_with_caption": Case(CAPTION, "image", "sticker", "no_caption", "type sticker takes no caption (Meta)"),
    "type_with_name": Case(FILENAME, "document", "image", "no_filename", "type image takes no file name (D7)"),
    # more than one value
    **{
        type(bad).__name__: Case(Text("{x}"), "a", bad, "bad_value", f"it is a {type(bad).__name__}, not one value")
        for bad in (["a"], ("a",), {"a": 1}, {"a"}, b"a", np.array(["a", "b"]), pd.Series(["a"]))
    },
}
ALL = {
    "row_rules_too": Several(
        Attachment(col("type"), col("url"), caption="{caption}", filename=col("file")),
        {"type": ("document", "sticker"), "url": (LINK, "ftp://x"), "caption": ("a", "x" * 1025), "file": ("a", "a")},
        [("url", "bad_url"), ("caption", "too_long"), ("file", "no_filename")],
        "it is not an http or https address (D7)",
    ),
    "both_columns_of_a_row_rule": Several(
        Attachment(col("type"), LINK, caption=col("words")),
        {"type": ("image", "audio"), "words": ("Hi", "Hi")},
        [("words", "no_caption")],
        "type audio takes no caption (Meta)",
    ),
    "header_of_another_type": Several(
        due(media={"media_type": col("type"), "media_url": col("file"), "text_header_title": col("title")}),
        {"type": ("image", "text"), "file": (LINK, LINK), "title": (None, None)},
        [("file", "no_field"), ("title", "required")],
        "a header of type text has no media_url (D7)",
    ),
    "one_text": Several(
        Text("{name} owes {sum:,.2f} since {day:%d.%m.%Y}, {sum:,.2f}!"),
        {"name": ("Ali", None), "sum": ("1.5", "1,5"), "day": ("2026-11-30", "yesterday")},
        [("name", "missing"), ("sum", "bad_format"), ("day", "bad_format")],
        "the cell is empty, but the text needs {name}",
    ),
    "all_parts": Several(
        ReplyButtons(col("body"), [{"id": col("id"), "title": col("title")}], footer=col("foot")),
        {"body": ("a", None), "id": ("a", "x" * 257), "title": ("a", "x" * 21), "foot": ("a", "x" * 61)},
        [("body", "missing"), ("id", "too_long"), ("title", "too_long"), ("foot", "too_long")],
        "interactive.body.text is required",
    ),
    "the_column_with_half_a_character": Several(
        Text("{long} {x}"),
        {"long": ("a" * 9, "a" * 9), "x": ("a", "\ud83d")},
        [("x", "bad_value")],
        "broken character",
    ),
    **{name: Several(c.content, {"x": (c.good, c.bad)}, [("x", c.code)], c.words) for name, c in CASES.items()},
}


@pytest.mark.parametrize("name", ALL)
def test_a_faulty_cell_is_found_and_its_row_stays_behind(name: str) -> None:
    content, columns, problems, words = ALL[name]
    frame = pd.DataFrame({"phone": [GOOD, BAD]}, index=["good", "bad"])
    for column, cells in columns.items():
        frame[column] = pd.Series(list(cells), frame.index, dtype="object")
    plan = d7nb.plan(frame, content, to="phone", originator=ORIGINATOR)
    errors = plan.problems[plan.problems["severity"] == "error"]
    assert sorted(zip(errors["column"], errors["code"], strict=True)) == sorted(problems)
    assert errors[["row", "index"]].drop_duplicates().values.tolist() == [[1, "bad"]]
    first = errors[errors["column"] == problems[0][0]].iloc[0]
    assert words in first["message"]
    assert errors["hint"].str.len().all()
    assert errors["field"].str.len().all()
    assert plan.rows["verdict"].tolist() == ["ready", "invalid"]
    assert plan.rows.loc["bad", "decided_by"] == "content"
    assert {str(plan.rows.loc["bad", "reason"]).split(":")[0]} <= {column for column, _ in problems}
    assert [one["recipient"] for body in plan.requests() for m in body["messages"] for one in m["recipients"]] == [GOOD]


def test_every_kind_of_nothing_in_a_template_is_a_problem_and_never_a_word() -> None:
    cells = pd.Series([*NOTHING, "Ali"], dtype="object")
    frame = pd.DataFrame({"phone": PHONES[: len(cells)], "x": cells})
    plan = d7nb.plan(frame, Text("Hi {x}"), to="phone", originator=ORIGINATOR)
    assert problem_cells(plan) == sorted(((row, "x", "missing") for row in range(len(NOTHING))), key=str)
    assert contents_by_row(plan) == {len(NOTHING): {"message_type": "TEXT", "text": {"body": "Hi Ali"}}}


def test_nothing_is_sent_of_a_row_with_a_problem(sandbox: d7nb.Sandbox) -> None:
    frame = pd.DataFrame(
        {"phone": [GOOD, BAD, "+61491570006", "nobody"], "lat": [25, 91, 92, None], "lon": [55, 55, "55E", None]}
    )
    plan = d7nb.plan(frame, Location(col("lat"), col("lon")), to="phone", originator=ORIGINATOR)
    assert problem_cells(plan) == [
        (1, "lat", "out_of_range"),
        (2, "lat", "out_of_range"),
        (2, "lon", "bad_value"),
        (3, "lat", "missing"),
        (3, "lon", "missing"),
        (3, "phone", "characters"),
    ]
    delivery = plan.send(sandbox.client(), progress=False)
    assert delivery.frame["d7_outcome"].tolist() == ["accepted", "invalid", "invalid", "invalid"]
    assert sandbox.messages["recipient"].tolist() == [GOOD]


WARNINGS = {
    "word_for_nothing": (Text("Hi {x}"), "None", "looks_missing", "looks like a missing value"),
    "null": (Text(col("x")), "null", "looks_missing", "looks like a missing value"),
    "webp": (Attachment("image", col("x")), "https://example.com/a.webp?v=1", "webp", "for Meta it is a sticker"),
    "address": (
        Location(1, 2, address=col("x")),
        "1 High St",
        "hidden_address",
        "only where there is a name too (Meta)",
    ),
    "country": (AddressMessage("a", col("x")), "AE", "unknown_word", "it is not one of IN (Meta)"),
}


@pytest.mark.parametrize("name", WARNINGS)
def test_what_is_doubtful_is_told_and_sent(name: str, sandbox: d7nb.Sandbox) -> None:
    content, cell, code, words = WARNINGS[name]
    frame = pd.DataFrame({"phone": [GOOD], "x": [cell]})
    plan = d7nb.plan(frame, content, to="phone", originator=ORIGINATOR)
    (problem,) = plan.problems.to_dict("records")
    assert (problem["row"], problem["column"], problem["code"], problem["severity"]) == (0, "x", code, "warning")
    assert words in problem["message"]
    assert plan.send(sandbox.client(), progress=False).summary["accepted"] == 1


@pytest.mark.parametrize(
    "url", ["http://[::1/a.webp", "https://[a]/b.png", "https://files.example\\@other.example/a.png"]
)
def test_an_image_at_what_is_no_address_is_its_row_s_problem(url: str) -> None:
    frame = pd.DataFrame({"phone": [GOOD, BAD], "x": ["https://example.com/a.png", url]})
    plan = d7nb.plan(frame, Attachment("image", col("x")), to="phone", originator=ORIGINATOR)
    (problem,) = plan.problems.to_dict("records")
    assert (problem["row"], problem["column"], problem["code"]) == (1, "x", "bad_url")
    assert plan.summary["ready"] == 1
    with pytest.raises(ContentError, match="address"):
        Attachment("image", url)


def test_what_is_doubtful_in_a_literal_is_told_once_for_the_whole_plan() -> None:
    frame = pd.DataFrame({"phone": [GOOD, BAD]})
    content = Attachment("image", "https://example.com/a.webp")
    (problem,) = d7nb.plan(frame, content, to="phone", originator=ORIGINATOR).problems.to_dict("records")
    assert (problem["code"], problem["severity"], problem["field"]) == ("webp", "warning", "attachment.url")
    assert pd.isna(problem["row"])


def test_cells_that_cannot_be_printed_are_shown_all_the_same() -> None:
    frame = pd.DataFrame({"phone": pd.Series([GOOD], dtype="object"), "x": pd.Series(["a\ud83d"], dtype="object")})
    plan = d7nb.plan(frame, Text("{x}"), to="phone", originator=ORIGINATOR)
    assert plan.problems["value"].tolist() == [r"a\ud83d"]
    for text in (repr(plan), plan._repr_html_(), plan.problems.to_csv()):
        assert text.encode()


def test_a_missing_column_is_told_with_the_nearest_one(people: pd.DataFrame) -> None:
    for content in (Text("Hi {nmae}"), Text(col("nmae")), due(body_parameters=["{nmae}"])):
        with pytest.raises(ColumnError, match=r"no column 'nmae'; did you mean 'name'\?"):
            d7nb.plan(people, content, to="phone", originator=ORIGINATOR)
    with pytest.raises(ColumnError, match=r"no column 'zzz'; there are 'phone', 'name', 'balance'"):
        d7nb.plan(people, Text("Hi {zzz}"), to="phone", originator=ORIGINATOR)


def test_a_column_itself_is_no_columns_name(people: pd.DataFrame) -> None:
    with pytest.raises(PlanError, match=r"col\('name'\), not a Series"):
        col(people["name"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("spec", "hint"),
    [
        (",.2f", "write a number such as 1234.50"),
        ("d", "write a whole number such as 1234"),
        ("%d.%m.%Y", "write a date such as 2026-11-30"),
        (">10", "put one text, number or date into the cell"),
    ],
)
def test_the_hint_shows_what_the_format_can_read(spec: str, hint: str) -> None:
    frame = pd.DataFrame({"recipient": PHONES[:1], "x": [["not", "readable"]]})
    plan = d7nb.plan(frame, Text(f"{{x:{spec}}}"), originator=ORIGINATOR)
    assert plan.problems["hint"].unique().tolist() == [hint]
