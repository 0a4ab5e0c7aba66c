"""Whether a cell is a phone number, and which."""

from __future__ import annotations

from d7nb.recipients.check import check_numbers

__all__ = ["check_numbers"]
