"""Which content each row gets: one for all, one by a column's word, or one from columns named by D7's dotted paths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from d7nb.content.declare import Content, nearest, place
from d7nb.content.leaves import Column, blanks_to_none
from d7nb.errors import ContentError, PlanError
from d7nb.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence


@dataclass(frozen=True)
class ByColumn:
    """Contents by the word in a column; made by `by_column`."""

    column: Hashable
    contents: Mapping[str, Content]


class Assignment(NamedTuple):
    """Which rows get which content.

    Attributes:
        groups: Contents with the positions of their rows; no row is in two.
        problems: Rows that get none, and why.
    """

    groups: list[tuple[Content, np.ndarray]]
    problems: list[Problem]


def by_column(column: Hashable, contents: Mapping[str, Content]) -> ByColumn:
    """Rows of different kinds in one table: a column's word chooses the content.

    Args:
        column: The column that holds the word.
        contents: A content for each word.

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
    for word, content in contents.items():
        if not isinstance(content, Content):
            raise PlanError(f"by_column: {word!r} needs a content such as Text(...), not a {type(content).__name__}")
    return ByColumn(column, dict(contents))


def assign(content: Content | ByColumn | None, frame: pd.DataFrame, types: Sequence[type[Content]]) -> Assignment:
    """Give each row of a frame its content.

    Args:
        content: One for all, the answer of `by_column`, or None to read columns named by D7's dotted paths.
        frame: The table; the columns that are read must be there, once.
        types: The content types that dotted columns may make.

    Returns:
        Contents with their rows, and the rows that have none.

    Raises:
        PlanError: There is no content and no dotted column, or a dotted column names nothing of D7's.
    """
    if isinstance(content, Content):
        return Assignment([(content, np.arange(len(frame)))], [])
    if isinstance(content, ByColumn):
        return _by_word(content, frame)
    if content is None:
        return _by_paths(frame, types)
    raise PlanError(f"the content must be one such as Text(...), or by_column(...), not a {type(content).__name__}")


def _words(frame: pd.DataFrame, column: Hashable) -> pd.Series:
    values = frame[column].astype("object").tolist()
    cleaned = blanks_to_none([None if pd.api.types.is_scalar(value) and pd.isna(value) else value for value in values])
    return pd.Series([None if value is None else str(value).strip() for value in cleaned], dtype="object")


def _by_word(chosen: ByColumn, frame: pd.DataFrame) -> Assignment:
    words = _words(frame, chosen.column)
    groups = [(content, np.flatnonzero(words == word)) for word, content in chosen.contents.items()]
    known = list(chosen.contents)
    problems = []
    for word, rows in _rows_by_value(words):
        if word is None:
            message = "the cell is empty, so the row has no content"
        elif word in chosen.contents:
            continue
        else:
            message = (
                f"there is no content for {word[:40]!r}; {nearest(word, known) or 'known are ' + ', '.join(known)}"
            )
        problems.append(Problem("unknown_kind", message, "correct the cell", column=chosen.column, rows=rows))
    return Assignment([(content, rows) for content, rows in groups if len(rows)], problems)


def _rows_by_value(values: pd.Series) -> list[tuple[Any, np.ndarray]]:
    codes, distinct = pd.factorize(values, use_na_sentinel=True)
    groups = [(value, np.flatnonzero(codes == code)) for code, value in enumerate(distinct)]
    missing = np.flatnonzero(codes == -1)
    return [*groups, (None, missing)] if len(missing) else groups


_STRUCTURAL = ("message_type", "interactive.type", "interactive.header.type", "template.media.media_type")
"""Paths whose words decide a content's shape: they are read as literals, one content for each combination."""


def _by_paths(frame: pd.DataFrame, types: Sequence[type[Content]]) -> Assignment:
    roots = {kind.root or name for kind in types for name in [kind.root or next(iter(kind.specs().values())).at]}
    paths = [str(name) for name in frame.columns if str(name).split(".")[0] in roots and "." in str(name)]
    if not paths and "message_type" not in frame.columns:
        message = "no content was given, and no column bears one of D7's dotted paths, such as text.body"
        raise PlanError(f"{message}; give a content such as Text('Hi {{name}}')")
    shape = pd.DataFrame({path: frame[path].notna().to_numpy() & _words(frame, path).notna() for path in paths})
    for path in _STRUCTURAL:
        if path in frame.columns:
            words = _words(frame, path)
            shape[path] = words.str.upper() if path == "message_type" else words
    groups: list[tuple[Content, np.ndarray]] = []
    problems: list[Problem] = []
    for rows in _rows_of_equal(shape, len(frame)):
        literal = {path: shape[path].iloc[rows[0]] for path in _STRUCTURAL if path in shape}
        present = [path for path in paths if path not in literal and shape[path].iloc[rows[0]]]
        try:
            groups.append((_from_paths(literal, present, types), rows))
        except ContentError as error:
            problems.extend(_located(problem, frame, rows) for problem in error.problems)
    return Assignment(groups, problems)


def _rows_of_equal(shape: pd.DataFrame, count: int) -> list[np.ndarray]:
    if shape.empty:
        return [np.arange(count)] if count else []
    numbers = shape.groupby(list(shape.columns), dropna=False, sort=False).ngroup().to_numpy()
    return [np.flatnonzero(numbers == number) for number in range(numbers.max() + 1)]


def _from_paths(literal: Mapping[str, Any], present: Sequence[str], types: Sequence[type[Content]]) -> Content:
    literal = {path: word for path, word in literal.items() if isinstance(word, str)}
    tree: dict[str, Any] = {}
    for path in present:
        place(tree, path, Column(path))
    for path, word in literal.items():
        place(tree, path, word)
    kind = _kind(literal, tree, types)
    return kind.from_tree(_numbered_to_lists(tree))


def _kind(literal: Mapping[str, Any], tree: Mapping[str, Any], types: Sequence[type[Content]]) -> type[Content]:
    word, interactive = literal.get("message_type"), literal.get("interactive.type")
    roots = set(tree) - {"message_type"}
    for kind in types:
        named = word == kind.message_type if word else {kind.root} == roots
        if named and kind.constants.get("type") in {None, interactive}:
            return kind
    where = "interactive.type" if word == "INTERACTIVE" else "message_type"
    known = sorted({str(kind.constants.get("type")) if word == "INTERACTIVE" else kind.message_type for kind in types})
    given = interactive if word == "INTERACTIVE" else word
    hint = nearest(given, known) or f"known are {', '.join(name for name in known if name != 'None')}"
    message = f"{where} is {given!r}, which D7 does not know" if given else f"{where} is missing"
    raise ContentError(message, [Problem("unknown_kind", message, hint, field=where)])


def _numbered_to_lists(node: Any) -> Any:
    """Objects whose keys are 0, 1, 2... are lists: that is how a path such as action.buttons.0.reply.id means it."""
    if not isinstance(node, Mapping):
        return node
    made = {key: _numbered_to_lists(child) for key, child in node.items()}
    if made and all(key.isdecimal() for key in made):
        return [made[key] for key in sorted(made, key=int)]
    return made


def _located(problem: Problem, frame: pd.DataFrame, rows: np.ndarray) -> Problem:
    column = problem.field if problem.field in frame.columns else None
    return problem._replace(column=column, rows=rows)
