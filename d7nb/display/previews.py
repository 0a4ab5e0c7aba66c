"""The strangest of some messages, drawn as chat bubbles: what goes wrong goes wrong there first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pandas as pd

from d7nb.display.page import STYLE, html
from d7nb.settings import as_shown, options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SLICE = 8192
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")
_EMOJI = re.compile("[\u2600-\u27bf\U0001f300-\U0001faff]")
_FLOAT_LIKE = re.compile(r"(?<![\d.])\d+\.0(?![\d.])")
_NOT_SPOKEN = frozenset({"message_type", "type", "media_type", "button_index", "action_index", "action_type", "index"})

_TEMPLATE = (
    STYLE
    + """
<div class="d7nb"><div class="title">{{ title }}</div><div class="bubbles">
{% for row in rows %}
<figure><figcaption>row {{ row.row }} to {{ row.recipient }}: {{ row.why }}</figcaption>
<div class="bubble" dir="auto">{{ row.text }}</div></figure>
{% endfor %}
</div></div>
"""
)


class Preview:
    """Some messages as they would go; it shows itself, and `frame` has the same as a table.

    Args:
        frame: ``row``, ``index``, ``why``, ``recipient``, ``message_type``, ``text``.
        total: How many messages there are in all.
    """

    def __init__(self, frame: pd.DataFrame, total: int) -> None:
        self._frame = frame
        self._total = total

    @property
    def frame(self) -> pd.DataFrame:
        """One row per message shown, numbers masked until ``d7nb.options.reveal``."""
        shown = self._frame.copy()
        for name in ("recipient", "text"):
            shown[name] = shown[name].map(as_shown).astype("str")
        return shown

    def only(self, place: int) -> Preview:
        """The preview of one of these messages alone."""
        return Preview(self._frame.iloc[[place]], self._total)

    def __repr__(self) -> str:
        rows = self.frame.to_dict("records")
        lines = [f"row {row['row']} to {row['recipient']} ({row['why']}):\n    {_inset(row['text'])}" for row in rows]
        return "\n".join([self._title(), *lines])

    def _repr_html_(self) -> str:
        return html(_TEMPLATE, title=self._title(), rows=self.frame.to_dict("records"))

    def _title(self) -> str:
        masked = "" if options.reveal else ", numbers masked"
        return f"{len(self._frame)} of {self._total:,} messages that would go{masked}"


def preview_of(
    contents: Callable[[np.ndarray], list[str]], rows: np.ndarray, index: pd.Index, recipients: Any, n: int
) -> Preview:
    """Pick the strangest of some rows' messages.

    Args:
        contents: From positions to the JSON of each row's content.
        rows: Positions of the rows that would go.
        index: The frame's index.
        recipients: Each row's number.
        n: How many to pick.
    """
    picked = _picked(contents, rows)
    reasons: dict[int, list[str]] = {}
    for reason, row in picked:
        reasons.setdefault(row, []).append(reason)
    for row in rows[: max(n, 0)]:
        if len(reasons) < n:
            reasons.setdefault(int(row), ["one of the first"])
    chosen = list(reasons)[: max(n, 0)]
    texts = [orjson.loads(text) for text in contents(np.array(chosen, dtype=np.int64))] if chosen else []
    frame = pd.DataFrame(
        {
            "row": np.array(chosen, dtype=np.int64),
            "index": pd.Series([index[row] for row in chosen], dtype="object"),
            "why": pd.Series([", ".join(reasons[row]) for row in chosen], dtype="str"),
            "recipient": pd.Series([recipients[row] for row in chosen], dtype="str"),
            "message_type": pd.Series([content["message_type"] for content in texts], dtype="str"),
            "text": pd.Series(["\n".join(_spoken(content)) for content in texts], dtype="str"),
        }
    )
    return Preview(frame, len(rows))


def _picked(contents: Callable[[np.ndarray], list[str]], rows: np.ndarray) -> list[tuple[str, int]]:
    longest, shortest = (-1, -1), (1 << 60, -1)
    firsts: dict[str, int] = {}
    counts: dict[int, list[int]] = {}
    for start in range(0, len(rows), SLICE):
        part = rows[start : start + SLICE]
        for row, text in zip(part.tolist(), contents(part), strict=True):
            size = len(text)
            longest = max(longest, (size, row), key=lambda pair: pair[0])
            shortest = min(shortest, (size, row), key=lambda pair: pair[0])
            counts.setdefault(hash(text), [0, row])[0] += 1
            for reason, pattern in _PATTERNS.items():
                if reason not in firsts and pattern.search(text):
                    firsts[reason] = row
    found = [("longest", longest[1]), ("shortest", shortest[1]), *firsts.items()]
    most, row = max(counts.values(), key=lambda pair: pair[0], default=(0, -1))
    if most > 1:
        found.append((f"the same for {most:,} rows", row))
    return [(reason, row) for reason, row in found if row >= 0]


_PATTERNS = {"right to left": _RIGHT_TO_LEFT, "emoji": _EMOJI, "a number that looks like 1.0": _FLOAT_LIKE}


def _spoken(node: Any) -> Iterator[str]:
    """What a person would read of a content, line by line."""
    if isinstance(node, dict):
        for key, child in node.items():
            if key not in _NOT_SPOKEN:
                yield from _spoken(child)
    elif isinstance(node, list):
        for child in node:
            yield from _spoken(child)
    else:
        yield str(node)


def _inset(text: str) -> str:
    return text.replace("\n", "\n    ")
