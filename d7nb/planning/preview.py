"""The preview of a plan: the most unusual of its messages, filled in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from d7nb.content.preview import bubble_of
from d7nb.display.previews import Preview, preview_of

if TYPE_CHECKING:
    from d7nb.content.bubble import Bubble
    from d7nb.planning.build import Decision


def preview_of_plan(decision: Decision, n: int) -> Preview:
    """Draw the most unusual of the messages about to go.

    Args:
        decision: The decision about the plan's rows.
        n: How many to draw.
    """
    builder, ready = decision.request_builder, decision.ready

    def bubble(row: int, content: dict[str, Any]) -> Bubble:
        return bubble_of(decision.content_types[int(builder.content_of(np.array([row]))[0])], content)

    return preview_of(
        builder.contents,
        ready,
        decision.frame.index,
        decision.numbers["recipient"].array,
        n,
        bubble=bubble,
        groups=builder.content_of(ready),
    )
