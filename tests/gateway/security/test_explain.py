"""Real handshakes with real faults: each gets the sentence that names it.

The peers are blocking sockets in a thread, because asyncio's server closes without sending its alert; the peer for old TLS
is the openssl program.
"""

import asyncio
import contextlib
import errno
import re
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.security.explain import Peer, explain, is_tls_record, look
from gateway.security.tls import client_context, server_context
from gateway.settings import TlsSettings
from simulators.pki import BadPki, Pki

Talk = Callable[[socket.socket], None]


@asynccontextmanager
async def listening(talk: Talk, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A peer on a port of its own: each connection is given to `talk`, after the handshake where there is a context."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_serve, args=(server, talk, context))
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            await asyncio.to_thread(thread.join)  # the loop must run on: it still has sockets to close


def _serve(server: socket.socket, talk: Talk, context: ssl.SSLContext | None) -> None:
    with contextlib.suppress(OSError):
        while True:
            sock, _ = server.accept()
            with sock, contextlib.suppress(OSError):
                if context is None:
                    talk(sock)
                    continue
                with context.wrap_socket(sock, server_side=True) as secure:
                    talk(secure)


def until_closed(sock: socket.socket) -> None:
    while sock.recv(4096):
        pass


def closing(sock: socket.socket) -> None:
    sock.recv(3)


def saying(data: bytes) -> Talk:
    def talk(sock: socket.socket) -> None:
        sock.sendall(data)
        until_closed(sock)

    return talk


def server_tls(pki: Pki, cert: Path, key: Path) -> ssl.SSLContext:
    return server_context(TlsSettings(ca=pki.ca, cert=cert, key=str(key)))


async def fault(port: int, tls: TlsSettings, *, host: str = "localhost", look_too: bool = True) -> str:
    """Connect and read; the sentence for what happens."""
    peer = Peer(host, port, tls)
    try:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=client_context(tls), server_hostname=peer.wanted
            )
            try:
                await reader.read(1)
            finally:
                writer.transport.abort()
    except OSError as error:
        shown = await look(Peer("127.0.0.1", port, tls)) if look_too else None
        return explain(error, Peer(host, port, tls, shown))
    return "connected"


def gateway_tls(pki: Pki, cert: Path | None = None, key: Path | None = None, server_name: str | None = None) -> TlsSettings:
    return TlsSettings(ca=pki.ca, cert=cert or pki.client.cert, key=str(key or pki.client.key), server_name=server_name)


async def test_good_certificates_connect(pki: Pki) -> None:
    async with listening(saying(b"x"), server_tls(pki, *pki.server)) as port:
        assert await fault(port, gateway_tls(pki)) == "connected"


@pytest.mark.parametrize(
    ("which", "sentence"),
    [
        (
            "other_host",
            r"the certificate is for lab\.example, www\.lab\.example, 192\.0\.2\.7, not for localhost: correct the address",
        ),
        ("expired", r"the certificate expired on \d{4}-\d\d-\d\d \d\d:\d\d UTC: the receiver needs a new one"),
        ("not_yet", r"the certificate is not valid before \d{4}-\d\d-\d\d \d\d:\d\d UTC: check the clocks"),
        ("unknown_authority", r"the certificate is signed by Another authority, which is no authority of .*ca\.pem: put"),
    ],
)
async def test_a_certificate_that_is_not_accepted_is_named_by_its_fault(pki: Pki, bad: BadPki, which: str, sentence: str) -> None:
    async with listening(until_closed, server_tls(pki, *getattr(bad, which))) as port:
        said = await fault(port, gateway_tls(pki))
    assert said.startswith(f"localhost:{port}: ")
    assert re.search(sentence, said), said


@pytest.mark.parametrize(
    ("which", "sentence"),
    [
        ("other_host", "the certificate is not for localhost"),
        ("expired", "the certificate has expired"),
        ("not_yet", "the certificate is not valid yet"),
        ("unknown_authority", "the certificate is signed by no authority of "),
    ],
)
async def test_the_fault_is_named_even_when_the_certificate_cannot_be_fetched(
    pki: Pki, bad: BadPki, which: str, sentence: str
) -> None:
    async with listening(until_closed, server_tls(pki, *getattr(bad, which))) as port:
        assert sentence in await fault(port, gateway_tls(pki), look_too=False)


async def test_the_expiry_told_is_the_certificates(pki: Pki, bad: BadPki) -> None:
    end = subprocess.run(
        ["openssl", "x509", "-in", bad.expired.cert, "-noout", "-enddate", "-dateopt", "iso_8601"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()  # notAfter=2026-11-20 11:35:44Z
    async with listening(until_closed, server_tls(pki, *bad.expired)) as port:
        assert f"expired on {end.removeprefix('notAfter=')[:16]} UTC" in await fault(port, gateway_tls(pki))


async def test_a_name_of_its_own_may_be_wanted(pki: Pki, bad: BadPki) -> None:
    async with listening(saying(b"x"), server_tls(pki, *bad.other_host)) as port:
        assert await fault(port, gateway_tls(pki, server_name="lab.example")) == "connected"
        assert "not for elsewhere.example" in await fault(port, gateway_tls(pki, server_name="elsewhere.example"))


@pytest.mark.parametrize(
    ("which", "sentence"),
    [
        ("unknown_client", "it refuses our certificate: signed by an authority it does not know; check tls.cert"),
        ("expired_client", "it refuses our certificate: expired; check tls.cert"),
    ],
)
async def test_a_peer_that_refuses_our_certificate_is_quoted(pki: Pki, bad: BadPki, which: str, sentence: str) -> None:
    async with listening(until_closed, server_tls(pki, *pki.server)) as port:
        assert sentence in await fault(port, gateway_tls(pki, *getattr(bad, which)))


async def test_a_peer_that_misses_our_certificate_is_quoted(pki: Pki) -> None:
    async with listening(until_closed, server_tls(pki, *pki.server)) as port:
        assert "it refuses our certificate: missing" in await fault(port, TlsSettings(ca=pki.ca))


async def test_a_plain_peer_that_answers_is_named(pki: Pki) -> None:
    async with listening(saying(b"\x0bMSH|^~\\&|\x1c\r")) as port:
        assert "it answers without TLS: that is a plain port; give the receiver's TLS port" in await fault(port, gateway_tls(pki))


async def test_a_plain_peer_that_closes_is_guessed(pki: Pki) -> None:
    async with listening(closing) as port:
        assert "it closed the connection" in await fault(port, gateway_tls(pki))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl program")
async def test_tls_1_1_is_refused_and_named(pki: Pki) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0", "-quiet"]
    server = await asyncio.create_subprocess_exec(*command, "-cert", pki.server.cert, "-key", pki.server.key, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        said = "nothing listens"
        async with asyncio.timeout(10):
            while "nothing listens" in said:  # until openssl has opened its port
                said = await fault(port, gateway_tls(pki))
        assert "it speaks no TLS version that is allowed: it must offer TLS 1.2 or 1.3" in said
    finally:
        server.terminate()
        await server.wait()


async def test_nothing_listening_is_named(pki: Pki) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert "nothing listens there" in await fault(port, gateway_tls(pki))


async def test_looking_at_a_peer_without_tls_shows_nothing(pki: Pki) -> None:
    async with listening(closing) as port:
        assert await look(Peer("127.0.0.1", port, gateway_tls(pki))) is None
        assert await look(Peer("127.0.0.1", port)) is None


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "nothing listens there"),
        (
            OSError("Multiple exceptions: [Errno 111] Connect call failed, [Errno 111] Connect call failed"),
            "nothing listens there",
        ),
        (OSError(errno.EHOSTUNREACH, "no route"), "no way to that host"),
        (OSError(errno.ENETUNREACH, "no net"), "no way to that network"),
        (TimeoutError(errno.ETIMEDOUT, "timed out"), "no answer: check address, cable and firewall"),
        (TimeoutError(), "no answer in time"),
        (ConnectionResetError(), "it closed the connection"),
        (socket.gaierror(-2, "Name or service not known"), "the name engine.example is not known"),
        (UnicodeError("label too long"), "the name engine.example is not known"),
        (ssl.SSLEOFError(8, "EOF occurred in violation of protocol"), "in the middle of TLS"),
        (OSError(errno.EIO, "strange"), "OSError"),
    ],
)
def test_trouble_of_the_network_says_what_to_look_at(error: Exception, sentence: str) -> None:
    said = explain(error, Peer("engine.example", 2575))
    assert said.startswith("engine.example:2575: ")
    assert sentence in said


def test_a_silent_peer_on_a_tls_port_may_be_a_plain_one(pki: Pki) -> None:
    assert "no TLS answer in time: no way there, or a plain port" in explain(TimeoutError(), Peer("h", 1, gateway_tls(pki)))


def test_a_wrong_file_speaks_for_itself() -> None:
    assert explain(ConfigError("gw.key: others can read this key"), Peer("h", 1)) == "gw.key: others can read this key"


def test_an_ipv6_address_is_shown_in_brackets() -> None:
    assert explain(TimeoutError(), Peer("2001:db8::1", 2575)).startswith("[2001:db8::1]:2575: ")


@pytest.mark.parametrize(
    ("data", "tls"),
    [
        (b"\x15\x03\x03\x00\x02\x02\x46", True),
        (b"\x16\x03\x01\x02\x00", True),
        (b"\x0bMSH", False),
        (b"", False),
        (b"\x15", False),
    ],
)
def test_a_tls_alert_is_known_where_plain_text_was_expected(data: bytes, *, tls: bool) -> None:
    assert is_tls_record(data) is tls
