"""trace:///PATH: a recording as a device, with the recording's own time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from gateway.acquire.clock import Clock
from gateway.acquire.links import LinkEndedError
from gateway.acquire.links.dial import Dial
from gateway.acquire.links.trace import Trace, read_trace
from gateway.driver import LineSettings
from gateway.errors import ConfigError, LinkError


@dataclass(frozen=True, slots=True)
class TraceSpec:
    """The recording and how much faster than life it is replayed (0: as fast as possible)."""

    path: str
    speed: float = 1.0

    def link(self) -> TraceLink:
        return TraceLink(self)


def parse(dial: Dial, line: LineSettings | None) -> TraceSpec:
    """The spec of a trace:// dial string."""
    del line
    spec = TraceSpec(dial.path, dial.number("speed", 1.0, 0, 1e6))
    dial.done()
    return spec


class TraceLink:
    """A recording as a device, once: at its end it raises LinkEndedError, so that nothing is said twice."""

    passive = False

    def __init__(self, spec: TraceSpec) -> None:
        self._spec = spec
        self._used = False

    async def open(self) -> TraceConnection:
        if self._used:
            raise LinkEndedError(f"{self._spec.path}: the recording is at its end")
        try:
            trace = read_trace(Path(self._spec.path))
        except ConfigError as error:
            raise LinkError(str(error)) from None
        self._used = True
        return TraceConnection(trace, self._spec.speed, self.describe())

    async def close(self) -> None:
        """Nothing is kept between connections."""

    def describe(self) -> str:
        return f"recording {self._spec.path}"


class TraceClock:
    """Time as it was when the trace was recorded: it moves only by what is read, so every replay has the same times."""

    def __init__(self, started: datetime) -> None:
        self._started = started
        self._now = 0.0
        self._waiting: tuple[float, asyncio.Timeout] | None = None

    def monotonic(self) -> float:
        return self._now

    def wall(self) -> datetime:
        return self._started + timedelta(seconds=self._now)

    def timeout(self, deadline: float | None) -> asyncio.Timeout:
        timeout = asyncio.timeout(None)
        self._waiting = None if deadline is None else (deadline, timeout)
        return timeout

    async def sleep(self, seconds: float) -> None:
        """A pause of ours is no time of the recording's."""
        await asyncio.sleep(seconds)

    def due_before(self, t_s: float) -> float | None:
        """The deadline that comes before `t_s`, if one does."""
        return self._waiting[0] if self._waiting is not None and self._waiting[0] < t_s else None

    def move(self, t_s: float) -> None:
        """It is `t_s` now."""
        self._now = max(self._now, t_s)

    async def expire(self) -> None:
        """Raise the waiting deadline's TimeoutError where it is awaited."""
        assert self._waiting is not None
        self._waiting[1].reschedule(asyncio.get_running_loop().time())
        await asyncio.Event().wait()


class TraceConnection:
    """What the device said, at the times it said it; what is written goes nowhere."""

    def __init__(self, trace: Trace, speed: float, name: str) -> None:
        self._coming = [record for record in reversed(trace.records) if not record.sent]
        self._speed, self._name = speed, name
        self._time = TraceClock(trace.header.started)
        self.clock: Clock | None = self._time
        self._closed = False

    async def read(self) -> bytes:
        while self._coming and not self._closed:
            target = self._coming[-1].t_s
            deadline = self._time.due_before(target)
            await self._pace((target if deadline is None else deadline) - self._time.monotonic())
            if deadline is not None:
                self._time.move(deadline)
                await self._time.expire()
            self._time.move(target)
            return self._coming.pop().data
        return b""

    async def write(self, data: bytes) -> None:
        """A recording listens to nobody."""

    async def close(self) -> None:
        self._closed = True

    def describe(self) -> str:
        return self._name

    async def _pace(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds) / self._speed if self._speed else 0)
