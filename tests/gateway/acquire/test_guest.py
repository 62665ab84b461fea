"""A call of an unknown device: acknowledged only once every byte is kept, refused when it cannot be, never answered a question."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from gateway.acquire.guest import PART_MAX, SILENT_S, Guest, TurnedAwayError
from gateway.acquire.links.memory import MemoryConnection
from gateway.errors import StoreError
from gateway.model import Caller

ENQ, ACK, NAK, EOT = b"\x05", b"\x06", b"\x15", b"\x04"


def frame(number: int, text: bytes, end: bytes = b"\x03") -> bytes:
    """A frame as E1381 §6.3 has it, its checksum added up by hand."""
    body = b"%d%b%b" % (number, text, end)
    return b"\x02%b%02X\r\n" % (body, sum(body) % 256)


ASTM = frame(1, b"H|\\^&|||Model 7^1.0^S77\rP|1\rO|1|S1\rR|1|^^^GLU|5.1|mmol/L\rL|1|N\r")
HL7 = b"\x0bMSH|^~\\&|BC|Mindray|||20260301120000||ORU^R01|17|P|2.3.1\rOBR|1||S1\rOBX|1|NM|WBC||5\r\x1c\r"
QUERY = frame(1, b"H|\\^&|||Model 7\rQ|1|^S1||ALL\rL|1|N\r")


class Keeps:
    """A ward that notes what it keeps; `fails` is what it raises next."""

    def __init__(self, connection: MemoryConnection) -> None:
        self.kept: list[tuple[bytes, int, int | None, bytes]] = []
        self.callers: list[Caller] = []
        self.times: list[datetime] = []
        self.fails: list[StoreError] = []
        self._connection = connection

    async def keep(self, caller: Caller, raw: bytes, at: datetime, *, messages: int, call: int | None) -> int | None:
        await asyncio.sleep(0)
        if self.fails:
            raise self.fails.pop(0)
        self.kept.append((raw, messages, call, bytes(self._connection.written)))
        self.callers.append(caller)
        self.times.append(at)
        return 41 if call is None else call


@pytest.fixture
def connection() -> MemoryConnection:
    return MemoryConnection()


@pytest.fixture
def ward(connection: MemoryConnection) -> Keeps:
    return Keeps(connection)


def guest(connection: MemoryConnection, ward: Keeps, clock: Any) -> Guest:
    return Guest(connection, address="10.1.2.9", door="tcp-listen://0.0.0.0:12001", ward=ward, clock=clock)


async def serve(connection: MemoryConnection, ward: Keeps, clock: Any, *said: bytes) -> bytes:
    """What was answered to all that was said, one read each, until the device hung up."""
    for data in said:
        connection.say(data)
    connection.hang_up()
    await asyncio.wait_for(guest(connection, ward, clock).run(), 5)
    return bytes(connection.written)


async def test_an_astm_frame_is_acknowledged_after_it_is_kept(connection: MemoryConnection, ward: Keeps, clock: Any) -> None:
    assert await serve(connection, ward, clock, ENQ, ASTM, EOT) == ACK + ACK
    assert [(raw, messages, answered) for raw, messages, _, answered in ward.kept] == [(ENQ + ASTM, 1, ACK)]
    assert ward.callers == [
        Caller(address="10.1.2.9", door="tcp-listen://0.0.0.0:12001", protocol="astm", says="Model 7^1.0^S77")
    ]
    assert ward.times == [clock.wall()]


async def test_every_frame_of_a_message_is_kept_before_its_own_acknowledgement(
    connection: MemoryConnection, ward: Keeps, clock: Any
) -> None:
    first, second = frame(1, b"H|\\^&|||M7\rP|1\rO|1|S", b"\x17"), frame(2, b"1\rR|1|^^^GLU|5\rL|1|N\r")
    assert await serve(connection, ward, clock, ENQ, first, second, EOT) == ACK * 3
    assert [(raw, n, call, answered) for raw, n, call, answered in ward.kept] == [
        (ENQ + first, 0, None, ACK),
        (second, 1, 41, ACK * 2),
    ]


async def test_any_split_keeps_the_same_bytes(connection: MemoryConnection, ward: Keeps, clock: Any) -> None:
    whole = ENQ + ASTM + EOT + ENQ + ASTM + EOT
    assert await serve(connection, ward, clock, *(whole[n : n + 1] for n in range(len(whole)))) == ACK * 4
    assert b"".join(raw for raw, *_ in ward.kept) == whole.removesuffix(EOT)
    assert sum(messages for _, messages, *_ in ward.kept) == 2


async def test_what_cannot_be_kept_is_refused_and_taken_when_it_comes_again(
    connection: MemoryConnection, ward: Keeps, clock: Any
) -> None:
    ward.fails = [StoreError("the disk is full")]
    assert await serve(connection, ward, clock, ENQ, ASTM, ASTM, EOT) == ACK + NAK + ACK
    assert [(raw, messages) for raw, messages, *_ in ward.kept] == [(ASTM, 1)]


async def test_hl7_is_answered_with_the_message_s_own_id(connection: MemoryConnection, ward: Keeps, clock: Any) -> None:
    answer = await serve(connection, ward, clock, b"\x02\x02\x02", b"\x02" + HL7)
    assert b"MSA|AA|17" in answer
    assert [(raw, messages, answered) for raw, messages, _, answered in ward.kept] == [(b"\x02\x02" + HL7, 1, b"")]
    assert ward.callers[0].says == "BC Mindray"


async def test_hl7_that_cannot_be_kept_is_told_so(connection: MemoryConnection, ward: Keeps, clock: Any) -> None:
    ward.fails = [StoreError("the disk is full")]
    answer = await serve(connection, ward, clock, HL7)
    assert b"MSA|AA" not in answer
    assert b"MSA|AE|17" in answer
    assert [(raw, messages) for raw, messages, *_ in ward.kept] == [(b"", 0)], "it called, and nothing of it was taken"


async def test_heartbeats_for_hours_do_not_hide_what_it_speaks(connection: MemoryConnection, ward: Keeps, clock: Any) -> None:
    assert b"MSA|AA|17" in await serve(connection, ward, clock, *[b"\x02"] * 500, HL7)


async def test_a_question_is_taken_but_never_answered_with_orders(connection: MemoryConnection, ward: Keeps, clock: Any) -> None:
    assert await serve(connection, ward, clock, ENQ, QUERY, EOT) == ACK + ACK
    assert [messages for _, messages, *_ in ward.kept] == [1]


async def test_poct1a_results_are_acknowledged_after_they_are_kept(connection: MemoryConnection, ward: Keeps, clock: Any) -> None:
    head = b'<HDR><HDR.control_id V="%d"/></HDR>'
    hello = b"<HEL.R01>" + head % 1 + b'<DEV><DEV.device_id V="D1"/><DEV.serial_id V="S9"/></DEV></HEL.R01>'
    result = b"<OBS.R01>" + head % 2 + b'<SVC><PT><OBS><OBS.observation_id V="Glu"/></OBS></PT></SVC></OBS.R01>'
    answer = await serve(connection, ward, clock, hello, result)
    assert b"".join(raw for raw, *_ in ward.kept) == hello + result
    assert b'V="2"' not in ward.kept[-1][3], "acknowledged before it was kept"
    assert b'ACK.ack_control_id V="2"' in answer
    assert ward.callers[-1].says == "D1 S9"


async def test_what_nobody_knows_is_kept_and_not_answered(connection: MemoryConnection, ward: Keeps, clock: Any) -> None:
    assert await serve(connection, ward, clock, b"\x02D 0001", b"more\x03") == b""
    assert [(raw, messages) for raw, messages, *_ in ward.kept] == [(b"\x02D 0001", 1), (b"more\x03", 0)]
    assert {one.protocol for one in ward.callers} == {"raw"}


async def test_a_message_without_acknowledgement_is_held_until_it_is_kept(
    connection: MemoryConnection, ward: Keeps, clock: Any
) -> None:
    ward.fails = [StoreError("the disk is full"), StoreError("still")]
    connection.say(b"H|\\^&|||M7\rP|1\rO|1|S1\rR|1|^^^GLU|5\rL|1|N\r")
    task = asyncio.create_task(guest(connection, ward, clock).run())
    async with asyncio.timeout(5):
        while not ward.kept:
            await asyncio.sleep(0)
            clock.advance(60)
    assert (len(clock.slept), ward.fails) == (2, []), "two failures, a pause after each"
    connection.hang_up()
    await asyncio.wait_for(task, 5)
    assert [messages for _, messages, *_ in ward.kept] == [1]


async def test_who_may_not_call_is_refused_and_hung_up_on(connection: MemoryConnection, ward: Keeps, clock: Any) -> None:
    ward.fails = [TurnedAwayError("a person dismissed it", "dismissed")] * 2
    connection.say(ENQ)
    connection.say(ASTM)
    await asyncio.wait_for(guest(connection, ward, clock).run(), 5)
    assert bytes(connection.written) == ACK + NAK
    assert connection.closed
    assert ward.kept == []


async def test_heartbeats_before_a_message_do_not_make_it_older(connection: MemoryConnection, ward: Keeps, clock: Any) -> None:
    connection.say(b"\x02")
    task = asyncio.create_task(guest(connection, ward, clock).run())
    async with asyncio.timeout(5):
        while connection._said:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        began = clock.wall() + timedelta(seconds=3600)
        clock.advance(3600)
        connection.say(HL7[:20])
        while connection._said:
            await asyncio.sleep(0)
        clock.advance(5)
        connection.say(HL7[20:])
        while not ward.kept:
            await asyncio.sleep(0)
    connection.hang_up()
    await asyncio.wait_for(task, 5)
    assert ward.times == [began]


async def test_a_session_without_anything_is_noted_once(connection: MemoryConnection, ward: Keeps, clock: Any) -> None:
    assert await serve(connection, ward, clock, ENQ, EOT) == ACK
    assert [(raw, messages) for raw, messages, *_ in ward.kept] == [(b"", 0)]


async def test_a_transmission_that_breaks_off_is_kept_as_far_as_it_came(
    connection: MemoryConnection, ward: Keeps, clock: Any
) -> None:
    half = ASTM[:30]
    connection.say(ENQ)
    connection.say(half)
    connection.hang_up()
    await asyncio.wait_for(guest(connection, ward, clock).run(), 5)
    assert [(raw, messages) for raw, messages, *_ in ward.kept] == [(ENQ + half, 0)]


async def test_a_connection_that_says_nothing_is_closed_after_a_while(
    connection: MemoryConnection, ward: Keeps, clock: Any
) -> None:
    task = asyncio.create_task(guest(connection, ward, clock).run())
    await asyncio.sleep(0)
    assert not task.done()
    while not clock._timeouts:
        await asyncio.sleep(0)
    clock.advance(SILENT_S)
    await asyncio.wait_for(task, 5)
    assert (ward.kept, connection.closed) == ([], True)


async def test_bytes_without_an_end_are_kept_before_they_grow(connection: MemoryConnection, ward: Keeps, clock: Any) -> None:
    flood = b"x" * 60_000
    await serve(connection, ward, clock, b"H|\\^&|||M7\r", *[flood] * 10)
    assert max(len(raw) for raw, *_ in ward.kept) <= PART_MAX + 2 * len(flood)
    assert sum(len(raw) for raw, *_ in ward.kept) == 10 * len(flood) + 11


async def test_stopping_keeps_what_was_read(connection: MemoryConnection, ward: Keeps, clock: Any) -> None:
    connection.say(b"H|\\^&|||M7\rP|1\r")
    task = asyncio.create_task(guest(connection, ward, clock).run())
    async with asyncio.timeout(5):
        while connection._said:
            await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert [raw for raw, *_ in ward.kept] == [b"H|\\^&|||M7\rP|1\r"]
