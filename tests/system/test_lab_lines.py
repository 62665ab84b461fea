"""The laboratory's lines at their worst, with real processes: each result is at the receiver once, and the statement adds up.

A thousand ASTM sessions with lost answers and damaged frames; ten analyzers of all kinds at once.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.acquire.links import Link, parse_link
from simulators.bad_line import BadLine
from simulators.contract import Simulator
from simulators.host import host, where
from simulators.lab.astm import AstmSimulator
from simulators.lab.beckman_au import AuSimulator
from simulators.lab.hl7 import Hl7Simulator
from simulators.lab.poct1a import Poct1aSimulator
from simulators.lab.vidas import VidasSimulator
from simulators.scenario import Scenario
from tests.faults.hl7 import fields, values
from tests.faults.world import Receiver, World

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
SESSIONS, ANALYZERS, CHANCE, PACE = 1000, 100, 0.05, 0.1
"""Sessions in all, on so many analyzers; the chance that an answer is lost, and that a frame is damaged; the standard's timers
times PACE, so that 15 s are 1.5: more than a busy disk takes, for which the gateway would fall silent."""
PATIENCE_S = 90
"""The longest that one of them may take on a busy machine; a free one needs a fifth."""
MEASURED = {"6690-2", "789-8", "718-7", "777-3"}
"""LOINCs of the HL7 simulator's analytes; what else it says is how it measured, a note."""
REPLY_S = 15 * PACE
LIS = """
[[destination]]
id = "lis"
kind = "mllp"
format = "lab"
takes = ["lab"]
address = "127.0.0.1:{port}"
retry_base_s = 0.1
"""
DEVICE = """
[[device]]
id = "{id}"
driver = "{driver}"
profile = "{profile}"
link = "{link}"
"""
TABLES: dict[str, str] = {
    "poct1a": "",
    "astm": f"[device.options.link]\nreply_s = {REPLY_S}\n",
    "beckman-au": '[device.options.link]\ncheck = "required"\n',
}
Content = tuple[str, tuple[str, ...]]
"""A result as an oracle knows it: the specimen, and its values in their order."""


def arrived(receiver: Receiver) -> Counter[Content]:
    """What the receiver took, each message id once."""
    bodies = {row.id: row.body.decode() for row in receiver.rows() if row.accepted}
    return Counter(
        (fields(body, "SPM", 2)[0].split("^")[0].split("&")[0], tuple(fields(body, "OBX", 5))) for body in bodies.values()
    )


def adds_up(world: World) -> dict[str, int]:
    """Received, by device; each line of the statement holds all of it, and nothing but delivered."""
    account = world.account()
    for line in account.values():
        assert line["received"] == line["delivered"], line
    return {device: line["received"] for (device, _), line in account.items()}


async def until_told(receiver: Receiver, expected: Counter[Content]) -> None:
    """Poll until as much has arrived as is expected, or a message more; what it is the caller judges."""
    for _ in range(600):
        if arrived(receiver).total() >= expected.total():
            return
        await asyncio.sleep(0.05)
    found = arrived(receiver)
    raise AssertionError(f"{found.total()} of {expected.total()} results arrived in time; not among them: {expected - found}")


# A thousand sessions


@pytest.mark.slow
async def test_a_thousand_sessions_with_lost_answers_and_damaged_frames(
    world: World, record_property: Callable[[str, object], None]
) -> None:
    receiver = world.receiver()
    ports = [world.port() for _ in range(ANALYZERS)]
    lines = [f"tcp-listen://127.0.0.1:{port}?allow=127.0.0.1" for port in ports]
    devices = [
        DEVICE.format(id=f"LAB-{n:02d}", driver="astm", profile="generic", link=link) + TABLES["astm"]
        for n, link in enumerate(lines)
    ]
    world.configure(*devices, LIS.format(port=receiver.told()[0]["port"]))
    gateway = world.gateway()
    options = {"interval_s": "0.001", "count": str(SESSIONS // ANALYZERS), "one_a_session": "yes", "pace": str(PACE)}
    analyzers = [AstmSimulator(Scenario(n, START, garble=CHANCE), options) for n in range(ANALYZERS)]
    cables = [BadLine(one, lose=CHANCE, seed=n) for n, one in enumerate(analyzers)]
    tasks = [
        asyncio.create_task(host(cable, parse_link(f"tcp://127.0.0.1:{port}").link()))
        for cable, port in zip(cables, ports, strict=True)
    ]
    try:
        await world.eventually(
            lambda: all(len(one.acknowledged) == SESSIONS // ANALYZERS for one in analyzers), "all is acknowledged", PATIENCE_S
        )
    finally:
        await _stopped(tasks)
    expected = Counter((result.specimen, values(result.text)) for one in analyzers for result in one.acknowledged)
    await until_told(receiver, expected)
    assert arrived(receiver) == expected
    assert set(expected.values()) == {1}
    await world.eventually(lambda: world.drained("lis"), "nothing waits")
    assert sum(adds_up(world).values()) == SESSIONS
    sessions, lost = sum(one.sessions for one in analyzers), sum(cable.lost for cable in cables)
    assert sessions > SESSIONS
    assert lost > SESSIONS * CHANCE
    assert gateway.stop() == 0
    record_property(
        "conservation", f"{sessions} ASTM sessions, {lost} answers lost, a frame in 20 damaged: {SESSIONS} results, each once"
    )


async def _stopped(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


# Ten analyzers of all kinds


class Kind:
    """One analyzer of the laboratory: its place in the gateway's configuration, its simulator, and what it was acknowledged."""

    def __init__(self, id_: str, driver: str, profile: str, gateways_end: str, own_end: Link, device: Simulator) -> None:
        self.config = DEVICE.format(id=id_, driver=driver, profile=profile, link=gateways_end) + TABLES.get(driver, "")
        self.id, self.link, self.device = id_, own_end, device


def laboratory(world: World, count: int) -> Iterator[Kind]:
    """Every protocol and every sort of line; some byte by byte, some lossy, one that dies again and again."""
    shape = {"interval_s": "0.05", "count": str(count)}
    astm = {**shape, "pace": str(PACE)}

    def dialled(id_: str, driver: str, profile: str, device: Simulator) -> Kind:
        port = world.port()
        own = parse_link(f"tcp://127.0.0.1:{port}").link()
        return Kind(id_, driver, profile, f"tcp-listen://127.0.0.1:{port}?allow=127.0.0.1", own, device)

    def serving(id_: str, driver: str, profile: str, device: Simulator) -> Kind:
        port = world.port()
        return Kind(id_, driver, profile, f"tcp://127.0.0.1:{port}", parse_link(f"tcp-listen://127.0.0.1:{port}").link(), device)

    def wired(id_: str, driver: str, profile: str, device: Simulator) -> Kind:
        path = world.folder / id_
        return Kind(id_, driver, profile, f"serial://{path}", where(f"pty://{path}"), device)

    def analyzer(seed: int, profile: str = "generic", garble: float = 0.0, **more: str) -> AstmSimulator:
        return AstmSimulator(Scenario(seed, START, garble=garble), {**astm, "profile": profile, **more})

    yield dialled("ASTM-CLIENT", "astm", "generic", analyzer(101))
    yield serving("ASTM-SERVER", "astm", "sysmex-xn", analyzer(102, "sysmex-xn"))
    yield wired("ASTM-SERIAL", "astm", "roche-cobas-c111", BadLine(analyzer(103, "roche-cobas-c111"), trickle=True))
    yield dialled("ASTM-LOSSY", "astm", "generic", BadLine(analyzer(104, garble=0.05), lose=0.05))
    yield dialled("ASTM-DYING", "astm", "generic", Dying(analyzer(105), every=7))
    yield dialled("BARE", "astm", "generic", Bare(analyzer(106, interval_s="0.06")))
    yield dialled("POCT", "poct1a", "generic", Poct1aSimulator(Scenario(107, START), {**shape, "control_every": "0"}))
    yield dialled(
        "HL7",
        "hl7-lab",
        "hematology-2-3-1",
        BadLine(Hl7Simulator(Scenario(108, START), {**shape, "control_every": "0"}), trickle=True),
    )
    yield wired("AU", "beckman-au", "generic", AuSimulator(Scenario(109, START), {**shape, "check": "yes"}))
    yield wired("VIDAS", "vidas", "biomerieux-mini-vidas", BadLine(VidasSimulator(Scenario(110, START), shape), trickle=True))


class Dying:
    """A device whose connection breaks off in the middle of what it says, again and again."""

    def __init__(self, device: AstmSimulator, every: int) -> None:
        self.inner, self._every, self._writes, self._dead = device, every, 0, False
        self.deaths = 0

    def start(self, now: float) -> None:
        self._dead = False
        self.inner.start(now)

    def receive(self, data: bytes, now: float) -> None:
        if not self._dead:
            self.inner.receive(data, now)

    def data_to_send(self) -> bytes:
        data = self.inner.data_to_send()
        self._writes += bool(data)
        if data and self._writes % self._every == 0:
            self.deaths += 1
            self._dead = True
            return data[: len(data) // 2]
        return b"" if self._dead else data

    def deadline(self) -> float | None:
        return self.inner.deadline()

    def on_deadline(self, now: float) -> None:
        if self._dead:
            raise BrokenPipeError
        self.inner.on_deadline(now)


class Bare:
    """The records of an analyzer that knows no frames: written to the stream as they are, never acknowledged."""

    def __init__(self, device: AstmSimulator) -> None:
        self.inner = device
        self.said: list[Any] = []
        self._out = bytearray()

    def start(self, now: float) -> None:
        self.inner.start(now)

    def receive(self, data: bytes, now: float) -> None:
        del data, now

    def data_to_send(self) -> bytes:
        for result in self.inner.waiting[len(self.said) :]:
            self.said.append(result)
            self._out += result.text
        data = bytes(self._out)
        self._out.clear()
        return data

    def deadline(self) -> float | None:
        return self.inner._next_at()

    def on_deadline(self, now: float) -> None:
        self.inner._measure(now)


async def play(kind: Kind) -> None:
    """The device on its line; one that dies is there again at once."""
    while True:
        with suppress(BrokenPipeError):
            await host(kind.device, kind.link)
        await asyncio.sleep(0.05)


def unwrapped(device: Simulator) -> Any:
    """The simulator inside its cable."""
    while True:
        inner = getattr(device, "_device", None) or getattr(device, "inner", None)
        if inner is None or isinstance(device, Bare):
            return device
        device = inner


def contents(device: Any) -> list[Content]:
    """What it was acknowledged; of the bare one, which nobody acknowledges, what it said."""
    if isinstance(device, Bare):
        return [(one.specimen, values(one.text)) for one in device.said]
    if isinstance(device, AstmSimulator):
        return [(one.specimen, values(one.text)) for one in device.acknowledged]
    if isinstance(device, AuSimulator):
        return [(one.specimen, tuple(value for _, value in one.values)) for one in device.acknowledged]
    if isinstance(device, VidasSimulator):
        return [(one.specimen, (one.value,)) for one in device.acknowledged]
    if isinstance(device, Poct1aSimulator):
        return [("", (one.value,)) for one in device.acknowledged]
    return [(one.specimen, _measured(one.body.decode())) for one in device.acknowledged]


def _measured(text: str) -> tuple[str, ...]:
    pairs = zip(fields(text, "OBX", 3), fields(text, "OBX", 5), strict=True)
    return tuple(value for what, value in pairs if what.split("^")[0] in MEASURED)


@pytest.mark.slow
async def test_ten_analyzers_of_all_kinds_at_once(world: World, record_property: Callable[[str, object], None]) -> None:
    count = 12
    receiver = world.receiver()
    kinds = list(laboratory(world, count))
    random.Random(1).shuffle(kinds)
    world.configure(*(kind.config for kind in kinds), LIS.format(port=receiver.told()[0]["port"]))
    gateway = world.gateway()
    tasks = [asyncio.create_task(play(kind)) for kind in kinds]
    try:
        await world.eventually(lambda: _missing(kinds, count) == [], "all is acknowledged", PATIENCE_S)
    finally:
        await _stopped(tasks)
        unread = _missing(kinds, count)
    assert unread == []
    expected = Counter(content for kind in kinds for content in contents(unwrapped(kind.device)))
    await until_told(receiver, expected)
    assert arrived(receiver) == expected
    await world.eventually(lambda: world.drained("lis"), "nothing waits")
    assert adds_up(world) == {kind.id: count for kind in kinds}
    (dying,) = [kind.device for kind in kinds if isinstance(kind.device, Dying)]
    assert dying.deaths > 1
    assert gateway.stop() == 0
    record_property("conservation", f"{len(kinds)} analyzers of all kinds at once: {expected.total()} results, each once")


def _missing(kinds: list[Kind], count: int) -> list[str]:
    return [kind.id for kind in kinds if len(contents(unwrapped(kind.device))) < count]
