"""A real network between gateway and receiver, in a namespace: the cable is pulled, packets are lost and late."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from simulators.receiving.keeping import FILE, rows
from tests.faults.analyzer import Analyzer
from tests.faults.network import THERE, Cable, a_cable
from tests.faults.oracle import Oracle
from tests.faults.world import WARDLINK, Process, World

RESULTS = 40
CONFIG = """
[[device]]
id = "generic"
driver = "astm"
profile = "generic"
link = "tcp-listen://127.0.0.1:{lab}"

[[destination]]
id = "lis"
kind = "mllp"
format = "lab"
address = "{there}:{port}"
plain = true
retry_base_s = 0.1
retry_cap_s = 0.4
connect_timeout_s = 1
ack_timeout_s = 1
"""


def receive(world: World, cable: Cable) -> Process:
    """A receiver at the far end of the cable."""
    command = [*cable.inside, WARDLINK, "receive", "--mllp", f"{THERE}:2575", "--json", "--keep", str(world.folder / "kept")]
    process = world.run_beside(command, "receiver")
    world.until(lambda: "up" in process.said() or not process.running, "the receiver is up")
    assert json.loads(process.said().splitlines()[0])["state"] == "up", process.said()
    return process


async def pulled(cable: Cable) -> None:
    for _ in range(3):
        await asyncio.sleep(0.3)
        cable.pull()
        await asyncio.sleep(1.2)
        cable.plug()


async def lossy(cable: Cable) -> None:
    cable.impair("loss", "20%", "delay", "40ms", "20ms")


@pytest.mark.slow
@pytest.mark.parametrize("trouble", [pulled, lossy], ids=["the cable is pulled", "packets are lost and late"])
async def test_everything_arrives_once_over_a_bad_cable(
    world: World, record_property: Callable[[str, object], None], trouble: Callable[[Cable], Awaitable[None]]
) -> None:
    with a_cable() as cable:
        receive(world, cable)
        lab = world.port()
        world.configure(CONFIG.format(lab=lab, there=THERE, port=2575))
        world.gateway()
        one = Analyzer(lab, 5, profile="generic", interval_s="0.1", count=str(RESULTS))
        one.start()
        await trouble(cable)
        await world.eventually(lambda: len(one.device.acknowledged) == RESULTS, "the gateway took every result")
        await world.eventually(lambda: world.drained("lis"), "the receiver got everything")
        await one.stop()
        kept = list(rows(world.folder / "kept" / FILE))
        verdict = Oracle(analyzers={"generic": one}, receivers={"lis": lambda: kept}).judge(world.account())
        assert verdict.faults == []
        record_property("conservation", f"over a cable, {trouble.__name__}: {verdict.statement[0]}")
