"""The base classes of content types, and the functions by which they declare their fields.

A content type is a frozen dataclass whose fields name their dotted paths in D7's JSON:

    class Text(Content, message_type="TEXT", root="text"):
        body: str = leaf("body", TEXT, max_length(4096, D7))
        preview_url: bool | None = leaf("preview_url", FLAG, default=None)

From that one declaration follow the payload, the checks, the names of dotted columns, and the content that some JSON
stands for. A field holds a leaf (`leaf`), another part (`nested`), a list of parts (`items`) or free JSON (`free`); any
leaf may be a literal, a format string or ``col(...)``. Literals are checked when the content is made, columns when it
is planned.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast, dataclass_transform

from d7nb.content.rules import JSON, TEXT, FileLink, Kind, RowRule, Rule
from d7nb.content.schema.fields import (
    Free,
    Items,
    Leaf,
    Nested,
    Slot,
    Spec,
    content_error,
    make_or_collect,
    noun_of,
    unknown_fields,
)
from d7nb.content.schema.paths import Tree, copy_tree, insert, leaves, pop
from d7nb.content.schema.sketch import sketch
from d7nb.errors import hides_internals, type_in_words, with_article
from d7nb.privacy import mask_text
from d7nb.problems import Problem

if TYPE_CHECKING:
    from d7nb.content.bubble import Bubble

__all__ = [
    "Content",
    "Part",
    "expand_paths",
    "file_links",
    "free",
    "items",
    "leaf",
    "literal_fault",
    "nested",
    "slots",
]


def _field(spec: Spec, default: Any) -> Any:
    return dataclasses.field(default=default, metadata={"spec": spec})


def leaf(
    at: str,
    kind: Kind = TEXT,
    *rules: Rule,
    default: Any = dataclasses.MISSING,
    may_be_empty: bool = False,
    carries: bool = False,
) -> Any:
    """Declare a field that holds one value; it may be missing only where the default is None.

    Args:
        at: The dotted path in D7's JSON, below the part.
        kind: The kind of value, from `d7nb.content.rules`.
        rules: The rules that the value must keep.
        default: The value where none is given.
        may_be_empty: Whether the empty string is a value.
        carries: Whether the whole part is left out in rows where this field's cell is empty, as a phone is without its
            number.
    """
    return _field(Leaf(at, kind, rules, default is not None, may_be_empty, required_by_parent=carries), default)


def nested(at: str, part: type[Part], *, default: Any = dataclasses.MISSING) -> Any:
    """Declare a field that holds a part; it may be missing only where the default is None."""
    return _field(Nested(at, part, default is not None), default)


def items(
    at: str,
    part: type[Part],
    least: int = 1,
    most: int | None = None,
    *,
    by: str = "D7",
    default: Any = dataclasses.MISSING,
) -> Any:
    """Declare a field that holds `least` to `most` parts; it may be missing only where the default is None."""
    return _field(Items(at, part, least, most, by, default is not None), default)


def free(
    at: str,
    shape: type[dict[Any, Any] | list[Any]],
    kind: Kind = JSON,
    *rules: Rule,
    default: Any = dataclasses.MISSING,
    every: bool = False,
) -> Any:
    """Declare a field that holds JSON as the user wrote it, a list or a mapping.

    Kind and rules apply to each leaf in it; with `every`, a leaf that is bound must have a value in every row.
    """
    any_leaf = Leaf(at, kind, rules, required=every, may_be_empty=not every)
    return _field(Free(at, any_leaf, default is not None, shape), default)


@dataclass_transform(frozen_default=True, field_specifiers=(leaf, nested, items, free))
class Part:
    """A part of a content, such as a button; a subclass becomes a frozen dataclass of its fields."""

    constants: ClassVar[Mapping[str, Any]] = {}
    """JSON that is always sent, by dotted path."""
    row_rules: ClassVar[tuple[RowRule, ...]] = ()
    """Rules about several fields together."""
    file_links: ClassVar[tuple[FileLink, ...]] = ()
    """The leaves that are addresses of files, which WhatsApp fetches."""
    shorthand: ClassVar[tuple[str, ...]] = ()
    """The fields that a bare scalar fills, where one stands for the whole part; plugins may set it as ``short``."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "short" in vars(cls):
            cls.shorthand = vars(cls)["short"]
        dataclasses.dataclass(frozen=True, repr=False)(cls)
        cls.__init__ = hides_internals(cls.__init__)  # type: ignore[method-assign]

    @classmethod
    def specs(cls) -> dict[str, Spec]:
        """Return each field's name and declaration, in order."""
        return {field.name: field.metadata["spec"] for field in dataclasses.fields(cls)}  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        problems: list[Problem] = []
        for name, spec in self.specs().items():
            value, value_problems = spec.parse(getattr(self, name))
            object.__setattr__(self, name, value)
            problems.extend(value_problems)
        problems.extend(self.structure())
        faulty_paths = {problem.field for problem in problems}
        slot_at = slots(Part.tree(self))
        for rule in Part.rules(self):
            paths = expand_paths(rule.paths, slot_at)
            if faulty_paths.isdisjoint(paths) and (problem := literal_fault(rule, paths, slot_at)):
                problems.append(problem)
        errors = [problem for problem in problems if problem.severity == "error"]
        if errors:
            raise content_error(type(self).__name__, errors)

    def structure(self) -> Iterator[Problem]:
        """Yield the problems with the part's shape that its fields' declarations can't express."""
        yield from ()

    def tree(self) -> dict[str, Tree]:
        """Return D7's JSON of this part with a `Slot` for each leaf; what is not set is not in it."""
        tree: dict[str, Tree] = {}
        for path, constant in self.constants.items():
            insert(tree, path, constant)
        for name, spec in self.specs().items():
            value = getattr(self, name)
            if value is not None:
                insert(tree, spec.at, spec.tree(value))
        return tree

    @classmethod
    def from_tree(cls, tree: Any) -> Self:
        """Return the part whose tree this is.

        Raises:
            ContentError: The JSON has fields that the part does not have, lacks required ones, or breaks a rule.
        """
        if not isinstance(tree, Mapping):
            return cls.from_value(tree)
        rest = copy_tree(tree)
        for path in cls.constants:
            pop(rest, path)
        specs = cls.specs()
        nodes = {name: node for name, spec in specs.items() if (node := pop(rest, spec.at)) is not None}
        problems = unknown_fields((path for path, _ in leaves(rest)), [spec.at for spec in specs.values()])
        values = {
            name: make_or_collect(specs[name].from_json, node, specs[name].at, problems) for name, node in nodes.items()
        }
        if problems:
            raise content_error(cls.__name__, problems)
        return cls.from_value(values)

    @classmethod
    def from_value(cls, value: Any, position: int = 0) -> Self:
        """Return the part that a part, a mapping of its fields or a bare scalar stands for.

        Args:
            value: What the user gave.
            position: The position of the value in its list, from 0.

        Raises:
            ContentError: The value stands for no such part.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, Mapping):
            defaults = {field.name: field.default for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
            if unknown := unknown_fields((str(name) for name in value if name not in defaults), list(defaults)):
                raise content_error(cls.__name__, unknown)
            required = {name: None for name, default in defaults.items() if default is dataclasses.MISSING}
            return cls(**(required | dict(value)))
        if cls.shorthand and not isinstance(value, list | tuple | set | Part):
            return cls.from_scalar(value, position)
        message = f"give {with_article(noun_of(cls))} as a dict of {', '.join(cls.specs())}, not {type_in_words(value)}"
        raise content_error(cls.__name__, [Problem("bad_part", message)])

    @classmethod
    def from_scalar(cls, value: Any, position: int) -> Self:  # noqa: ARG003  (a part may number itself)
        """Return the part that a bare scalar stands for: it fills the `shorthand` fields."""
        return cls(**dict.fromkeys(cls.shorthand, value))

    def rules(self, prefix: str = "") -> Iterator[RowRule]:
        """Yield the row rules of this part and of the parts in it, with whole paths."""
        for part_prefix, part in _parts(self, prefix):
            for rule in part.row_rules:
                yield rule._replace(paths=tuple(part_prefix + path for path in rule.paths))

    def __repr__(self) -> str:
        arguments = [f"{name}={_repr(value)}" for name in self.specs() if (value := getattr(self, name)) is not None]
        return f"{type(self).__name__}({', '.join(arguments)})"


class Content(Part):
    """The base of the content types; a subclass names its ``message_type`` and the object that its fields are in.

    Class options: ``message_type`` (as in D7's request), ``root`` (the key of D7's object; empty where the fields'
    paths begin with it), ``constants`` (JSON that is always sent, by path below the root).
    """

    message_type: ClassVar[str] = ""
    root: ClassVar[str] = ""

    def __init_subclass__(
        cls, message_type: str = "", root: str = "", constants: Mapping[str, Any] | None = None, **options: Any
    ) -> None:
        cls.message_type, cls.root, cls.constants = message_type, root, constants or {}
        super().__init_subclass__(**options)

    def tree(self) -> dict[str, Tree]:
        """Return the whole content object of D7's request."""
        inner = super().tree()
        return {"message_type": self.message_type, **({self.root: inner} if self.root else inner)}

    @classmethod
    def roots(cls) -> set[str]:
        """Return the keys of D7's content object that it fills, beside ``message_type``."""
        return {cls.root} if cls.root else {spec.at.partition(".")[0] for spec in cls.specs().values()}

    @classmethod
    def bubble(cls, payload: Mapping[str, Any]) -> Bubble:
        """Draw one message for a preview; a type that does not override this is drawn by its declaration.

        Args:
            payload: The JSON of one row, as D7 gets it below the ``root``.

        Returns:
            The message as plain data.

        Example:
            >>> class Poll(Content, message_type="POLL", root="poll"):
            ...     question: str = leaf("question")
            >>> Poll.bubble({"question": "Are you coming?"}).body
            'Are you coming?'
        """
        return sketch(cls, payload)

    def rules(self, prefix: str = "") -> Iterator[RowRule]:
        """Yield the row rules of the content, with whole paths."""
        return super().rules(f"{self.root}." if self.root else prefix)

    @classmethod
    def from_tree(cls, tree: Any) -> Self:
        """Return the content whose tree this is; problems have whole paths."""
        inner = {key: node for key, node in tree.items() if key != "message_type"}
        if not cls.root:
            return super().from_tree(inner)
        root_node = inner.pop(cls.root, {})
        message = f"{with_article(cls.message_type)} message has no such field"
        hint = "empty the cell, or correct the message_type"
        problems = [Problem("unknown_field", message, hint, field=path) for path, _ in leaves(inner)]
        content = make_or_collect(super().from_tree, root_node, cls.root, problems)
        if problems:
            raise content_error(cls.__name__, problems)
        return cast("Self", content)


def _parts(part: Part, prefix: str) -> Iterator[tuple[str, Part]]:
    """Yield a part and the parts in it, each with the prefix of its paths."""
    yield prefix, part
    for name, spec in part.specs().items():
        value = getattr(part, name)
        for position, inner in enumerate(value if isinstance(value, tuple) else (value,)):
            if isinstance(inner, Part):
                path = f"{spec.at}.{position}" if isinstance(spec, Items) else spec.at
                yield from _parts(inner, f"{prefix}{path}.")


def file_links(part: Part, slot_at: Mapping[str, Slot]) -> Iterator[FileLink]:
    """Yield the addresses of files in a part, one link for each leaf, with whole paths.

    Args:
        part: A content, or another part of a request.
        slot_at: The slots of its tree, by path.
    """
    root = part.root if isinstance(part, Content) else ""
    for prefix, inner in _parts(part, f"{root}." if root else ""):
        for link in inner.file_links:
            kind_at = link.kind_at and prefix + link.kind_at
            for path in expand_paths([prefix + link.at], slot_at):
                if path in slot_at:
                    yield FileLink(path, link.kind, kind_at)


def slots(tree: Tree) -> dict[str, Slot]:
    """Return the slots of a tree by their dotted paths."""
    return {path: node for path, node in leaves(tree) if isinstance(node, Slot)}


def expand_paths(paths: Iterable[str], slot_at: Mapping[str, Slot]) -> list[str]:
    """Return paths with each ``*`` replaced by the positions of the items that there are."""
    expanded: list[str] = []
    for path in paths:
        pattern = re.compile(re.escape(path).replace(r"\*", r"\d+"))
        expanded.extend([slot_path for slot_path in slot_at if pattern.fullmatch(slot_path)] if "*" in path else [path])
    return expanded


def literal_fault(rule: RowRule, paths: Sequence[str], slot_at: Mapping[str, Slot]) -> Problem | None:
    """Check a row rule of fields that are all literals.

    Returns:
        The problem; None where they keep the rule, or where one is bound to columns.
    """
    fields = [slot_at.get(path) for path in paths]
    if any(slot is not None and slot.bound for slot in fields):
        return None
    fault = rule.fault(*(None if slot is None else slot.value for slot in fields))
    return Problem(rule.code, fault, rule.hint, rule.severity, paths[0]) if fault else None


def _repr(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_repr, value))}]"
    return mask_text(repr(value))
