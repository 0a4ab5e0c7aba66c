"""The picture of a message, for plugins that draw their own."""

from __future__ import annotations

from d7nb.content.bubble import *  # noqa: F403
