"""What some tests need of the machine. Where it is missing they are skipped with a word, and on CI they fail."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

VARIABLE = "D7NB_REQUIRE"


def lacking(need: str, why: str) -> NoReturn:
    """Skip this test; fail it where ``D7NB_REQUIRE``, words with commas between, names the need.

    A check that quietly skips what it was set up to run would be green for nothing.
    """
    if need in os.environ.get(VARIABLE, "").split(","):
        pytest.fail(f"{why} ({VARIABLE} says that it must be there)", pytrace=False)
    pytest.skip(why)
