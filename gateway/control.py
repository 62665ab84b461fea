"""The gateway's ear on its own box: a unix socket that answers one word with one JSON document."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from gateway.errors import ConfigError

NAME = "control.sock"
WORD_MAX = 64
"""Bytes of a request: one word and a line end."""
ANSWER_MAX = 16 * 1024 * 1024
"""Bytes of an answer: the last values of a thousand devices."""
TIMEOUT_S = 5.0
PATH_MAX = 107
"""Bytes of a unix socket's path (unix(7), sun_path)."""

Answers = Mapping[str, Callable[[], Awaitable[Any]]]


async def serve(folder: Path, answers: Answers) -> asyncio.Server:
    """Answer on `folder`/control.sock, for the gateway's own user only. A socket left by a crash is replaced."""
    path = folder / NAME
    if len(os.fsencode(path)) > PATH_MAX:
        raise ConfigError(f"gateway.data: {folder}: a socket's path holds {PATH_MAX} bytes at most; choose a shorter folder")
    path.unlink(missing_ok=True)
    before = os.umask(0o177)
    try:
        return await asyncio.start_unix_server(lambda r, w: _answer(r, w, answers), path, limit=WORD_MAX)
    finally:
        os.umask(before)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: Answers) -> None:
    with contextlib.suppress(OSError, ValueError, asyncio.TimeoutError):
        word = (await asyncio.wait_for(reader.readline(), TIMEOUT_S)).decode("ascii", "replace").strip()
        answer = answers.get(word)
        said = await answer() if answer else {"error": f"expected one of {', '.join(answers)}"}
        writer.write(json.dumps(said, default=str).encode())
        await writer.drain()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def ask(folder: Path, word: str) -> Any:
    """The running gateway's answer to `word`; None when no gateway runs on `folder`."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(TIMEOUT_S)
        try:
            line.connect(str(folder / NAME))
            line.sendall(f"{word}\n".encode())
            parts = []
            while part := line.recv(65536):
                parts.append(part)
                if sum(map(len, parts)) > ANSWER_MAX:
                    return None
        except OSError:
            return None
    return json.loads(b"".join(parts)) if parts else None
