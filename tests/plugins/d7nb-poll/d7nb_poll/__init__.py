"""An example to copy: a content type that D7 might add tomorrow, and a filter that wraps a pandera schema.

The entry point ``poll`` in the group ``d7nb`` names this module; what bears the mark ``@hookimpl`` is the plugin.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import pandera.pandas as pa

from d7nb import hookimpl
from d7nb.content import Content, Part, items, leaf
from d7nb.content.rules import META, TEXT, distinct, max_length
from d7nb.filters import RowFilter, reasons


class Choice(Part):
    """One answer to choose; a bare text is its words."""

    text: str = leaf("text", TEXT, max_length(100, META))

    short = ("text",)


class Poll(Content, message_type="POLL", root="poll"):
    """A question with answers to choose from."""

    question: str = leaf("question", TEXT, max_length(255, META))
    choices: Sequence[Choice | str] = items("choices", Choice, 2, 12, by=META)

    row_rules = (distinct("choices.*.text", "choices", META),)


class Schema(RowFilter):
    """Rows that break a pandera schema are skipped, each with what it breaks."""

    name = "schema"
    stage = "clean"

    def __init__(self, schema: pa.DataFrameSchema) -> None:
        self._schema = schema

    def check(self, rows: pd.DataFrame) -> pd.Series:
        """Validate all rows at once."""
        numbered = rows.reset_index(drop=True)
        try:
            self._schema.validate(numbered, lazy=True)
        except pa.errors.SchemaErrors as error:
            broken = error.failure_cases.dropna(subset=["index"]).drop_duplicates("index")
            told = pd.Series(pd.NA, index=numbered.index, dtype="object")
            told[broken["index"].astype(int)] = (broken["column"] + " breaks " + broken["check"].astype(str)).to_numpy()
            return told.set_axis(rows.index)
        return reasons(rows, [False] * len(rows), "")


@hookimpl
def d7nb_content_types() -> list[type[Content]]:
    """What this package adds to what can be sent."""
    return [Poll]


@hookimpl
def d7nb_filters() -> list[RowFilter]:
    """What this package asks of every plan that has a column ``age``."""
    return [Schema(pa.DataFrameSchema({"age": pa.Column(float, pa.Check.ge(18), coerce=True, required=False)}))]
