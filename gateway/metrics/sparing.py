"""Figures that cost something to get: shared among askers, and kept for a while in proportion to their cost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

KEPT_TIMES = 20
"""A figure is at most this many times as old as it took to get: however often it is asked for, that takes 5 % of the time.

A queue of a million reports takes half a second to count, so its figures are up to 10 s old; those of a common one, milliseconds.
"""

T = TypeVar("T")


class Sparing(Generic[T]):
    """What `get` returns, now or a little while ago; asked for once at a time."""

    def __init__(self, get: Callable[[], Awaitable[T]], clock: Callable[[], float] = time.monotonic) -> None:
        self._get, self._clock = get, clock
        self._lock = asyncio.Lock()
        self._kept: tuple[T, float] | None = None

    async def __call__(self) -> T:
        """The figures."""
        async with self._lock:
            began = self._clock()
            if self._kept is None or began >= self._kept[1]:
                value = await self._get()
                now = self._clock()
                self._kept = value, now + KEPT_TIMES * (now - began)
            return self._kept[0]
