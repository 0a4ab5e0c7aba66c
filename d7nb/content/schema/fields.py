"""What a part's field may hold: one value, another part, a list of parts, or free JSON.

Each kind knows three ways: `read`, from what the user gave to what the part keeps; `tree`, from there to D7's JSON with
a `Slot` for each leaf; and `back`, from D7's JSON to what `read` takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, Self

from d7nb.content.binding.cells import is_missing
from d7nb.content.binding.format_strings import Column, FormatString, parse_format_string
from d7nb.content.binding.values import Invalid
from d7nb.content.schema.paths import Fixed, Tree, below, leaves, numbered
from d7nb.errors import ContentError, TemplateError, did_you_mean
from d7nb.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from d7nb.content.rules import Kind, Rule


def is_bound(value: object) -> bool:
    """Whether a leaf's value differs from row to row."""
    return isinstance(value, Column | FormatString)


class PartLike(Protocol):
    """What a field, a preview and a form need to know of the part that a field holds; `Part` is the one there is."""

    constants: ClassVar[Mapping[str, Any]]
    short: ClassVar[tuple[str, ...]]

    @classmethod
    def specs(cls) -> dict[str, Spec]:
        """Return each field's name and declaration, in order."""

    @classmethod
    def from_value(cls, value: Any, place: int = 0) -> Self:
        """Make a part of what the user gave."""

    @classmethod
    def from_tree(cls, tree: Any) -> Self:
        """Make a part of D7's JSON."""

    def tree(self) -> dict[str, Tree]:
        """Return D7's JSON, with a `Slot` for each leaf."""


class Slot(NamedTuple):
    """A leaf in its place: what the field declares, and the literal, column or template that fills it."""

    leaf: Leaf
    value: Any

    @property
    def bound(self) -> bool:
        """Whether its value differs from row to row."""
        return is_bound(self.value)


class Leaf(NamedTuple):
    """A field that holds one value.

    Attributes:
        at: The dotted path, below the part, where it stands in D7's JSON.
        kind: What sort of value it is.
        rules: What the value must keep.
        required: Whether there must be a value, in each row too.
        may_be_empty: Whether the empty string is a value.
        carries: Whether its part is left out where the leaf's cell is empty: a phone without its number.
    """

    at: str
    kind: Kind
    rules: tuple[Rule, ...]
    required: bool
    may_be_empty: bool
    carries: bool = False

    def read(self, value: Any) -> tuple[Any, list[Problem]]:
        """What the user gave, made ready; with the problems of a literal."""
        if isinstance(value, str):
            value = parse_format_string(value)
        if is_bound(value):
            return value, []
        if self._is_nothing(value):
            return None, [self.absent()] if self.required else []
        return self.check(value)

    def _is_nothing(self, value: Any) -> bool:
        if isinstance(value, str):
            return not value.strip() and not (self.may_be_empty and value == "")
        return is_missing(value)

    def check(self, value: Any) -> tuple[Any, list[Problem]]:
        """Convert one value and hold it against the rules."""
        converted = self.kind.convert(value)
        if isinstance(converted, Invalid):
            hint = f"give a {self.kind.name}, or col('...') for a column"
            return None, [Problem("bad_value", converted.message, hint, field=self.at)]
        found = [(rule, fault) for rule in self.rules if (fault := rule.fault(converted))]
        return converted, [Problem(rule.code, fault, rule.hint, rule.severity, self.at) for rule, fault in found]

    def absent(self) -> Problem:
        """The problem of a required value that is not there."""
        return Problem("required", "a value is required here and there is none", "fill it in", field=self.at)

    def tree(self, value: Any) -> Tree:
        """The leaf in its place."""
        return Slot(self, value)

    def back(self, node: Any) -> Any:
        """From a node of D7's JSON to what `read` takes.

        Raises:
            ContentError: There is more than one value.
        """
        if not isinstance(node, Mapping | list):
            return node
        message = "it stands below a field that holds one value"
        raise refusal(self.at, [Problem("unknown_field", message, field=path) for path, _ in leaves(node)])


class Nested(NamedTuple):
    """A field that holds another part."""

    at: str
    part: type[PartLike]
    required: bool

    def read(self, value: Any) -> tuple[Any, list[Problem]]:
        """A part, or what makes one: a mapping of its fields, or a scalar where the part has a short form."""
        if value is None:
            return None, [Problem("required", f"a {self.part.__name__} is required", field=self.at)] * self.required
        problems: list[Problem] = []
        return attempt(self.part.from_value, value, self.at, problems), problems

    def tree(self, value: PartLike) -> Tree:
        """The part's own tree."""
        return value.tree()

    def back(self, node: Any) -> Any:
        """From a node of D7's JSON to a part."""
        return self.part.from_tree(node)


class Items(NamedTuple):
    """A field that holds a list of parts."""

    at: str
    part: type[PartLike]
    least: int
    most: int | None
    by: str
    required: bool

    def read(self, value: Any) -> tuple[Any, list[Problem]]:
        """A list of parts, or of what makes them; its length is checked."""
        if not self.required and (value is None or (isinstance(value, Sequence) and not value)):
            return None, []
        if not isinstance(value, Sequence) or isinstance(value, str | bytes):
            message = f"it takes a list of {self.part.__name__}; a column can fill the leaves of an item, not the list"
            return None, [Problem("not_a_list", message, field=self.at)]
        problems: list[Problem] = []
        made = [
            attempt(partial(self.part.from_value, place=place), item, f"{self.at}.{place}", problems)
            for place, item in enumerate(value)
        ]
        if len(value) < self.least or (self.most is not None and len(value) > self.most):
            limit = f"at least {self.least}" if self.most is None else f"{self.least} to {self.most}"
            message = f"there are {len(value)}, {self.by} takes {limit}"
            problems.append(Problem("bad_count", message, "add or take away", field=self.at))
        return tuple(part for part in made if part is not None), problems

    def tree(self, value: Sequence[PartLike]) -> Tree:
        """A list of the parts' trees."""
        return [part.tree() for part in value]

    def back(self, node: Any) -> Any:
        """From a list in D7's JSON to parts; an object with the keys 0, 1, 2... is one, and may have gaps."""
        problems: list[Problem] = []
        if (given := numbered(node)) is not None:
            made = [attempt(self.part.from_tree, item, key, problems) for key, item in given.items()]
        elif isinstance(node, Mapping):
            message = f"the items of a list are counted from 0: {self.at}.0"
            problems = [Problem("unknown_field", message, field=path) for path, _ in leaves(node)]
        else:
            return node
        if problems:
            raise refusal(self.at, problems)
        return made


class Free(NamedTuple):
    """A field that holds JSON of the user's own: a list or a mapping (`shape`), leaves anywhere in it."""

    at: str
    leaf: Leaf
    required: bool
    shape: type[dict[Any, Any] | list[Any]]

    def read(self, value: Any) -> tuple[Any, list[Problem]]:
        """The JSON with its strings read as templates; it is copied, so a later change does not reach it."""
        if value is None:
            return None, [self.leaf.absent()] if self.required else []
        wanted, code = ("list", "not_a_list") if self.shape is list else ("mapping", "not_a_mapping")
        if not isinstance(value, list | tuple if self.shape is list else Mapping):
            message = f"it takes a {wanted}; a column can fill the leaves in it, not the whole"
            return None, [Problem(code, message, field=self.at)]
        if self.required and not value:
            return None, [self.leaf.absent()]
        problems: list[Problem] = []
        return _read_free(self.leaf, value, self.at, problems), problems

    def tree(self, value: Any) -> Tree:
        """The same JSON with slots for leaves; it keeps its shape, but an optional mapping may be left out whole."""
        tree = _free_tree(self.leaf, value)
        return tree if self.required or not tree or isinstance(tree, list) else dict(tree)

    def back(self, node: Any) -> Any:
        """From a node of D7's JSON to what `read` takes; objects with the keys 0, 1, 2... are lists, without gaps."""
        problems: list[Problem] = []
        made = _lists_for_numbers(node, "", problems, keep=self.shape is dict)
        if problems:
            raise refusal(self.at, problems)
        return made


Spec = Leaf | Nested | Items | Free


def _read_free(leaf: Leaf, value: Any, at: str, problems: list[Problem]) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _read_free(leaf, item, f"{at}.{key}", problems) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_read_free(_listed(leaf, item), item, f"{at}.{place}", problems) for place, item in enumerate(value)]
    read, found = leaf._replace(at=at).read(value)
    problems.extend(found)
    return read


def _free_tree(leaf: Leaf, value: Any) -> Tree:
    if isinstance(value, dict):
        return Fixed({key: _free_tree(leaf, item) for key, item in value.items() if item is not None})
    if isinstance(value, list):
        return [_free_tree(_listed(leaf, item), item) for item in value]
    return Slot(leaf, value)


def _listed(leaf: Leaf, item: Any) -> Leaf:
    """A leaf that is an item of the user's own list is required: were it left out, all after it would move."""
    return leaf if isinstance(item, Mapping | list | tuple) else leaf._replace(required=True)


def _lists_for_numbers(node: Any, at: str, problems: list[Problem], *, keep: bool = False) -> Any:
    given = None if keep else numbered(node)
    if given is None and not isinstance(node, Mapping):
        return node
    items = node if given is None else given
    made = {key: _lists_for_numbers(item, below(at, key), problems) for key, item in items.items()}
    if given is None:
        return made
    gaps = [str(place) for place in range(len(made)) if str(place) not in made]
    if gaps:
        message = "there is nothing here, but something stands after it"
        problems.append(Problem("required", message, "fill it in", field=below(at, gaps[0])))
    return list(made.values())


def attempt(make: Callable[[Any], Any], node: Any, at: str, problems: list[Problem]) -> Any:
    """What `make` makes of a node; what it refuses is added to `problems` with its place, and None is made."""
    try:
        return make(node)
    except TemplateError:
        raise
    except ContentError as error:
        problems.extend(prefixed(error.problems, at))
        return None


def strangers(paths: Iterable[str], known: Sequence[str]) -> list[Problem]:
    """A problem for each path that leads to no field."""
    listed = f"known are {', '.join(known)}"
    return [
        Problem("unknown_field", f"there is no such field; {did_you_mean(path, known) or listed}", field=path)
        for path in paths
    ]


def prefixed(problems: Sequence[Problem], prefix: str) -> list[Problem]:
    """The same problems with paths that begin further up."""
    return [problem._replace(field=f"{prefix}.{problem.field}".rstrip(".")) for problem in problems]


def refusal(name: str, problems: Sequence[Problem]) -> ContentError:
    """The error that tells all of some problems."""
    count = "" if len(problems) == 1 else f" ({len(problems)} problems)"
    return ContentError(f"{name}{count}: " + "; ".join(problem.sentence() for problem in problems), problems)
