"""A column of texts that repeat, kept as one small number per row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class CodedTexts:
    """A column of texts that repeat: each text is kept once, and each row holds its code, -1 for no text.

    Args:
        codes: Each row's index into `texts`, -1 for none; it is not copied.
        texts: The texts, in the order of their codes.

    Attributes:
        codes: Each row's code.
        texts: The texts so far, in the order of their codes.

    Example:
        >>> reasons = CodedTexts.missing(4)
        >>> reasons.fill(np.array([0, 3]), "opted out")
        >>> reasons.put(np.array([1, 2]), ["under 18", None])
        >>> reasons.array().tolist()
        ['opted out', 'under 18', nan, 'opted out']
        >>> reasons.isin("opted out").tolist(), reasons.count()
        ([True, False, False, True], {'opted out': 2, 'under 18': 1})
    """

    def __init__(self, codes: np.ndarray, texts: Iterable[str]) -> None:
        self.codes = codes
        self.texts = list(texts)
        self._code_of: dict[str | None, int] = dict(zip(self.texts, range(len(self.texts)), strict=True))
        self._code_of[None] = -1

    @classmethod
    def missing(cls, count: int) -> Self:
        """Make a column of so many rows without texts."""
        return cls(no_codes(count, 0), [])

    @classmethod
    def of(cls, texts: pd.Series) -> Self:
        """Encode a column of texts; its missing values get no text."""
        codes, distinct = pd.factorize(texts)
        return cls(codes.astype(_code_type(len(distinct))), distinct.tolist())

    def fill(self, rows: np.ndarray, text: str | None) -> None:
        """Write one text at some positions, or where a mask is true."""
        self._add([text])
        self.codes[rows] = self._code_of[text]

    def put(self, rows: np.ndarray, texts: Sequence[str | None]) -> None:
        """Write a text of its own at each of some positions."""
        self._add(dict.fromkeys(texts))
        self.codes[rows] = list(map(self._code_of.__getitem__, texts))

    def isin(self, *texts: str) -> np.ndarray:
        """Tell for each row whether it has one of some texts."""
        mask = np.zeros(len(self.codes), dtype=bool)
        for code, text in enumerate(self.texts):
            if text in texts:
                mask |= self.codes == code
        return mask

    def count(self) -> dict[str, int]:
        """Count the rows of each text, in the order of the codes."""
        counts = np.bincount(self.codes[self.codes >= 0], minlength=len(self.texts))
        return dict(zip(self.texts, counts.tolist(), strict=True))

    def array(self) -> Any:
        """Return the column as pandas keeps texts, missing where a row has none."""
        return pd.array(self.texts, dtype="str").take(self.codes, allow_fill=True)

    def categorical(self) -> Any:
        """Return the column as a categorical with the texts in the order of their codes."""
        return pd.Categorical.from_codes(self.codes.copy(), categories=pd.Index(self.texts))

    def take(self, rows: np.ndarray) -> Any:
        """Return some rows as a categorical with its texts sorted, each once, even where two codes have the same."""
        return pd.Categorical([*self.texts, None]).take(self.codes[rows])

    def _add(self, texts: Iterable[str | None]) -> None:
        """Give a code to each text that has none, and make room for it."""
        for text in texts:
            if text not in self._code_of:
                self._code_of[text] = len(self.texts)
                self.texts.append(text)  # type: ignore[arg-type]  # None has a code from the start
        needed = _code_type(len(self.texts))
        if needed.itemsize > self.codes.itemsize:
            self.codes = self.codes.astype(needed)


def no_codes(count: int, texts: int) -> np.ndarray:
    """Make the codes of so many rows without a text, in the smallest type that has room for so many texts.

    Example:
        >>> no_codes(3, 2), no_codes(1, 200).dtype
        (array([-1, -1, -1], dtype=int8), dtype('int16'))
    """
    return np.full(count, -1, dtype=_code_type(texts))


def _code_type(texts: int) -> np.dtype[Any]:
    return np.min_scalar_type(-1 - texts)
