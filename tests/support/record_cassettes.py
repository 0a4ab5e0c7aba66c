"""What the cassettes hold, and the command that records them: ``python -m tests.support.record_cassettes [--real]``.

A scene is what a client asks; `tests/contract/test_cassettes.py` asks the same of the cassette and looks at what comes.
There is no D7 account to record from, so the sandbox answers, under the address of the real API: a real recording,
made by the same scenes, can take a file's place.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import orjson
import pandas as pd
import yaml  # type: ignore[import-untyped]
from vcr import VCR  # type: ignore[import-untyped]
from vcr.cassette import CassetteContextDecorator  # type: ignore[import-untyped]

import d7nb
from d7nb.api.destinations import BASE_URL
from d7nb.api.responses import SendResponse
from d7nb.testing import vcr_config
from d7nb.version import version
from tests.support.servers import serving

FOLDER = Path(__file__).parents[2] / "cassettes"
NEEDED = ("D7_API_TOKEN", "D7_ORIGINATOR", "D7_RECIPIENT")
HOW_TO_RECORD = "D7_API_TOKEN=... D7_ORIGINATOR=+... D7_RECIPIENT=+... python -m tests.support.record_cassettes --real"

ORIGINATOR, RECIPIENT, STRANGER = "+12025550100", "+12025550123", "+12025550199"
NO_REQUEST = "00000000-0000-4000-8000-000000000000"
CAME_IN = "00000000-0000-4000-8000-000000000001"
"""In a cassette, the id of what a person wrote."""
LETTER = b"A letter from somebody"

# The scenes


def text(originator: str, recipient: str, body: str = "Hello from a cassette") -> dict[str, Any]:
    """A request with one text to one person."""
    content = {"message_type": "TEXT", "text": {"body": body}}
    return {"messages": [{"originator": originator, "content": content, "recipients": [{"recipient": recipient}]}]}


def send(client: d7nb.Client, originator: str, recipient: str) -> SendResponse:
    """One send, whatever is said to it."""
    return client.exchange(orjson.dumps(text(originator, recipient)))


def send_from_a_stranger(client: d7nb.Client, _: str, recipient: str) -> SendResponse:
    """A send from a number that nobody registered."""
    return send(client, STRANGER, recipient)


def send_without_originator(client: d7nb.Client, originator: str, recipient: str) -> SendResponse:
    """A send that nobody can take in."""
    request = text(originator, recipient)
    del request["messages"][0]["originator"]
    return client.exchange(orjson.dumps(request))


def send_and_ask(client: d7nb.Client, originator: str, recipient: str) -> tuple[SendResponse, dict[str, Any]]:
    """A send, and at once what became of it."""
    answer = client.post(text(originator, recipient))
    return answer, client.report(str(answer.request_id))


def ask_for_nothing(client: d7nb.Client, *_: str) -> dict[str, Any]:
    """The report on a request that never was."""
    return client.report(NO_REQUEST)


def mark_read(client: d7nb.Client, _: str, message_id: str) -> None:
    """A receipt for what came in."""
    client.mark_read(message_id, typing=True)


def mark_nothing_read(client: d7nb.Client, *_: str) -> None:
    """A receipt for what never came in."""
    client.mark_read(NO_REQUEST)


def download(client: d7nb.Client, _: str, media_id: str) -> bytes:
    """What came in, by way of a file."""
    with tempfile.TemporaryDirectory() as folder:
        return client.download(media_id, Path(folder) / "letter.txt").read_bytes()


def ask_for_credit(client: d7nb.Client, *_: str) -> float:
    """What is left."""
    return client.balance()


def check_token(client: d7nb.Client, *_: str) -> None:
    """Whether the token is valid."""
    client.check_token()


def send_a_plan(client: d7nb.Client, originator: str, recipient: str) -> list[SendResponse]:
    """A plan's own requests, two of them, posted from a pool of one thread as a send does it."""
    people = pd.DataFrame({"to": [recipient, recipient], "name": ["Ali", "Žofie"], "id": [1, 2]})
    plan = d7nb.plan(people, d7nb.Text("Hi {name} 👋"), to="to", key="id", originator=originator, campaign="cassette")
    bodies = [orjson.dumps(request) for request in plan.requests(batch_size=1)]
    with ThreadPoolExecutor(client.workers) as pool:
        return list(pool.map(client.exchange, bodies))


class Scene(NamedTuple):
    """One cassette.

    Attributes:
        shows: What it shows, in a line.
        play: What the client does; it takes the client, an originator and a recipient.
        statuses: The statuses that must come, or the recording is none.
        token: The token, where it is not to be a good one.
        fault: The sandbox's fault that brings it about; the real API can't be asked for it.
        came_in: What must have come in before: the environment variable that has its id, for the real API. Then `play`
            takes that id, and no recipient.
    """

    shows: str
    play: Callable[[d7nb.Client, str, str], Any]
    statuses: tuple[int, ...]
    token: str | None = None
    fault: str | None = None
    came_in: str | None = None


SCENES = {
    "test_accepted": Scene("200: D7 accepts a send", send, (200,)),
    "test_rejected": Scene("200 whose status is rejected", send, (200,), fault="rejected"),
    "test_unauthorized": Scene("401: the token is not one", send, (401,), token="not-a-token"),
    "test_unknown_originator": Scene("404: nobody registered the originator", send_from_a_stranger, (404,)),
    "test_invalid_request": Scene("422: the request lacks its originator", send_without_originator, (422,)),
    "test_report": Scene("200 to a send, and the report on it", send_and_ask, (200, 200)),
    "test_missing_report": Scene("404: there is no such report", ask_for_nothing, (404,)),
    "test_plan": Scene("200 to both requests of a plan", send_a_plan, (200, 200)),
    "test_mark_read": Scene("200: a message is marked as read", mark_read, (200,), came_in="D7_MESSAGE_ID"),
    "test_unknown_message": Scene("404: no message came in that has this id", mark_nothing_read, (404,)),
    "test_download": Scene("200: a file that came in", download, (200,), came_in="D7_MEDIA_ID"),
    "test_balance": Scene("200: the account's credit", ask_for_credit, (200,)),
    "test_valid_token": Scene("200: the token is one", check_token, (200,)),
    "test_invalid_token": Scene(
        "401: the token that was asked about is not one", check_token, (401,), token="not-a-token"
    ),
}

# Reading and writing cassettes


def tape(path: Path, record_mode: str = "none", scrub: Any = None) -> CassetteContextDecorator:
    """A cassette. What was recorded answers requests that are the same down to the body, once each."""
    recorder = VCR(**vcr_config(record_mode=record_mode), before_save_interaction=scrub)
    context: CassetteContextDecorator = recorder.use_cassette(str(path))
    return context


KEPT_HEADERS = {"accept", "content-type", "retry-after"}
UUID = re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b|\b[0-9a-f]{32}\b")
CREDIT = re.compile(r'("balance":\s*)-?[\d.]+')
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?")


class Scrubber:
    """Takes out of a cassette what is nobody's business or never the same: its ids are numbered, its time stands still.

    Args:
        base_url: Where it was recorded.
        names: What else is replaced, as a real number by a fictional one.
    """

    def __init__(self, base_url: str, names: dict[str, str]) -> None:
        self._names = {base_url: BASE_URL, **names}
        self._ids: dict[str, str] = {}

    def __call__(self, request: Any, response: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """One interaction, as it is written."""
        request.uri = self._clean(request.uri)
        request.body = self._clean((request.body or b"").decode()) or None
        request.headers = {name: value for name, value in request.headers.items() if name.lower() in KEPT_HEADERS}
        headers = {name: value for name, value in response["headers"].items() if name.lower() in KEPT_HEADERS}
        body = self._clean(response["body"]["string"].decode()).encode()
        return request, {**response, "headers": headers, "body": {"string": body}}

    def _clean(self, words: str) -> str:
        for name, other in self._names.items():
            words = words.replace(name, other)
        words = CREDIT.sub(r"\g<1>100.0", words)
        return TIME.sub("2026-11-23T10:00:00.000Z", UUID.sub(self._numbered, words))

    def _numbered(self, found: re.Match[str]) -> str:
        if found[0] == NO_REQUEST:
            return NO_REQUEST
        number = self._ids.setdefault(found[0], f"{len(self._ids) + 1:012d}")
        return f"00000000-0000-4000-8000-{number}" if "-" in found[0] else number.zfill(32)


TOKEN = re.compile(r"\beyJ[\w-]{5,}|\bbearer\b|authorization|set-cookie", re.IGNORECASE)
EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.\w+")
NUMBER = re.compile(r"(?<![\w-])\+?\d[\d\s().-]{5,}\d(?!\w)")
DATE = re.compile(r"20\d\d-\d\d-\d\d")
FICTION = re.compile(r"1[2-9]\d\d55501\d\d|6149157\d{4}|467017406\d\d")


def secrets(words: str) -> list[str]:
    """What of a cassette should not be seen by others: tokens, e-mail addresses, numbers that somebody may have."""
    numbers = [found[0] for found in NUMBER.finditer(words) if not DATE.match(found[0])]
    return [
        *(f"a token: {found[0]}" for found in TOKEN.finditer(words)),
        *(f"an e-mail address: {found[0]}" for found in EMAIL.finditer(words)),
        *(f"a phone number: {number}" for number in numbers if _could_be_somebodys(re.sub(r"\D", "", number))),
    ]


def _could_be_somebodys(digits: str) -> bool:
    return 7 <= len(digits) <= 15 and not FICTION.fullmatch(digits)


# Recording


class Stage(NamedTuple):
    """Where a scene is played.

    Attributes:
        client: What plays it.
        came_in: The id of what came in before; None where nothing did.
    """

    client: d7nb.Client
    came_in: str | None


@contextmanager
def sandbox_stage(scene: Scene) -> Iterator[Stage]:
    """A sandbox that is set up for a scene."""
    with serving() as receiver, d7nb.Sandbox(originators=[ORIGINATOR], callback_url=receiver.url) as sandbox:
        if scene.fault:
            sandbox.fail_next(scene.fault)
        ids = write_to(sandbox, RECIPIENT) if scene.came_in else {}
        with d7nb.Client(scene.token or "sandbox", base_url=sandbox.url, workers=1) as client:
            yield Stage(client, ids.get(scene.came_in or ""))


def write_to(sandbox: d7nb.Sandbox, sender: str) -> dict[str, str]:
    """Have a person send a letter; its ids, by the variables that name them."""
    message_id = sandbox.reply(sender, media=LETTER, content_type="text/plain", filename="letter.txt")
    return {"D7_MESSAGE_ID": message_id, "D7_MEDIA_ID": str(sandbox.replies["media_id"].item())}


@contextmanager
def real_stage(scene: Scene, base_url: str) -> Iterator[Stage]:
    """The real API, with token and ids of the environment."""
    with d7nb.Client(scene.token or os.environ["D7_API_TOKEN"], base_url=base_url, workers=1) as client:
        yield Stage(client, os.environ.get(scene.came_in or ""))


def metadata(scene: Scene, *, real: bool) -> dict[str, str]:
    """What a cassette says about itself."""
    return {
        "shows": scene.shows,
        "source": "the real API" if real else "the sandbox of d7nb, not D7",
        "date": datetime.now(UTC).date().isoformat(),
        "d7nb": version(),
        "how_to_record_from_the_real_api": how_to_record(scene),
    }


def how_to_record(scene: Scene) -> str:
    """The command, as a person types it."""
    came_in = f"{scene.came_in}=... " if scene.came_in else ""
    return "can't be brought about there" if scene.fault else came_in + HOW_TO_RECORD


def record(name: str, folder: Path, *, real: bool, stage: Stage) -> bool:
    """Record one scene; whether that changed its file.

    Raises:
        ValueError: What came is not what the scene shows, or holds something that others must not see.
    """
    scene, target = SCENES[name], folder / "test_cassettes" / f"{name}.yaml"
    originator = os.environ["D7_ORIGINATOR"].removeprefix("+") if real else ORIGINATOR[1:]
    recipient = os.environ["D7_RECIPIENT"].removeprefix("+") if real else RECIPIENT[1:]
    fictional = {originator: ORIGINATOR[1:], recipient: RECIPIENT[1:]}
    if stage.came_in:
        fictional |= {quote(stage.came_in, safe=""): CAME_IN, stage.came_in: CAME_IN}
    with tempfile.TemporaryDirectory() as drafts:
        draft = Path(drafts) / target.name
        with tape(draft, "all", Scrubber(stage.client.base_url, fictional)) as cassette:
            for key, value in metadata(scene, real=real).items():
                cassette.get_metadata(key, value)  # which sets it
            with suppress(d7nb.D7Error):  # the statuses tell
                scene.play(stage.client, f"+{originator}", stage.came_in or f"+{recipient}")
            statuses = tuple(response["status"]["code"] for response in cassette.responses)
        words = draft.read_text(encoding="utf-8") if draft.exists() else ""
    if statuses != scene.statuses:
        message = f"{name} should show {scene.statuses}, but {statuses} came: nothing was written"
        raise ValueError(message)
    if found := secrets(words):
        message = f"{name} holds {len(found)} secrets, such as {found[0].partition(':')[0]}: nothing was written"
        raise ValueError(message)
    if target.exists() and _told(read(target)) == _told(yaml.safe_load(words)):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(words, encoding="utf-8")
    return True


def read(path: Path) -> dict[str, Any]:
    """A cassette as it is written."""
    cassette: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return cassette


def _told(cassette: dict[str, Any]) -> tuple[Any, str]:
    """What a cassette says, whenever it was recorded."""
    return cassette["interactions"], cassette["metadata"]["source"]


def main(arguments: list[str], folder: Path = FOLDER, base_url: str = BASE_URL) -> int:
    """Record all scenes."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.record_cassettes", description=__doc__)
    parser.add_argument("--real", action="store_true", help="ask the real API; this sends messages, and costs money")
    real = parser.parse_args(arguments).real
    missing = [name for name in NEEDED if real and name not in os.environ]
    if missing:
        print(f"--real sends messages to a real person, and needs {', '.join(missing)}: {HOW_TO_RECORD}")
        return 2
    for name, scene in SCENES.items():
        if real and scene.fault:
            print(f"{name}: left as it is, the real API can't be asked for it")
            continue
        if real and scene.came_in and scene.came_in not in os.environ:
            print(f"{name}: left as it is, {scene.came_in} does not say what came in")
            continue
        with real_stage(scene, base_url) if real else sandbox_stage(scene) as stage:
            changed = record(name, folder, real=real, stage=stage)
        print(f"{name}: {'recorded' if changed else 'unchanged'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
