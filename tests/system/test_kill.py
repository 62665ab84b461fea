"""kill -9 at fifty random points: nothing that was acknowledged is lost, nothing is doubled, nothing is sent twice with other bytes."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.deliver.destination import Accepted, Outgoing
from gateway.deliver.dispatch import Dispatcher
from gateway.model import Category, Entry, Subject
from gateway.store import status
from gateway.store.entries import entries
from gateway.store.journal import Journal, open_reader
from gateway.store.statement import statement

KILLS = 50
SEED = 20261121
DEVICES = ("D0", "D1", "D2", "LAB")
TAKES = {"engine": frozenset({Category.VITALS, Category.LAB})}


class Devices:
    """The devices' memory: what was acknowledged to them. After a restart each sends again what was not."""

    def __init__(self) -> None:
        self.acknowledged: dict[str, set[int]] = {device: set() for device in DEVICES}
        self.parts: set[tuple[int, int]] = set()
        self.ids: dict[tuple[str, int], int] = {}
        self.repeats = 0

    def next(self, device: str) -> int:
        return max(self.acknowledged[device], default=-1) + 1

    def hear(self, line: str) -> None:
        kind, *words = line.split()
        if kind == "F":
            self.parts.add((int(words[0]), int(words[1])))
        elif kind == "K":
            device, number, kept = words
            self.acknowledged[device].add(int(number))
            if kept == "-":
                self.repeats += 1
            else:
                self.ids[device, int(number)] = int(kept)


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    script = Path(__file__).with_name("keeper.py")
    with subprocess.Popen([sys.executable, str(script), str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == 0


def run_and_kill(keeper: subprocess.Popen[bytes], devices: Devices, after: int) -> None:
    """Let a child run, kill it once it has said `after` bytes, hear everything that it said before it died."""
    assert keeper.stdin is not None
    assert keeper.stdout is not None
    keeper.stdin.write(f"run {' '.join(str(devices.next(device)) for device in DEVICES)}\n".encode())
    keeper.stdin.flush()
    said, pid, killed = 0, 0, False
    while (line := keeper.stdout.readline().decode()) != "E\n":
        assert line, "the keeper itself must live"
        said += len(line)
        if line.startswith("P "):
            pid = int(line.split()[1])
        else:
            devices.hear(line)
        if said >= after and not killed:
            os.kill(pid, signal.SIGKILL)
            killed = True
    assert killed, "the child died by itself"


class Rest:
    """The receiver's other half: takes what is left, in this process, into the same log."""

    def __init__(self, log: Path) -> None:
        self._log = log

    async def send(self, message: Outgoing) -> Accepted:
        with self._log.open("a") as file:
            file.write(f"{message.id} {hashlib.sha256(message.body).hexdigest()}\n")
        return Accepted("AA")

    async def close(self) -> None: ...


def other_mapping(entry: Entry, _subject: Subject | None) -> Outgoing:
    return Outgoing(entry.key, b"rendered by the last process")


async def drain(folder: Path) -> None:
    """Start once more, send all that waits, stop in good order."""
    journal = await Journal.open(folder / "data", name="g", reserve_bytes=65536)
    await journal.use(TAKES)
    dispatcher = Dispatcher(journal, "engine", Rest(folder / "received.log"), other_mapping)
    done = asyncio.Event()

    async def wait(event: asyncio.Event, _timeout_s: float | None) -> None:
        done.set()
        await event.wait()

    dispatcher._wait = wait
    task = asyncio.create_task(dispatcher.run())
    async with asyncio.timeout(120):
        await done.wait()
    task.cancel()
    await asyncio.wait([task])
    await journal.close()


@pytest.mark.slow
def test_fifty_kills_lose_and_double_nothing(tmp_path: Path, keeper: subprocess.Popen[bytes]) -> None:
    dice, devices = random.Random(SEED), Devices()
    for _ in range(KILLS):
        run_and_kill(keeper, devices, dice.choice([0, dice.randrange(100), dice.randrange(3000)]))
    asyncio.run(drain(tmp_path))
    assert sum(map(len, devices.acknowledged.values())) > 5 * KILLS, "the children did work"

    with closing(open_reader(tmp_path / "data")) as conn:
        assert conn.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        kept = {entry.report.identity: entry for entry in entries(conn)}
        (rows,) = conn.execute("SELECT count(*) FROM reports").fetchone()
        broken = b"".join(one.raw for one in status.incomplete(conn, limit=10_000))
        lines = statement(conn)

    acknowledged = {f"{device}/{number}" for device, numbers in devices.acknowledged.items() for number in numbers}
    assert acknowledged <= kept.keys(), "lost"
    assert len(kept) == rows, "doubled"
    assert all(kept[f"{device}/{number}"].id == number_id for (device, number), number_id in devices.ids.items())
    for number, index in devices.parts:
        piece = f"<{number}.{index}>".encode()
        whole = kept.get(f"LAB/{number}")
        assert (whole is not None and piece in whole.report.raw) or piece in broken, f"fragment {piece!r} lost"

    log = [line.split() for line in (tmp_path / "received.log").read_text().splitlines()]
    bodies: dict[str, set[str]] = {}
    for key, digest in log:
        bodies.setdefault(key, set()).add(digest)
    assert all(len(digests) == 1 for digests in bodies.values()), "sent twice with other bytes"
    assert bodies.keys() == {entry.key for entry in kept.values()}, "everything arrived, and nothing else"
    assert all(line.balanced and line.delivered == line.received for line in lines), lines
    assert sum(line.received for line in lines) == rows
