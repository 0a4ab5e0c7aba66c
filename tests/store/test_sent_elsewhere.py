"""People whom another tool wrote to count as written to, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

import d7nb
from d7nb.errors import ColumnError, PlanError
from d7nb.ledger import Ledger
from d7nb.store.counts import count_in_window
from tests.support.plans import ORIGINATOR, PHONES

CAMPAIGN = "balance-2026-11"


@pytest.fixture
def ledger(place: str) -> Iterator[Ledger]:
    with Ledger(place) as opened:
        yield opened


@pytest.fixture
def client(sandbox: d7nb.Sandbox) -> Iterator[d7nb.Client]:
    with sandbox.client() as opened:
        yield opened


def customers(count: int = 4) -> pd.DataFrame:
    orders = [f"order-{row}" for row in range(count)]
    return pd.DataFrame({"phone": PHONES[:count], "order": orders, "shop": ["A"] * count})


def send(frame: pd.DataFrame, ledger: Ledger, client: d7nb.Client, said: str = "Hi", **options: Any) -> list[str]:
    resend = options.pop("resend", None)
    plan = d7nb.plan(frame, d7nb.Text(said), to="phone", originator=ORIGINATOR, campaign=CAMPAIGN, **options)
    return plan.send(client, ledger=ledger, progress=False, resend=resend).frame["d7_outcome"].tolist()


def import_sent(ledger: Ledger, frame: pd.DataFrame, client: d7nb.Client | None, **options: Any) -> int:
    return ledger.import_sent(frame, **{"campaign": CAMPAIGN, "to": "phone", "client": client, **options})


def test_whom_another_tool_wrote_to_is_held_whatever_the_text(ledger: Ledger, client: d7nb.Client) -> None:
    assert import_sent(ledger, customers(2), client) == 2
    assert send(customers(), ledger, client) == ["held", "held", "accepted", "accepted"]
    assert send(customers(), ledger, client, "Hello") == ["held"] * 4
    assert send(customers(3), ledger, client, "Hello", resend="changed") == ["accepted"] * 3
    assert send(customers(3), ledger, client, "Hello") == ["already_sent"] * 3


def test_with_the_plan_s_key_the_rows_are_already_sent(ledger: Ledger, client: d7nb.Client) -> None:
    assert import_sent(ledger, customers(2), client, key=["order", "shop"]) == 2
    assert send(customers(), ledger, client, key=["order", "shop"]) == ["already_sent"] * 2 + ["accepted"] * 2
    other_order = customers().assign(order="order-9")
    assert send(other_order[:1], ledger, client, key=["order", "shop"]) == ["accepted"]  # one more row of that person
    assert send(customers(1), ledger, client, key=["shop", "order"]) == ["held"]  # another order is another recipe
    assert send(customers(1), ledger, client) == ["held"]


def test_people_count_also_after_it_is_known_how_the_campaign_s_rows_are_told_apart(
    ledger: Ledger, client: d7nb.Client
) -> None:
    assert send(customers(2), ledger, client, key="order") == ["accepted"] * 2
    assert import_sent(ledger, customers(4), client) == 4
    assert send(customers(4), ledger, client, key="order") == ["already_sent"] * 2 + ["held"] * 2
    more = customers(4).assign(order="order-9")
    assert send(more[3:], ledger, client, key="order") == ["held"]


def test_people_who_are_imported_during_a_send_are_held(ledger: Ledger, client: d7nb.Client, place: str) -> None:
    """The run looked before; it asks again when it claims."""
    import_sent(ledger, customers(1).assign(phone=PHONES[9]), client, key="order")  # how rows are told apart is known

    def imports(ready: pd.DataFrame) -> pd.Series:
        with Ledger(place) as other:
            import_sent(other, customers(2), client)
        return pd.Series([None] * len(ready), index=ready.index, dtype=object)

    at_once = d7nb.row_filter(register=False)(imports)
    for options in ({"key": "order"}, {}):
        outcomes = send(customers(3).assign(order=["a", "b", "c"]), ledger, client, filters=[at_once], **options)
        assert outcomes == ["held", "held", "accepted" if options else "held"]


def test_a_person_is_imported_once(ledger: Ledger, client: d7nb.Client) -> None:
    twice = pd.concat([customers(2), customers(2)], ignore_index=True)
    assert import_sent(ledger, twice, client) == 2
    assert import_sent(ledger, customers(3), client) == 1
    assert len(ledger.frame()) == 3
    assert import_sent(ledger, twice, client, key="order") == 2  # rows of their own: which text they got is known
    assert import_sent(ledger, customers(0), client) == 0
    assert send(customers(1), ledger, client, key="order") == ["already_sent"]


def test_a_sent_row_stays_as_it_is(ledger: Ledger, client: d7nb.Client) -> None:
    assert send(customers(2), ledger, client, key="order") == ["accepted"] * 2
    before = ledger.frame()
    assert import_sent(ledger, customers(3), client, key="order") == 1
    pd.testing.assert_frame_equal(ledger.frame()[:2], before)


def test_an_import_is_of_one_campaign_and_destination(ledger: Ledger, client: d7nb.Client) -> None:
    import_sent(ledger, customers(1), None)  # at the real API
    import_sent(ledger, customers(1), client, campaign="another")
    assert send(customers(1), ledger, client) == ["accepted"]


def test_it_counts_in_a_window_from_when_it_was_sent(ledger: Ledger, client: d7nb.Client) -> None:
    now = datetime.now(UTC)
    import_sent(ledger, customers(2), client, at=now - timedelta(days=3))
    import_sent(ledger, customers(3), client)
    soon = now + timedelta(minutes=1)
    day, week = (
        count_in_window(ledger._database, client.destination, until=soon, length=timedelta(days=days))
        for days in (1, 7)
    )
    assert (day, week) == ((1, 1), (3, 3))


def test_national_forms_are_read_with_a_country(ledger: Ledger, client: d7nb.Client) -> None:
    national = pd.DataFrame({"phone": ["(202) 555-0100", "202 555 0101"], "land": ["US", "US"]})
    with pytest.raises(PlanError):
        import_sent(ledger, national, client)
    assert import_sent(ledger, national[:1], client, country="US") == 1
    assert import_sent(ledger, national, client, country=d7nb.col("land")) == 1
    assert send(customers(3), ledger, client) == ["held", "held", "accepted"]


@pytest.mark.parametrize(
    ("frame", "options", "words"),
    [
        ({"phone": ["12025550100"]}, {}, r"^1 row can't be imported, so nothing was: row 0, column 'phone': .*country"),
        ({"phone": [PHONES[0], "12025550101", "12025550102"]}, {}, r"^2 rows can't be imported, so nothing was: row 1"),
        ({"phone": [PHONES[0], "no number"]}, {}, r"row 1, column 'phone'"),
        ({"phone": [PHONES[0], None]}, {}, r"row 1, column 'phone'"),
        ({"phone": [PHONES[0], ""]}, {}, r"row 1, column 'phone'"),
        ({"phone": PHONES[:2], "order": ["1", None]}, {"key": "order"}, r"row 1, column 'order': the cell is empty"),
        ({"phone": PHONES[:2], "order": ["1", " "]}, {"key": "order"}, r"row 1, column 'order': the cell is empty"),
        ({"phone": PHONES[:1]}, {"campaign": ""}, "a campaign's name is a text that is not empty"),
        ({"phone": PHONES[:1]}, {"campaign": None}, "a campaign's name is a text that is not empty"),
        ({"phone": ["202 555 0100"]}, {"country": "Atlantis"}, "row 0, column 'phone': .*country"),
    ],
    ids=["bare", "some bare", "broken", "missing", "empty", "no key", "a blank key", "no name", "None", "no country"],
)
def test_what_can_t_be_used_is_refused_as_a_whole(
    ledger: Ledger, client: d7nb.Client, frame: dict[str, list[Any]], options: dict[str, Any], words: str
) -> None:
    with pytest.raises(PlanError, match=words) as refused:
        import_sent(ledger, pd.DataFrame(frame), client, **options)
    assert not any(number.removeprefix("+") in str(refused.value) for number in [*PHONES[:3]])
    assert ledger.frame().empty
    assert ledger.campaigns().empty


@pytest.mark.parametrize(
    "options", [{"to": "fone"}, {"key": "ordr"}, {"key": ["order", "ordr"]}, {"country": d7nb.col("land")}]
)
def test_an_unknown_column_is_named(ledger: Ledger, client: d7nb.Client, options: dict[str, Any]) -> None:
    with pytest.raises(ColumnError, match=r"fone|ordr|land"):
        import_sent(ledger, customers(2), client, **options)
    assert ledger.frame().empty


def test_a_time_without_a_zone_is_refused(ledger: Ledger, client: d7nb.Client) -> None:
    with pytest.raises(ValueError, match="zone"):
        import_sent(ledger, customers(2), client, at=datetime(2026, 11, 1))  # noqa: DTZ001
    assert ledger.frame().empty
