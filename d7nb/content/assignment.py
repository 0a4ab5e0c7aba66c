"""Assigning contents to rows: one for all, one by a column's values, or one from columns named after D7's fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from d7nb.content.binding.cells import Cells
from d7nb.content.binding.format_strings import Column, escape_braces
from d7nb.content.schema.part import Content
from d7nb.content.schema.paths import insert
from d7nb.errors import ColumnError, ContentError, PlanError, suggest, type_in_words
from d7nb.hints import Hint, Option, current_surface
from d7nb.privacy import mask_text
from d7nb.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence


@dataclass(frozen=True)
class ByColumn:
    """Contents by the text in a column's cells; made by `by_column`."""

    column: Hashable
    contents: Mapping[str, Content]

    def __repr__(self) -> str:
        return f"by_column({mask_text(repr(self.column))}, {mask_text(repr(self.contents))})"


class Assignment(NamedTuple):
    """The content of each row.

    Attributes:
        groups: Contents with the positions of their rows; no row is in two.
        problems: The problems of the rows that get no content.
    """

    groups: list[tuple[Content, np.ndarray]]
    problems: list[Problem]


def by_column(column: Hashable, contents: Mapping[Any, Content]) -> ByColumn:
    """Give rows different contents, chosen by the text in a column.

    Args:
        column: The column that chooses.
        contents: A content for each text that the column may hold; a whole number stands for its digits.

    Returns:
        A content for `plan`. A row with any other text, or an empty cell, is a problem.

    Raises:
        PlanError: `contents` is not a dict of contents.

    Example:
        >>> from d7nb import Location, Text, by_column, col
        >>> kinds = by_column("kind", {"text": Text("Hi {name}"), "map": Location(col("lat"), col("lon"))})
        >>> list(kinds.contents)
        ['text', 'map']
    """
    mapping: object = contents
    if not isinstance(mapping, Mapping) or not mapping:
        raise PlanError("by_column needs a content for each text of the column, such as {'text': Text('Hi {name}')}")
    for choice, content in contents.items():
        if not isinstance(content, Content):
            raise PlanError(f"by_column: {choice!r} needs a content such as Text(...), not {type_in_words(content)}")
    return ByColumn(column, {_choice(choice): content for choice, content in contents.items()})


def assign(content: Content | ByColumn | None, frame: pd.DataFrame, types: Sequence[type[Content]]) -> Assignment:
    """Give each row of a frame its content.

    Args:
        content: One for all, the result of `by_column`, or None to read columns named after D7's fields.
        frame: The table; the columns that are read must exist, once.
        types: The content types that dotted columns may make.

    Returns:
        The contents with their rows, and the problems of rows without one.

    Raises:
        PlanError: There is no content, and no dotted column to read one from.
        ColumnError: Several columns have the same dotted name.
    """
    if isinstance(content, Content):
        return Assignment([(content, np.arange(len(frame)))], [])
    if isinstance(content, ByColumn):
        return _by_choice(content, frame)
    if content is None:
        return _by_paths(frame, types)
    raise PlanError(f"the content must be one such as Text(...), or by_column(...), not {type_in_words(content)}")


def _all_cells(frame: pd.DataFrame) -> Cells:
    return Cells(frame, np.arange(len(frame)))


def _choice(cell: Any) -> str:
    """Return a cell as text; a whole number that the table stores as a float becomes its digits."""
    return str(int(cell) if isinstance(cell, float | np.floating) and cell.is_integer() else cell).strip()


def _choices(cells: Sequence[Any]) -> pd.Series:
    return pd.Series([None if cell is None else _choice(cell) for cell in cells], dtype="object")


def _by_choice(by_column: ByColumn, frame: pd.DataFrame) -> Assignment:
    choices = _choices(_all_cells(frame)[by_column.column])
    groups = [(content, np.flatnonzero(choices == choice)) for choice, content in by_column.contents.items()]
    known_choices = list(by_column.contents)
    problems = []
    for choice, rows in _rows_by_value(choices):
        if choice is None:
            message = "the cell is empty, so the row has no content"
        elif choice in by_column.contents:
            continue
        else:
            message = f"there is no content for {choice[:40]!r}; {suggest(choice, known_choices)}"
        problems.append(Problem("unknown_kind", message, "correct the cell", column=by_column.column, rows=rows))
    return Assignment([(content, rows) for content, rows in groups if len(rows)], problems)


def _rows_by_value(values: pd.Series) -> list[tuple[Any, np.ndarray]]:
    codes, distinct = pd.factorize(values, use_na_sentinel=True)
    groups = [(value, np.flatnonzero(codes == code)) for code, value in enumerate(distinct)]
    missing = np.flatnonzero(codes == -1)
    return [*groups, (None, missing)] if len(missing) else groups


_STRUCTURAL = ("message_type", "interactive.type", "interactive.header.type")
"""Paths whose values decide a content's shape: they are read as literals, and each combination makes a content."""


def _by_paths(frame: pd.DataFrame, types: Sequence[type[Content]]) -> Assignment:
    roots = {root for kind in types for root in kind.roots()}
    paths = [str(name) for name in frame.columns if "." in str(name) and str(name).partition(".")[0] in roots]
    if not paths and "message_type" not in frame.columns:
        content = Option("text", "Hi {name}") if current_surface() == "shell" else "a content such as Text('Hi {name}')"
        columns = ", or name columns after D7's fields, such as text.body"
        raise PlanError(Hint("there is nothing to send: give ", content, columns))
    read = [*paths, *(str(name) for name in frame.columns if str(name) == "message_type")]
    repeated = sorted({path for path in read if read.count(path) > 1})
    if repeated:
        raise ColumnError(f"several columns are called {' and '.join(map(repr, repeated))}; rename or drop all but one")
    cells = _all_cells(frame)
    shape = pd.DataFrame({path: [cell is not None for cell in cells[path]] for path in paths})
    for path in _STRUCTURAL:
        if path in frame.columns:
            shape[path] = _choices(cells[path])
    if "message_type" in shape:
        shape["message_type"] = shape["message_type"].map(str.upper, na_action="ignore")
    groups: list[tuple[Content, np.ndarray]] = []
    problems: list[Problem] = []
    for rows in _rows_of_equal(shape, len(frame)):
        first_row = shape.iloc[rows[0]]
        literals = {path: first_row[path] for path in shape if path in _STRUCTURAL and isinstance(first_row[path], str)}
        filled_paths = [path for path in paths if path not in _STRUCTURAL and first_row[path]]
        try:
            groups.append((_from_paths(literals, filled_paths, paths, types), rows))
        except ContentError as error:
            problems.extend(_located(problem, frame, rows) for problem in error.problems)
    return Assignment(groups, problems)


def _rows_of_equal(shape: pd.DataFrame, count: int) -> list[np.ndarray]:
    if shape.empty:
        return [np.arange(count)] if count else []
    codes = shape.groupby(list(shape.columns), dropna=False, sort=False).ngroup().to_numpy()
    return [np.flatnonzero(codes == code) for code in range(codes.max() + 1)]


def _from_paths(
    literals: Mapping[str, str], filled_paths: Sequence[str], paths: Sequence[str], types: Sequence[type[Content]]
) -> Content:
    """Make the content of rows in which the same columns are filled.

    An empty column whose value is required is read too, so that its problem is reported beside any others.
    """
    tree: dict[str, Any] = {}
    for path in (*filled_paths, *literals):
        part = next((other for other in (*filled_paths, *literals) if other.startswith(f"{path}.")), None)
        if part is not None:
            message = f"both {path} and columns for parts of it, such as {part}, are filled in this row"
            hint = "empty one of the two"
            raise ContentError(message, [Problem("conflict", message, hint, field=path)])
        insert(tree, path, escape_braces(literals[path]) if path in literals else Column(path))
    try:
        return _content_type(literals, tree, types).from_tree(tree)
    except ContentError as error:
        required = {problem.field for problem in error.problems if problem.code == "required"}
        empty = [path for path in paths if path in required.difference(filled_paths, _STRUCTURAL)]
        if not empty:
            raise
        return _from_paths(literals, [*filled_paths, *empty], paths, types)


def _content_type(
    literals: Mapping[str, str], tree: Mapping[str, Any], types: Sequence[type[Content]]
) -> type[Content]:
    """Return the content type that a row names in message_type and interactive.type, or that all its paths lead to."""
    message_type, interactive_type = literals.get("message_type"), literals.get("interactive.type")
    candidates = [
        kind
        for kind in types
        if (message_type == kind.message_type if message_type else tree and tree.keys() <= kind.roots())
    ]
    for kind in candidates:
        if kind.constants.get("type") in {None, interactive_type}:
            return kind
    path, name, known_names = "message_type", message_type, [kind.message_type for kind in types]
    if candidates:
        path, name = "interactive.type", interactive_type
        known_names = [kind.constants["type"] for kind in candidates]
    message = f"{path} is {name!r}, which D7 does not know" if name else f"{path} is missing"
    suggestion = suggest(name, list(dict.fromkeys(known_names)))
    raise ContentError(message, [Problem("unknown_kind", f"{message}; {suggestion}", "correct the cell", field=path)])


def _located(problem: Problem, frame: pd.DataFrame, rows: np.ndarray) -> Problem:
    column = problem.field if problem.field in frame.columns else None
    return problem._replace(column=column, rows=rows)
