"""A dispatcher on a real journal with a receiver, a clock and pauses of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.deliver.destination import Accepted, Outcome, Outgoing
from gateway.deliver.dispatch import Dispatcher
from gateway.deliver.messages import Renderer
from gateway.deliver.watch import POLL_S
from gateway.model import Category, DeviceIdentity, Entry, Kind, Observation, Report, Subject
from gateway.patients.acts import associate, release
from gateway.settings.dispatch import DispatchSettings
from gateway.store import queued, remedies, status
from gateway.store.items import State
from gateway.store.journal import Journal
from gateway.store.queued import Queued
from gateway.store.remedies import By
from gateway.store.selection import Selection
from gateway.store.statement import Line, statement

BY = By(whom="n", note="a test")
START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


class Clock:
    """Time that only pauses move. An idle dispatcher waits for work; what others did it learns at a `tick`."""

    def __init__(self) -> None:
        self.time = START + timedelta(hours=1)
        self.pauses: list[float] = []
        self._work: asyncio.Event | None = None
        self._tick = asyncio.Event()
        self._looked = True
        self._changed = asyncio.Event()

    def now(self) -> datetime:
        return self.time

    async def wait(self, event: asyncio.Event, timeout_s: float | None) -> None:
        if timeout_s is not None:
            self.pauses.append(timeout_s)
            self.time += timedelta(seconds=timeout_s)
            await asyncio.sleep(0)
            return
        self._work = event
        self._changed.set()
        try:
            await event.wait()
        finally:
            self._work = None

    async def poll(self, _seconds: float) -> None:
        self._looked = True
        self._changed.set()
        await self._tick.wait()
        self._tick.clear()

    async def quiet(self) -> None:
        """Until there is nothing to do but to wait."""
        async with asyncio.timeout(30):
            while self._work is None or self._work.is_set() or self._tick.is_set() or not self._looked:
                self._changed.clear()
                await self._changed.wait()

    def tick(self, seconds: float = POLL_S) -> None:
        """A poll is due."""
        self.time += timedelta(seconds=seconds)
        self._looked = False
        self._tick.set()


class Receiver:
    """A destination in memory. `answer` decides; `got` is everything that was sent, `bodies` what was accepted."""

    def __init__(self) -> None:
        self.got: list[Outgoing] = []
        self.accepted: list[Outgoing] = []
        self.answer: Callable[[Outgoing], Outcome] = lambda _message: Accepted("AA")

    @property
    def bodies(self) -> list[str]:
        return [message.body.decode() for message in self.accepted]

    async def send(self, message: Outgoing) -> Outcome:
        self.got.append(message)
        outcome = self.answer(message)
        if isinstance(outcome, Accepted):
            self.accepted.append(message)
        return outcome

    async def close(self) -> None: ...


def plain(entry: Entry, subject: Subject | None) -> Outgoing:
    """device value patient, such as "D1 98 SYN-A"."""
    value = entry.report.observations[0].value
    patient = subject.patient_id if subject else "-"
    return Outgoing(id=entry.key, body=f"{entry.report.device.id} {value} {patient}".encode())


class Bench:
    """What a test of the dispatcher holds in its hands."""

    def __init__(self, journal: Journal, folder: Path) -> None:
        self.journal = journal
        self.folder = folder
        self.clock = Clock()
        self.receiver = Receiver()

    async def keep(self, device: str, *values: str, minute: float = 0, category: Category = Category.VITALS) -> list[int | None]:
        """Keep one report a value, received `minute` minutes after START."""
        return await self.journal.keep([report(device, value, minute, category) for value in values], device_id=device)

    async def wears(self, device: str, patient: str, minute: float = 0) -> None:
        subject = Subject(patient_id=f"SYN-{patient}")
        at = START + timedelta(minutes=minute)
        await self.journal.act(lambda conn: associate(conn, device, subject, at=at, now=self.clock.now(), by="n", source="test"))

    async def takes_off(self, device: str, minute: float) -> None:
        at = START + timedelta(minutes=minute)
        await self.journal.act(lambda conn: release(conn, device, at=at, now=self.clock.now(), by="n", source="test"))

    def chosen(self, *states: State, reports: tuple[int, ...] | None = None, reason: str = "") -> Selection:
        return Selection(destination="engine", states=frozenset(states), reports=reports, reason=reason)

    async def replay(self, *states: State, reports: tuple[int, ...] | None = None, reason: str = "") -> int:
        """Of parked messages, unless `states` says otherwise."""
        chosen = self.chosen(*(states or (State.PARKED,)), reports=reports, reason=reason)
        return (await self.journal.act(lambda conn: remedies.replay(conn, chosen, BY))).n

    async def dismiss(self, *states: State) -> int:
        chosen = self.chosen(*states)
        return (await self.journal.act(lambda conn: remedies.dismiss(conn, chosen, BY))).n

    async def edit(self, report: int, body: bytes, replaces: str = "") -> str:
        """A message for a report, written by a person; its id."""
        new = remedies.new_message_id()
        edited = remedies.Edit(
            destination="engine", report=report, message_id=new, replaces=replaces, body=body, diff="", patient_changed=""
        )
        await self.journal.act(lambda conn: remedies.edit(conn, edited, BY))
        return new

    async def parked(self) -> list[Queued]:
        return await self.journal.read(lambda conn: queued.listed(conn, self.chosen(State.PARKED), 1000))

    async def queue(self) -> status.Queue:
        (queue,) = await self.journal.read(status.queues)
        return queue

    async def lines(self) -> list[Line]:
        lines = await self.journal.read(statement)
        assert all(line.balanced for line in lines), lines
        return lines

    @asynccontextmanager
    async def sending(self, settings: DispatchSettings | None = None, renderer: Renderer = plain) -> AsyncIterator[Dispatcher]:
        """A dispatcher that runs; without jitter."""
        dispatcher = Dispatcher(
            self.journal,
            "engine",
            self.receiver,
            renderer,
            settings,
            now=self.clock.now,
            wait=self.clock.wait,
            poll=self.clock.poll,
            chance=lambda: 0.5,
        )
        task = asyncio.create_task(dispatcher.run())
        try:
            yield dispatcher
        finally:
            if task.done():
                task.result()
            task.cancel()
            await asyncio.wait([task])


def report(device: str, value: str, minute: float, category: Category) -> Report:
    return Report(
        device=DeviceIdentity(id=device),
        driver="nonin",
        category=category,
        received_at=START + timedelta(minutes=minute),
        observations=(Observation(kind=Kind.NUMERIC, vendor_code="SPO2", value=value),),
    )


async def open_bench(folder: Path) -> Bench:
    journal = await Journal.open(folder, name="g", reserve_bytes=65536)
    await journal.use({"engine": frozenset(Category)})
    return Bench(journal, folder)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = await open_bench(tmp_path / "data")
    yield bench
    await bench.journal.close()


@pytest.fixture
def opening() -> Callable[[Path], Awaitable[Bench]]:
    """Opens a bench in a folder, again after a close: for tests that restart."""
    return open_bench
