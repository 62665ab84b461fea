"""The gateway's ear on its own box: a unix socket that answers a line (a word and what belongs to it) with a JSON document."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from gateway.errors import ConfigError, WardlinkError

NAME = "control.sock"
LINE_MAX = 8192
"""Bytes of a request: a word, what belongs to it (who asks, an id, the path of a site's profile), a line end."""
ANSWER_MAX = 16 * 1024 * 1024
"""Bytes of an answer: the last values of a thousand devices."""
TIMEOUT_S = 5.0
"""For the request to arrive, and for an answer that only tells."""
PATH_MAX = 107
"""Bytes of a unix socket's path (unix(7), sun_path)."""

Answers = Mapping[str, Callable[[str], Awaitable[Any]]]
"""Word to what answers it; it is given the rest of the line."""


async def serve(folder: Path, answers: Answers) -> asyncio.Server:
    """Answer on `folder`/control.sock, for the gateway's own user only. A socket left by a crash is replaced."""
    path = folder / NAME
    if len(os.fsencode(path)) > PATH_MAX:
        raise ConfigError(f"gateway.data: {folder}: a socket's path holds {PATH_MAX} bytes at most; choose a shorter folder")
    path.unlink(missing_ok=True)
    before = os.umask(0o177)
    try:
        return await asyncio.start_unix_server(lambda r, w: _answer(r, w, answers), path, limit=LINE_MAX)
    finally:
        os.umask(before)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: Answers) -> None:
    with contextlib.suppress(OSError, ValueError, asyncio.TimeoutError):
        line = (await asyncio.wait_for(reader.readline(), TIMEOUT_S)).decode("utf-8", "replace").strip()
        word, _, rest = line.partition(" ")
        said = await _said(answers, word, rest)
        writer.write(json.dumps(said, default=str).encode())
        await writer.drain()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def _said(answers: Answers, word: str, rest: str) -> Any:
    answer = answers.get(word)
    if answer is None:
        return {"error": f"expected one of {', '.join(answers)}"}
    try:
        return await answer(rest)
    except WardlinkError as error:
        return {"error": str(error)}


def ask(folder: Path, request: str, *, timeout_s: float = TIMEOUT_S) -> Any:
    """The running gateway's answer to `request`; None when no gateway runs on `folder`, or it says nothing for `timeout_s`."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(timeout_s)
        try:
            line.connect(str(folder / NAME))
            line.sendall(f"{request}\n".encode())
            parts = []
            while part := line.recv(65536):
                parts.append(part)
                if sum(map(len, parts)) > ANSWER_MAX:
                    return None
        except OSError:
            return None
    return json.loads(b"".join(parts)) if parts else None
