"""The kinds of field that a part may have: one value, another part, a list of parts, or free JSON.

Each kind converts in three ways: `parse`, from what the user gave to the value that the part holds; `tree`, from that
value to D7's JSON with a `Slot` for each leaf; and `from_json`, from D7's JSON to what `parse` takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, Self

from d7nb.content.binding.cells import is_missing
from d7nb.content.binding.format_strings import Column, FormatString, parse_format_string
from d7nb.content.binding.values import Invalid
from d7nb.content.schema.paths import Fixed, Tree, child_path, items_by_position, leaves
from d7nb.errors import ContentError, TemplateError, suggest, with_article
from d7nb.hints import Hint
from d7nb.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from d7nb.content.rules import Kind, Rule


def is_bound(value: object) -> bool:
    """Return whether a leaf's value differs from row to row."""
    return isinstance(value, Column | FormatString)


class PartLike(Protocol):
    """A part as fields, previews and forms see it; `Part` implements it, and can't be imported from below."""

    constants: ClassVar[Mapping[str, Any]]
    shorthand: ClassVar[tuple[str, ...]]

    @classmethod
    def specs(cls) -> dict[str, Spec]:
        """Return each field's name and declaration, in order."""

    @classmethod
    def from_value(cls, value: Any, position: int = 0) -> Self:
        """Make a part of what the user gave."""

    @classmethod
    def from_tree(cls, tree: Any) -> Self:
        """Make a part of D7's JSON."""

    def tree(self) -> dict[str, Tree]:
        """Return D7's JSON, with a `Slot` for each leaf."""


class Slot(NamedTuple):
    """One leaf of a content: its declaration, and the literal, column or format string that fills it."""

    leaf: Leaf
    value: Any

    @property
    def bound(self) -> bool:
        """True where the value differs from row to row."""
        return is_bound(self.value)


class Leaf(NamedTuple):
    """A field that holds one value.

    Attributes:
        at: The dotted path in D7's JSON, below the part.
        kind: The kind of value.
        rules: The rules that the value must keep.
        required: Whether there must be a value, in each row too.
        may_be_empty: Whether the empty string is a value.
        required_by_parent: Whether the whole part is left out in rows where this cell is empty, as a phone is without
            its number.
    """

    at: str
    kind: Kind
    rules: tuple[Rule, ...]
    required: bool
    may_be_empty: bool
    required_by_parent: bool = False

    def parse(self, value: Any) -> tuple[Any, list[Problem]]:
        """Return what the user gave as a literal, column or format string, and the problems of a literal."""
        if isinstance(value, str):
            value = parse_format_string(value)
        if is_bound(value):
            return value, []
        if self._is_absent(value):
            return None, [self.absent()] if self.required else []
        return self.check(value)

    def _is_absent(self, value: Any) -> bool:
        if isinstance(value, str):
            return not value.strip() and not (self.may_be_empty and value == "")
        return is_missing(value)

    def check(self, value: Any) -> tuple[Any, list[Problem]]:
        """Convert one value, and return it with the problems by the rules that it breaks."""
        converted = self.kind.convert(value)
        if isinstance(converted, Invalid):
            hint = f"{self.kind.hint}, or, in Python, col('...') for a column"
            return None, [Problem("bad_value", converted.message, hint, field=self.at)]
        return converted, [
            Problem(rule.code, fault, rule.hint, rule.severity, self.at)
            for rule in self.rules
            if (fault := rule.fault(converted))
        ]

    def absent(self) -> Problem:
        """Return the problem of a required value that is not there."""
        return Problem("required", "a value is required here and there is none", "fill it in", field=self.at)

    def tree(self, value: Any) -> Tree:
        """Return the `Slot` of the value."""
        return Slot(self, value)

    def from_json(self, node: Any) -> Any:
        """Return what `parse` takes for a node of D7's JSON.

        Raises:
            ContentError: The node holds more than one value.
        """
        if not isinstance(node, Mapping | list):
            return node
        message, hint = f"D7 has no such field: {self.at} is a single value", "rename or remove this column"
        raise content_error(self.at, [Problem("unknown_field", message, hint, field=path) for path, _ in leaves(node)])


class Nested(NamedTuple):
    """A field that holds another part."""

    at: str
    part: type[PartLike]
    required: bool

    def parse(self, value: Any) -> tuple[Any, list[Problem]]:
        """Return the part that a part, a dict of its fields or a bare scalar stands for, and the problems with it."""
        if value is None:
            return None, [
                Problem("required", f"{with_article(noun_of(self.part))} is required", field=self.at)
            ] * self.required
        problems: list[Problem] = []
        return make_or_collect(self.part.from_value, value, self.at, problems), problems

    def tree(self, value: PartLike) -> Tree:
        """Return the tree of the part."""
        return value.tree()

    def from_json(self, node: Any) -> Any:
        """Return the part that a node of D7's JSON stands for."""
        return self.part.from_tree(node)


class Items(NamedTuple):
    """A field that holds a list of parts."""

    at: str
    part: type[PartLike]
    least: int
    most: int | None
    by: str
    required: bool

    def parse(self, value: Any) -> tuple[Any, list[Problem]]:
        """Return the parts that the items of a list stand for, and the problems with them and with their number."""
        if not self.required and (value is None or (isinstance(value, Sequence) and not value)):
            return None, []
        if value is None:
            return None, [Problem("not_a_list", f"add at least one {noun_of(self.part)}", field=self.at)]
        if not isinstance(value, Sequence) or isinstance(value, str | bytes):
            message = (
                f"give a list of {plural_of(self.part)}; a column can fill a value of an item, but not the whole list"
            )
            return None, [Problem("not_a_list", message, field=self.at)]
        problems: list[Problem] = []
        parts = [
            make_or_collect(partial(self.part.from_value, position=position), item, f"{self.at}.{position}", problems)
            for position, item in enumerate(value)
        ]
        if len(value) < self.least or (self.most is not None and len(value) > self.most):
            limit = f"at least {self.least}" if self.most is None else f"{self.least} to {self.most}"
            count = "there is 1" if len(value) == 1 else f"there are {len(value)}"
            message = f"{count}, {self.by} takes {limit}"
            hint = f"add {plural_of(self.part)}" if len(value) < self.least else f"take {plural_of(self.part)} away"
            problems.append(Problem("bad_count", message, hint, field=self.at))
        return tuple(part for part in parts if part is not None), problems

    def tree(self, value: Sequence[PartLike]) -> Tree:
        """Return the trees of the parts as a list."""
        return [part.tree() for part in value]

    def from_json(self, node: Any) -> Any:
        """Return the parts of a list in D7's JSON, or of an object with the keys 0, 1, 2..., which may have gaps."""
        problems: list[Problem] = []
        if (nodes := items_by_position(node)) is not None:
            parts = [make_or_collect(self.part.from_tree, item, key, problems) for key, item in nodes.items()]
        elif isinstance(node, Mapping):
            message = f"the items of a list are numbered from 0, as in {self.at}.0"
            problems = [Problem("unknown_field", message, field=path) for path, _ in leaves(node)]
        else:
            return node
        if problems:
            raise content_error(self.at, problems)
        return parts


class Free(NamedTuple):
    """A field that holds JSON as the user wrote it: a list or a mapping (`shape`), with leaves at any depth."""

    at: str
    leaf: Leaf
    required: bool
    shape: type[dict[Any, Any] | list[Any]]

    def parse(self, value: Any) -> tuple[Any, list[Problem]]:
        """Return a copy of the JSON with its strings parsed as format strings, and the problems with its leaves."""
        if value is None:
            return None, [self.leaf.absent()] if self.required else []
        type_name, code = ("list", "not_a_list") if self.shape is list else ("dict", "not_a_mapping")
        if not isinstance(value, list | tuple if self.shape is list else Mapping):
            message = f"give a {type_name}; a column can fill a value in it, but not the whole {type_name}"
            return None, [Problem(code, message, field=self.at)]
        if self.required and not value:
            return None, [self.leaf.absent()]
        problems: list[Problem] = []
        return _parse_free(self.leaf, value, self.at, problems), problems

    def tree(self, value: Any) -> Tree:
        """Return the JSON with slots for leaves.

        It keeps its shape, except that an optional mapping is left out of a row in which all its cells are empty.
        """
        tree = _free_tree(self.leaf, value)
        return tree if self.required or not tree or isinstance(tree, list) else dict(tree)

    def from_json(self, node: Any) -> Any:
        """Return what `parse` takes; an object with the keys 0, 1, 2... becomes a list, and must have no gaps."""
        problems: list[Problem] = []
        parsed = _numbered_objects_as_lists(node, "", problems, keep_outermost=self.shape is dict)
        if problems:
            raise content_error(self.at, problems)
        return parsed


Spec = Leaf | Nested | Items | Free


def noun_of(part: type[PartLike]) -> str:
    """Return a part's name as a message says it: "quick reply" for ``QuickReply``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", part.__name__).lower()


def plural_of(part: type[PartLike]) -> str:
    """Return the plural of a part's name as a message says it: "quick replies" for ``QuickReply``."""
    noun = noun_of(part)
    if noun.endswith("y"):
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "ch")) else f"{noun}s"


def _parse_free(leaf: Leaf, value: Any, at: str, problems: list[Problem]) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _parse_free(leaf, item, f"{at}.{key}", problems) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [
            _parse_free(_item_leaf(leaf, item), item, f"{at}.{position}", problems)
            for position, item in enumerate(value)
        ]
    parsed, leaf_problems = leaf._replace(at=at).parse(value)
    problems.extend(leaf_problems)
    return parsed


def _free_tree(leaf: Leaf, value: Any) -> Tree:
    if isinstance(value, dict):
        return Fixed({key: _free_tree(leaf, item) for key, item in value.items() if item is not None})
    if isinstance(value, list):
        return [_free_tree(_item_leaf(leaf, item), item) for item in value]
    return Slot(leaf, value)


def _item_leaf(leaf: Leaf, item: Any) -> Leaf:
    """Make a leaf required that is an item of the user's list: were it left out, all after it would move up."""
    return leaf if isinstance(item, Mapping | list | tuple) else leaf._replace(required=True)


def _numbered_objects_as_lists(node: Any, path: str, problems: list[Problem], *, keep_outermost: bool = False) -> Any:
    """Turn the objects in some JSON whose keys are 0, 1, 2... into lists, and collect a problem for each gap."""
    numbered = None if keep_outermost else items_by_position(node)
    if numbered is None and not isinstance(node, Mapping):
        return node
    branches = node if numbered is None else numbered
    converted = {
        key: _numbered_objects_as_lists(item, child_path(path, key), problems) for key, item in branches.items()
    }
    if numbered is None:
        return converted
    gaps = [str(position) for position in range(len(converted)) if str(position) not in converted]
    if gaps:
        message = "this item is empty, but a later one is filled"
        problems.append(Problem("required", message, "fill it in", field=child_path(path, gaps[0])))
    return list(converted.values())


def make_or_collect(make: Callable[[Any], Any], node: Any, path: str, problems: list[Problem]) -> Any:
    """Return what `make` makes of a node; where it raises, add the error's problems to `problems` and return None.

    Args:
        make: Such as `Part.from_value`.
        node: Its argument.
        path: The dotted path of the node, put before the paths of its problems.
        problems: The list that is added to.

    Raises:
        TemplateError: A format string in the node is malformed.
    """
    try:
        return make(node)
    except TemplateError:
        raise
    except ContentError as error:
        problems.extend(with_prefix(error.problems, path))
        return None


def unknown_fields(paths: Iterable[str], known_paths: Sequence[str]) -> list[Problem]:
    """Return a problem for each path that leads to no field.

    Args:
        paths: Dotted paths that are none of a part's fields.
        known_paths: The paths of its fields.
    """
    return [
        Problem("unknown_field", f"there is no such field; {suggest(path, known_paths)}", field=path) for path in paths
    ]


def with_prefix(problems: Sequence[Problem], prefix: str) -> list[Problem]:
    """Return the same problems with a prefix before their fields' paths."""
    return [problem._replace(field=f"{prefix}.{problem.field}".rstrip(".")) for problem in problems]


def content_error(name: str, problems: Sequence[Problem]) -> ContentError:
    """Return the error whose message lists all of some problems."""
    count = "" if len(problems) == 1 else f" ({len(problems)} problems)"
    sentences = chain.from_iterable(("; ", problem.sentence()) for problem in problems)
    return ContentError(Hint(f"{name}{count}: ", *islice(sentences, 1, None)), problems)
