"""plan.check_links: each file that messages name is asked for once, and what is wrong is told at its row and column."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import pytest

import d7nb
from d7nb import Attachment, Header, ReplyButtons, Template, Text, by_column, col
from d7nb.content import Content, FileLink, Part, free, items, leaf, nested
from d7nb.errors import PlanError
from d7nb.planning.links.limits import LIMITS
from d7nb.testing import fresh_plugins
from tests.support.plans import ORIGINATOR, PHONES, plan_of, problem_cells
from tests.support.servers import Handler, LocalServer, Script, answering, free_port, sending, serving, tunnelling

TOKEN = "eyJhbGciOiJIUzI1NiJ9.c2VjcmV0.not-a-real-token"
ROOT = Path(__file__).parents[2]
PNG = answering(200, b"x" * 100, Content_Type="image/png")


@pytest.fixture(autouse=True)
def _names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every host under ``.example`` is this machine; no other name is known."""
    look_up = socket.getaddrinfo

    def looked_up(host: Any, *args: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name.endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return look_up("127.0.0.1" if name.endswith(".example") else host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)


def at(server: LocalServer, path: str = "a.png", host: str = "files.example") -> str:
    """A file's address on a server, by a name that could be anybody's."""
    return f"{server.url.replace('127.0.0.1', host)}/{path}"


def by_path(scripts: dict[str, Script]) -> Script:
    """A script that answers each path in its own way."""
    return lambda handler: scripts[handler.path](handler)


def only_get(script: Script, refusal: Script) -> Script:
    """A script for a host that does not do HEAD."""
    return lambda handler: (refusal if handler.command == "HEAD" else script)(handler)


def check(plan: d7nb.Plan, client: d7nb.Client | None = None, **options: Any) -> pd.DataFrame:
    return plan.check_links(client, **{"progress": False, "timeout": (5, 5), **options})


def told(problems: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(problems["code"], problems["severity"], strict=True))


def places(problems: pd.DataFrame) -> list[tuple[Any, Any, str]]:
    rows = [None if row is pd.NA else row for row in problems["row"]]
    return list(zip(rows, problems["column"], problems["code"], strict=True))


def asked(server: LocalServer) -> list[tuple[str, str]]:
    return [(request.method, request.path) for request in server.requests]


def checked(url: str, kind: str = "image", **options: Any) -> pd.DataFrame:
    """What is wrong with one file."""
    return check(plan_of({"url": url}, content=Attachment(kind, "{url}")), **options)


# what is asked


def test_where_nothing_is_wrong_the_frame_is_empty_and_the_plan_is_as_it_was() -> None:
    with serving(PNG) as server:
        plan = plan_of({"url": at(server)}, content=Attachment("image", col("url")))
        before = (plan.summary, plan.problems, list(plan.requests()))
        problems = check(plan)
        assert asked(server) == [("HEAD", "/a.png")]
    assert problems.empty
    assert problems.dtypes.to_dict() == plan.problems.dtypes.to_dict()
    assert list(problems) == ["row", "index", "column", "value", "code", "message", "hint", "severity", "field"]
    assert (plan.summary, list(plan.requests())) == (before[0], before[2])
    pd.testing.assert_frame_equal(plan.problems, before[1])


def test_one_head_for_each_distinct_address_however_many_rows_have_it() -> None:
    scripts = {"/a.png": PNG, "/b.png": answering(404), "/c.png": PNG}
    with serving(by_path(scripts)) as server:
        urls = [at(server, "abc"[row % 3] + ".png") for row in range(3000)]
        frame = pd.DataFrame({"phone": "+12025550123", "url": urls, "number": range(3000)})
        plan = d7nb.plan(
            frame, Attachment("image", col("url"), caption="{number}"), to="phone", originator=ORIGINATOR, key="number"
        )
        problems = check(plan)
        assert Counter(asked(server)) == {("HEAD", "/a.png"): 1, ("HEAD", "/c.png"): 1} | {
            (method, "/b.png"): 1 for method in ("HEAD", "GET")
        }
    assert places(problems) == [(row, "url", "not_found") for row in range(1, 3000, 3)]


def test_a_literal_address_is_asked_once_and_is_the_whole_plans_problem() -> None:
    with serving(answering(404)) as server:
        frame = pd.DataFrame({"phone": [f"+1202555{number:04}" for number in range(100, 200)] * 20})
        plan = d7nb.plan(frame, Attachment("image", at(server)), to="phone", originator=ORIGINATOR)
        assert plan.summary["ready"] == 100
        problems = check(plan)
        assert asked(server) == [("HEAD", "/a.png"), ("GET", "/a.png")]
    assert places(problems) == [(None, None, "not_found")]
    assert problems["field"].tolist() == ["attachment.url"]


def test_only_rows_that_would_go_are_asked_about() -> None:
    with serving(PNG) as server:
        frame = pd.DataFrame(
            {
                "phone": ["nobody", "+5215512345678", PHONES[0], PHONES[1]],
                "url": [at(server, f"{row}.png") for row in range(4)],
            }
        )
        spared = d7nb.row_filter(register=False)(lambda rows: (rows["d7_row"] == 3).map({True: "spared"}))
        plan = d7nb.plan(
            frame, Attachment("image", col("url")), to="phone", originator=ORIGINATOR, filters=[spared], campaign="c"
        )
        assert plan.rows["verdict"].tolist() == ["invalid", "held", "ready", "skipped"]
        assert check(plan).empty
        assert asked(server) == [("HEAD", "/2.png")]


def test_a_plan_without_files_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "create_connection", None)
    assert check(plan_of({"url": "https://files.example/"}, content=Text("see {url}"))).empty
    nobody = plan_of({"url": "x"}, content=Attachment("image", col("url")))
    assert nobody.summary["ready"] == 0
    assert check(nobody).empty


# what is found


@pytest.mark.parametrize(
    ("script", "kind", "expected"),
    [
        (answering(404), "image", ("not_found", "error")),
        (answering(410), "image", ("not_found", "error")),
        (answering(401), "image", ("needs_login", "error")),
        (answering(403), "image", ("needs_login", "error")),
        (answering(429), "image", ("busy", "warning")),
        (answering(418), "image", ("bad_answer", "error")),
        (answering(500), "image", ("bad_answer", "error")),
        (answering(503), "image", ("bad_answer", "error")),
        (answering(204), "image", ("bad_answer", "error")),
        (answering(304), "image", ("bad_answer", "error")),
        (answering(200, b"", Content_Type="image/png"), "image", ("empty_file", "error")),
        (answering(200, b"x", Content_Type="application/octet-stream"), "image", ("unknown_type", "warning")),
        (answering(200, b"x"), "image", ("unknown_type", "warning")),
        (answering(200, b"x", Content_Type="image/gif"), "image", ("wrong_type", "error")),
        (answering(200, b"x", Content_Type="image/webp"), "image", ("wrong_type", "warning")),
        (answering(200, b"x", Content_Type="text/html; charset=utf-8"), "document", ("wrong_type", "error")),
        (answering(200, b"x", Content_Type="application/zip"), "document", ("wrong_type", "warning")),
        (answering(200, b"x", Content_Type="image/png"), "video", ("wrong_type", "error")),
        (answering(200, b"x", Content_Type="audio/wav"), "audio", ("wrong_type", "error")),
        (answering(200, b"x", Content_Type="image/png"), "sticker", ("wrong_type", "error")),
    ],
)
def test_each_fault_is_found(script: Script, kind: str, expected: tuple[str, str]) -> None:
    with serving(script) as server:
        problems = checked(at(server), kind)
    assert told(problems) == [expected]
    assert places(problems)[0][:2] == (0, "url")
    assert "files.example" in problems["message"][0]
    assert problems["hint"][0]


@pytest.mark.parametrize("spelled", ["image/jpeg", "IMAGE/PNG", "image/png; charset=binary"])
def test_a_type_is_read_as_http_means_it(spelled: str) -> None:
    with serving(answering(200, b"x", Content_Type=spelled)) as server:
        assert checked(at(server)).empty


@pytest.mark.parametrize(
    ("kind", "size", "expected"),
    [
        ("image", 5 * 1024**2, []),
        ("image", 5 * 1024**2 + 1, [("too_large", "error")]),
        ("audio", 16 * 1024**2 + 1, [("too_large", "error")]),
        ("video", 16 * 1024**2 + 1, [("too_large", "error")]),
        ("document", 100 * 1024**2, []),
        ("document", 100 * 1024**2 + 1, [("too_large", "error")]),
        ("sticker", 100 * 1024, []),
        ("sticker", 100 * 1024 + 1, [("too_large", "warning")]),
        ("sticker", 500 * 1024 + 1, [("too_large", "error")]),
    ],
)
def test_a_file_may_be_as_large_as_its_kind_allows(kind: str, size: int, expected: list[tuple[str, str]]) -> None:
    head = answering(200, b"", Content_Type=LIMITS[kind].types[0], Content_Length=str(size))
    with serving(head) as server:
        problems = checked(at(server), kind)
        assert asked(server) == [("HEAD", "/a.png")]
    assert told(problems) == expected


def test_a_size_is_never_told_as_the_limit_that_it_exceeds() -> None:
    head = answering(200, b"", Content_Type="image/gif", Content_Length=str(5 * 1024**2 + 1))
    with serving(head) as server:
        problems = checked(at(server))
    assert told(problems) == [("too_large", "error"), ("wrong_type", "error")]
    assert "is 5.1 MB; an image may be at most 5 MB (D7, Meta)" in problems["message"][0]


def test_a_size_that_nobody_tells_is_no_problem() -> None:
    def streamed(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n")
        handler.hang_up()

    with serving(streamed) as server:
        assert checked(at(server)).empty


def test_who_can_not_be_reached_is_said() -> None:
    def why(url: str, **options: Any) -> str:
        problems = checked(url, **options)
        assert told(problems) == [("unreachable", "error")]
        return str(problems["message"][0])

    assert "no host of that name" in why("https://nobody.invalid/a.png")
    assert "no host of that name" in why(f"https://{'a' * 64}.test/a.png")
    assert "no connection" in why(f"http://files.example:{free_port()}/a.png")
    with serving(Handler.hang_up) as server:
        assert "broke before" in why(at(server))
        assert asked(server) == [("HEAD", "/a.png"), ("GET", "/a.png")]
    with serving(sending(b"220 smtp ready\r\n")) as server:
        assert "broke before" in why(at(server))
    with serving() as server:
        assert "no secure connection" in why(at(server).replace("http:", "https:"))
    with serving(lambda handler: handler.server.ended.wait() and None) as server:
        assert "in time" in why(at(server), timeout=(5, 0.1))


@pytest.mark.parametrize("client", [None, TOKEN])
def test_a_host_that_drips_is_given_up_in_time(client: str | None) -> None:
    def dripping(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not handler.server.ended.wait(0.02):
            handler.wfile.write(b"x")

    with serving(dripping) as server:
        began = time.monotonic()
        if client is None:
            problems = checked(at(server), timeout=0.2)
        else:
            with d7nb.Client(client, timeout=(0.1, 0.3)) as session:
                problems = checked(at(server), client=session, timeout=None)
        assert 0.4 <= time.monotonic() - began < 10
    assert told(problems) == [("unreachable", "error")]
    assert "in time" in problems["message"][0]


def test_a_name_that_takes_for_ever_to_look_up_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    found_out = threading.Event()
    look_up = socket.getaddrinfo

    def slow(host: Any, *args: Any, **options: Any) -> Any:
        if host == "slow.example":
            found_out.wait(30)
        return look_up(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    try:
        with serving(PNG) as server:
            urls = [at(server, host="slow.example"), *(at(server, f"{number}.png") for number in range(3))]
            plan = plan_of(*({"url": url} for url in urls), content=Attachment("image", col("url")))
            began = time.monotonic()
            problems = check(plan, workers=1, timeout=1)
            assert time.monotonic() - began < 10
            assert len(server.requests) == 3
    finally:
        found_out.set()
    assert places(problems) == [(0, "url", "unreachable")]


@pytest.mark.parametrize(
    ("url", "private"),
    [
        ("http://127.0.0.1:{}/a.png", True),
        ("http://localhost:{}/a.png", True),
        ("http://files.example:{}/a.png", False),
    ],
)
def test_an_address_that_only_this_machine_knows_is_told_but_not_in_a_rehearsal(
    sandbox: d7nb.Sandbox, url: str, private: bool
) -> None:
    with serving(PNG) as server, sandbox.client() as client:
        url = url.format(server.server_port)
        assert told(checked(url)) == [("private_address", "error")] * private
        assert checked(url, client=client).empty


def test_the_type_is_looked_at_in_a_private_network_too() -> None:
    with serving(answering(200, b"x", Content_Type="image/gif")) as server:
        problems = checked(at(server, host="127.0.0.1"))
    assert told(problems) == [("private_address", "error"), ("wrong_type", "error")]


# HEAD, GET and redirects


@pytest.mark.parametrize("status", [400, 403, 404, 405, 500, 501])
def test_a_host_that_does_not_do_head_is_asked_again_by_get(status: int) -> None:
    partial = answering(206, b"x", Content_Type="image/png", Content_Range="bytes 0-0/6000000")
    with serving(only_get(partial, answering(status))) as server:
        problems = checked(at(server))
        assert asked(server) == [("HEAD", "/a.png"), ("GET", "/a.png")]
        assert server.requests[1].headers["Range"] == "bytes=0-0"
    assert told(problems) == [("too_large", "error")]


@pytest.mark.parametrize(
    "head",
    [
        Handler.hang_up,
        answering(200, b"", Content_Type="image/png"),
        answering(200, b"xx"),
        answering(200, b"xx", Content_Type="image/png", Content_Length="many"),
    ],
    ids=["hangs-up", "empty", "no-type", "no-size"],
)
def test_what_head_leaves_open_get_may_tell(head: Script) -> None:
    with serving(only_get(PNG, head)) as server:
        assert checked(at(server)).empty
        assert [request.method for request in server.requests] == ["HEAD", "GET"]


@pytest.mark.parametrize("get", [answering(416), answering(429), Handler.hang_up], ids=["416", "429", "hangs-up"])
def test_what_head_told_stays_where_get_tells_less(get: Script) -> None:
    with serving(only_get(get, answering(200, b"xx"))) as server:
        assert told(checked(at(server))) == [("unknown_type", "warning")]


def test_a_file_that_get_does_not_find_is_not_there_whatever_head_says() -> None:
    with serving(only_get(answering(404), answering(200))) as server:
        assert told(checked(at(server))) == [("not_found", "error")]


def test_a_file_without_a_first_byte_is_empty() -> None:
    empty = answering(416, b"", Content_Type="image/png", Content_Range="bytes */0")
    with serving(only_get(empty, answering(405))) as server:
        assert told(checked(at(server))) == [("empty_file", "error")]


@pytest.mark.parametrize("status", [401, 429])
def test_who_would_say_the_same_again_is_not_asked_again(status: int) -> None:
    with serving(answering(status)) as server:
        checked(at(server))
        assert [request.method for request in server.requests] == ["HEAD"]


def test_a_file_is_never_read() -> None:
    written = []

    def endless(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 1000000000\r\n\r\n")
        handler.hang_up()
        while not handler.server.ended.is_set():
            handler.wfile.write(b"x" * 65536)
            written.append(65536)

    with serving(only_get(endless, answering(405))) as server:
        assert told(checked(at(server), timeout=(5, 30))) == [("too_large", "error")]
    assert sum(written) < 50_000_000  # what fits between two sockets


def redirecting(status: int, last: int) -> Script:
    """A script by which /0 leads to /1, and so on to a file at the last number."""

    def script(handler: Handler) -> None:
        number = int(handler.path[1:])
        (PNG if number == last else answering(status, Location=f"/{number + 1}"))(handler)

    return script


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed_five_times(status: int) -> None:
    with serving(redirecting(status, 5)) as server:
        assert checked(at(server, "0")).empty
        assert asked(server) == [("HEAD", f"/{number}") for number in range(6)]
    with serving(redirecting(status, 6)) as server:
        problems = checked(at(server, "0"))
        assert asked(server) == [("HEAD", f"/{number}") for number in range(6)]
    assert told(problems) == [("bad_redirect", "error")]


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "ftp://files.example/a.png", "http://[", "mailto:a@b.example"]
)
def test_a_redirect_to_what_is_no_web_address_is_not_followed(location: str) -> None:
    with serving(answering(302, Location=location)) as server:
        problems = checked(at(server))
        assert len(server.requests) == 1
    assert told(problems) == [("bad_redirect", "error")]


def test_a_redirect_may_be_written_in_any_letters() -> None:
    far = "/фото.png?a=%2F"
    scripts = {
        "/a.png": answering(302, Location=far.encode().decode("latin-1")),
        "/%D1%84%D0%BE%D1%82%D0%BE.png?a=%2F": PNG,
    }
    with serving(by_path(scripts)) as server:
        assert checked(at(server)).empty


def test_where_a_redirect_leads_is_judged_and_told() -> None:
    scripts = {
        "/a.png": answering(302, Location="/login?next=secret-word"),
        "/login?next=secret-word": answering(200, b"x", Content_Type="text/html"),
    }
    with serving(by_path(scripts)) as server:
        [message] = checked(at(server))["message"]
    assert message == f"{at(server)} (which redirects to {at(server, 'login')}) leads to a web page, not to a file"


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_a_redirect_into_a_private_network_is_told_and_not_followed(name: str) -> None:
    with serving(PNG) as inner:
        target = f"{at(inner, host=name)}?token=abc"
        with serving(answering(302, Location=target)) as server:
            problems = checked(at(server))
        assert told(problems) == [("private_address", "error")]
        assert f"(which redirects to {at(inner, host=name)}) does not lead to a file" in problems["message"][0]
        assert not inner.requests


def test_within_a_private_network_redirects_are_followed() -> None:
    with serving(PNG) as inner, serving(answering(302, Location=f"{inner.url}/a.png")) as server:
        problems = checked(f"{server.url}/a.png")
        assert len(inner.requests) == 1
    assert told(problems) == [("private_address", "error")]


def test_addresses_are_asked_as_browsers_write_them() -> None:
    with serving(PNG) as server:
        assert checked(at(server, "höhle/фото.png?ä=%2F#top", "bücher.example")).empty
        [request] = server.requests
    assert request.path == "/h%C3%B6hle/%D1%84%D0%BE%D1%82%D0%BE.png?%C3%A4=%2F"
    assert request.headers["Host"].startswith("xn--bcher-kva.example")
    assert request.headers["Accept-Encoding"] == "identity"
    assert request.headers["User-Agent"].startswith("d7nb/")


# nothing of ours goes along


def test_neither_token_nor_cookie_nor_netrc_goes_along(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine files.example login somebody password something\ndefault login a password b\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    scripts = {
        "/a.png": answering(405, Set_Cookie="session=1; Path=/"),
        "/b.png": answering(302, Location="/a.png", Set_Cookie="session=2; Path=/"),
    }
    with serving(by_path(scripts)) as server, d7nb.Client(TOKEN, base_url=server.url, workers=1) as client:
        urls = [at(server, "b.png"), at(server, "a.png"), at(server, "b.png", "ali:secret@files.example")]
        plan = plan_of(*({"url": url} for url in urls), content=Attachment("image", col("url")))
        check(plan, client)
        assert len(server.requests) > 6
        sent = {name.lower() for request in server.requests for name in request.headers}
        everything = repr(server.requests)
    assert sent == {"host", "user-agent", "accept", "accept-encoding", "connection", "range"}
    assert TOKEN not in everything
    assert "secret" not in everything


def test_an_address_may_hold_a_number_or_a_secret_and_shows_neither(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with serving(answering(404)) as server:
        url = at(server, "of/12025550123/a.png?token=hush-hush", "ali:hush-hush@files.example")
        [message] = checked(url)["message"]
        assert server.requests[0].path == "/of/12025550123/a.png?token=hush-hush"
    assert message == f"there is no file at http://files.example:{server.server_port}/of/120••••••23/a.png (404)"
    assert "hush-hush" not in caplog.text
    assert "12025550123" not in caplog.text


# proxies and certificates


def test_a_certificate_that_nobody_trusts_is_told(certificates: dict[str, Path]) -> None:
    with serving(PNG, certificate=certificates["elsewhere"]) as server:
        problems = checked(at(server, host="elsewhere.example"))
        assert server.requests == []
    assert told(problems) == [("bad_certificate", "error")]


def test_a_certificate_for_another_host_is_told(trusted: dict[str, Path]) -> None:
    with serving(PNG, certificate=trusted["elsewhere"]) as server:
        assert told(checked(at(server))) == [("bad_certificate", "error")]
        assert checked(at(server, host="elsewhere.example")).empty
        assert asked(server) == [("HEAD", "/a.png")]


def test_certificates_may_stand_in_a_folder(
    trusted: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "trusted"
    folder.mkdir()
    certificate = trusted["elsewhere"].with_suffix(".crt")
    name = subprocess.run(
        ["openssl", "x509", "-hash", "-noout", "-in", str(certificate)], check=True, capture_output=True, text=True
    ).stdout.strip()
    (folder / f"{name}.0").write_bytes(certificate.read_bytes())
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(folder))
    with serving(PNG, certificate=trusted["elsewhere"]) as server:
        assert checked(at(server, host="elsewhere.example")).empty


def test_certificates_that_do_not_exist_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURL_CA_BUNDLE", "/nowhere/bundle.pem")
    with pytest.raises(ValueError, match="CURL_CA_BUNDLE names"):
        checked("https://files.example/a.png")


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY"])
def test_a_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    with serving(PNG) as proxy:
        monkeypatch.setenv(variable.lower(), proxy.url)
        assert checked("http://files.invalid/a.png").empty
        assert asked(proxy) == [("HEAD", "http://files.invalid/a.png")]


def test_a_proxy_makes_a_tunnel_for_https(trusted: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(PNG, certificate=trusted["elsewhere"]) as server, serving(tunnelling(server)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        assert checked("https://elsewhere.example/a.png").empty
        assert [(request.method, request.path) for request in proxy.requests] == [("CONNECT", "elsewhere.example:443")]
        assert asked(server) == [("HEAD", "/a.png")]


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:{}", "socks5://127.0.0.1:{}"])
def test_a_proxy_that_can_not_be_used_is_no_connection(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy.format(free_port()))
    [message] = checked("https://files.example/a.png")["message"]
    assert "no connection" in message


# rows and columns


@pytest.fixture
def files() -> Iterator[LocalServer]:
    """A server on which only what is called good is a good picture."""
    with serving(lambda handler: (PNG if "good" in handler.path else answering(404))(handler)) as server:
        yield server


def test_the_cell_of_a_column_is_told_by_position_and_label(files: LocalServer) -> None:
    frame = pd.DataFrame(
        {"recipient": PHONES[:3], "picture": [at(files, "good"), at(files, "bad"), at(files, "bad")]},
        index=["a", "b", "b"],
    )
    problems = check(d7nb.plan(frame, Attachment("image", col("picture")), originator=ORIGINATOR))
    assert places(problems) == [(1, "picture", "not_found"), (2, "picture", "not_found")]
    assert problems["index"].tolist() == ["b", "b"]
    assert problems["value"][0].startswith("http://files.example:")
    assert problems["field"].tolist() == ["attachment.url"] * 2


def test_in_a_template_over_several_columns_the_longest_cell_is_told(files: LocalServer) -> None:
    rows = [{"folder": "f", "file": "good.png"}, {"folder": "f", "file": "bad.png"}, {"folder": "folder", "file": "b"}]
    plan = plan_of(*rows, content=Attachment("image", at(files, "{folder}/{file}")))
    problems = check(plan)
    assert places(problems) == [(1, "file", "not_found"), (2, "folder", "not_found")]
    assert "/f/bad.png (404)" in problems["message"][0]


def test_a_type_from_a_column_decides_what_each_row_may_have(files: LocalServer) -> None:
    rows = [{"kind": "image"}, {"kind": "video"}, {"kind": "document"}]
    problems = check(plan_of(*rows, content=Attachment("{kind}", at(files, "good"))))
    assert places(problems) == [(1, "kind", "wrong_type"), (2, "kind", "wrong_type")]
    assert problems["severity"].tolist() == ["error", "warning"]
    assert len(files.requests) == 1
    dead = check(plan_of(*rows, content=Attachment("{kind}", at(files, "bad"))))
    assert places(dead) == [(None, None, "not_found")]
    both = [{"kind": "image", "url": at(files, "good")}, {"kind": "video", "url": at(files, "good")}]
    problems = check(plan_of(*both, content=Attachment(col("kind"), col("url"))))
    assert places(problems) == [(1, "url", "wrong_type")]


def test_each_content_of_by_column_has_its_own_rows(files: LocalServer) -> None:
    contents = {
        "text": Text("Hi"),
        "picture": Attachment("image", "{url}"),
        "film": Attachment("video", "{url}"),
        "unused": Attachment("image", at(files, "never")),
    }
    rows = [
        {"is": word, "url": at(files, name)}
        for word, name in [("film", "good"), ("text", "bad"), ("picture", "bad"), ("picture", "good")]
    ]
    problems = check(plan_of(*rows, content=by_column("is", contents)))
    assert places(problems) == [(0, "url", "wrong_type"), (2, "url", "not_found")]
    assert Counter(request.path for request in files.requests) == {"/good": 1, "/bad": 2}


def test_a_table_with_dotted_paths_is_told_by_them(files: LocalServer) -> None:
    rows = [
        {"message_type": "TEXT", "text.body": "Hi"},
        {"message_type": "ATTACHMENT", "attachment.type": "image", "attachment.url": at(files, "bad")},
        {"message_type": "ATTACHMENT", "attachment.type": "audio", "attachment.url": at(files, "good")},
        {
            "message_type": "INTERACTIVE",
            "interactive.type": "button",
            "interactive.body.text": "Hi",
            "interactive.action.buttons.0.reply.id": "1",
            "interactive.action.buttons.0.reply.title": "Yes",
            "interactive.header.type": "video",
            "interactive.header.video.link": at(files, "good"),
        },
    ]
    problems = check(plan_of(*rows))
    assert places(problems) == [
        (1, "attachment.url", "not_found"),
        (2, "attachment.url", "wrong_type"),
        (3, "interactive.header.video.link", "wrong_type"),
    ]


def test_a_header_is_a_file_where_it_has_a_link(files: LocalServer) -> None:
    rows = [{"url": at(files, "good")}, {"url": None}, {"url": at(files, "bad")}]
    problems = check(plan_of(*rows, content=ReplyButtons("Hi", ["Yes"], header=Header("image", col("url")))))
    assert places(problems) == [(2, "url", "not_found")]
    assert problems["field"].tolist() == ["interactive.header.image.link"]
    as_document = check(plan_of(*rows, content=ReplyButtons("Hi", ["Yes"], header=Header("document", "{url}"))))
    assert set(places(as_document)) >= {(0, "url", "wrong_type")}
    assert check(plan_of(*rows[:2], content=ReplyButtons("Hi", ["Yes"], header="{url}"))).empty


def test_a_button_that_opens_an_address_is_no_file(files: LocalServer) -> None:
    assert check(plan_of({"url": at(files, "bad")}, content=d7nb.CtaUrl("Hi", "Open", col("url")))).empty
    assert files.requests == []


def test_the_media_of_a_template_are_files(files: LocalServer) -> None:
    rows = [{"kind": "image", "url": at(files, "good")}, {"kind": "video", "url": at(files, "bad")}]
    media = {"media_type": "{kind}", "media_url": "{url}"}
    problems = check(plan_of(*rows, content=Template("offer", "en", media=media)))
    assert places(problems) == [(1, "url", "not_found")]
    assert problems["field"].tolist() == ["template.media.media_url"]


def test_the_headers_of_a_carousel_are_files(files: LocalServer) -> None:
    def card(number: int, url: str) -> dict[str, Any]:
        header = {"type": "header", "parameters": [{"type": "image", "image": {"link": url}}]}
        return {"card_index": str(number), "components": [{"type": "body"}, header]}

    carousel = {"cards": [card(0, at(files, "bad")), card(1, "{url}"), card(2, col("url"))]}
    rows = [{"url": at(files, "good")}, {"url": "ftp://files.example/a.png"}]
    plan = plan_of(*rows, content=Template("offer", "en", carousel=carousel))
    problems = check(plan)
    assert places(problems) == [
        (None, None, "not_found"),
        (1, "url", "bad_url"),
        (1, "url", "bad_url"),
    ]
    path = "template.carousel.cards.{}.components.1.parameters.0.image.link"
    assert problems["field"].tolist() == [path.format(number) for number in range(3)]


class Track(Part):
    address: str = leaf("source.href")
    label: str | None = leaf("label", default=None, carries=True)

    file_links: ClassVar[tuple[FileLink, ...]] = (FileLink("source.href", "audio"),)


class Album(Content, message_type="ALBUM", root="album"):
    sort: str = leaf("sort")
    cover: str = leaf("cover")
    tracks: Any = items("tracks", Track, default=None)
    best: Any = nested("best", Track, default=None)
    more: Any = free("more", list, default=None)

    file_links: ClassVar[tuple[FileLink, ...]] = (
        FileLink("cover", kind_at="sort"),
        FileLink("more.*.file", "video"),
    )


class Albums:
    @d7nb.hookimpl
    def d7nb_content_types(self) -> list[type[Content]]:
        return [Album]


def test_a_plugins_content_declares_its_files_in_the_same_way(files: LocalServer) -> None:
    good, bad = at(files, "good"), at(files, "bad")
    album = Album(
        sort=col("sort"),
        cover=col("cover"),
        tracks=[{"address": "{song}", "label": "{cover}"}],
        best={"address": "{song}", "label": col("label")},
        more=[{"file": "{song}", "title": "{cover}"}, "{cover}"],
    )
    rows = [
        {"sort": "image", "cover": good, "song": bad, "label": "the best"},
        {"sort": "hologram", "cover": good, "song": good, "label": None},
    ]
    with fresh_plugins(), d7nb.plugins.register(Albums()):
        problems = check(plan_of(*rows, content=album))
        told_by_path = set(zip(problems["row"], problems["field"], problems["code"], strict=True))
        dotted = [{"message_type": "ALBUM", "album.sort": "image", "album.cover": bad}]
        from_paths = check(plan_of(*dotted))
    assert told_by_path == {
        (0, "album.tracks.0.source.href", "not_found"),
        (0, "album.best.source.href", "not_found"),
        (0, "album.more.0.file", "not_found"),
        (1, "album.tracks.0.source.href", "wrong_type"),
        (1, "album.more.0.file", "wrong_type"),
    }  # the second row's message has no best track, since it has no label
    assert places(from_paths) == [(0, "album.cover", "not_found")]


def test_problems_of_the_plan_stay_its_own(files: LocalServer) -> None:
    rows = [{"recipient": "nobody", "url": at(files, "bad")}, {"recipient": PHONES[0], "url": at(files, "good")}]
    plan = d7nb.plan(pd.DataFrame(rows), Attachment("image", col("url")), originator=ORIGINATOR)
    assert problem_cells(plan)
    assert check(plan).empty


# how it is asked


def in_groups(size: int, most: Counter[str]) -> Script:
    """A script that answers when so many are asked of one host at once, and keeps in mind how many it were."""
    lock, now = threading.Lock(), Counter[str]()
    barriers: dict[str, threading.Barrier] = defaultdict(lambda: threading.Barrier(size))

    def script(handler: Handler) -> None:
        host = handler.headers["Host"].partition(":")[0]
        with lock:
            now[host] += 1
            most[host] = max(most[host], now[host])
            barrier = barriers[host]
        barrier.wait(30)
        time.sleep(0.1)  # one too many would come now
        with lock:
            now[host] -= 1
        PNG(handler)

    return script


def test_a_host_is_asked_four_things_at_once_and_no_more() -> None:
    most = Counter[str]()
    with serving(in_groups(4, most)) as server:
        urls = [at(server, f"{number}.png", f"{'ab'[number % 2]}.example") for number in range(24)]
        plan = plan_of(*({"url": url} for url in urls), content=Attachment("image", col("url")))
        assert check(plan, workers=12, timeout=60).empty
        assert len(server.requests) == 24
    assert most == {"a.example": 4, "b.example": 4}


@pytest.mark.parametrize("own", [True, False])
def test_the_client_says_how_many_are_asked_at_once(sandbox: d7nb.Sandbox, own: bool) -> None:
    most = Counter[str]()
    with serving(in_groups(2, most)) as server, sandbox.client(workers=2 if own else 8) as client:
        urls = [at(server, f"{number}.png") for number in range(8)]
        plan = plan_of(*({"url": url} for url in urls), content=Attachment("image", col("url")))
        assert check(plan, client, workers=None if own else 2, timeout=60).empty
    assert most == {"files.example": 2}


def test_the_bar_says_how_many_were_asked_and_nothing_else_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(PNG) as server:
        urls = [at(server, f"{number % 3}.png") for number in range(9)]
        plan = plan_of(*({"url": url} for url in urls), content=Attachment("image", col("url")))
        check(plan, progress=False)
        assert capsys.readouterr() == ("", "")
        check(plan, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "3/3" in err
    assert "link" in err


@pytest.mark.parametrize(
    "options", [{"client": "token"}, {"client": d7nb.Client}, {"workers": 0}, {"timeout": 0}, {"timeout": (5, -1)}]
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(PlanError):
        checked("https://files.example/a.png", **options)


def test_a_time_out_of_none_waits_as_long_as_it_takes() -> None:
    def slow(handler: Handler) -> None:
        time.sleep(0.3)
        PNG(handler)

    with serving(slow) as server:
        assert checked(at(server), timeout=(None, None)).empty


CHILD = """
import os, socket, sys, time
import pandas as pd
import d7nb
def look_up(*args, **options):
    os.write(1, b"looking up\\n")
    time.sleep(60)
if sys.argv[2] == "name":
    socket.getaddrinfo = look_up
frame = pd.DataFrame({"recipient": ["+12025550123"] * 8, "url": [f"{sys.argv[1]}/{n}" for n in range(8)]})
plan = d7nb.plan(frame, d7nb.Attachment("image", d7nb.col("url")), originator="+12025550100", key="url")
try:
    plan.check_links(progress=False, timeout=(60, 60))
except KeyboardInterrupt as error:
    print(type(error).__name__, flush=True)
"""


@pytest.mark.parametrize("stalls", ["name", "answer"])
def test_an_interrupt_waits_for_nobody_and_nor_does_the_end_of_the_program(stalls: str) -> None:
    reached = threading.Event()

    def stalled(handler: Handler) -> None:
        reached.set()
        handler.server.ended.wait()

    with serving(stalled) as server:
        command = [sys.executable, "-c", CHILD, server.url, stalls]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "looking up\n" if stalls == "name" else reached.wait(60)
            time.sleep(0.2)
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
            assert time.monotonic() - began < 10
        assert (out.replace("looking up\n", ""), err) == ("KeyboardInterrupt\n", "")
        assert process.returncode == 0


def test_an_interrupt_leaves_no_thread_and_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(threading.enumerate())
    main = threading.main_thread().ident
    assert main is not None

    def stalled(handler: Handler) -> None:
        signal.pthread_kill(main, signal.SIGINT)
        handler.server.ended.wait()

    with serving(stalled) as server:
        with pytest.raises(KeyboardInterrupt):
            checked(at(server), timeout=(60, 60))
        asking = [thread for thread in threading.enumerate() if thread.name == "d7nb-link" and thread not in before]
        for thread in asking:
            thread.join(10)
        assert not any(thread.is_alive() for thread in asking)
