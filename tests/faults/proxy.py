"""A network between gateway and receiver that can go wrong: stop reading, swallow, trickle, break off."""

from __future__ import annotations

import asyncio
import contextlib
from enum import StrEnum

TRICKLE_S = 0.005
"""Between two pieces of a trickle; a message of 2 kB then takes half a second."""
PIECE = 20
"""Bytes of a piece."""


class Mode(StrEnum):
    """What happens to bytes on the way."""

    PASS = "pass"
    DEAF = "deaf"
    """Connections are taken and nothing is read: the sender's window fills (half open)."""
    SWALLOW = "swallow"
    """All is read and nothing comes out, in either direction: a firewall that forgot the connection."""
    MUTE = "mute"
    """Messages get through, answers do not: the worst moment for a sender."""
    TRICKLE = "trickle"


class Proxy:
    """Listens on a port of loopback, forwards to `target`."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.mode = Mode.PASS
        self.port = 0
        self._server: asyncio.Server | None = None
        self._talks: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def open(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening, break everything off."""
        if self._server is not None:
            self._server.close()
        await self.break_off()

    async def break_off(self) -> None:
        """Reset every connection."""
        talks = list(self._talks)
        for task in talks:
            self._talks[task].transport.abort()
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._talks[task] = writer
        task.add_done_callback(lambda done: self._talks.pop(done, None))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there: asyncio.StreamWriter | None = None
        try:
            with contextlib.suppress(OSError):
                back, there = await asyncio.open_connection(*self.target)
                ways = [self._way(reader, there, answers=False), self._way(back, writer, answers=True)]
                tasks = [asyncio.create_task(way) for way in ways]
                try:
                    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            writer.transport.abort()
            if there is not None:
                there.transport.abort()

    async def _way(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        while True:
            while self.mode is Mode.DEAF:
                await asyncio.sleep(TRICKLE_S)
            data = await reader.read(65536)
            if not data:
                return
            if self.mode is Mode.SWALLOW or (answers and self.mode is Mode.MUTE):
                continue
            while data and self.mode is Mode.TRICKLE:
                writer.write(data[:PIECE])
                data = data[PIECE:]
                await writer.drain()
                await asyncio.sleep(TRICKLE_S)
            writer.write(data)
            await writer.drain()
