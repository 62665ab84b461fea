"""What the benchmarks of the whole way share: devices and a receiver in processes of their own, and the gateway between them.

A device's line carries its send time (the machine's monotonic clock, which all processes share), so each side can tell how long
a reading took to it. Every device wears a patient.
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
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gateway.acquire.links import parse_link
from gateway.acquire.station import Station
from gateway.acquire.supervisor import Supervisor
from gateway.deliver.destinations.mllp import MllpDestination
from gateway.deliver.dispatch import GATHER_S, Dispatcher
from gateway.deliver.messages import pcd01
from gateway.driver import Channel, Context, Driver, Mds, Metric, Options, Vmd
from gateway.model import Category, DeviceIdentity, Report, Subject
from gateway.patients import acts
from gateway.settings import TlsSettings
from gateway.settings.mllp import MllpSettings
from gateway.settings.pcd01 import Pcd01Settings
from gateway.store.journal import Journal
from protocols.sansio import Event, Message, Quiet

ROOT = Path(__file__).parents[2]
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
    """One report a line; the send time travels as a note."""
    body = message.body
    observations = [TREE.observe(code, value) for code, value in zip(CODES, body.values, strict=True)]
    yield context.report(message, observations, message_id=body.sent, notes=(body.sent,))


DRIVER = Driver(
    id="bench", maker="Bench", models=("Bench",), source="bench", options=Options, codec=lambda _: Lines(), interpret=interpret, tree=TREE
)  # fmt: skip


def line(number: int, now: float) -> bytes:
    """A device's line number `number`: 30 values of three digits, as vital signs have."""
    values = ";".join(f"{50 + (number * 7 + k * 13) % 90}.{k % 10}" for k in range(METRICS))
    return f"{number};{now:.6f};{values}\n".encode()


async def devices(rate: float, seconds: float) -> None:
    """The devices' process: prints its port; at the end of its input when each ACK came and how long it took."""
    seen: list[tuple[float, float]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        free = asyncio.Semaphore(WINDOW)
        pending: dict[bytes, float] = {}
        task = asyncio.create_task(_acks(reader, pending, free, seen))
        number, started = 0, time.monotonic()
        phase = random.random() / (rate or 1)
        while time.monotonic() < started + seconds and not task.done():
            if rate:
                await asyncio.sleep(started + phase + number / rate - time.monotonic())
            else:
                await free.acquire()
            number += 1
            now = time.monotonic()
            pending[str(number).encode()] = now
            writer.write(line(number, now))
            with suppress(ConnectionError):
                await writer.drain()
        await task
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
    await _until_told(server, seen)


async def _acks(
    reader: asyncio.StreamReader, pending: dict[bytes, float], free: asyncio.Semaphore, into: list[tuple[float, float]]
) -> None:
    with suppress(ConnectionError):  # the gateway closed it while lines were under way
        while text := await reader.readline():
            now = time.monotonic()
            into.append((now, now - pending.pop(text.strip())))
            free.release()


async def receiver(folder: str) -> None:
    """The receiver's process: prints its port; at the end of its input when it acknowledged what, and how old that was."""
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
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context, limit=1 << 20)
    await _until_told(server, seen)


async def _until_told(server: asyncio.Server, seen: list[tuple[float, float]]) -> None:
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    print(json.dumps(seen), flush=True)
    os._exit(0)


class Beside:
    """A process beside the gateway: `port` while it runs, `end` gives what it saw as (when, seconds)."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "tests.bench.ward", *arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def end(self) -> list[tuple[float, float]]:
        found: list[tuple[float, float]] = json.loads(self._process.communicate("")[0])
        return found


class Ward:
    """The gateway under test, in this process."""

    def __init__(self, journal: Journal, count: int) -> None:
        self.journal = journal
        self._count = count
        self._supervisor = Supervisor(journal)
        self._destination: MllpDestination | None = None
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, folder: Path, count: int) -> Ward:
        """A journal in `folder` for `count` devices, each with its patient."""
        journal = await Journal.open(folder / "data", name="bench")
        await journal.use({"engine": frozenset({Category.VITALS})})
        for number in range(count):
            who = Subject(patient_id=f"SYN-{number}", family_name="Test")
            await journal.act(partial(acts.associate, device=f"D{number}", subject=who, by="bench", source="bench"))
        return cls(journal, count)

    def send(self, folder: Path, port: int) -> None:
        """Begin to deliver, over mutual TLS."""
        tls = TlsSettings(ca=folder / "ca.pem", cert=folder / "client.pem", key=str(folder / "client.key"))
        self._destination = MllpDestination(MllpSettings(address=f"localhost:{port}", tls=tls), "engine")
        dispatcher = Dispatcher(
            self.journal, "engine", self._destination, pcd01.renderer(Pcd01Settings(), self.journal.gateway), gather_s=GATHER_S
        )
        self._task = asyncio.create_task(dispatcher.run())

    def listen(self, port: int) -> None:
        """Begin to read the devices."""
        for number in range(self._count):
            link = parse_link(f"tcp://127.0.0.1:{port}").link()
            self._supervisor.start(Station(identity=DeviceIdentity(id=f"D{number}"), driver=DRIVER, options=Options(), link=link))

    async def waiting(self) -> int:
        """Reports that are kept and not yet acknowledged."""
        query = "SELECT count(*) FROM reports WHERE id > (SELECT cursor FROM destinations WHERE id = 'engine')"
        return int(await self.journal.read(lambda conn: conn.execute(query).fetchone()[0]))

    async def drained(self, least: int = 0) -> None:
        """Return when no more than `least` reports wait."""
        while await self.waiting() > least:
            await asyncio.sleep(0.05)

    async def leave(self) -> None:
        """Let go of the devices."""
        await self._supervisor.close()

    async def stop_sending(self) -> None:
        """End the delivery."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._destination is not None:
            await self._destination.close()

    async def close(self) -> None:
        await self.leave()
        await self.stop_sending()
        await self.journal.close()


def cpu_s() -> float:
    """Processor seconds of this process: all its threads, user and system."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def rss_mb() -> float:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def spread(seen: Sequence[tuple[float, float]], begin: float, end: float) -> str:
    """Percentiles of what was seen in [begin, end), in ms."""
    values = [1000 * latency for at, latency in seen if begin <= at < end]
    if len(values) < 2:
        return "nothing seen"
    cuts = statistics.quantiles(values, n=100)
    return f"p50 {cuts[49]:.1f}, p95 {cuts[94]:.1f}, p99 {cuts[98]:.1f}, max {max(values):.1f}"


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["devices", rate, seconds]:
            asyncio.run(devices(float(rate), float(seconds)))
        case ["receiver", folder]:
            asyncio.run(receiver(folder))
