"""kill -9 of the whole gateway between frame and ACK, at fifty random points, while two analyzers keep sending."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from gateway.store import status
from gateway.store.journal import open_reader

if TYPE_CHECKING:
    from tests.system.conftest import Analyzer, Process, World

KILLS = 50
SEED = 20261121
WRITES = 40
"""Writes of the analyzers before a kill, at most: several messages, so that a kill meets any frame of one."""
MOMENT_S = 0.004
"""After the write, at most: before the gateway reads it, while it is committed, when its ACK is on the way, or later."""

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
retry_base_s = 0.2
"""


@dataclass
class Executioner:
    """Kills the gateway some time after the analyzers' next so many writes."""

    dice: random.Random
    halfway: Callable[[], int]
    victim: Process | None = None
    left: int = 0
    broken_off: int = 0
    """Kills that met an analyzer with some frames of a message acknowledged, and not all."""
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def aim(self, victim: Process) -> None:
        self.done.clear()
        self.victim, self.left = victim, self.dice.randint(1, WRITES)

    async def on_write(self, _data: bytes) -> None:
        self.left -= 1
        if self.left == 0 and self.victim is not None:
            await asyncio.sleep(self.dice.uniform(0, MOMENT_S))
            self.victim.kill()
            self.broken_off += self.halfway()
            self.done.set()


def results_sent(text: bytes) -> tuple[str, ...]:
    """The values of a message's R records (LIS02-A2 10.1.4), read without our own parser."""
    return tuple(record.split("|")[3] for record in text.decode().split("\r") if record.startswith("R|"))


@pytest.mark.slow
async def test_fifty_kills_between_frame_and_ack(
    world: World, analyzer: type[Analyzer], fields: Callable[[str, str, int], list[str]]
) -> None:
    ports = {profile: world.port() for profile in PROFILES}
    receiver = world.receiver()
    devices = [CONFIG.format(id=profile, port=port) for profile, port in ports.items()]
    world.configure(*devices, LIS.format(port=receiver.told()[0]["port"]))
    analyzers: list[Analyzer] = []
    executioner = Executioner(random.Random(SEED), lambda: sum(one.halfway for one in analyzers))
    analyzers += [
        analyzer(port, seed, executioner.on_write, profile=profile, interval_s="0.25")
        for seed, (profile, port) in enumerate(ports.items(), 1)
    ]
    for one in analyzers:
        one.start()
    for _ in range(KILLS):
        executioner.aim(world.gateway(wait=False))
        async with asyncio.timeout(30):
            await executioner.done.wait()
    for one in analyzers:
        one.cease()
    world.gateway()
    await world.eventually(lambda: not any(one.device.waiting for one in analyzers), "the analyzers got everything out")
    await world.eventually(lambda: world.drained("lis"), "the receiver got everything")
    for one in analyzers:
        await one.stop()

    arrived: Counter[tuple[str, tuple[str, ...]]] = Counter()
    messages = receiver.accepted()
    for body in messages.values():
        (specimen,) = fields(body, "SPM", 2)
        arrived[specimen.split("^")[0].split("&")[0], tuple(fields(body, "OBX", 5))] += 1
    acknowledged = {(one.specimen, results_sent(one.text)) for each in analyzers for one in each.device.acknowledged}
    assert len(acknowledged) > KILLS, "the analyzers worked between the kills"
    assert acknowledged == set(arrived), "lost, or told what no analyzer said"
    assert set(arrived.values()) == {1}, "doubled"
    assert receiver.summary()["changed"] == 0, "an MSH-10 came again with other bytes"
    assert receiver.summary()["in_order"]
    assert all(line["received"] == line["delivered"] for line in world.account().values())
    with closing(open_reader(world.data)) as conn:
        broken = status.incomplete(conn, limit=1000)
        repeats = sum(one.n for one in status.counters(conn) if one.what == "repeat")
    assert executioner.broken_off > 0, "no kill met a message half way"
    # A repeat: the last frame was committed and only its ACK was lost, so nothing of that message was incomplete.
    assert len(broken) + repeats >= executioner.broken_off, "a transmission that a kill cut off is not shown"
    shown = (world.status() or {})["journal"]["incomplete"]
    assert shown, "status lists them"
    assert all(one["reason"] for one in shown)
