"""What a plan shows of itself: its own display, and the preview of its messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from d7nb.content.preview import bubble_of
from d7nb.display.plans import PlanView
from d7nb.display.previews import Preview, preview_of

if TYPE_CHECKING:
    import pandas as pd

    from d7nb.content.bubble import Bubble
    from d7nb.planning.build import Decision


def view_of_decision(decision: Decision, problems: pd.DataFrame, rate: int | None) -> PlanView:
    """Return what the displays of a plan need, as plain data.

    Args:
        decision: The decision about its rows.
        problems: The frame of its problems.
        rate: Recipients a second for one originator; None for no limit.
    """
    return PlanView(
        campaign=decision.options.campaign,
        content="columns named by D7's paths" if decision.content is None else repr(decision.content),
        recipient_column=decision.options.to,
        originators=decision.request_builder.by_originator(decision.ready),
        rate=rate,
        summary=decision.verdicts.count(),
        problems=problems,
        filters=[(result.row_filter.name, result.saw, len(result.positions)) for result in decision.filter_results],
    )


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
