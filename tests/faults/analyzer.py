"""A simulated analyzer in this process: what it sent and had acknowledged is what an oracle knows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

from gateway.acquire.clock import Clock, SystemClock
from gateway.acquire.links import Connection, Link, parse_link
from simulators.host import host
from simulators.lab.astm import AstmSimulator
from simulators.lab.astm_sender import Result
from simulators.scenario import Scenario
from tests.faults.world import POLL_S

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


class Analyzer:
    """The simulated analyzer in this process, over TCP to a gateway: what it sent and had acknowledged is the oracle.

    `on_write` is called after each of its writes with what was written, `on_acknowledged` at once with a result that the gateway
    has acknowledged; `stop` ends it.
    """

    def __init__(
        self,
        port: int,
        seed: int,
        on_write: Callable[[bytes], Awaitable[None]] | None = None,
        on_acknowledged: Callable[[Result], None] | None = None,
        **options: str,
    ) -> None:
        self.port = port
        self.device = _Attentive(Scenario(seed, START), options, on_acknowledged or _unheard)
        self._link = _Watched(parse_link(f"tcp://127.0.0.1:{port}").link(), on_write)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(host(self.device, self._link, clock=_Hasty()))

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def cease(self) -> None:
        """No result after those made so far."""
        self.device._count = max(1, self.device._made)

    def resume(self) -> None:
        """It goes on with results, from now on."""
        sim = self.device
        sim._count = 0
        if sim._origin is not None:
            sim._origin = asyncio.get_running_loop().time() - sim._made * sim._interval_s


class _Attentive(AstmSimulator):
    """An analyzer that says when a result of its own was acknowledged, at once."""

    def __init__(self, scenario: Scenario, options: Mapping[str, str], on_acknowledged: Callable[[Result], None]) -> None:
        super().__init__(scenario, options)
        self._on_acknowledged = on_acknowledged

    def receive(self, data: bytes, now: float) -> None:
        before = len(self.acknowledged)
        super().receive(data, now)
        for result in self.acknowledged[before:]:
            self._on_acknowledged(result)


def _unheard(_result: Result) -> None: ...


class _Hasty(SystemClock):
    """A clock whose pauses between two connections are short."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, POLL_S))


class _Watched:
    """A link whose writes are reported."""

    passive = False

    def __init__(self, link: Link, on_write: Callable[[bytes], Awaitable[None]] | None) -> None:
        self._inner, self._on_write = link, on_write

    async def open(self) -> Connection:
        return _WatchedConnection(await self._inner.open(), self._on_write)

    async def close(self) -> None:
        await self._inner.close()

    def describe(self) -> str:
        return self._inner.describe()


class _WatchedConnection:
    clock: Clock | None = None

    def __init__(self, connection: Connection, on_write: Callable[[bytes], Awaitable[None]] | None) -> None:
        self._inner, self._on_write = connection, on_write

    async def read(self) -> bytes:
        return await self._inner.read()

    async def write(self, data: bytes) -> None:
        await self._inner.write(data)
        if self._on_write is not None:
            await self._on_write(data)

    async def close(self) -> None:
        await self._inner.close()

    def describe(self) -> str:
        return self._inner.describe()
