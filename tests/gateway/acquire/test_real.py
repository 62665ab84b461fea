"""The whole way in: real drivers, simulated devices on real ptys and sockets, the real journal. Time runs a hundred times faster."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.acquire import registry
from gateway.acquire.links import Link, parse_link
from gateway.acquire.links.listen import ListenLink, ListenSpec
from gateway.acquire.station import Station
from gateway.acquire.status import State
from gateway.acquire.supervisor import Supervisor
from gateway.model import DeviceIdentity
from gateway.store.journal import Journal
from simulators.contract import Simulator
from simulators.host import build, host, simulation, where
from simulators.lab.astm import AstmSimulator
from simulators.scenario import Scenario

SPEED = 100
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class FastClock:
    """Real time, SPEED times as fast: protocol timers of seconds pass in a moment."""

    def __init__(self) -> None:
        self._origin = time.monotonic()

    def monotonic(self) -> float:
        return (time.monotonic() - self._origin) * SPEED

    def wall(self) -> datetime:
        return START + timedelta(seconds=self.monotonic())

    def timeout(self, deadline: float | None) -> asyncio.Timeout:
        return asyncio.timeout(None if deadline is None else (deadline - self.monotonic()) / SPEED)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / SPEED)


class Watched:
    """A simulator that lets a test wait for what it has come to."""

    def __init__(self, inner: Simulator) -> None:
        self._inner = inner
        self._news = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def start(self, now: float) -> None:
        self._inner.start(now)

    def receive(self, data: bytes, now: float) -> None:
        self._inner.receive(data, now)
        self._news.set()

    def data_to_send(self) -> bytes:
        return self._inner.data_to_send()

    def deadline(self) -> float | None:
        return self._inner.deadline()

    def on_deadline(self, now: float) -> None:
        self._inner.on_deadline(now)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                self._news.clear()
                await self._news.wait()


class Ward:
    """A journal, a supervisor, and devices on their cables."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.clock = FastClock()
        self.kept: Counter[str] = Counter()
        self._news = asyncio.Event()
        self.supervisor = Supervisor(journal, clock=self.clock, on_kept=self._count)
        self._hosts: list[asyncio.Task[None]] = []

    def _count(self, reports: Any, ids: Any) -> None:
        self.kept.update(report.driver for report, found in zip(reports, ids, strict=True) if found is not None)
        self._news.set()

    def play(self, device: Simulator, link: str) -> asyncio.Task[None]:
        task = asyncio.ensure_future(host(device, where(link), clock=self.clock))
        self._hosts.append(task)
        return task

    def listen_to(self, driver_id: str, link: Link | str, profile: str = "") -> None:
        driver = registry.load(driver_id)
        way = parse_link(link, driver.line).link() if isinstance(link, str) else link
        options = registry.options(driver, profile, {})
        self.supervisor.start(
            Station(identity=DeviceIdentity(id=driver_id), driver=driver, options=options, link=way, profile=profile)
        )

    async def until(self, **counts: int) -> None:
        async with asyncio.timeout(60):
            while any(self.kept[name] < count for name, count in counts.items()):
                self._news.clear()
                await self._news.wait()

    async def end(self) -> None:
        await self.supervisor.close()
        for task in self._hosts:
            task.cancel()
        await asyncio.gather(*self._hosts, return_exceptions=True)
        await self.journal.close()


@pytest.fixture
async def ward(tmp_path: Path) -> AsyncIterator[Ward]:
    one = Ward(await Journal.open(tmp_path / "data", name="test"))
    yield one
    await one.end()


def device(name: str, scenario: Scenario, **options: str) -> Simulator:
    return build(simulation(name), scenario, options)


@pytest.mark.parametrize("fault", [0.0, 0.1], ids=["clean", "noisy"])
async def test_bedside_devices_reach_the_journal_over_serial_lines(ward: Ward, tmp_path: Path, fault: float) -> None:
    scenario = Scenario(7, START, garble=fault, drop=fault, noise=fault)
    for name in ("nonin", "masimo", "pb840"):
        ward.listen_to(name, f"serial://{tmp_path}/{name}")  # before the adapter is there
    for name in ("nonin", "masimo", "pb840"):
        ward.play(device(name, scenario), f"pty://{tmp_path}/{name}")
    await ward.until(nonin=5, masimo=5, pb840=3)
    assert {status.state for status in ward.supervisor.statuses.values()} <= {State.UP, State.SILENT}
    assert ward.supervisor.statuses["masimo"].values["SPO2"].unit == "%"


async def test_every_result_an_analyzer_was_acknowledged_is_in_the_journal_once(ward: Ward) -> None:
    """A garbled line, power cuts in the middle of results, and a network cable that is pulled twice."""
    scenario = Scenario(11, START, garble=0.05, drop=0.03, noise=0.05)
    analyzer = build(simulation("astm"), scenario, {"interval_s": "4", "count": "15", "cut_every": "4"})
    assert isinstance(analyzer, AstmSimulator)
    watched = Watched(analyzer)
    listener = ListenLink(ListenSpec("127.0.0.1", 0))
    await listener.listen()
    ward.listen_to("astm", listener, "generic")
    for pulled_after in (5, 10, 15):
        cable = ward.play(watched, f"tcp://127.0.0.1:{listener.port}")
        await watched.until(lambda count=pulled_after: len(analyzer.acknowledged) >= count)  # type: ignore[misc]
        cable.cancel()
    await ward.supervisor.close()
    payloads = await ward.journal.read(lambda conn: conn.execute("SELECT payload FROM reports").fetchall())
    rows = [json.loads(payload) for (payload,) in payloads]
    kept = Counter(row["specimen"]["id"] for row in rows)
    assert kept == Counter(result.specimen for result in analyzer.acknowledged)
    assert set(kept.values()) == {1}
    assert len(kept) == 15
