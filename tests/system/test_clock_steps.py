"""The wall clock of the box is set back: a reading that comes after a nurse's word is never given to the patient before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.faults.hl7 import fields
from tests.faults.oximeter import Oximeter, number_of
from tests.faults.world import World

CONFIG = """
[[device]]
id = "OXI"
driver = "masimo"
link = "tcp-listen://127.0.0.1:{oxi}"

[[destination]]
id = "engine"
kind = "mllp"
format = "pcd01"
takes = ["vitals"]
address = "127.0.0.1:{engine}"
"""


@pytest.mark.parametrize("restart", [False, True], ids=["while the gateway runs", "before it is started again"])
async def test_a_clock_set_back_gives_no_reading_to_the_patient_before(world: World, restart: bool) -> None:
    shim, port = world.watch(), world.port()
    receiver = world.receiver()
    world.configure(CONFIG.format(oxi=port, engine=receiver.told()[0]["port"]))
    gateway = world.gateway()
    since = (datetime.now(UTC) - timedelta(minutes=30)).isoformat()
    world.ask("associate", "OXI", "SYN-A", "--at", since)
    world.ask("release", "OXI")
    world.ask("associate", "OXI", "SYN-B")
    shim.set_clock(-600)
    if restart:
        gateway.stop()
        world.gateway()
    oximeter = Oximeter("OXI", port, "0000000001", 0.1, "SYN-B", silent=True)
    oximeter.start()
    await say(world, oximeter)
    world.ask("associate", "OXI", "SYN-C")
    oximeter.patient = "SYN-C"
    await say(world, oximeter)
    shim.set_clock(0)
    await say(world, oximeter)
    await oximeter.stop()
    await world.eventually(lambda: world.drained("engine"), "what has a patient is sent")
    told = {number_of(row.body.decode()): fields(row.body.decode(), "PID", 3)[0].split("^")[0] for row in receiver.rows()}
    assert told == dict(enumerate(oximeter.said))
    line = world.account()["OXI", "engine"]
    assert line["received"] == line["delivered"] == len(oximeter.said)


async def say(world: World, oximeter: Oximeter) -> None:
    """Some lines, until the last is kept."""
    before = len(oximeter.said)
    oximeter.silent = False
    await world.eventually(lambda: len(oximeter.said) > before + 3, "the oximeter speaks")
    oximeter.silent = True
    last = str(oximeter.last_pulse)
    await world.eventually(
        lambda: world.device("OXI").get("values", {}).get("BPM", [""])[0] == last, "the gateway has kept its last line"
    )
