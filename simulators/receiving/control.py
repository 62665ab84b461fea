"""How a running receiver is told what to do: a Unix socket that takes a line and answers with a line.

`summary` answers with the books as JSON; any other line is a script (see behaviour) and answers "ok" or "error: why".
"""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from simulators.receiving.behaviour import Script
from simulators.receiving.keeping import Keeping

LINE_MAX = 64 * 1024
"""Bytes of a line: a script of a thousand acts fits."""
TELL_TIMEOUT_S = 5.0
"""A receiver on this machine answers at once or hangs."""


class Control:
    """The socket. It belongs to one receiver; a file that a killed one left behind is replaced."""

    def __init__(self, keeping: Keeping, script: Script) -> None:
        self._keeping = keeping
        self._script = script
        self._server: asyncio.Server | None = None
        self._path: Path | None = None
        self._talks: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}

    async def open(self, path: Path) -> None:
        """Listen at `path`. Raises OSError when it cannot be made."""
        _clear(path)
        self._server = await asyncio.start_unix_server(self._connected, path, limit=LINE_MAX)
        self._path = path

    async def close(self) -> None:
        """Stop listening, hang up and remove the file."""
        talks = list(self._talks.items())
        for writer, _ in talks:
            writer.transport.abort()
        await asyncio.gather(*(talk for _, talk in talks), return_exceptions=True)
        if self._server is not None and self._path is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)

    def answer(self, line: str) -> str:
        """Do what a line says; the line to answer."""
        if line == "summary":
            return json.dumps(asdict(self._keeping.ledger.summary()))
        try:
            self._script.switch(line)
        except ValueError as error:
            return f"error: {error}"
        return "ok"

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._talks[writer] = asyncio.create_task(self._talk(reader, writer))

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(self.answer(line.decode(errors="replace").strip()).encode() + b"\n")
                await writer.drain()
        except (OSError, ValueError):
            pass  # went away, or a line beyond LINE_MAX: this is a bench tool
        finally:
            self._talks.pop(writer, None)
            writer.transport.abort()


def _clear(path: Path) -> None:
    with suppress(FileNotFoundError):
        if path.is_socket():
            path.unlink()


def tell(path: Path, line: str) -> str:
    """Say a line to the receiver at `path`; its answer. Raises OSError when none is there."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(TELL_TIMEOUT_S)
        sock.connect(str(path))
        with sock.makefile("rwb") as file:
            file.write(line.encode() + b"\n")
            file.flush()
            return file.readline().decode().rstrip("\n")
