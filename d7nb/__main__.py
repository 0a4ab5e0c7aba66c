"""``python -m d7nb``."""

from __future__ import annotations

import sys

from d7nb.cli import main

sys.exit(main())
