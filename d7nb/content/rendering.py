"""From a content and the rows of a frame to checked values and JSON, a column at a time.

A content's tree becomes a JSON text with holes, once for each set of fields that rows leave out; the columns fill the
holes. Two such texts are made: the JSON that is sent, in the order of declaration, and the canonical one with sorted
keys, whose digest tells whether two rows have the same message.
"""

from __future__ import annotations

from collections import defaultdict
from hashlib import blake2b
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import orjson

from d7nb.content.binding.cells import Cells, missing_problems
from d7nb.content.binding.format_strings import Column, FormatString
from d7nb.content.binding.text_columns import JoinedTexts, are_texts, json_escaped
from d7nb.content.binding.values import Invalid
from d7nb.content.schema.fields import Slot
from d7nb.content.schema.part import Part, expand_paths, file_links, literal_fault, slots
from d7nb.content.schema.paths import Fixed, child_path
from d7nb.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

    import pandas as pd

    from d7nb.content.rules import FileLink, RowRule
    from d7nb.content.schema.paths import Tree


SLICE = 4096
"""Rows that are processed at a time: enough to make the overhead small, few enough to need little memory."""

DIGEST_SIZE = 16
"""Bytes in the digest of a row's message."""

_HOLE = "\0"  # JSON escapes this character, so it occurs nowhere else


class CheckResult(NamedTuple):
    """The result of checking some rows.

    Attributes:
        digests: One digest of the content's canonical JSON per row, ``uint8`` of shape (rows, `DIGEST_SIZE`).
        problems: All problems, with positions in the frame.
    """

    digests: np.ndarray
    problems: list[Problem]


class Skeleton(NamedTuple):
    """A content's JSON with a `_HOLE` for each slot that columns fill, and the slots' paths in the same order."""

    text: str
    holes: list[str]


class Renderer:
    """The JSON of one content for the rows of a frame.

    Args:
        content: The content of the messages, or another part of the request.
        frame: The table; it must have the columns that the content names.

    Attributes:
        file_links: The content's leaves that are addresses of files.
    """

    def __init__(self, content: Part, frame: pd.DataFrame) -> None:
        self._frame = frame
        self._tree = content.tree()
        self._slots = slots(self._tree)
        self._bound = {path: slot for path, slot in self._slots.items() if slot.bound}
        self._rules = [(rule, expand_paths(rule.paths, self._slots)) for rule in content.rules()]
        self._skeletons: dict[tuple[frozenset[str], bool], Skeleton] = {}
        self.file_links: list[FileLink] = list(file_links(content, self._slots))

    @property
    def columns(self) -> list[Hashable]:
        """The names of the columns that the content reads, each once."""
        return _columns_of(self._bound.values())

    def literal_warnings(self) -> list[Problem]:
        """Return the warnings about the literals; their errors were raised when the content was made."""
        problems = [
            problem._replace(field=path)
            for path, slot in self._slots.items()
            if not slot.bound and slot.value != ""
            for problem in slot.leaf.check(slot.value)[1]
        ]
        problems += [fault for rule, paths in self._rules if (fault := literal_fault(rule, paths, self._slots))]
        return [problem for problem in problems if problem.severity == "warning"]

    def check(self, rows: np.ndarray) -> CheckResult:
        """Check rows by every rule, and digest the message of each.

        Args:
            rows: Positions in the frame.

        Returns:
            Digests and problems; the digest of a row with an error is meaningless.
        """
        if not self._bound:
            (text,) = self._texts({}, 1, canonical=True)
            return CheckResult(np.broadcast_to(digests_of([text.encode()]), (len(rows), DIGEST_SIZE)), [])
        problems: list[Problem] = []
        digests, start = np.empty((len(rows), DIGEST_SIZE), dtype=np.uint8), 0
        for row_slice in sliced(rows):
            values, value_problems = self._values(row_slice)
            problems.extend(value_problems)
            problems.extend(self._broken_row_rules(row_slice, values, value_problems))
            texts = self._texts(values, len(row_slice), canonical=True)
            digests[start : start + len(row_slice)] = digests_of(_encoded(texts))
            start += len(row_slice)
        return CheckResult(digests, problems)

    def fragments(self, rows: np.ndarray) -> Sequence[str]:
        """Return the content's JSON for each of some rows without errors; nothing is checked again."""
        cells = Cells(self._frame, rows)
        rendered = {value: value.render(cells).values for value in {slot.value for slot in self._bound.values()}}
        values = {path: slot.leaf.kind.column(rendered[slot.value]) for path, slot in self._bound.items()}
        return self._texts(values, len(rows), canonical=False)

    def values_at(self, path: str, rows: np.ndarray) -> Sequence[Any]:
        """Return the value of one leaf in the messages of some rows without errors; None where a message lacks it."""
        slot = self._slots.get(path)
        if slot is None:
            return [None] * len(rows)
        cells = Cells(self._frame, rows)
        values: Sequence[Any] = [slot.value] * len(rows)
        if slot.bound:
            values, _ = _checked(path, slot, slot.value.render(cells).values, cells)
        for other, other_slot in self._bound.items():
            required_by_parent = other_slot.leaf.required_by_parent
            if required_by_parent and path != other and path.startswith(other.rpartition(".")[0] + "."):
                required = other_slot.value.render(cells).values
                values = [value if cell is not None else None for cell, value in zip(required, values, strict=True)]
        return values

    def is_bound(self, path: str) -> bool:
        """Return whether the value of a leaf differs from row to row."""
        return path in self._bound

    def locate(self, problem: Problem, path: str, faults: Mapping[int, str], rows: np.ndarray) -> Iterator[Problem]:
        """Yield a problem with a leaf's values, with its rows and the column that they come from.

        Args:
            problem: The problem without its messages.
            path: The leaf's path.
            faults: The message of each faulty row, by its position in `rows`.
            rows: Positions in the frame.
        """
        slot = self._slots[path]
        if slot.bound:
            yield from _located(problem, faults, slot, Cells(self._frame, rows))
        else:  # a literal's problem is the whole plan's
            yield from (problem._replace(message=message) for message in dict.fromkeys(faults.values()))

    def _values(self, rows: np.ndarray) -> tuple[dict[str, Sequence[Any]], list[Problem]]:
        cells = Cells(self._frame, rows)
        values: dict[str, Sequence[Any]] = {}
        problems: list[Problem] = []
        rendered: dict[Column | FormatString, Sequence[Any]] = {}
        for path, slot in self._bound.items():
            if slot.value not in rendered:
                rendered[slot.value], cell_problems = slot.value.render(cells)
                problems.extend(problem._replace(field=path) for problem in cell_problems)
            if slot.leaf.required and not slot.leaf.required_by_parent and isinstance(slot.value, Column):
                cell_problems = missing_problems(slot.value.name, rendered[slot.value], rows, f"{path} is required")
                problems.extend(problem._replace(field=path) for problem in cell_problems)
            values[path], value_problems = _checked(path, slot, rendered[slot.value], cells)
            problems.extend(value_problems)
        return values, problems

    def _broken_row_rules(
        self, rows: np.ndarray, values: dict[str, Sequence[Any]], value_problems: Sequence[Problem]
    ) -> Iterator[Problem]:
        """Yield the problems by row rules, except in rows where one of the rule's own fields is faulty already."""
        bound_rules = [(rule, paths) for rule, paths in self._rules if not values.keys().isdisjoint(paths)]
        if not bound_rules:
            return
        faulty = self._faulty_rows(value_problems)
        for rule, paths in bound_rules:
            columns = [values[path] if path in values else repeat(self._literal(path)) for path in paths]
            faulty_rows = set().union(*(faulty[self._bound[path].value] for path in paths if path in values))
            faults: dict[str, dict[int, str]] = defaultdict(dict)
            for position, row_values in enumerate(zip(*columns, strict=False)):
                fault = rule.fault(*row_values)
                if fault and rows[position] not in faulty_rows:
                    faults[self._path_to_correct(rule, paths, row_values)][position] = fault
            for path, messages in faults.items():
                column = next(iter(self._bound[path].value.columns), None)
                rule_rows = rows[list(messages)]
                yield Problem(rule.code, list(messages.values()), rule.hint, rule.severity, path, column, rule_rows)

    def _faulty_rows(self, problems: Sequence[Problem]) -> dict[Column | FormatString, set[int]]:
        """Return, for each column or format string, the rows where its value has an error."""
        faulty: dict[Column | FormatString, set[int]] = defaultdict(set)
        for problem in problems:
            if problem.severity == "error" and problem.rows is not None:
                faulty[self._bound[problem.field].value].update(problem.rows.tolist())
        return faulty

    def _literal(self, path: str) -> Any:
        return self._slots[path].value if path in self._slots else None

    def _path_to_correct(self, rule: RowRule, paths: Sequence[str], values: Sequence[Any]) -> str:
        """Choose the field to correct: an empty one, or one without whose value the rule is kept, or else the first."""
        bound = [index for index, path in enumerate(paths) if path in self._bound]
        empty = (index for index in bound if values[index] is None)
        decisive = (index for index in bound if not rule.fault(*values[:index], None, *values[index + 1 :]))
        return paths[next(chain(empty, decisive, bound))]

    def _texts(self, values: dict[str, Sequence[Any]], count: int, *, canonical: bool) -> Sequence[str]:
        gaps = [path for path, column in values.items() if not are_texts(column) and None in column]
        if not gaps:
            return self._filled(frozenset(), values, count, canonical=canonical)
        positions_by_gaps: dict[tuple[bool, ...], list[int]] = defaultdict(list)
        empty_cells = ([value is None for value in values[path]] for path in gaps)
        for position, row_gaps in enumerate(zip(*empty_cells, strict=True)):
            positions_by_gaps[row_gaps].append(position)
        texts = [""] * count
        for row_gaps, positions in positions_by_gaps.items():
            left_out = frozenset(path for path, is_empty in zip(gaps, row_gaps, strict=True) if is_empty)
            group_values: dict[str, Sequence[Any]] = {
                path: [column[position] for position in positions] for path, column in values.items()
            }
            group_texts = self._filled(left_out, group_values, len(positions), canonical=canonical)
            for position, text in zip(positions, group_texts, strict=True):
                texts[position] = text
        return texts

    def _filled(
        self, left_out: frozenset[str], values: dict[str, Sequence[Any]], count: int, *, canonical: bool
    ) -> Sequence[str]:
        key = (left_out, canonical)
        if key not in self._skeletons:
            skeleton = _skeleton(self._tree, "", left_out, canonical=canonical)
            self._skeletons[key] = skeleton or Skeleton("{}", [])
        text, holes = self._skeletons[key]
        if not holes:
            return [text] * count
        pieces = text.split(_HOLE)
        columns: list[Sequence[str]] = []
        for hole, path in enumerate(holes):
            if are_texts(values[path]) or set(map(type, values[path])) == {str}:
                columns.append(json_escaped(values[path]))
                pieces[hole], pieces[hole + 1] = f'{pieces[hole]}"', f'"{pieces[hole + 1]}'
            else:
                columns.append([_json(value) for value in values[path]])
        return JoinedTexts(pieces, columns)


def _encoded(texts: Sequence[str]) -> Iterable[bytes]:
    """Encode JSON texts as bytes."""
    if isinstance(texts, JoinedTexts):
        return texts.join(_HOLE).encode().split(_HOLE.encode())
    return map(str.encode, texts)


def digests_of(messages: Iterable[bytes], prefix_hash: Any = None) -> np.ndarray:
    """Compute the digest of each message.

    Args:
        messages: The bytes to digest.
        prefix_hash: A hash object that was updated with a prefix that all messages share.

    Returns:
        ``uint8`` of shape (messages, `DIGEST_SIZE`).
    """
    prefix_hash = prefix_hash or blake2b(digest_size=DIGEST_SIZE)
    digests = []
    for message in messages:
        digest = prefix_hash.copy()  # takes less time than a new one
        digest.update(message)
        digests.append(digest.digest())
    return np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, DIGEST_SIZE)


def sliced(rows: np.ndarray) -> Iterator[np.ndarray]:
    """Yield rows in slices of at most `SLICE`."""
    return (rows[start : start + SLICE] for start in range(0, len(rows), SLICE))


def _columns_of(bound_slots: Iterable[Slot]) -> list[Hashable]:
    return list(dict.fromkeys(name for slot in bound_slots for name in slot.value.columns))


def _checked(path: str, slot: Slot, values: Sequence[Any], cells: Cells) -> tuple[Sequence[Any], list[Problem]]:
    """Convert a slot's values and check them by its rules.

    Returns:
        The values, None where one could not be converted, and the problems.
    """
    leaf = slot.leaf
    converted = leaf.kind.column(values)
    problems: list[Problem] = []
    if not are_texts(converted) and Invalid in set(map(type, converted)):
        faults = {position: value.message for position, value in enumerate(converted) if isinstance(value, Invalid)}
        problems.extend(_located(Problem("bad_value", "", leaf.kind.hint, field=path), faults, slot, cells))
        converted = [None if isinstance(value, Invalid) else value for value in converted]
    for rule in leaf.rules:
        faults = rule.faults(converted)
        problems.extend(_located(Problem(rule.code, "", rule.hint, rule.severity, path), faults, slot, cells))
    return converted, problems


def _located(problem: Problem, faults: Mapping[int, str], slot: Slot, cells: Cells) -> Iterator[Problem]:
    """Yield a problem with its rows, once for each column that they come from.

    Where a format string names several columns, a row's problem is put to the one with the longest cell.
    """
    positions_by_column: dict[Hashable, list[int]] = defaultdict(list)
    for position in faults:
        column = max(slot.value.columns, key=lambda name: len(str(cells[name][position])), default=None)
        positions_by_column[column].append(position)
    for column, positions in positions_by_column.items():
        messages = [faults[position] for position in positions]
        yield problem._replace(message=messages, column=column, rows=cells.rows[positions])


def _skeleton(node: Tree, path: str, left_out: frozenset[str], *, canonical: bool) -> Skeleton | None:
    """Return a node's JSON with its holes, without the slots at some paths; None where nothing is left of it.

    An object or list that loses all its slots is left out with its constants, such as a header without its text. So is
    one that loses a leaf that is `required_by_parent`, such as a phone without its number.
    """
    if isinstance(node, Slot):
        if path in left_out:
            return None
        return Skeleton(_HOLE, [path]) if node.bound else Skeleton(_json(node.value), [])
    if not isinstance(node, dict | list):
        return Skeleton(_json(node), [])
    branches = dict(node if isinstance(node, dict) else enumerate(node))
    children = {}
    for key in sorted(branches) if canonical else branches:
        child = _skeleton(branches[key], child_path(path, key), left_out, canonical=canonical)
        if child is not None:
            children[key] = child
    removed = [branches[key] for key in branches.keys() - children.keys()]
    if any(isinstance(slot, Slot) and slot.leaf.required_by_parent for slot in removed):
        return None
    if removed and not isinstance(node, Fixed) and not any(slots(branches[key]) for key in children):
        return None
    holes = [hole for child in children.values() for hole in child.holes]
    if isinstance(node, list):
        return Skeleton("[" + ",".join(child.text for child in children.values()) + "]", holes)
    return Skeleton("{" + ",".join(f"{_json(key)}:{child.text}" for key, child in children.items()) + "}", holes)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def columns_in(*parts: Part) -> list[Hashable]:
    """Return the names of the columns that contents and other parts of a request read, each once, in order."""
    return _columns_of(slot for part in parts for slot in slots(part.tree()).values() if slot.bound)
