"""The whole way in one gateway process: device bytes → codec → journal (durable) → PCD-01 → mutual TLS → acknowledged.

Method. Three processes on one machine: 50 devices (TCP, one report of 30 mapped readings a line, each line acknowledged by the
gateway after its commit), the gateway, and a bare receiver that frames messages and answers each with an accept
acknowledgement. Every device wears a patient, looked up for each report. Each part has the devices send a given number of
lines a second, out of step with each other: 1 (1,500 readings/s), 20 (30,000 readings/s), and `flood`: a device sends its next
line as soon as less than 8 are unacknowledged. Acknowledged readings are counted at the receiver. A line carries the device's send time (the machine's monotonic clock, which all processes share): device → device
ACK is measured by the device, device → receiver by the receiver when it writes its acknowledgement.
Memory is the gateway's resident set at the end of each part; CPU its user and system time over the part's wall time.

    python tests/bench/bench_gateway.py [SECONDS]
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from gateway.acquire.links import parse_link
from gateway.acquire.station import Station
from gateway.acquire.supervisor import Supervisor
from gateway.deliver.destinations.mllp import MllpDestination
from gateway.deliver.dispatch import Dispatcher
from gateway.deliver.messages import pcd01
from gateway.driver import Channel, Context, Driver, Mds, Metric, Options, Vmd
from gateway.model import Category, DeviceIdentity, Report, Subject
from gateway.patients import acts
from gateway.settings import TlsSettings
from gateway.settings.mllp import MllpSettings
from gateway.settings.pcd01 import Pcd01Settings
from gateway.store.journal import Journal
from protocols.sansio import Event, Message, Quiet
from simulators.pki import make

DEVICES = 50
WINDOW = 8
REFIDS = (
    ("MDC_ECG_HEART_RATE", "/min"), ("MDC_PULS_OXIM_SAT_O2", "%"), ("MDC_PULS_OXIM_PULS_RATE", "/min"), ("MDC_RESP_RATE", "/min"),
    ("MDC_PRESS_BLD_ART_SYS", "mm[Hg]"), ("MDC_PRESS_BLD_ART_DIA", "mm[Hg]"), ("MDC_PRESS_BLD_ART_MEAN", "mm[Hg]"),
    ("MDC_TEMP_BLD", "Cel"), ("MDC_VENT_RESP_RATE", "/min"), ("MDC_VOL_AWAY_TIDAL_EXP", "L"),
)  # fmt: skip
METRICS = 30


@dataclass(frozen=True, slots=True)
class Line:
    """A bench device's line: its number, its send time, its 30 values."""

    number: str
    sent: str
    values: tuple[str, ...]


class Lines(Quiet):
    """`number;sent;v;…;v LF`, each answered with `number LF` once it is durable."""

    def __init__(self) -> None:
        self._rest = b""
        self._out = bytearray()
        self._waiting: dict[int, bytes] = {}
        self._token = 0

    def receive(self, data: bytes, now: float) -> Sequence[Event[Line]]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [self._message(line, now) for line in lines]

    def _message(self, line: bytes, now: float) -> Message[Line]:
        number, sent, *values = line.decode("ascii").split(";")
        self._token += 1
        self._waiting[self._token] = number.encode()
        return Message(Line(number, sent, tuple(values)), line, now, self._token)

    def confirm(self, token: int) -> None:
        self._out += self._waiting.pop(token) + b"\n"

    def data_to_send(self) -> bytes:
        out = bytes(self._out)
        self._out.clear()
        return out

    def end(self, now: float) -> Sequence[Event[Line]]:
        del now
        return ()


TREE = Mds(
    "MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS",
    Vmd("", Channel("", *(Metric(f"M{n}", *REFIDS[n % len(REFIDS)]) for n in range(METRICS)))),
)
CODES = tuple(TREE.metrics)


def interpret(message: Message[Line], context: Context[Options]) -> Iterator[Report]:
    """One report a line; the send time travels as the device's own message id."""
    body = message.body
    observations = [TREE.observe(code, value) for code, value in zip(CODES, body.values, strict=True)]
    yield context.report(message, observations, message_id=body.sent, notes=(body.sent,))


DRIVER = Driver(
    id="bench", maker="Bench", models=("Bench",), source="bench", options=Options, codec=lambda _: Lines(), interpret=interpret, tree=TREE
)  # fmt: skip


async def devices(rate: float, seconds: float) -> None:
    """The devices' process: prints its port, then the latencies of device ACKs when the time is over."""
    latencies: list[float] = []
    until = [float("inf")]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        until[0] = min(until[0], time.monotonic() + seconds)
        free = asyncio.Semaphore(WINDOW)
        pending: dict[bytes, float] = {}
        task = asyncio.create_task(_acks(reader, pending, free, latencies))
        number = 0
        started = time.monotonic() + random.random() / (rate or 1)
        while time.monotonic() < until[0]:
            if rate:
                await asyncio.sleep(started + number / rate - time.monotonic())
            else:
                await free.acquire()
            number += 1
            now = time.monotonic()
            pending[str(number).encode()] = now
            values = ";".join(f"{50 + (number * 7 + k) % 90}.{k % 10}" for k in range(METRICS))
            writer.write(f"{number};{now:.6f};{values}\n".encode())
            await writer.drain()
        await asyncio.sleep(0.5)
        task.cancel()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.sleep(seconds + 4)
    print(json.dumps(latencies), flush=True)
    os._exit(0)


async def _acks(reader: asyncio.StreamReader, pending: dict[bytes, float], free: asyncio.Semaphore, into: list[float]) -> None:
    while line := await reader.readline():
        into.append(time.monotonic() - pending.pop(line.strip()))
        free.release()


async def receiver(folder: str) -> None:
    """The receiver's process: prints its port; at the end of its input the count and the latencies of what it acknowledged."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{folder}/server.pem", f"{folder}/server.key")
    context.load_verify_locations(f"{folder}/ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    seen: list[tuple[float, float]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                block = await reader.readuntil(b"\x1c\r")
                head, _, rest = block.partition(b"\r")
                writer.write(b"\x0bMSH|^~\\&|||||||ACK^R01^ACK||P|2.6\rMSA|CA|" + head.split(b"|")[9] + b"\r\x1c\r")
                now = time.monotonic()
                sent = rest.rpartition(b"NTE|")[2].split(b"|")[2].split(b"\r")[0]
                seen.append((now, now - float(sent)))
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context, limit=1 << 20)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    print(json.dumps(seen), flush=True)
    os._exit(0)


async def gateway(folder: Path, device_port: int, receiver_port: int, seconds: float) -> dict[str, float]:
    """The gateway under test, in this process: CPU share, resident memory, entries kept."""
    journal = await Journal.open(folder / "data", name="bench")
    await journal.use({"engine": frozenset({Category.VITALS})})
    for number in range(DEVICES):
        who = Subject(patient_id=f"SYN-{number}", family_name="Test")
        await journal.act(partial(acts.associate, device=f"D{number}", subject=who, by="bench", source="bench"))
    tls = TlsSettings(ca=folder / "ca.pem", cert=folder / "client.pem", key=str(folder / "client.key"))
    destination = MllpDestination(MllpSettings(address=f"localhost:{receiver_port}", tls=tls), "engine")
    dispatcher = Dispatcher(journal, "engine", destination, pcd01.renderer(Pcd01Settings(), journal.gateway))
    task = asyncio.create_task(dispatcher.run())
    supervisor = Supervisor(journal)
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    for number in range(DEVICES):
        link = parse_link(f"tcp://127.0.0.1:{device_port}").link()
        supervisor.start(Station(identity=DeviceIdentity(id=f"D{number}"), driver=DRIVER, options=Options(), link=link))
    await asyncio.sleep(seconds)
    after, took = resource.getrusage(resource.RUSAGE_SELF), time.monotonic() - began
    await asyncio.sleep(2)
    rss = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    await supervisor.close()
    task.cancel()
    await asyncio.wait([task])
    await destination.close()
    kept = await journal.read(lambda conn: conn.execute("SELECT count(*) FROM reports").fetchone()[0])
    await journal.close()
    cpu = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / took
    return {"cpu": cpu, "rss": rss, "kept": kept, "began": began, "took": took}


def _start(*arguments: str) -> tuple[subprocess.Popen[str], int]:
    process = subprocess.Popen([sys.executable, __file__, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def part(rate: float, seconds: float) -> None:
    """Run one part and print its figures; `rate` 0 is the flood."""
    name = f"{rate:g}/s" if rate else "flood"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make(folder)
        receiving, receiver_port = _start("receiver", temporary)
        sending, device_port = _start("devices", str(rate), str(seconds))
        told = asyncio.run(gateway(folder, device_port, receiver_port, seconds))
        acks = sorted(json.loads(sending.communicate()[0]))
        seen: list[Any] = json.loads(receiving.communicate("")[0])
    within = [latency for at, latency in seen if at < told["began"] + told["took"]]
    rate = len(within) / told["took"]
    print(
        f"{name:6} acknowledged {rate:8.0f} messages/s = {rate * METRICS:8.0f} readings/s; kept {told['kept']:.0f}, "
        f"acknowledged in the end {len(seen)}; gateway CPU {100 * told['cpu']:.0f} %, RSS {told['rss']:.0f} MB"
    )
    print(f"       device → device ACK ms: {_spread(acks)};  device → receiver's ACK ms: {_spread(within)}", flush=True)


def _spread(values: list[float]) -> str:
    cuts = statistics.quantiles(values, n=100) if len(values) > 1 else [0.0] * 99
    return f"p50 {1000 * cuts[49]:.1f}, p99 {1000 * cuts[98]:.1f}, max {1000 * max(values, default=0):.1f}"


def main() -> None:
    """Both parts, or one of the processes around them."""
    match sys.argv[1:]:
        case ["devices", rate, seconds]:
            asyncio.run(devices(float(rate), float(seconds)))
        case ["receiver", folder]:
            asyncio.run(receiver(folder))
        case rest:
            took = float(rest[0]) if rest else 10.0
            python, cores = sys.version.split()[0], os.cpu_count()
            print(
                f"{datetime.now(UTC):%Y-%m-%d}, Python {python}, {cores} cores, {DEVICES} devices, {took:.0f} s a part",
                flush=True,
            )
            for lines in (1.0, 20.0, 0.0):
                part(lines, took)


if __name__ == "__main__":
    main()
