"""A template names columns and nothing else, and a cell's own text is never read as one."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pandas as pd
import pytest
from hypothesis import assume, example, given, settings, strategies as st

import d7nb
from d7nb import ReplyButtons, Template, Text, col
from d7nb.errors import ColumnError, TemplateError
from tests.support.plans import ORIGINATOR, PHONES, contents_by_row

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

# What a template, a format, JSON or a terminal might be tempted to read.
TEMPTATIONS = [
    "{name}", "{{name}}", "{", "}", "{}", "{0}", "{a!r}", "{:>9}", "{a.__class__}", "%s", "%d", "%(a)s", "$a", "${a}",
    '"', "'", '\\"', "\\", "\\n", "\\u0041", "\n", "\r\n", "\t", "\0", "\x1b[31m", "\u2028", "\ufeff", "\uffff",
    "\u200f", "\u202e", "مرحبا", "שלום", "👍🏽", "\U0001f469\u200d\U0001f467", "🇦🇪", "é", "e\u0301", "𝒳",
    "<b>", "&amp;", "null", "NaN!", "'; DROP TABLE",
]  # fmt: skip
patiently = settings(deadline=None, max_examples=25)
TEXTS = st.lists(st.sampled_from(TEMPTATIONS) | st.text(max_size=5), min_size=1, max_size=6).map("".join)
HALVES = st.text(st.characters(categories=["Cs"]), min_size=1, max_size=2)
MISSING = {"nan", "NaN", "<NA>", "NaT", "n/a", "N/A", "#N/A"}


def plan_of(content: Any, **columns: Sequence[Any]) -> d7nb.Plan:
    count = len(next(iter(columns.values())))
    cells = {name: pd.Series(list(column), dtype="object") for name, column in columns.items()}
    return d7nb.plan(pd.DataFrame({"phone": PHONES[:count], **cells}), content, to="phone", originator=ORIGINATOR)


def bodies(plan: d7nb.Plan) -> dict[int, str]:
    """What each row's message says, by the row's position."""
    return {row: content["text"]["body"] for row, content in contents_by_row(plan).items()}


def is_nothing(text: str) -> bool:
    return not text.strip() or text.strip() in MISSING


@patiently
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=20))
@example([("{name}", "{b}"), ("{{", "}}"), ("\0", '"\\')])
def test_a_cells_text_takes_its_fields_place_as_it_is(rows: list[tuple[str, str]]) -> None:
    plan = plan_of(Text("«{a}» {{a}} %s {b}\n{a}"), a=[a for a, _ in rows], b=[b for _, b in rows])
    expected = {
        row: "«" + a + "» {a} %s " + b + "\n" + a
        for row, (a, b) in enumerate(rows)
        if not is_nothing(a) and not is_nothing(b)
    }
    assert bodies(plan) == expected
    assert set(plan.problems["row"][plan.problems["severity"] == "error"]) == set(range(len(rows))) - expected.keys()


@patiently
@given(st.lists(TEXTS, min_size=1, max_size=20))
def test_a_column_is_sent_as_it_is(cells: list[str]) -> None:
    expected = {row: cell for row, cell in enumerate(cells) if not is_nothing(cell)}
    assert bodies(plan_of(Text(col("a")), a=cells)) == expected


@patiently
@given(st.lists(st.one_of(TEXTS, st.tuples(TEXTS, HALVES, TEXTS).map("".join)), min_size=1, max_size=10))
def test_half_a_character_is_a_problem_of_its_row_and_no_crash(cells: list[str]) -> None:
    halves = {row for row, cell in enumerate(cells) if cell.encode(errors="replace").decode() != cell}
    plan = plan_of(ReplyButtons("Hi {a}", ["Yes"], footer=col("b")), a=cells, b=["x"] * len(cells))
    found = plan.problems[plan.problems["code"] == "bad_value"]
    assert set(found["row"]) == halves
    assert set(found["column"]) <= {"a"}
    assert set(np.flatnonzero(plan.rows["verdict"] == "ready")).isdisjoint(halves)
    assert (repr(plan) + plan.problems.to_csv()).encode()
    assert orjson.dumps(list(plan.requests()))


def test_all_temptations_arrive_at_the_sandbox_as_they_left(sandbox: d7nb.Sandbox) -> None:
    plan = plan_of(Text("Hi {a}!"), a=TEMPTATIONS)
    assert plan.send(sandbox.client(), progress=False).summary["accepted"] == sum(
        not is_nothing(t) for t in TEMPTATIONS
    )
    contents_by_row = dict(zip(sandbox.messages["recipient"], sandbox.messages["content"], strict=True))
    for row, text in enumerate(TEMPTATIONS):
        if not is_nothing(text):
            assert contents_by_row[PHONES[row]] == {"message_type": "TEXT", "text": {"body": f"Hi {text}!"}}


def test_no_cell_is_read_as_a_template_at_any_depth() -> None:
    content = ReplyButtons("{a}", [{"id": col("a"), "title": "{a}"}], header="{a}", footer=col("a"))
    (body,) = plan_of(content, a=["{b}{0}{"], b=["x"]).requests()
    assert body["messages"][0]["content"]["interactive"] == {
        "type": "button",
        "header": {"type": "text", "text": "{b}{0}{"},
        "body": {"text": "{b}{0}{"},
        "footer": {"text": "{b}{0}{"},
        "action": {"buttons": [{"type": "reply", "reply": {"id": "{b}{0}{", "title": "{b}{0}{"}}]},
    }


# Numbers.

ALIGNMENT = st.sampled_from(["", "<", ">", "^", "=", "*>", "0=", "x^", "€<"])
NUMERIC = st.builds(
    "{}{}{}{}{}{}".format,
    ALIGNMENT,
    st.sampled_from(["", "+", "-", " "]),
    st.sampled_from(["", "8", "12"]),
    st.sampled_from(["", ","]),
    st.sampled_from(["", ".0", ".2", ".10"]),
    st.sampled_from("eEfFgG%"),
)
WHOLE = st.builds("{}{}{}".format, ALIGNMENT, st.sampled_from(["", "8", "12"]), st.sampled_from(["d", ",d", "x", "_b"]))
UNTYPED = st.sampled_from([",", "12,", "05", "+,", "+05", "05,"])
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12)


@patiently
@given(st.one_of(NUMERIC, UNTYPED), st.lists(DECIMALS, min_size=1, max_size=10))
@example(",.2f", [Decimal("1234.5"), Decimal("-0.005"), Decimal("1E+3")])
def test_a_number_in_a_text_is_formatted_as_the_decimal_it_spells(spec: str, numbers: list[Decimal]) -> None:
    expected = {row: format(number, spec) for row, number in enumerate(numbers)}
    assert bodies(plan_of(Text(f"{{a:{spec}}}"), a=[f" {number:f} " for number in numbers])) == {
        row: format(Decimal(f"{number:f}"), spec) for row, number in enumerate(numbers)
    }
    assert bodies(plan_of(Text(f"{{a:{spec}}}"), a=numbers)) == expected


@patiently
@given(NUMERIC, st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=10))
def test_a_float_is_formatted_as_python_does(spec: str, numbers: list[float]) -> None:
    plan = plan_of(Text(f"{{a:{spec}}}"), a=numbers)
    assert bodies(plan) == {row: format(number, spec) for row, number in enumerate(numbers)}


@patiently
@given(WHOLE, st.lists(st.integers(), min_size=1, max_size=10))
def test_a_whole_number_is_one_in_any_dress(spec: str, numbers: list[int]) -> None:
    dressed = [cell for number in numbers for cell in (number, str(number), Decimal(number), f"{number}.0")]
    expected = {row: format(numbers[row // 4], spec) for row in range(len(dressed))}
    assert bodies(plan_of(Text(f"{{a:{spec}}}"), a=dressed)) == expected


@pytest.mark.parametrize(
    "cell", ["1.234,50", "1,234.50", "12 000", "1_000", "0x1f", "", "٣", "1e9999", "inf", "abc", True]
)
def test_what_is_no_number_in_plain_form_is_not_guessed(cell: Any) -> None:
    plan = plan_of(Text("{a:,.2f}"), a=[cell])
    assert plan.problems[["row", "column"]].values.tolist() == [[0, "a"]]
    assert plan.summary["invalid"] == 1


def test_numbers_of_every_type_are_formatted() -> None:
    numbers = [1234.5, np.float32(1234.5), np.float64(1234.5), Decimal("1234.5"), "1234.5", "1.2345e3"]
    assert set(bodies(plan_of(Text("{a:,.2f} AED"), a=numbers)).values()) == {"1,234.50 AED"}
    assert bodies(plan_of(Text("{a:05}"), a=["7", 7, np.int8(7)])) == dict.fromkeys(range(3), "00007")
    assert bodies(plan_of(Text("{a:.1%}"), a=[0.125, "0.125"])) == {0: "12.5%", 1: "12.5%"}


# Dates and texts.

DIRECTIVES = st.lists(
    st.sampled_from(["%d", "%m", "%Y", "%H:%M", "%b", "%A", "%j", "%-d", "%%", " ", ".", "يوم", "/"]), min_size=1
)


@patiently
@given(DIRECTIVES.map("".join), st.lists(st.datetimes(dt.datetime(1900, 1, 1)), min_size=1, max_size=10))  # noqa: DTZ001
def test_a_date_is_read_as_iso_8601(spec: str, moments: list[dt.datetime]) -> None:
    assume("%" in spec.replace("%%", ""))
    expected = {row: moment.strftime(spec) for row, moment in enumerate(moments)}
    expected = {row: text for row, text in expected.items() if not is_nothing(text)}
    assert bodies(plan_of(Text(f"{{a:{spec}}}"), a=[moment.isoformat() for moment in moments])) == expected
    assert bodies(plan_of(Text(f"{{a:{spec}}}"), a=moments)) == expected


def test_dates_of_every_type_are_formatted() -> None:
    day = dt.date(2026, 11, 30)
    cells = [
        day,
        pd.Timestamp(day),
        pd.Timestamp(day, tz="Asia/Dubai"),
        np.datetime64(day),
        "2026-11-30",
        " 2026-11-30T09:30Z ",
    ]
    assert set(bodies(plan_of(Text("{a:%d.%m.%Y}"), a=cells)).values()) == {"30.11.2026"}


@patiently
@given(st.lists(TEXTS, min_size=1, max_size=10))
def test_a_texts_format_fills_and_cuts(cells: list[str]) -> None:
    expected = {row: f"[{cell:*>12.5s}]" for row, cell in enumerate(cells) if not is_nothing(cell)}
    assert bodies(plan_of(Text("[{a:*>12.5s}]"), a=cells)) == expected


# What may stand between the braces.

SPECIAL = st.text("{}:!.[]()0123aαd,%fsx_+#zY \0", max_size=12)
CELLS = st.lists(
    st.one_of(
        TEXTS,
        st.integers(),
        st.floats(),
        st.booleans(),
        st.decimals(),
        st.dates(),
        st.datetimes(),
        st.binary(max_size=3),
        st.none(),
        st.lists(st.integers(), max_size=2),
    ),
    min_size=1,
    max_size=5,
)


@patiently
@given(SPECIAL, CELLS)
@example("{a:%Y}", [10**400])
def test_any_text_is_a_template_or_is_refused_and_any_cell_fits_or_is_a_problem(source: str, cells: list[Any]) -> None:
    try:
        plan = plan_of(Text(f"Hi {source}"), a=cells)
    except (TemplateError, ColumnError):
        return
    assert plan.summary["ready"] + plan.summary["invalid"] == len(cells)
    assert bodies(plan).keys() == set(np.flatnonzero(plan.rows["verdict"] == "ready"))


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="{}:!.["), min_size=1, max_size=8).filter(
    lambda name: name.strip() and not name.strip().isdecimal() and name != "phone"
)


@patiently
@given(NAMES)
@example("first name")
@example(" padded ")
@example("الاسم")
@example("💰")
@example("a-b/c, d;e'\"\\\n")
@example("class")
@example("__dict__")
def test_a_template_may_name_a_column_of_almost_any_name(name: str) -> None:
    frame = pd.DataFrame({"phone": PHONES[:1], name: ["Ali"]})
    plan = d7nb.plan(frame, Text(f"{{{name}}}, {{{name}}} and {{{name}:>5s}}"), to="phone", originator=ORIGINATOR)
    assert bodies(plan) == {0: "Ali, Ali and   Ali"}


@pytest.mark.parametrize(
    "name", ["a:b", "a.b", "a[0]", "{x}", "a!r", "0", "", " ", 0, 7, 2.5, dt.date(2026, 1, 1)], ids=repr
)
def test_col_may_name_a_column_of_any_name(name: Hashable) -> None:
    frame = pd.DataFrame({"phone": PHONES[:1], name: ["Ali"]})
    plan = d7nb.plan(frame, Text(col(name)), to="phone", originator=ORIGINATOR)
    assert bodies(plan) == {0: "Ali"}


def test_the_same_column_may_stand_in_many_places() -> None:
    content = Template("due", "en", body_parameters=["{a}", "{a:,.2f}", col("a"), "{a}{a}"])
    (body,) = plan_of(content, a=["1234.5"]).requests()
    values = body["messages"][0]["content"]["template"]["body_parameter_values"]
    assert values == {"0": "1234.5", "1": "1,234.50", "2": "1234.5", "3": "1234.51234.5"}


def test_doubled_braces_are_braces() -> None:
    assert bodies(plan_of(Text("{{a}} {{{a}}} }}{{"), a=["x"])) == {0: "{a} {x} }{"}
    assert bodies(plan_of(Text("{{no column}}"), a=["x"])) == {0: "{no column}"}


MALFORMED = {
    "{name.__class__}": "can't stand in braces: rename the column",
    "{name.upper}": "can't stand in braces: rename the column",
    "{name[0]}": "can't stand in braces: rename the column",
    "{0}": "write a column's name between the braces, such as {name}",
    "{}": "write a column's name between the braces, such as {name}",
    "{ }": "write a column's name between the braces, such as {name}",
    "{name!r}": "leave out !r",
    "{name!s:>10}": "leave out !s",
    "{x:{y}}": "the format '{y}' of {x}",
    "{name:{width}.2f}": "the format '{width}.2f' of {name}",
    "{": "write {{ and }} for braces",
    "}": "write {{ and }} for braces",
    "{name": "write {{ and }} for braces",
    "Hi {name}}": "write {{ and }} for braces",
    "{name:nonsense}": "is not a number's (,.2f), a date's (%d.%m.%Y) or a text's (>10, .5s)",
    "{balance:.2}": "is not a number's",
    "{balance:,x}": "is not a number's",
    "{balance:_.2f}": "is not a number's",
    "{balance:.2d}": "is not a number's",
    "{balance:c}": "is not a number's",
    "{day:%Q}": "a date's (%d.%m.%Y)",
    "{day:%d\0}": "a date's (%d.%m.%Y)",
}


@pytest.mark.parametrize(("source", "words"), MALFORMED.items(), ids=MALFORMED)
def test_a_template_names_columns_and_nothing_else(source: str, words: str) -> None:
    for make in (
        Text,
        lambda text: ReplyButtons(text, ["a"]),
        lambda text: Template("a", "en", body_parameters=[text]),
    ):
        with pytest.raises(TemplateError, match=r"the text ") as caught:
            make(source)
        assert words in str(caught.value)
