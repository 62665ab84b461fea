"""What people do in other processes, noticed by a destination: it looks again, and a "retry" ends its pause."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from gateway.errors import StoreError
from gateway.store import audit
from gateway.store.journal import Journal

POLL_S = 1.0
"""How soon an act of another process (an association, a replay) is noticed."""


class Watch:
    """Sets `work` after any act, `hurry` after a retry of the destination; `run` until cancelled. `poll` pauses between looks."""

    def __init__(self, journal: Journal, destination_id: str, poll: Callable[[float], Awaitable[None]]) -> None:
        self.work = asyncio.Event()
        self.hurry = asyncio.Event()
        self._journal, self._id, self._poll = journal, destination_id, poll

    async def run(self) -> None:
        """Look at the audit trail once in a while."""
        seen: int | None = None
        while True:
            with suppress(StoreError):
                last, hurried = await self._journal.read(partial(self._since, after=seen))
                if last != seen:
                    self.work.set()
                if hurried:
                    self.hurry.set()
                seen = last
            await self._poll(POLL_S)

    def _since(self, conn: sqlite3.Connection, after: int | None) -> tuple[int, bool]:
        return audit.last(conn), after is not None and audit.happened(conn, "retry", self._id, after)
