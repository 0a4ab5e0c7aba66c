"""D7's JSON as a tree of objects and lists: putting nodes in, taking them out, and walking the leaves.

A dotted path such as ``body.text`` names a node; a number in it is a position in a list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Tree = Any
"""Objects and lists, with a leaf's `Slot` or its value at every end."""


class Fixed(dict[str, Any]):
    """An object that the user wrote out: it stays in the JSON even if all that is in it is left out."""


def insert(tree: dict[str, Tree], path: str, node: Tree) -> None:
    """Put a node at a dotted path, making the objects on the way."""
    *parents, last = path.split(".")
    for key in parents:
        tree = tree.setdefault(key, {})
    tree[last] = node


def pop(tree: Any, path: str) -> Tree:
    """Remove and return the node at a dotted path, and remove the objects that this leaves empty.

    Returns:
        The node; None where there is none.
    """
    head, _, rest = path.partition(".")
    if not isinstance(tree, dict) or head not in tree:
        return None
    if not rest:
        return tree.pop(head)
    node = pop(tree[head], rest)
    if tree[head] == {}:
        del tree[head]
    return node


def child_path(path: str, key: object) -> str:
    """Return the dotted path of what stands under a key at a path."""
    return f"{path}.{key}" if path else str(key)


def leaves(tree: Tree, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every leaf of a tree with its dotted path."""
    branches = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else None
    if branches is None:
        yield path, tree
    else:
        for key, node in branches:
            yield from leaves(node, child_path(path, key))


def copy_tree(tree: Tree) -> Tree:
    """Copy a tree with its objects and lists, but not its leaves."""
    if isinstance(tree, Mapping):
        return {key: copy_tree(node) for key, node in tree.items()}
    return [copy_tree(node) for node in tree] if isinstance(tree, list) else tree


def items_by_position(node: Tree) -> dict[str, Tree] | None:
    """Return the items of a list, or of an object whose keys are numbers, by position; None where it is neither."""
    if isinstance(node, list):
        return {str(position): item for position, item in enumerate(node)}
    if isinstance(node, Mapping) and node and all(key.isdecimal() for key in node):
        return {key: node[key] for key in sorted(node, key=int)}
    return None
