"""The whole way in one gateway process: device bytes → codec → journal (durable) → PCD-01 → mutual TLS → acknowledged.

Method. Three processes on one machine: the devices (TCP, a report of 30 mapped readings a line, each line acknowledged by the
gateway after its commit), the gateway, and a bare receiver that frames messages and answers each with an accept
acknowledgement. Every device wears a patient, looked up for each report. Devices send out of step with each other; `flood`: a
device sends its next line as soon as less than 8 are unacknowledged. After two seconds of warming up (imports, TLS, the terms)
each part measures for SECONDS. CPU is the gateway process' user and system time: its share of a core while measuring, and
"readings a CPU second" over everything from there until the last report is acknowledged, so that no work is left out.

    python -m tests.bench.bench_gateway [SECONDS]
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from simulators.pki import make
from tests.bench.ward import METRICS, Beside, Ward, cpu_s, rss_mb, spread

WARM_S = 2.0
PARTS = ((50, 1.0), (50, 20.0), (50, 30.0), (50, 0.0))
FLAT = ((1, 500.0), (50, 10.0), (500, 1.0))
"""Devices and lines a second of each: the same 500 lines a second in all."""
BACKLOG = 10_000


async def part(name: str, folder: Path, count: int, rate: float, seconds: float) -> None:
    """Run one part and print its figures; `rate` 0 is the flood."""
    receiving, sending = Beside("receiver", str(folder)), Beside("devices", str(rate), str(seconds + WARM_S))
    ward = await Ward.open(folder, count)
    ward.send(folder, receiving.port)
    ward.listen(sending.port)
    await asyncio.sleep(WARM_S)
    used, begin = cpu_s(), time.monotonic()
    await asyncio.sleep(seconds)
    share, end = (cpu_s() - used) / (time.monotonic() - begin), time.monotonic()
    waiting, rss = await ward.waiting(), rss_mb()
    await asyncio.sleep(0.5)  # what is on the way
    await ward.drained()
    used = cpu_s() - used
    await ward.close()
    acked, delivered = sending.end(), receiving.end()
    kept, sent = (sum(begin <= at < end for at, _ in seen) / (end - begin) for seen in (acked, delivered))
    a_second = sum(at >= begin for at, _ in delivered) * METRICS / used
    print(
        f"{name:12} kept {kept * METRICS:8.0f} readings/s, delivered {sent * METRICS:8.0f} readings/s, {waiting} reports waiting; "
        f"CPU {100 * share:.1f} %, RSS {rss:.0f} MB; {a_second:.0f} readings a CPU second"
    )
    print(f"{'':12} device ACK ms: {spread(acked, begin, end)}")
    print(f"{'':12} receiver ACK ms: {spread(delivered, begin, end)}", flush=True)


async def drain(folder: Path, seconds: float) -> None:
    """Live traffic alone, then with a backlog to be drained: the drain's rate, and what the devices notice of it."""
    count, rate = 50, 1.0
    receiving, sending = Beside("receiver", str(folder)), Beside("devices", str(rate), "3600")
    ward = await Ward.open(folder, count)
    ward.listen(sending.port)
    await asyncio.sleep(WARM_S)
    begin = time.monotonic()
    await asyncio.sleep(seconds)
    feeding = Beside("devices", "0", "3600")  # a flood of the same devices, to make a backlog
    flood = Ward(ward.journal, count)
    alone = time.monotonic()
    flood.listen(feeding.port)
    while await ward.waiting() < BACKLOG:
        await asyncio.sleep(0.05)
    await flood.leave()
    feeding.end()
    backlog, start = await ward.waiting(), time.monotonic()
    ward.send(folder, receiving.port)
    await ward.drained(count)
    end = time.monotonic()
    await ward.close()
    acked, delivered = sending.end(), receiving.end()
    speed = sum(start <= at < end for at, _ in delivered) / (end - start)
    print(
        f"drain        {backlog} reports in {end - start:.1f} s: {speed:.0f} messages/s, {speed / (count * rate):.0f} times the live rate"
    )
    print(f"{'':12} device ACK ms, live alone:   {spread(acked, begin, alone)}")
    print(f"{'':12} device ACK ms, while draining: {spread(acked, start, end)}", flush=True)


def main(seconds: float) -> None:
    """Every part in a folder of its own."""
    with tempfile.TemporaryDirectory() as temporary:
        for number, (count, rate) in enumerate((*PARTS, *FLAT)):
            folder = Path(temporary) / str(number)
            folder.mkdir()
            make(folder)
            name = f"{count} at {rate:g}/s" if rate else f"{count}, flood"
            asyncio.run(part(name, folder, count, rate, seconds))
        folder = Path(temporary) / "drain"
        folder.mkdir()
        make(folder)
        asyncio.run(drain(folder, seconds))


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 10.0)
