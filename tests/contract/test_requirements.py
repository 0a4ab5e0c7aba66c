"""A test that lacks what it needs is skipped with a word, and fails where it was told that it must not be."""

from __future__ import annotations

import pytest

from tests.support.requirements import VARIABLE, lacking


@pytest.mark.parametrize("required", ["", "postgresql"])
def test_it_is_skipped_with_a_word(monkeypatch: pytest.MonkeyPatch, required: str) -> None:
    monkeypatch.setenv(VARIABLE, required)
    with pytest.raises(pytest.skip.Exception, match="no Chromium"):
        lacking("browser", "no Chromium")


def test_it_fails_where_the_need_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "browser,postgresql")
    with pytest.raises(pytest.fail.Exception, match="no Chromium"):
        lacking("browser", "no Chromium")
