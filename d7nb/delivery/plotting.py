"""A delivery as a picture: how far messages came, and how long that took. Needs matplotlib, which is an extra."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from d7nb.errors import PlanError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

# Okabe and Ito's colours (2008), chosen so that people with any of the common colour blindnesses tell them apart.
COLOURS = {
    "accepted": "#56B4E9",
    "sent": "#0072B2",
    "delivered": "#009E73",
    "read": "#E69F00",
    "failed": "#D55E00",
}
MOST_SEGMENTS = 12
_LINES = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7", "#F0E442")
_UNITS = ((2 * 86_400, 86_400, "days"), (2 * 3_600, 3_600, "hours"), (180, 60, "minutes"), (0, 1, "seconds"))


def plot(lines: pd.DataFrame, codes: np.ndarray, counts: pd.DataFrame, waits: np.ndarray) -> Any:
    """Draw a funnel for each segment, and beside it the times to delivery.

    Args:
        lines: The segments.
        codes: The segment of each row.
        counts: For each segment ``rows``, and a column for each stage.
        waits: For each row, the seconds from acceptance to delivery; NaN where it was not delivered.

    Returns:
        A matplotlib ``Figure``; a notebook shows it, ``savefig`` writes it.

    Raises:
        PlanError: matplotlib is not installed.
    """
    try:
        from matplotlib import pyplot as plt  # noqa: PLC0415  (an extra, and slow to import)
    except ImportError:
        raise PlanError("a plot needs matplotlib: pip install 'd7nb[plot]'") from None
    names = [", ".join(str(value) for value in line) or "all rows" for line in lines.itertuples(index=False)]
    shown = np.sort(np.argsort(-counts["rows"].to_numpy(), kind="stable")[:MOST_SEGMENTS])
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, max(3.2, 1.6 + 0.55 * len(shown))), layout="constrained")
    plt.close(figure)  # whoever shows the result shows it once
    _bars(left, counts.iloc[shown], [names[place] for place in shown])
    arrived = ~np.isnan(waits)
    _curves(right, [(names[place], waits[arrived & (codes == place)]) for place in shown])
    more = f" (the {MOST_SEGMENTS} largest of {len(names):,} segments)" if len(shown) < len(names) else ""
    left.set_title(f"How far messages came{more}", fontsize=11)
    return figure


def _bars(axes: Any, counts: pd.DataFrame, names: Sequence[str]) -> None:
    """A group of bars for each segment, as shares of what was accepted, each with its count."""
    places, height = np.arange(len(names)), 0.8 / len(COLOURS)
    accepted = np.maximum(counts["accepted"].to_numpy(), 1)
    for number, (stage, colour) in enumerate(COLOURS.items()):
        values = counts[stage].to_numpy()
        offset = (number - (len(COLOURS) - 1) / 2) * height
        bars = axes.barh(places + offset, values / accepted, height, color=colour, label=stage)
        axes.bar_label(bars, [f"{value:,}" for value in values], padding=2, fontsize=7)
    axes.set_yticks(places, names, parse_math=False)  # a price is no formula
    axes.invert_yaxis()
    axes.set_xlim(0, 1.15)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    axes.set_xlabel("share of accepted messages", fontsize=9)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=len(COLOURS), frameon=False, fontsize=8)
    _bare(axes)


def _curves(axes: Any, waits: Sequence[tuple[str, np.ndarray]]) -> None:
    """The share of delivered messages that were there within a time."""
    known = [(name, np.sort(np.maximum(seconds, 0))) for name, seconds in waits if len(seconds)]
    axes.set_title("Times to delivery", fontsize=11)
    _bare(axes)
    if not known:
        axes.text(0.5, 0.5, "no message was delivered yet", ha="center", va="center", transform=axes.transAxes)
        axes.set_xticks([])
        axes.set_yticks([])
        return
    longest = max(seconds[-1] for _, seconds in known)
    _, unit, word = next(each for each in _UNITS if longest >= each[0])
    lines = []
    for number, (_, seconds) in enumerate(known):
        share = np.arange(len(seconds) + 1) / len(seconds)
        style = ("-", "--", ":")[number // len(_LINES) % 3]
        times = np.append(seconds[:1], seconds) / unit
        lines += axes.step(times, share, where="post", color=_LINES[number % len(_LINES)], linestyle=style)
    axes.set_ylim(0, 1.02)
    axes.set_yticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
    axes.set_xlim(0, longest / unit * 1.05 or 1)
    axes.set_xlabel(f"{word} after D7 accepted it", fontsize=9)
    axes.set_ylabel("share of delivered messages", fontsize=9)
    if len(known) > 1:
        # A label of a line may not begin with an underscore; a text in a legend may hold anything.
        legend = axes.legend(lines, [str(number) for number in range(len(lines))], frameon=False, fontsize=8)
        for text, (name, _) in zip(legend.get_texts(), known, strict=True):
            text.set(text=name, parse_math=False)


def _bare(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
