"""TCP in both roles on the loopback: peers that close, reset, stall, crowd in, or are not there."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
import struct
from collections.abc import AsyncIterator

import pytest

from gateway.acquire.links import parse_link
from gateway.acquire.links.listen import ListenLink, ListenSpec
from gateway.acquire.links.stream import StreamConnection
from gateway.errors import LinkError


async def dial(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port)


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def reset(writer: asyncio.StreamWriter) -> None:
    """End with RST, as a device does that lost its power."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Server:
    """A device that listens: hands out its accepted connections."""

    def __init__(self) -> None:
        self.accepted: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.accepted.put((reader, writer))

    async def stop(self) -> None:
        self._server.close()


@pytest.fixture
async def listener() -> AsyncIterator[ListenLink]:
    link = ListenLink(ListenSpec("127.0.0.1", 0))
    await link.listen()
    yield link
    await link.close()


async def within(work: asyncio.Future[bytes] | asyncio.Task[bytes]) -> bytes:
    async with asyncio.timeout(5):
        return await work


async def test_a_client_reads_writes_and_sees_the_peer_close() -> None:
    server = Server()
    port = await server.start()
    connection = await parse_link(f"tcp://127.0.0.1:{port}").link().open()
    reader, writer = await server.accepted.get()
    await connection.write(b"SNDA\r")
    assert await reader.readexactly(5) == b"SNDA\r"
    got = b""
    for byte in b"MISCA":
        writer.write(bytes([byte]))
        got += await connection.read()
    assert got == b"MISCA"
    await close(writer)
    assert await connection.read() == b""
    assert connection.describe() == f"127.0.0.1:{port}"
    await connection.close()
    await connection.close()
    await server.stop()


async def test_a_reset_is_a_lost_connection() -> None:
    server = Server()
    connection = await parse_link(f"tcp://127.0.0.1:{await server.start()}").link().open()
    _, writer = await server.accepted.get()
    reset(writer)
    with pytest.raises(LinkError, match="connection lost: Connection reset by peer"):
        async with asyncio.timeout(5):
            await connection.read()
    await connection.close()
    await server.stop()


async def test_a_peer_that_takes_nothing_is_named_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.acquire.links.stream.WRITE_TIMEOUT_S", 0.05)
    monkeypatch.setattr("gateway.acquire.links.stream.CLOSE_TIMEOUT_S", 0.05)
    server = Server()
    connection = await parse_link(f"tcp://127.0.0.1:{await server.start()}").link().open()
    _, writer = await server.accepted.get()
    with pytest.raises(LinkError, match=r"takes no bytes for 0\.05 s"):
        await connection.write(bytes(50_000_000))
    await connection.close()
    reset(writer)
    await server.stop()


async def test_a_refused_connection_says_what_to_look_for() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(LinkError, match=f"127.0.0.1:{port}: connection refused; is the port right"):
        await parse_link(f"tcp://127.0.0.1:{port}").link().open()


async def test_an_unknown_name_is_named() -> None:
    with pytest.raises(LinkError, match=r"the name 'no-such-host\.invalid' is not known"):
        await parse_link("tcp://no-such-host.invalid:4001").link().open()


async def test_a_host_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio, "open_connection", never)
    with pytest.raises(LinkError, match=r"no answer in 0\.1 s; is it switched on"):
        await parse_link("tcp://10.1.2.3:4001?connect_s=0.1").link().open()


async def test_quiet_peers_are_probed() -> None:
    server = Server()
    connection = await parse_link(f"tcp://127.0.0.1:{await server.start()}?keepalive_s=9").link().open()
    assert isinstance(connection, StreamConnection)
    sock = connection._writer.get_extra_info("socket")
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 9
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 3
    _, writer = await server.accepted.get()
    await connection.close()
    await close(writer)
    await server.stop()


async def test_a_server_waits_for_the_device_and_again_after_it_left(listener: ListenLink) -> None:
    for said in (b"first", b"second"):
        opening = asyncio.ensure_future(listener.open())
        _, writer = await dial(listener.port)
        connection = await opening
        writer.write(said)
        assert await connection.read() == said
        await close(writer)
        assert await connection.read() == b""
        await connection.close()


async def test_the_newest_connection_wins_and_the_former_one_ends(listener: ListenLink) -> None:
    opening = asyncio.ensure_future(listener.open())
    _, old = await dial(listener.port)
    first = await opening
    reading = asyncio.ensure_future(first.read())
    _, new = await dial(listener.port)
    assert await within(reading) == b""
    await first.close()
    second = await listener.open()
    new.write(b"I was reset")
    assert await second.read() == b"I was reset"
    await second.close()
    await close(old)
    await close(new)


async def test_of_several_that_wait_only_the_newest_is_served(listener: ListenLink) -> None:
    pairs = []
    for n in range(4):
        reader, writer = await dial(listener.port)
        writer.write(b"%d" % n)
        pairs.append((reader, writer))
    for reader, _ in pairs[:3]:
        async with asyncio.timeout(5):
            assert await reader.read() == b""
    connection = await listener.open()
    assert await connection.read() == b"3"
    await connection.close()
    for _, writer in pairs:
        await close(writer)


async def test_with_refuse_a_second_connection_is_turned_away_until_the_first_has_ended() -> None:
    link = ListenLink(ListenSpec("127.0.0.1", 0, second="refuse"))
    await link.listen()
    opening = asyncio.ensure_future(link.open())
    _, first = await dial(link.port)
    connection = await opening
    reader, second = await dial(link.port)
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    first.write(b"still here")
    assert await connection.read() == b"still here"
    assert link.refused == 1
    await close(first)
    assert await connection.read() == b""
    await connection.close()
    opening = asyncio.ensure_future(link.open())
    _, third = await dial(link.port)
    async with asyncio.timeout(5):
        connection = await opening
    await connection.close()
    for writer in (second, third):
        await close(writer)
    await link.close()


@pytest.mark.parametrize("allow", ["127.0.0.1", "127.0.0.0/8", "10.1.2.3", "::1"])
async def test_only_who_is_in_the_allow_list_is_served(allow: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    welcome = allow.startswith("127")
    link = ListenLink(ListenSpec("127.0.0.1", 0, (ipaddress.ip_network(allow),)))
    await link.listen()
    opening = asyncio.ensure_future(link.open())
    for _ in range(3):
        reader, writer = await dial(link.port)
        writer.write(b"x")
        if not welcome:
            with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
                async with asyncio.timeout(5):
                    await reader.readexactly(1)
        await close(writer)
    if welcome:
        await (await opening).close()
    else:
        opening.cancel()
    assert link.refused == (0 if welcome else 3)
    said = [record.message for record in caplog.records if "refused" in record.message]
    assert said == ([] if welcome else ["listening on 127.0.0.1:0: refused 127.0.0.1: its address is not in allow="])
    await link.close()


async def test_a_port_in_use_and_an_address_that_is_not_ours_are_named(listener: ListenLink) -> None:
    with pytest.raises(LinkError, match=r"the port is in use; by another device of this configuration or another program"):
        await parse_link(f"tcp-listen://127.0.0.1:{listener.port}").link().open()
    with pytest.raises(LinkError, match="this machine has no such address"):
        await parse_link("tcp-listen://192.0.2.1:12001").link().open()


async def test_a_closed_listener_frees_its_port() -> None:
    link = ListenLink(ListenSpec("127.0.0.1", 0))
    await link.listen()
    port = link.port
    _, waiting = await dial(port)
    await link.close()
    await close(waiting)
    again = ListenLink(ListenSpec("127.0.0.1", port))
    await again.listen()
    await again.close()


async def test_who_arrives_while_the_port_is_being_closed_is_hung_up_on() -> None:
    """Else the device would talk to nobody until the gateway ends."""
    link, server = ListenLink(ListenSpec("127.0.0.1", 0)), Server()
    port = await server.start()
    reader, dialled = await dial(port)
    await link.listen()
    await link.close()
    await link.accept(*await server.accepted.get(), "127.0.0.1")
    assert await within(asyncio.ensure_future(reader.read())) == b""
    await close(dialled)
    await server.stop()
