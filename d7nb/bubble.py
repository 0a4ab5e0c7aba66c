"""`Bubble` and its parts, for plugins that draw their own messages."""

from __future__ import annotations

from d7nb.content.bubble import *  # noqa: F403
