"""The power fails: whatever the disk made of what was not synced, nothing acknowledged is lost, doubled, or sent with other bytes.

A gateway works while every write, sync and change of name in its data folder is written down (tests/faults/shim.c), together with
what devices and receivers heard of it. From that record the folder is built as it may be found after a cut at any moment
(tests/faults/disk.py), and looked at; some are given to a gateway, which must bring everything to its end.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import shutil
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from simulators.lab.astm_sender import Result
from simulators.receiving.keeping import FILE, Row
from tests.faults.analyzer import Analyzer
from tests.faults.disk import FATES, Disk, build
from tests.faults.oracle import Oracle
from tests.faults.shim import Act, Shim
from tests.faults.witness import Witness
from tests.faults.world import World

SEED = 20261121
CUTS = 120
"""Folders that are built and looked at."""
REVIVALS = 3
"""Of these, so many are given to a gateway."""
RESULTS = 60
"""Of each analyzer: enough pages for the log to be folded into the database meanwhile."""
PROFILES = ("generic", "sysmex-xn")
CONFIG = """
[[device]]
id = "{id}"
driver = "astm"
profile = "{id}"
link = "tcp-listen://127.0.0.1:{port}"
"""
LIS = """
[[destination]]
id = "lis"
kind = "mllp"
format = "lab"
address = "127.0.0.1:{port}"
retry_base_s = 0.05
retry_cap_s = 0.2
ack_timeout_s = 0.3
batch = 4
"""


@dataclass
class Record:
    """What happened, with all that a power cut in the midst of it is judged by."""

    acts: list[Act]
    results: dict[str, list[Result]]
    rows: list[Row]
    ports: dict[str, int]

    def moments(self, dice: random.Random) -> Iterator[tuple[int, Disk]]:
        """CUTS moments (how many acts are done), each with the disk then."""
        disk, done = Disk(), 0
        for moment in sorted(dice.sample(range(1, len(self.acts)), CUTS)):
            disk.follow(self.acts[done:moment])
            done = moment
            yield moment, disk

    def acknowledged(self, moment: int) -> set[str]:
        """Specimens whose results had been acknowledged."""
        return {word[2:] for word in self._marks(moment) if word.startswith("A ")}

    def received(self, moment: int) -> list[Row]:
        """What the receiver had."""
        return self.rows[: sum(word.startswith("R ") for word in self._marks(moment))]

    def _marks(self, moment: int) -> Iterator[str]:
        return (act.data.decode() for act in self.acts[:moment] if act.kind == "M")


async def work(world: World, shim: Shim) -> Record:
    """Analyzers, a gateway and a receiver that fails now and then, until all is delivered."""
    ports = {profile: world.port() for profile in PROFILES}
    witness = await Witness.open(world.folder / "kept", "flaky:0.2", SEED, lambda id_: void(shim.mark(f"R {id_}")))
    devices = [CONFIG.format(id=profile, port=port) for profile, port in ports.items()]
    world.configure(*devices, LIS.format(port=witness.port))
    analyzers = {
        profile: Analyzer(
            port,
            seed,
            on_acknowledged=lambda result: void(shim.mark(f"A {result.specimen}")),
            profile=profile,
            interval_s="0.01",
            count=str(RESULTS),
        )
        for seed, (profile, port) in enumerate(ports.items(), 1)
    }
    gateway = await asyncio.to_thread(world.gateway)
    for one in analyzers.values():
        one.start()
    await world.eventually(
        lambda: all(len(one.device.acknowledged) == RESULTS for one in analyzers.values()), "all is acknowledged"
    )
    while not await asyncio.to_thread(world.drained, "lis"):
        await asyncio.sleep(0.05)
    for one in analyzers.values():
        await one.stop()
    await asyncio.to_thread(gateway.stop)
    await witness.close()
    results = {profile: list(one.device.sent) for profile, one in analyzers.items()}
    return Record(list(shim.read()), results, witness.rows(), ports)


def void(_: object) -> None: ...


def look(folder: Path, record: Record, moment: int) -> None:
    """With nothing but SQLite: the database is sound, holds what was acknowledged once, and pins what the receiver has seen."""
    if not (folder / "journal.sqlite3").exists():
        assert record.acknowledged(moment) == set()
        return
    with closing(sqlite3.connect(folder / "journal.sqlite3")) as conn:
        assert conn.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        if not conn.execute("SELECT 1 FROM sqlite_master WHERE name = 'reports'").fetchone():
            assert record.acknowledged(moment) == set()
            return
        kept = [payload for (payload,) in conn.execute("SELECT payload FROM reports")]
        pinned = dict(conn.execute("SELECT message_id, body FROM attempts").fetchall())
    for specimen in record.acknowledged(moment):
        assert sum(specimen in payload for payload in kept) == 1, f"{specimen} was acknowledged and is not there once"
    for row in record.received(moment):
        if row.id in pinned:
            assert hashlib.sha256(zlib.decompress(pinned[row.id])).hexdigest() == row.sha256, (
                f"{row.id} would come with other bytes"
            )


async def revive(world: World, record: Record, moment: int, files: dict[str, bytes]) -> str:
    """A gateway on what is left; the devices send again what was not acknowledged to them. The oracle's statement."""
    kept = world.folder / f"kept-{moment}"
    lines = (world.folder / "kept" / FILE).read_bytes().splitlines(keepends=True)[: len(record.received(moment))]
    kept.mkdir()
    (kept / FILE).write_bytes(b"".join(lines))
    witness = await Witness.open(kept, "ack", SEED, void)
    world.data, world.shim, world.config = world.folder / f"cut-{moment}", None, world.folder / f"{moment}.toml"
    shutil.rmtree(world.data, ignore_errors=True)
    build(files, world.data)
    devices = [CONFIG.format(id=profile, port=port) for profile, port in record.ports.items()]
    world.configure(*devices, LIS.format(port=witness.port))
    analyzers = {profile: again(record, profile, moment) for profile in PROFILES}
    gateway = await asyncio.to_thread(world.gateway)
    for one in analyzers.values():
        one.start()
    await world.eventually(lambda: not any(one.device.waiting for one in analyzers.values()), "the analyzers got everything out")
    while not await asyncio.to_thread(world.drained, "lis"):
        await asyncio.sleep(0.05)
    for one in analyzers.values():
        await one.stop()
    verdict = Oracle(analyzers=analyzers, receivers={"lis": witness.rows}).judge(await asyncio.to_thread(world.account))
    await asyncio.to_thread(gateway.stop)
    await witness.close()
    assert verdict.faults == [], (moment, verdict)
    return verdict.statement[0]


def again(record: Record, profile: str, moment: int) -> Analyzer:
    """An analyzer that knows what was acknowledged to it before the cut, and has the rest still to send."""
    made = Analyzer(record.ports[profile], 1, profile=profile, interval_s="1", count="1")
    made.device._made = 1
    known = record.acknowledged(moment)
    sender = made.device._sender
    for result in record.results[profile]:
        if result.specimen in known:
            sender.sent.append(result)
            sender.acknowledged.append(result)
        else:
            sender.waiting.append(result)
    return made


@pytest.mark.slow
async def test_a_power_cut_at_any_moment_loses_doubles_and_changes_nothing(
    world: World, record_property: Callable[[str, object], None]
) -> None:
    record = await work(world, world.watch())
    assert "journal.sqlite3" in {act.path for act in record.acts[len(record.acts) // 4 :] if act.kind == "E"}, (
        "the log was folded into the database while devices were at work"
    )
    dice = random.Random(SEED)
    revived = set(dice.sample(range(CUTS), REVIVALS))
    torn = 0
    for number, (moment, disk) in enumerate(record.moments(dice)):
        files = disk.after_a_cut(dice, FATES[number % len(FATES)])
        torn += disk.unsynced() > 0
        looked_at = world.folder / "looked-at"
        build(files, looked_at)
        look(looked_at, record, moment)
        shutil.rmtree(looked_at)
        if number in revived:
            record_property("conservation", f"power cut after {moment} acts: {await revive(world, record, moment, files)}")
    assert torn > CUTS // 4, "most cuts found something that was not synced"
