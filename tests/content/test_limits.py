"""Lengths, counts and values that must differ: the last that is taken and the first that is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import d7nb
from d7nb import (
    Attachment,
    Contacts,
    CtaUrl,
    Flow,
    Header,
    ListMessage,
    LocationRequest,
    ReplyButtons,
    Template,
    Text,
    col,
)
from d7nb.errors import ContentError
from tests.support.plans import LINK, ORIGINATOR, PHONES

if TYPE_CHECKING:
    from d7nb.content import Content


def buttons(*given: Any, **parts: Any) -> ReplyButtons:
    return ReplyButtons("Which?", list(given), **parts)


def listed(*sections: Any) -> ListMessage:
    return ListMessage("Which?", "Open", list(sections))


def row(number: Any, **parts: Any) -> dict[str, Any]:
    return {"id": f"id {number}", "title": f"Row {number}", **parts}


LENGTHS: dict[str, tuple[int, str, Callable[[Any], Content]]] = {
    "text.body": (4096, "D7", Text),
    "attachment.caption": (1024, "Meta", lambda x: Attachment("image", LINK, x)),
    "interactive.body.text": (1024, "D7", LocationRequest),
    "interactive.header.text": (60, "D7", lambda x: buttons("a", header=x)),
    "interactive.footer.text": (60, "D7", lambda x: buttons("a", footer=x)),
    "interactive.action.buttons.0.reply.title": (20, "Meta", lambda x: buttons({"id": "a", "title": x})),
    "interactive.action.buttons.0.reply.id": (256, "Meta", lambda x: buttons({"id": x, "title": "a"})),
    "interactive.action.button": (20, "Meta", lambda x: ListMessage("Which?", x, [{"rows": ["a"]}])),
    "interactive.action.sections.0.title": (24, "Meta", lambda x: listed({"title": x, "rows": ["a"]})),
    "interactive.action.sections.0.rows.0.id": (200, "Meta", lambda x: listed({"rows": [row(1, id=x)]})),
    "interactive.action.sections.0.rows.0.title": (24, "Meta", lambda x: listed({"rows": [row(1, title=x)]})),
    "interactive.action.sections.0.rows.0.description": (
        72,
        "Meta",
        lambda x: listed({"rows": [row(1, description=x)]}),
    ),
    "interactive.action.parameters.display_text": (20, "Meta", lambda x: CtaUrl("Which?", x, LINK)),
    "interactive.action.parameters.flow_cta": (20, "Meta", lambda x: Flow("Which?", "1", x)),
}


@pytest.mark.parametrize("field", LENGTHS)
def test_a_text_may_be_as_long_as_its_limit(field: str, sandbox: d7nb.Sandbox) -> None:
    limit, owner, build = LENGTHS[field]
    message = f"{limit + 1:,} characters, {owner} takes at most {limit:,}"
    build("x" * limit)
    with pytest.raises(ContentError, match=message):
        build("x" * (limit + 1))
    frame = pd.DataFrame({"phone": PHONES[:2], "words": ["ž" * limit, "ž" * (limit + 1)]})
    for campaign, content in {"a column": build(col("words")), "a template": build("{words}")}.items():
        plan = d7nb.plan(frame, content, to="phone", originator=ORIGINATOR, campaign=campaign)
        (problem,) = plan.problems.to_dict("records")
        assert (problem["row"], problem["column"], problem["code"]) == (1, "words", "too_long")
        assert (problem["message"], problem["field"]) == (message, field)
        assert plan.send(sandbox.client(), progress=False).summary["accepted"] == 1
    assert set(sandbox.messages["recipient"]) == {PHONES[0]}


def test_a_long_text_of_several_columns_is_blamed_on_the_longest() -> None:
    frame = pd.DataFrame({"phone": PHONES[:1], "name": ["Ali"], "story": ["x" * 4094]})
    plan = d7nb.plan(frame, Text("{name}: {story}"), to="phone", originator=ORIGINATOR)
    assert plan.problems[["row", "column", "code"]].values.tolist() == [[0, "story", "too_long"]]


Sections = list[dict[str, Any]]
COUNTS: dict[str, tuple[Callable[[int], Content], int, str, str]] = {
    "buttons": (lambda n: buttons(*map(str, range(n))), 3, "there are 4, Meta takes 1 to 3", "action.buttons"),
    "rows": (
        lambda n: listed({"rows": [row(each) for each in range(n)]}),
        10,
        "there are 11, Meta takes 1 to 10",
        "action.sections.0.rows",
    ),
    "rows_in_all": (
        lambda n: listed({"title": "a", "rows": [row(each) for each in range(n - 1)]}, {"title": "b", "rows": ["z"]}),
        10,
        "11 rows in all, Meta takes at most 10",
        "action.sections",
    ),
    "sections": (
        lambda n: listed(*({"title": str(each), "rows": [row(each)]} for each in range(n))),
        10,
        "there are 11, Meta takes 1 to 10",
        "action.sections",
    ),
    "contacts": (lambda n: Contacts([{"name": "Sara"}] * n), 257, "there are 258, Meta takes 1 to 257", "contacts"),
    "cards": (
        lambda n: Template(
            "sale",
            "en",
            carousel={"cards": [{"card_index": str(each), "components": [{"type": "body"}]} for each in range(n)]},
        ),
        10,
        "there are 11, D7 takes 1 to 10",
        "carousel.cards",
    ),
}


@pytest.mark.parametrize("name", COUNTS)
def test_a_list_may_be_as_long_as_its_limit(name: str) -> None:
    build, most, words, field = COUNTS[name]
    build(most)
    with pytest.raises(ContentError) as caught:
        build(most + 1)
    assert words in str(caught.value)
    assert {(problem.code, problem.field) for problem in caught.value.problems} == {("bad_count", field)}


def test_a_list_that_is_required_may_not_be_empty() -> None:
    for build in (buttons, listed, lambda: listed({"rows": []}), lambda: Contacts([])):
        with pytest.raises(ContentError, match="there are 0, Meta takes 1 to ") as caught:
            build()
        assert [problem.code for problem in caught.value.problems] == ["bad_count"]


def two_rows(first: dict[str, Any], second: dict[str, Any]) -> ListMessage:
    return listed({"title": "a", "rows": [first]}, {"title": "b", "rows": [second]})


def two_cards(first: Any, second: Any) -> Template:
    cards = [{"card_index": place, "components": [{"type": "body"}]} for place in (first, second)]
    return Template("sale", "en", carousel={"cards": cards})


REPEATED: dict[str, tuple[Callable[[Any, Any], Content], str, str]] = {
    "button_ids": (
        lambda a, b: buttons({"id": a, "title": "A"}, {"id": b, "title": "B"}),
        "two button ids are the same (Meta)",
        "action.buttons.{}.reply.id",
    ),
    "button_titles": (
        lambda a, b: buttons({"id": "a", "title": a}, {"id": "b", "title": b}),
        "two button titles are the same (Meta)",
        "action.buttons.{}.reply.title",
    ),
    "row_ids": (
        lambda a, b: two_rows(row(1, id=a), row(2, id=b)),
        "two row ids are the same (Meta)",
        "action.sections.{}.rows.0.id",
    ),
    "row_titles": (
        lambda a, b: two_rows(row(1, title=a), row(2, title=b)),
        "two row titles are the same (D7)",
        "action.sections.{}.rows.0.title",
    ),
    "card_indexes": (two_cards, "two card indexes are the same (D7)", "carousel.cards.{}.card_index"),
}


@pytest.mark.parametrize("name", REPEATED)
def test_what_must_differ_may_not_be_the_same(name: str) -> None:
    """Both literal, one of them a column, or both: the row and a column that makes it so are named."""
    build, message, field = REPEATED[name]
    build("1", "2")
    with pytest.raises(ContentError) as caught:
        build("1", "1")
    assert [(problem.code, problem.field) for problem in caught.value.problems] == [("repeated", field.format(0))]
    assert message in str(caught.value)
    frame = pd.DataFrame({"phone": PHONES[:2], "a": ["1", "2"], "b": ["2", "2"]})
    for content, column, place in ((build("2", col("a")), "a", 1), (build(col("a"), col("b")), "a", 0)):
        plan = d7nb.plan(frame, content, to="phone", originator=ORIGINATOR)
        (problem,) = plan.problems.to_dict("records")
        assert (problem["row"], problem["column"], problem["code"]) == (1, column, "repeated")
        assert problem["message"] == message
        assert problem["field"].endswith(field.format(place))
        assert len(list(plan.requests())) == 1


def test_of_three_that_must_differ_the_two_that_do_not_are_blamed() -> None:
    frame = pd.DataFrame({"phone": PHONES[:1], "a": ["1"], "b": ["2"], "c": ["2"]})
    content = buttons(*({"id": col(name), "title": name} for name in "abc"))
    plan = d7nb.plan(frame, content, to="phone", originator=ORIGINATOR)
    assert plan.problems[["row", "column", "code"]].values.tolist() == [[0, "b", "repeated"]]


def test_a_header_has_the_limits_of_its_content() -> None:
    with pytest.raises(ContentError, match="Header: text: 61 characters, D7 takes at most 60"):
        Header("text", text="x" * 61)
