"""A coded column against a plain list of texts."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, strategies as st

from d7nb.tables.coded_texts import CodedTexts, no_codes

TEXT = st.one_of(st.none(), st.sampled_from(["a", "b", "opted out"]), st.integers(0, 300).map(str))
ROWS = 400


@given(st.lists(st.tuples(st.sets(st.integers(0, ROWS - 1)), TEXT, st.booleans())))
def test_what_is_written_is_read(writes: list[tuple[set[int], str | None, bool]]) -> None:
    column, plain = CodedTexts.missing(ROWS), [None] * ROWS
    for chosen, text, one_for_all in writes:
        rows = np.array(sorted(chosen), dtype=np.int64)
        if one_for_all:
            column.fill(rows, text)
            texts = [text] * len(rows)
        else:
            texts = [text and f"{text} {row}" for row in rows]
            column.put(rows, texts)
        for row, written in zip(rows.tolist(), texts, strict=True):
            plain[row] = written
    pd.testing.assert_extension_array_equal(column.array(), pd.array(plain, dtype="str"))
    assert {text: count for text, count in column.count().items() if count} == {
        text: plain.count(text) for text in plain if text is not None
    }
    assert column.isin("a", "b").tolist() == [text in {"a", "b"} for text in plain]
    assert list(column.categorical().astype(object)) == list(column.array().astype(object))


def test_the_type_grows_with_the_number_of_texts() -> None:
    column = CodedTexts.missing(40_000)
    column.fill(np.arange(40_000), "first")
    assert column.codes.dtype == np.int8
    column.put(np.arange(40_000), [f"{row}" for row in range(40_000)])
    assert column.codes.dtype == np.int32
    assert column.array().tolist() == [f"{row}" for row in range(40_000)]


def test_codes_that_share_a_text_are_one_category() -> None:
    codes = no_codes(4, 3)
    codes[:3] = [2, 1, 0]
    column = CodedTexts(codes, ["b", "a", "b"])
    taken = column.take(np.array([0, 1, 3]))
    assert taken.tolist() == ["b", "a", np.nan]
    assert taken.categories.tolist() == ["a", "b"]
    assert column.isin("b").tolist() == [True, False, True, False]
