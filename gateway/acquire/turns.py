"""Devices take turns, so that a flood of readings leaves the event loop time for what is to be sent."""

from __future__ import annotations

import asyncio
from collections import deque

COMMITS_A_TURN = 1
"""Commits that all devices together begin in one turn of the event loop. A destination takes one step in each, so that under a
flood it still sends; with one, a message goes out for four that come in, without a limit one for seven (docs/performance.md)."""


class Turns:
    """What the devices of a gateway share: each asks before it begins a commit; first come, first served."""

    def __init__(self, commits: int = COMMITS_A_TURN) -> None:
        self._commits = self._left = commits
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._turning = False

    async def next(self) -> None:
        """Return at once where this turn has room, else in the first turn that has."""
        loop = asyncio.get_running_loop()
        if not self._turning:
            self._turning = True
            loop.call_soon(self._turn)
        if self._left:
            self._left -= 1
            return
        mine: asyncio.Future[None] = loop.create_future()
        self._waiting.append(mine)
        await mine

    def _turn(self) -> None:
        """Another turn: let the longest waiting go on; stop turning when nobody asked in the last one."""
        left = self._commits
        while left and self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():  # a device that was stopped
                waiting.set_result(None)
                left -= 1
        self._turning = left < self._commits
        self._left = left
        if self._turning:
            asyncio.get_running_loop().call_soon(self._turn)
