"""Lists from end to end with real processes: a person lists operators and patients, a meter that calls over TCP has them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from gateway.acquire.links import parse_link
from simulators.host import host
from simulators.lab.poct1a import SIMULATOR, Poct1aSimulator
from simulators.scenario import Scenario

CONFIG = """
[[device]]
id = "POCT-1"
driver = "poct1a"
profile = "generic"
link = "tcp-listen://127.0.0.1:{port}?allow=127.0.0.1"
[device.location]
point_of_care = "4E"

[[destination]]
id = "lis"
kind = "mllp"
format = "lab"
takes = ["lab"]
address = "127.0.0.1:{lis}"
"""


@contextlib.asynccontextmanager
async def calling(port: int, **options: str) -> AsyncIterator[Poct1aSimulator]:
    """A meter with results every tenth of a second, five of them, as long as the block lasts."""
    device = SIMULATOR.build(
        Scenario(7, datetime.now(UTC)), {"interval_s": "0.1", "count": "5", "control_every": "0", "reply_s": "2", **options}
    )
    assert isinstance(device, Poct1aSimulator)
    task = asyncio.create_task(host(device, parse_link(f"tcp://127.0.0.1:{port}").link()))
    try:
        yield device
    finally:
        task.cancel()
        await asyncio.wait([task])


def told(world: Any) -> list[int]:
    """How many operators the gateway knows the device to have."""
    return [one["count"] for one in json.loads(world.ask("operators", "list", "--device", "POCT-1", "--json"))["told"]]


async def test_who_is_listed_reaches_the_meter_and_who_is_no_more_is_forgotten(world: Any) -> None:
    port, lis = world.port(), world.port()
    world.configure(CONFIG.format(port=port, lis=lis))
    gateway, receiver = world.gateway(), world.receiver(port=lis)
    world.ask("operators", "add", "5047", "--family-name", "Example", "--at", "4E")
    world.ask("operators", "add", "5048", "--at", "5W")
    table = world.folder / "operators.csv"
    table.write_text("id,family_name,level\n" + "".join(f"6{n:03d},Muster,user\n" for n in range(300)))
    world.ask("operators", "import", str(table))
    world.ask("patients", "add", "SYN-P1", "--family-name", "Beispiel", "--given-name", "Anna")
    everyone = {"5047", *(f"6{n:03d}" for n in range(300))}
    async with calling(port, lists="incremental", max_message_sz="2000", ask_patient="SYN-P1") as meter:
        await world.eventually(lambda: len(meter.lists.operators) == 301 and meter.lists.patients, "the meter has the lists")
        assert set(meter.lists.operators) == everyone, "5048 works elsewhere"
        assert set(meter.lists.patients) == {"SYN-P1"}
        assert meter.lists.too_long == 0
        await world.eventually(lambda: len(meter.acknowledged) == 5, "the results are kept")
        assert meter.answers == ["Beispiel"]
    await world.eventually(lambda: told(world) == [301], "the gateway knows what the meter has")
    world.ask("operators", "remove", "5047")
    async with calling(port, lists="incremental", refuse="AE") as refusing:
        await world.eventually(lambda: len(refusing.acknowledged) == 5, "refusing lists keeps no result")
    async with _again(port, meter) as meter:
        await world.eventually(lambda: "5047" not in meter.lists.operators, "the meter has forgotten them")
        assert set(meter.lists.operators) == everyone - {"5047"}
        assert (meter.lists.heard["OPL.R02"], meter.lists.heard["PTL.R02"]) == (1, 0), "the change alone"
    await world.eventually(lambda: len(receiver.accepted()) == 10, "the results are at the LIS, once each")
    assert gateway.stop() == 0


@contextlib.asynccontextmanager
async def _again(port: int, meter: Poct1aSimulator) -> AsyncIterator[Poct1aSimulator]:
    """The same meter calls again."""
    task = asyncio.create_task(host(meter, parse_link(f"tcp://127.0.0.1:{port}").link()))
    try:
        yield meter
    finally:
        task.cancel()
        await asyncio.wait([task])
