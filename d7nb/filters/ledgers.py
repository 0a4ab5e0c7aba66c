"""Filters that ask a ledger: whether what they were given is one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from d7nb.ledger import Ledger


def as_ledger(given: Any) -> Ledger | None:
    """The ledger, where that was given; None where it is anything else. Nothing is imported for the question.

    Example:
        >>> as_ledger("last_inbound_at") is None
        True
    """
    home = sys.modules.get("d7nb.ledger")
    return given if home is not None and isinstance(given, home.Ledger) else None
