"""The ledger as the user holds it."""

from __future__ import annotations

from d7nb.store.store import Ledger, opened

__all__ = ["Ledger", "opened"]
