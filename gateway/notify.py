"""sd_notify(3): what systemd is told of a gateway's life; nothing where nobody listens."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

EXTEND_S = 20.0
"""Between two words that a start goes on: systemd gives it 90 s, and extends that by as much as it is told."""


def notify(*states: str) -> None:
    """Send assignments such as READY=1 in one datagram."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.connect("\0" + address[1:] if address.startswith("@") else address)
        line.sendall("\n".join(states).encode())


def reloading() -> None:
    """A reload begins (Type=notify-reload wants the monotonic time with it); READY=1 ends it, whatever came of it."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


async def patiently(work: Coroutine[Any, Any, T], what: str, *, every_s: float = EXTEND_S) -> T:
    """Await what may take longer than systemd waits for a start, such as a salvage: it is told that we are at it."""
    task = asyncio.create_task(work)
    try:
        while not (await asyncio.wait([task], timeout=every_s))[0]:
            notify(f"EXTEND_TIMEOUT_USEC={int(3 * every_s * 1_000_000)}", f"STATUS={what}")
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
