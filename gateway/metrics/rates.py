"""How fast counters rise: means over the last minute, from samples taken every few seconds; the paths that count pay nothing."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping

SAMPLE_S = 5.0
WINDOW_S = 60.0
"""What a person means by "now"; Prometheus makes its own means of the counters."""


class Rates:
    """`read` gives the counters by name; they only ever rise, and begin anew when what they count does."""

    def __init__(self, read: Callable[[], Mapping[str, int]], clock: Callable[[], float] = time.monotonic) -> None:
        self._read, self._clock = read, clock
        self._samples: deque[tuple[float, Mapping[str, int]]] = deque()

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            self.sample()
            await asyncio.sleep(SAMPLE_S)

    def sample(self) -> None:
        """Note the counters as they are now."""
        now = self._clock()
        self._samples.append((now, dict(self._read())))
        while len(self._samples) > 2 and self._samples[1][0] <= now - WINDOW_S:
            self._samples.popleft()

    def per_minute(self) -> dict[str, float]:
        """How much each counter rose in a minute; none for what was not seen twice or began anew."""
        if not self._samples:
            return {}
        now, latest = self._clock(), self._read()
        found = {}
        for name, n in latest.items():
            at, before = next(((at, counts[name]) for at, counts in self._samples if name in counts), (now, n))
            if now > at and n >= before:
                found[name] = round(60 * (n - before) / (now - at), 2)
        return found
