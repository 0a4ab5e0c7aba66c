"""Beside the official SDK (PyPI direct7): the same message makes the same JSON, but for the SDK's faults, shown below.

The SDK's requests are caught whole, in its own HTTP session, and compared with ours. Its nulls and empty objects are
left out, and so is what only we send: the recipient's type and its
reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import direct7  # type: ignore[import-untyped]
import orjson
import pytest
import requests
from requests.adapters import BaseAdapter

from d7nb import (
    AddressMessage,
    Attachment,
    Contact,
    Contacts,
    CtaUrl,
    Flow,
    Header,
    ListMessage,
    Location,
    LocationRequest,
    Reaction,
    ReplyButtons,
    Template,
    Text,
)
from tests.support.contents import ADDRESS, BUTTONS, CARD, CAROUSEL, PAYLOAD, PLACE, SECTIONS, YES_NO
from tests.support.plans import LINK, ORIGINATOR, PHONES, contents_by_row, plan_of

if TYPE_CHECKING:
    import d7nb
    from d7nb.content import Content


class Caught(BaseAdapter):
    """Keeps each request, and answers as D7 would."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[requests.PreparedRequest] = []

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        self.requests.append(request)
        response = requests.Response()
        response.status_code, response.request, response.url = 200, request, str(request.url)
        response._content = b'{"request_id": "a", "status": "accepted", "created_at": "2026-11-23T09:00:00.000Z"}'
        return response

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def caught() -> Caught:
    return Caught()


@pytest.fixture
def sdk(caught: Caught) -> Iterator[Any]:
    """The official client's WhatsApp part."""
    client = direct7.Client("sandbox")
    client.session.mount("https://", caught)
    yield client.whatsapp
    client.session.close()


def without_nothing(node: Any) -> Any:
    """JSON without nulls, and without objects and lists that hold nothing else."""
    if isinstance(node, dict):
        kept = {key: without_nothing(child) for key, child in node.items()}
        return {key: child for key, child in kept.items() if child not in (None, {}, [])}
    return [without_nothing(child) for child in node] if isinstance(node, list) else node


def body_of(request: requests.PreparedRequest) -> Any:
    assert isinstance(request.body, bytes)
    return orjson.loads(request.body)


def posted(caught: Caught) -> Any:
    """The one request of the SDK."""
    (request,) = caught.requests
    assert request.method == "POST"
    assert request.url == "https://api.d7networks.com/whatsapp/v2/send"
    return without_nothing(body_of(request))


def ours(content: Content) -> Any:
    """The request of a plan for one recipient, without what only we send."""
    (body,) = plan_of({}, content=content).requests()
    for recipient in body["messages"][0]["recipients"]:
        assert recipient.pop("recipient_type") == "individual"
        assert recipient.pop("reference").keys() == {"message_tag5"}
    return body


class Pair(NamedTuple):
    """One message: the SDK's method and arguments, and our content."""

    name: str
    method: str
    arguments: dict[str, Any]
    content: Content


def free(message_type: str, case: str, content: Content, /, **arguments: Any) -> Pair:
    return Pair(case, "freeform", {"message_type": message_type, **arguments}, content)


def pressed(interactive_type: str, case: str, content: Content, /, **arguments: Any) -> Pair:
    return Pair(
        case, "interactive", {"interactive_type": interactive_type, "body_text": "Which?", **arguments}, content
    )


def due(case: str, content: dict[str, Any], /, **arguments: Any) -> Pair:
    return Pair(
        f"template_{case}",
        "templated",
        {"template_id": "due", "language": "en_GB", **arguments},
        Template("due", "en_GB", **content),
    )


NAME = {"first_name": "Sara", "last_name": "Haddad", "formatted_name": "Sara Haddad"}
WITHOUT_ORG = {name: part for name, part in CARD.items() if name != "org"}
WORDS = {"header_type": "text", "header_text": "Menu", "footer_text": "Today"}
PAIRS = [
    free("TEXT", "text", Text("Hi *Ali* {{}} 👍"), body="Hi *Ali* {} 👍"),
    free("REACTION", "reaction", Reaction("5a4b1c2e", "👍"), message_id="5a4b1c2e", emoji="👍"),
    free("ATTACHMENT", "image", Attachment("image", LINK, "Shop"), type="image", url=LINK, caption="Shop"),
    free(
        "ATTACHMENT",
        "document",
        Attachment("document", LINK, "May", "a.pdf"),
        type="document",
        url=LINK,
        caption="May",
        filename="a.pdf",
    ),
    free("ATTACHMENT", "video", Attachment("video", LINK), type="video", url=LINK),
    free("ATTACHMENT", "audio", Attachment("audio", LINK), type="audio", url=LINK),
    free("ATTACHMENT", "sticker", Attachment("sticker", LINK), type="sticker", url=LINK),
    free(
        "LOCATION",
        "location",
        Location(25.2048, 55.2708, "Office", "1 High St"),
        latitude="25.2048",
        longitude="55.2708",
        name="Office",
        address="1 High St",
    ),
    free("LOCATION", "bare_location", Location(25.2048, 55.2708), latitude="25.2048", longitude="55.2708"),
    free(
        "CONTACTS",
        "contacts",
        Contacts([WITHOUT_ORG]),
        **CARD["name"],
        birthday=CARD["birthday"],
        phones=CARD["phones"],
        emails=CARD["emails"],
        urls=CARD["urls"],
        contact_addresses=CARD["addresses"],
    ),
    free("CONTACTS", "bare_contact", Contacts([{"name": NAME}]), **NAME),
    pressed(
        "button",
        "button",
        ReplyButtons("Which?", [{"id": "y-17", "title": "Yes"}, {"id": "n-17", "title": "No"}]),
        **YES_NO,
    ),
    pressed(
        "button",
        "document_header",
        ReplyButtons(
            "Which?",
            [{"id": "y-17", "title": "Yes"}, {"id": "n-17", "title": "No"}],
            header=Header("document", LINK, "a.pdf"),
        ),
        header_type="document",
        header_link=LINK,
        header_file_name="a.pdf",
        **YES_NO,
    ),
    pressed(
        "list",
        "list",
        ListMessage("Which?", "Open", SECTIONS, header="Menu", footer="Today"),
        sections=SECTIONS,
        list_button_text="Open",
        **WORDS,
    ),
    pressed(
        "cta_url",  # the action has no name in either by D7's documentation
        "cta_url",
        CtaUrl("Which?", "Open", LINK, header=Header("image", LINK), footer="Today"),
        parameters={"display_text": "Open", "url": LINK},
        header_type="image",
        header_link=LINK,
        footer_text="Today",
    ),
    pressed("location_request_message", "location_request", LocationRequest("Which?")),
    pressed(
        "address_message",  # nor here
        "address_message",
        AddressMessage("Which?", "IN", values=ADDRESS, saved_addresses=[{"id": "home", "value": ADDRESS}]),
        parameters={"country": "IN", "values": ADDRESS, "saved_addresses": [{"id": "home", "value": ADDRESS}]},
    ),
    pressed(
        "flow",
        "flow",
        Flow("Which?", "1234", "Book", "t-17", flow_action="navigate", flow_action_payload=PAYLOAD, header="Menu"),
        parameters={
            "name": "flow",
            "parameters": {
                "flow_message_version": "3",
                "flow_token": "t-17",
                "flow_id": "1234",
                "flow_cta": "Book",
                "flow_action": "navigate",
                "flow_action_payload": PAYLOAD,
            },
        },
        header_type="text",
        header_text="Menu",
    ),
    due("bare", {}),
    due("body", {"body_parameters": ["Ali", "17"]}, body_parameter_values={"0": "Ali", "1": "17"}),
    due(
        "text_header",
        {"media": {"media_type": "text", "text_header_title": "Menu"}},
        media_type="text",
        text_header_title="Menu",
    ),
    *(
        due(kind, {"media": {"media_type": kind, "media_url": LINK}}, media_type=kind, media_url=LINK)
        for kind in ("image", "video", "document", "audio")
    ),
    due("location", {"media": {"media_type": "location", "location": PLACE}}, media_type="location", **PLACE),
    due("quick_replies", {"quick_replies": BUTTONS["quick_replies"]}, quick_replies=BUTTONS["quick_replies"]),
    due("actions", {"actions": BUTTONS["actions"]}, actions=BUTTONS["actions"]),
    due("coupon_code", {"coupon_code": "SAVE17"}, coupon_code="SAVE17"),
    due("button_flow", {"button_flow": BUTTONS["button_flow"]}, button_flow=BUTTONS["button_flow"]),
    due("carousel", {"carousel": CAROUSEL}, carousel_cards=CAROUSEL["cards"]),
]


def send(sdk: Any, pair: Pair) -> None:
    method: Callable[..., Any] = getattr(sdk, f"send_whatsapp_{pair.method}_message")
    method(originator=ORIGINATOR, recipient=PHONES[0], **pair.arguments)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_the_same_message_makes_the_same_json(pair: Pair, sdk: Any, caught: Caught) -> None:
    send(sdk, pair)
    assert posted(caught) == without_nothing(ours(pair.content))


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_ours_has_no_nulls_to_leave_out(pair: Pair) -> None:
    assert ours(pair.content) == without_nothing(ours(pair.content))


# Where they differ.


def test_an_offers_end_is_a_number_by_the_documents_and_a_text_in_the_sdk(sdk: Any, caught: Caught) -> None:
    """D7 documents a number, and the SDK sends what it is given."""
    send(sdk, due("offer", {}, lto_expiration_time_ms="1796029200000"))
    theirs = posted(caught)
    assert ours(Template("due", "en_GB", limited_time_offer="1796029200000")) != theirs
    template = theirs["messages"][0]["content"]["template"]
    assert template["limited_time_offer"] == {"expiration_time_ms": "1796029200000"}
    template["limited_time_offer"] = {"expiration_time_ms": 1_796_029_200_000}
    assert ours(Template("due", "en_GB", limited_time_offer="1796029200000")) == theirs


def test_button_groups_stand_together_only_in_ours(sdk: Any, caught: Caught) -> None:
    """The SDK's groups of buttons overwrite each other."""
    groups: dict[str, Any] = {"coupon_code": "SAVE17", "actions": BUTTONS["actions"]}
    send(sdk, due("groups", {}, **groups))
    theirs = posted(caught)["messages"][0]["content"]["template"]["buttons"]
    mine = contents_by_row(plan_of({}, content=Template("due", "en_GB", **groups)))[0]["template"]["buttons"]
    assert theirs == {"actions": BUTTONS["actions"]}
    assert mine == {**theirs, "coupon_code": [{"index": 0, "type": "copy_code", "coupon_code": "SAVE17"}]}


def test_the_sdk_sends_nulls_for_what_is_not_set(sdk: Any, caught: Caught) -> None:
    """D7 documents no nulls."""
    send(sdk, free("ATTACHMENT", "audio", Text("-"), type="audio", url=LINK))
    send(sdk, pressed("location_request_message", "bare", Text("-")))
    audio, bare = (body_of(request)["messages"][0]["content"] for request in caught.requests)
    assert audio["attachment"] == {"type": "audio", "url": LINK, "caption": None}
    assert bare["interactive"]["header"] == {"type": None}
    assert bare["interactive"]["footer"] == {"text": None}


def test_what_is_unknown_is_sent_without_content_by_the_sdk_alone(sdk: Any, caught: Caught) -> None:
    """The SDK checks nothing before it sends."""
    send(sdk, free("STICKER", "unknown", Text("-")))
    assert posted(caught)["messages"][0]["content"] == {"message_type": "STICKER"}
    assert plan_of({"message_type": "STICKER", "text.body": "Hi"}).problems["code"].tolist() == ["unknown_kind"]


def test_only_ours_has_what_the_sdk_has_no_argument_for(sdk: Any, sandbox: d7nb.Sandbox) -> None:
    """The SDK has no way to say them: preview, organisation, several contacts, references, report URL, schedule."""
    for argument in ("preview_url", "org", "contacts", "reference", "report_url", "schedule_time", "recipient_type"):
        with pytest.raises(TypeError, match=argument):
            send(sdk, free("TEXT", "text", Text("-"), body="Hi", **{argument: "x"}))
    terms = {"reference": {"cust_ref": "17"}, "report_url": LINK, "schedule": "2100-01-01T09:00Z"}
    for content in (Text("Hi", preview_url=True), Contacts([Contact("Sara", org="Engines"), Contact("Ali")])):
        plan = plan_of({}, content=content, campaign=type(content).__name__, **terms)
        assert plan.send(sandbox.client(), progress=False).summary["accepted"] == 1
    assert sandbox.messages["reference"].map(lambda reference: reference["cust_ref"]).tolist() == ["17", "17"]


def test_the_sandbox_takes_the_sdk_at_its_word(sandbox: d7nb.Sandbox) -> None:
    """What it sends, nulls and all, arrives as the same content."""
    client = direct7.Client("sandbox")
    client.host(sandbox.url)
    for pair in PAIRS:
        send(client.whatsapp, pair)
    client.session.close()
    arrived = [without_nothing(content) for content in sandbox.messages["content"]]
    assert arrived == [without_nothing(contents_by_row(plan_of({}, content=pair.content))[0]) for pair in PAIRS]
