"""How fast `check_numbers` is beside a loop over libphonenumber's parser, and how much memory it takes.

Run from the repository's root, on a machine with nothing else to do: ``python -m tests.benchmarks.numbers``.
"""

from __future__ import annotations

import gc
import multiprocessing
import time
import tracemalloc
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import phonenumbers
import pyarrow as pa

from d7nb.recipients.check import check_numbers
from d7nb.recipients.variants import family

if TYPE_CHECKING:
    from collections.abc import Callable

E164 = phonenumbers.PhoneNumberFormat.E164
ROWS = 1_000_000
LOOP_ROWS = 20_000
RUNS = 3
REGIONS = "AE SA IN PK EG GB US DE FR ES IT BR NG ZA ID PH TR JO KW QA"
ODD_FORMS: tuple[Callable[[str, int], str], ...] = (
    lambda number, place: f"{number[:place]} {number[place : place + 3]} {number[place + 3 :]}",
    lambda number, place: f"00{number[1:]}",
    lambda number, place: f"{number[:place]}-{number[place:]}",
    lambda number, place: f"({number[:place]}) {number[place:]}",
    lambda number, place: f"\u202a{number}\u202c",
    lambda number, place: f"'{number}",
    lambda number, place: f"tel:{number}",
    lambda number, place: f"{number[:place]}\u00a0{number[place:]}",
    lambda number, place: f"{number[:place]} (0){number[place:]}",
    lambda number, place: f"{number[1:]}.0",
)


def numbers(rows: int = ROWS) -> list[str]:
    """Distinct numbers of twenty countries, in E.164 form, shuffled; a few are not valid."""
    rng = np.random.default_rng(7)
    each = -(-rows // len(REGIONS.split()))
    mobile = phonenumbers.PhoneNumberType.MOBILE
    examples = [phonenumbers.example_number_for_type(region, mobile) for region in REGIONS.split()]
    stems = [phonenumbers.format_number(number, E164)[:-6] for number in examples if number]
    drawn = [f"{stem}{tail:06d}" for stem in stems for tail in rng.choice(10**6, each, replace=False)]
    rng.shuffle(drawn)
    return drawn[:rows]


def odd(texts: list[str], share: float) -> list[str]:
    """The same numbers, a share of them written in odd forms, each form in its turn."""
    step = round(1 / share)
    return [
        ODD_FORMS[row // step % len(ODD_FORMS)](text, _place(text)) if row % step == 0 else text
        for row, text in enumerate(texts)
    ]


def national(rows: int = ROWS) -> pd.Series:
    """Numbers as they are dialled inside one country: a 0, and no calling code."""
    tails = np.random.default_rng(7).choice(10**7, rows, replace=False)
    return pd.Series([f"050{tail:07d}" for tail in tails], dtype="str")


def _place(number: str) -> int:
    """Where the calling code ends."""
    return 1 + len(str(phonenumbers.parse(number).country_code))


def loop(cells: pd.Series, country: str | None) -> list[str | None]:
    """What one writes without d7nb: parse, check and format each value."""
    found: list[str | None] = []
    for cell in cells:
        try:
            number = phonenumbers.parse(cell if isinstance(cell, str) else f"+{int(cell)}", country)
        except phonenumbers.NumberParseException:
            found.append(None)
            continue
        valid = phonenumbers.is_valid_number(number)
        found.append(phonenumbers.format_number(number, E164) if valid else None)
    return found


def seconds(work: Callable[..., object], *arguments: object) -> float:
    """Processor time, which a busy machine distorts less than the clock's."""
    gc.collect()
    start = time.process_time()
    work(*arguments)
    return time.process_time() - start


def ratio(name: str, cells: pd.Series, country: str | None = None) -> None:
    """The loop's time (on a part of the column, and scaled) over ours: the best of some runs, in turns."""
    part = cells.iloc[:LOOP_ROWS]
    runs = [(seconds(check_numbers, cells, country), seconds(loop, part, country)) for _ in range(RUNS)]
    ours, theirs = (min(column) for column in zip(*runs, strict=True))
    theirs *= len(cells) / len(part)
    print(f"{name:<36} {ours:6.2f} s   loop {theirs:6.2f} s   {theirs / ours:6.1f} times faster", flush=True)


def peak(name: str, drawn: list[str], share: float) -> None:
    """Memory at its peak, beyond input and result, over the column's: Arrow's peak and Python's added up."""
    cells = pd.Series(odd(drawn, share), dtype="str")
    pool = pa.system_memory_pool()
    pa.set_memory_pool(pool)  # its count begins here
    tracemalloc.start()
    result = check_numbers(cells)
    kept, python = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    beyond = python - kept + pool.max_memory() - pool.bytes_allocated()
    column = cells.memory_usage(index=False, deep=True)
    print(f"{name:<36} {len(result)} rows, column {column / 1e6:5.1f} MB, {beyond / column:5.2f} times as much")


def main() -> None:
    drawn = numbers()
    clean = pd.Series(odd(drawn, 0.02), dtype="str")
    digits = pd.Series([text[1:] for text in drawn]).astype("int64")
    print("Time, 1 M rows:")
    ratio("98 % clean, 2 % odd", clean)
    ratio("all odd", pd.Series(odd(drawn, 1), dtype="str"))
    ratio("spaces in all", pd.Series([f"{text[:4]} {text[4:]}" for text in drawn], dtype="str"))
    ratio("whole numbers (int64)", digits)
    ratio("decimal numbers (float64)", digits.astype("float64"))
    ratio("national numbers of one country", national(), "AE")
    ratio("ten thousand distinct odd ones", pd.Series(odd(drawn[: ROWS // 100], 1) * 100, dtype="str"))
    print(f"{'family() of the clean column':<36} {seconds(family, clean):6.2f} s")
    print("Memory at its peak, beyond input and result:")
    for name, share in (("98 % clean, 2 % odd", 0.02), ("all odd", 1.0)):
        child = multiprocessing.get_context("spawn").Process(target=peak, args=(name, drawn, share))
        child.start()
        child.join()


if __name__ == "__main__":
    main()
