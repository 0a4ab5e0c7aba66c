"""The compose form's state, and the plan and the Python that follow from it. No widget is needed to use it."""

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
from d7nb.errors import PlanError, hides_internals
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
    """What a person has filled in, and what follows from it.

    Args:
        frame: The table. It is not changed.
        content: What to begin with.
        filters: Pre-send filters of the user's own, each of which can be switched off.
        ledger: As `Plan.send` takes it; only the Python that is shown needs it here.
        **terms: What else to begin with: ``to``, ``originator``, ``campaign``, ``country``, ``key``, ``schedule``.

    Attributes:
        kind: Name of the content's class, one of `kinds`.
        fields: The content's arguments as plain data: texts with ``{column}`` in them, ``col(...)``, lists and dicts.
        to: The column with the phone numbers; guessed at first.
        originator: The registered number that the messages come from.
        campaign: The name of the mailing.
        country: The region whose national numbers are meant, empty for none.
        key: The column that identifies a row; None for recipient and text.
        schedule: When D7 shall send, empty for at once.
        switched_off: Names of the user's filters that are not to be asked.
        version: Counts changes.

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
        **terms: Any,
    ) -> None:
        self.frame = frozen(frame)
        self.filters = tuple(entry.row_filter for entry in select_filters((), filters))
        self.ledger = ledger
        self.kinds: dict[str, type[Content]] = {kind.__name__: kind for kind in content_types()}
        self._fields_of: dict[str, dict[str, Any]] = {}
        unknown = [name for name in terms if name not in _TERMS]
        if unknown:
            message = f"compose() knows no {unknown[0]!r}; it takes {', '.join(_TERMS)}"
            raise TypeError(message)
        super().__init__()
        given_content: object = content
        if content is not None:
            if not isinstance(given_content, Content):
                message = f"the form composes one content such as Text(...), not a {type(content).__name__}"
                raise PlanError(message)
            self.kinds.setdefault(type(content).__name__, type(content))
            self.kind, self.fields = type(content).__name__, fields_of(content)
        given = {name: value for name, value in terms.items() if value is not None}
        for name, value in given.items():
            setattr(self, name, value)
        if "to" not in given:
            self.to = guess_recipient(frame, self.country if isinstance(self.country, str) and self.country else None)

    @validate("kind")
    def _known_kind(self, proposal: Mapping[str, Any]) -> str:
        if proposal["value"] not in self.kinds:
            message = f"kind is one of {', '.join(self.kinds)}, not {proposal['value']!r}"
            raise TraitError(message)
        return str(proposal["value"])

    @validate("fields")
    def _without_short_forms(self, proposal: Mapping[str, Any]) -> dict[str, Any]:
        """A bare text in the place of a part is written out, so that each of its fields can be seen and changed."""
        return _written_out(self.kinds[self.kind], proposal["value"])

    @observe("kind")
    def _keep_fields(self, change: Mapping[str, Any]) -> None:
        """Each kind keeps what was filled in for it; another begins with what both have, such as a body."""
        before = {**self.fields}
        self._fields_of[change["old"]] = before
        specs = self.kinds[change["new"]].specs()
        old = self.kinds[change["old"]].specs()
        shared = {
            name: value for name, value in before.items() if name in specs and type(specs[name]) is type(old[name])
        }
        self.fields = self._fields_of.get(change["new"], shared)

    @observe("kind", "fields", "to", "originator", "campaign", "country", "key", "schedule", "switched_off")
    def _changed(self, _: Mapping[str, Any]) -> None:
        self.version += 1

    @hides_internals
    def content(self) -> Content:
        """The content as it is filled in.

        Raises:
            ContentError: Something is missing, or breaks a rule.
        """
        kind = self.kinds[self.kind]
        return content_of(kind, _with_free_read(kind, self.fields))

    def terms(self) -> dict[str, Any]:
        """The plan's options as they are filled in."""
        rest = {name: getattr(self, name) for name in _TERMS if name != "to"}
        stripped = {name: value.strip() if isinstance(value, str) else value for name, value in rest.items()}
        given = {name: value for name, value in stripped.items() if value not in (None, "") or name == "campaign"}
        if isinstance(given.get("key"), tuple) and given["key"] in list(self.frame.columns):
            given["key"] = [given["key"]]  # a label of several levels is one column
        return {"to": self.to} | given

    def region(self) -> Any:
        """The region of numbers without a country code, or the column that says it; None where there is none."""
        if isinstance(self.country, Column):
            return self.frame[self.country.name]
        return self.country.strip() or None if isinstance(self.country, str) else self.country

    def state(self) -> tuple[Any, ...]:
        """What tells one state from another, a dict that was changed in place among them."""
        return self.version, self.kind, value_source(self.fields)

    def asked(self) -> list[RowFilter]:
        """The user's filters that are not switched off."""
        return [each for each in self.filters if each.name not in self.switched_off]

    @hides_internals
    def plan(self) -> Plan:
        """The plan that follows.

        Raises:
            PlanError: Something is missing, or can't be used at all.
        """
        if self.to is None:
            raise PlanError("no column holds phone numbers, as it seems: choose the recipient column")
        return plan(self.frame, self.content(), filters=self.asked(), **self.terms())

    @property
    def code(self) -> str:
        """The Python that makes the same plan, and sends it; ``people`` is the table, ``client`` the client."""
        kind, fault = self.kinds[self.kind], ""
        try:
            made = source_of(self.content())
        except PlanError as error:
            made, fault = "None", f"# not yet: {mask_text(str(error))}\n"
        terms = {name: _as_written(value) for name, value in self.terms().items()}
        if self.asked():
            left = "" if not self.switched_off else f" if each.name not in {sorted(self.switched_off)!r}"
            terms["filters"] = Expression(f"[each for each in filters{left}]" if left else "filters")
        written = call_source("d7nb.plan", terms, "people", made)
        names = [kind.__name__] * kind.__module__.startswith("d7nb.") + ["col"] * ("col(" in written)
        imports = ["import d7nb", *([f"from d7nb import {', '.join(names)}"] if names else [])]
        if not kind.__module__.startswith("d7nb."):
            imports.append(f"from {kind.__module__} import {kind.__name__}")
        where = {} if self.ledger is None else {"ledger": _place(self.ledger)}
        known = ["# people: the table; client: where to send"]
        known += ["# filters: the list that compose() was given"] if "filters" in terms else []
        known += ["# ledger: the one that compose() was given"] if where.get("ledger") == "ledger" else []
        sent = call_source("plan.send", where, "client")
        return "\n".join([*imports, *known, "", f"{fault}plan = {written}", f"delivery = {sent}", ""])


_TERMS = ("to", "originator", "campaign", "country", "key", "schedule")


def _as_written(value: Any) -> Any:
    """A time as the text that stands for it: the code that is shown imports nothing for it."""
    return value.isoformat() if isinstance(value, date) else value


def _place(ledger: Any) -> Any:
    """A path as it was given; a name for what is no path, and for an address, which may hold a password."""
    path = isinstance(ledger, str | os.PathLike) and "://" not in str(ledger)
    return str(ledger) if path else Expression("ledger")


def _written_out(part: type[PartLike], fields: Mapping[str, Any]) -> dict[str, Any]:
    specs, written = part.specs(), dict(fields)
    for name, value in fields.items():
        spec = specs.get(name)
        if isinstance(spec, Nested) and value is not None and value != "":
            written[name] = _one_written_out(spec.part, value)
        elif isinstance(spec, Items) and isinstance(value, list | tuple):
            written[name] = [_one_written_out(spec.part, item) for item in value]
    return written


def _one_written_out(part: type[PartLike], value: Any) -> Any:
    if isinstance(value, Mapping):
        return _written_out(part, value)
    if isinstance(value, part):
        return fields_of(value)
    return dict.fromkeys(part.shorthand, value) if part.shorthand else value


def _with_free_read(part: type[PartLike], fields: Mapping[str, Any]) -> dict[str, Any]:
    """The same, with the texts that were typed for lists and mappings of the user's own read."""
    specs = part.specs()
    read: dict[str, Any] = {}
    for name, value in fields.items():
        spec = specs.get(name)
        if isinstance(spec, Free) and isinstance(value, str):
            read[name] = read_free(value, spec.shape)
        elif isinstance(spec, Nested) and isinstance(value, dict):
            read[name] = _with_free_read(spec.part, value)
        elif isinstance(spec, Items) and isinstance(value, list | tuple):
            read[name] = [_with_free_read(spec.part, item) if isinstance(item, dict) else item for item in value]
        else:
            read[name] = value
    return read


def read_free(text: str, shape: type) -> Any:
    r"""What was typed for a list or mapping: JSON, or a line for each item, ``key: value`` where one names keys.

    Example:
        >>> read_free("{name}\n{balance:,.2f}", dict), read_free("city: {city}", dict)
        (['{name}', '{balance:,.2f}'], {'city': '{city}'})
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return None
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if isinstance(found, dict | list):
        return found
    pairs = [line.partition(":") for line in lines]
    if shape is dict and all(key.strip().isidentifier() and colon for key, colon, _ in pairs):
        return {key.strip(): value.strip() for key, _, value in pairs}
    return lines
