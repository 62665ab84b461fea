"""Orders from end to end with real processes: a person orders, an analyzer asks over TCP, does it, and the LIS has the result."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from gateway.acquire.links import parse_link
from simulators.host import host
from simulators.lab.astm import SIMULATOR
from simulators.lab.astm_query import QueryingAnalyzer
from simulators.scenario import Scenario

CONFIG = """
[gateway.orders]
listen = "127.0.0.1:{door}"

[[device]]
id = "LAB-01"
driver = "astm"
profile = "generic"
link = "tcp-listen://127.0.0.1:{port}?allow=127.0.0.1"

[[destination]]
id = "lis"
kind = "mllp"
format = "lab"
takes = ["lab"]
address = "127.0.0.1:{lis}"
"""
FIRST, SECOND, THIRD = (f"SYN-007{n:05d}" for n in (1, 2, 3))


@contextlib.asynccontextmanager
async def asking(port: int, **options: str) -> AsyncIterator[QueryingAnalyzer]:
    device = SIMULATOR.build(Scenario(7, datetime.now(UTC)), {"query": "yes", **options})
    assert isinstance(device, QueryingAnalyzer)
    task = asyncio.create_task(host(device, parse_link(f"tcp://127.0.0.1:{port}").link()))
    try:
        yield device
    finally:
        task.cancel()
        await asyncio.wait([task])


def order_by_mllp(port: int, specimen: str, placer: str, test: str) -> bytes:
    """What the gateway answers to an ORM^O01, as a laboratory system sends it."""
    lines = [
        "MSH|^~\\&|LIS|LAB|GW|EAST|20261121080000||ORM^O01|77|P|2.3",
        f"ORC|NW|{placer}|{specimen}",
        f"OBR|1|{placer}|{specimen}|{test}",
    ]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(b"\x0b" + "\r".join(lines).encode() + b"\r\x1c\r")
        said = b""
        while not said.endswith(b"\x1c\r"):
            said += (more := line.recv(4096))
            assert more, said
    return said


async def test_an_analyzer_that_asks_is_told_does_it_and_the_result_arrives(world: Any, fields: Any) -> None:
    lab, lis, door = world.port(), world.port(), world.port()
    world.configure(CONFIG.format(port=lab, lis=lis, door=door))
    gateway, receiver = world.gateway(), world.receiver(port=lis)
    world.ask("orders", "add", FIRST, "GLU", "NA", "--placer", "A-1", "--patient", "SYN-P7")
    table = world.folder / "orders.csv"
    table.write_text(f"specimen,tests,placer\n{SECOND},CL,A-2\n")
    world.ask("orders", "import", str(table))
    assert b"\rMSA|AA|77\r" in order_by_mllp(door, THIRD, "A-3", "K")
    world.ask("orders", "cancel", "A-2")
    async with asking(lab, count="3", interval_s="0.1", run_s="0.1") as device:
        await world.eventually(lambda: device.idle, "the analyzer has nothing left to do")
    assert device.answers == {FIRST: ("GLU", "NA"), SECOND: (), THIRD: ("K",)}
    await world.eventually(lambda: len(receiver.accepted()) == 2, "both results are at the LIS")
    codes = [[_own(code) for code in fields(body, "OBX", 3)] for body in receiver.accepted().values()]
    assert codes == [["GLU", "NA"], ["K"]]
    listed = {row["placer"]: row for row in json.loads(world.ask("orders", "list", "--all", "--json"))}
    assert [(listed[one]["status"], listed[one]["sent_to"]) for one in ("A-1", "A-2", "A-3")] == [
        ("sent", "LAB-01"),
        ("cancelled", ""),
        ("sent", "LAB-01"),
    ]
    assert gateway.stop() == 0


def _own(code: str) -> str:
    """The analyzer's own code in a CWE: it stands two components before the name of its coding system."""
    parts = code.split("^")
    return parts[parts.index("99ASTM") - 2]
