"""``frame.d7.compose()``: the form itself. It shows the model's state, and takes what a person does to it."""

from __future__ import annotations

import functools
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from d7nb.api.client import Client
from d7nb.content.binding.format_strings import Column
from d7nb.display.plans import plan_html
from d7nb.display.text import plural
from d7nb.errors import D7Error, hides_internals
from d7nb.planning.plans import shown_plan
from d7nb.recipients.check import check_numbers
from d7nb.widgets import controls as parts
from d7nb.widgets.content_fields import Fields, close
from d7nb.widgets.debounce import Debounced
from d7nb.widgets.model import ComposeModel
from d7nb.widgets.send_panel import SendBox

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

    from d7nb.content.schema.part import Content
    from d7nb.delivery.delivery import Delivery
    from d7nb.display.previews import Preview
    from d7nb.filters.base import RowFilter
    from d7nb.planning.plans import Plan

PAUSE = 0.35
"""Seconds without a change after which the plan is made anew."""
PAGES = 12
SHOWN_PROBLEMS = 8

_REPORT = """
<div class="d7nb-scroll"><table class="d7nb-table"><caption>Phone numbers in {{ column|masked }}</caption>
<thead><tr><th scope="col">verdict</th><th scope="col" class="d7nb-n">rows</th><th scope="col">why</th></tr></thead>
<tbody>
{% for verdict, rows, message in counts %}
<tr><th scope="row">{{ verdict }}</th><td class="d7nb-n">{{ rows | count }}</td><td>{{ message|masked }}</td></tr>
{% endfor %}
</tbody></table></div>
"""


class ComposeForm:
    """A form that composes a mailing from a table: choose, preview, mend, test, send.

    Made by ``frame.d7.compose()``; it shows itself as the last line of a cell. It does what `plan` and `Plan.send` do,
    and ``code`` says it in Python.

    Args:
        frame: The table.
        client: Where to send; unless given, ``Client()`` when something is to be sent.
        content: What to begin with, such as ``Text("Hi {name}")``.
        ledger: As `Plan.send` takes it.
        filters: Pre-send filters of one's own.
        **terms: What else to begin with: ``to``, ``originator``, ``campaign``, ``country``, ``key``, ``schedule``.

    Attributes:
        model: The state, with traits to read, to set and to observe.

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
        **terms: Any,
    ) -> None:
        self.model = ComposeModel(frame, content, filters=filters, ledger=ledger, **terms)
        self._observed: list[tuple[Callable[..., None], str]] = []
        self._given_client = client
        self._own_client: Client | None = None
        self._made: tuple[Any, Plan] | None = None
        self._making = threading.RLock()
        self._ledger = ledger
        self._numbered: tuple[Any, str] | None = None
        self._page = 0
        self._pages: Preview | None = None
        self._background = Debounced(self._refresh, PAUSE)
        self._send = SendBox(lambda: self.plan, self._client, ledger, self._guarded, self._background.poke)
        self._view()
        self._follow(self._changed, "version")
        self._send.withdraw(self.model.version)
        self._background.poke()

    def _changed(self, change: Mapping[str, Any]) -> None:
        self._send.withdraw(change["new"])
        self._background.poke()

    def _follow(self, handler: Callable[..., None], name: str) -> None:
        self._observed.append((handler, name))
        self.model.observe(handler, name)

    # What is at hand in the next cell

    @property
    @hides_internals
    def plan(self) -> Plan:
        """The plan as the form stands now.

        Raises:
            PlanError: Something is missing, or can't be used at all.
        """
        state = self.model.state()
        with self._making:  # two threads may ask
            if self._made is None or self._made[0] != state:
                self._made = state, self.model.plan()
            return self._made[1]

    @property
    def delivery(self) -> Delivery | None:
        """What the last send came to, or has come to so far; None before the first."""
        return self._send.delivery

    @property
    def code(self) -> str:
        """The Python that does the same."""
        return self.model.code

    @hides_internals
    def send(self, *, confirm: int | None = None, wait: bool = True) -> Delivery:
        """Send what would go, as the button does.

        Args:
            confirm: How many rows you expect to go; if it is another number, nothing goes.
            wait: Whether to come back only when all is done.
        """
        delivery = self._send.start(self.plan, confirm)
        if wait:
            delivery.wait()
            self._send.wait()
        return delivery

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the form shows what it was last told; whether it does."""
        return self._background.wait(seconds)

    def close(self) -> None:
        """Take the form away. What is being sent goes on."""
        self._background.wait(10)
        if not self._observed:
            return  # closed already
        while self._observed:
            self.model.unobserve(*self._observed.pop())
        self._fields.forget()
        if self._own_client is not None and not self._send.running:
            self._own_client.close()
        close(self.widget)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.widget._repr_mimebundle_(**options)

    def __repr__(self) -> str:
        return f"<compose form: {plural(len(self.model.frame), 'row')}, {self.model.kind}>"

    def _client(self) -> Client:
        if self._given_client is not None:
            return self._given_client
        with self._making:
            if self._own_client is None:
                self._own_client = Client(ask=False)
            return self._own_client

    # The view

    def _view(self) -> None:
        model = self.model
        columns = [(parts.label_of(name), name) for name in model.frame.columns]
        self._report, self._preview, self._summary, self._error = w.HTML(), w.HTML(), w.HTML(), w.HTML()
        self._fields = Fields(model, self._guarded)
        self._pager = w.Label()
        self._code = parts.area("Python", rows=8)
        self._code.disabled, self._code.layout.display = True, "none"
        numbers = [
            self._bound("to", parts.choice, "Recipient column", [("choose ...", parts.NOTHING), *columns]),
            self._bound("country", parts.text, "Country", "of numbers without a country code, such as AE"),
        ]
        kind = self._bound("kind", parts.choice, "Kind of message", [(name, name) for name in model.kinds])
        mailing = [
            self._bound("originator", parts.text, "Originator", "your registered number, such as +97142345678"),
            self._bound("campaign", parts.text, "Campaign", "the name of this mailing"),
            self._bound("schedule", parts.text, "Schedule", "at once, or a time: 2026-11-30T09:00+04:00"),
            self._bound("key", parts.choice, "Row key", [("recipient and text", parts.NOTHING), *columns]),
            *(self._switch(each.name) for each in model.filters),
        ]
        turn = [("Previous message", -1), ("Next message", 1)]
        pages = [parts.button(words, self._guarded(functools.partial(self._turn, step))) for words, step in turn]
        left = parts.column(
            *(parts.heading("Recipients"), *numbers, self._report),
            *(parts.heading("Message"), kind, self._fields.box),
            *(parts.heading("Mailing"), *mailing),
            width="30em",
        )
        right = parts.column(
            *(parts.heading("Preview"), parts.row(*pages, self._pager), self._preview, self._summary, self._send.box),
            *(parts.row(parts.button("Show code", self._guarded(self._show_code))), self._code),
            width="26em",
        )
        title = parts.heading(f"Compose a mailing to {plural(len(model.frame), 'row')}")
        self.widget = w.VBox([parts.stylesheet(), title, self._error, parts.row(left, right)])

    def _bound(self, name: str, make: Callable[..., w.Widget], label: str, about: Any) -> w.Widget:
        """A widget for a trait of the model, each of which follows the other."""
        value = getattr(self.model, name)
        if make is parts.choice:
            widget = make(label, about)
            _choose(widget, value)
        else:
            widget = make(label, _text(value), about)
            widget.disabled = isinstance(value, Column)

        def typed(change: Mapping[str, Any]) -> None:
            if isinstance(getattr(self.model, name), Column):
                return  # it was set from code, and can be changed from there
            new = None if change["new"] == parts.NOTHING else change["new"]
            if isinstance(widget, w.Dropdown) or new != _text(getattr(self.model, name)):
                setattr(self.model, name, new)

        def told(change: Mapping[str, Any]) -> None:
            if isinstance(widget, w.Dropdown):
                _choose(widget, change["new"])
            elif widget.value != _text(change["new"]):
                widget.value = _text(change["new"])
            widget.disabled = isinstance(change["new"], Column)

        widget.observe(self._guarded(typed), "value")
        self._follow(told, name)
        return widget

    def _switch(self, name: str) -> w.Widget:
        """A box to tick for one of the user's filters."""
        box = parts.tick(f"Ask the filter {name}", name not in self.model.switched_off)

        def ticked(change: Mapping[str, Any]) -> None:
            others = [each for each in self.model.switched_off if each != name]
            self.model.switched_off = others if change["new"] else [*others, name]

        def told(change: Mapping[str, Any]) -> None:
            box.value = name not in change["new"]

        box.observe(self._guarded(ticked), "value")
        self._follow(told, "switched_off")
        return box

    def _turn(self, step: int) -> None:
        self._page += step
        self._show_page()

    def _show_page(self) -> None:
        count = len(self._pages.frame) if self._pages is not None else 0
        self._page = self._page % count if count else 0
        self._pager.value = f"{self._page + 1} of the {count} strangest" if count else "nothing is ready"
        self._preview.value = self._pages.only(self._page)._repr_html_() if self._pages is not None and count else ""

    def _show_code(self) -> None:
        hidden = self._code.layout.display == "none"
        self._code.value, self._code.layout.display = self.code, "" if hidden else "none"

    def _guarded(self, act: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, whose errors are shown in the form: JupyterLab would hide them in a log."""

        @functools.wraps(act)
        def guarded(*arguments: Any) -> Any:
            try:
                result = act(*arguments)
            except Exception as error:  # noqa: BLE001  (whatever it is, a person must see it)
                self._show_error(error)
                return None
            self._error.value = ""
            return result

        return guarded

    def _show_error(self, error: Exception) -> None:
        kind = "" if isinstance(error, D7Error) else f"{type(error).__name__}: "
        self._error.value = parts.shown('<p role="alert">{{ words|masked }}</p>', words=f"Not done: {kind}{error}")

    # What follows from the state: made in the background

    def _refresh(self) -> None:
        version = self.model.version
        with suppress(D7Error):  # the plan will say it
            self._show_numbers()
        try:
            self._show_plan(version, self.plan)
        except Exception as error:  # noqa: BLE001  (a thread's error would be seen by nobody)
            self._send.offer_nothing()
            self._preview.value = self._pager.value = ""
            what = "not a plan yet" if isinstance(error, D7Error) else f"d7nb failed: {type(error).__name__}"
            self._summary.value = parts.shown("<p>{{ what }}: {{ words|masked }}</p>", what=what, words=str(error))
        if self._code.layout.display != "none":
            self._code.value = self.code

    def _show_numbers(self) -> None:
        """The number report; it depends on two things alone, and so is made once for them."""
        model, names = self.model, list(self.model.frame.columns)
        asked_for = (model.to, repr(model.country))
        if asked_for == self._numbered:
            return
        self._numbered, self._report.value = asked_for, ""
        read = [model.to, *([model.country.name] if isinstance(model.country, Column) else [])]
        if any(names.count(name) != 1 for name in read):
            return
        found = check_numbers(model.frame[model.to], country=model.region())
        counts = found[["verdict", "message"]].astype("object").value_counts(dropna=False).reset_index()
        rows = [
            (verdict, int(count), "" if message != message else message)  # noqa: PLR0124  (nan)
            for verdict, message, count in zip(counts["verdict"], counts["message"], counts["count"], strict=True)
        ]
        column = parts.label_of(model.to)
        self._report.value = parts.shown(_REPORT, column=column, counts=rows[:SHOWN_PROBLEMS])

    def _show_plan(self, version: int, plan: Plan) -> None:
        client = self._given_client or self._own_client
        self._pages = plan.preview(PAGES)
        self._show_page()
        shown = shown_plan(plan) if client is None else shown_plan(plan, client.rate)
        self._summary.value = plan_html(shown)
        self._send.offer(version, plan, int(plan.going(client, ledger=self._ledger).sum()))


def _text(value: Any) -> str:
    if isinstance(value, Column):
        return f"the column {parts.label_of(value.name)}"
    return value if isinstance(value, str) else "" if value is None else str(value)


def _choose(widget: w.Dropdown, value: Any) -> None:
    """Show what was chosen, and offer it, if it is not among the choices yet."""
    value = parts.NOTHING if value is None else tuple(value) if isinstance(value, list) else value
    if value not in [option for _, option in widget.options]:
        widget.options = (*widget.options, (parts.label_of(value), value))
    if widget.value != value:
        widget.value = value
