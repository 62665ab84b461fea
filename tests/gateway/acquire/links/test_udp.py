"""UDP on the loopback: one read is one datagram."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from gateway.acquire.links import parse_link, udp
from gateway.acquire.links.udp import UdpConnection
from gateway.errors import LinkError


@pytest.fixture
def device() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(5)
        yield sock


async def opened(device: socket.socket, more: str = "") -> UdpConnection:
    connection = await parse_link(f"udp://127.0.0.1:{device.getsockname()[1]}{more}").link().open()
    assert isinstance(connection, UdpConnection)
    return connection


async def test_each_read_is_one_datagram_and_an_empty_one_says_nothing(device: socket.socket) -> None:
    connection = await opened(device)
    await connection.write(b"hello")
    said, peer = await asyncio.to_thread(device.recvfrom, 100)
    assert said == b"hello"
    for data in (b"one", b"", b"two", bytes(1400)):
        device.sendto(data, peer)
    async with asyncio.timeout(5):
        assert [await connection.read() for _ in range(3)] == [b"one", b"two", bytes(1400)]
    await connection.close()
    assert await connection.read() == b""


async def test_a_fixed_local_port_hears_its_device_and_no_stranger(device: socket.socket) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    connection = await opened(device, f"?local_port={port}&bind=127.0.0.1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(b"not yours", ("127.0.0.1", port))
    device.sendto(b"mine", ("127.0.0.1", port))
    async with asyncio.timeout(5):
        assert await connection.read() == b"mine"
    await connection.close()


async def test_an_unreachable_port_is_a_lost_line() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    connection = await parse_link(f"udp://127.0.0.1:{port}").link().open()
    await connection.write(b"anybody?")
    with pytest.raises(LinkError, match="Connection refused; is the device on, is the port right"):
        async with asyncio.timeout(5):
            await connection.read()
    await connection.close()


async def test_a_flood_loses_the_oldest_and_counts_them(device: socket.socket) -> None:
    connection = await opened(device)
    for n in range(udp.QUEUE_MAX + 2):
        connection.datagram_received(b"%d" % n, None)
    assert connection.lost == 2
    assert await connection.read() == b"2"
    await connection.close()


async def test_an_address_that_is_not_ours_is_named(device: socket.socket) -> None:
    with pytest.raises(LinkError, match=r"cannot be opened: .*check the address and local_port="):
        await opened(device, "?local_port=0&bind=192.0.2.1")
