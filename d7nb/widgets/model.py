"""The state of the compose form, and the plan and the Python code that follow from it; it works without widgets."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from traitlets import Any as AnyTrait, Dict, HasTraits, Int, List, TraitError, Unicode, observe, validate

from d7nb.content import Content
from d7nb.content.binding.format_strings import Column
from d7nb.content.schema.fields import Free, Items, Nested
from d7nb.content.source import Expression, call_source, content_of, fields_of, source_of, value_source
from d7nb.errors import PlanError, hides_internals, type_in_words
from d7nb.planning.filter_runner import select_filters
from d7nb.planning.planner import plan
from d7nb.plugins import content_types
from d7nb.privacy import mask_text
from d7nb.tables.frames import frozen
from d7nb.widgets.guess_column import guess_recipient

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from d7nb.content.schema.fields import PartLike
    from d7nb.filters.base import RowFilter
    from d7nb.planning.plans import Plan


class ComposeModel(HasTraits):
    """The values filled in, and the plan and the code that follow from them.

    Args:
        frame: The table. It is not changed.
        content: The content to begin with.
        filters: Pre-send filters for this plan, each of which can be switched off.
        ledger: As `Plan.send` takes it; here only the code that is shown names it.
        **options: Other values to begin with: ``to``, ``originator``, ``campaign``, ``country``, ``key``, ``schedule``.

    Attributes:
        kind: Name of the content's class, one of `kinds`.
        fields: The content's arguments as plain data: texts with ``{column}`` in them, ``col(...)``, lists and dicts.
        to: The column with the phone numbers; guessed at first.
        originator: The registered number that the messages come from.
        campaign: The name of the mailing.
        country: The region of numbers without a country code, such as ``AE``; empty for none.
        key: The column that identifies a row; None for recipient and text.
        schedule: When D7 is to send; empty for at once.
        switched_off: Names of the filters that are not applied.
        version: The number of changes so far.

    Example:
        >>> import pandas as pd
        >>> model = ComposeModel(pd.DataFrame({"phone": ["+12025550123"], "name": ["Ali"]}), originator="+12025550100")
        >>> model.fields = {"body": "Hi {name}"}
        >>> model.to, model.plan().summary["ready"]
        ('phone', 1)
    """

    kind = Unicode("Text")
    fields = Dict()
    to = AnyTrait()
    originator = AnyTrait("")
    campaign = Unicode("default")
    country = AnyTrait("")
    key = AnyTrait(None, allow_none=True)
    schedule = AnyTrait("")
    switched_off = List(Unicode())
    version = Int(0)

    @hides_internals
    def __init__(
        self,
        frame: pd.DataFrame,
        content: Content | None = None,
        *,
        filters: Sequence[RowFilter] = (),
        ledger: Any = None,
        **options: Any,
    ) -> None:
        self.frame = frozen(frame)
        self.filters = tuple(named.row_filter for named in select_filters((), filters))
        self.ledger = ledger
        self.kinds: dict[str, type[Content]] = {kind.__name__: kind for kind in content_types()}
        self._fields_by_kind: dict[str, dict[str, Any]] = {}
        unknown = [name for name in options if name not in _OPTIONS]
        if unknown:
            message = f"compose() has no option {unknown[0]!r}; it takes {', '.join(_OPTIONS)}"
            raise TypeError(message)
        super().__init__()
        given_content: object = content
        if content is not None:
            if not isinstance(given_content, Content):
                message = f"the form composes one content such as Text(...), not {type_in_words(content)}"
                raise PlanError(message)
            self.kinds.setdefault(type(content).__name__, type(content))
            self.kind, self.fields = type(content).__name__, fields_of(content)
        given = {name: value for name, value in options.items() if value is not None}
        for name, value in given.items():
            setattr(self, name, value)
        if "to" not in given:
            self.to = guess_recipient(frame, self.country if isinstance(self.country, str) and self.country else None)

    @validate("kind")
    def _check_kind(self, proposal: Mapping[str, Any]) -> str:
        if proposal["value"] not in self.kinds:
            message = f"kind is one of {', '.join(self.kinds)}, not {proposal['value']!r}"
            raise TraitError(message)
        return str(proposal["value"])

    @validate("fields")
    def _expand_shorthand(self, proposal: Mapping[str, Any]) -> dict[str, Any]:
        """Write a bare text that stands for a part out as its fields, so that each can be seen and changed."""
        return _expanded(self.kinds[self.kind], proposal["value"])

    @observe("kind")
    def _keep_fields(self, change: Mapping[str, Any]) -> None:
        """Keep the fields of the old kind for later; a new kind begins with the fields it shares, such as a body."""
        fields = {**self.fields}
        self._fields_by_kind[change["old"]] = fields
        specs = self.kinds[change["new"]].specs()
        old_specs = self.kinds[change["old"]].specs()
        shared = {
            name: value
            for name, value in fields.items()
            if name in specs and type(specs[name]) is type(old_specs[name])
        }
        self.fields = self._fields_by_kind.get(change["new"], shared)

    @observe("kind", "fields", "to", "originator", "campaign", "country", "key", "schedule", "switched_off")
    def _changed(self, _: Mapping[str, Any]) -> None:
        self.version += 1

    @hides_internals
    def content(self) -> Content:
        """Return the content as it is filled in.

        Raises:
            ContentError: Something is missing, or breaks a rule.
        """
        kind = self.kinds[self.kind]
        return content_of(kind, _parse_free_fields(kind, self.fields))

    def options(self) -> dict[str, Any]:
        """Return the plan's options as they are filled in."""
        values = {name: getattr(self, name) for name in _OPTIONS if name != "to"}
        stripped = {name: value.strip() if isinstance(value, str) else value for name, value in values.items()}
        given = {name: value for name, value in stripped.items() if value not in (None, "") or name == "campaign"}
        if isinstance(given.get("key"), tuple) and given["key"] in list(self.frame.columns):
            given["key"] = [given["key"]]  # one column with a label of several levels
        return {"to": self.to} | given

    def region(self) -> Any:
        """Return the region of numbers without a country code, or the column that holds it; None where not given."""
        if isinstance(self.country, Column):
            return self.frame[self.country.name]
        return self.country.strip() or None if isinstance(self.country, str) else self.country

    def state(self) -> tuple[Any, ...]:
        """Return a value that differs for different states, even where `fields` was changed in place."""
        return self.version, self.kind, value_source(self.fields)

    def active_filters(self) -> list[RowFilter]:
        """Return the filters that are not switched off."""
        return [row_filter for row_filter in self.filters if row_filter.name not in self.switched_off]

    @hides_internals
    def plan(self) -> Plan:
        """Return the plan as it is filled in.

        Raises:
            PlanError: Something is missing, or can't be used at all.
        """
        if self.to is None:
            raise PlanError("no column looks like phone numbers: choose the recipient column")
        return plan(self.frame, self.content(), filters=self.active_filters(), **self.options())

    @property
    def code(self) -> str:
        """The Python code that makes the same plan and sends it; ``people`` is the table, ``client`` the client."""
        error_comment = ""
        try:
            content = source_of(self.content())
        except PlanError as error:
            content, error_comment = "None", f"# not ready yet: {mask_text(str(error))}\n"
        options = {name: _as_source(value) for name, value in self.options().items()}
        if self.active_filters():
            options["filters"] = Expression(self._filters_source())
        send_options = {} if self.ledger is None else {"ledger": _ledger_source(self.ledger)}
        plan_call = call_source("d7nb.plan", options, "people", content)
        comments = ["# people: the table; client: where to send"]
        comments += ["# filters: the list given to compose()"] if "filters" in options else []
        comments += ["# ledger: the one given to compose()"] if send_options.get("ledger") == "ledger" else []
        lines = [*self._imports(plan_call), *comments, "", f"{error_comment}plan = {plan_call}"]
        return "\n".join([*lines, f"delivery = {call_source('plan.send', send_options, 'client')}", ""])

    def _filters_source(self) -> str:
        if not self.switched_off:
            return "filters"
        return f"[f for f in filters if f.name not in {sorted(self.switched_off)!r}]"

    def _imports(self, plan_call: str) -> list[str]:
        kind = self.kinds[self.kind]
        is_own = kind.__module__.startswith("d7nb.")
        names = [kind.__name__] * is_own + ["col"] * ("col(" in plan_call)
        imports = ["import d7nb"]
        imports += [f"from d7nb import {', '.join(names)}"] if names else []
        imports += [] if is_own else [f"from {kind.__module__} import {kind.__name__}"]
        return imports


_OPTIONS = ("to", "originator", "campaign", "country", "key", "schedule")


def _as_source(value: Any) -> Any:
    """Return a time as text, so that the code needs no import for it."""
    return value.isoformat() if isinstance(value, date) else value


def _ledger_source(ledger: Any) -> Any:
    """Return a path as it is, and the name ``ledger`` for an object or an address, which may hold a password."""
    is_path = isinstance(ledger, str | os.PathLike) and "://" not in str(ledger)
    return str(ledger) if is_path else Expression("ledger")


def _expanded(part: type[PartLike], fields: Mapping[str, Any]) -> dict[str, Any]:
    specs, expanded = part.specs(), dict(fields)
    for name, value in fields.items():
        spec = specs.get(name)
        if isinstance(spec, Nested) and value is not None and value != "":
            expanded[name] = _item_expanded(spec.part, value)
        elif isinstance(spec, Items) and isinstance(value, list | tuple):
            expanded[name] = [_item_expanded(spec.part, item) for item in value]
    return expanded


def _item_expanded(part: type[PartLike], value: Any) -> Any:
    if isinstance(value, Mapping):
        return _expanded(part, value)
    if isinstance(value, part):
        return fields_of(value)
    return dict.fromkeys(part.shorthand, value) if part.shorthand else value


def _parse_free_fields(part: type[PartLike], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields with the texts parsed that were typed for free lists and mappings."""
    specs = part.specs()
    parsed: dict[str, Any] = {}
    for name, value in fields.items():
        spec = specs.get(name)
        if isinstance(spec, Free) and isinstance(value, str):
            parsed[name] = parse_free_text(value, spec.shape)
        elif isinstance(spec, Nested) and isinstance(value, dict):
            parsed[name] = _parse_free_fields(spec.part, value)
        elif isinstance(spec, Items) and isinstance(value, list | tuple):
            parsed[name] = [_parse_free_fields(spec.part, item) if isinstance(item, dict) else item for item in value]
        else:
            parsed[name] = value
    return parsed


def parse_free_text(text: str, shape: type) -> Any:
    r"""Parse a list or mapping typed as JSON, or as one item a line, with ``key: value`` for a mapping.

    Example:
        >>> parse_free_text("{name}\n{balance:,.2f}", dict), parse_free_text("city: {city}", dict)
        (['{name}', '{balance:,.2f}'], {'city': '{city}'})
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return None
    try:
        parsed = json.loads(text)
    except ValueError:
        parsed = None
    if isinstance(parsed, dict | list):
        return parsed
    pairs = [line.partition(":") for line in lines]
    if shape is dict and all(key.strip().isidentifier() and colon for key, colon, _ in pairs):
        return {key.strip(): value.strip() for key, _, value in pairs}
    return lines
