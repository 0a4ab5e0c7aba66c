"""From a content and the rows of a frame to checked values and JSON, a column at a time.

A content's tree becomes a text with holes, once for each set of fields that rows leave out; the columns fill the holes.
The same machine makes two texts of a content: the JSON that is sent, in the order of declaration, and the canonical
one with sorted keys, whose digest tells whether two rows say the same.
"""

from __future__ import annotations

from collections import defaultdict
from hashlib import blake2b
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import orjson

from d7nb.content.declare import Part, Slot, Tree, expand, literal_fault, slots
from d7nb.content.leaves import Cells, Column, Template, Unfit, by_distinct
from d7nb.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    import pandas as pd


SLICE = 8192
"""How many rows are worked on at a time: enough to forget the overhead, few enough to stay small."""

DIGEST_SIZE = 16


class Checked(NamedTuple):
    """What checking some rows found.

    Attributes:
        digests: One digest of the content's canonical JSON per row, ``uint8`` of shape (rows, `DIGEST_SIZE`).
        problems: Everything found, with positions in the frame.
    """

    digests: np.ndarray
    problems: list[Problem]


class Renderer:
    """One content, made ready to be filled from the rows of a frame.

    Args:
        content: What the messages say, or another part of the request.
        frame: The table; it must have the columns that the content names.
    """

    def __init__(self, content: Part, frame: pd.DataFrame) -> None:
        self._frame = frame
        self._tree = content.tree()
        self._slots = slots(self._tree)
        self._bound = {path: slot for path, slot in self._slots.items() if slot.bound}
        self._rules = [(rule, expand(rule, self._slots)) for rule in content.rules()]
        self._skeletons: dict[tuple[frozenset[str], bool], tuple[str, list[str]]] = {}

    @property
    def columns(self) -> list[Hashable]:
        """The columns that the content reads, each once."""
        return columns_of(self._bound.values())

    def literal_warnings(self) -> list[Problem]:
        """What is doubtful about the literals; what is wrong with them was refused when the content was made."""
        found = [
            problem._replace(field=path)
            for path, slot in self._slots.items()
            if not slot.bound and slot.value != ""
            for problem in slot.leaf.check(slot.value)[1]
        ]
        found += [fault for rule, paths in self._rules if (fault := literal_fault(rule, paths, self._slots))]
        return [problem for problem in found if problem.severity == "warning"]

    def check(self, rows: np.ndarray) -> Checked:
        """Hold rows against every rule, and digest what each would say.

        Args:
            rows: Positions in the frame.

        Returns:
            Digests and problems; the digest of a row with an error is meaningless.
        """
        if not self._bound:
            (text,) = self._texts({}, 1, canonical=True)
            return Checked(np.broadcast_to(_digests([text]), (len(rows), DIGEST_SIZE)), [])
        problems: list[Problem] = []
        digests: list[np.ndarray] = []
        for part in sliced(rows):
            values, found = self._values(part)
            problems.extend(found)
            problems.extend(self._broken_row_rules(part, values, found))
            texts = self._texts(values, len(part), canonical=True)
            digests.append(_digests(texts))
        return Checked(np.concatenate(digests) if digests else _digests([]), problems)

    def fragments(self, rows: np.ndarray) -> list[str]:
        """The content's JSON for each of some rows without errors."""
        return self._texts(self._values(rows)[0], len(rows), canonical=False)

    def _values(self, rows: np.ndarray) -> tuple[dict[str, list[Any]], list[Problem]]:
        cells = Cells(self._frame, rows)
        values: dict[str, list[Any]] = {}
        problems: list[Problem] = []
        rendered: dict[Column | Template, list[Any]] = {}
        for path, slot in self._bound.items():
            if slot.value not in rendered:
                rendered[slot.value], found = slot.value.render(cells)
                problems.extend(problem._replace(field=path) for problem in found)
            if slot.leaf.required and isinstance(slot.value, Column):
                problems.extend(_missing(path, slot.value, rendered[slot.value], rows))
            values[path], found = _checked(path, slot, rendered[slot.value], cells)
            problems.extend(found)
        return values, problems

    def _broken_row_rules(
        self, rows: np.ndarray, values: dict[str, list[Any]], found: Sequence[Problem]
    ) -> Iterator[Problem]:
        bound = [(rule, paths) for rule, paths in self._rules if not values.keys().isdisjoint(paths)]
        if not bound:
            return
        faulty = {row for problem in found if problem.severity == "error" for row in problem.rows}  # type: ignore[union-attr]
        literals = {path: slot.value for path, slot in self._slots.items() if not slot.bound}
        for rule, paths in bound:
            columns = [values[path] if path in values else repeat(literals.get(path)) for path in paths]
            faults = [rule.fault(*combination) for combination in zip(*columns, strict=False)]
            places = [place for place, fault in enumerate(faults) if fault and rows[place] not in faulty]
            if places:
                column = columns_of(self._slots[path] for path in paths if path in values)[0]
                messages = [str(faults[place]) for place in places]
                yield Problem(rule.code, messages, rule.hint, rule.severity, paths[0], column, rows[places])

    def _texts(self, values: dict[str, list[Any]], count: int, *, canonical: bool) -> list[str]:
        gaps = [path for path, column in values.items() if None in column]
        if not gaps:
            return self._filled(frozenset(), values, count, canonical=canonical)
        groups: dict[tuple[bool, ...], list[int]] = defaultdict(list)
        for place, absent in enumerate(zip(*([value is None for value in values[path]] for path in gaps), strict=True)):
            groups[absent].append(place)
        texts = [""] * count
        for absent, places in groups.items():
            left_out = frozenset(path for path, gone in zip(gaps, absent, strict=True) if gone)
            chosen = {path: [column[place] for place in places] for path, column in values.items()}
            filled = self._filled(left_out, chosen, len(places), canonical=canonical)
            for place, text in zip(places, filled, strict=True):
                texts[place] = text
        return texts

    def _filled(
        self, left_out: frozenset[str], values: dict[str, list[Any]], count: int, *, canonical: bool
    ) -> list[str]:
        key = (left_out, canonical)
        if key not in self._skeletons:
            holes: list[str] = []
            pattern = _skeleton(self._tree, "", left_out, holes, canonical=canonical)
            self._skeletons[key] = (pattern or "{{}}", holes)
        pattern, holes = self._skeletons[key]
        if not holes:
            return [pattern.format()] * count
        return list(map(pattern.format, *([orjson.dumps(value).decode() for value in values[path]] for path in holes)))


def _digests(texts: Sequence[str]) -> np.ndarray:
    joined = b"".join(blake2b(text.encode(), digest_size=DIGEST_SIZE).digest() for text in texts)
    return np.frombuffer(joined, dtype=np.uint8).reshape(-1, DIGEST_SIZE)


def sliced(rows: np.ndarray) -> Iterator[np.ndarray]:
    """Rows in slices of at most `SLICE`."""
    return (rows[start : start + SLICE] for start in range(0, len(rows), SLICE))


def columns_of(bound: Iterator[Slot] | Any) -> list[Hashable]:
    """The columns that some bound slots read, each once, in order."""
    return list(dict.fromkeys(name for slot in bound for name in slot.value.columns))


def _missing(path: str, column: Column, values: list[Any], rows: np.ndarray) -> Iterator[Problem]:
    if None in values:
        empty = rows[[place for place, value in enumerate(values) if value is None]]
        message = f"the cell is empty, but {path} is required"
        yield Problem("missing", message, "fill the cell in, or take the row out", "error", path, column.name, empty)


def _checked(path: str, slot: Slot, values: list[Any], cells: Cells) -> tuple[list[Any], list[Problem]]:
    """Convert a slot's values and hold them against its rules; None where one does not fit."""
    leaf = slot.leaf
    problems = []
    converted = by_distinct(leaf.kind.convert, values)
    unfit = [place for place, value in enumerate(converted) if isinstance(value, Unfit)]
    if unfit:
        messages = [converted[place].message for place in unfit]
        column = next(iter(slot.value.columns), None)
        hint = f"give a {leaf.kind.name}"
        problems.append(Problem("bad_value", messages, hint, "error", path, column, cells.rows[unfit]))
        converted = [None if isinstance(value, Unfit) else value for value in converted]
    for rule in leaf.rules:
        faults = by_distinct(rule.fault, converted)
        for column, places in _blamed(slot, cells, [place for place, fault in enumerate(faults) if fault]).items():
            messages = [faults[place] for place in places]
            problems.append(Problem(rule.code, messages, rule.hint, rule.severity, path, column, cells.rows[places]))
    return converted, problems


def _blamed(slot: Slot, cells: Cells, places: list[int]) -> dict[Hashable, list[int]]:
    """Each faulty row under the column to look at: where a template names several, the one with the longest cell."""
    columns = slot.value.columns
    blamed: dict[Hashable, list[int]] = defaultdict(list)
    for place in places:
        blamed[max(columns, key=lambda name: len(str(cells[name][place])))].append(place)
    return blamed


def _skeleton(node: Tree, path: str, left_out: frozenset[str], holes: list[str], *, canonical: bool) -> str | None:
    """A node's JSON as a `str.format` pattern; the paths of its holes are added to `holes`.

    An object all of whose slots are left out is left out itself, constants and all: a header without its text.
    """
    if isinstance(node, Slot):
        if not node.bound:
            return _json(node.value)
        if path in left_out:
            return None
        holes.append(path)
        return "{}"
    if not isinstance(node, dict | list):
        return _json(node)
    inside = [f"{path}.{key}" if path else str(key) for key in (node if isinstance(node, dict) else range(len(node)))]
    branches = list(zip(inside, node.items() if isinstance(node, dict) else enumerate(node), strict=True))
    if canonical and isinstance(node, dict):
        branches.sort(key=lambda branch: branch[1][0])
    made = [(key, _skeleton(child, at, left_out, holes, canonical=canonical)) for at, (key, child) in branches]
    if any(slots(node)) and not any(at not in left_out for at in (f"{path}.{p}".lstrip(".") for p in slots(node))):
        return None
    texts = [text if isinstance(node, list) else f"{_json(key)}:{text}" for key, text in made if text is not None]
    return "{{" + ",".join(texts) + "}}" if isinstance(node, dict) else "[" + ",".join(texts) + "]"


def _json(value: Any) -> str:
    return orjson.dumps(value).decode().replace("{", "{{").replace("}", "}}")
