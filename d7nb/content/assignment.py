"""Which content each row gets: one for all, one by a column's word, or one from columns named by D7's dotted paths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from d7nb.content.binding.cells import Cells
from d7nb.content.binding.format_strings import Column, escaped
from d7nb.content.schema.part import Content
from d7nb.content.schema.paths import place
from d7nb.errors import ColumnError, ContentError, PlanError, did_you_mean
from d7nb.privacy import mask_text
from d7nb.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence


@dataclass(frozen=True)
class ByColumn:
    """Contents by the word in a column; made by `by_column`."""

    column: Hashable
    contents: Mapping[str, Content]

    def __repr__(self) -> str:
        return f"by_column({mask_text(repr(self.column))}, {mask_text(repr(self.contents))})"


class Assignment(NamedTuple):
    """Which rows get which content.

    Attributes:
        groups: Contents with the positions of their rows; no row is in two.
        problems: Rows that get none, and why.
    """

    groups: list[tuple[Content, np.ndarray]]
    problems: list[Problem]


def by_column(column: Hashable, contents: Mapping[Any, Content]) -> ByColumn:
    """Rows of different kinds in one table: a column's word chooses the content.

    Args:
        column: The column that holds the word.
        contents: A content for each word; a whole number may stand for its digits.

    Returns:
        A content for `plan`. A row with another word, or none, is a problem.

    Raises:
        PlanError: A value is not a content.

    Example:
        >>> from d7nb import Location, Text, by_column, col
        >>> kinds = by_column("kind", {"text": Text("Hi {name}"), "map": Location(col("lat"), col("lon"))})
        >>> list(kinds.contents)
        ['text', 'map']
    """
    given: object = contents
    if not isinstance(given, Mapping) or not given:
        raise PlanError("by_column needs a content for each word, such as {'text': Text('Hi {name}')}")
    for word, content in contents.items():
        if not isinstance(content, Content):
            raise PlanError(f"by_column: {word!r} needs a content such as Text(...), not a {type(content).__name__}")
    return ByColumn(column, {_word(word): content for word, content in contents.items()})


def assign(content: Content | ByColumn | None, frame: pd.DataFrame, types: Sequence[type[Content]]) -> Assignment:
    """Give each row of a frame its content.

    Args:
        content: One for all, the answer of `by_column`, or None to read columns named by D7's dotted paths.
        frame: The table; the columns that are read must be there, once.
        types: The content types that dotted columns may make.

    Returns:
        Contents with their rows, and the rows that have none.

    Raises:
        PlanError: There is no content, and no dotted column to read one from.
        ColumnError: A dotted column is there twice.
    """
    if isinstance(content, Content):
        return Assignment([(content, np.arange(len(frame)))], [])
    if isinstance(content, ByColumn):
        return _by_word(content, frame)
    if content is None:
        return _by_paths(frame, types)
    raise PlanError(f"the content must be one such as Text(...), or by_column(...), not a {type(content).__name__}")


def _all_cells(frame: pd.DataFrame) -> Cells:
    return Cells(frame, np.arange(len(frame)))


def _word(cell: Any) -> str:
    """A cell as a word; a whole number that a table keeps as a float is its digits."""
    return str(int(cell) if isinstance(cell, float | np.floating) and cell.is_integer() else cell).strip()


def _words(cells: Sequence[Any]) -> pd.Series:
    return pd.Series([None if cell is None else _word(cell) for cell in cells], dtype="object")


def _by_word(chosen: ByColumn, frame: pd.DataFrame) -> Assignment:
    words = _words(_all_cells(frame)[chosen.column])
    groups = [(content, np.flatnonzero(words == word)) for word, content in chosen.contents.items()]
    known = list(chosen.contents)
    problems = []
    for word, rows in _rows_by_value(words):
        if word is None:
            message = "the cell is empty, so the row has no content"
        elif word in chosen.contents:
            continue
        else:
            meant = did_you_mean(word, known) or f"known are {', '.join(known)}"
            message = f"there is no content for {word[:40]!r}; {meant}"
        problems.append(Problem("unknown_kind", message, "correct the cell", column=chosen.column, rows=rows))
    return Assignment([(content, rows) for content, rows in groups if len(rows)], problems)


def _rows_by_value(values: pd.Series) -> list[tuple[Any, np.ndarray]]:
    codes, distinct = pd.factorize(values, use_na_sentinel=True)
    groups = [(value, np.flatnonzero(codes == code)) for code, value in enumerate(distinct)]
    missing = np.flatnonzero(codes == -1)
    return [*groups, (None, missing)] if len(missing) else groups


_STRUCTURAL = ("message_type", "interactive.type", "interactive.header.type")
"""Paths whose words decide a content's shape: they are read as literals, one content for each combination."""


def _by_paths(frame: pd.DataFrame, types: Sequence[type[Content]]) -> Assignment:
    roots = {root for kind in types for root in kind.roots()}
    paths = [str(name) for name in frame.columns if "." in str(name) and str(name).partition(".")[0] in roots]
    if not paths and "message_type" not in frame.columns:
        message = "no content was given, and no column bears one of D7's dotted paths, such as text.body"
        raise PlanError(f"{message}; give a content such as Text('Hi {{name}}')")
    named = [*paths, *(str(name) for name in frame.columns if str(name) == "message_type")]
    twice = sorted({path for path in named if named.count(path) > 1})
    if twice:
        raise ColumnError(f"{', '.join(map(repr, twice))} is the name of several columns; rename or drop all but one")
    cells = _all_cells(frame)
    shape = pd.DataFrame({path: [cell is not None for cell in cells[path]] for path in paths})
    for path in _STRUCTURAL:
        if path in frame.columns:
            shape[path] = _words(cells[path])
    if "message_type" in shape:
        shape["message_type"] = shape["message_type"].map(str.upper, na_action="ignore")
    groups: list[tuple[Content, np.ndarray]] = []
    problems: list[Problem] = []
    for rows in _rows_of_equal(shape, len(frame)):
        first = shape.iloc[rows[0]]
        literal = {path: first[path] for path in shape if path in _STRUCTURAL and isinstance(first[path], str)}
        present = [path for path in paths if path not in _STRUCTURAL and first[path]]
        try:
            groups.append((_from_paths(literal, present, paths, types), rows))
        except ContentError as error:
            problems.extend(_located(problem, frame, rows) for problem in error.problems)
    return Assignment(groups, problems)


def _rows_of_equal(shape: pd.DataFrame, count: int) -> list[np.ndarray]:
    if shape.empty:
        return [np.arange(count)] if count else []
    numbers = shape.groupby(list(shape.columns), dropna=False, sort=False).ngroup().to_numpy()
    return [np.flatnonzero(numbers == number) for number in range(numbers.max() + 1)]


def _from_paths(
    literal: Mapping[str, str], present: Sequence[str], paths: Sequence[str], types: Sequence[type[Content]]
) -> Content:
    """The content of rows in which the same columns are filled.

    An empty cell whose value is required is read all the same, so that it is found beside whatever else is wrong.
    """
    tree: dict[str, Any] = {}
    for path in (*present, *literal):
        if any(other.startswith(f"{path}.") for other in (*present, *literal)):
            message = f"{path} is given whole, and in parts too"
            raise ContentError(message, [Problem("conflict", message, "empty the one or the others", field=path)])
        place(tree, path, escaped(literal[path]) if path in literal else Column(path))
    try:
        return _kind(literal, tree, types).from_tree(tree)
    except ContentError as error:
        lacking = {problem.field for problem in error.problems if problem.code == "required"}
        empty = [path for path in paths if path in lacking.difference(present, _STRUCTURAL)]
        if not empty:
            raise
        return _from_paths(literal, [*present, *empty], paths, types)


def _kind(literal: Mapping[str, str], tree: Mapping[str, Any], types: Sequence[type[Content]]) -> type[Content]:
    """The content type that a row's words name, or else the one that all its paths lead to."""
    word, interactive = literal.get("message_type"), literal.get("interactive.type")
    alike = [kind for kind in types if (word == kind.message_type if word else tree and tree.keys() <= kind.roots())]
    for kind in alike:
        if kind.constants.get("type") in {None, interactive}:
            return kind
    where, given, known = "message_type", word, [kind.message_type for kind in types]
    if alike:
        where, given, known = "interactive.type", interactive, [kind.constants["type"] for kind in alike]
    message = f"{where} is {given!r}, which D7 does not know" if given else f"{where} is missing"
    meant = did_you_mean(given, known) or f"known are {', '.join(dict.fromkeys(known))}"
    raise ContentError(message, [Problem("unknown_kind", f"{message}; {meant}", "correct the cell", field=where)])


def _located(problem: Problem, frame: pd.DataFrame, rows: np.ndarray) -> Problem:
    column = problem.field if problem.field in frame.columns else None
    return problem._replace(column=column, rows=rows)
