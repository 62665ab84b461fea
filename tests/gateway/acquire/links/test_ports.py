"""Several devices on one port: the narrowest allow-list wins, the quarantine takes the rest, and gives way when one is claimed."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from ipaddress import ip_network

import pytest

from gateway.acquire.links.listen import ListenLink, ListenSpec
from gateway.acquire.links.ports import Claim, Network, ports, rank
from gateway.errors import LinkError


class Taker:
    """A claim that notes what it is given."""

    def __init__(self, *allow: str, last: bool = False) -> None:
        self._allow = tuple(ip_network(one) for one in allow)
        self.last = last
        self.taken: list[str] = []
        self.refused: list[str] = []
        self.ways: list[Claim] = []

    @property
    def allow(self) -> tuple[Network, ...]:
        return self._allow

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: str) -> None:
        self.taken.append(peer)
        writer.write(b"!")
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    def refuse(self, peer: str) -> None:
        self.refused.append(peer)

    def give_way(self, other: Claim) -> None:
        self.ways.append(other)


class Keeper:
    """Takes the rest of all ports."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str]] = []

    def take(self, door: str, peer: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        self.taken.append((door, peer))
        writer.transport.abort()
        return True

    def give_way(self, door: str, claim: Claim) -> None: ...


@pytest.mark.parametrize(
    ("allow", "last", "peer", "expected"),
    [
        (("10.1.2.3",), False, "10.1.2.3", 34),
        (("10.1.2.3",), False, "::ffff:10.1.2.3", 34),
        (("10.1.0.0/16",), False, "10.1.2.3", 18),
        (("10.1.0.0/16", "10.1.2.0/24"), False, "10.1.2.3", 26),
        (("10.1.2.4",), False, "10.1.2.3", -1),
        ((), False, "10.1.2.3", 1),
        ((), True, "10.1.2.3", 0),
        (("10.1.0.0/16",), True, "10.1.2.3", 0),
        (("10.2.0.0/16",), True, "10.1.2.3", -1),
        (("10.1.2.3",), False, "?", -1),
    ],
)
def test_the_narrower_a_claim_the_higher_its_rank(allow: tuple[str, ...], last: bool, peer: str, expected: int) -> None:
    assert rank(Taker(*allow, last=last), peer) == expected


async def call(port: int) -> None:
    """A connection, until the other side has ended it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.suppress(ConnectionError):
        await asyncio.wait_for(reader.read(), 5)
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


@pytest.fixture
async def a_port() -> AsyncIterator[int]:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        number = int(found.getsockname()[1])
    yield number
    ports().rest = None


async def test_who_calls_goes_to_the_narrowest_claim_and_else_to_the_last(a_port: int) -> None:
    wide, narrow, rest = Taker("127.0.0.0/8"), Taker("127.0.0.1"), Taker(last=True)
    shared = [await ports().join("127.0.0.1", a_port, one) for one in (rest, wide, narrow)]
    assert len(set(map(id, shared))) == 1
    await call(a_port)
    shared[0].leave(narrow)
    await call(a_port)
    shared[0].leave(wide)
    await call(a_port)
    assert [len(one.taken) for one in (narrow, wide, rest)] == [1, 1, 1]
    shared[0].leave(rest)
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection("127.0.0.1", a_port)


async def test_a_port_that_everybody_left_can_be_had_again(a_port: int) -> None:
    first, second = Taker(), Taker()
    (await ports().join("127.0.0.1", a_port, first)).leave(first)
    port = await ports().join("127.0.0.1", a_port, second)
    await call(a_port)
    assert second.taken == ["127.0.0.1"]
    port.leave(second)


@pytest.mark.parametrize("allow", [(), ("10.1.2.3",)])
async def test_two_devices_that_claim_the_same_addresses_are_told_so(allow: tuple[str, ...], a_port: int) -> None:
    nets = tuple(ip_network(one) for one in allow)
    one, other = (ListenLink(ListenSpec("127.0.0.1", a_port, nets)) for _ in range(2))
    await one.listen()
    with pytest.raises(LinkError, match="the port is in use; by another device of this configuration"):
        await other.listen()
    await one.close()
    await other.listen()
    await other.close()


async def test_two_devices_that_come_while_the_port_is_being_bound_are_told_so(a_port: int) -> None:
    both = [ListenLink(ListenSpec("127.0.0.1", a_port)) for _ in range(2)]
    ends = await asyncio.gather(*(one.listen() for one in both), return_exceptions=True)
    assert [type(end) for end in ends] == [type(None), LinkError]
    for one in both:
        await one.close()


async def test_what_no_device_of_a_port_claims_goes_to_who_takes_the_rest(a_port: int) -> None:
    keeper, device = Keeper(), Taker("10.1.2.3")
    port = await ports().join("127.0.0.1", a_port, device)
    ports().rest = keeper
    await call(a_port)
    ports().rest = None
    await call(a_port)
    assert keeper.taken == [(f"tcp-listen://127.0.0.1:{a_port}", "127.0.0.1")]
    assert device.refused == ["127.0.0.1"]
    port.leave(device)


async def test_a_connection_is_cut_when_a_narrower_claim_to_it_comes(a_port: int) -> None:
    wide = ListenLink(ListenSpec("127.0.0.1", a_port))
    await wide.listen()
    _, writer = await asyncio.open_connection("127.0.0.1", a_port)
    connection = await asyncio.wait_for(wide.open(), 5)
    elsewhere = ListenLink(ListenSpec("127.0.0.1", a_port, (ip_network("10.1.2.3"),)))
    await elsewhere.listen()
    writer.write(b"still there")
    assert await asyncio.wait_for(connection.read(), 5) == b"still there"
    narrow = ListenLink(ListenSpec("127.0.0.1", a_port, (ip_network("127.0.0.1"),)))
    await narrow.listen()
    assert await asyncio.wait_for(connection.read(), 5) == b""
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    await connection.close()
    for link in (wide, elsewhere, narrow):
        await link.close()
