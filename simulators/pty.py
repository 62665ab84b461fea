"""A pty as a simulated device's end of a serial cable, with a stable name for the gateway to open."""

from __future__ import annotations

import asyncio
import os
import tty
from pathlib import Path

from gateway.acquire.clock import Clock
from gateway.acquire.links import READ_MAX
from gateway.errors import ConfigError


class PtyConnection:
    """The device's end. A cable nobody listens on loses what is sent, as a real one does."""

    clock: Clock | None = None

    def __init__(self, symlink: Path | None) -> None:
        """`symlink` (absolute) is made to point at the port; one that is left over is replaced, any other file is not."""
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)  # held open, so that the gateway may come and go, and never echo
        os.set_blocking(self._master, False)
        self._port = os.ttyname(self._slave)
        self._symlink = symlink
        self._open = True
        self._news = asyncio.Event()
        if symlink is not None:
            self._name_it(symlink)
        asyncio.get_running_loop().add_reader(self._master, self._news.set)

    @property
    def port(self) -> str:
        """The path for the gateway to open."""
        return str(self._symlink or self._port)

    async def read(self) -> bytes:
        while self._open:
            try:
                return os.read(self._master, READ_MAX)
            except BlockingIOError:
                self._news.clear()
                await self._news.wait()
        return b""

    async def write(self, data: bytes) -> None:
        while data and self._open:
            try:
                data = data[os.write(self._master, data) :]
            except BlockingIOError:
                return

    async def close(self) -> None:
        if not self._open:
            return
        self._open = False
        self._news.set()
        asyncio.get_running_loop().remove_reader(self._master)
        if self._symlink is not None and self._symlink.is_symlink() and str(self._symlink.readlink()) == self._port:
            self._symlink.unlink()
        os.close(self._slave)
        os.close(self._master)

    def describe(self) -> str:
        return f"pty {self.port}"

    def _name_it(self, symlink: Path) -> None:
        try:
            if symlink.is_symlink():
                symlink.unlink()
            symlink.symlink_to(self._port)
        except OSError as error:
            os.close(self._slave)
            os.close(self._master)
            raise ConfigError(f"pty://{symlink}: cannot be made: {error.strerror}; choose a path that is free") from None


class PtyLink:
    """One pty after another, under one name: closing it is pulling the cable, opening it again is plugging it in."""

    passive = False

    def __init__(self, symlink: Path | None = None) -> None:
        self._symlink = symlink

    async def open(self) -> PtyConnection:
        return PtyConnection(self._symlink)

    async def close(self) -> None:
        """Nothing is kept between connections."""

    def describe(self) -> str:
        return f"pty {self._symlink or ''}".strip()
