"""Doors of unknown devices: many at a time, beside devices on the same port, giving way to whom a device claims."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from datetime import datetime
from ipaddress import ip_network

import pytest

from gateway.acquire.links.listen import ListenLink, ListenSpec
from gateway.acquire.links.ports import ports
from gateway.acquire.quarantine import GUESTS_MAX, GUESTS_OF_ONE, Quarantine
from gateway.model import Caller
from gateway.settings.unknown import UnknownSettings

HELLO = b"\x02D unknown words"


class Keeps:
    """A ward that notes who said what."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, str, bytes]] = []
        self._calls = 0

    async def keep(self, caller: Caller, raw: bytes, at: datetime, *, messages: int, call: int | None) -> int | None:
        self.kept.append((caller.address, caller.door, raw))
        self._calls += call is None
        return self._calls if call is None else call


@pytest.fixture
def ward() -> Keeps:
    return Keeps()


@pytest.fixture
def quarantine(ward: Keeps) -> Quarantine:
    return Quarantine(ward)


@pytest.fixture
def port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextlib.asynccontextmanager
async def running(quarantine: Quarantine, *listen: str, turned_away: bool = True) -> AsyncIterator[None]:
    task = asyncio.create_task(quarantine.run(UnknownSettings(listen=listen, turned_away=turned_away)))
    async with asyncio.timeout(5):
        while not all(state.startswith("listening") for state in quarantine.status()["doors"].values()) or (
            len(quarantine.status()["doors"]) < len(listen)
        ):
            await asyncio.sleep(0)
    try:
        await asyncio.sleep(0)
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def call(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port)


async def end(*writers: asyncio.StreamWriter) -> None:
    for writer in writers:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


async def test_many_call_at_one_door_at_the_same_time(quarantine: Quarantine, ward: Keeps, port: int) -> None:
    async with running(quarantine, f"tcp-listen://127.0.0.1:{port}"):
        writers = [(await call(port))[1] for _ in range(3)]
        for n, writer in enumerate(writers):
            writer.write(HELLO + b"%d" % n)
        await until(lambda: len(ward.kept) == 3)
        assert sorted(ward.kept) == [("127.0.0.1", f"tcp-listen://127.0.0.1:{port}", HELLO + b"%d" % n) for n in range(3)]
        assert quarantine.status()["connections"] == 3
        await end(*writers)


async def test_a_device_on_the_same_port_keeps_its_own(quarantine: Quarantine, ward: Keeps, port: int) -> None:
    device = ListenLink(ListenSpec("127.0.0.1", port, (ip_network("127.0.0.1"),)))
    async with running(quarantine, f"tcp-listen://127.0.0.1:{port}"):
        await device.listen()
        _, writer = await call(port)
        connection = await asyncio.wait_for(device.open(), 5)
        writer.write(HELLO)
        assert await asyncio.wait_for(connection.read(), 5) == HELLO
        await connection.close()
        await end(writer)
        await device.close()
    assert ward.kept == []


@pytest.mark.parametrize("turned_away", [True, False])
async def test_whom_a_device_s_allow_list_turns_away_is_taken_in_where_that_is_wanted(
    turned_away: bool, quarantine: Quarantine, ward: Keeps, port: int
) -> None:
    device = ListenLink(ListenSpec("127.0.0.1", port, (ip_network("10.1.2.3"),)))
    await device.listen()
    async with running(quarantine, turned_away=turned_away):
        await until(lambda: (ports().rest is quarantine) is turned_away)
        reader, writer = await call(port)
        writer.write(HELLO)
        if turned_away:
            await until(lambda: ward.kept)
            assert ward.kept == [("127.0.0.1", f"tcp-listen://127.0.0.1:{port}", HELLO)]
        else:
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), 5) == b""
            assert device.refused == 1
        await end(writer)
    assert ports().rest is None
    await device.close()


async def test_a_caller_is_cut_off_when_it_becomes_a_device(quarantine: Quarantine, ward: Keeps, port: int) -> None:
    async with running(quarantine, f"tcp-listen://127.0.0.1:{port}"):
        reader, writer = await call(port)
        writer.write(HELLO)
        await until(lambda: ward.kept)
        device = ListenLink(ListenSpec("127.0.0.1", port, (ip_network("127.0.0.1"),)))
        await device.listen()
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        await end(writer)
        await device.close()


async def test_connections_are_bounded_for_one_and_for_all(quarantine: Quarantine, ward: Keeps, port: int) -> None:
    async with running(quarantine, f"tcp-listen://127.0.0.1:{port}"):
        calls = [await call(port) for _ in range(GUESTS_OF_ONE + 2)]
        for reader, _ in calls[:2]:
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), 5) == b"", "the oldest go"
        await until(lambda: quarantine.status()["connections"] == GUESTS_OF_ONE)
        await end(*(writer for _, writer in calls))
    assert GUESTS_MAX >= GUESTS_OF_ONE


async def test_a_door_that_cannot_be_had_is_told_and_the_others_are_open(quarantine: Quarantine, port: int) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = f"tcp-listen://127.0.0.1:{taken.getsockname()[1]}"
        task = asyncio.create_task(quarantine.run(UnknownSettings(listen=(busy, f"tcp-listen://127.0.0.1:{port}"))))
        await until(lambda: "in use" in quarantine.status()["doors"].get(busy, ""))
        await until(lambda: quarantine.status()["doors"][f"tcp-listen://127.0.0.1:{port}"].startswith("listening"))
        task.cancel()
        await asyncio.wait([task])


async def test_hanging_up_ends_the_calls_of_one_and_keeps_what_they_said(quarantine: Quarantine, ward: Keeps, port: int) -> None:
    door = f"tcp-listen://127.0.0.1:{port}"
    async with running(quarantine, door):
        reader, writer = await call(port)
        writer.write(b"H|\\^&|||M7\rP|1\r")
        await until(lambda: quarantine.status()["connections"] == 1)
        guest = next(iter(quarantine._guests.values()))[0]
        await until(lambda: guest._raw)
        await quarantine.hang_up("127.0.0.1", door)
        assert ward.kept == [("127.0.0.1", door, b"H|\\^&|||M7\rP|1\r")]
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        await end(writer)


async def test_without_settings_nobody_is_taken_in(quarantine: Quarantine) -> None:
    task = asyncio.create_task(quarantine.run(None))
    await asyncio.sleep(0)
    assert (ports().rest, quarantine.status()["doors"]) == (None, {})
    task.cancel()
    await asyncio.wait([task])


async def test_a_line_of_its_own_is_heard_call_after_call(quarantine: Quarantine, ward: Keeps) -> None:
    """Here a TCP line that we dial, as a serial server's; a serial port is the same to the quarantine."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HELLO)
        await end(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    number = int(server.sockets[0].getsockname()[1])
    door = f"tcp://127.0.0.1:{number}"
    task = asyncio.create_task(quarantine.run(UnknownSettings(listen=(door,))))
    await until(lambda: len(ward.kept) >= 2)
    task.cancel()
    await asyncio.wait([task])
    assert ward.kept[:2] == [(f"127.0.0.1:{number}", door, HELLO)] * 2
    server.close()
