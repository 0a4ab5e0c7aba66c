"""A content's fields as a form, built from the declaration of its class, a plugin's like our own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from d7nb.content.binding.format_strings import Column, FormatString, parse_format_string
from d7nb.content.rules import FLAG
from d7nb.content.schema.fields import Free, Items, Leaf
from d7nb.errors import TemplateError
from d7nb.widgets import controls as parts

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from d7nb.content.schema.fields import PartLike, Spec
    from d7nb.widgets.model import ComposeModel

Path = tuple[str | int, ...]
LONG = 300
"""A text whose limit is no less gets several lines."""
_FLAGS = (("not set", ""), ("yes", "true"), ("no", "false"))
_NO_COLUMN: tuple[str, Any] = ("\N{EM DASH}", parts.NOTHING)


class Fields:
    """The fields of the model's kind; what is typed goes to the model at once, and what is set there is shown.

    Args:
        model: The form's state.
        guarded: Wraps what a widget calls, so that its errors are seen.
    """

    def __init__(self, model: ComposeModel, guarded: Callable[..., Any]) -> None:
        self._model = model
        self._guarded = guarded
        self._typing = False
        self.box = w.VBox()
        self._build()
        model.observe(self._follow, ["kind", "fields"])

    def forget(self) -> None:
        """Follow the model no more."""
        self._model.unobserve(self._follow, ["kind", "fields"])

    def _follow(self, _: Mapping[str, Any]) -> None:
        if not self._typing:
            self._build()

    def _build(self) -> None:
        kind = self._model.kinds[self._model.kind]
        old = self.box.children
        self.box.children = self._part(kind, ())
        for child in old:
            close(child)

    def _set(self, path: Path, value: Any, *, rebuild: bool = False) -> None:
        self._typing = not rebuild
        try:
            self._model.fields = put(self._model.fields, path, value)
        finally:
            self._typing = False

    def _part(self, part: type[PartLike], path: Path) -> list[w.Widget]:
        """A view of each field of a part: what must be filled in first, what may be left out folded away."""
        return [self._field(name, spec, (*path, name)) for name, spec in part.specs().items()]

    def _field(self, name: str, spec: Spec, path: Path) -> w.Widget:
        if isinstance(spec, Leaf):
            return self._leaf(spec, path)
        if isinstance(spec, Free):
            return self._free(spec, path)
        inside = self._list(spec, path) if isinstance(spec, Items) else w.VBox(self._part(spec.part, path))
        if spec.required:
            return w.VBox([parts.heading(spoken(path)), inside])
        return parts.folded(f"{spoken(path)} (optional)", inside, opened=bool(at(self._model.fields, path)))

    def _leaf(self, spec: Leaf, path: Path) -> w.Widget:
        label, value = spoken(path), at(self._model.fields, path)
        typed = _input(spec, label, "" if value is None or isinstance(value, Column) else str(value))
        chooser = parts.choice(f"column for {label}", self._columns(), narrow=not isinstance(typed, w.Textarea))
        if isinstance(value, Column):
            self._show_bound(typed, chooser, value)

        def type_(change: Mapping[str, Any]) -> None:
            if not typed.disabled:
                self._set(path, change["new"])

        def choose(change: Mapping[str, Any]) -> None:
            if change["new"] == parts.NOTHING:
                if typed.disabled:
                    typed.value, typed.disabled = "", False
                    self._set(path, "")
                return
            how, name = change["new"]
            if how == "bind":
                self._show_bound(typed, chooser, Column(name))
                self._set(path, Column(name))
                return
            before = "" if typed.disabled else typed.value
            typed.disabled = False
            chooser.value = parts.NOTHING
            typed.value = f"{before}{{{name}}}"

        typed.observe(self._guarded(type_), "value")
        chooser.observe(self._guarded(choose), "value")
        return parts.stack(typed, chooser) if isinstance(typed, w.Textarea) else parts.row(typed, chooser)

    @staticmethod
    def _show_bound(typed: w.Widget, chooser: w.Dropdown, bound: Column) -> None:
        typed.disabled = True
        if not isinstance(typed, w.Dropdown):
            typed.value = f"the column {parts.label_of(bound.name)}"
        chooser.value = ("bind", bound.name)

    def _columns(self) -> list[tuple[str, Any]]:
        names = list(self._model.frame.columns)
        inserted = [(f"insert {parts.label_of(name)}", ("insert", name)) for name in names if can_be_inserted(name)]
        return [_NO_COLUMN, *inserted, *((f"only {parts.label_of(name)}", ("bind", name)) for name in names)]

    def _free(self, spec: Free, path: Path) -> w.Widget:
        value = at(self._model.fields, path)
        how = "one on each line" + (", such as city: {city}" if spec.shape is dict else "") + "; or JSON"
        typed = parts.area(spoken(path), value if isinstance(value, str) else _lines(value), how)
        typed.observe(self._guarded(lambda change: self._set(path, change["new"])), "value")
        chooser = parts.choice(
            f"column for {spoken(path)}", [each for each in self._columns() if not _binds(each)], narrow=True
        )

        def choose(change: Mapping[str, Any]) -> None:
            if change["new"] != parts.NOTHING:
                chooser.value = parts.NOTHING
                typed.value = f"{typed.value}{{{change['new'][1]}}}"

        chooser.observe(self._guarded(choose), "value")
        return parts.stack(typed, chooser)

    def _list(self, spec: Items, path: Path) -> w.Widget:
        given = at(self._model.fields, path)
        count = max(len(given) if isinstance(given, list | tuple) else 0, spec.least if spec.required else 0)
        boxes = [w.VBox(self._part(spec.part, (*path, place))) for place in range(count)]
        one = singular(str(path[-1]))

        def resize(to: int) -> None:
            items = list(at(self._model.fields, path) or ())
            self._set(path, [*items, *({} for _ in range(to - len(items)))][:to], rebuild=True)

        add = parts.button(f"Add {one}", self._guarded(lambda: resize(count + 1)))
        add.disabled = spec.most is not None and count >= spec.most
        take = parts.button(f"Remove last {one}", self._guarded(lambda: resize(count - 1)))
        take.disabled = count <= (spec.least if spec.required else 0)
        return w.VBox([*boxes, parts.row(add, take)])


def close(widget: w.Widget) -> None:
    """Let go of a widget and of all below it; ipywidgets keeps each until then."""
    for child in getattr(widget, "children", ()):
        close(child)
    for name in ("layout", "style"):
        if hasattr(widget, name):
            getattr(widget, name).close()
    widget.close()


def _binds(option: tuple[str, Any]) -> bool:
    return bool(option[1][0] == "bind")


def _input(spec: Leaf, label: str, value: str) -> w.Widget:
    if spec.kind is FLAG:
        shown = {"True": "true", "False": "false"}.get(value, value)
        known = shown in [word for _, word in _FLAGS]
        return parts.choice(label, _FLAGS if known else (*_FLAGS, (shown, shown)), shown)
    hint = f"{spec.kind.name}, {'required' if spec.required else 'optional'}"
    choices = next((rule.words for rule in spec.rules if rule.words), ())
    if choices:
        return parts.words(label, choices, value, f"{hint}: {', '.join(choices)}")
    limits = [rule.limit for rule in spec.rules if rule.limit]
    return parts.area(label, value, hint) if limits and limits[0] >= LONG else parts.text(label, value, hint)


def _lines(value: Any) -> str:
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return "\n".join(value)
    if isinstance(value, dict) and all(isinstance(item, str) for item in value.values()):
        places = [str(place) for place in range(len(value))]
        if list(value) == places:
            return "\n".join(value.values())
        return "\n".join(f"{key}: {item}" for key, item in value.items())
    return "" if value is None else json.dumps(value, ensure_ascii=False, default=_no_json)


def _no_json(value: Any) -> str:
    """A column in the midst of JSON is shown as the template that comes nearest."""
    return f"{{{value.name}}}" if isinstance(value, Column) else str(value)


def can_be_inserted(name: Hashable) -> bool:
    """Whether a template can name a column."""
    try:
        read = parse_format_string(f"{{{name}}}") if isinstance(name, str) else None
    except TemplateError:
        return False
    return isinstance(read, FormatString) and read.columns == (name,)


def spoken(path: Path) -> str:
    """A path as a label: ``buttons 1 title``."""
    return " ".join(str(step + 1) if isinstance(step, int) else step.replace("_", " ") for step in path)


def singular(word: str) -> str:
    """One of several: ``button`` of ``buttons``."""
    return word.replace("_", " ").removesuffix("es" if word.endswith("sses") else "s")


def at(fields: Any, path: Path) -> Any:
    """What stands at a path in plain data; None where nothing does."""
    for step in path:
        if isinstance(step, int):
            fields = fields[step] if isinstance(fields, list | tuple) and step < len(fields) else None
        else:
            fields = fields.get(step) if isinstance(fields, dict) else None
    return fields


def put(fields: Any, path: Path, value: Any) -> Any:
    """The same plain data with another value at a path; what leads there is made.

    Example:
        >>> put({"body": "Hi"}, ("buttons", 1, "title"), "No")
        {'body': 'Hi', 'buttons': [{}, {'title': 'No'}]}
    """
    if not path:
        return value
    step, *rest = path
    if isinstance(step, int):
        items = list(fields) if isinstance(fields, list | tuple) else []
        items += [{} for _ in range(step + 1 - len(items))]
        items[step] = put(items[step], tuple(rest), value)
        return items
    return {**(fields if isinstance(fields, dict) else {}), step: put(at(fields, (step,)), tuple(rest), value)}
