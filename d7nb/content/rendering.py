"""From a content and the rows of a frame to checked values and JSON, a column at a time.

A content's tree becomes a text with holes, once for each set of fields that rows leave out; the columns fill the holes.
The same machine makes two texts of a content: the JSON that is sent, in the order of declaration, and the canonical
one with sorted keys, whose digest tells whether two rows say the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from hashlib import blake2b
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import orjson
import pandas as pd

from d7nb.content.binding.cells import Cells, missing
from d7nb.content.binding.format_strings import Column, FormatString
from d7nb.content.binding.text_columns import JoinedTexts, are_texts, in_json
from d7nb.content.binding.values import Invalid
from d7nb.content.schema.fields import Slot
from d7nb.content.schema.part import Part, expand, file_links, literal_fault, slots
from d7nb.content.schema.paths import Fixed, below
from d7nb.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

    import pandas as pd

    from d7nb.content.rules import FileLink, RowRule
    from d7nb.content.schema.part import Part
    from d7nb.content.schema.paths import Tree


SLICE = 4096
"""How many rows are worked on at a time: enough to forget the overhead, few enough to stay small."""

DIGEST_SIZE = 16


_HOLE = "\0"  # JSON has another way to write that sign


class Checked(NamedTuple):
    """What checking some rows found.

    Attributes:
        digests: One digest of the content's canonical JSON per row, ``uint8`` of shape (rows, `DIGEST_SIZE`).
        problems: Everything found, with positions in the frame.
    """

    digests: np.ndarray
    problems: list[Problem]


class Skeleton(NamedTuple):
    """A content's JSON with a `_HOLE` for each slot that columns fill, and the paths of these in their order."""

    text: str
    holes: list[str]


class Renderer:
    """One content, made ready to be filled from the rows of a frame.

    Args:
        content: What the messages say, or another part of the request.
        frame: The table; it must have the columns that the content names.

    Attributes:
        file_links: The content's leaves that are addresses of files.
    """

    def __init__(self, content: Part, frame: pd.DataFrame) -> None:
        self._frame = frame
        self._tree = content.tree()
        self._slots = slots(self._tree)
        self._bound = {path: slot for path, slot in self._slots.items() if slot.bound}
        self._rules = [(rule, expand(rule.paths, self._slots)) for rule in content.rules()]
        self._skeletons: dict[tuple[frozenset[str], bool], Skeleton] = {}
        self.file_links: list[FileLink] = list(file_links(content, self._slots))

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
            return Checked(np.broadcast_to(digests_of([text.encode()]), (len(rows), DIGEST_SIZE)), [])
        problems: list[Problem] = []
        digests, done = np.empty((len(rows), DIGEST_SIZE), dtype=np.uint8), 0
        for part in sliced(rows):
            values, found = self._values(part)
            problems.extend(found)
            problems.extend(self._broken_row_rules(part, values, found))
            texts = self._texts(values, len(part), canonical=True)
            digests[done : done + len(part)] = digests_of(_encoded(texts))
            done += len(part)
        return Checked(digests, problems)

    def fragments(self, rows: np.ndarray) -> Sequence[str]:
        """The content's JSON for each of some rows without errors: what was checked is not checked again."""
        cells = Cells(self._frame, rows)
        rendered = {value: value.render(cells).values for value in {slot.value for slot in self._bound.values()}}
        values = {path: slot.leaf.kind.column(rendered[slot.value]) for path, slot in self._bound.items()}
        return self._texts(values, len(rows), canonical=False)

    def filled(self, path: str, rows: np.ndarray) -> Sequence[Any]:
        """What stands at one leaf in the messages of some rows without errors; None where a message is without it."""
        slot = self._slots.get(path)
        if slot is None:
            return [None] * len(rows)
        cells = Cells(self._frame, rows)
        values: Sequence[Any] = [slot.value] * len(rows)
        if slot.bound:
            values, _ = _checked(path, slot, slot.value.render(cells).values, cells)
        for other, carrier in self._bound.items():
            if carrier.leaf.carries and path != other and path.startswith(other.rpartition(".")[0] + "."):
                carried = carrier.value.render(cells).values
                values = [None if carries is None else value for carries, value in zip(carried, values, strict=True)]
        return values

    def is_bound(self, path: str) -> bool:
        """Whether what stands at a leaf differs from row to row."""
        return path in self._bound

    def at_cells(self, problem: Problem, path: str, faults: Mapping[int, str], rows: np.ndarray) -> Iterator[Problem]:
        """A problem with what stands at a leaf, at each faulty row and the column that the leaf has it from.

        Args:
            problem: What is wrong, but for its message.
            path: The leaf.
            faults: The message of each faulty row, by its place among the rows.
            rows: Positions in the frame.
        """
        slot = self._slots[path]
        if slot.bound:
            yield from _located(problem, faults, slot, Cells(self._frame, rows))
        else:  # the whole plan's
            yield from (problem._replace(message=message) for message in dict.fromkeys(faults.values()))

    def _values(self, rows: np.ndarray) -> tuple[dict[str, Sequence[Any]], list[Problem]]:
        cells = Cells(self._frame, rows)
        values: dict[str, Sequence[Any]] = {}
        problems: list[Problem] = []
        rendered: dict[Column | FormatString, Sequence[Any]] = {}
        for path, slot in self._bound.items():
            if slot.value not in rendered:
                rendered[slot.value], found = slot.value.render(cells)
                problems.extend(problem._replace(field=path) for problem in found)
            if slot.leaf.required and not slot.leaf.carries and isinstance(slot.value, Column):
                found = missing(slot.value.name, rendered[slot.value], rows, f"{path} is required")
                problems.extend(problem._replace(field=path) for problem in found)
            values[path], found = _checked(path, slot, rendered[slot.value], cells)
            problems.extend(found)
        return values, problems

    def _broken_row_rules(
        self, rows: np.ndarray, values: dict[str, Sequence[Any]], found: Sequence[Problem]
    ) -> Iterator[Problem]:
        bound = [(rule, paths) for rule, paths in self._rules if not values.keys().isdisjoint(paths)]
        if not bound:
            return
        faulty = self._faulty_rows(found)
        for rule, paths in bound:
            columns = [values[path] if path in values else repeat(self._literal(path)) for path in paths]
            known = set().union(*(faulty[self._bound[path].value] for path in paths if path in values))
            faults: dict[str, dict[int, str]] = defaultdict(dict)
            for place, given in enumerate(zip(*columns, strict=False)):
                fault = rule.fault(*given)
                if fault and rows[place] not in known:
                    faults[self._culprit(rule, paths, given)][place] = fault
            for path, messages in faults.items():
                column, own = next(iter(self._bound[path].value.columns), None), rows[list(messages)]
                yield Problem(rule.code, list(messages.values()), rule.hint, rule.severity, path, column, own)

    def _faulty_rows(self, found: Sequence[Problem]) -> dict[Column | FormatString, set[int]]:
        """For each column or template the rows where its own value is wrong: rules about several need not add to it."""
        faulty: dict[Column | FormatString, set[int]] = defaultdict(set)
        for problem in found:
            if problem.severity == "error" and problem.rows is not None:
                faulty[self._bound[problem.field].value].update(problem.rows.tolist())
        return faulty

    def _literal(self, path: str) -> Any:
        return self._slots[path].value if path in self._slots else None

    def _culprit(self, rule: RowRule, paths: Sequence[str], given: Sequence[Any]) -> str:
        """Which column to look at: an empty one, or one without whose value the rule is kept, or else the first."""
        bound = [place for place, path in enumerate(paths) if path in self._bound]
        alone = (place for place in bound if not rule.fault(*given[:place], None, *given[place + 1 :]))
        empty = (place for place in bound if given[place] is None)
        return paths[next(chain(empty, alone, bound))]

    def _texts(self, values: dict[str, Sequence[Any]], count: int, *, canonical: bool) -> Sequence[str]:
        gaps = [path for path, column in values.items() if not are_texts(column) and None in column]
        if not gaps:
            return self._filled(frozenset(), values, count, canonical=canonical)
        groups: dict[tuple[bool, ...], list[int]] = defaultdict(list)
        for place, absent in enumerate(zip(*([value is None for value in values[path]] for path in gaps), strict=True)):
            groups[absent].append(place)
        texts = [""] * count
        for absent, places in groups.items():
            left_out = frozenset(path for path, gone in zip(gaps, absent, strict=True) if gone)
            chosen: dict[str, Sequence[Any]] = {
                path: [column[place] for place in places] for path, column in values.items()
            }
            found = self._filled(left_out, chosen, len(places), canonical=canonical)
            for place, text in zip(places, found, strict=True):
                texts[place] = text
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
        for place, path in enumerate(holes):
            if are_texts(values[path]) or set(map(type, values[path])) == {str}:
                columns.append(in_json(values[path]))
                pieces[place], pieces[place + 1] = f'{pieces[place]}"', f'"{pieces[place + 1]}'
            else:
                columns.append([_json(value) for value in values[path]])
        return JoinedTexts(pieces, columns)


def _encoded(texts: Sequence[str]) -> Iterable[bytes]:
    """JSON texts as bytes."""
    if isinstance(texts, JoinedTexts):
        return texts.joined(_HOLE).encode().split(_HOLE.encode())
    return map(str.encode, texts)


def digests_of(parts: Iterable[bytes], begun: Any = None) -> np.ndarray:
    """The digest of each part.

    Args:
        parts: What is digested.
        begun: A hash that has taken in what stands before each of them.

    Returns:
        ``uint8`` of shape (parts, `DIGEST_SIZE`).
    """
    begun = begun or blake2b(digest_size=DIGEST_SIZE)
    digests = []
    for part in parts:
        hashed = begun.copy()  # takes less time than a new one
        hashed.update(part)
        digests.append(hashed.digest())
    return np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, DIGEST_SIZE)


def sliced(rows: np.ndarray) -> Iterator[np.ndarray]:
    """Rows in slices of at most `SLICE`."""
    return (rows[start : start + SLICE] for start in range(0, len(rows), SLICE))


def columns_of(bound: Iterator[Slot] | Any) -> list[Hashable]:
    """The columns that some bound slots read, each once, in order."""
    return list(dict.fromkeys(name for slot in bound for name in slot.value.columns))


def _checked(path: str, slot: Slot, values: Sequence[Any], cells: Cells) -> tuple[Sequence[Any], list[Problem]]:
    """Convert a slot's values and hold them against its rules; None where one does not fit."""
    leaf = slot.leaf
    converted = leaf.kind.column(values)
    problems: list[Problem] = []
    if not are_texts(converted) and Invalid in set(map(type, converted)):
        unfit = {place: value.message for place, value in enumerate(converted) if isinstance(value, Invalid)}
        problems.extend(_located(Problem("bad_value", "", f"give a {leaf.kind.name}", field=path), unfit, slot, cells))
        converted = [None if isinstance(value, Invalid) else value for value in converted]
    for rule in leaf.rules:
        faults = rule.faults(converted)
        problems.extend(_located(Problem(rule.code, "", rule.hint, rule.severity, path), faults, slot, cells))
    return converted, problems


def _located(problem: Problem, faults: Mapping[int, str], slot: Slot, cells: Cells) -> Iterator[Problem]:
    """A problem at each faulty row and its column: where a template names several, the one with the longest cell."""
    blamed: dict[Hashable, list[int]] = defaultdict(list)
    for place in faults:
        column = max(slot.value.columns, key=lambda name: len(str(cells[name][place])), default=None)
        blamed[column].append(place)
    for column, places in blamed.items():
        messages = [faults[place] for place in places]
        yield problem._replace(message=messages, column=column, rows=cells.rows[places])


def _skeleton(node: Tree, path: str, left_out: frozenset[str], *, canonical: bool) -> Skeleton | None:
    """A node's JSON with its holes, without the slots at some paths; None where that leaves nothing of it.

    An object or list that loses all it had to say goes too, constants and all: a header without its text. So does one
    that loses what carries it: a phone without its number, whatever its type.
    """
    if isinstance(node, Slot):
        if path in left_out:
            return None
        return Skeleton(_HOLE, [path]) if node.bound else Skeleton(_json(node.value), [])
    if not isinstance(node, dict | list):
        return Skeleton(_json(node), [])
    branches = dict(node if isinstance(node, dict) else enumerate(node))
    made = {}
    for key in sorted(branches) if canonical else branches:
        piece = _skeleton(branches[key], below(path, key), left_out, canonical=canonical)
        if piece is not None:
            made[key] = piece
    lost = [branches[key] for key in branches.keys() - made.keys()]
    if any(isinstance(slot, Slot) and slot.leaf.carries for slot in lost):
        return None
    if lost and not isinstance(node, Fixed) and not any(slots(branches[key]) for key in made):
        return None
    holes = [hole for piece in made.values() for hole in piece.holes]
    if isinstance(node, list):
        return Skeleton("[" + ",".join(piece.text for piece in made.values()) + "]", holes)
    return Skeleton("{" + ",".join(f"{_json(key)}:{piece.text}" for key, piece in made.items()) + "}", holes)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def columns_in(*parts: Part) -> list[Hashable]:
    """The columns that contents and other parts of a request read, each once, in order."""
    return columns_of(slot for part in parts for slot in slots(part.tree()).values() if slot.bound)
