"""One picture of what was measured: how far each target is surpassed, on a scale that doubles with every line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from pathlib import Path

from tests.benchmarks.measuring import Measured, short

LEFT, RIGHT, TOP, STEP, BAR = 400, 170, 46, 30, 14
UNIT = 58  # from one line to the next
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f; }
.bar { fill: #2f6f4f; } .missed { fill: #b3541e; } .beyond { stroke: #24292f; stroke-width: 2; }
.line { stroke: #24292f; stroke-opacity: .2; } .target { stroke: #24292f; stroke-opacity: .8; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; } .bar { fill: #56b384; } .missed { fill: #e08a55; }
  .line, .target, .beyond { stroke: #e6edf3; }
}
"""


def surpassed(measured: Measured, figure: float) -> float:
    """How many times better than the target a figure is; 1 is the target itself, less than that misses it."""
    target = measured.target
    return figure / target.target if target.more else target.target / figure


def draw(measured: Sequence[Measured], path: Path) -> None:
    """Write the picture."""
    ratios = [surpassed(each, each.median) for each in measured]
    marks = [surpassed(each, each.target.beyond) for each in measured]
    low = min(0, math.floor(math.log2(min(ratios))))
    high = max(1, math.ceil(math.log2(max(*ratios, *marks))))

    def across(ratio: float) -> float:
        return LEFT + UNIT * (math.log2(ratio) - low)

    width, bottom = across(2.0**high) + RIGHT, TOP + STEP * len(measured)
    drawn = []
    for power in range(low, high + 1):
        at, kind = across(2.0**power), "line" if power else "target"
        drawn.append(f'<line class="{kind}" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP - 12}" y2="{bottom}"/>')
        word = "target" if power == 0 else f"{2.0**power:g} x"
        drawn.append(f'<text x="{at:.1f}" y="{TOP - 20}" text-anchor="middle">{word}</text>')
    for place, (each, ratio, mark) in enumerate(zip(measured, ratios, marks, strict=True)):
        y, start, end, beyond = TOP + STEP * place, *sorted((across(1), across(ratio))), across(mark)
        name = escape(f"{each.target.number}  {each.target.name}")
        figure = escape(f"{short(each.median)} {each.target.unit}")
        kind = "bar" if each.met else "missed"
        drawn += [
            f'<text x="{LEFT - 12}" y="{y + BAR - 2}" text-anchor="end">{name}</text>',
            f'<rect class="{kind}" x="{start:.1f}" y="{y}" width="{max(end - start, 1):.1f}" height="{BAR}"/>',
            f'<line class="beyond" x1="{beyond:.1f}" x2="{beyond:.1f}" y1="{y - 3}" y2="{y + BAR + 3}"/>',
            f'<text x="{max(end, beyond) + 8:.1f}" y="{y + BAR - 2}">{figure}</text>',
        ]
    title = "How many times each target is surpassed; the short strokes are the marks beyond it"
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {bottom + 8}" role="img">'
        f"<title>{title}</title><style>{STYLE}</style>\n" + "\n".join(drawn) + "\n</svg>\n",
        encoding="utf-8",
    )
