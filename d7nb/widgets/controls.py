"""Small pieces of view, each with its label, so that the form looks and reads the same everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets as w

from d7nb.display.css import STYLE
from d7nb.display.templates import html
from d7nb.display.text import in_terminal, name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

_LABELLED = {"style": {"description_width": "10.5em"}}
_WIDE = {"width": "auto", "min_width": "16em"}
_NARROW = {"width": "auto", "min_width": "15em"}


def text(label: str, value: str = "", placeholder: str = "", tooltip: str = "") -> w.Text:
    """A line of text."""
    return w.Text(
        value, description=label, placeholder=placeholder, tooltip=tooltip or None, layout=dict(_WIDE), **_LABELLED
    )


def area(label: str, value: str = "", placeholder: str = "", rows: int = 3) -> w.Textarea:
    """Several lines of text."""
    return w.Textarea(value, description=label, placeholder=placeholder, rows=rows, layout=dict(_WIDE), **_LABELLED)


def words(label: str, choices: Sequence[str], value: str = "", placeholder: str = "") -> w.Combobox:
    """A line of text for which there are words to choose from."""
    return w.Combobox(
        value=value, options=tuple(choices), description=label, placeholder=placeholder, layout=dict(_WIDE), **_LABELLED
    )


NOTHING = ("",)
"""The value of a choice that means none: ipywidgets shows a choice of None as if nobody had chosen."""


def choice(label: str, options: Sequence[tuple[str, Any]], value: Any = NOTHING, *, narrow: bool = False) -> w.Dropdown:
    """One of several."""
    style = {"style": {"description_width": "initial"}} if narrow else _LABELLED
    values = [option for _, option in options]
    index = values.index(value) if value in values else None
    layout = dict(_NARROW if narrow else _WIDE)
    return w.Dropdown(options=options, index=index, description=label, layout=layout, **style)


def tick(label: str, value: bool) -> w.Checkbox:
    """Yes or no."""
    return w.Checkbox(value, description=label, indent=False, layout={"width": "auto"})


def button(label: str, act: Callable[[], None], *, style: str = "", disabled: bool = False) -> w.Button:
    """Something to press. Its words say what happens; there is no icon to guess at."""
    made = w.Button(description=label, button_style=style, disabled=disabled, layout={"width": "auto"})
    made.on_click(lambda _: act())
    return made


def row(*children: w.Widget) -> w.HBox:
    """Side by side, and below one another where there is no room."""
    layout = {"display": "flex", "flex_flow": "row wrap", "align_items": "flex-start", "overflow": "visible"}
    for child in children:
        if isinstance(child, w.Text | w.Textarea | w.Combobox):
            child.layout.flex = "3 1 20em"
        elif isinstance(child, w.Dropdown):
            child.layout.flex = "1 1 17em"
    return w.HBox(list(children), layout=layout)


def column(*children: w.Widget, width: str) -> w.VBox:
    """Below one another, as one of the form's columns."""
    return w.VBox(list(children), layout={"flex": f"1 1 {width}", "min_width": "min(20em, 100%)", "padding": "0 .5em"})


def stack(*children: w.Widget) -> w.VBox:
    """Below one another."""
    return w.VBox(list(children), layout={"overflow": "visible"})


def folded(title: str, child: w.Widget, *, opened: bool = False) -> w.Accordion:
    """What need not be seen at first."""
    return w.Accordion([child], titles=(title,), selected_index=0 if opened else None)


def shown(template: str, **values: Any) -> str:
    """HTML in the style that `stylesheet` brings to the page; every value is escaped."""
    return html(f'<div class="d7nb">{template}</div>', **values)


def stylesheet() -> w.HTML:
    """What makes the form's words look as displays do."""
    return w.HTML(STYLE)


def heading(words: str) -> w.HTML:
    """What the part below is about."""
    return w.HTML(shown('<div class="d7nb-title" role="heading" aria-level="3">{{ words|masked }}</div>', words=words))


def label_of(name: Hashable) -> str:
    """A column's name as a list of choices shows it: masked, cut short, and with nothing in it that nobody sees."""
    return in_terminal(name_of(name), 80)
