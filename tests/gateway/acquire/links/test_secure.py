"""TLS where devices connect: who shows no good certificate is told apart, bounded, and takes nobody's place."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import shutil
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.acquire.links import parse_link, secure
from gateway.acquire.links.listen import ListenLink, ListenSpec, secured
from gateway.acquire.links.secure import HANDSHAKES_MAX, HANDSHAKES_OF_ONE, Secure
from gateway.errors import ConfigError, LinkError
from gateway.security.tls import client_context
from gateway.settings import TlsSettings
from simulators import pki
from simulators.pki import BadPki, Pair, Pki


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pki, BadPki]:
    return pki.make_with_bad(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def made(both: tuple[Pki, BadPki]) -> Pki:
    return both[0]


@pytest.fixture(scope="module")
def bad(both: tuple[Pki, BadPki]) -> BadPki:
    return both[1]


def ours(made: Pki) -> TlsSettings:
    return TlsSettings(ca=made.ca, cert=made.server.cert, key=str(made.server.key))


@pytest.fixture
async def listener(made: Pki) -> AsyncIterator[ListenLink]:
    link = ListenLink(ListenSpec("127.0.0.1", 0, tls=ours(made)))
    await link.listen()
    yield link
    await link.close()


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def dial(port: int, ca: Path, pair: Pair | None) -> Streams:
    cert, key = (pair.cert, str(pair.key)) if pair else (None, None)
    context = client_context(TlsSettings(ca=ca, cert=cert, key=key))
    return await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether the other side has hung up, in whatever way."""
    try:
        async with asyncio.timeout(5):
            return await reader.read() == b""
    except TimeoutError:
        return False
    except OSError:
        return True


async def talk(link: ListenLink, streams: Streams) -> None:
    """What is said each way arrives."""
    async with asyncio.timeout(5):
        connection = await link.open()
        gc.collect()  # what TLS goes over must not go with it
        streams[1].write(b"MSH|x" * 20_000)
        got = b""
        while len(got) < 100_000:
            got += await connection.read()
        assert got == b"MSH|x" * 20_000
        await connection.write(b"MSA|AA")
        assert await streams[0].readexactly(6) == b"MSA|AA"
        streams[1].close()
        assert await connection.read() == b""
        await connection.close()


async def test_who_shows_a_certificate_of_the_authority_is_served(listener: ListenLink, made: Pki) -> None:
    await talk(listener, await dial(listener.port, made.ca, made.client))
    await talk(listener, await dial(listener.port, made.ca, made.client))
    assert listener.describe().endswith(" with TLS")


@pytest.mark.parametrize(
    ("which", "why"),
    [
        ("none", "it showed no certificate: install one on it that the authority in tls.ca has signed"),
        ("unknown_client", "its certificate was not accepted: "),
        ("expired_client", "its certificate was not accepted: "),
    ],
)
async def test_who_shows_none_or_a_bad_one_is_refused_and_told_why(
    listener: ListenLink, made: Pki, bad: BadPki, which: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with contextlib.suppress(OSError):
        reader, writer = await dial(listener.port, made.ca, None if which == "none" else getattr(bad, which))
        assert await ended(reader)
        writer.transport.abort()
    assert f"refused 127.0.0.1: {why}" in caplog.text
    await talk(listener, await dial(listener.port, made.ca, made.client))


@pytest.mark.parametrize("said", [b"\x0bMSH|^~\\&|LIS\r\x1c\r", b"GET / HTTP/1.0\r\n\r\n", b"\x05" * 400, b"\xff" * 70_000])
async def test_who_speaks_no_tls_is_hung_up_on_and_told_so(
    listener: ListenLink, said: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(said)
    assert await ended(reader)
    assert "it does not speak TLS: switch it on there, or remove tls here" in caplog.text
    writer.transport.abort()


async def test_who_has_shown_no_certificate_takes_nobodys_place(listener: ListenLink, made: Pki) -> None:
    inside = await dial(listener.port, made.ca, made.client)
    connection = await listener.open()
    reader, outside = await asyncio.open_connection("127.0.0.1", listener.port)
    outside.write(b"\x0bMSH|")
    assert await ended(reader)
    inside[1].write(b"still here")
    async with asyncio.timeout(5):
        assert await connection.read() == b"still here"
    newer = await dial(listener.port, made.ca, made.client)
    assert await ended(inside[0])
    await connection.close()
    await talk(listener, newer)
    outside.transport.abort()


async def test_a_device_that_was_reset_comes_back_past_its_own_dead_handshakes(listener: ListenLink, made: Pki) -> None:
    dead = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(HANDSHAKES_OF_ONE + 2)]
    await talk(listener, await dial(listener.port, made.ca, made.client))
    assert await ended(dead[0][0])
    for _, writer in dead:
        writer.transport.abort()


@pytest.fixture
async def accepted() -> AsyncIterator[Callable[[], Awaitable[asyncio.StreamWriter]]]:
    """The gateway's ends of connections on which the other side says nothing."""
    arrived: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
    server = await asyncio.start_server(lambda _, writer: arrived.put_nowait(writer), "127.0.0.1", 0)
    held = []

    async def one() -> asyncio.StreamWriter:
        held.append((await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1]))[1])
        held.append(await arrived.get())
        return held[-1]

    yield one
    for writer in held:
        writer.transport.abort()
    server.close()


async def test_a_scan_from_many_addresses_holds_no_more_than_a_few(made: Pki, accepted: Any) -> None:
    one = Secure(ours(made))
    waiting = [asyncio.create_task(one.shake(await accepted(), f"10.0.0.{n}")) for n in range(HANDSHAKES_MAX)]
    await asyncio.sleep(0)
    with pytest.raises(LinkError, match="too many connections that have not shown a certificate"):
        await one.shake(await accepted(), "10.0.1.1")
    one.cut()
    async with asyncio.timeout(5):
        ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert {str(end) for end in ends} == {"it hung up before it had shown a certificate"}


async def test_who_says_nothing_is_hung_up_on(made: Pki, accepted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secure, "HANDSHAKE_S", 0.0)
    with pytest.raises(LinkError, match="no TLS within 0 s"):
        await Secure(ours(made)).shake(await accepted(), "10.0.0.1")


async def test_who_hangs_up_in_the_handshake_is_forgotten(listener: ListenLink, made: Pki) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(bytes.fromhex("160301"))
    writer.transport.abort()
    await talk(listener, await dial(listener.port, made.ca, made.client))


async def test_each_reason_is_told_once_of_an_address(listener: ListenLink, made: Pki, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for said in (b"no tls here", b"nor here"):
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(said)
        assert await ended(reader)
        writer.transport.abort()
    with contextlib.suppress(OSError):
        reader, writer = await dial(listener.port, made.ca, None)
        assert await ended(reader)
        writer.transport.abort()
    assert [record.message.split(": ")[2] for record in caplog.records] == ["it does not speak TLS", "it showed no certificate"]
    assert listener.refused == 3


async def test_closing_the_link_ends_handshakes(made: Pki) -> None:
    link = ListenLink(ListenSpec("127.0.0.1", 0, tls=ours(made)))
    await link.listen()
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    await asyncio.sleep(0)
    await link.close()
    assert await ended(reader)
    writer.transport.abort()


async def test_renewed_files_are_used_and_broken_ones_are_told(
    made: Pki, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for pair in (made.server, made.client):
        shutil.copy(pair.cert, tmp_path)
        shutil.copy(pair.key, tmp_path)
    mine = TlsSettings(ca=made.ca, cert=tmp_path / made.server.cert.name, key=str(tmp_path / made.server.key.name))
    link = ListenLink(ListenSpec("127.0.0.1", 0, tls=mine))
    await link.listen()

    async def shown() -> bytes:
        _, writer = await dial(link.port, made.ca, made.client)
        der: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        connection = await link.open()
        writer.close()
        await connection.close()
        return der

    before = await shown()
    fresh = pki.make(tmp_path / "fresh")
    assert mine.cert is not None
    mine.cert.write_text("torn")
    assert await shown() == before
    assert "going on with what was read before" in caplog.text
    replace(fresh.server.key, Path(mine.key or ""))
    replace(fresh.server.cert, mine.cert)
    with pytest.raises(ssl.SSLCertVerificationError):  # of another authority: it is what the gateway shows now
        await dial(link.port, made.ca, made.client)
    await link.close()


def replace(source: Path, target: Path) -> None:
    Path(shutil.copy(source, target.with_suffix(".new"))).replace(target)


async def test_files_that_cannot_be_used_keep_the_port_shut_and_are_named(made: Pki, tmp_path: Path) -> None:
    tls = TlsSettings(ca=made.ca, cert=tmp_path / "absent.pem", key=str(made.server.key))
    link = ListenLink(ListenSpec("127.0.0.1", 0, tls=tls))
    with pytest.raises(LinkError, match=r"^tls: .*absent.pem"):
        await link.open()
    shutil.copy(made.server.cert, tmp_path / "absent.pem")
    await link.listen()
    await link.close()


@pytest.mark.parametrize(
    ("link", "keys", "why"),
    [
        ("tcp://10.1.2.3:4001", ("ca", "cert", "key"), "TLS is for devices that connect to us; expected a link tcp-listen://"),
        ("serial:///dev/ttyS0", ("ca", "cert", "key"), "expected a link tcp-listen://, or no tls"),
        ("tcp-listen://0.0.0.0:12001", ("ca",), "needs cert and key as well as ca"),
        ("tcp-listen://0.0.0.0:12001", ("ca", "cert"), "needs cert and key as well as ca"),
    ],
)
def test_where_tls_cannot_be_is_said(link: str, keys: tuple[str, ...], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        secured(parse_link(link), TlsSettings.model_validate(dict.fromkeys(keys, "/etc/x.pem")))


def test_without_tls_a_link_is_as_it_was() -> None:
    spec = parse_link("tcp-listen://0.0.0.0:12001")
    assert secured(spec, None) is spec
