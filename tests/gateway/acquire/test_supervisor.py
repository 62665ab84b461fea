"""The supervisor: reconnects with growing pauses, keeps one device's trouble from the others, shows it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import pytest

from gateway.acquire.backoff import Backoff
from gateway.acquire.links import Link, LinkEndedError
from gateway.acquire.links.memory import MemoryConnection, MemoryLink
from gateway.acquire.station import Station
from gateway.acquire.status import State
from gateway.acquire.supervisor import Supervisor
from gateway.driver import Options
from gateway.errors import LinkError, LocalProtocolError
from gateway.model import DeviceIdentity

if TYPE_CHECKING:
    from tests.gateway.acquire.conftest import Bench

    Make = Callable[..., Bench]


class Ward:
    """A supervisor and a bench whose driver its stations use."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.supervisor = Supervisor(bench.keeper, clock=bench.clock, random=lambda: 1.0)

    def start(self, link: Link, device_id: str = "BED-1") -> Any:
        station = Station(identity=DeviceIdentity(id=device_id), driver=self.bench.driver, options=Options(), link=link)
        return self.supervisor.start(station)


@pytest.fixture
async def ward(bench: Make) -> AsyncIterator[Ward]:
    one = Ward(bench())
    yield one
    await one.supervisor.close()


def talking(*said: bytes, end: LinkError | None = None, closed: bool = True) -> MemoryConnection:
    connection = MemoryConnection()
    for data in said:
        connection.say(data)
    if closed:
        connection.hang_up(end)
    return connection


async def test_pauses_double_to_their_cap_and_begin_again_after_a_message(ward: Ward) -> None:
    absent = LinkError("no such port")
    link = MemoryLink(*[absent] * 7, talking(b"m 1\n"), absent)
    status = ward.start(link)
    clock = ward.bench.clock
    for _ in range(9):
        await clock.sleeping()
        clock.advance(60)
        await asyncio.sleep(0)
    assert clock.slept == [1, 2, 4, 8, 16, 30, 30, 1, 2]
    assert (status.state, status.reason, status.reports) == (State.DOWN, "no such port", 1)


@pytest.mark.parametrize(("dice", "pauses"), [(0.0, [0.5, 1.0, 2.0]), (0.5, [0.75, 1.5, 3.0]), (1.0, [1.0, 2.0, 4.0])])
def test_jitter_takes_up_to_half_of_a_pause(dice: float, pauses: list[float]) -> None:
    backoff = Backoff(lambda: dice)
    assert [backoff.next() for _ in pauses] == pauses


async def test_a_device_that_crashes_is_restarted_with_a_fresh_codec_and_the_others_go_on(
    ward: Ward, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = MemoryLink(talking(b"m 1\n!\n"), talking(b"!\n"), talking(b"m 2\n", closed=False)), MemoryConnection()
    ward.start(MemoryLink(good), "GOOD")
    status = ward.start(bad, "BAD")
    for _ in range(2):
        await ward.bench.clock.sleeping()
        assert status.state is State.DOWN
        assert status.reason.startswith("crashed: ZeroDivisionError at ")
        good.say(b"m 9\n")
        await ward.bench.keeper.until(lambda: any(r.device.id == "GOOD" for r in ward.bench.keeper.reports))
        ward.bench.clock.advance(30)
        await asyncio.sleep(0)
    await ward.bench.keeper.until(lambda: any(seen.value == "2" for r in ward.bench.keeper.reports for seen in r.observations))
    assert status.counts["crashed"] == 2
    assert [bool(record.exc_info) for record in caplog.records if record.levelno == logging.ERROR] == [True, False]
    assert ward.supervisor.statuses["GOOD"].state is State.UP


async def test_a_state_change_is_logged_once_however_often_the_attempt_fails(
    ward: Ward, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    ward.start(MemoryLink(*[LinkError("no such port")] * 5))
    for _ in range(5):
        await ward.bench.clock.sleeping()
        ward.bench.clock.advance(60)
        await asyncio.sleep(0)
    assert [record.message for record in caplog.records] == ["BED-1: down, was connecting: no such port"]


async def test_a_recording_at_its_end_is_not_opened_again(ward: Ward) -> None:
    link = MemoryLink(LinkEndedError("the recording is at its end"), talking(b"m 1\n"))
    status = ward.start(link)
    for _ in range(20):
        await asyncio.sleep(0)
    assert (status.state, status.reason, link.opened) == (State.DOWN, "the recording is at its end", 1)
    assert ward.bench.clock.slept == []


async def test_a_device_that_dials_in_is_awaited_again_without_a_pause(ward: Ward) -> None:
    link = MemoryLink(talking(b"m 1\n"), talking(b"m 2\n"))
    link.passive = True
    status = ward.start(link)
    await ward.bench.keeper.until(lambda: len(ward.bench.keeper.reports) == 2)
    for _ in range(20):
        await asyncio.sleep(0)
    assert ward.bench.clock.slept == []
    assert (status.state, status.reason) == (State.CONNECTING, "memory: waiting for the device to connect")


async def test_a_stopped_device_keeps_what_it_held_and_can_be_started_again(ward: Ward) -> None:
    connection = talking(b"m 1\nm 2", closed=False)
    status = ward.start(MemoryLink(connection))
    await ward.bench.keeper.until(lambda: len(ward.bench.keeper.reports) == 1)
    with pytest.raises(LocalProtocolError, match="runs already"):
        ward.start(MemoryLink())
    await ward.supervisor.stop("BED-1")
    assert ward.bench.log[-1] == "incomplete m 2: link end"
    assert (status.state, status.reason, connection.closed) == (State.DOWN, "stopped", True)
    ward.start(MemoryLink(talking(b"m 3\n", closed=False)))
    await ward.bench.keeper.until(lambda: len(ward.bench.keeper.reports) == 2)
    await ward.supervisor.stop("nobody")


async def test_a_crash_on_the_way_out_does_not_keep_a_device_running(ward: Ward, bench: Make) -> None:
    class Crashing(MemoryConnection):
        async def close(self) -> None:
            raise ZeroDivisionError("on the way out")

    connection = Crashing()
    connection.say(b"m 1\n")
    status = ward.start(MemoryLink(connection))
    await ward.bench.keeper.until(lambda: len(ward.bench.keeper.reports) == 1)
    async with asyncio.timeout(5):
        await ward.supervisor.stop("BED-1")
    assert (status.state, status.reason) == (State.DOWN, "stopped")


async def test_several_are_stopped_together_and_forgotten_the_others_go_on(ward: Ward) -> None:
    lines = {name: talking(b"m 1\n", closed=False) for name in ("BED-1", "BED-2", "BED-3")}
    for name, line in lines.items():
        ward.start(MemoryLink(line), name)
    await ward.bench.keeper.until(lambda: len(ward.bench.keeper.reports) == 3)
    await ward.supervisor.stop_all(["BED-1", "BED-3", "nobody"])
    assert list(ward.supervisor.statuses) == ["BED-2"]
    assert {name: line.closed for name, line in lines.items()} == {"BED-1": True, "BED-2": False, "BED-3": True}
