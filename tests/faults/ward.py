"""A ward and its lab on one gateway, with everything that can fail within reach: devices, disk, clock, network, receivers, power."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from simulators import pki
from tests.faults.analyzer import Analyzer
from tests.faults.disk import SECTOR, Disk, build
from tests.faults.oracle import Oracle, Verdict
from tests.faults.oximeter import Oximeter
from tests.faults.proxy import Mode, Proxy
from tests.faults.world import PATIENCE_S, POLL_S, Process, Receiver, World

PROFILES = ("generic", "sysmex-xn")
BEDS = ("BED1", "BED2", "BED3")
DRAIN_S = 40.0
"""How long everything may take to arrive once nothing is wrong any more."""
ANALYZER = """
[[device]]
id = "{id}"
driver = "astm"
profile = "{id}"
link = "tcp-listen://127.0.0.1:{port}"
"""
OXIMETER = """
[[device]]
id = "{id}"
driver = "masimo"
link = "tcp-listen://127.0.0.1:{port}"
location = {{ point_of_care = "{ward}", bed = "{id}" }}

[[association]]
device = "{id}"
patient = {{ patient_id = "SYN-{id}-0", assigner = "TEST" }}
"""
RECEIVER = """
[[destination]]
id = "{id}"
kind = "mllp"
format = "{format}"
takes = [{takes}]
address = "localhost:{port}"
retry_base_s = 0.05
retry_cap_s = 0.4
connect_timeout_s = 2
ack_timeout_s = 1
tls = {{ ca = "{pki.ca}", cert = "{pki.client.cert}", key = "{pki.client.key}" }}
"""
ZONE = "Europe/Berlin"
"""Where the ward is: a zone whose clocks change."""
DESTINATIONS = {"engine": ("pcd01", '"vitals"'), "lis": ("lab", '"lab"')}


class Ward:
    """`start`, do what you like, `judge`. Times of devices are random but seeded; everything ends with the world."""

    def __init__(self, world: World, seed: int, *, interval_s: float = 0.15) -> None:
        self.world = world
        self.dice = random.Random(seed)
        self.oracle = Oracle()
        self.lock = asyncio.Lock()
        """Held by who stops or starts the gateway."""
        self.people = asyncio.Lock()
        """Held while a person's command works on the journal: the power must not go while its process lives on."""
        self._interval_s = interval_s
        self._proxies: dict[str, Proxy] = {}
        self._ports: dict[str, int] = {}
        self._receivers: dict[str, Receiver] = {}
        self._gateway: Process | None = None
        self._disk, self._followed = Disk(), 0
        self._watchman: asyncio.Task[None] | None = None
        self.restarts = 0

    async def start(self) -> None:
        """Receivers, gateway, devices."""
        self.shim = self.world.watch()
        for name in DESTINATIONS:
            self._ports[name] = self.world.port()
            await self.receiver_up(name)
            self._proxies[name] = Proxy(("127.0.0.1", self._ports[name]))
            await self._proxies[name].open()
            self.oracle.receivers[name] = self._receivers[name].rows
        for profile in PROFILES:
            one = Analyzer(self.world.port(), self.dice.randrange(1000), profile=profile, interval_s=str(self._interval_s))
            self.oracle.analyzers[profile] = one
            self._ports[profile] = one.port
        for number, bed in enumerate(BEDS, 1):
            self._ports[bed] = self.world.port()
            self.oracle.oximeters[bed] = Oximeter(bed, self._ports[bed], f"{number:010d}", self._interval_s, f"SYN-{bed}-0")
        self.configure()
        await self.gateway_up()
        assert await self.becomes(lambda: self.world.status() is not None), "the gateway is up"
        for analyzer in self.oracle.analyzers.values():
            analyzer.start()
        for oximeter in self.oracle.oximeters.values():
            oximeter.start()
        self._watchman = asyncio.create_task(self._watch_over())

    def configure(self, ward: str = "4E") -> None:
        """Write the configuration; another `ward` changes every oximeter and nothing else."""
        devices = [ANALYZER.format(id=one, port=self._ports[one]) for one in PROFILES]
        devices += [OXIMETER.format(id=one, port=self._ports[one], ward=ward) for one in BEDS]
        ways = [
            RECEIVER.format(id=name, format=form, takes=takes, port=self._proxies[name].port, pki=self.world.pki[0])
            for name, (form, takes) in DESTINATIONS.items()
        ]
        self.world.configure(*devices, *ways, zone=ZONE)

    # ---- the gateway

    async def gateway_up(self) -> None:
        """Start it, as systemd would; until it answers."""
        self._gateway = await asyncio.to_thread(self.world.gateway, wait=False)
        self.restarts += 1

    async def kill(self) -> None:
        """kill -9 now."""
        assert self._gateway is not None
        await asyncio.to_thread(self._gateway.kill)

    async def is_up(self) -> bool:
        """Whether the gateway answers for itself."""
        return await asyncio.to_thread(self.world.status) is not None

    async def dies(self, patience_s: float) -> bool:
        """Whether it dies by itself within this time."""
        assert self._gateway is not None
        gateway = self._gateway
        return await self.becomes(lambda: not gateway.running, patience_s)

    async def stopped(self, seconds: float) -> None:
        """The process stands still, as on a box that is out of breath."""
        assert self._gateway is not None
        with self._while(signal.SIGSTOP, signal.SIGCONT):
            await asyncio.sleep(seconds)

    async def hang_up(self) -> None:
        """SIGHUP."""
        if self._gateway is not None and self._gateway.running:
            self._gateway.signal(signal.SIGHUP)

    def cut_power(self, fate: str) -> None:
        """The folder becomes what a disk may hold whose power fails now; the gateway must be dead."""
        acts = list(self.shim.read(self._followed))
        self._followed = acts[-1].end if acts else self._followed
        self._disk.follow(acts)
        files = self._disk.after_a_cut(self.dice, fate)
        shutil.rmtree(self.world.data)
        build(files, self.world.data)
        self._disk = Disk.holding(files)

    def damage(self, dice: random.Random) -> None:
        """A sector of the database is overwritten with chance; the gateway must be dead."""
        path = self.world.data / "journal.sqlite3"
        with path.open("r+b") as file:
            file.seek(dice.randrange(path.stat().st_size // SECTOR) * SECTOR)
            file.write(dice.randbytes(SECTOR))
        self._followed = self.shim.mark("damaged")
        self._disk = Disk.holding({str(p.relative_to(self.world.data)): p.read_bytes() for p in _files(self.world.data)})

    async def _watch_over(self) -> None:
        """What systemd does: a gateway that ends by itself is started again, unless somebody means it to be dead."""
        while True:
            await asyncio.sleep(0.2)
            async with self.lock:
                if self._gateway is not None and not self._gateway.running:
                    await self.gateway_up()

    @contextmanager
    def _while(self, before: signal.Signals, after: signal.Signals) -> Iterator[None]:
        assert self._gateway is not None
        gateway = self._gateway
        gateway.signal(before)
        try:
            yield
        finally:
            gateway.signal(after)

    # ---- receivers and network

    def proxy(self, name: str) -> Proxy:
        """The network on the way to a receiver."""
        return self._proxies[name]

    def receiver(self, name: str) -> Receiver:
        """A receiver; dead between `receiver_down` and `receiver_up`."""
        return self._receivers[name]

    async def receiver_down(self, name: str) -> None:
        """kill -9 of a receiver."""
        await asyncio.to_thread(self._receivers[name].kill)

    async def receiver_up(self, name: str, shown: pki.Pair | None = None) -> None:
        """Start a receiver, which goes on with its books; with another certificate than its usual one where `shown`."""
        good = self.world.pki[0]
        pair = shown or good.server
        protection = ("--ca", str(good.ca), "--cert", str(pair.cert), "--key", str(pair.key))
        self._receivers[name] = await asyncio.to_thread(self.world.receiver, name, port=self._ports[name], protection=protection)

    # ---- people

    async def move(self, bed: str) -> None:
        """The next patient in a bed: the device falls silent, the last of the former patient's lines is kept, a nurse says so."""
        oximeter = self.oracle.oximeters[bed]
        oximeter.silent = True
        try:
            if oximeter.said and not await self.becomes(lambda: self._heard(oximeter), 5.0, pause_s=0.2):
                return
            patient, number = oximeter.patient.rsplit("-", 1)
            after = f"{patient}-{int(number) + 1}"
            async with self.people:
                done = await asyncio.to_thread(self.world.run, "associate", bed, after, "--config", str(self.world.config))
            if done.returncode == 0:
                oximeter.patient = after
        finally:
            oximeter.silent = False

    def _heard(self, oximeter: Oximeter) -> bool:
        """Whether the journal holds the last line, or its connection is gone and the line with it."""
        if not oximeter.connected or not oximeter.in_this_call:
            return True
        values: dict[str, list[Any]] = self.world.device(oximeter.device).get("values", {})
        return (bool(values) and values.get("BPM", [""])[0] == str(oximeter.last_pulse)) or not oximeter.connected

    # ---- the end

    async def settle(self) -> None:
        """Everything is put right, devices fall silent, what waits arrives."""
        for oximeter in self.oracle.oximeters.values():
            oximeter.silent = True
        for analyzer in self.oracle.analyzers.values():
            analyzer.cease()
        self.shim.fail(0)
        self.shim.set_clock(0)
        for name, proxy in self._proxies.items():
            proxy.mode = Mode.PASS
            if not self._receivers[name].running:
                await self.receiver_up(name)
            await asyncio.to_thread(self._receivers[name].tell, "ack")
        analyzers = self.oracle.analyzers.values()
        assert await self.becomes(lambda: not any(one.device.waiting for one in analyzers), DRAIN_S), (
            "an analyzer is left with results"
        )
        assert await self.becomes(self._quiet, DRAIN_S, pause_s=0.3), f"not drained: {self.world.status()}"

    def _quiet(self) -> bool:
        """Nothing waits, and every line that reached the gateway is in its journal."""
        ends = all(self._heard(one) for one in self.oracle.oximeters.values() if one.said)
        return ends and all(self.world.drained(name) for name in DESTINATIONS)

    async def judge(self) -> Verdict:
        """Settle, and let the oracle speak."""
        await self.settle()
        account = await asyncio.to_thread(self.world.account)
        lab = [line for line in account.values() if line["destination"] == "lis"]
        parked = sum(line["parked"] + sum(line.get("lost", {}).values()) for line in lab)
        return self.oracle.judge(account, undelivered=parked)

    def resume(self) -> None:
        """The devices go on."""
        for one in self.oracle.analyzers.values():
            one.resume()
        for oximeter in self.oracle.oximeters.values():
            oximeter.silent = False

    async def close(self) -> None:
        """The devices are switched off, the network goes."""
        if self._watchman is not None:
            self._watchman.cancel()
        for analyzer in self.oracle.analyzers.values():
            await analyzer.stop()
        for oximeter in self.oracle.oximeters.values():
            await oximeter.stop()
        for proxy in self._proxies.values():
            await proxy.close()

    @staticmethod
    async def becomes(condition: Callable[[], Any], patience_s: float = PATIENCE_S, pause_s: float = POLL_S) -> bool:
        """Whether `condition`, asked in a thread, comes true in this time."""
        loop = asyncio.get_running_loop()
        end = loop.time() + patience_s
        while not await asyncio.to_thread(condition):
            if loop.time() > end:
                return False
            await asyncio.sleep(pause_s)
        return True


def _files(folder: Path) -> list[Path]:
    """What a disk holds of a folder: no sockets, no shared memory."""
    return [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith("-shm")]
