"""HL7 analyzers from end to end with real processes: over TLS, with lost answers and power cuts, asking, each result once at the LIS."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.acquire.links import Link
from gateway.acquire.links.stream import StreamConnection
from gateway.acquire.links.tcp import TcpLink, TcpSpec
from gateway.errors import LinkError
from gateway.security.tls import client_context
from gateway.settings import TlsSettings
from simulators.bad_line import BadLine
from simulators.host import host
from simulators.lab.hl7 import Hl7Simulator
from simulators.scenario import Scenario

DEVICE = """
[[device]]
id = "{id}"
driver = "hl7-lab"
profile = "{profile}"
link = "tcp-listen://127.0.0.1:{port}"
{tls}
"""
LIS = """
[[destination]]
id = "lis"
kind = "mllp"
format = "lab"
takes = ["lab", "qc"]
address = "127.0.0.1:{lis}"
"""
SHAPE = {"interval_s": "0.2", "run_s": "0.1", "reply_s": "1", "count": "10", "control_every": "5"}


class TlsLink:
    """tcp:// of a device that has a certificate: what analyzers do, and our own dial strings do not."""

    passive = False

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self._port, self._context = port, context

    async def open(self) -> StreamConnection:
        try:
            streams = await asyncio.open_connection("127.0.0.1", self._port, ssl=self._context, server_hostname="localhost")
        except OSError as error:
            raise LinkError(str(error)) from None
        return StreamConnection(*streams, self.describe())

    async def close(self) -> None: ...

    def describe(self) -> str:
        return f"127.0.0.1:{self._port} over TLS"


@contextlib.asynccontextmanager
async def playing(device: Hl7Simulator, link: Link, lose: float) -> AsyncIterator[Hl7Simulator]:
    task = asyncio.create_task(host(BadLine(device, lose=lose), link))
    try:
        yield device
    finally:
        task.cancel()
        await asyncio.wait([task])


def tls(ca: Path, cert: Path, key: Path) -> str:
    return f'tls = {{ ca = "{ca}", cert = "{cert}", key = "{key}" }}'


def specimens(bodies: Any, fields: Callable[[str, str, int], list[str]]) -> Counter[str]:
    return Counter(fields(body, "SPM", 2)[0].split("^")[0] for body in bodies)


async def test_analyzers_that_ask_over_tls_and_bad_lines_have_each_result_at_the_lis_once(world: Any, fields: Any) -> None:
    good, _ = world.pki
    law, counter, lis = (world.port() for _ in range(3))
    world.configure(
        DEVICE.format(id="LAW", profile="generic", port=law, tls=tls(good.ca, good.server.cert, good.server.key)),
        DEVICE.format(id="COUNTER", profile="mindray-bc", port=counter, tls=""),
        LIS.format(lis=lis),
    )
    gateway, receiver = world.gateway(), world.receiver(port=lis)
    table = world.folder / "orders.csv"
    asked = [f"SYN-{seed:03d}{n:05d}" for seed in (1, 2) for n in (1, 2, 3, 4, 6, 7, 8, 9)]
    table.write_text("specimen,tests,placer\n" + "".join(f"{one},GLU,{one}-A\n" for one in asked if not one.endswith("3")))
    world.ask("orders", "import", str(table))
    start = datetime.now(UTC)
    first = Hl7Simulator(Scenario(1, start), {**SHAPE, "dialect": "law", "query": "yes"})
    second = Hl7Simulator(Scenario(2, start), {**SHAPE, "query": "yes", "burst": "3"})
    context = client_context(TlsSettings(ca=good.ca, cert=good.client.cert, key=str(good.client.key)))
    over_tls, plain = TlsLink(law, context), TcpLink(TcpSpec("127.0.0.1", counter))
    async with playing(first, over_tls, 0.02), playing(second, plain, 0.02):
        await world.eventually(lambda: first.idle and second.idle, "both have nothing left to do", 90)
    assert first.unanswered == second.unanswered == []
    assert first.answers["SYN-00100003"] == second.answers["SYN-00200003"] == (), "nobody ordered anything for them"
    done = Counter(one.specimen for one in (*first.acknowledged, *second.acknowledged))
    assert set(done) == {
        *(one for one in asked if not one.endswith("3")),
        *(f"SYN-{n:03d}000{m}" for n in (1, 2) for m in ("05", "10")),
    }
    controls = [one.specimen for one in first.acknowledged if one.control]  # each of a LAW analyzer's has four tests

    def arrived() -> bool:
        return specimens(receiver.accepted().values(), fields) == done + Counter(dict.fromkeys(controls, 3))

    await world.eventually(arrived, "every result is at the LIS, once")
    told = {row["specimen"]: row["sent_to"] for row in json.loads(world.ask("orders", "list", "--all", "--json"))}
    assert [{told[name] for name in one.answers if name in told} for one in (first, second)] == [{"LAW"}, {"COUNTER"}]
    assert gateway.stop() == 0
