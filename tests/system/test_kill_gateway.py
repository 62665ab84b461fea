"""kill -9 of the whole gateway at chosen acts, while two analyzers keep sending: a write, a sync, an ACK, a message, any moment."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import closing

import pytest

from gateway.store import status
from gateway.store.journal import open_reader
from tests.faults.analyzer import Analyzer
from tests.faults.oracle import Oracle
from tests.faults.shim import Shim
from tests.faults.world import Process, World

KILLS = 20
SEED = 20261121
MOMENTS = {"W": 60, "S": 20, "A": 40, "N": 4, "\0": 100}
"""How far into a life the kill may be, by kind of act: before it writes to the journal (a report, a pin, a moved cursor), before a
sync ends, before the acknowledgement of a device that its commit has earned, before a message leaves, and anything at all."""
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


async def kill(world: World, shim: Shim, dice: random.Random, number: int) -> None:
    """A life of the gateway, from its start to an act before which it dies; kinds of acts in turn."""
    kind = list(MOMENTS)[number % len(MOMENTS)]
    shim.die_before(dice.randint(1, MOMENTS[kind]), kind)
    victim: Process = world.gateway(wait=False)
    await world.eventually(lambda: not victim.running, f"kill {number}, before an act of kind {kind!r}")
    assert "Traceback" not in victim.said()


@pytest.mark.slow
async def test_kills_at_any_act_lose_double_and_change_nothing(
    world: World, record_property: Callable[[str, object], None]
) -> None:
    shim, dice = world.watch(), random.Random(SEED)
    ports = {profile: world.port() for profile in PROFILES}
    receiver = world.receiver()
    devices = [CONFIG.format(id=profile, port=port) for profile, port in ports.items()]
    world.configure(*devices, LIS.format(port=receiver.told()[0]["port"]))
    analyzers = {
        profile: Analyzer(port, seed, profile=profile, interval_s="0.25") for seed, (profile, port) in enumerate(ports.items(), 1)
    }
    for one in analyzers.values():
        one.start()
    for number in range(KILLS):
        await kill(world, shim, dice, number)
    for one in analyzers.values():
        one.cease()
    shim.die_before(0)
    world.gateway()
    await world.eventually(lambda: not any(one.device.waiting for one in analyzers.values()), "the analyzers got everything out")
    await world.eventually(lambda: world.drained("lis"), "the receiver got everything")
    for one in analyzers.values():
        await one.stop()

    assert {act.path for act in shim.read() if act.kind == "X"} >= set("WSAN"), "a kind of act that no kill met"
    verdict = Oracle(analyzers=analyzers, receivers={"lis": receiver.rows}).judge(world.account())
    assert verdict.faults == []
    record_property("conservation", f"{KILLS} kills, seed {SEED}: {verdict.statement[0]}")
    assert sum(len(one.device.acknowledged) for one in analyzers.values()) > KILLS, "the analyzers worked between the kills"
    with closing(open_reader(world.data)) as conn:
        broken = status.incomplete(conn, limit=1000)
    assert broken, "no kill met a message half way, or it is not shown"
    shown = (world.status() or {})["journal"]["incomplete"]
    assert shown, "status lists them"
    assert all(one["reason"] for one in shown)
