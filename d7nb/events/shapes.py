"""The shapes in which events come: what `receiver` and `serve` take as options."""

from __future__ import annotations

from d7nb.api.inbound import META, SANDBOX, InboundShape
from d7nb.api.reports import SHAPES

__all__ = ["META", "SANDBOX", "SHAPES", "InboundShape"]
