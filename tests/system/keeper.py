"""A process to be killed: devices that are acknowledged on stdout, a journal, a dispatcher, a receiver that writes a log.

Started once; each line `run NEXT...` on stdin forks a child that keeps from those numbers on until it is killed. Lines of a child:
`P pid`, `K device number id` (a report is acknowledged; id - for a repeat), `F number part` (a fragment is). Then the parent: `E`.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from gateway.deliver.destination import Accepted, Outgoing
from gateway.deliver.dispatch import Dispatcher
from gateway.model import Category, DeviceIdentity, Entry, Kind, Observation, Report, Subject
from gateway.patients.acts import associate
from gateway.settings.dispatch import DispatchSettings
from gateway.store.journal import Journal

BEDSIDE = ("D0", "D1", "D2")
LAB = "LAB"
PARTS = 3
AT = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


def say(line: str) -> None:
    """One write, shorter than a pipe's atomic size: a kill leaves whole lines."""
    os.write(1, f"{line}\n".encode())


def report(device: str, number: int, raw: bytes = b"", category: Category = Category.VITALS) -> Report:
    value = Observation(kind=Kind.NUMERIC, vendor_code="N", value=str(number))
    return Report(
        device=DeviceIdentity(id=device),
        driver="test",
        category=category,
        received_at=AT,
        observations=(value,),
        identity=f"{device}/{number}",
        raw=raw,
    )


def part(number: int, index: int) -> bytes:
    return f"<{number}.{index}>".encode()


class LogReceiver:
    """Accepts everything; what it got is in the log before it says so."""

    def __init__(self, path: Path) -> None:
        self._log = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    async def send(self, message: Outgoing) -> Accepted:
        await asyncio.sleep(0)
        os.write(self._log, f"{message.id} {hashlib.sha256(message.body).hexdigest()}\n".encode())
        return Accepted("AA")

    async def close(self) -> None:
        os.close(self._log)


def render(entry: Entry, subject: Subject | None) -> Outgoing:
    """Different in every process: only pinned bytes are the same after a restart."""
    return Outgoing(entry.key, f"{os.getpid()} {entry.id} {subject and subject.patient_id}".encode() * 50)


async def bedside(journal: Journal, device: str, number: int) -> None:
    while True:
        (kept,) = await journal.keep([report(device, number)], device_id=device)
        say(f"K {device} {number} {kept or '-'}")
        number += 1


async def analyzer(journal: Journal, number: int) -> None:
    while True:
        for index in range(PARTS):
            await journal.keep_fragment(LAB, part(number, index), AT)
            say(f"F {number} {index}")
        raw = b"".join(part(number, index) for index in range(PARTS))
        (kept,) = await journal.keep([report(LAB, number, raw, Category.LAB)], device_id=LAB, ends_transmission=True)
        say(f"K {LAB} {number} {kept or '-'}")
        number += 1


async def work(folder: Path, numbers: list[int]) -> None:
    say(f"P {os.getpid()}")
    journal = await Journal.open(folder / "data", name="g", reserve_bytes=65536)
    await journal.use({"engine": frozenset({Category.VITALS, Category.LAB})})
    for device in BEDSIDE:
        subject = Subject(patient_id=f"SYN-{device}")
        await journal.act(lambda conn, d=device, s=subject: associate(conn, d, s, at=AT, by="t", source="test"))  # type: ignore[misc]
    dispatcher = Dispatcher(journal, "engine", LogReceiver(folder / "received.log"), render, DispatchSettings(batch=8))
    await asyncio.gather(
        dispatcher.run(),
        *(bedside(journal, device, number) for device, number in zip(BEDSIDE, numbers, strict=False)),
        analyzer(journal, numbers[-1]),
    )


def serve(folder: Path) -> None:
    for line in sys.stdin:
        numbers = [int(word) for word in line.split()[1:]]
        child = os.fork()
        if child == 0:
            asyncio.run(work(folder, numbers))
        os.waitpid(child, 0)
        say("E")


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
