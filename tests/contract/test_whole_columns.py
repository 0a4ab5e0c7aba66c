"""What is done a column at a time comes to the same, byte for byte, as what is done row by row."""

from __future__ import annotations

import json
from base64 import b32encode
from collections import Counter
from hashlib import blake2b
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings, strategies as st

import d7nb
from d7nb import Location, Text, by_column, col
from d7nb.content.binding.cells import MISSING_TEXTS, SUSPECT_TEXTS, blanks_to_none
from d7nb.content.binding.format_strings import _formatted, _formatter
from d7nb.content.binding.text_columns import SEPARATOR, JoinedTexts, json_escaped, length_bound
from d7nb.content.binding.values import plain_text
from d7nb.content.rules import TEXT, max_length
from d7nb.display import sample as strangest
from d7nb.filters.people import _count_repeated
from d7nb.store.keys import base32
from d7nb.tables.arrays import group_codes, repeated, take_rows
from d7nb.tables.coded_texts import CodedTexts
from tests.support.plans import ORIGINATOR, PHONES

HOSTILE = ['"', "\\", '",', "\\u007f", SEPARATOR, "\0", "\n", "{}", "{name}", "é", "\u2028", "🎉", "\u202eab", "a" * 50]
TEXTS = st.one_of(st.text(max_size=8), st.lists(st.sampled_from(HOSTILE), max_size=4).map("".join))
HALVES = st.one_of(TEXTS, st.sampled_from(["\ud800", "a\udfff"]))
"""Texts, and what no message can hold: half a character."""
CELLS = st.one_of(
    HALVES,
    st.sampled_from([None, 1, 1.0, True, 12.5, float("inf"), ("a",), "x" * 20, *sorted(MISSING_TEXTS | SUSPECT_TEXTS)]),
)


@st.composite
def gaps(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    """The pieces of a text, and a column for each gap between them."""
    count, rows = draw(st.integers(1, 3)), draw(st.integers(0, 6))
    pieces = draw(st.lists(TEXTS, min_size=count + 1, max_size=count + 1))
    return pieces, [draw(st.lists(TEXTS, min_size=rows, max_size=rows)) for _ in range(count)]


@given(gaps())
@example((["", SEPARATOR], [["a", "b"]]))
@example((["", ""], [[SEPARATOR, "", "b"]]))
def test_texts_are_joined_as_one_by_one(drawn: tuple[list[str], list[list[str]]]) -> None:
    pieces, columns = drawn
    rows = zip(*columns, strict=True)
    expected = ["".join(part for pair in zip(pieces, (*row, ""), strict=True) for part in pair) for row in rows]
    joined = JoinedTexts(pieces, columns)
    assert list(joined) == expected
    assert [joined[place] for place in range(len(joined))] == expected
    assert length_bound(joined) >= length_bound(expected)
    assert list(json_escaped(joined)) == list(json_escaped(expected))
    assert not expected or joined.join("\0\0") == "\0\0".join(expected)
    assert list(JoinedTexts(["<", "|", ">"], [joined, columns[0]])) == [
        f"<{text}|{cell}>" for text, cell in zip(expected, columns[0], strict=True)
    ]


@given(st.lists(TEXTS))
@example([SEPARATOR, '"'])
@example(['",', '"'])
def test_json_is_written_as_one_by_one(texts: list[str]) -> None:
    written = [f'"{text}"' for text in json_escaped(texts)]
    assert list(map(json.loads, written)) == texts
    assert written == [json.dumps(text, ensure_ascii=False) for text in texts]


def same(one: list[Any], other: list[Any]) -> bool:
    """Equal, and of one type: 1, 1.0 and True are three."""
    return [(type(value), value) for value in one] == [(type(value), value) for value in other]


@given(st.lists(CELLS))
def test_a_column_of_texts_is_read_as_its_cells_are(cells: list[Any]) -> None:
    assert same(list(TEXT.column(cells)), [None if cell is None else plain_text(cell) for cell in cells])


@given(st.lists(CELLS))
def test_blank_cells_of_a_column_are_those_that_are_blank_alone(cells: list[Any]) -> None:
    blank = [type(cell) is str and (not cell.strip() or cell.strip() in MISSING_TEXTS) for cell in cells]
    expected = [None if gone else cell for gone, cell in zip(blank, cells, strict=True)]
    assert same(blanks_to_none(cells), expected)


@given(
    st.lists(st.floats()) | st.lists(st.one_of(st.floats(), st.integers(), st.sampled_from(["1.5", "x", None, True]))),
    st.sampled_from([".2f", ",.2f", "+.3e", "g", "08", ",", "%", ",d", ">9", "x"]),
)
def test_a_column_of_numbers_is_formatted_as_its_cells_are(cells: list[Any], spec: str) -> None:
    expected = [None if cell is None else _formatter(spec)(cell) for cell in cells]
    assert same(_formatted(cells, spec), expected)


@given(st.lists(st.one_of(st.none(), TEXTS)))
def test_a_length_is_held_against_a_column_as_against_each(texts: list[str | None]) -> None:
    rule = max_length(5, "D7")
    expected = {place: rule.fault(text) for place, text in enumerate(texts) if text is not None and len(text) > 5}
    assert rule.faults(texts) == expected


DIGESTS = st.lists(
    st.sampled_from([bytes(16), b"\xff" * 16, bytes(8) + b"\1" * 8, b"\1" * 8 + bytes(8), bytes(range(16))])
)


def array(digests: list[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, 16)


@given(DIGESTS)
def test_digests_are_numbered_and_found_again_as_in_a_dict(digests: list[bytes]) -> None:
    first: dict[bytes, int] = {}
    places = [first.setdefault(digest, place) for place, digest in enumerate(digests)]
    numbers = {place: number for number, place in enumerate(first.values())}
    assert group_codes(array(digests)).tolist() == [numbers[place] for place in places]
    again, before = repeated(array(digests), np.arange(len(digests)))
    assert dict(zip(again.tolist(), before.tolist(), strict=True)) == {
        place: known for place, known in enumerate(places) if place != known
    }
    some = np.arange(0, len(digests), 2)
    assert group_codes(array(digests), some).tolist() == group_codes(array(digests[::2])).tolist()
    assert repeated(array(digests), some)[0].tolist() == some[repeated(array(digests[::2]), some // 2)[0]].tolist()


@given(st.lists(st.binary(min_size=16, max_size=16)))
def test_keys_are_written_as_python_writes_them(keys: list[bytes]) -> None:
    assert base32(array(keys)) == [b32encode(key).decode().rstrip("=") for key in keys]


@given(st.lists(st.one_of(st.none(), TEXTS)))
def test_texts_with_gaps_make_the_array_that_pandas_makes(texts: list[str | None]) -> None:
    made = CodedTexts.missing(len(texts))
    made.put(np.arange(len(texts)), texts)
    pd.testing.assert_extension_array_equal(made.array(), pd.array(texts, dtype="str"))
    pd.testing.assert_extension_array_equal(CodedTexts.of(pd.Series(texts, dtype="str")).array(), made.array())


@given(st.data())
def test_rows_are_picked_out_of_a_column_in_pieces_as_out_of_one(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 12))
    column = pd.Series([f"{place}" for place in range(count)], dtype="str")
    cuts = sorted(data.draw(st.sets(st.integers(0, count), max_size=3)) | {0, count})
    pieces = pd.concat([column.iloc[start:stop] for start, stop in pairwise(cuts)])
    rows = np.array(data.draw(st.lists(st.integers(0, count - 1))), dtype=np.int64)
    assert take_rows(pieces.array, rows).tolist() == [str(row) for row in rows]


class Row(NamedTuple):
    """One row worked off by itself, with nothing but Python's own library."""

    way: tuple[str, str | None]
    content: dict[str, Any]
    recipient: dict[str, Any]


def row_of(phone: str, content: dict[str, Any], originator: str, report_url: str | None, ref: str | None) -> Row:
    said = blake2b(compact(content, sort_keys=True), digest_size=16).digest()
    begun = compact(["d7nb-row-1", "content", "may"])
    key = b32encode(blake2b(begun + phone.encode() + b" " + said, digest_size=16).digest()).decode().rstrip("=")
    reference = without_none({"cust_ref": ref, "message_tag5": key})
    recipient = {"recipient_type": "individual", "recipient": phone, "reference": reference}
    return Row((originator, report_url), content, recipient)


def without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def compact(node: Any, **options: Any) -> bytes:
    return json.dumps(node, ensure_ascii=False, separators=(",", ":"), **options).encode()


def one_by_one(rows: list[Row], size: int) -> list[bytes]:
    """Requests as a loop makes them: one originator each; rows that say the same share a message."""
    ways: dict[str, dict[bytes, list[Row]]] = {}
    for row in rows:
        messages = ways.setdefault(row.way[0], {})
        messages.setdefault(compact([row.content, row.way]), []).append(row)
    bodies = []
    for messages in ways.values():
        ordered = [row for group in messages.values() for row in group]
        for start in range(0, len(ordered), size):
            made: list[dict[str, Any]] = []
            before = None
            for row in ordered[start : start + size]:
                if before is None or (before.content, before.way) != (row.content, row.way):
                    message = {"originator": row.way[0], "content": row.content, "recipients": []}
                    made.append(message | without_none({"report_url": row.way[1]}))
                made[-1]["recipients"].append(row.recipient)
                before = row
            bodies.append(compact({"messages": made}))
    return bodies


WORDS = TEXTS.map(lambda text: f"x{text}y".encode(errors="replace").decode())
"""Texts that are not blank, and mean nothing else."""
CELLS_OF = {
    "phone": st.sampled_from(PHONES),
    "kind": st.sampled_from(["text", "map"]),
    "name": WORDS,
    "amount": WORDS,
    "place": st.one_of(st.none(), WORDS),
    "street": st.one_of(st.none(), WORDS),
    "sender": st.sampled_from([ORIGINATOR, "+12025550101"]),
    "url": st.sampled_from([None, "https://example.com/a"]),
    "ref": st.one_of(st.none(), WORDS),
}
ROWS = st.lists(st.fixed_dictionaries(CELLS_OF), min_size=1, max_size=12)
PLAIN_ROW = dict.fromkeys(CELLS_OF) | {"kind": "text", "sender": ORIGINATOR}


@settings(max_examples=80)
@given(ROWS, st.integers(1, 5))
@example(
    [
        PLAIN_ROW | {"phone": phone, "name": name, "amount": "x"}
        for phone, name in zip(PHONES[:3], ("a", SEPARATOR, "a"), strict=True)
    ],
    2,
)
@pytest.mark.parametrize("dtype", ["str", "object"])
def test_the_bytes_posted_are_those_of_a_loop_over_rows(dtype: str, cells: list[dict[str, Any]], size: int) -> None:
    frame = pd.DataFrame(cells, columns=list(CELLS_OF), dtype=dtype)
    kinds = {
        "text": Text("Hi {name}, {{you}} owe {amount}"),
        "map": Location(25.2, "-1.50", name=col("place"), address=col("street")),
    }
    plan = d7nb.plan(
        frame,
        by_column("kind", kinds),
        to="phone",
        originator=col("sender"),
        report_url=col("url"),
        reference={"cust_ref": col("ref")},
        campaign="may",
    )
    rows = []
    for row in cells:
        body = "Hi " + row["name"] + ", {you} owe " + row["amount"]
        place = {"latitude": "25.2", "longitude": "-1.50", "name": row["place"], "address": row["street"]}
        parts = {"text": {"body": body}} if row["kind"] == "text" else {"location": without_none(place)}
        content = {"message_type": "TEXT" if row["kind"] == "text" else "LOCATION", **parts}
        rows.append(row_of(row["phone"], content, row["sender"], row["url"], row["ref"]))
    ready = plan._ready
    left = [rows[place] for place in ready.tolist()]
    keys = [row.recipient["reference"]["message_tag5"] for row in rows]
    assert [keys.index(key) for key in dict.fromkeys(keys)] == ready.tolist()  # all but the repeated ones
    assert bodies_of(plan, ready, size) == one_by_one(left, size)
    for some in (slice(1, None), slice(None, None, 2)):  # ways may come in another order then
        if left[some]:
            assert sorted(bodies_of(plan, ready[some], size)) == sorted(one_by_one(left[some], size))


def bodies_of(plan: d7nb.Plan, rows: np.ndarray, size: int) -> list[bytes]:
    builder = plan._decision.request_builder
    return [body for _, body in builder.bodies(builder.batches(rows, size))]


def strangest_one_by_one(texts: list[str]) -> dict[str, int]:
    """Why a row is strange, and which is the first, by a look at each."""
    sizes = list(map(len, texts))
    found = {"longest": sizes.index(max(sizes)), "shortest": sizes.index(min(sizes))} if len(set(sizes)) > 1 else {}
    for reason, pattern in strangest._ALL_PATTERNS:
        places = [place for place, text in enumerate(texts) if pattern.search(text)]
        found |= {reason: places[0]} if places else {}
    most = max(map(texts.count, texts))
    same = f"the same for {'all ' if most == len(texts) else ''}{most:,} rows"
    return found | ({same: [texts.count(text) for text in texts].index(most)} if most > 1 else {})


@settings(max_examples=200)
@given(
    st.lists(
        st.sampled_from(["1.0", "0", ".0", "1.0.", "\u0627", "1", "\u20e3", "\ufe0f", "\U0001f389", "\u200b"]).flatmap(
            lambda end: st.sampled_from(["a", "1", "#", ""]).map(lambda begin: begin + end)
        ),
        min_size=2,
        max_size=9,
    )
)
def test_the_strangest_rows_are_those_that_a_look_at_each_finds(texts: list[str]) -> None:
    found = strangest._MessageScan(lambda rows: [texts[row] for row in rows], np.arange(len(texts)))
    assert dict(found.reasons()) == strangest_one_by_one(texts)
    assert list(found.distinct_rows()) == [place for place, text in enumerate(texts) if text not in texts[:place]]


@given(st.lists(st.sampled_from(PHONES[:6]), max_size=14))
def test_people_who_get_several_messages_are_counted_as_in_a_dict(phones: list[str]) -> None:
    people = pd.Series(phones, dtype="str")
    assert _count_repeated(people) == sum(count > 1 for count in Counter(phones).values())
