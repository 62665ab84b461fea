"""An analyzer that nobody configured, with real processes: nothing of it is lost by kill -9, and it becomes a device once."""

from __future__ import annotations

import json
from typing import Any

CONFIG = """
[gateway.unknown]
listen = ["tcp-listen://127.0.0.1:{port}"]

[[destination]]
id = "lis"
kind = "mllp"
format = "lab"
takes = ["lab"]
address = "127.0.0.1:{lis}"
"""


def unknowns(world: Any) -> list[dict[str, Any]]:
    status = world.status()
    found: list[dict[str, Any]] = status["journal"]["unknown"] if status else []
    return found


async def test_what_an_unknown_analyzer_had_acknowledged_reaches_the_lis_once_it_is_known(world: Any, analyzer: Any) -> None:
    """Kill -9 in the middle of its transmissions; assigned and written; then it goes on as a device, without a configured port."""
    port, lis = world.port(), world.port()
    world.configure(CONFIG.format(port=port, lis=lis))
    receiver = world.receiver(port=lis)
    gateway = world.gateway()
    acknowledged: list[str] = []
    device = analyzer(
        port, 11, profile="generic", interval_s="0.01", count="0", on_acknowledged=lambda one: acknowledged.append(one.specimen)
    )
    device.start()
    try:
        await world.eventually(lambda: len(acknowledged) >= 5, "five results are acknowledged")
        gateway.kill()
        gateway = world.gateway(wait=False)
        before = len(acknowledged)
        await world.eventually(lambda: len(acknowledged) >= before + 5, "five more after the kill")
        (one,) = unknowns(world)
        assert (one["status"], one["protocol"], one["address"], one["balanced"]) == ("open", "astm", "127.0.0.1", True)
        assert world.device("LAB-07") == {}
        assert receiver.rows() == [], "nothing of it was sent anywhere"
        words = ("--device", "LAB-07", "--driver", "astm", "--profile", "generic", "--write", "--json")
        done = json.loads(world.ask("unknown", "assign", str(one["id"]), *words))
        assert done["written"] is True
        later = len(acknowledged)
        await world.eventually(lambda: len(acknowledged) >= later + 5, "it goes on as a device")
        device.cease()
    finally:
        await device.stop()
    rest = unknowns(world)[0]["quarantined"]
    if rest:  # what came between the assignment and the reload
        world.ask("unknown", "assign", str(one["id"]), "--device", "LAB-07")
    world.until(lambda: world.drained("lis"), "the LIS has everything")
    sent = [row.body.decode() for row in receiver.rows() if row.accepted]
    assert len(sent) == len(set(sent))
    missing = [specimen for specimen in acknowledged if not any(specimen in text for text in sent)]
    assert missing == []
    for specimen in set(acknowledged):
        assert sum(specimen in text for text in sent) == acknowledged.count(specimen)
    ((key, line),) = world.account().items()
    assert key == ("LAB-07", "lis")
    assert line["received"] == line["delivered"] == len(sent)
    assert gateway.stop() == 0
