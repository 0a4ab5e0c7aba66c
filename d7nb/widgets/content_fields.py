"""The fields of a content as widgets, built from its class's declaration; this works for plugins' contents too."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from d7nb.content.binding.format_strings import Column, FormatString, parse_format_string
from d7nb.content.rules import FLAG
from d7nb.content.schema.fields import Free, Items, Leaf, Nested, noun_of
from d7nb.display.text import with_hint
from d7nb.errors import ContentError, TemplateError, message_of
from d7nb.hints import render
from d7nb.widgets import controls

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from d7nb.content.schema.fields import PartLike, Spec
    from d7nb.widgets.model import ComposeModel

Path = tuple[str | int, ...]
MULTILINE_FROM = 300
"""A text that may have this many characters gets a field of several lines."""
_MAX_SIDE_BY_SIDE = 20
"""The longest label of a field that leaves room for the list of columns beside it."""
_WORDS = {
    "action_index": "button number",
    "action_payload": "end of the link",
    "button_index": "button number",
    "button_payload": "answer",
    "card_index": "card number",
    "display_text": "text on the button",
    "expiration_time_ms": "end",
    "flow_action_data": "data for the flow",
    "flow_action_payload": "data for the flow",
    "flow_cta": "text on the button",
    "flow_message_version": "version of the flow",
    "media_type": "type",
    "media_url": "link",
    "org": "organisation",
    "preview_url": "preview of the link",
    "text_header_title": "text",
    "urls": "websites",
    "wa_id": "WhatsApp number",
}
"""The labels of fields whose names nobody would understand; others are labelled with their names."""
_FLAGS = (("not set", ""), ("yes", "true"), ("no", "false"))
_NO_COLUMN: tuple[str, Any] = ("\N{EM DASH}", controls.NOTHING)


class ContentFields:
    """Widgets for the fields of the chosen content, kept equal to the model's `fields` in both directions.

    Args:
        model: The form's state.
        catch_errors: Wraps a widget's callback, so that the form shows its errors.
    """

    def __init__(self, model: ComposeModel, catch_errors: Callable[..., Any]) -> None:
        self._model = model
        self._catch_errors = catch_errors
        self._writing = False
        self.box = w.VBox()
        self._build()
        model.observe(self._on_model_change, ["kind", "fields"])

    def stop_following(self) -> None:
        """Stop showing changes of the model."""
        self._model.unobserve(self._on_model_change, ["kind", "fields"])

    def _on_model_change(self, _: Mapping[str, Any]) -> None:
        if not self._writing:
            self._build()

    def _build(self) -> None:
        kind = self._model.kinds[self._model.kind]
        old_children = self.box.children
        self.box.children = self._part_widgets(kind, ())
        for child in old_children:
            close_tree(child)

    def _set(self, path: Path, value: Any, *, rebuild: bool = False) -> None:
        self._writing = not rebuild
        try:
            self._model.fields = with_value_at(self._model.fields, path, value)
        finally:
            self._writing = False

    def _part_widgets(self, part: type[PartLike], path: Path) -> list[w.Widget]:
        """Return a widget for each field of a part."""
        return [self._field_widget(name, spec, (*path, name)) for name, spec in part.specs().items()]

    def _field_widget(self, name: str, spec: Spec, path: Path) -> w.Widget:
        if isinstance(spec, Leaf):
            return self._leaf_widget(spec, path)
        if isinstance(spec, Free):
            return self._free_widget(spec, path)
        if isinstance(spec, Items):
            content = self._list_widget(spec, path)
        else:
            content = w.VBox(self._part_widgets(spec.part, path))
        label, is_filled = path_label(path), bool(value_at(self._model.fields, path))
        if spec.required:
            return w.VBox([controls.heading(label), content])
        return controls.accordion(f"{label} (optional)", content, opened=is_filled)

    def _leaf_widget(self, spec: Leaf, path: Path) -> w.Widget:
        label, value = path_label(path), value_at(self._model.fields, path)
        field = _input_widget(spec, label, "" if value is None or isinstance(value, Column) else str(value))
        narrow = not isinstance(field, w.Textarea)
        is_side_by_side = narrow and len(label) <= _MAX_SIDE_BY_SIDE
        column_list = controls.dropdown(f"column for {label}", self._columns(), narrow=narrow)
        if isinstance(value, Column):
            self._show_bound(field, column_list, value)

        def on_text(change: Mapping[str, Any]) -> None:
            if not field.disabled:
                self._set(path, change["new"])

        def on_column(change: Mapping[str, Any]) -> None:
            if change["new"] == controls.NOTHING:
                if field.disabled:
                    field.value, field.disabled = "", False
                    self._set(path, "")
                return
            action, name = change["new"]
            if action == "bind":
                self._show_bound(field, column_list, Column(name))
                self._set(path, Column(name))
                return
            text = "" if field.disabled else field.value
            field.disabled = False
            column_list.value = controls.NOTHING
            field.value = f"{text}{{{name}}}"

        field.observe(self._catch_errors(on_text), "value")
        column_list.observe(self._catch_errors(on_column), "value")
        return controls.row(field, column_list) if is_side_by_side else controls.stack(field, column_list)

    @staticmethod
    def _show_bound(field: w.Widget, column_list: w.Dropdown, column: Column) -> None:
        field.disabled = True
        if not isinstance(field, w.Dropdown):
            field.value = f"the column {controls.column_label(column.name)}"
        column_list.value = ("bind", column.name)

    def _columns(self) -> list[tuple[str, Any]]:
        labels = [(name, controls.column_label(name)) for name in self._model.frame.columns]
        inserted = [(f"insert {label}", ("insert", name)) for name, label in labels if can_be_inserted(name)]
        return [_NO_COLUMN, *inserted, *((f"the column {label} alone", ("bind", name)) for name, label in labels)]

    def _free_widget(self, spec: Free, path: Path) -> w.Widget:
        label, value = path_label(path), value_at(self._model.fields, path)
        hint = "one on each line" + (", such as city: {city}" if spec.shape is dict else "") + "; or JSON"
        field = controls.text_area(label, value if isinstance(value, str) else _free_text(value), hint)
        field.observe(self._catch_errors(lambda change: self._set(path, change["new"])), "value")
        options = [(text, option) for text, option in self._columns() if option[0] != "bind"]
        column_list = controls.dropdown(f"column for {label}", options, narrow=True)

        def on_column(change: Mapping[str, Any]) -> None:
            if change["new"] != controls.NOTHING:
                column_list.value = controls.NOTHING
                field.value = f"{field.value}{{{change['new'][1]}}}"

        column_list.observe(self._catch_errors(on_column), "value")
        return controls.stack(field, column_list)

    def _list_widget(self, spec: Items, path: Path) -> w.Widget:
        items = value_at(self._model.fields, path)
        least = spec.least if spec.required else 0
        count = max(len(items) if isinstance(items, list | tuple) else 0, least)
        boxes = [w.VBox(self._part_widgets(spec.part, (*path, position))) for position in range(count)]
        noun = noun_of(spec.part)

        def resize(size: int) -> None:
            items = list(value_at(self._model.fields, path) or ())
            self._set(path, [*items, *({} for _ in range(size - len(items)))][:size], rebuild=True)

        add = controls.button(f"Add {noun}", self._catch_errors(lambda: resize(count + 1)))
        add.disabled = spec.most is not None and count >= spec.most
        remove = controls.button(f"Remove last {noun}", self._catch_errors(lambda: resize(count - 1)))
        remove.disabled = count <= least
        return w.VBox([*boxes, controls.row(add, remove)])


def close_tree(widget: w.Widget) -> None:
    """Close a widget and all widgets inside it; ipywidgets keeps them in memory until then."""
    for child in getattr(widget, "children", ()):
        close_tree(child)
    for name in ("layout", "style"):
        if hasattr(widget, name):
            getattr(widget, name).close()
    widget.close()


def _input_widget(spec: Leaf, label: str, value: str) -> w.Widget:
    if spec.kind is FLAG:
        flag = {"True": "true", "False": "false"}.get(value, value)
        is_listed = flag in [option for _, option in _FLAGS]
        return controls.dropdown(label, _FLAGS if is_listed else (*_FLAGS, (flag, flag)), flag)
    hint = f"{spec.kind.name}, {'required' if spec.required else 'optional'}"
    choices = next((rule.words for rule in spec.rules if rule.words), ())
    if choices:
        return controls.combobox(label, choices, value, f"{hint}: {', '.join(choices)}")
    limit = next((rule.limit for rule in spec.rules if rule.limit), 0)
    if limit >= MULTILINE_FROM:
        return controls.text_area(label, value, hint)
    return controls.text_input(label, value, hint)


def _free_text(value: Any) -> str:
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return "\n".join(value)
    if isinstance(value, dict) and all(isinstance(item, str) for item in value.values()):
        if list(value) == [str(number) for number in range(len(value))]:
            return "\n".join(value.values())
        return "\n".join(f"{key}: {item}" for key, item in value.items())
    return "" if value is None else json.dumps(value, ensure_ascii=False, default=_json_fallback)


def _json_fallback(value: Any) -> str:
    """Write a column inside JSON as a text that names it, since JSON has nothing closer."""
    return f"{{{value.name}}}" if isinstance(value, Column) else str(value)


def can_be_inserted(name: Hashable) -> bool:
    """Return whether a text such as ``Hi {name}`` can name a column."""
    try:
        parsed = parse_format_string(f"{{{name}}}") if isinstance(name, str) else None
    except TemplateError:
        return False
    return isinstance(parsed, FormatString) and parsed.columns == (name,)


def path_label(path: Path) -> str:
    """Return a path as a label, such as ``buttons 1 title``."""
    return " ".join(
        str(step + 1) if isinstance(step, int) else _WORDS.get(step, step.replace("_", " ")) for step in path
    )


def message_with_labels(error: BaseException, kind: type[PartLike], fields: Mapping[str, Any]) -> str:
    """Return what an error says, with D7's paths of the content's fields replaced by the labels of their widgets.

    Args:
        error: The error.
        kind: The content's class.
        fields: The content's arguments as plain data.
    """
    problems = error.problems if isinstance(error, ContentError) else ()
    if not problems:
        return message_of(error)
    labels = [path_label(_path_of(problem.field, kind, fields)) or problem.field for problem in problems]
    messages = [with_hint(render(problem.message), render(problem.hint)) for problem in problems]
    return "; ".join(f"{label}: {message}" for label, message in zip(labels, messages, strict=True))


def _path_of(dotted: str, part: type[PartLike], fields: Any) -> Path:
    """Return the path of the field that D7's dotted path means, as far as the part declares it."""
    for name, spec in part.specs().items():
        if dotted != spec.at and not dotted.startswith(f"{spec.at}."):
            continue
        rest, value = dotted[len(spec.at) + 1 :], value_at(fields, (name,))
        if isinstance(spec, Nested):
            return (name, *_path_of(rest, spec.part, value))
        number, _, rest = rest.partition(".")
        if not isinstance(spec, Items) or not number.isdigit():
            return (name,)
        filled = [position for position, item in enumerate(value or ()) if not _is_blank(item)]
        position = filled[int(number)] if int(number) < len(filled) else int(number)
        return (name, position, *_path_of(rest, spec.part, value_at(value, (position,))))
    return ()


def _is_blank(value: Any) -> bool:
    """Return whether an item of a list is left out of the content, since nothing in it is filled in."""
    if isinstance(value, dict | list | tuple):
        return all(map(_is_blank, value.values() if isinstance(value, dict) else value))
    return value is None or (isinstance(value, str) and not value.strip())


def value_at(fields: Any, path: Path) -> Any:
    """Return the value at a path in plain data; None where there is none."""
    for step in path:
        if isinstance(step, int):
            fields = fields[step] if isinstance(fields, list | tuple) and step < len(fields) else None
        else:
            fields = fields.get(step) if isinstance(fields, dict) else None
    return fields


def with_value_at(fields: Any, path: Path, value: Any) -> Any:
    """Return a copy of plain data with another value at a path; missing levels are added.

    Example:
        >>> with_value_at({"body": "Hi"}, ("buttons", 1, "title"), "No")
        {'body': 'Hi', 'buttons': [{}, {'title': 'No'}]}
    """
    if not path:
        return value
    step, *rest = path
    if isinstance(step, int):
        items = list(fields) if isinstance(fields, list | tuple) else []
        items += [{} for _ in range(step + 1 - len(items))]
        items[step] = with_value_at(items[step], tuple(rest), value)
        return items
    return {
        **(fields if isinstance(fields, dict) else {}),
        step: with_value_at(value_at(fields, (step,)), tuple(rest), value),
    }
