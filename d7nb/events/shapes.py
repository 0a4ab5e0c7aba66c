"""The shapes of inbound events, for the option `inbound=` of `receiver` and `serve`."""

from __future__ import annotations

from d7nb.api.inbound import META, SANDBOX, InboundShape
from d7nb.api.reports import SHAPES

__all__ = ["META", "SANDBOX", "SHAPES", "InboundShape"]
