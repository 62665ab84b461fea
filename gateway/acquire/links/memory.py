"""A link without a wire, for tests: one end is the gateway's, the other the test's."""

from __future__ import annotations

import asyncio
from collections import deque

from gateway.acquire.clock import Clock
from gateway.errors import LinkError


class MemoryConnection:
    """What the far end says with `say` is read here; what is written here is in `written`."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock
        self.written = bytearray()
        self.closed = False
        self._said: deque[bytes] = deque()
        self._fault: LinkError | None = None
        self._ended = False
        self._news = asyncio.Event()
        self._wrote = asyncio.Event()

    async def read(self) -> bytes:
        while True:
            if self._said:
                return self._said.popleft()
            if self._fault is not None:
                raise self._fault
            if self._ended or self.closed:
                return b""
            self._news.clear()
            await self._news.wait()

    async def write(self, data: bytes) -> None:
        if self._fault is not None:
            raise self._fault
        self.written += data
        self._wrote.set()

    async def close(self) -> None:
        self.closed = True
        self._news.set()

    def describe(self) -> str:
        return "memory"

    def say(self, data: bytes) -> None:
        """The device sends `data`: one read."""
        self._said.append(data)
        self._news.set()

    def hang_up(self, fault: LinkError | None = None) -> None:
        """The device closes; with `fault` the line breaks. What was said before is still read."""
        self._fault, self._ended = fault, True
        self._news.set()

    async def until_written(self, count: int) -> bytes:
        """All that was written, once it is at least `count` bytes."""
        while len(self.written) < count:
            self._wrote.clear()
            await self._wrote.wait()
        return bytes(self.written)


class MemoryLink:
    """Opens the connections it is fed, in order; a LinkError in their place is raised."""

    passive = False

    def __init__(self, *connections: MemoryConnection | LinkError) -> None:
        self._coming = deque(connections)
        self._fed = asyncio.Event()
        self.opened = 0

    def feed(self, connection: MemoryConnection | LinkError) -> None:
        """The next `open` gets this."""
        self._coming.append(connection)
        self._fed.set()

    async def open(self) -> MemoryConnection:
        while not self._coming:
            self._fed.clear()
            await self._fed.wait()
        self.opened += 1
        given = self._coming.popleft()
        if isinstance(given, LinkError):
            raise given
        return given

    async def close(self) -> None:
        """Nothing is kept between connections."""

    def describe(self) -> str:
        return "memory"
