"""``frame.d7.compose()``: the form itself. It shows the model's state, and takes what a person does to it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from d7nb.client import Client
from d7nb.display.words import plural
from d7nb.errors import D7Error, PlanError
from d7nb.masking import mask_text
from d7nb.recipients import check_numbers
from d7nb.widgets import parts
from d7nb.widgets.background import Debounced
from d7nb.widgets.fields import Fields, close
from d7nb.widgets.model import ComposeModel
from d7nb.widgets.sendbox import SendBox

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

    from d7nb.content.declare import Content
    from d7nb.delivery import Delivery
    from d7nb.planning import Plan
    from d7nb.plugins.row_filters import RowFilter

PAUSE = 0.35
"""Seconds without a change after which the plan is made anew."""
PAGES = 12
SHOWN_PROBLEMS = 8

_REPORT = """
<div class="d7nb-scroll"><table class="d7nb-table"><caption>Phone numbers in {{ column }}</caption>
<thead><tr><th scope="col">verdict</th><th scope="col" class="d7nb-n">rows</th><th scope="col">why</th></tr></thead>
<tbody>
{% for verdict, rows, message in counts %}
<tr><th scope="row">{{ verdict }}</th><td class="d7nb-n">{{ rows | count }}</td><td>{{ message }}</td></tr>
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

    def __init__(
        self,
        frame: pd.DataFrame,
        client: Client | None = None,
        content: Content | None = None,
        *,
        ledger: Any = None,
        filters: Sequence[RowFilter] = (),
        **terms: Any,
    ) -> None:
        self.model = ComposeModel(frame, content, filters=filters, **terms)
        self._given_client = client
        self._own_client: Client | None = None
        self._made: tuple[int, Plan] | None = None
        self._ledger = ledger
        self._page = 0
        self._background = Debounced(self._refresh, PAUSE)
        self._send = SendBox(lambda: self.plan, self._client, ledger, self._guarded, self._background.poke)
        self._view()
        self.model.observe(lambda _: self._background.poke(), "version")
        self._background.poke()

    # What is at hand in the next cell

    @property
    def plan(self) -> Plan:
        """The plan as the form stands now.

        Raises:
            PlanError: Something is missing, or can't be used at all.
        """
        version = self.model.version
        if self._made is None or self._made[0] != version:
            self._made = version, self.model.plan()
        return self._made[1]

    @property
    def delivery(self) -> Delivery | None:
        """What the last send came to, or has come to so far; None before the first."""
        return self._send.delivery

    @property
    def code(self) -> str:
        """The Python that does the same."""
        return self.model.code

    def send(self, *, confirm: int | None = None, wait: bool = True) -> Delivery:
        """Send what would go, as the button does.

        Args:
            confirm: How many rows you expect to go; if it is another number, nothing goes.
            wait: Whether to come back only when all is done.
        """
        delivery = self._send.start(confirm)
        return delivery.wait() if wait else delivery

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the form shows what it was last told; whether it does."""
        return self._background.wait(seconds)

    def close(self) -> None:
        """Take the form away. What is being sent goes on."""
        self._background.wait(10)
        self.model.unobserve_all()
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
            widget = make(label, about, value if value in [option for _, option in about] else parts.NOTHING)
        else:
            widget = make(label, _text(value), about)

        def typed(change: Mapping[str, Any]) -> None:
            new = None if change["new"] == parts.NOTHING else change["new"]
            if isinstance(widget, w.Dropdown) or new != _text(getattr(self.model, name)):
                setattr(self.model, name, new)

        def told(change: Mapping[str, Any]) -> None:
            chosen = parts.NOTHING if change["new"] is None else change["new"]
            shown = chosen if isinstance(widget, w.Dropdown) else _text(change["new"])
            if widget.value != shown:
                widget.value = shown

        widget.observe(self._guarded(typed), "value")
        self.model.observe(told, name)
        return widget

    def _switch(self, name: str) -> w.Widget:
        """A box to tick for one of the user's filters."""
        box = parts.tick(f"Ask the filter {name}", name not in self.model.switched_off)

        def ticked(change: Mapping[str, Any]) -> None:
            others = [each for each in self.model.switched_off if each != name]
            self.model.switched_off = others if change["new"] else [*others, name]

        box.observe(self._guarded(ticked), "value")
        return box

    def _turn(self, step: int) -> None:
        self._page += step
        self._background.poke()

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
        self._error.value = parts.shown('<p role="alert">{{ words }}</p>', words=mask_text(f"Not done: {kind}{error}"))

    # What follows from the state: made in the background

    def _refresh(self) -> None:
        try:
            self._show_numbers()
            self._show_plan(self.plan)
        except PlanError as error:
            self._made = None
            self._send.offer(0)
            self._preview.value = self._pager.value = ""
            self._summary.value = parts.shown("<p>not a plan yet: {{ words }}</p>", words=mask_text(str(error)))
        except Exception as error:  # noqa: BLE001  (a thread's error would be seen by nobody)
            self._show_error(error)
        if self._code.layout.display != "none":
            self._code.value = self.code

    def _show_numbers(self) -> None:
        model = self.model
        if model.to is None or model.to not in set(model.frame.columns):
            self._report.value = ""
            return
        found = check_numbers(model.frame[model.to], country=_text(model.country).strip() or None)
        counts = found[["verdict", "message"]].astype("object").value_counts(dropna=False).reset_index()
        rows = [
            (str(verdict), int(count), "" if message != message else mask_text(str(message)))  # noqa: PLR0124  (nan)
            for verdict, message, count in zip(counts["verdict"], counts["message"], counts["count"], strict=True)
        ]
        self._report.value = parts.shown(_REPORT, column=parts.label_of(model.to), counts=rows[:SHOWN_PROBLEMS])

    def _show_plan(self, plan: Plan) -> None:
        pages = plan.preview(PAGES)
        count = len(pages.frame)
        self._page = self._page % count if count else 0
        self._pager.value = f"{self._page + 1} of the {count} strangest" if count else "nothing would go"
        self._preview.value = pages.only(self._page)._repr_html_() if count else ""
        self._summary.value = plan._repr_html_()
        going = int(plan.going(self._given_client or self._own_client, ledger=self._ledger).sum())
        if not self._send.running:
            self._send.offer(going)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)
