"""The labelled widgets and layouts that the form is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets as w

from d7nb.display.css import STYLE
from d7nb.display.templates import html
from d7nb.display.text import column_name, in_terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

_LABELLED = {"style": {"description_width": "10.5em"}}
_LABEL_STYLE = """<style>
.d7nb-form .widget-text>.widget-label{white-space:normal;overflow:visible;box-sizing:border-box;height:auto;
min-height:28px;line-height:1.3;padding-top:.4em}
</style>"""
"""Labels of fields in lists are long: they are broken over lines, not cut off."""
_WIDE = {"width": "auto", "min_width": "16em"}
_NARROW = {"width": "auto", "min_width": "15em"}


def text_input(label: str, value: str = "", placeholder: str = "", tooltip: str = "") -> w.Text:
    """Return a field for one line of text."""
    return w.Text(
        value, description=label, placeholder=placeholder, tooltip=tooltip or None, layout=dict(_WIDE), **_LABELLED
    )


def text_area(label: str, value: str = "", placeholder: str = "", rows: int = 3) -> w.Textarea:
    """Return a field for several lines of text."""
    return w.Textarea(value, description=label, placeholder=placeholder, rows=rows, layout=dict(_WIDE), **_LABELLED)


def combobox(label: str, choices: Sequence[str], value: str = "", placeholder: str = "") -> w.Combobox:
    """Return a field for one line of text that suggests values."""
    return w.Combobox(
        value=value, options=tuple(choices), description=label, placeholder=placeholder, layout=dict(_WIDE), **_LABELLED
    )


NOTHING = ("",)
"""The value of a dropdown's empty option: ipywidgets shows the value None as if nothing was chosen."""


def dropdown(
    label: str, options: Sequence[tuple[str, Any]], value: Any = NOTHING, *, narrow: bool = False
) -> w.Dropdown:
    """Return a list of options of which one is chosen."""
    style = {"style": {"description_width": "initial"}} if narrow else _LABELLED
    values = [option for _, option in options]
    index = values.index(value) if value in values else None
    layout = dict(_NARROW if narrow else _WIDE)
    return w.Dropdown(options=options, index=index, description=label, layout=layout, **style)


def checkbox(label: str, value: bool) -> w.Checkbox:
    """Return a box to tick."""
    return w.Checkbox(value, description=label, indent=False, layout={"width": "auto"})


def button(label: str, act: Callable[[], None], *, style: str = "", disabled: bool = False) -> w.Button:
    """Return a button that calls `act` when pressed."""
    widget = w.Button(description=label, button_style=style, disabled=disabled, layout={"width": "auto"})
    widget.on_click(lambda _: act())
    return widget


def row(*children: w.Widget) -> w.HBox:
    """Lay widgets out side by side, wrapped where there is no room."""
    layout = {"display": "flex", "flex_flow": "row wrap", "align_items": "flex-start", "overflow": "visible"}
    for child in children:
        if isinstance(child, w.Text | w.Textarea | w.Combobox):
            child.layout.flex = "3 1 20em"
        elif isinstance(child, w.Dropdown):
            child.layout.flex = "1 1 17em"
    return w.HBox(list(children), layout=layout)


def column(*children: w.Widget, width: str) -> w.VBox:
    """Lay widgets out below one another, as a column of the form."""
    return w.VBox(list(children), layout={"flex": f"1 1 {width}", "min_width": "min(20em, 100%)", "padding": "0 .5em"})


def stack(*children: w.Widget) -> w.VBox:
    """Lay widgets out below one another."""
    return w.VBox(list(children), layout={"overflow": "visible"})


def accordion(title: str, child: w.Widget, *, opened: bool = False) -> w.Accordion:
    """Return a section that can be opened and closed."""
    return w.Accordion([child], titles=(title,), selected_index=0 if opened else None)


def styled_html(template: str, **values: Any) -> str:
    """Fill in a template whose HTML takes the style of displays; every value is escaped."""
    return html(f'<div class="d7nb">{template}</div>', **values)


def note(text: str) -> str:
    """Return a sentence as HTML, masked."""
    return styled_html("<p>{{ text|masked }}</p>", text=text)


def alert(text: str) -> str:
    """Return a sentence about an error as HTML, masked; screen readers read it out at once."""
    return styled_html('<p role="alert">{{ text|masked }}</p>', text=text)


def stylesheet() -> w.HTML:
    """Return the style of displays and of the form's long labels, which the form needs once."""
    return w.HTML(STYLE + _LABEL_STYLE)


def heading(text: str) -> w.HTML:
    """Return the heading of a part of the form."""
    return w.HTML(
        styled_html('<div class="d7nb-title" role="heading" aria-level="3">{{ text|masked }}</div>', text=text)
    )


def column_label(name: Hashable) -> str:
    """Return a column's name as a label: masked, cut short, and without invisible characters."""
    return in_terminal(column_name(name), 80)
