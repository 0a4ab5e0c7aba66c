"""The strangest of some messages, drawn as chat bubbles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pandas as pd

from d7nb.display.bubbles import bubble_text, drawn, spoken
from d7nb.display.css import STYLE
from d7nb.display.sample import most_unusual
from d7nb.display.text import in_terminal, revealed
from d7nb.privacy import options

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from d7nb.content.bubble import Bubble

_TEMPLATE = """
<div class="d7nb">
<div class="d7nb-title">{{ title }}</div>
{% if messages %}
<div class="d7nb-messages">
{% for row, recipient, why, one in messages %}
<figure class="d7nb-message">
<figcaption><span class="d7nb-why">{{ why }}</span><span class="d7nb-aside">row {{ row }} to {{ recipient|plain(40) }}
{%- if kinds %}, {{ kinds[loop.index0]|plain(40) }}{% endif %}</span></figcaption>
{{ bubble(one) }}
</figure>
{% endfor %}
</div>
{% endif %}
</div>
"""


class Preview:
    """Some messages as they would go; it shows itself, and `frame` has the same as a table.

    Args:
        frame: ``row``, ``index``, ``why``, ``recipient``, ``message_type``, ``text``.
        bubbles: The message of each.
        total: How many messages there are in all.
    """

    def __init__(self, frame: pd.DataFrame, bubbles: Sequence[Bubble], total: int) -> None:
        self._frame = frame
        self._bubbles = bubbles
        self._total = total

    @property
    def frame(self) -> pd.DataFrame:
        """One row per message shown, numbers masked until ``d7nb.options.reveal``."""
        shown = self._frame.copy()
        for name in ("recipient", "text"):
            shown[name] = shown[name].map(revealed).astype("str")
        return shown

    def only(self, place: int) -> Preview:
        """The preview of one of these messages alone."""
        return Preview(self._frame.iloc[[place]], [self._bubbles[place]], self._total)

    def __repr__(self) -> str:
        lines = [self._title()]
        for row, recipient, why, bubble in self._messages():
            lines.append(f"row {row} to {in_terminal(recipient, reveal=True)} ({why}):")
            lines += [f"    {line}" for line in bubble_text(bubble).splitlines()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        kinds = self._frame["message_type"].tolist()
        shown = {"title": self._title(), "messages": self._messages(), "kinds": kinds if len(set(kinds)) > 1 else []}
        return STYLE + drawn(_TEMPLATE, **shown)

    def _messages(self) -> list[tuple[int, str, str, Bubble]]:
        columns = (self._frame[name].tolist() for name in ("row", "recipient", "why"))
        return list(zip(*columns, self._bubbles, strict=True))

    def _title(self) -> str:
        masked = "" if options.reveal else ", numbers masked"
        return f"{len(self._frame)} of {self._total:,} messages that would go{masked}"


def preview_of(
    contents: Callable[[np.ndarray], list[str]],
    rows: np.ndarray,
    index: pd.Index,
    recipients: Any,
    n: int,
    *,
    bubble: Callable[[int, dict[str, Any]], Bubble],
    groups: np.ndarray | None = None,
) -> Preview:
    """Pick the strangest of some rows' messages, and draw them.

    Args:
        contents: From positions to the JSON of each row's content.
        rows: Positions of the rows that would go.
        index: The frame's index.
        recipients: Each row's number.
        n: How many to pick.
        bubble: From a row's position and its content to the bubble.
        groups: For each of `rows` which kind of message it is.
    """
    why = most_unusual(contents, rows, n, groups)
    chosen = list(why)
    said = [orjson.loads(text) for text in contents(np.array(chosen, dtype=np.int64))] if chosen else []
    bubbles = [bubble(row, content) for row, content in zip(chosen, said, strict=True)]
    frame = pd.DataFrame(
        {
            "row": np.array(chosen, dtype=np.int64),
            "index": pd.Series([index[row] for row in chosen], dtype="object"),
            "why": pd.Series([", ".join(why[row]) for row in chosen], dtype="str"),
            "recipient": pd.Series([recipients[row] for row in chosen], dtype="str"),
            "message_type": pd.Series([content["message_type"] for content in said], dtype="str"),
            "text": pd.Series(["\n".join(spoken(each)) for each in bubbles], dtype="str"),
        }
    )
    return Preview(frame, bubbles, len(rows))
