"""A hundred analyzers on one gateway process: `python -m tests.bench.bench_analyzers [SECONDS]`.

Method: a real `wardlink run` with 40 ASTM analyzers, 30 POCT1-A meters and 30 HL7 counters, each on a TCP connection of its own that
stays open; a receiver takes what is delivered. Meters and counters send a result every ten seconds. "ACK": this process plays the ASTM
analyzers: from the write of a frame (a record each) to its ACK, which the gateway gives when the frame is synced to the disk; and to
the ACK of an ENQ, for which nothing is kept. All of it again with a sync that takes 10 ms longer, as a memory card's (bench_card). Resident set: as the kernel counts the gateway's process.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from gateway.acquire.links import Link, parse_link
from simulators.contract import Simulator
from simulators.host import host
from simulators.lab.hl7 import Hl7Simulator
from simulators.lab.poct1a import Poct1aSimulator
from simulators.scenario import Scenario
from tests.bench.bench_card import SYNC_MS, slow_library
from tests.bench.lab import astm_session
from tests.bench.ward import spread
from tests.faults.world import Process, World, in_a_world

ASTM, METERS, COUNTERS = 40, 30, 30
BUSY = 20
"""ASTM analyzers that send while latency is measured: the others are connected and silent, as most are."""
EVERY_S = 2.0
"""A message of 34 frames from each so often, out of step: more than any analyzer makes."""
FIRST_S = 12.0
"""Until every meter and counter has given a result."""
SYNCS = 300
DEVICE = """
[[device]]
id = "{id}"
driver = "{driver}"
profile = "{profile}"
link = "tcp-listen://127.0.0.1:{port}?allow=127.0.0.1"
"""
LIS = """
[[destination]]
id = "lis"
kind = "mllp"
format = "lab"
takes = ["lab"]
address = "127.0.0.1:{port}"
"""
KINDS = (("astm", "generic", ASTM), ("poct1a", "generic", METERS), ("hl7-lab", "hematology-2-3-1", COUNTERS))

Seen = list[tuple[float, float]]


class Analyzer:
    """One ASTM analyzer: stop and wait."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, first: int) -> None:
        self._reader, self._writer = reader, writer
        self._numbers = count(first)
        self.begun: Seen = []
        self.kept: Seen = []

    async def session(self) -> None:
        """A message of 34 frames, each acknowledged."""
        enq, *frames, eot = astm_session(next(self._numbers), 0)
        self.begun.append(await self._exchange(enq))
        for frame in frames:
            self.kept.append(await self._exchange(frame))
        self._writer.write(eot)

    async def _exchange(self, data: bytes) -> tuple[float, float]:
        before = time.monotonic()
        self._writer.write(data)
        answer = await self._reader.readexactly(1)
        assert answer == b"\x06", answer
        return time.monotonic(), time.monotonic() - before

    def close(self) -> None:
        self._writer.close()


async def run(analyzers: list[Analyzer], seconds: float, every_s: float) -> tuple[float, float]:
    """They send for so long, a session each `every_s` (0: one behind the other); from when to when."""
    begin = time.monotonic()

    async def one(number: int, analyzer: Analyzer) -> None:
        for n in count():
            due = begin + every_s * (n + number / len(analyzers)) if every_s else 0.0
            if max(due, time.monotonic()) >= begin + seconds:
                return
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await analyzer.session()

    await asyncio.gather(*(one(number, analyzer) for number, analyzer in enumerate(analyzers)))
    return begin, time.monotonic()


def rss_mb(process: Process) -> float:
    """The gateway's resident set."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def sync_ms(folder: Path) -> float:
    """What the disk takes for 4 KiB, median."""
    took = []
    with (folder / "sync").open("wb", buffering=0) as file:
        for _ in range(SYNCS):
            begin = time.monotonic()
            file.write(os.urandom(4096))
            os.fsync(file.fileno())
            took.append(time.monotonic() - begin)
    return 1000 * sorted(took)[SYNCS // 2]


async def measure(seconds: float, *, slow: bool) -> None:
    """Memory step by step, and latency between; `slow`: on a disk whose sync takes 10 ms longer."""
    with in_a_world() as world:
        library = slow_library(world.folder) if slow else None
        if slow and library is None:
            print("a slow disk: SKIPPED, no C compiler (cc, gcc) to build the slow sync with")
            return
        ports = {driver: [world.port() for _ in range(number)] for driver, _, number in KINDS}
        configure(world, ports)
        environment = {} if library is None else {"LD_PRELOAD": str(library)}
        gateway = world.start("run", "--config", str(world.config), environment=environment)
        world.until(lambda: world.status() is not None, "the gateway is up")
        disk = f"a sync of 4 KiB takes {sync_ms(world.folder):.2f} ms" + (f", and {SYNC_MS} more" if slow else "")
        print(f"{disk}; {sum(map(len, ports.values()))} devices configured: {rss_mb(gateway):.0f} MB", flush=True)
        tasks = [asyncio.create_task(host(*one)) for one in simulated(ports)]
        analyzers = [
            Analyzer(*await asyncio.open_connection("127.0.0.1", port), n * 100_000) for n, port in enumerate(ports["astm"])
        ]
        await asyncio.gather(*(one.session() for one in analyzers))
        await asyncio.sleep(FIRST_S)
        up = sum(device["state"] == "up" for device in (world.status() or {"devices": []})["devices"])
        print(f"{up} connections open, a message of each: {rss_mb(gateway):.0f} MB", flush=True)
        await latency(analyzers, seconds)
        await world.eventually(lambda: world.drained("lis"), "all is delivered", 120)
        print(f"after that, all delivered: {rss_mb(gateway):.0f} MB", flush=True)
        for analyzer in analyzers:
            analyzer.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def latency(analyzers: list[Analyzer], seconds: float) -> None:
    """Some at their own pace, one without pause, some without pause."""
    for name, busy, every_s in (
        (f"{BUSY}, a message each", BUSY, EVERY_S),
        ("1, no pause", 1, 0.0),
        (f"{BUSY}, no pause", BUSY, 0.0),
    ):
        begin, end = await run(analyzers[:busy], seconds, every_s)
        kept = [one for analyzer in analyzers[:busy] for one in analyzer.kept]
        begun = [one for analyzer in analyzers[:busy] for one in analyzer.begun]
        rate = sum(begin <= at < end for at, _ in kept) / (end - begin)
        what = f"{name} {EVERY_S:g} s" if every_s else name
        print(
            f"{what:24} {rate:6.0f} frames/s; frame ACK ms: {spread(kept, begin, end)}; ENQ: {spread(begun, begin, end)}",
            flush=True,
        )


def configure(world: World, ports: dict[str, list[int]]) -> None:
    """A hundred devices and a receiver."""
    devices = [
        DEVICE.format(id=f"{driver}-{n:02d}", driver=driver, profile=profile, port=port)
        for driver, profile, _ in KINDS
        for n, port in enumerate(ports[driver])
    ]
    world.configure(*devices, LIS.format(port=world.receiver().told()[0]["port"]))


def simulated(ports: dict[str, list[int]]) -> Iterator[tuple[Simulator, Link]]:
    """The meters and counters, each with its line."""
    start, shape = datetime.now(UTC), {"interval_s": "10"}
    for n, port in enumerate(ports["poct1a"]):
        yield Poct1aSimulator(Scenario(n, start), shape), parse_link(f"tcp://127.0.0.1:{port}").link()
    for n, port in enumerate(ports["hl7-lab"], METERS):
        yield Hl7Simulator(Scenario(n, start), shape), parse_link(f"tcp://127.0.0.1:{port}").link()


if __name__ == "__main__":
    for with_a_slow_disk in (False, True):
        asyncio.run(measure(float(sys.argv[1]) if len(sys.argv) > 1 else 10.0, slow=with_a_slow_disk))
