"""The table that is measured with, and what an analyst does with it in a loop."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pandas as pd
import phonenumbers

import d7nb
from d7nb import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

ORIGINATOR, CAMPAIGN = "+12025550100", "balance-2026-11"
BODY = "Hi {name}, your balance is {amount}"
BATCH = 100
E164 = phonenumbers.PhoneNumberFormat.E164


@cache
def phones() -> list[str]:
    """Valid numbers that are nobody's: +1 NPA 555 01xx, +46 70 174 06 xx, +61 491 570 006 and 156."""
    areas = [area for area in range(201, 990) if phonenumbers.is_valid_number(phonenumbers.parse(f"+1{area}5550100"))]
    american = [f"+1{area}55501{last:02}" for area in areas for last in range(100)]
    found = [*american, *(f"+467017406{last:02}" for last in range(5, 100)), "+61491570006", "+61491570156"]
    np.random.default_rng(7).shuffle(found)
    return found


@cache
def people(rows: int) -> pd.DataFrame:
    """Five columns of text. Numbers repeat, one in fifty is written with spaces; no two texts are the same."""
    known, rng = phones(), np.random.default_rng(11)
    written = [known[row % len(known)] for row in range(rows)]
    written = [f"{text[:4]} {text[4:7]} {text[7:]}" if row % 50 == 7 else text for row, text in enumerate(written)]
    names = np.array([f"Name{number}" for number in range(5_000)], dtype=object)
    towns = np.array([f"Town {number}" for number in range(300)], dtype=object)
    return pd.DataFrame(
        {
            "phone": pd.Series(written, dtype="str"),
            "name": pd.Series(names[rng.integers(0, len(names), rows)], dtype="str"),
            "town": pd.Series(towns[rng.integers(0, len(towns), rows)], dtype="str"),
            "amount": pd.Series([f"{row // 7}.{row % 7}{row % 10}" for row in range(rows)], dtype="str"),
            "note": pd.Series([f"note {row}" for row in range(rows)], dtype="str"),
        }
    )


def planned(frame: pd.DataFrame, **options: Any) -> d7nb.Plan:
    return d7nb.plan(frame, Text(BODY), to="phone", originator=ORIGINATOR, campaign=CAMPAIGN, **options)


def posted(plan: d7nb.Plan, batch_size: int = BATCH) -> Iterator[bytes]:
    """The bodies as they are posted: `Plan.requests` gives the same, read back into dicts."""
    builder = plan._decision.request_builder
    return (body for _, body in builder.bodies(builder.batches(plan._ready, batch_size)))


def keys_in(bodies: list[bytes]) -> list[str]:
    """The keys that travel in some requests, in their order."""
    return [
        recipient["reference"]["message_tag5"]
        for body in bodies
        for message in orjson.loads(body)["messages"]
        for recipient in message["recipients"]
    ]


def analysts_loop(frame: pd.DataFrame, keys: list[str]) -> list[str]:
    """What one writes without d7nb. The rows' keys, which nobody would make in such a loop, are handed to it."""
    bodies, messages, key = [], [], iter(keys)
    for _, row in frame.iterrows():
        try:
            number = phonenumbers.parse(row["phone"])
        except phonenumbers.NumberParseException:
            continue
        if not phonenumbers.is_valid_number(number):
            continue
        recipient = {
            "recipient": phonenumbers.format_number(number, E164),
            "reference": {"message_tag5": next(key)},
            "recipient_type": "individual",
        }
        text = f"Hi {row['name']}, your balance is {row['amount']}"
        content = {"message_type": "TEXT", "text": {"body": text}}
        messages.append({"originator": ORIGINATOR, "content": content, "recipients": [recipient]})
        if len(messages) == BATCH:
            bodies.append(json.dumps({"messages": messages}))
            messages = []
    return [*bodies, json.dumps({"messages": messages})] if messages else bodies


def same_as_json(ours: list[bytes], theirs: list[str] | list[bytes]) -> None:
    """Make sure that two ways made the same requests, before any time counts."""
    if list(map(orjson.loads, ours)) != list(map(orjson.loads, theirs)):
        message = "the bodies differ, so their times can't be compared"
        raise AssertionError(message)
