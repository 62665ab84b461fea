"""Five hundred devices at once: each reading once, in its device's order, for its own patient."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.faults.hl7 import fields
from tests.faults.oximeter import Oximeter, number_of
from tests.faults.world import World

DEVICES = 500
LINES = 3
DEVICE = """
[[device]]
id = "D{n:03d}"
driver = "masimo"
link = "tcp-listen://127.0.0.1:{port}"

[[association]]
device = "D{n:03d}"
patient = {{ patient_id = "SYN-{n:03d}", assigner = "TEST" }}
"""
ENGINE = """
[[destination]]
id = "engine"
kind = "mllp"
format = "pcd01"
takes = ["vitals"]
address = "127.0.0.1:{port}"
retry_base_s = 0.1
"""


@pytest.mark.slow
async def test_five_hundred_devices_keep_their_patients_and_their_order(
    world: World, record_property: Callable[[str, object], None]
) -> None:
    receiver = world.receiver()
    ports = [world.port() for _ in range(DEVICES)]
    world.configure(
        *(DEVICE.format(n=n, port=port) for n, port in enumerate(ports)), ENGINE.format(port=receiver.told()[0]["port"])
    )
    world.gateway()
    oximeters = [Oximeter(f"D{n:03d}", port, f"{n:010d}", 1.0, f"SYN-{n:03d}") for n, port in enumerate(ports)]
    for one in oximeters:
        one.start()
    while any(len(one.said) < LINES for one in oximeters):
        for one in oximeters:
            one.silent = len(one.said) >= LINES
        await asyncio.sleep(0.01)
    for one in oximeters:
        one.silent = True
    said = sum(len(one.said) for one in oximeters)

    def arrived() -> bool:
        line = (world.status() or {"devices": []})["devices"]
        last = [one["values"].get("BPM", [""])[0] for one in line]
        return last.count(str(59 + LINES)) == DEVICES

    async with asyncio.timeout(60):
        while not await asyncio.to_thread(arrived) or not await asyncio.to_thread(world.drained, "engine"):
            await asyncio.sleep(0.2)
    for one in oximeters:
        await one.stop()
    told: dict[str, list[int]] = {}
    for body in (row.body.decode() for row in receiver.rows()):
        serial = next(found for found in fields(body, "OBX", 18) if found).split("^")[0]
        assert fields(body, "PID", 3)[0].split("^")[0] == f"SYN-{int(serial):03d}"
        told.setdefault(serial, []).append(number_of(body))
    assert told == {one.serial: list(range(len(one.said))) for one in oximeters}
    account = world.account()
    assert sum(line["delivered"] for line in account.values()) == said
    record_property("conservation", f"{DEVICES} devices at once: {said} lines, each once, in order, for its own patient")
