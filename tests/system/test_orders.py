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

[[device]]
id = "LAB-02"
driver = "hl7-lab"
profile = "generic"
link = "tcp-listen://127.0.0.1:{law}?allow=127.0.0.1"

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


class Mllp:
    """One end of an MLLP line, without our own framing and parser."""

    def __init__(self, port: int) -> None:
        self._line = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._buffer = b""

    def say(self, *segments: str) -> None:
        self._line.sendall(b"\x0b" + "\r".join(segments).encode() + b"\r\x1c\r")

    def hear(self) -> list[list[str]]:
        """The next message: segments, each as its fields."""
        while b"\x1c\r" not in self._buffer:
            self._buffer += (more := self._line.recv(4096))
            assert more, self._buffer
        body, _, self._buffer = self._buffer.partition(b"\x1c\r")
        return [text.split("|") for text in body.lstrip(b"\x0b").decode().split("\r") if text]

    def close(self) -> None:
        self._line.close()


def msh(kind: str, id_: str) -> str:
    return f"MSH|^~\\&|LIS|LAB|GW|EAST|20261121080000||{kind}|{id_}|P|2.5.1"


def order_by_mllp(port: int, specimen: str, placer: str, test: str) -> list[str]:
    """What the gateway answers to an ORM^O01, as a laboratory system sends it: its MSA."""
    line = Mllp(port)
    line.say(msh("ORM^O01", "77"), f"ORC|NW|{placer}|{specimen}", f"OBR|1|{placer}|{specimen}|{test}")
    said = line.hear()
    line.close()
    return said[1]


async def test_an_analyzer_that_asks_is_told_does_it_and_the_result_arrives(world: Any, fields: Any) -> None:
    lab, law, lis, door = world.port(), world.port(), world.port(), world.port()
    world.configure(CONFIG.format(port=lab, law=law, lis=lis, door=door))
    gateway, receiver = world.gateway(), world.receiver(port=lis)
    world.ask("orders", "add", FIRST, "GLU", "NA", "--placer", "A-1", "--patient", "SYN-P7")
    table = world.folder / "orders.csv"
    table.write_text(f"specimen,tests,placer\n{SECOND},CL,A-2\n")
    world.ask("orders", "import", str(table))
    assert order_by_mllp(door, THIRD, "A-3", "K") == ["MSA", "AA", "77"]
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


def test_a_law_analyzer_that_asks_is_sent_the_order_as_a_message_of_its_own(world: Any) -> None:
    lab, law, lis, door = world.port(), world.port(), world.port(), world.port()
    world.configure(CONFIG.format(port=lab, law=law, lis=lis, door=door))
    gateway = world.gateway()
    world.ask("orders", "add", FIRST, "GLU", "--placer", "A-1", "--priority", "S")
    line = Mllp(law)
    for n, (specimen, control) in enumerate(((SECOND, "DC"), (FIRST, "NW"))):
        line.say(msh("QBP^Q11^QBP_Q11", f"Q{n}"), f"QPD|WOS^Work Order Step^IHELAW|T{n}|{specimen}", "RCP|I||R^^HL70394")
        response = line.hear()
        assert [(one[0], one[1:3]) for one in response[1:3]] == [("MSA", ["AA", f"Q{n}"]), ("QAK", [f"T{n}", "OK"])]
        head, *rest = line.hear()
        assert [one[1] for one in rest if one[0] == "ORC"] == [control], "there is nothing, or this"
        if control == "DC":
            line.say(msh("ORL^O34^ORL_O34", "R0"), f"MSA|AA|{head[9]}")
    request = rest[-1]
    assert (head[8], request[2], request[4]) == ("OML^O33^OML_O33", "A-1", "GLU^^99LAB")
    assert [row["status"] for row in json.loads(world.ask("orders", "list", "--json"))] == ["open"], "not before it was taken"
    line.say(msh("ORL^O34^ORL_O34", "R1"), f"MSA|AA|{head[9]}")

    def sent() -> bool:
        (row,) = json.loads(world.ask("orders", "list", "--json"))
        return (row["status"], row["sent_to"]) == ("sent", "LAB-02")

    world.until(sent, "the order counts as sent")
    line.close()
    assert gateway.stop() == 0


def _own(code: str) -> str:
    """The analyzer's own code in a CWE: it stands two components before the name of its coding system."""
    parts = code.split("^")
    return parts[parts.index("99ASTM") - 2]
