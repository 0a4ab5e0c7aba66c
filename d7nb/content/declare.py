"""How a content type is declared: a frozen dataclass whose fields say where in D7's JSON they stand.

    class Text(Content, message_type="TEXT", root="text"):
        body: str = leaf("body", TEXT, max_length(4096, D7))
        preview_url: bool | None = leaf("preview_url", FLAG, default=None)

From that one declaration follow the payload, the checks, the names of dotted columns, and the way back from JSON.
A field holds a leaf (`leaf`), another part (`nested`), a list of parts (`items`) or free JSON (`free`); any leaf may be
a literal, a template string or ``col(...)``. Literals are checked when the content is made, columns when it is planned.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self, cast, dataclass_transform

import numpy as np

from d7nb.content.leaves import Column, Template, Unfit, read_template
from d7nb.content.rules import JSON, TEXT, Kind, RowRule, Rule
from d7nb.errors import ContentError, TemplateError
from d7nb.masking import mask_text
from d7nb.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Hashable

Tree = Any
"""D7's JSON with a `Slot` wherever a leaf stands."""


class Slot(NamedTuple):
    """A leaf in its place: what the field declares, and the literal, column or template that fills it."""

    leaf: Leaf
    value: Any

    @property
    def bound(self) -> bool:
        """Whether its value differs from row to row."""
        return isinstance(self.value, Column | Template)


class Leaf(NamedTuple):
    """A field that holds one value."""

    at: str
    kind: Kind
    rules: tuple[Rule, ...]
    required: bool
    may_be_empty: bool

    def read(self, value: Any) -> tuple[Any, list[Problem]]:
        """What the user gave, made ready; with the problems of a literal."""
        if isinstance(value, str):
            value = read_template(value)
        if isinstance(value, Column | Template):
            return value, []
        if isinstance(value, np.generic):
            value = value.item()
        blank = value is None or value != value or (isinstance(value, str) and not value.strip())  # noqa: PLR0124
        if blank and not (self.may_be_empty and value == ""):
            return None, [self.absent()] if self.required or value == "" else []
        return self.check(value)

    def check(self, value: Any) -> tuple[Any, list[Problem]]:
        """Convert one value and hold it against the rules."""
        converted = self.kind.convert(value)
        if isinstance(converted, Unfit):
            return None, [Problem("bad_value", converted.message, f"give a {self.kind.name}", field=self.at)]
        found = [(rule, fault) for rule in self.rules if (fault := rule.fault(converted))]
        return converted, [Problem(rule.code, fault, rule.hint, rule.severity, self.at) for rule, fault in found]

    def absent(self) -> Problem:
        """The problem of a required value that is not there."""
        return Problem("required", "a value is required here and there is none", "fill it in", field=self.at)

    def tree(self, value: Any) -> Tree:
        """The leaf in its place."""
        return Slot(self, value)

    def back(self, node: Any) -> Any:
        """From a node of D7's JSON to what `read` takes."""
        return node


class Nested(NamedTuple):
    """A field that holds another part."""

    at: str
    part: type[Part]
    required: bool

    def read(self, value: Any) -> tuple[Any, list[Problem]]:
        """A part, or what makes one: a mapping of its fields, or a scalar where the part has a short form."""
        if value is None:
            return None, [Problem("required", f"a {self.part.__name__} is required", field=self.at)] * self.required
        return _made(self.part, value, self.at)

    def tree(self, value: Part) -> Tree:
        """The part's own tree."""
        return value.tree()

    def back(self, node: Any) -> Any:
        """From a node of D7's JSON to a part."""
        return self.part.from_tree(node)


class Items(NamedTuple):
    """A field that holds a list of parts."""

    at: str
    part: type[Part]
    least: int
    most: int | None
    by: str
    required: bool

    def read(self, value: Any) -> tuple[Any, list[Problem]]:
        """A list of parts, or of what makes them; its length is checked."""
        if value is None and not self.required:
            return None, []
        if not isinstance(value, Sequence) or isinstance(value, str):
            message = f"it takes a list of {self.part.__name__}; a column can fill the leaves of an item, not the list"
            return None, [Problem("not_a_list", message, field=self.at)]
        made = [_made(self.part, item, f"{self.at}.{place}", place) for place, item in enumerate(value)]
        problems = [problem for _, found in made for problem in found]
        if len(value) < self.least or (self.most is not None and len(value) > self.most):
            limit = f"at least {self.least}" if self.most is None else f"{self.least} to {self.most}"
            message = f"{len(value)} given, {self.by} takes {limit}"
            problems.append(Problem("bad_count", message, "add or take away", field=self.at))
        return tuple(part for part, _ in made), problems

    def tree(self, value: Sequence[Part]) -> Tree:
        """A list of the parts' trees."""
        return [part.tree() for part in value]

    def back(self, node: Any) -> Any:
        """From a list in D7's JSON to parts."""
        return [self.part.from_tree(item) for item in node] if isinstance(node, list) else node


class Free(NamedTuple):
    """A field that holds JSON of the user's own, leaves anywhere in it."""

    at: str
    leaf: Leaf
    required: bool

    def read(self, value: Any) -> tuple[Any, list[Problem]]:
        """The JSON with its strings read as templates; it is copied, so a later change does not reach it."""
        if value is None:
            return None, [self.leaf.absent()] if self.required else []
        if isinstance(value, Mapping):
            read = {str(key): self._below(str(key)).read(item) for key, item in value.items()}
            return {k: v for k, (v, _) in read.items()}, [p for k, (_, found) in read.items() for p in found]
        if isinstance(value, list | tuple):
            rows = [self._below(str(place)).read(item) for place, item in enumerate(value)]
            return [v for v, _ in rows], [p for _, found in rows for p in found]
        return self.leaf.read(value)

    def _below(self, key: str) -> Free:
        at = f"{self.at}.{key}"
        return Free(at, self.leaf._replace(at=at), self.leaf.required)

    def tree(self, value: Any) -> Tree:
        """The same JSON with slots for leaves; what the user set to an empty object stays one."""
        if isinstance(value, dict):
            return {key: self.tree(item) for key, item in value.items() if item is not None}
        if isinstance(value, list):
            return [self.tree(item) for item in value if item is not None]
        return Slot(self.leaf, value)

    def back(self, node: Any) -> Any:
        """From a node of D7's JSON to what `read` takes."""
        return node


Spec = Leaf | Nested | Items | Free


def _field(spec: Spec, default: Any) -> Any:
    return dataclasses.field(default=default, metadata={"spec": spec})


def leaf(
    at: str, kind: Kind = TEXT, *rules: Rule, default: Any = dataclasses.MISSING, may_be_empty: bool = False
) -> Any:
    """Declare a field that holds one value at the dotted path `at`; required unless it has a default."""
    return _field(Leaf(at, kind, rules, default is dataclasses.MISSING, may_be_empty), default)


def nested(at: str, part: type[Part], *, default: Any = dataclasses.MISSING) -> Any:
    """Declare a field that holds a part."""
    return _field(Nested(at, part, default is dataclasses.MISSING), default)


def items(
    at: str,
    part: type[Part],
    least: int = 1,
    most: int | None = None,
    *,
    by: str = "D7",
    default: Any = dataclasses.MISSING,
) -> Any:
    """Declare a field that holds `least` to `most` parts."""
    return _field(Items(at, part, least, most, by, default is dataclasses.MISSING), default)


def free(at: str, kind: Kind = JSON, *rules: Rule, default: Any = dataclasses.MISSING, every: bool = False) -> Any:
    """Declare a field that holds JSON of the user's own.

    Kind and rules are those of each leaf in it; with `every`, a leaf that is bound must have a value in every row.
    """
    below = Leaf(at, kind, rules, required=every, may_be_empty=not every)
    return _field(Free(at, below, default is dataclasses.MISSING), default)


@dataclass_transform(frozen_default=True, field_specifiers=(leaf, nested, items, free))
class Part:
    """A piece of a content. Subclassing makes a frozen dataclass of its fields."""

    constants: ClassVar[Mapping[str, Any]] = {}
    """JSON that is always there, by dotted path."""
    row_rules: ClassVar[tuple[RowRule, ...]] = ()
    """Rules about several fields together."""
    short: ClassVar[tuple[str, ...]] = ()
    """The fields that a bare scalar fills, where one may stand for the whole part."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        dataclasses.dataclass(frozen=True, repr=False)(cls)

    @classmethod
    def specs(cls) -> dict[str, Spec]:
        """Each field's name and declaration, in order."""
        return {field.name: field.metadata["spec"] for field in dataclasses.fields(cls)}  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        problems: list[Problem] = []
        for name, spec in self.specs().items():
            value, found = spec.read(getattr(self, name))
            object.__setattr__(self, name, value)
            problems.extend(found)
        problems.extend(self.structure())
        if not any(problem.severity == "error" for problem in problems):
            known = slots(self.tree())
            faults = [literal_fault(rule, expand(rule, known), known) for rule in self.rules()]
            problems.extend(fault for fault in faults if fault)
        errors = [problem for problem in problems if problem.severity == "error"]
        if errors:
            raise ContentError(_told(type(self).__name__, errors), errors)

    def structure(self) -> Iterator[Problem]:
        """What is wrong with the shape, beyond what each field's own declaration says."""
        yield from ()

    def tree(self) -> dict[str, Tree]:
        """D7's JSON of this part, with a `Slot` for each leaf; what is not set is not in it."""
        tree: dict[str, Tree] = {}
        for path, constant in self.constants.items():
            place(tree, path, constant)
        for name, spec in self.specs().items():
            value = getattr(self, name)
            if value is not None:
                place(tree, spec.at, spec.tree(value))
        return tree

    @classmethod
    def from_tree(cls, tree: Any) -> Self:
        """The way back: the part whose tree this is.

        Raises:
            ContentError: The JSON is not this part's.
        """
        if not isinstance(tree, Mapping):
            return cast("Self", _from_scalar(cls, tree, 0))
        rest = _copied(tree)
        for path in cls.constants:
            take(rest, path)
        found = {name: take(rest, spec.at) for name, spec in cls.specs().items()}
        given = {name: cls.specs()[name].back(node) for name, node in found.items() if node is not None}
        left = [path for path, _ in leaves(rest)]
        if left:
            known = [spec.at for spec in cls.specs().values()]
            problems = [Problem("unknown_field", _unknown(path, known), field=path) for path in left]
            raise ContentError(_told(cls.__name__, problems), problems)
        return cast("Self", _from_mapping(cls, given))

    @classmethod
    def from_scalar(cls, value: Any, place: int) -> Part:  # noqa: ARG003  (a part may number itself)
        """The part that a bare scalar stands for, as its `short` fields say."""
        return cls(**dict.fromkeys(cls.short, value))

    def rules(self, prefix: str = "") -> Iterator[RowRule]:
        """The row rules of this part and of all below it, with whole paths."""
        for rule in self.row_rules:
            yield rule._replace(paths=tuple(prefix + path for path in rule.paths))
        for name, spec in self.specs().items():
            value = getattr(self, name)
            parts = value if isinstance(value, tuple) else (value,)
            for number, part in enumerate(parts):
                if isinstance(part, Part):
                    inner = f"{spec.at}.{number}" if isinstance(spec, Items) else spec.at
                    yield from part.rules(f"{prefix}{inner}.")

    def __repr__(self) -> str:
        shown = [f"{name}={_repr(value)}" for name in self.specs() if (value := getattr(self, name)) is not None]
        return f"{type(self).__name__}({', '.join(shown)})"


class Content(Part):
    """What one message says. A subclass names its ``message_type`` and where below it the fields' paths begin.

    Class options: ``message_type`` (D7's word), ``root`` (the key of D7's object, empty where a field names it itself),
    ``constants`` (always in the JSON, by path below the root).
    """

    message_type: ClassVar[str] = ""
    root: ClassVar[str] = ""

    def __init_subclass__(
        cls, message_type: str = "", root: str = "", constants: Mapping[str, Any] | None = None, **options: Any
    ) -> None:
        cls.message_type, cls.root, cls.constants = message_type, root, constants or {}
        super().__init_subclass__(**options)

    def tree(self) -> dict[str, Tree]:
        """The whole content object of D7's request."""
        inner = super().tree()
        return {"message_type": self.message_type, **({self.root: inner} if self.root else inner)}

    def rules(self, prefix: str = "") -> Iterator[RowRule]:
        """The row rules of the content, with whole paths."""
        return super().rules(f"{self.root}." if self.root else prefix)

    @classmethod
    def from_tree(cls, tree: Any) -> Self:
        """The content whose tree this is; problems bear whole paths."""
        inner = {key: node for key, node in tree.items() if key != "message_type"}
        if not cls.root:
            return super().from_tree(inner)
        try:
            return super().from_tree(inner.get(cls.root) or {})
        except ContentError as error:
            problems = prefixed(error.problems, cls.root)
            raise ContentError(_told(cls.__name__, problems), problems) from None


def place(tree: dict[str, Tree], path: str, node: Tree) -> None:
    """Put a node at a dotted path, making the objects on the way."""
    *parents, last = path.split(".")
    for key in parents:
        tree = tree.setdefault(key, {})
    tree[last] = node


def take(tree: Any, path: str) -> Tree:
    """Take the node at a dotted path out of a tree, with the objects that it leaves empty; None where there is none."""
    head, _, rest = path.partition(".")
    if not isinstance(tree, dict) or head not in tree:
        return None
    if not rest:
        return tree.pop(head)
    node = take(tree[head], rest)
    if tree[head] == {}:
        del tree[head]
    return node


def leaves(tree: Tree, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of a tree with its dotted path; numbers stand for places in lists."""
    branches = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else None
    if branches is None:
        yield path, tree
    else:
        for key, node in branches:
            yield from leaves(node, f"{path}.{key}" if path else str(key))


def slots(tree: Tree) -> dict[str, Slot]:
    """Every slot of a tree by its dotted path."""
    return {path: node for path, node in leaves(tree) if isinstance(node, Slot)}


def expand(rule: RowRule, known: Mapping[str, Slot]) -> list[str]:
    """The whole paths of the slots that a row rule speaks of; a field that is not set stands under its own path."""
    paths: list[str] = []
    for path in rule.paths:
        form = re.compile(re.escape(path).replace(r"\*", r"\d+"))
        paths.extend([at for at in known if form.fullmatch(at)] if "*" in path else [path])
    return paths


def literal_fault(rule: RowRule, paths: Sequence[str], known: Mapping[str, Slot]) -> Problem | None:
    """The fault by a row rule of fields that are all literals; None where they keep it, or are bound to columns."""
    spoken_of = [known.get(path) for path in paths]
    if any(slot is not None and slot.bound for slot in spoken_of):
        return None
    fault = rule.fault(*(None if slot is None else slot.value for slot in spoken_of))
    return Problem(rule.code, fault, rule.hint, rule.severity, paths[0]) if fault else None


def prefixed(problems: Sequence[Problem], prefix: str) -> list[Problem]:
    """The same problems with paths that begin further up."""
    return [problem._replace(field=f"{prefix}.{problem.field}".rstrip(".")) for problem in problems]


def nearest(name: Hashable, known: Sequence[Hashable]) -> str:
    """A word on the name that was probably meant, empty where none is near."""
    close = difflib.get_close_matches(str(name), [str(other) for other in known], n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else ""


def _made(part: type[Part], value: Any, at: str, number: int = 0) -> tuple[Any, list[Problem]]:
    try:
        if isinstance(value, part):
            return value, []
        if isinstance(value, Mapping):
            return _from_mapping(part, value), []
        return _from_scalar(part, value, number), []
    except TemplateError:
        raise
    except ContentError as error:
        return None, prefixed(error.problems, at)


def _from_mapping(part: type[Part], given: Mapping[str, Any]) -> Part:
    known = {field.name: field.default for field in dataclasses.fields(part)}  # type: ignore[arg-type]
    unknown = [str(name) for name in given if name not in known]
    if unknown:
        problems = [Problem("unknown_field", _unknown(name, list(known)), field=name) for name in unknown]
        raise ContentError(_told(part.__name__, problems), problems)
    required = {name: None for name, default in known.items() if default is dataclasses.MISSING}
    return part(**(required | dict(given)))


def _from_scalar(part: type[Part], value: Any, number: int) -> Any:
    if part.short and not isinstance(value, list | tuple | set | Part):
        return part.from_scalar(value, number)
    message = f"a {part.__name__} or a mapping of its fields is wanted, not a {type(value).__name__}"
    problem = Problem("bad_part", message)
    raise ContentError(_told(part.__name__, [problem]), [problem])


def _unknown(name: str, known: Sequence[str]) -> str:
    return f"there is no such field; {nearest(name, known) or 'known are ' + ', '.join(known)}"


def _told(name: str, problems: Sequence[Problem]) -> str:
    count = "" if len(problems) == 1 else f" ({len(problems)} problems)"
    return f"{name}{count}: " + "; ".join(problem.sentence() for problem in problems)


def _copied(tree: Any) -> Any:
    if isinstance(tree, Mapping):
        return {key: _copied(node) for key, node in tree.items()}
    return [_copied(node) for node in tree] if isinstance(tree, list) else tree


def _repr(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_repr, value))}]"
    return mask_text(repr(value))
