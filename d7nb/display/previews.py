"""A preview: the most unusual messages of a plan, drawn as chat bubbles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pandas as pd

from d7nb.display.bubbles import bubble_lines, bubble_text, render_bubbles
from d7nb.display.css import STYLE
from d7nb.display.sample import most_unusual
from d7nb.display.text import in_terminal, plural, preview_text
from d7nb.privacy import options

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from d7nb.content.bubble import Bubble

_TEMPLATE = """
<div class="d7nb">
<div class="d7nb-title">{{ title }}</div>
{% if messages %}
<div class="d7nb-messages">
{% for row, recipient, why, message in messages %}
<figure class="d7nb-message">
<figcaption><span class="d7nb-why">{{ why }}</span><span class="d7nb-aside">row {{ row }} to {{ recipient|plain(40) }}
{%- if kinds %}, {{ kinds[loop.index0]|plain(40) }}{% endif %}</span></figcaption>
{{ bubble(message) }}
</figure>
{% endfor %}
</div>
{% endif %}
</div>
"""


class Preview:
    """Some messages as they would be sent, displayed as chat bubbles; `frame` has them as a table.

    Args:
        frame: ``row``, ``index``, ``why``, ``recipient``, ``message_type``, ``text``.
        bubbles: One message per row of `frame`.
        total: How many messages the plan would send.
    """

    def __init__(self, frame: pd.DataFrame, bubbles: Sequence[Bubble], total: int) -> None:
        self._frame = frame
        self._bubbles = bubbles
        self._total = total

    @property
    def frame(self) -> pd.DataFrame:
        """One row per message shown, numbers masked until ``d7nb.options.reveal``."""
        masked = self._frame.copy()
        for name in ("recipient", "text"):
            masked[name] = masked[name].map(preview_text).astype("str")
        return masked

    def only(self, position: int) -> Preview:
        """Return a preview of one of these messages, by its position in `frame`."""
        return Preview(self._frame.iloc[[position]], [self._bubbles[position]], self._total)

    def __repr__(self) -> str:
        lines = [self._title()]
        for row, recipient, why, bubble in self._messages():
            lines.append(f"row {row} to {in_terminal(recipient, reveal=True)} ({why}):")
            lines += [f"    {line}" for line in bubble_text(bubble).splitlines()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        kinds = self._frame["message_type"].tolist()
        values = {"title": self._title(), "messages": self._messages(), "kinds": kinds if len(set(kinds)) > 1 else []}
        return STYLE + render_bubbles(_TEMPLATE, **values)

    def _messages(self) -> list[tuple[int, str, str, Bubble]]:
        columns = (self._frame[name].tolist() for name in ("row", "recipient", "why"))
        return list(zip(*columns, self._bubbles, strict=True))

    def _title(self) -> str:
        masked = "" if options.reveal else ", numbers masked"
        return f"{len(self._frame)} of {plural(self._total, 'message')} that would be sent{masked}"


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
    """Pick the most unusual of some rows' messages, and draw them.

    Args:
        contents: Returns the JSON of each row's content, given row positions.
        rows: Positions of the rows that would be sent.
        index: The frame's index.
        recipients: The phone number of every row of the frame.
        n: How many messages to pick.
        bubble: Returns the bubble of a row, given its position and its content.
        groups: For each of `rows` a number for its kind of message.
    """
    reasons = most_unusual(contents, rows, n, groups)
    chosen = list(reasons)
    chosen_contents = [orjson.loads(text) for text in contents(np.array(chosen, dtype=np.int64))] if chosen else []
    bubbles = [bubble(row, content) for row, content in zip(chosen, chosen_contents, strict=True)]
    frame = pd.DataFrame(
        {
            "row": np.array(chosen, dtype=np.int64),
            "index": pd.Series([index[row] for row in chosen], dtype="object"),
            "why": pd.Series([", ".join(reasons[row]) for row in chosen], dtype="str"),
            "recipient": pd.Series([recipients[row] for row in chosen], dtype="str"),
            "message_type": pd.Series([content["message_type"] for content in chosen_contents], dtype="str"),
            "text": pd.Series(["\n".join(bubble_lines(drawn)) for drawn in bubbles], dtype="str"),
        }
    )
    return Preview(frame, bubbles, len(rows))
