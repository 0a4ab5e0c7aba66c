"""How a campaign's rows are told apart: by what is said to whom, or by the user's key columns, in their order."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

BY_CONTENT = "content"
"""The recipe of a campaign whose rows are told apart by recipient and content."""


def recipe_of(key_columns: Sequence[Hashable]) -> str:
    """Return the recipe as the ledger stores it.

    Args:
        key_columns: The columns of ``key=``; none where rows are told apart by recipient and content.

    Example:
        >>> recipe_of([]), recipe_of(["customer", "month"])
        ('content', '["customer", "month"]')
    """
    return json.dumps([str(column) for column in key_columns], ensure_ascii=False) if key_columns else BY_CONTENT
