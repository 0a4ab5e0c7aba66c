"""What reports and events say, in every form in which they may come; and that nothing in them raises."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from d7nb.api.inbound import META, SANDBOX, InboundShape
from d7nb.api.reports import ParsedEvents, parse_events, parse_report
from d7nb.api.statuses import StatusUpdate
from d7nb.events.stop_words import STOP_WORDS, is_stop
from d7nb.sandbox import INBOUND_FIELDS

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
KEY = "KEY" + "A" * 23
PERSON, BUSINESS = "+12025550123", "+12025550100"
EVENT = {
    "event_type": "DELIVERY_EVENTS",
    "timestamp": 1795425887348,
    "date": "2026-November-23",
    "request_id": "0012c7f5-2ba5-49db-8901-4ee9be6dc8d1",
    "msg_id": "0012c7f5-2ba5-11ee-8901-0242ac120002",
    "recipient": PERSON,
    "originator": BUSINESS,
    "cust_ref": "order-17",
    "message_tag5": KEY,
    "status": "delivered",
}
UPDATE = StatusUpdate(
    request_id="0012c7f5-2ba5-49db-8901-4ee9be6dc8d1",
    status="delivered",
    at=datetime(2026, 11, 23, 9, 24, 47, 348000, tzinfo=UTC),
    msg_id="0012c7f5-2ba5-11ee-8901-0242ac120002",
    references=("order-17", KEY),
    recipient=PERSON,
)


def read(body: Any, **options: Any) -> ParsedEvents:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return parse_events(content, NOW, **options)


def only(body: Any) -> StatusUpdate:
    found = read(body)
    assert not found.unparsed
    assert not found.inbound
    (update,) = found.updates
    return update


def why(body: Any, **options: Any) -> str:
    found = read(body, **options)
    assert found.is_unreadable
    return found.unparsed[0].why


class TestDeliveryEvents:
    def test_d7_s_own_sample_is_read(self) -> None:
        assert only(EVENT) == UPDATE

    @pytest.mark.parametrize(
        "change",
        [
            {"reference": {"cust_ref": "order-17", "message_tag5": KEY}, "cust_ref": None, "message_tag5": None},
            {"reference": {"cust_ref": "order-17"}, "cust_ref": None},
            {"custRef": "order-17", "messageTag5": KEY, "cust_ref": "", "message_tag5": ""},
            {"reference": None},
            {"reference": "order-17"},
            {"timestamp": "1795425887348"},
            {"timestamp": 1795425887.348},
            {"timestamp": "2026-11-23T13:24:47.348+04:00"},
            {"recipient": 12025550123},
            {"recipient": "+1 (202) 555-0123"},
            {"status": " Delivered "},
            {"event_type": None},
            {"event_type": "SOMETHING_NEW"},
        ],
        ids=repr,
    )
    def test_other_forms_of_it_say_the_same(self, change: dict[str, Any]) -> None:
        found = only({**EVENT, **change})
        assert set(found.references) == {"order-17", KEY}
        assert found.recipient.lstrip("+") == PERSON.lstrip("+")
        assert found[:4] == UPDATE[:4]

    def test_a_list_of_events_and_a_form_are_read_as_well(self) -> None:
        assert read([EVENT, EVENT]).updates == [UPDATE, UPDATE]
        assert only(urlencode(EVENT).encode()) == UPDATE
        nested = {name: value for name, value in EVENT.items() if name not in {"cust_ref", "message_tag5"}}
        form = {**nested, "reference[cust_ref]": "order-17", "reference.message_tag5": KEY}
        assert only(urlencode(form).encode()) == UPDATE
        assert only(b"\xef\xbb\xbf" + json.dumps(EVENT).encode()) == UPDATE

    @pytest.mark.parametrize(
        "timestamp", [None, "soon", True, -1, 0, 1, 1e300, float("1e15"), 10**18, "nan", "2026-11-23T09:00", [], {}]
    )
    def test_a_time_that_is_none_is_the_time_of_receipt(self, timestamp: Any) -> None:
        assert only({**EVENT, "timestamp": timestamp}).at == NOW

    def test_a_time_may_be_a_little_ahead_of_our_clock_and_no_more(self) -> None:
        ahead = NOW + timedelta(minutes=5)
        assert only({**EVENT, "timestamp": ahead.timestamp()}).at == ahead
        assert only({**EVENT, "timestamp": (NOW + timedelta(days=2)).timestamp() * 1000}).at == NOW

    @pytest.mark.parametrize(
        ("status", "reason", "expected"),
        [
            ("dropped", None, ("failed", "dropped")),
            ("UNDELIVERED", "131026: not on WhatsApp", ("failed", "undelivered: 131026: not on WhatsApp")),
            ("failed", {"code": 131047}, ("failed", '{"code":131047}')),
            ("Throttled", " wait\0 ", ("Throttled", "wait")),
            ("read", "x" * 5000, ("read", "x" * 1000)),
        ],
    )
    def test_words_are_ours_and_what_that_loses_is_the_reason(self, status: str, reason: Any, expected: Any) -> None:
        found = only({**EVENT, "status": status, "reason": reason})
        assert (found.status, found.reason) == expected

    @pytest.mark.parametrize(
        "change",
        [
            {"request_id": None},
            {"request_id": " "},
            {"request_id": "x" * 500},
            {"request_id": ["r"]},
            {"request_id": "r\0"},
            {"status": None},
            {"status": ""},
            {"status": 3},
            {"status": "x" * 61},
            {"status": "re\0ad"},
        ],
        ids=repr,
    )
    def test_without_a_request_or_a_status_it_is_none(self, change: dict[str, Any]) -> None:
        assert why({**EVENT, **change}) == "a delivery event needs a request_id and a status"

    def test_marks_that_are_no_text_are_passed_over(self) -> None:
        assert only({**EVENT, "cust_ref": 17, "message_tag5": ["a"], "message_tag1": "x" * 300}).references == ()


class TestBadBodies:
    @pytest.mark.parametrize(
        ("body", "said"),
        [
            (b"", "it is empty"),
            (b" \r\n", "it is empty"),
            (b"[]", "it is an empty list"),
            (b"17", "it is JSON, but neither an object nor a list"),
            (b'"DELIVERY_EVENTS"', "it is JSON, but neither an object nor a list"),
            (b"[[]]", "it is not a JSON object"),
            (b"<html>", "it is neither JSON nor a form"),
            (b"\xff\xfe\x00", "it is neither JSON nor a form"),
            (b'{"status": "read"', "it is neither JSON nor a form"),
            (b'{"status": NaN}', "it is neither JSON nor a form"),
            (b"&".join(b"a%d=1" % field for field in range(300)), "it is neither JSON nor a form"),
            (b"a=b&c=d", "it is not a known kind of event"),
            (b"{}", "it is not a known kind of event"),
            (b'{"event_type": "TEMPLATE_EVENTS"}', "it is not a known kind of event: TEMPLATE_EVENTS"),
            (b'{"event_type": "DELIVERY_EVENTS"}', "a delivery event needs a request_id and a status"),
        ],
    )
    def test_it_is_said_why(self, body: bytes, said: str) -> None:
        assert why(body) == said

    def test_of_a_list_what_can_be_read_is_read_and_only_the_rest_is_bad(self) -> None:
        found = read([EVENT, {"event_type": "OTHER"}, EVENT, 3])
        assert found.updates == [UPDATE, UPDATE]
        assert [part.text for part in found.unparsed] == ['{"event_type":"OTHER"}', "3"]
        assert not found.is_unreadable

    def test_a_body_full_of_bad_ones_leaves_a_few_and_their_count(self) -> None:
        found = read([{}] * 20_000)
        assert len(found.unparsed) == 21
        assert found.unparsed[-1] == ("the same body has 19,980 more that could not be read", "")

    def test_of_a_large_one_only_the_beginning_is_kept(self) -> None:
        assert len(read(b"<" * 50_000).unparsed[0].text) == len(read([{"a": "b" * 50_000}]).unparsed[0].text) == 2_000

    def test_one_that_is_nested_too_deep_to_be_written_again_is_bad_too(self) -> None:
        assert why(b'{"a":' * 400 + b"1" + b"}" * 400) == "it is not a known kind of event"


SANDBOX_EVENT = {
    "event_type": "SANDBOX_INBOUND_EVENT",
    "timestamp": int((NOW - timedelta(minutes=5)).timestamp() * 1000),
    "message_id": "wamid.1",
    "sender": PERSON,
    "business_number": BUSINESS,
    "message_type": "text",
    "text": {"body": "Stop"},
}


def meta(*messages: dict[str, Any], number: str = "12025550100") -> dict[str, Any]:
    value = {"metadata": {"display_phone_number": number}, "messages": list(messages)}
    return {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [{"value": value}]}]}


def written(sender: str, body: str) -> dict[str, Any]:
    minute = str(int((NOW - timedelta(minutes=1)).timestamp()))
    return {"from": sender, "id": f"wamid.{body}", "timestamp": minute, "type": "text", "text": {"body": body}}


class TestInbound:
    def test_the_sandbox_s_own_shape(self) -> None:
        (message,) = read(SANDBOX_EVENT).inbound
        assert message == (PERSON, BUSINESS, NOW - timedelta(minutes=5), "Stop", "text", "wamid.1")

    def test_it_is_the_shape_that_the_sandbox_names(self) -> None:
        assert {name: getattr(SANDBOX, name) for name in INBOUND_FIELDS} == INBOUND_FIELDS

    def test_meta_s_shape_holds_several_messages_each_with_its_own_business_number(self) -> None:
        body = meta(written("12025550123", "one"), written("12025550124", "two"))
        body["entry"] += meta(written("12025550125", "three"), number="+1 202-555-0101")["entry"]
        found = read(body)
        assert not found.unparsed
        assert [(one.sender, one.originator, one.text, one.message_id) for one in found.inbound] == [
            ("12025550123", "12025550100", "one", "wamid.one"),
            ("12025550124", "12025550100", "two", "wamid.two"),
            ("12025550125", "+12025550101", "three", "wamid.three"),
        ]
        assert {one.at for one in found.inbound} == {NOW - timedelta(minutes=1)}

    @pytest.mark.parametrize(
        "part",
        [
            {"type": "button", "button": {"text": "Stop"}},
            {"type": "interactive", "interactive": {"button_reply": {"id": "1", "title": "Stop"}}},
            {"type": "interactive", "interactive": {"list_reply": {"id": "1", "title": "Stop"}}},
        ],
    )
    def test_a_pressed_button_counts_as_its_text(self, part: dict[str, Any]) -> None:
        (message,) = read(meta({"from": "12025550123", **part})).inbound
        assert message.text == "Stop"
        assert message.at == NOW

    def test_what_no_person_wrote_opens_no_window(self) -> None:
        found = read(meta({**written("12025550123", "changed the number"), "type": "system"}))
        assert found == ([], [], [])

    def test_a_sender_who_is_no_phone_number_is_bad(self) -> None:
        found = read(meta(written("US.1234567890", "hi"), written("12025550123", "ho")))
        assert [one.text for one in found.inbound] == ["ho"]
        assert found.unparsed[0].why == "the sender of a message is not a phone number"
        assert why({**SANDBOX_EVENT, "sender": "me"}) == "the sender of a message is not a phone number"

    def test_meta_s_word_on_statuses_names_no_request_of_d7_s(self) -> None:
        statuses = {"statuses": [{"id": "wamid.1", "status": "delivered", "recipient_id": "12025550123"}]}
        assert why({"entry": [{"changes": [{"value": statuses}]}]}) == "it is not a known kind of event"

    def test_nobody_writes_in_the_future(self) -> None:
        later = (NOW + timedelta(hours=20)).timestamp()
        assert read({**SANDBOX_EVENT, "timestamp": later}).inbound[0].at == NOW

    def test_a_shape_of_one_s_own(self) -> None:
        shape = InboundShape(
            sender="payload.contacts.0.wa_id",
            originator="payload.to",
            at="payload.when",
            text=("payload.body", "payload.caption"),
            kind="payload.kind",
            message_id="payload.id",
        )
        payload = {"contacts": [{"wa_id": 12025550123}], "to": BUSINESS, "when": "2026-11-23T09:00:00Z", "id": 17}
        body = {"event_type": "USER_EVENTS", "payload": {**payload, "caption": "Basta", "kind": "image"}}
        (message,) = read(body, shapes=[shape]).inbound
        assert message == ("12025550123", BUSINESS, NOW.replace(minute=0), "Basta", "image", "17")
        assert why(body) == "it is not a known kind of event: USER_EVENTS"
        assert why({"payload": {"contacts": []}}, shapes=[shape]) == "it is not a known kind of event"

    def test_a_delivery_event_is_never_taken_for_a_person_s_message(self) -> None:
        greedy = InboundShape(sender="recipient")
        for event in (EVENT, {**EVENT, "event_type": None}):
            assert read(event, shapes=[greedy]).updates == [UPDATE]
        assert read({**EVENT, "event_type": "STATUS"}).updates == [UPDATE]  # no shape fits
        assert why({**EVENT, "request_id": None}, shapes=[greedy]) == "a delivery event needs a request_id and a status"

    def test_what_calls_itself_something_else_is_no_delivery_event_where_a_shape_fits(self) -> None:
        own = InboundShape(sender="from", text="body")
        body = {"event_type": "USER_INITIATED", "from": PERSON, "body": "STOP", "status": "received", "request_id": "x"}
        assert read(body, shapes=[own]).inbound[0].text == "STOP"

    def test_an_event_that_says_what_it_is_is_believed(self) -> None:
        named = InboundShape(sender="recipient", event_type="USER_EVENTS")
        assert read({**EVENT, "event_type": "USER_EVENTS"}, shapes=[named]).inbound[0].sender == PERSON

    @pytest.mark.parametrize(
        ("paths", "said"),
        [
            ({"sender": ""}, "needs sender="),
            ({"sender": "a..b"}, "'a..b' has an empty step"),
            ({"sender": "a", "text": ("b", "c.")}, "'c.' has an empty step"),
            ({"sender": "a.*", "at": "*.*"}, r"has more \* than that of the sender, 'a.\*'"),
        ],
    )
    def test_a_path_that_can_t_be_followed_is_told_at_once(self, paths: dict[str, Any], said: str) -> None:
        with pytest.raises(ValueError, match=said):
            InboundShape(**paths)

    def test_stars_can_t_make_many_messages_of_a_small_body(self) -> None:
        shape = InboundShape(sender="a.*.*.*")
        assert len(read({"a": [[["+12025550123"] * 20] * 20] * 20}, shapes=[shape]).inbound) == 1_000


class TestReports:
    def report(self, *messages: Any, **more: Any) -> list[StatusUpdate]:
        return parse_report({"request_id": "r1", "messages": list(messages), **more}, NOW)

    def test_every_message_with_a_status_is_an_update(self) -> None:
        reference = {"cust_ref": None, "message_tag1": "", "message_tag5": KEY, "conversation_id": "c"}
        message = {"msg_id": "m1", "recipient": PERSON, "reference": reference, "status": "read", "reason": "Read"}
        assert self.report(message, {**message, "msg_id": "m2", "status": "dropped", "reason": None}) == [
            StatusUpdate("r1", "read", NOW, "m1", "Read", (KEY, "c"), PERSON),
            StatusUpdate("r1", "failed", NOW, "m2", "dropped", (KEY, "c"), PERSON),
        ]

    def test_junk_is_left_out(self) -> None:
        assert self.report(None, 3, "x", [], {}, {"status": None}, {"status": ""}, {"status": "sent"}) == [
            StatusUpdate("r1", "sent", NOW)
        ]

    @pytest.mark.parametrize("body", [{}, {"messages": None}, {"messages": {}}, {"recipients": [{}]}])
    def test_a_report_without_messages_says_nothing(self, body: dict[str, Any]) -> None:
        assert parse_report({"request_id": "r1", **body}, NOW) == []

    def test_a_report_that_does_not_say_which_request_it_is_of_says_nothing_of_it(self) -> None:
        assert parse_report({"messages": [{"status": "sent"}]}, NOW) == []
        assert parse_report({"messages": [{"status": "sent", "request_id": "r2"}]}, NOW) == [
            StatusUpdate("r2", "sent", NOW)
        ]


class TestStopWords:
    @pytest.mark.parametrize(
        "text",
        [
            *("STOP", "stop", "  Stop! ", "s t o p", "STOP 🙏", "*stop*", "ｓｔｏｐ", "unsubscribe.", "opt-out"),
            *("إيقاف", "ايقاف", "تَوَقَّف", "إلغاء", "الغاء", "baja", "arrêt", "ARRET", "Désabonner", "stopp", "стоп"),
            *("iptal", "İPTAL", "IPTAL", "退订", "रोकें", "بند کریں", "ΔΙΑΚΟΠΉ", "leiratkozas", "수신거부", "ストップ"),
        ],
    )
    def test_a_wish_to_get_no_more(self, text: str) -> None:
        assert is_stop(text)

    @pytest.mark.parametrize(
        "text",
        [
            *("", "  ", "!!!", "👍", "please stop by at noon", "don't stop", "nonstop", "ok", "accha", "अच्छा", "123"),
            *("Where is the bus stop?", "cancel my order", "The end", "stop " * 50),
        ],
    )
    def test_anything_else(self, text: str) -> None:
        assert not is_stop(text)

    def test_a_list_of_one_s_own(self) -> None:
        assert is_stop("Cancel!", ["cancel"])
        assert not is_stop("stop", ["cancel"])

    def test_each_word_is_found_and_no_two_are_one(self) -> None:
        assert all(is_stop(word) and is_stop(word.lower()) for word in STOP_WORDS)
        assert len(set(STOP_WORDS)) == len(STOP_WORDS)


def test_meta_s_shape_and_the_sandbox_s_can_t_be_taken_for_each_other() -> None:
    assert SANDBOX.fits(SANDBOX_EVENT)
    assert not META.fits(SANDBOX_EVENT)
    assert META.fits(meta(written("12025550123", "one")))
    assert not SANDBOX.fits(meta(written("12025550123", "one")))
