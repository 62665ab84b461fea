"""The endpoint over real sockets: two words, bounded in every direction, over TLS only for who shows a certificate."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.errors import ConfigError
from gateway.metrics import server
from gateway.metrics.exposition import OPENMETRICS, TEXT, Family
from gateway.metrics.server import CONNECTIONS_MAX, REQUEST_MAX, Endpoint
from gateway.settings import TlsSettings
from gateway.settings.metrics import MetricsSettings
from simulators import pki

Ask = Callable[..., Awaitable[tuple[str, dict[str, str], bytes]]]


class World:
    """What the endpoint tells."""

    trouble = ""

    async def families(self) -> list[Family]:
        made = Family("x", "counter", "x")
        made.add(3)
        return [made]

    async def why(self) -> str:
        return self.trouble


async def exchange(port: int, request: bytes, context: ssl.SSLContext | None = None) -> tuple[str, dict[str, str], bytes]:
    """Status line, fields, body of what is answered to `request`."""
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname="localhost" if context else None
        )
        writer.write(request)
        data = await reader.read()
        writer.close()
    head, _, body = data.partition(b"\r\n\r\n")
    status, *fields = head.decode().split("\r\n")
    return status, dict(one.split(": ", 1) for one in fields), body


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def port(world: World) -> AsyncIterator[int]:
    listening = await Endpoint(world.families, world.why).serve(_anywhere())
    yield listening.sockets[0].getsockname()[1]
    await server.close(listening)


def _anywhere(tls: TlsSettings | None = None) -> MetricsSettings:
    """A port that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return MetricsSettings(listen=f"127.0.0.1:{found.getsockname()[1]}", tls=tls)


@pytest.mark.parametrize(
    ("accept", "kind", "body"),
    [
        ("", TEXT, b"# HELP x_total x\n# TYPE x_total counter\nx_total 3\n"),
        ("Accept: application/openmetrics-text\r\n", OPENMETRICS, b"# HELP x x\n# TYPE x counter\nx_total 3\n# EOF\n"),
    ],
)
async def test_metrics_are_given_in_the_form_that_is_asked_for(port: int, accept: str, kind: str, body: bytes) -> None:
    status, fields, got = await exchange(port, f"GET /metrics?x=1 HTTP/1.1\r\nHost: x\r\n{accept}\r\n".encode())
    assert (status, fields["Content-Type"], fields["Content-Length"], got) == ("HTTP/1.1 200 OK", kind, str(len(body)), body)
    assert fields["Connection"] == "close"


async def test_health_is_said_in_words(port: int, world: World) -> None:
    assert (await exchange(port, b"GET /healthz HTTP/1.1\r\n\r\n"))[::2] == ("HTTP/1.1 200 OK", b"ok\n")
    world.trouble = "the disk is full"
    assert (await exchange(port, b"GET /healthz HTTP/1.1\r\n\r\n"))[::2] == (
        "HTTP/1.1 503 Service Unavailable", b"the disk is full\n",
    )  # fmt: skip


REFUSED = {
    "another path": (b"GET /etc/passwd HTTP/1.1\r\n\r\n", "404 Not Found"),
    "a path with dots": (b"GET /metrics/../x HTTP/1.1\r\n\r\n", "404 Not Found"),
    "another method": (b"POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "405 Method Not Allowed"),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", "400 Bad Request"),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400 Bad Request"),
    "nothing at all": (b"\r\n\r\n", "400 Bad Request"),
    "a head without end": (b"GET /metrics HTTP/1.1\r\nX: " + b"a" * 2 * REQUEST_MAX, "400 Bad Request"),
}


@pytest.mark.parametrize(("request_", "status"), REFUSED.values(), ids=REFUSED.keys())
async def test_nothing_else_is_answered(port: int, request_: bytes, status: str) -> None:
    try:
        assert (await exchange(port, request_))[0] == f"HTTP/1.1 {status}"
    except ConnectionResetError:
        assert len(request_) > REQUEST_MAX  # hung up with much unread: the answer may be lost, a page is never given


async def test_connections_beyond_the_cap_are_hung_up_on_and_the_others_served(port: int) -> None:
    silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTIONS_MAX)]
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
        silent[0][1].write(b"GET /healthz HTTP/1.1\r\n\r\n")
        assert (await silent[0][0].read()).endswith(b"ok\n")
    for _, one in silent:
        one.close()


async def test_who_says_nothing_is_hung_up_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "TIMEOUT_S", 0.05)
    listening = await Endpoint(world.families, world.why).serve(_anywhere())
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
    await server.close(listening)


async def test_over_tls_only_who_shows_a_certificate_is_answered(world: World, tmp_path: Path) -> None:
    good = pki.make_with_bad(tmp_path)[0]
    tls = TlsSettings(ca=good.ca, cert=good.server.cert, key=str(good.server.key))
    listening = await Endpoint(world.families, world.why).serve(_anywhere(tls))
    port = listening.sockets[0].getsockname()[1]
    context = ssl.create_default_context(cafile=str(good.ca))
    with contextlib.suppress(ssl.SSLError, ConnectionResetError):  # how it shows is the TLS version's business
        assert await exchange(port, b"GET /metrics HTTP/1.1\r\n\r\n", context) == ("", {}, b"")
    context.load_cert_chain(good.client.cert, good.client.key)
    assert (await exchange(port, b"GET /metrics HTTP/1.1\r\n\r\n", context))[0] == "HTTP/1.1 200 OK"
    await server.close(listening)


async def test_an_address_that_is_taken_is_told_and_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    taken = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
    listen = f"127.0.0.1:{taken.sockets[0].getsockname()[1]}"
    with pytest.raises(ConfigError, match=rf"gateway\.metrics\.listen: {listen}: .*choose another address or port"):
        await Endpoint(world.families, world.why).serve(MetricsSettings(listen=listen))
    monkeypatch.setattr(server, "RETRY_S", 0.01)
    running = asyncio.create_task(Endpoint(world.families, world.why).run(MetricsSettings(listen=listen)))
    async with asyncio.timeout(10):
        while "no metrics for now" not in caplog.text:
            await asyncio.sleep(0.01)
        await server.close(taken)
        while True:
            try:
                answer = await exchange(int(listen.rpartition(":")[2]), b"GET /healthz HTTP/1.1\r\n\r\n")
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)
            else:
                break
    assert answer[2] == b"ok\n"
    running.cancel()
    await asyncio.wait([running])


UNSAFE = {
    "the network without protection": ({"listen": "0.0.0.0:9464"}, "can be reached from the network"),
    "both protected and not": (
        {"listen": "0.0.0.0:9464", "plain": True, "tls": {"ca": "/c", "cert": "/c", "key": "/k"}}, "contradict each other",
    ),
    "a server without a certificate": ({"listen": "0.0.0.0:9464", "tls": {"ca": "/c"}}, "needs cert and key"),
    "no port": ({"listen": "127.0.0.1"}, "expected host:port"),
}  # fmt: skip


@pytest.mark.parametrize(("keys", "told"), UNSAFE.values(), ids=UNSAFE.keys())
def test_what_would_be_unsafe_is_refused(keys: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        MetricsSettings.model_validate(keys)


def test_open_to_all_is_only_what_is_meant_so() -> None:
    assert not MetricsSettings().open_to_all
    assert not MetricsSettings(listen="[::1]:9464").open_to_all
    assert MetricsSettings(listen="0.0.0.0:9464", plain=True).open_to_all
