"""The form that ``frame.d7.compose()`` shows: widgets, bound to the model's state."""

from __future__ import annotations

import functools
import re
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from d7nb.api.client import Client
from d7nb.content.binding.format_strings import Column
from d7nb.display.plans import plan_html
from d7nb.display.text import plural
from d7nb.errors import D7Error, hides_internals
from d7nb.hints import LABELS, speaking
from d7nb.planning.plans import plan_view
from d7nb.recipients.check import check_numbers
from d7nb.widgets import controls
from d7nb.widgets.content_fields import ContentFields, close_tree, message_with_labels
from d7nb.widgets.debounce import Debounced
from d7nb.widgets.model import ComposeModel
from d7nb.widgets.send_panel import SendPanel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

    from d7nb.content.schema.part import Content
    from d7nb.delivery.delivery import Delivery
    from d7nb.display.previews import Preview
    from d7nb.filters.base import RowFilter
    from d7nb.planning.plans import Plan

PAUSE = 0.35
"""Seconds without a change after which the plan is made again."""
PREVIEWED = 12
"""Most messages that the preview turns over."""
MAX_VERDICTS = 8
"""Most lines in the report on phone numbers."""

_LABELS = {**LABELS, "kind": "Kind of message"}
"""The label of the field for each trait of the model."""

_NUMBER_REPORT = """
<div class="d7nb-scroll"><table class="d7nb-table"><caption>Phone numbers in {{ column|masked }}</caption>
<thead><tr><th scope="col">number</th><th scope="col" class="d7nb-n">rows</th><th scope="col">why</th></tr></thead>
<tbody>
{% for verdict, rows, message in counts %}
<tr><th scope="row">{{ verdict }}</th><td class="d7nb-n">{{ rows | count }}</td><td>{{ message|masked }}</td></tr>
{% endfor %}
</tbody></table></div>
"""

_VERDICTS = {"ambiguous": "can be read in two ways"}
"""What the report on phone numbers calls a verdict, where it is not the verdict's own name."""
_KINDS = {"CtaUrl": "Button with a link"}
"""The names of kinds of messages whose classes' names are no words."""


class ComposeForm:
    """A form that composes a mailing from a table: fill in, preview, correct, test, send.

    ``frame.d7.compose()`` makes it; as the last line of a cell it is displayed. It does what `plan` and `Plan.send` do,
    and ``code`` is the Python for that.

    Args:
        frame: The table.
        client: The client to send with; ``Client()`` unless given, made at the first send.
        content: The content to begin with, such as ``Text("Hi {name}")``.
        ledger: As `Plan.send` takes it.
        filters: Pre-send filters for this plan.
        **options: Other values to begin with: ``to``, ``originator``, ``campaign``, ``country``, ``key``, ``schedule``.

    Attributes:
        model: The state, whose traits can be read, set and observed.

    Example:
        >>> import pandas as pd, d7nb
        >>> people = pd.DataFrame({"phone": ["+12025550123"], "name": ["Ali"]})
        >>> form = people.d7.compose(content=d7nb.Text("Hi {name}"), originator="+12025550100")
        >>> form.model.to, form.plan.summary["ready"]
        ('phone', 1)
        >>> form.close()
    """

    @hides_internals
    def __init__(
        self,
        frame: pd.DataFrame,
        /,
        client: Client | None = None,
        content: Content | None = None,
        *,
        ledger: Any = None,
        filters: Sequence[RowFilter] = (),
        **options: Any,
    ) -> None:
        self.model = ComposeModel(frame, content, filters=filters, ledger=ledger, **options)
        self._observed: list[tuple[Callable[..., None], str]] = []
        self._given_client = client
        self._own_client: Client | None = None
        self._current: tuple[Any, Plan] | None = None
        self._lock = threading.RLock()
        self._ledger = ledger
        self._reported: tuple[Any, str] | None = None
        self._page = 0
        self._messages: Preview | None = None
        self._background = Debounced(self._refresh, PAUSE)
        self._send_panel = SendPanel(
            lambda: self.plan,
            self._client,
            ledger,
            catch_errors=self._catch_errors,
            message_of=self._message_of,
            after_send=self._background.request,
        )
        self._build()
        self._follow(self._changed, "version")
        self._send_panel.withdraw(self.model.version)
        self._background.request()

    def _changed(self, change: Mapping[str, Any]) -> None:
        self._send_panel.withdraw(change["new"])
        self._background.request()

    def _follow(self, handler: Callable[..., None], name: str) -> None:
        self._observed.append((handler, name))
        self.model.observe(handler, name)

    # For the next cells

    @property
    @hides_internals
    def plan(self) -> Plan:
        """The plan as the form is filled in now.

        Raises:
            PlanError: Something is missing, or can't be used at all.
        """
        state = self.model.state()
        with self._lock:  # the kernel and the background thread
            if self._current is None or self._current[0] != state:
                self._current = state, self.model.plan()
            return self._current[1]

    @property
    def delivery(self) -> Delivery | None:
        """The delivery of the last send, which may be running; None before the first."""
        return self._send_panel.delivery

    @property
    def code(self) -> str:
        """The Python code that does the same."""
        return self.model.code

    @hides_internals
    def send(self, *, confirm: int | None = None, wait: bool = True) -> Delivery:
        """Send the plan, as the button does.

        Args:
            confirm: How many rows you expect to go; if the number differs, nothing is sent.
            wait: Whether to return only when the send has ended.
        """
        delivery = self._send_panel.start(self.plan, confirm)
        if wait:
            delivery.wait()
            self._send_panel.wait()
        return delivery

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the form shows the last change; return False if that takes longer than `seconds`."""
        return self._background.wait(seconds)

    def close(self) -> None:
        """Remove the form. A running send goes on."""
        self._background.wait(10)
        if not self._observed:
            return  # closed already
        while self._observed:
            self.model.unobserve(*self._observed.pop())
        self._content_fields.stop_following()
        if self._own_client is not None and not self._send_panel.running:
            self._own_client.close()
        close_tree(self.widget)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.widget._repr_mimebundle_(**options)

    def __repr__(self) -> str:
        return f"<compose form: {plural(len(self.model.frame), 'row')}, {self.model.kind}>"

    def _client(self) -> Client:
        if self._given_client is not None:
            return self._given_client
        with self._lock:
            if self._own_client is None:
                self._own_client = Client(ask=False)
            return self._own_client

    # The view

    def _build(self) -> None:
        model = self.model
        columns = [(controls.column_label(name), name) for name in model.frame.columns]
        self._report, self._preview, self._summary, self._error = w.HTML(), w.HTML(), w.HTML(), w.HTML()
        self._content_fields = ContentFields(model, self._catch_errors)
        self._pager = w.Label()
        self._code = controls.text_area("Python", rows=8)
        self._code.disabled, self._code.layout.display = True, "none"
        numbers = [
            self._bound("to", controls.dropdown, [("choose a column", controls.NOTHING), *columns]),
            self._bound("country", controls.text_input, "of numbers without a country code, such as AE"),
        ]
        kind = self._bound("kind", controls.dropdown, [(_in_words(name), name) for name in model.kinds])
        mailing = [
            self._bound("originator", controls.text_input, "your registered number, such as +97142345678"),
            self._bound("campaign", controls.text_input, "the name of this campaign"),
            self._bound("schedule", controls.text_input, "at once, or a time: 2026-11-30T09:00+04:00"),
            self._bound("key", controls.dropdown, [("recipient and text", controls.NOTHING), *columns]),
            *(self._filter_switch(row_filter.name) for row_filter in model.filters),
        ]
        previous = controls.button("Previous message", self._catch_errors(functools.partial(self._turn, -1)))
        following = controls.button("Next message", self._catch_errors(functools.partial(self._turn, 1)))
        show_code = controls.button("Show code", self._catch_errors(self._show_code))
        left = controls.column(
            *(controls.heading("Recipients"), *numbers, self._report),
            *(controls.heading("Message"), kind, self._content_fields.box),
            *(controls.heading("Mailing"), *mailing),
            width="30em",
        )
        right = controls.column(
            *(controls.heading("Preview"), controls.row(previous, following, self._pager), self._preview),
            *(self._summary, self._send_panel.box, controls.row(show_code), self._code),
            width="26em",
        )
        title = controls.heading(f"Compose a mailing to {plural(len(model.frame), 'row')}")
        self.widget = w.VBox([controls.stylesheet(), title, self._error, controls.row(left, right)])
        self.widget.add_class("d7nb-form")

    def _bound(self, name: str, make: Callable[..., w.Widget], hint_or_options: Any) -> w.Widget:
        """Return a widget that shows and sets a trait of the model."""
        value, label = getattr(self.model, name), _LABELS[name]
        if make is controls.dropdown:
            widget = make(label, hint_or_options)
            _choose(widget, value)
        else:
            widget = make(label, _text(value), hint_or_options)
            widget.disabled = isinstance(value, Column)

        def on_input(change: Mapping[str, Any]) -> None:
            if isinstance(getattr(self.model, name), Column):
                return  # set from code, and to be changed there
            new = None if change["new"] == controls.NOTHING else change["new"]
            if isinstance(widget, w.Dropdown) or new != _text(getattr(self.model, name)):
                setattr(self.model, name, new)

        def on_model_change(change: Mapping[str, Any]) -> None:
            if isinstance(widget, w.Dropdown):
                _choose(widget, change["new"])
            elif widget.value != _text(change["new"]):
                widget.value = _text(change["new"])
            widget.disabled = isinstance(change["new"], Column)

        widget.observe(self._catch_errors(on_input), "value")
        self._follow(on_model_change, name)
        return widget

    def _filter_switch(self, name: str) -> w.Widget:
        """Return a box that switches a filter on and off."""
        box = controls.checkbox(f"Apply the filter {name}", name not in self.model.switched_off)

        def on_tick(change: Mapping[str, Any]) -> None:
            others = [other for other in self.model.switched_off if other != name]
            self.model.switched_off = others if change["new"] else [*others, name]

        def on_model_change(change: Mapping[str, Any]) -> None:
            box.value = name not in change["new"]

        box.observe(self._catch_errors(on_tick), "value")
        self._follow(on_model_change, "switched_off")
        return box

    def _turn(self, step: int) -> None:
        self._page += step
        self._show_page()

    def _show_page(self) -> None:
        count = len(self._messages.frame) if self._messages is not None else 0
        self._page = self._page % count if count else 0
        self._pager.value = f"{self._page + 1} of {count}, the most unusual first" if count else "no row is ready"
        self._preview.value = (
            self._messages.only(self._page)._repr_html_() if self._messages is not None and count else ""
        )

    def _show_code(self) -> None:
        hidden = self._code.layout.display == "none"
        self._code.value, self._code.layout.display = self.code, "" if hidden else "none"

    def _catch_errors(self, act: Callable[..., Any]) -> Callable[..., Any]:
        """Return a callback whose errors are shown in the form; JupyterLab would hide them in its log."""

        @functools.wraps(act)
        def callback(*arguments: Any) -> Any:
            try:
                result = act(*arguments)
            except Exception as error:  # noqa: BLE001  (every error must be seen)
                self._show_error(error)
                return None
            self._error.value = ""
            return result

        return callback

    def _show_error(self, error: Exception) -> None:
        kind = "" if isinstance(error, D7Error) else f"{type(error).__name__}: "
        self._error.value = controls.alert(f"Not done: {kind}{self._message_of(error)}")

    def _message_of(self, error: BaseException) -> str:
        """Return what an error says, as the form shows it: options and fields are named by their labels."""
        with speaking("form"):
            return message_with_labels(error, self.model.kinds[self.model.kind], self.model.fields)

    # What follows from the state, made in the background

    def _refresh(self) -> None:
        version = self.model.version
        with suppress(D7Error):  # the plan below raises it again
            self._show_numbers()
        try:
            self._show_plan(version, self.plan)
        except Exception as error:  # noqa: BLE001  (a thread's error would be seen by nobody)
            self._send_panel.offer_nothing()
            self._preview.value = self._pager.value = ""
            status = "Not ready yet" if isinstance(error, D7Error) else f"d7nb failed: {type(error).__name__}"
            self._summary.value = controls.note(f"{status}: {self._message_of(error)}")
        if self._code.layout.display != "none":
            self._code.value = self.code

    def _show_numbers(self) -> None:
        """Show how many phone numbers are usable, unless column and country are those of the report shown."""
        model, names = self.model, list(self.model.frame.columns)
        source = (model.to, repr(model.country))
        if source == self._reported:
            return
        self._reported, self._report.value = source, ""
        columns = [model.to, *([model.country.name] if isinstance(model.country, Column) else [])]
        if any(names.count(name) != 1 for name in columns):
            return
        checked = check_numbers(model.frame[model.to], country=model.region())
        counts = checked[["verdict", "message"]].astype("object").value_counts(dropna=False).reset_index()
        rows = [
            (_VERDICTS.get(verdict, verdict), int(count), "" if message != message else message)  # noqa: PLR0124  (nan)
            for verdict, message, count in zip(counts["verdict"], counts["message"], counts["count"], strict=True)
        ]
        column = controls.column_label(model.to)
        self._report.value = controls.styled_html(_NUMBER_REPORT, column=column, counts=rows[:MAX_VERDICTS])

    def _show_plan(self, version: int, plan: Plan) -> None:
        client = self._given_client or self._own_client
        self._messages = plan.preview(PREVIEWED)
        self._show_page()
        with speaking("form"):
            view = plan_view(plan) if client is None else plan_view(plan, client.rate)
            self._summary.value = plan_html(view)
        self._send_panel.offer(version, plan, int(plan.going(client, ledger=self._ledger).sum()))


def _in_words(class_name: str) -> str:
    """Return a content class's name as words: ``Reply buttons`` for ``ReplyButtons``."""
    return _KINDS.get(class_name) or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", class_name).capitalize()


def _text(value: Any) -> str:
    if isinstance(value, Column):
        return f"the column {controls.column_label(value.name)}"
    return value if isinstance(value, str) else "" if value is None else str(value)


def _choose(widget: w.Dropdown, value: Any) -> None:
    """Select a value, adding it to the options if it is not among them."""
    value = controls.NOTHING if value is None else tuple(value) if isinstance(value, list) else value
    if value not in [option for _, option in widget.options]:
        widget.options = (*widget.options, (controls.column_label(value), value))
    if widget.value != value:
        widget.value = value
