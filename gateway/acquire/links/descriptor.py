"""A terminal's file descriptor as a link's connection: non-blocking on the event loop, no thread."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from gateway.acquire.clock import Clock
from gateway.acquire.links import READ_MAX, WRITE_TIMEOUT_S
from gateway.errors import LinkError


class DescriptorConnection:
    """Bytes over a non-blocking descriptor whose empty read means that it hung up (a terminal with VMIN 1)."""

    clock: Clock | None = None

    def __init__(self, fd: int, name: str, close: Callable[[], None]) -> None:
        self._fd, self._name, self._close = fd, name, close
        self._open = True
        self._woken: asyncio.Future[None] | None = None

    async def read(self) -> bytes:
        while self._open:
            try:
                data = os.read(self._fd, READ_MAX)
            except BlockingIOError:
                await self._ready(write=False)
                continue
            except OSError as error:
                raise self._gone(error) from None
            if not data:
                raise self._gone(None)
            return data
        return b""

    async def write(self, data: bytes) -> None:
        try:
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                await self._write(data)
        except TimeoutError:
            text = f"{self._name}: takes no bytes for {WRITE_TIMEOUT_S:g} s; is flow control right (flow=), is the cable in?"
            raise LinkError(text) from None

    async def _write(self, data: bytes) -> None:
        while data and self._open:
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:
                await self._ready(write=True)
            except OSError as error:
                raise self._gone(error) from None

    async def close(self) -> None:
        if not self._open:
            return
        self._open = False
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._fd)
        loop.remove_writer(self._fd)
        self._close()

    def describe(self) -> str:
        return self._name

    async def _ready(self, *, write: bool) -> None:
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()
        add, remove = (loop.add_writer, loop.remove_writer) if write else (loop.add_reader, loop.remove_reader)
        add(self._fd, _wake, woken)
        self._woken = woken
        try:
            await woken
        finally:
            if self._open:
                remove(self._fd)

    def _gone(self, error: OSError | None) -> LinkError:
        cause = f" ({error.strerror})" if error is not None else ""
        return LinkError(f"{self._name}: cable or adapter gone{cause}; plug it in again, it is found by its name")


def _wake(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)
