"""Memory with a long queue: `python -m tests.bench.bench_memory [REPORTS]`, a million by default (1 GB on the disk, two minutes).

Method: a journal is filled with so many reports of 100 devices by a process that ends then. The gateway opens it, reads 100 live
devices (a report of 30 readings a second each) and first has no receiver for ten seconds, then one for ten seconds, to which it
drains over mutual TLS. Printed: the resident set at each step and the highest it ever was, as the kernel counts it.
"""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from gateway.model import Category, DeviceIdentity, Report
from simulators.pki import make
from tests.bench.ward import CODES, ROOT, TREE, Beside, Ward, rss_mb

DEVICES = 100
SLICE = 500
"""Reports kept in one commit while filling."""


async def fill(folder: Path, count: int) -> None:
    """Keep `count` small reports."""
    ward = await Ward.open(folder, DEVICES)
    for first in range(0, count, SLICE):
        name, now = f"D{first // SLICE % DEVICES}", datetime.now(UTC)
        seen = tuple(TREE.observe(code, f"{50 + first % 90}") for code in CODES[:3])
        one = Report(
            device=DeviceIdentity(id=name),
            driver="bench",
            category=Category.VITALS,
            received_at=now,
            observations=seen,
            notes=(f"{time.monotonic():.6f}",),
        )
        await ward.journal.keep([one] * min(SLICE, count - first), device_id=name)
    await ward.close()


async def measure(folder: Path, seconds: float = 10.0) -> None:
    """The gateway with the queue behind it."""
    sending = Beside("devices", "1", "3600")
    ward = await Ward.open(folder, DEVICES)
    print(f"{await ward.waiting()} reports wait; opened: {rss_mb():.0f} MB", flush=True)
    ward.send(folder, 1)  # nobody listens there
    ward.listen(sending.port)
    await asyncio.sleep(seconds)
    print(f"{seconds:.0f} s without a receiver, {DEVICES} live devices: {rss_mb():.0f} MB", flush=True)
    await ward.stop_sending()
    receiving, before = Beside("receiver", str(folder)), await ward.waiting()
    ward.send(folder, receiving.port)
    await asyncio.sleep(seconds)
    speed = (before - await ward.waiting()) / seconds
    print(f"{seconds:.0f} s draining, {speed:.0f} reports/s fewer: {rss_mb():.0f} MB", flush=True)
    await ward.close()
    sending.end()
    receiving.end()
    print(f"highest ever: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000:.0f} MB")


def main(count: int) -> None:
    """Fill in a process of its own, so that its memory is not counted."""
    with tempfile.TemporaryDirectory() as text:
        make(Path(text))
        subprocess.run([sys.executable, "-m", "tests.bench.bench_memory", str(count), text], check=True, cwd=ROOT)
        asyncio.run(measure(Path(text)))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        asyncio.run(fill(Path(sys.argv[2]), int(sys.argv[1])))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
