"""What systemd is told: a start that takes long is still going on."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from gateway.notify import patiently


async def test_a_long_start_extends_systemds_patience_until_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(tmp_path / "notify"))
        line.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))

        async def salvage() -> str:
            loop = asyncio.get_running_loop()
            for _ in range(2):
                said = await asyncio.wait_for(loop.sock_recv(line, 200), 10)
                told.append(said)
            return "done"

        told: list[bytes] = []
        assert await patiently(salvage(), "salvaging", every_s=0.01) == "done"
    assert told == [b"EXTEND_TIMEOUT_USEC=30000\nSTATUS=salvaging"] * 2


async def test_what_goes_wrong_in_it_comes_out(tmp_path: Path) -> None:
    async def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await patiently(fail(), "salvaging")
