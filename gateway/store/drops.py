"""What a policy kept out of the journal, counted all the same: received and dropped, for whoever takes it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import TypeAlias

from gateway.errors import StoreError
from gateway.model import Category
from gateway.store.intake import Takers
from gateway.store.writer import Transaction

FLUSH_S = 1.0
"""Counts are durable after this: a commit for each waveform that is dropped would wear the disk that is to be spared."""

_Key: TypeAlias = tuple[str, Category, str]


class Drops:
    """Adds up on the event loop, and writes now and then. What a crash takes with it is neither received nor dropped."""

    def __init__(self, write: Callable[[Callable[[Transaction], None]], asyncio.Future[None]], takers: Takers) -> None:
        self._write, self._takers = write, takers
        self._pending: Counter[_Key] = Counter()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, device: str, category: Category, policy: str, n: int = 1) -> None:
        """`policy` kept `n` reports out."""
        self._pending[device, category, policy] += n
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self._flush)

    async def close(self) -> None:
        """Write what is left; what cannot be written is in no count."""
        if self._timer is not None:
            self._timer.cancel()
        if self._pending and (written := self._flush()):
            await asyncio.wait([written])

    def _flush(self) -> asyncio.Future[None] | None:
        self._timer = None
        counted, self._pending = self._pending, Counter()
        try:
            written = self._write(lambda tx: self._tally(tx, counted))
        except StoreError:  # the journal is closed
            return None
        written.add_done_callback(lambda done: self._written(done, counted))
        return written

    def _tally(self, tx: Transaction, counted: Counter[_Key]) -> None:
        for (device, category, policy), n in counted.items():
            for destination in self._takers(category.value):
                tx.tally(destination, device, "received", n)
                tx.tally(destination, device, f"dropped:{policy}", n)

    def _written(self, done: asyncio.Future[None], counted: Counter[_Key]) -> None:
        """A disk that is full now is not for ever: the counts wait."""
        if not done.cancelled() and done.exception() is not None:
            for (device, category, policy), n in counted.items():
                self.add(device, category, policy, n)
