"""What comes back from a send: the input row for row, each with exactly one outcome, and a display that masks."""

from __future__ import annotations

from importlib.util import find_spec
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

import d7nb
from d7nb import Sandbox, Text
from d7nb.display.deliveries import DeliveryView, Reason, delivery_html, delivery_text

if TYPE_CHECKING:
    from collections.abc import Iterator

ORIGINATOR = "+12025550100"
PERSON, OTHER, REFUSED, DOUBTED = "+12025550123", "+12025550124", "+12025550125", "+12025550126"
OUTCOMES = ["accepted", "rejected", "unknown", "unsent", "already_sent", "invalid", "held", "skipped"]
ADDED = ["d7_outcome", "d7_reason", "d7_decided_by", "d7_recipient", "d7_request_id", "d7_created_at"]


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    """One sandbox for many examples."""
    with Sandbox() as running:
        yield running


def delivered(sandbox: Sandbox, frame: pd.DataFrame, content: Any = None, **options: Any) -> d7nb.Delivery:
    """What comes of a frame's column ``phone``, one request after another."""
    planning = {name: options.pop(name) for name in ("campaign", "key") if name in options}
    plan = d7nb.plan(frame, content or Text("Hello"), to="phone", originator=ORIGINATOR, **planning)
    with sandbox.client(**{"rate": None, "workers": 1} | options) as client:
        return plan.send(client, progress=False)


EXAMPLES = count()  # the sandbox forgets, the ledger does not

# The join


def arrow(numbers: list[float]) -> Any:
    """A column that Arrow holds, where pyarrow is installed."""
    return pd.array(numbers, dtype="float64[pyarrow]" if find_spec("pyarrow") else "Float64")


def mixed(count: int) -> pd.DataFrame:
    """Columns of every sort that pandas has."""
    numbers = range(count)
    return pd.DataFrame(
        {
            "whole": pd.array([None if n == 1 else n for n in numbers], dtype="Int64"),
            "plain": np.arange(count, dtype="int16"),
            "float": [float("nan") if n == 0 else n / 3 for n in numbers],
            "word": pd.Categorical(["b" if n % 2 else "a" for n in numbers], categories=["c", "b", "a"], ordered=True),
            "string": pd.array([f"é{n}" if n else None for n in numbers], dtype="string"),
            "arrow": arrow([n / 8 for n in numbers]),
            "listed": pd.Series([[n, [n]] for n in numbers], dtype="object"),
            "any": pd.Series([None if n % 3 else {"n": n} for n in numbers], dtype="object"),
            "time": pd.date_range("2026-11-01", periods=count, tz="Asia/Dubai").as_unit("ms"),
            "span": pd.to_timedelta(list(numbers), unit="h"),
            "flag": pd.array([None if n == 2 else n % 2 == 0 for n in numbers], dtype="boolean"),
            "period": pd.period_range("2026-01", periods=count, freq="M"),
            3: [str(n) for n in numbers],
            "d7_team": "mine",
            "d7_outcome": "from an earlier delivery",
            "d7_status": "delivered",
            "d7_reason": 1.5,
        }
    )


INDEXES = [
    lambda numbers: pd.RangeIndex(5, 5 + 2 * len(numbers), 2, name="n"),
    lambda numbers: pd.Index([n % 2 for n in numbers]),
    lambda numbers: pd.Index([f"+1202555{n:04}" for n in numbers], name="phone"),
    lambda numbers: pd.MultiIndex.from_arrays([[n % 3 for n in numbers], ["x"] * len(numbers)], names=["a", None]),
    lambda numbers: pd.DatetimeIndex(pd.to_datetime([n // 2 for n in numbers], unit="D"), tz="UTC"),
    lambda numbers: pd.CategoricalIndex(["u" if n % 2 else "v" for n in numbers]),
    lambda numbers: pd.Index([None if n == 1 else n for n in numbers], dtype="object"),
]


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_every_row_comes_back_as_it_was_with_exactly_one_outcome(shared: Sandbox, data: st.DataObject) -> None:
    shared.reset()
    phones = st.lists(st.sampled_from([PERSON, OTHER, REFUSED, DOUBTED, "nobody", None]), max_size=8)
    given_phones = data.draw(phones, label="phones")
    count = len(given_phones)
    frame = mixed(count).assign(phone=pd.Series(given_phones, dtype="object"))
    if data.draw(st.booleans(), label="text phones"):
        frame["phone"] = frame["phone"].astype("str")
    frame = frame[data.draw(st.permutations(list(frame.columns)), label="columns")]
    order = data.draw(st.permutations(range(count)), label="order")
    frame = frame.iloc[list(order)].set_axis(data.draw(st.sampled_from(INDEXES), label="index")(list(order)), axis=0)
    frame.attrs["source"] = "test"
    before = frame.copy(deep=True)
    shared.fail_next("refuse", recipient=REFUSED, named=data.draw(st.booleans(), label="named"))
    if data.draw(st.booleans(), label="doubt"):
        shared.fail_next(data.draw(st.sampled_from(["drop_before", "drop_after", "rejected"]), label="fault"))

    # The content is the row's own, so that what the sandbox took in can be told apart.
    text, size = Text("{plain} {d7_outcome}"), data.draw(st.integers(1, 4))
    delivery = delivered(shared, frame, text, batch_size=size, campaign=str(next(EXAMPLES)))
    joined = delivery.frame

    pd.testing.assert_frame_equal(frame, before)
    own = [name for name in frame.columns if name not in {*ADDED, "d7_status"}]
    pd.testing.assert_frame_equal(joined[own], before[own])
    assert joined.attrs == before.attrs
    assert joined.columns.tolist() == [*own, *ADDED]
    assert joined["d7_outcome"].cat.categories.tolist() == OUTCOMES
    assert joined["d7_outcome"].notna().all()
    is_accepted = (joined["d7_outcome"] == "accepted").tolist()
    assert joined["d7_reason"].isna().tolist() == is_accepted
    assert joined["d7_decided_by"].isna().tolist() == is_accepted
    assert delivery.summary == {word: int((joined["d7_outcome"] == word).sum()) for word in OUTCOMES}

    taken = {row.content["text"]["body"]: row for row in shared.messages.itertuples()}
    assert len(taken) == len(shared.messages)
    for phone, number, outcome, recipient, request_id, created_at in zip(
        *(joined[name] for name in ("phone", "plain", "d7_outcome", "d7_recipient", "d7_request_id", "d7_created_at")),
        strict=True,
    ):
        row = taken.get(f"{number} from an earlier delivery")
        if outcome == "accepted":
            assert row is not None
            assert (row.recipient, row.request_id) == (recipient, request_id)
            assert pd.Timestamp(row.created_at) == created_at
        elif outcome != "unknown":
            assert row is None
        assert (outcome == "invalid") == (phone not in {PERSON, OTHER, REFUSED, DOUBTED})
        assert pd.isna(recipient) == (outcome == "invalid")

    went = joined["d7_outcome"].isin(["accepted", "rejected", "unknown"]).sum()
    assert delivery.requests.loc[delivery.requests["outcome"] != "taken apart", "rows"].sum() == went


def test_types_of_the_added_columns_do_not_depend_on_what_happened(sandbox: Sandbox) -> None:
    frame = pd.DataFrame({"phone": [PERSON, OTHER]})
    well = delivered(sandbox, frame)
    sandbox.fail_next("status", code=401)
    badly, never = delivered(sandbox, frame), delivered(sandbox, pd.DataFrame({"phone": ["nobody"]}))
    for delivery in (badly, never):
        assert delivery.frame[ADDED].dtypes.equals(well.frame[ADDED].dtypes)
        assert delivery.requests.dtypes.equals(well.requests.dtypes)
    assert str(well.frame["d7_created_at"].dtype) == "datetime64[us, UTC]"
    assert {str(well.frame[name].dtype) for name in ("d7_reason", "d7_recipient", "d7_request_id")} == {"str"}


def test_a_frame_that_was_delivered_before_gets_new_columns_in_place_of_the_old(sandbox: Sandbox) -> None:
    frame = pd.DataFrame({"d7_outcome": ["?"], "phone": [PERSON], "d7_msg_id": ["x"], "d7_status_at": [1]})
    first = delivered(sandbox, frame).frame
    assert first.columns.tolist() == ["phone", *ADDED]
    assert delivered(sandbox, first).frame.columns.tolist() == ["phone", *ADDED]
    twice = pd.concat([first, first[["d7_outcome"]]], axis=1)
    assert delivered(sandbox, twice).frame.columns.tolist() == ["phone", *ADDED]


def test_columns_of_several_levels_stay_so(sandbox: Sandbox) -> None:
    columns = pd.MultiIndex.from_tuples([("who", "phone"), ("d7_outcome", "")], names=["a", "b"])
    frame = pd.DataFrame([[PERSON, "old"]], columns=columns)
    plan = d7nb.plan(frame, Text("Hello"), to=("who", "phone"), originator=ORIGINATOR)
    with sandbox.client() as client:
        joined = plan.send(client, progress=False).frame
    assert joined.columns.tolist() == [("who", "phone"), *((name, "") for name in ADDED)]
    assert joined["d7_outcome"].tolist() == ["accepted"]


def test_frames_that_a_delivery_gave_out_are_the_user_s_own(sandbox: Sandbox) -> None:
    frame = pd.DataFrame({"phone": [PERSON], "name": ["Ali"]})
    delivery = delivered(sandbox, frame)
    joined, requests = delivery.frame, delivery.requests
    joined["d7_outcome"] = "rejected"
    joined.loc[:, "name"] = "Mallory"
    requests["outcome"] = "rejected"
    assert delivery.frame["d7_outcome"].tolist() == ["accepted"]
    assert delivery.frame["name"].tolist() == ["Ali"]
    assert frame["name"].tolist() == ["Ali"]
    assert delivery.requests["outcome"].tolist() == ["accepted"]
    assert delivery.summary["accepted"] == 1


def test_a_row_that_the_plan_kept_back_keeps_its_reason(sandbox: Sandbox) -> None:
    frame = pd.DataFrame({"phone": [PERSON, "nobody", PERSON], "name": "Ali"}, index=["a", "b", "c"])
    delivery = delivered(sandbox, frame)
    plan = d7nb.plan(frame, Text("Hello"), to="phone", originator=ORIGINATOR)
    assert delivery.frame["d7_outcome"].tolist() == ["accepted", "invalid", "skipped"]
    pd.testing.assert_series_equal(delivery.frame["d7_reason"], plan.rows["reason"], check_names=False)
    pd.testing.assert_series_equal(delivery.frame["d7_decided_by"], plan.rows["decided_by"], check_names=False)
    assert len(delivery) == 3


def test_at_every_glance_at_a_running_delivery_the_books_are_whole(sandbox: Sandbox) -> None:
    frame = pd.DataFrame({"phone": [f"+1{area}55501{last}" for area in (202, 212, 213) for last in range(10, 100)]})
    plan = d7nb.plan(frame, Text("Hello"), to="phone", originator=ORIGINATOR)
    with sandbox.client(rate=None, batch_size=1) as client:
        delivery = plan.send(client, wait=False)
        glances = []
        while not delivery.done:
            joined = delivery.frame
            is_accepted = joined["d7_outcome"] == "accepted"
            assert joined["d7_reason"].isna().equals(is_accepted)
            assert joined["d7_request_id"].notna().equals(is_accepted)
            glances.append(int(is_accepted.sum()))
    assert glances == sorted(glances)
    assert delivery.summary["accepted"] == len(frame)


# RequestCounts


def test_requests_tell_what_each_came_to(sandbox: Sandbox) -> None:
    sandbox.fail_next("status", code=429, retry_after=0)
    sandbox.fail_next("refuse", recipient=REFUSED)
    delivery = delivered(sandbox, pd.DataFrame({"phone": [PERSON, OTHER, REFUSED]}), batch_size=2)
    first, second = delivery.requests.to_dict("records")
    assert list(first) == [
        *("request_id", "created_at", "outcome", "rows", "originator", "status", "code", "attempts", "reason")
    ]
    messages = sandbox.messages
    assert first == {
        "request_id": messages["request_id"].iloc[0],
        "created_at": messages["created_at"].iloc[0],
        "outcome": "accepted",
        "rows": 2,
        "originator": ORIGINATOR,
        "status": 200,
        "code": "",
        "attempts": 2,
        "reason": "",
    }
    assert (second["outcome"], second["rows"], second["status"], second["attempts"]) == ("rejected", 1, 422, 1)
    assert pd.isna(second["request_id"])
    assert second["reason"].startswith("D7 answered 422")


def test_without_requests_there_is_an_empty_frame(sandbox: Sandbox) -> None:
    assert delivered(sandbox, pd.DataFrame({"phone": ["nobody"]})).requests.empty


# What is shown

EVIL = "<script>alert(1)</script>"
SAFE = "&lt;script&gt;alert(1)&lt;/script&gt;"


def test_a_delivery_s_display_escapes_d7_s_words_and_column_names(sandbox: Sandbox) -> None:
    sandbox.fail_next("status", code=400, body={"detail": {"code": EVIL, "message": EVIL}})
    frame = pd.DataFrame({"phone": [PERSON, OTHER], EVIL: ["x", None]})
    delivery = delivered(sandbox, frame, Text("{" + EVIL + "}"))
    html = delivery._repr_html_()
    assert "<script" not in html
    assert html.count(SAFE) >= 3  # D7's code, D7's message, the column's name
    assert EVIL in repr(delivery)


def test_no_display_of_a_delivery_shows_a_whole_number(sandbox: Sandbox) -> None:
    words = {"detail": {"code": "X", "message": f"no route to {PERSON}, nor to 1 (202) 555-0124"}}
    sandbox.fail_next("status", code=400, body=words)
    frame = pd.DataFrame({"phone": [PERSON, PERSON, f"{OTHER}x"]}).set_index("phone", drop=False)
    delivery = delivered(sandbox, frame)
    for text in (repr(delivery), delivery._repr_html_()):
        assert PERSON[1:] not in text
        assert OTHER[1:] not in text
        assert "555-0124" not in text
        assert "no route to +120••••••23" in text
        assert "index &#39;+120••••••23&#39;" in text or "index '+120••••••23'" in text
    assert delivery.frame["d7_recipient"].dropna().tolist() == [PERSON, PERSON]


def test_reasons_are_masked_whoever_gave_them() -> None:
    summary = dict.fromkeys(OUTCOMES, 0) | {"skipped": 1}
    reasons = [Reason("skipped", f"list of {PERSON}", f"asked for by {PERSON}", 1)]
    shown = DeliveryView(summary, reasons, None, done=True, warnings=[f"to {PERSON}"])
    for text in (delivery_text(shown), delivery_html(shown)):
        for words in ("list of", "asked for by", "to"):
            assert f"{words} +120••••••23" in text


def test_a_delivery_shows_outcomes_what_they_mean_and_the_most_frequent_reasons(sandbox: Sandbox) -> None:
    frame = pd.DataFrame({"phone": [PERSON, *[PERSON] * 9, "nobody", "nobody"]})
    delivery = delivered(sandbox, frame)
    lines = repr(delivery).splitlines()
    assert lines[0] == "Delivery of 12 rows: 1 accepted"
    assert lines[1] == "  1 request"
    assert "1 accepted: D7 took it" in lines[2]
    assert [line.split()[:2] for line in lines[3:5]] == [["2", "invalid:"], ["9", "skipped:"]]
    assert lines[5] == "  2 reasons:"


def test_reasons_that_differ_in_names_and_numbers_alone_are_one(sandbox: Sandbox) -> None:
    twice = pd.DataFrame({"phone": [number for last in range(10, 22) for number in [f"+120255501{last}"] * 2]})
    shown = delivered(sandbox, twice)
    words = "the same as the row at position 0 (index 0) (and 11 reasons like it)"
    assert f"    12 skipped: {words} [duplicates]" in repr(shown).splitlines()
    assert words in shown._repr_html_()


def test_of_many_reasons_the_most_frequent_are_shown(sandbox: Sandbox) -> None:
    skip = d7nb.row_filter(lambda rows: rows["why"], name="why", register=False)
    letters = [letter for place, letter in enumerate("abcdefghij") for _ in range(place + 1)]
    frame = pd.DataFrame({"phone": [f"+1202555{n:04}" for n in range(100, 155)], "why": letters})
    plan = d7nb.plan(frame, Text("Hello"), to="phone", originator=ORIGINATOR, filters=[skip])
    shown = plan.delivery()
    assert "  10 reasons, the 8 most frequent (for all: delivery.frame):" in repr(shown).splitlines()
    assert "10 reasons, the 8 most frequent (for all: delivery.frame)" in shown._repr_html_()
    assert repr(shown).count(" skipped: ") == 1 + 8  # the outcome, and its reasons
    assert "    10 skipped: j [why]" in repr(shown).splitlines()
