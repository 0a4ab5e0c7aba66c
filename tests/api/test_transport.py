"""How the client connects: TLS, proxies, idle connections, redirects; and whether it knows that a request never left.

``not_connected`` is tried again by itself, so each of these must have sent nothing; ``unknown`` never is.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

import d7nb
from d7nb.api import transport
from d7nb.api.responses import SendResponse
from d7nb.errors import Ambiguous, Misdirected, NotConnected
from tests.support.servers import HOST, Handler, LocalServer, Script, answering, free_port, sending, serving, tunnelling

TOKEN = "eyJhbGciOiJIUzI1NiJ9.c2VjcmV0.not-a-real-token"
REAL = f"https://{HOST}"


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC"):
        monkeypatch.delenv(name, raising=False)


def exchange(base_url: str, timeout: tuple[float, float] = (5, 5)) -> SendResponse:
    with d7nb.Client(TOKEN, base_url=base_url, timeout=timeout) as client:
        return client.exchange(b"{}")


# TLS


def test_a_self_signed_certificate_is_not_trusted_and_nothing_is_sent(certificates: dict[str, Path]) -> None:
    with serving(certificate=certificates["here"]) as server:
        answer = exchange(server.url)
    assert answer.kind == "not_connected"
    assert "certificate" in str(answer.error)
    assert server.requests == []


def test_requests_ca_bundle_is_honoured(trusted: dict[str, Path]) -> None:
    with serving(certificate=trusted["here"]) as server:
        assert exchange(server.url).kind == "accepted"


def test_a_certificate_for_another_host_is_not_trusted_and_nothing_is_sent(trusted: dict[str, Path]) -> None:
    with serving(certificate=trusted["elsewhere"]) as server:
        answer = exchange(server.url)
    assert answer.kind == "not_connected"
    assert "certificate" in str(answer.error)
    assert server.requests == []


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_bundle_that_does_not_exist_is_said_at_once(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "/nowhere/bundle.pem")
    with pytest.raises(ValueError, match=f"{variable}.*/nowhere/bundle.pem"):
        d7nb.Client(TOKEN)


def test_https_to_a_server_that_speaks_http_sends_nothing() -> None:
    with serving() as server:
        assert exchange(server.url.replace("http:", "https:")).kind == "not_connected"
    assert server.requests == []


@pytest.mark.parametrize("stalls", [True, False], ids=["time-out", "reset"])
def test_a_tls_handshake_that_fails_sends_nothing(stalls: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        if stalls:  # the kernel takes the connection, nobody answers it
            answer = exchange(url, timeout=(0.1, 5))
        else:
            with ThreadPoolExecutor(1) as pool:
                reset = pool.submit(listener.accept)
                reset.add_done_callback(lambda done: done.result()[0].close())
                answer = exchange(url)
    assert answer.kind == "not_connected"


# no connection, no answer


def test_a_refused_port_is_not_connected() -> None:
    answer = exchange(f"http://127.0.0.1:{free_port()}")
    assert answer.kind == "not_connected"
    assert isinstance(answer.error, NotConnected)
    assert answer.error.status is None


def test_an_unknown_host_name_is_not_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert exchange("https://d7networks.invalid").kind == "not_connected"


def test_a_request_that_left_and_had_no_answer_is_unknown(sandbox: d7nb.Sandbox) -> None:
    sandbox.fail_next("delay", seconds=30)
    with sandbox.client(timeout=(5, 0.1)) as client:
        answer = client.exchange(b"{}")
    assert answer.kind == "unknown"
    assert isinstance(answer.error, Ambiguous)
    assert "in time" in str(answer.error)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"220 smtp ready\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: x\r\n" % n for n in range(200)) + b"\r\n",
    ],
    ids=["nothing", "no-http", "cut", "bad-chunk", "bad-gzip", "too-many-headers"],
)
def test_an_answer_that_is_none_is_unknown(raw: bytes) -> None:
    with serving(sending(raw)) as server:
        answer = exchange(server.url)
    assert answer.kind == "unknown"
    assert isinstance(answer.error, Ambiguous)
    assert len(server.requests) == 1


# redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_redirect_is_never_followed(status: int, method: str) -> None:
    with (
        serving() as target,
        serving(answering(status, Location=f"{target.url}/whatsapp/v2/send")) as server,
        d7nb.Client(TOKEN, base_url=server.url) as client,
        pytest.raises(Misdirected) as caught,
    ):
        client.post({}) if method == "POST" else client.report("x")
    assert caught.value.status == status
    assert len(server.requests) == 1
    assert target.connections == 0


@pytest.mark.parametrize("location", ["http://[", "//", "https://a b", "file:///etc/passwd", "\xff"])
def test_where_a_redirect_leads_is_not_even_read(location: str) -> None:
    with serving(answering(307, Location=location)) as server:
        assert exchange(server.url).kind == "refused"


# proxies and .netrc


def test_a_netrc_entry_does_not_replace_the_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password something\ndefault login a password b\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with serving() as server:
        exchange(server.url)
    assert server.requests[0].headers["Authorization"] == f"Bearer {TOKEN}"


def test_a_proxy_from_the_environment_is_used_and_sees_no_token(
    trusted: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(certificate=trusted["d7"]) as server, serving(tunnelling(server)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        answer = exchange(REAL)
    assert answer.kind == "accepted"
    assert [(request.method, request.path) for request in proxy.requests] == [("CONNECT", f"{HOST}:443")]
    assert "Authorization" not in proxy.requests[0].headers
    assert server.requests[0].headers["Authorization"] == f"Bearer {TOKEN}"


def test_the_environment_is_read_once(trusted: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        serving(certificate=trusted["here"]) as server,
        serving() as proxy,
        d7nb.Client(TOKEN, base_url=server.url) as client,
    ):
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")
        assert client.exchange(b"{}").kind == "accepted"
    assert proxy.connections == 0


def test_no_proxy_is_respected(trusted: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(certificate=trusted["here"]) as server, serving(tunnelling(server)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "example.com,127.0.0.1")
        assert exchange(server.url).kind == "accepted"
    assert proxy.connections == 0


def test_a_rehearsal_never_leaves_the_machine_through_a_proxy(
    sandbox: d7nb.Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        with sandbox.client() as client:
            assert client.exchange(b"{}").status == 422
    assert proxy.connections == 0


@pytest.mark.parametrize(
    "script",
    [answering(403), answering(407), sending(b""), sending(b"220 smtp ready\r\n")],
    ids=["403", "407", "hangs-up", "no-http"],
)
def test_a_proxy_that_makes_no_tunnel_is_not_connected(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(script) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        answer = exchange(REAL)
    assert answer.kind == "not_connected"
    assert len(proxy.requests) == 1


def test_a_proxy_that_is_not_there_is_not_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_port()}")
    assert exchange(REAL).kind == "not_connected"


@pytest.mark.parametrize(
    "proxy", ["socks5://127.0.0.1:{}", "gopher://127.0.0.1:{}", "http://", "http://[", "http://:{}"]
)
def test_a_proxy_that_can_not_be_used_sends_nothing(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy.format(free_port()))
    assert exchange(REAL).kind == "not_connected"


def test_certificates_that_are_gone_send_nothing(trusted: dict[str, Path], tmp_path: Path) -> None:
    with serving(certificate=trusted["here"]) as server, d7nb.Client(TOKEN, base_url=server.url) as client:
        (tmp_path / "trusted.pem").unlink()
        assert client.exchange(b"{}").kind == "not_connected"
    assert server.requests == []


def test_a_request_that_was_lost_behind_a_proxy_is_unknown(
    trusted: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """urllib3 calls this a ProxyError, as it does a proxy that can't be reached: it must not be tried again."""
    with serving(Handler.hang_up, certificate=trusted["d7"]) as server, serving(tunnelling(server)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        answer = exchange(REAL)
    assert len(server.requests) == 1
    assert answer.kind == "unknown"


# connections


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The transport's clock, moved by hand."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(transport, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.fixture(params=["direct", "tunnel"])
def route(
    request: pytest.FixtureRequest, trusted: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[LocalServer, str]]:
    """A server, and the address by which the client gets there."""
    tunnelled = request.param == "tunnel"
    with serving(certificate=trusted["d7" if tunnelled else "here"]) as server, serving(tunnelling(server)) as proxy:
        if tunnelled:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        yield server, REAL if tunnelled else server.url


def test_a_connection_used_a_moment_ago_is_used_again(route: tuple[LocalServer, str], clock: SimpleNamespace) -> None:
    server, url = route
    with d7nb.Client(TOKEN, base_url=url) as client:
        for _ in range(5):
            assert client.exchange(b"{}").kind == "accepted"
            clock.now += transport.IDLE_SECONDS
    assert server.connections == 1


def test_a_connection_that_was_idle_is_not_used_again(route: tuple[LocalServer, str], clock: SimpleNamespace) -> None:
    server, url = route
    with d7nb.Client(TOKEN, base_url=url) as client:
        for _ in range(3):
            assert client.exchange(b"{}").kind == "accepted"
            assert client.report("x")["status"] == "accepted"
            clock.now += transport.IDLE_SECONDS + 0.01
    assert server.connections == 3


def test_a_connection_that_the_server_closed_is_not_used_again() -> None:
    def once(handler: Handler) -> None:
        handler.reply(headers={"Connection": "close"})

    with serving(once) as server, d7nb.Client(TOKEN, base_url=server.url) as client:
        assert [client.exchange(b"{}").kind for _ in range(3)] == ["accepted"] * 3


def test_a_closed_client_can_still_be_used() -> None:
    with serving() as server:
        client = d7nb.Client(TOKEN, base_url=server.url)
        for _ in range(2):
            assert client.exchange(b"{}").kind == "accepted"
            client.close()
    assert server.connections == 2


def test_many_threads_share_one_client() -> None:
    with serving() as server, d7nb.Client(TOKEN, base_url=server.url, workers=4) as client:
        bodies = [b'{"n":%d}' % n for n in range(400)]
        with ThreadPoolExecutor(16) as pool:
            kinds = list(pool.map(lambda body: client.exchange(body).kind, bodies))
    assert kinds == ["accepted"] * 400
    assert sorted(request.body for request in server.requests) == sorted(bodies)
    assert {request.headers["Authorization"] for request in server.requests} == {f"Bearer {TOKEN}"}
    assert 1 <= server.connections <= 4


def test_what_is_sent_is_said_to_be_what_it_is() -> None:
    with serving() as server, d7nb.Client(TOKEN, base_url=f"{server.url}/prefix/") as client:
        client.post({"messages": []})
        client.report("a/b?c")
    post, get = server.requests
    assert (post.method, post.path, post.body) == ("POST", "/prefix/whatsapp/v2/send", b'{"messages":[]}')
    assert post.headers["Content-Type"] == post.headers["Accept"] == "application/json"
    assert post.headers["User-Agent"].startswith("d7nb/")
    assert (get.method, get.path, get.body) == ("GET", "/prefix/whatsapp/v2/report/a%2Fb%3Fc", b"")
    assert "Content-Type" not in get.headers
