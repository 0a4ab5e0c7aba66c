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
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast, dataclass_transform

from d7nb.content.rules import JSON, TEXT, FileLink, Kind, RowRule, Rule
from d7nb.content.schema.fields import Free, Items, Leaf, Nested, Slot, Spec, attempt, refusal, strangers
from d7nb.content.schema.paths import Tree, copied, leaves, place, take
from d7nb.content.schema.sketch import sketch
from d7nb.errors import hides_internals
from d7nb.privacy import mask_text
from d7nb.problems import Problem

if TYPE_CHECKING:
    from d7nb.content.bubble import Bubble

__all__ = [
    "Content",
    "Part",
    "expand",
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
    """Declare a field that holds one value at the dotted path `at`; it may lack only where the default is None."""
    return _field(Leaf(at, kind, rules, default is not None, may_be_empty, carries), default)


def nested(at: str, part: type[Part], *, default: Any = dataclasses.MISSING) -> Any:
    """Declare a field that holds a part; it may lack only where the default is None."""
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
    """Declare a field that holds `least` to `most` parts; it may lack only where the default is None."""
    return _field(Items(at, part, least, most, by, default is not None), default)


def free(
    at: str,
    shape: type[dict[Any, Any] | list[Any]],
    kind: Kind = JSON,
    *rules: Rule,
    default: Any = dataclasses.MISSING,
    every: bool = False,
) -> Any:
    """Declare a field that holds JSON of the user's own, a list or a mapping.

    Kind and rules are those of each leaf in it; with `every`, a leaf that is bound must have a value in every row.
    """
    below = Leaf(at, kind, rules, required=every, may_be_empty=not every)
    return _field(Free(at, below, default is not None, shape), default)


@dataclass_transform(frozen_default=True, field_specifiers=(leaf, nested, items, free))
class Part:
    """A piece of a content. Subclassing makes a frozen dataclass of its fields."""

    constants: ClassVar[Mapping[str, Any]] = {}
    """JSON that is always there, by dotted path."""
    row_rules: ClassVar[tuple[RowRule, ...]] = ()
    """Rules about several fields together."""
    file_links: ClassVar[tuple[FileLink, ...]] = ()
    """Which leaves are addresses of files that WhatsApp fetches."""
    short: ClassVar[tuple[str, ...]] = ()
    """The fields that a bare scalar fills, where one may stand for the whole part."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        dataclasses.dataclass(frozen=True, repr=False)(cls)
        cls.__init__ = hides_internals(cls.__init__)  # type: ignore[method-assign]

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
        faulty = {problem.field for problem in problems}
        known = slots(Part.tree(self))
        for rule in Part.rules(self):
            paths = expand(rule.paths, known)
            if faulty.isdisjoint(paths) and (fault := literal_fault(rule, paths, known)):
                problems.append(fault)
        errors = [problem for problem in problems if problem.severity == "error"]
        if errors:
            raise refusal(type(self).__name__, errors)

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
            return cls.from_value(tree)
        rest = copied(tree)
        for path in cls.constants:
            take(rest, path)
        specs = cls.specs()
        found = {name: node for name, spec in specs.items() if (node := take(rest, spec.at)) is not None}
        problems = strangers((path for path, _ in leaves(rest)), [spec.at for spec in specs.values()])
        given = {name: attempt(specs[name].back, node, specs[name].at, problems) for name, node in found.items()}
        if problems:
            raise refusal(cls.__name__, problems)
        return cls.from_value(given)

    @classmethod
    def from_value(cls, value: Any, place: int = 0) -> Self:
        """The part itself, or what a mapping of its fields or a bare scalar stands for.

        Args:
            value: What the user gave.
            place: Where it stands in a list.

        Raises:
            ContentError: It makes no such part.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, Mapping):
            known = {field.name: field.default for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
            if unknown := strangers((str(name) for name in value if name not in known), list(known)):
                raise refusal(cls.__name__, unknown)
            required = {name: None for name, default in known.items() if default is dataclasses.MISSING}
            return cls(**(required | dict(value)))
        if cls.short and not isinstance(value, list | tuple | set | Part):
            return cls.from_scalar(value, place)
        message = f"a {cls.__name__} or a mapping of its fields is wanted, not a {type(value).__name__}"
        raise refusal(cls.__name__, [Problem("bad_part", message)])

    @classmethod
    def from_scalar(cls, value: Any, place: int) -> Self:  # noqa: ARG003  (a part may number itself)
        """The part that a bare scalar stands for, as its `short` fields say."""
        return cls(**dict.fromkeys(cls.short, value))

    def rules(self, prefix: str = "") -> Iterator[RowRule]:
        """The row rules of this part and of all below it, with whole paths."""
        for before, part in _parts(self, prefix):
            for rule in part.row_rules:
                yield rule._replace(paths=tuple(before + path for path in rule.paths))

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

    @classmethod
    def roots(cls) -> set[str]:
        """The keys of D7's content object that it fills, beside ``message_type``."""
        return {cls.root} if cls.root else {spec.at.partition(".")[0] for spec in cls.specs().values()}

    @classmethod
    def bubble(cls, said: Mapping[str, Any]) -> Bubble:
        """How a preview shows one message. A type may draw itself; otherwise its declaration says enough.

        Args:
            said: The filled JSON of one row, as D7 gets it below the ``root``.

        Returns:
            The message as plain data.

        Example:
            >>> class Poll(Content, message_type="POLL", root="poll"):
            ...     question: str = leaf("question")
            >>> Poll.bubble({"question": "Are you coming?"}).body
            'Are you coming?'
        """
        return sketch(cls, said)

    def rules(self, prefix: str = "") -> Iterator[RowRule]:
        """The row rules of the content, with whole paths."""
        return super().rules(f"{self.root}." if self.root else prefix)

    @classmethod
    def from_tree(cls, tree: Any) -> Self:
        """The content whose tree this is; problems bear whole paths."""
        inner = {key: node for key, node in tree.items() if key != "message_type"}
        if not cls.root:
            return super().from_tree(inner)
        own = inner.pop(cls.root, {})
        message, hint = f"a {cls.message_type} message has no such part", "empty the cell, or correct the message_type"
        problems = [Problem("unknown_field", message, hint, field=path) for path, _ in leaves(inner)]
        made = attempt(super().from_tree, own, cls.root, problems)
        if problems:
            raise refusal(cls.__name__, problems)
        return cast("Self", made)


def _parts(part: Part, prefix: str) -> Iterator[tuple[str, Part]]:
    """A part and all below it, each with what stands before its paths."""
    yield prefix, part
    for name, spec in part.specs().items():
        value = getattr(part, name)
        for number, inner in enumerate(value if isinstance(value, tuple) else (value,)):
            if isinstance(inner, Part):
                at = f"{spec.at}.{number}" if isinstance(spec, Items) else spec.at
                yield from _parts(inner, f"{prefix}{at}.")


def file_links(part: Part, known: Mapping[str, Slot]) -> Iterator[FileLink]:
    """The leaves of a part, and of all below it, that are addresses of files: one link for each, with whole paths.

    Args:
        part: A content, say.
        known: The slots of its tree.
    """
    root = part.root if isinstance(part, Content) else ""
    for before, inner in _parts(part, f"{root}." if root else ""):
        for link in inner.file_links:
            kind_at = link.kind_at and before + link.kind_at
            for path in expand([before + link.at], known):
                if path in known:
                    yield FileLink(path, link.kind, kind_at)


def slots(tree: Tree) -> dict[str, Slot]:
    """Every slot of a tree by its dotted path."""
    return {path: node for path, node in leaves(tree) if isinstance(node, Slot)}


def expand(paths: Iterable[str], known: Mapping[str, Slot]) -> list[str]:
    """The whole paths of the slots that some paths mean; a field that is not set stands under its own path."""
    whole: list[str] = []
    for path in paths:
        form = re.compile(re.escape(path).replace(r"\*", r"\d+"))
        whole.extend([at for at in known if form.fullmatch(at)] if "*" in path else [path])
    return whole


def literal_fault(rule: RowRule, paths: Sequence[str], known: Mapping[str, Slot]) -> Problem | None:
    """The fault by a row rule of fields that are all literals; None where they keep it, or are bound to columns."""
    spoken_of = [known.get(path) for path in paths]
    if any(slot is not None and slot.bound for slot in spoken_of):
        return None
    fault = rule.fault(*(None if slot is None else slot.value for slot in spoken_of))
    return Problem(rule.code, fault, rule.hint, rule.severity, paths[0]) if fault else None


def _repr(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_repr, value))}]"
    return mask_text(repr(value))
