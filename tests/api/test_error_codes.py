"""Reasons with a verb: what each code means, that it is found in whatever words it stands, and where it is shown."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, strategies as st

import d7nb
from d7nb import errors
from d7nb.api.error_codes import ADVICE, ERROR_CODES, advice_for, find_error_code
from d7nb.delivery.outcomes import OUTCOMES
from d7nb.display.deliveries import DeliveryView, Reason, delivery_html, delivery_text, group_reasons
from tests.support.html import Element, read
from tests.support.plans import PHONES
from tests.support.samples import saying

D7_CODES = {
    *("ACCESS_TOKEN_SIGNATURE_VERIFICATION_FAILED", "ACCESS_TOKEN_EXPIRED", "APPLICATION_NOT_EXISTS"),
    *("MESSAGE_LOG_NOT_EXISTS", "INVALID_WHATSAPP_ORIGINATOR", "TEMPLATE_PARAMETER_COUNT_MISMATCH"),
    *("WHATSAPP_LOG_NOT_EXISTS", "WHATSAPP_MESSAGE_NOT_EXISTS", "rejected"),
    *(f"http_{status}" for status in (400, 401, 402, 403, 404, 408, 409, 413, 422, 429, "5xx")),
}
"""D7's own codes and statuses, as far as they are known."""
OF_THE_SANDBOX = {131047, 131026, 130429, 131056, 131051, 131052, 131053, 131008, 131009, 131049, 130472, 131031, 368}
OF_THE_SANDBOX |= {131000, 131016, 132000, 132001, 132012}
"""Meta's codes that the sandbox gives as reasons of a failed message."""
LONG = sorted(entry.code for entry in ERROR_CODES if entry.by == "Meta" and len(entry.code) == 6)
SHORT = sorted(entry.code for entry in ERROR_CODES if entry.by == "Meta" and len(entry.code) < 6)


# the table


def test_the_table_is_a_frame_of_texts() -> None:
    table = d7nb.reasons()
    assert table.columns.tolist() == ["code", "by", "meaning", "verb", "source"]
    assert set(table.dtypes.astype(str)) == {"str"}
    assert table["code"].is_unique
    assert table.notna().all(axis=None)
    assert set(table["by"]) == {"D7", "Meta"}
    assert set(table["verb"]) == set(ADVICE)


def test_all_that_d7_is_known_to_say_is_in_it_and_what_meta_says() -> None:
    table = d7nb.reasons()
    assert set(table.loc[table["by"] == "D7", "code"]) == D7_CODES
    assert set(map(str, OF_THE_SANDBOX)) <= set(table.loc[table["by"] == "Meta", "code"])


def test_each_entry_says_where_it_is_from_and_how_sure_that_is() -> None:
    for entry in ERROR_CODES:
        assert re.match(r'(D7, WhatsApp API reference|Meta), "[\w -]+"|not documented: (in|our) ', entry.source), entry
        assert entry.source.startswith("Meta, ") == (entry.by == "Meta")
        assert entry.meaning[0].islower() or entry.meaning.startswith(("D7", "Meta"))
        assert not entry.meaning.endswith(".")
        assert len(entry.meaning) < 85


# a code in a reason


@pytest.mark.parametrize(
    ("reason", "verb"),
    [
        ("131047: Re-engagement message", "fix the data"),
        ("131047", "fix the data"),
        (131047, "fix the data"),
        ("(#131026) Message undeliverable", "fix the data"),
        ("Error 131050", "never again"),
        ("Message failed, 131049.", "wait a day"),
        ("undeliverable (131056)", "wait"),
        ('{"code": 131042, "title": "Business eligibility payment issue"}', "ask D7"),
        ('[{"error_code":"190"}]', "ask D7"),
        ("(#4) Application request limit reached", "wait"),
        ("(#368) Temporarily blocked", "ask D7"),
        ("failed with code 100", "fix the data"),
        ("Error code: 80007", "wait"),
        ("code=2", "wait"),
        ("(#230) Permissions error", "ask D7"),
        (4, "wait"),
        ("4", "wait"),
        ("D7 answered 404 INVALID_WHATSAPP_ORIGINATOR: no such number", "ask D7"),
        ("WHATSAPP_LOG_NOT_EXISTS", "wait"),
        ("not tried: D7 answered 429: slow down", "wait"),
        ("D7 answered 503, which does not say whether it took the messages", "ask D7"),
        ("D7 answered 422: content.text.body: too long", "fix the data"),
        ("http_402", "ask D7"),
        ("rejected", "ask D7"),
        ("D7 answered 400: (#131049) not now", "wait a day"),  # what is said tells more than the status
        ("D7 took the request and rejected it (ask D7)", "ask D7"),
    ],
    ids=repr,
)
def test_a_code_is_found_in_the_words_around_it(reason: str | int, verb: str) -> None:
    assert advice_for(reason) == verb


@pytest.mark.parametrize(
    "reason",
    [
        "",
        "Read by the user",
        "not tried: the send was stopped",
        "4 of 100 people, 368 rows, 80007 in all",
        "1310471",
        "2131047",
        "131047.50 AED",
        "1,131047",
        "+131047",
        "131••••47",
        "id 131047abc and abc131047",
        "131999: nobody knows",
        "country code 1, zip code 100",
        "status code 200",
        "error_subcode: 33",
        "code 131047.5",
        "the template was rejected",
        "NO_INVALID_WHATSAPP_ORIGINATOR_HERE",
        "D7 answered 405: Method Not Allowed",
        "at 13:10:47",
        "(fix the data) it said",
        None,
        float("nan"),
        pd.NA,
    ],
    ids=repr,
)
def test_what_only_looks_like_a_code_is_none(reason: Any) -> None:
    assert advice_for(reason) is None


@given(st.sampled_from(LONG), st.text(alphabet=" :;,()[]#'\"\n", max_size=4), st.text(alphabet="ab :;(", max_size=4))
def test_the_clouds_own_codes_are_found_wherever_they_stand_alone(code: str, before: str, after: str) -> None:
    found = find_error_code(f"{before}{code} {after}")
    assert found is not None
    assert found.code == code


@given(st.sampled_from(SHORT), st.integers(0, 10**9))
def test_short_codes_are_found_only_where_they_are_called_so(code: str, number: int) -> None:
    called = code.partition("-")[0]
    found = find_error_code(f"(#{called}) said Meta")
    assert found is not None
    assert found.code == code
    assert find_error_code(f"{called} rows and {number} more than {called}") in {None, find_error_code(str(number))}


def test_a_number_of_any_length_is_no_code() -> None:
    assert advice_for("1" * 5_000) is None


@given(st.text())
def test_no_words_break_the_search(words: str) -> None:
    assert advice_for(words) in {None, *ADVICE}


# where it is shown


def said(status: int, detail: Any, sandbox: d7nb.Sandbox) -> errors.Refused:
    sandbox.fail_next("status", code=status, body={"detail": detail})
    with sandbox.client() as client, pytest.raises(errors.Refused) as caught:
        client.post({})
    return caught.value


@pytest.mark.parametrize(
    ("status", "detail", "end"),
    [
        (400, {"code": "TEMPLATE_PARAMETER_COUNT_MISMATCH", "message": "takes 2"}, "takes 2 (fix the data)"),
        (401, "who are you", "make a new one in D7's dashboard (ask D7)"),
        (402, "", "top it up and send again (ask D7)"),
        (404, [{"code": "INVALID_WHATSAPP_ORIGINATOR", "message": "No"}], "INVALID_WHATSAPP_ORIGINATOR: No (ask D7)"),
        (422, [{"loc": ["body", "x"], "msg": "Field required", "type": "missing"}], "Field required (fix the data)"),
        (429, "slow down", "slow down (wait)"),
        (405, "Method Not Allowed", "D7 answered 405: Method Not Allowed"),
    ],
)
def test_the_error_of_a_refusal_ends_with_what_to_do(sandbox: d7nb.Sandbox, status: int, detail: Any, end: str) -> None:
    assert str(said(status, detail, sandbox)).endswith(end)


def test_a_rejected_row_says_what_to_do_and_the_display_says_it_once() -> None:
    with d7nb.Sandbox(originators=[PHONES[50]]) as sandbox, sandbox.client() as client:
        delivery = saying("a", "b").send(client, progress=False)
    assert set(delivery.frame["d7_outcome"]) == {"rejected"}
    assert all(reason.endswith(" (ask D7)") for reason in delivery.frame["d7_reason"])
    (row,) = rows(delivery._repr_html_())
    assert row[-1] == "ask D7"
    assert "(ask D7)" not in row[2]
    (line,) = [line for line in repr(delivery).splitlines() if "INVALID_WHATSAPP_ORIGINATOR" in line]
    assert line.endswith(" (ask D7) [D7]")
    assert line.count("ask D7") == 1


def test_the_display_has_no_column_for_what_to_do_where_nobody_knows() -> None:
    html = delivery_html(shown(Reason("skipped", "mine", "owes 131047 AED", 1)))
    assert "what to do</th>" not in html
    assert len(rows(html)[0]) == 4
    assert "(" not in delivery_text(shown(Reason("skipped", "mine", "owes 131047 AED", 1))).splitlines()[-1]


def test_reasons_with_different_verbs_are_told_apart() -> None:
    told = [
        Reason("rejected", "D7", "131026: Message failed", 2),
        Reason("rejected", "D7", "131047: Message failed", 3),
        Reason("rejected", "D7", "131049: Message failed", 1),
    ]
    assert [(each.advice, each.rows) for each in group_reasons(told)] == [("fix the data", 5), ("wait a day", 1)]


def test_what_a_filter_says_is_no_code() -> None:
    assert group_reasons([Reason("skipped", "mine", "131047", 1)])[0].advice == ""


def test_every_row_of_the_reasons_has_a_cell_in_every_column() -> None:
    html = delivery_html(shown(Reason("rejected", "D7", "(#131049) x", 2), Reason("unsent", "d7nb", "stopped", 1)))
    assert [row[2:] for row in rows(html)] == [["(#131049) x", "D7", "wait a day"], ["stopped", "d7nb", ""]]


def shown(*reasons: Reason) -> DeliveryView:
    summary = dict.fromkeys(OUTCOMES, 0) | {reasons[0].outcome: sum(reason.rows for reason in reasons)}
    return DeliveryView(summary, reasons, None, done=True, warnings=[])


def rows(html: str) -> list[list[str]]:
    """The rows of the table of reasons."""
    (table,) = [each for each in read(html).all("table") if "reason" in each.all("caption")[0].text]
    return [[cell.text for cell in row.children if isinstance(cell, Element)] for row in table.all("tr")][1:]
