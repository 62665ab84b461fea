"""The acquisition's time: a monotonic clock for codecs, and its pairing with UTC."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

STEP_S = 0.5
"""Wall time this far from the pairing has stepped: NTP slews below it (chrony and systemd-timesyncd step above 0.4 to 1 s)."""


class Clock(Protocol):
    """Where a pump has its time from: the machine, a recorded trace, or a test."""

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...

    def wall(self) -> datetime:
        """UTC, as the machine believes it now."""
        ...

    def timeout(self, deadline: float | None) -> asyncio.Timeout:
        """An async context that raises TimeoutError at `deadline` (monotonic seconds; None: never)."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds."""
        ...


class SystemClock:
    """The machine's own time."""

    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> datetime:
        return datetime.now(UTC)

    def timeout(self, deadline: float | None) -> asyncio.Timeout:
        if deadline is None:
            return asyncio.timeout(None)
        return asyncio.timeout(deadline - time.monotonic())

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Pairing:
    """Monotonic seconds to UTC by one pairing a connection, so that its times keep their order and their distances.

    `check` pairs anew when the wall clock has stepped; until then NTP's slewing does not move times against each other.
    """

    def __init__(self, clock: Clock) -> None:
        self.attach(clock)

    def attach(self, clock: Clock) -> None:
        """A connection begins, on `clock`: pair."""
        self._clock = clock
        self._monotonic, self._wall = clock.monotonic(), clock.wall()

    def check(self) -> bool:
        """Pair anew if the wall clock stepped; whether it did."""
        now, wall = self._clock.monotonic(), self._clock.wall()
        if abs((wall - self.wall(now)).total_seconds()) <= STEP_S:
            return False
        self._monotonic, self._wall = now, wall
        return True

    def wall(self, monotonic: float) -> datetime:
        """UTC of a codec time."""
        return self._wall + timedelta(seconds=monotonic - self._monotonic)
