"""What became of a plan: sending it, asking D7 about it, showing it."""

from __future__ import annotations

from d7nb.delivery.delivery import Delivery

__all__ = ["Delivery"]
