"""What comes shortly after another goes out together with it; the first after a quiet time does not wait, nor do devices."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pytest

from gateway.deliver.destination import Accepted, Outcome, Outgoing
from gateway.deliver.dispatch import Dispatcher
from gateway.deliver.job import RENDERED_A_TURN
from gateway.model import Entry, Subject
from gateway.settings.dispatch import DispatchSettings
from gateway.store import cursors
from gateway.store.cursors import Pin
from gateway.store.writer import Transaction

if TYPE_CHECKING:
    from tests.gateway.deliver.conftest import Bench
else:
    Bench = object

GATHER_S = 0.5


class Ward:
    """A receiver that accepts, and pauses that last until they are ended."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.pauses = 0
        self.go_on = asyncio.Event()

    async def send(self, message: Outgoing) -> Outcome:
        self.got.append(message.body)
        return Accepted("AA")

    async def close(self) -> None: ...

    async def poll(self, seconds: float) -> None:
        if seconds == GATHER_S:
            self.pauses += 1
            await self.go_on.wait()
        else:
            await asyncio.Event().wait()

    async def until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not reached():
                await asyncio.sleep(0.001)


def plain(entry: Entry, _subject: Subject | None) -> Outgoing:
    return Outgoing(entry.key, str(entry.report.observations[0].value).encode())


@pytest.fixture
def pinned(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many messages each commit made ready."""
    counts: list[int] = []
    whole = cursors.pin

    def pin(tx: Transaction, destination: str, pins: Sequence[tuple[int, Pin]]) -> frozenset[int]:
        counts.append(len(pins))
        return whole(tx, destination, pins)

    monkeypatch.setattr(cursors, "pin", pin)
    return counts


async def test_the_first_goes_at_once_and_what_comes_meanwhile_together(bench: Bench, pinned: list[int]) -> None:
    ward = Ward()
    await bench.wears("D1", "A")
    dispatcher = Dispatcher(bench.journal, "engine", ward, plain, poll=ward.poll, gather_s=GATHER_S)
    task = asyncio.create_task(dispatcher.run())
    await bench.keep("D1", "1")
    await ward.until(lambda: ward.pauses == 1)
    assert ward.got == [b"1"]
    for value in ("2", "3", "4"):
        await bench.keep("D1", value)
    assert ward.got == [b"1"]
    ward.go_on.set()
    await ward.until(lambda: len(ward.got) == 4)
    task.cancel()
    await asyncio.wait([task])
    assert ward.got == [b"1", b"2", b"3", b"4"]
    assert pinned == [1, 3]


async def test_a_backlog_is_not_held_up(bench: Bench, pinned: list[int]) -> None:
    ward = Ward()
    await bench.wears("D1", "A")
    await bench.keep("D1", *map(str, range(9)))
    settings = DispatchSettings(batch=4)
    dispatcher = Dispatcher(bench.journal, "engine", ward, plain, settings, poll=ward.poll, gather_s=GATHER_S)
    task = asyncio.create_task(dispatcher.run())
    await ward.until(lambda: ward.pauses == 1)
    task.cancel()
    await asyncio.wait([task])
    assert len(ward.got) == 9
    assert pinned == [4, 4, 1]


async def test_devices_get_turns_while_a_batch_is_rendered(bench: Bench) -> None:
    log: list[str] = []

    def written(entry: Entry, subject: Subject | None) -> Outgoing:
        log.append("rendered")
        return plain(entry, subject)

    async def device() -> None:
        while True:
            log.append("device")
            await asyncio.sleep(0)

    ward, count = Ward(), 5 * RENDERED_A_TURN + 1
    await bench.wears("D1", "A")
    await bench.keep("D1", *map(str, range(count)))
    dispatcher = Dispatcher(bench.journal, "engine", ward, written, poll=ward.poll)
    tasks = [asyncio.create_task(dispatcher.run()), asyncio.create_task(device())]
    await ward.until(lambda: len(ward.got) == count)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    runs = [len(run.split()) for run in " ".join(log).split("device") if run.strip()]
    assert sum(runs) == count
    assert max(runs) == RENDERED_A_TURN
