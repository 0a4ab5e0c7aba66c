"""Draw a delivery with matplotlib: the funnel of each segment, and the times to delivery."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from d7nb.errors import PlanError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

# Okabe and Ito, "Color Universal Design" (2008): told apart with any of the common colour blindnesses.
COLOURS = {
    "accepted": "#56B4E9",
    "sent": "#0072B2",
    "delivered": "#009E73",
    "read": "#E69F00",
    "failed": "#D55E00",
}
MAX_SEGMENTS = 12
"""The most segments in one plot; of more, the largest are drawn."""
_LINE_COLOURS = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7", "#F0E442")
_UNITS = ((2 * 86_400, 86_400, "days"), (2 * 3_600, 3_600, "hours"), (180, 60, "minutes"), (0, 1, "seconds"))
"""Units of time: the seconds from which each is used, its length in seconds, its name."""


def plot(segments: pd.DataFrame, codes: np.ndarray, counts: pd.DataFrame, waits: np.ndarray) -> Any:
    """Draw a funnel for each segment, and beside it the times to delivery.

    Args:
        segments: A row for each segment.
        codes: For each row of the table, its segment's number.
        counts: For each segment ``rows``, and a column for each stage.
        waits: For each row of the table, the seconds from acceptance to delivery; NaN where it was not delivered.

    Returns:
        A matplotlib ``Figure``; a notebook shows it, ``savefig`` writes it.

    Raises:
        PlanError: matplotlib is not installed.
    """
    try:
        from matplotlib import pyplot as plt
    except ImportError:
        raise PlanError("a plot needs matplotlib: pip install 'd7nb[plot]'") from None
    names = [", ".join(str(value) for value in values) or "all rows" for values in segments.itertuples(index=False)]
    shown = np.sort(np.argsort(-counts["rows"].to_numpy(), kind="stable")[:MAX_SEGMENTS])
    figure, (funnel_axes, times_axes) = plt.subplots(
        1, 2, figsize=(10, max(3.2, 1.6 + 0.55 * len(shown))), layout="constrained"
    )
    plt.close(figure)  # whoever shows the result shows it once
    _draw_funnels(funnel_axes, counts.iloc[shown], [names[segment] for segment in shown])
    arrived = ~np.isnan(waits)
    _draw_times(times_axes, [(names[segment], waits[arrived & (codes == segment)]) for segment in shown])
    more = f" (the {MAX_SEGMENTS} largest of {len(names):,} segments)" if len(shown) < len(names) else ""
    funnel_axes.set_title(f"How far messages came{more}", fontsize=11)
    return figure


def _draw_funnels(axes: Any, counts: pd.DataFrame, names: Sequence[str]) -> None:
    """Draw a group of bars for each segment: the share of accepted messages in each stage, with its count."""
    positions, height = np.arange(len(names)), 0.8 / len(COLOURS)
    accepted = np.maximum(counts["accepted"].to_numpy(), 1)
    for number, (stage, colour) in enumerate(COLOURS.items()):
        values = counts[stage].to_numpy()
        offset = (number - (len(COLOURS) - 1) / 2) * height
        bars = axes.barh(positions + offset, values / accepted, height, color=colour, label=stage)
        axes.bar_label(bars, [f"{value:,}" for value in values], padding=2, fontsize=7)
    axes.set_yticks(positions, names, parse_math=False)  # a price such as $5 is no formula
    axes.invert_yaxis()
    axes.set_xlim(0, 1.15)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    axes.set_xlabel("share of accepted messages", fontsize=9)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=len(COLOURS), frameon=False, fontsize=8)
    _simplify(axes)


def _draw_times(axes: Any, waits: Sequence[tuple[str, np.ndarray]]) -> None:
    """Draw for each segment the share of its delivered messages that arrived within a time."""
    curves = [(name, np.sort(np.maximum(seconds, 0))) for name, seconds in waits if len(seconds)]
    axes.set_title("Times to delivery", fontsize=11)
    _simplify(axes)
    if not curves:
        axes.text(0.5, 0.5, "no message was delivered yet", ha="center", va="center", transform=axes.transAxes)
        axes.set_xticks([])
        axes.set_yticks([])
        return
    longest = max(seconds[-1] for _, seconds in curves)
    _, unit, unit_name = next(unit for unit in _UNITS if longest >= unit[0])
    lines = []
    for number, (_, seconds) in enumerate(curves):
        share = np.arange(len(seconds) + 1) / len(seconds)
        style = ("-", "--", ":")[number // len(_LINE_COLOURS) % 3]
        times = np.append(seconds[:1], seconds) / unit
        lines += axes.step(
            times, share, where="post", color=_LINE_COLOURS[number % len(_LINE_COLOURS)], linestyle=style
        )
    axes.set_ylim(0, 1.02)
    axes.set_yticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
    axes.set_xlim(0, longest / unit * 1.05 or 1)
    axes.set_xlabel(f"{unit_name} after D7 accepted it", fontsize=9)
    axes.set_ylabel("share of delivered messages", fontsize=9)
    if len(curves) > 1:
        # matplotlib drops a label that begins with an underscore, but lets the text be set to anything.
        legend = axes.legend(lines, [str(number) for number in range(len(lines))], frameon=False, fontsize=8)
        for text, (name, _) in zip(legend.get_texts(), curves, strict=True):
            text.set(text=name, parse_math=False)


def _simplify(axes: Any) -> None:
    """Remove the frame's upper and right side, and use small labels."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
