"""D7's JSON as a tree, with ways to put in, take out and walk; a dotted path such as ``body.text`` names a place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Tree = Any
"""Objects and lists, with a leaf's `Slot` or its value at every end."""


class Fixed(dict[str, Any]):
    """An object of the user's own: it stays where it is, even if all that is in it is left out."""


def place(tree: dict[str, Tree], path: str, node: Tree) -> None:
    """Put a node at a dotted path, making the objects on the way."""
    *parents, last = path.split(".")
    for key in parents:
        tree = tree.setdefault(key, {})
    tree[last] = node


def take(tree: Any, path: str) -> Tree:
    """Take the node at a dotted path out of a tree, with the objects that it leaves empty; None where there is none."""
    head, _, rest = path.partition(".")
    if not isinstance(tree, dict) or head not in tree:
        return None
    if not rest:
        return tree.pop(head)
    node = take(tree[head], rest)
    if tree[head] == {}:
        del tree[head]
    return node


def below(path: str, key: object) -> str:
    """The dotted path of what stands under a key at a path."""
    return f"{path}.{key}" if path else str(key)


def leaves(tree: Tree, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of a tree with its dotted path; numbers stand for places in lists."""
    branches = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else None
    if branches is None:
        yield path, tree
    else:
        for key, node in branches:
            yield from leaves(node, below(path, key))


def copied(tree: Tree) -> Tree:
    """A tree whose objects and lists are one's own."""
    if isinstance(tree, Mapping):
        return {key: copied(node) for key, node in tree.items()}
    return [copied(node) for node in tree] if isinstance(tree, list) else tree


def numbered(node: Tree) -> dict[str, Tree] | None:
    """The items of a list, or of an object whose keys are numbers, by their places; None where it is neither."""
    if isinstance(node, list):
        return {str(place): item for place, item in enumerate(node)}
    if isinstance(node, Mapping) and node and all(key.isdecimal() for key in node):
        return {key: node[key] for key in sorted(node, key=int)}
    return None
