"""A TCP connection as a link's connection: what the client and the server role share."""

from __future__ import annotations

import asyncio
import socket

from gateway.acquire.clock import Clock
from gateway.acquire.links import READ_MAX, WRITE_TIMEOUT_S
from gateway.errors import LinkError

CLOSE_TIMEOUT_S = 2.0
"""Seconds a close may take to hand over what is still buffered; then the connection is cut."""


class StreamConnection:
    """Bytes over asyncio's streams. `name` is what `describe` says."""

    clock: Clock | None = None

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str) -> None:
        self._reader, self._writer, self._name = reader, writer, name
        self._transport = writer.transport

    async def read(self) -> bytes:
        try:
            return await self._reader.read(READ_MAX)
        except OSError as error:
            raise self._lost(error) from None

    async def write(self, data: bytes) -> None:
        try:
            self._writer.write(data)
            if not self._transport.get_write_buffer_size() and not self._transport.is_closing():
                return  # the kernel has it all, as nearly always
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                await self._writer.drain()
        except TimeoutError:
            raise LinkError(f"{self._name}: takes no bytes for {WRITE_TIMEOUT_S:g} s; is the device's receiver stuck?") from None
        except OSError as error:
            raise self._lost(error) from None

    async def close(self) -> None:
        self._writer.close()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._writer.wait_closed()
        except TimeoutError:
            self._writer.transport.abort()
        except OSError:
            pass

    def cut(self) -> None:
        """End it at once: a waiting read returns b""."""
        self._writer.transport.abort()

    def describe(self) -> str:
        return self._name

    def _lost(self, error: OSError) -> LinkError:
        return LinkError(f"{self._name}: connection lost: {error.strerror or error}")


def keep_alive(writer: asyncio.StreamWriter, after_s: int) -> None:
    """Probe a quiet peer after `after_s` seconds, so that a pulled network cable is noticed; 0: never."""
    sock = writer.get_extra_info("socket")
    if not after_s or sock is None:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, after_s)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, after_s // 3))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
