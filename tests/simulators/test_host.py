"""Simulated devices on real ptys and sockets, as a gateway meets them: through its own links."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.acquire.links import Connection, parse_link
from gateway.acquire.links.listen import ListenLink, ListenSpec
from gateway.acquire.links.memory import MemoryConnection, MemoryLink
from gateway.errors import ConfigError, LinkError
from simulators import host as hosting
from simulators.contract import Simulation
from simulators.host import build, host, simulation, where
from simulators.scenario import Scenario

SCENARIO = Scenario(1, datetime(2026, 3, 1, 12, 0, tzinfo=UTC))


class Echo:
    """Says "hello" when the line comes up, echoes in capitals, and says "tick" when its deadline has passed."""

    def __init__(self, scenario: Scenario, options: Mapping[str, str]) -> None:
        del scenario
        self._tick_s = float(options.get("tick_s", "nan"))
        self._due: float | None = None
        self._out = b""

    def start(self, now: float) -> None:
        self._out = b"hello"
        self._due = now + self._tick_s if self._tick_s == self._tick_s else None

    def receive(self, data: bytes, now: float) -> None:
        self._out += data.upper()

    def data_to_send(self) -> bytes:
        data, self._out = self._out, b""
        return data

    def deadline(self) -> float | None:
        return self._due

    def on_deadline(self, now: float) -> None:
        assert self._due is not None
        assert now >= self._due
        self._out += b"tick"
        self._due = None


ECHO = Simulation(id="echo", link="serial", build=Echo, options_help={"tick_s": "seconds until it ticks"})


class Told:
    """What the host said of its line."""

    def __init__(self) -> None:
        self.all: list[tuple[str, str]] = []
        self._news = asyncio.Event()

    def __call__(self, change: str, text: str) -> None:
        self.all.append((change, text))
        self._news.set()

    async def until(self, change: str, count: int = 1) -> None:
        async with asyncio.timeout(5):
            while [said for said, _ in self.all].count(change) < count:
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def hosted(link: str, options: Mapping[str, str] | None = None) -> AsyncIterator[Told]:
    told = Told()
    task = asyncio.ensure_future(host(build(ECHO, SCENARIO, options or {}), where(link), tell=told))
    try:
        yield told
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def hear(connection: Connection, count: int) -> bytes:
    data = b""
    async with asyncio.timeout(5):
        while len(data) < count:
            data += await connection.read()
    return data


async def test_a_pty_has_a_name_talks_raw_bytes_and_survives_the_gateways_coming_and_going(tmp_path: Path) -> None:
    port = tmp_path / "monitor"
    async with hosted(f"pty://{port}") as told:
        await told.until("up")
        assert told.all == [("up", f"pty {port}")]
        for _ in range(2):
            connection = await parse_link(f"serial://{port}").link().open()
            await connection.write(b"x\r\x03\x04\xff")
            assert await hear(connection, 5) == b"X\r\x03\x04\xff"
            await connection.close()
    assert not port.is_symlink()


async def test_a_cable_nobody_listens_on_loses_what_is_sent_and_stops_nobody(tmp_path: Path) -> None:
    link = where(f"pty://{tmp_path}/monitor")
    connection = await link.open()
    async with asyncio.timeout(5):
        for _ in range(50):
            await connection.write(bytes(4096))
    await connection.close()
    assert await connection.read() == b""
    await connection.close()


async def test_a_pty_replaces_a_name_left_over_and_nothing_else(tmp_path: Path) -> None:
    left, file = tmp_path / "left", tmp_path / "file"
    left.symlink_to("/dev/pts/none")
    file.write_text("precious")
    connection = await where(f"pty://{left}").open()
    assert left.exists()
    await connection.close()
    with pytest.raises(ConfigError, match="cannot be made: File exists; choose a path that is free"):
        await where(f"pty://{file}").open()
    assert file.read_text() == "precious"


async def test_a_device_dials_the_gateway_and_again_after_it_hung_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosting, "RECONNECT_S", 0.01)
    gateway = ListenLink(ListenSpec("127.0.0.1", 0))
    await gateway.listen()
    async with hosted(f"tcp://127.0.0.1:{gateway.port}") as told:
        for count in (1, 2):
            connection = await gateway.open()
            assert await hear(connection, 5) == b"hello"
            await connection.close()
            await told.until("down", count)
    await gateway.close()


async def test_a_device_waits_for_the_gateway_to_dial() -> None:
    device = ListenLink(ListenSpec("127.0.0.1", 0))
    await device.listen()
    task = asyncio.ensure_future(host(build(ECHO, SCENARIO, {}), device))
    connection = await parse_link(f"tcp://127.0.0.1:{device.port}").link().open()
    await connection.write(b"who")
    assert await hear(connection, 8) == b"helloWHO"
    await connection.close()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_device_acts_at_its_deadline() -> None:
    line = MemoryConnection()
    task = asyncio.ensure_future(host(build(ECHO, SCENARIO, {"tick_s": "0.01"}), MemoryLink(line)))
    async with asyncio.timeout(5):
        assert await line.until_written(9) == b"hellotick"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert line.closed


async def test_a_line_that_is_lost_is_told_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosting, "RECONNECT_S", 0.0)
    line, told = MemoryConnection(), Told()
    link = MemoryLink(LinkError("refused"), line)
    task = asyncio.ensure_future(host(build(ECHO, SCENARIO, {}), link, tell=told))
    await told.until("up")
    assert told.all == [("down", "refused"), ("up", "memory")]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_wrong_names_options_and_links_are_named() -> None:
    with pytest.raises(ConfigError, match=r"simulator 'toaster': expected one of .*nonin"):
        simulation("toaster")
    with pytest.raises(ConfigError, match="option 'speed': the simulator echo has tick_s"):
        build(ECHO, SCENARIO, {"speed": "1"})
    with pytest.raises(ConfigError, match="simulator echo: could not convert string to float: 'soon'"):
        build(ECHO, SCENARIO, {"tick_s": "soon"})
    with pytest.raises(ConfigError, match="expected an absolute path after three slashes, such as pty:///tmp/monitor"):
        where("pty://monitor")
    with pytest.raises(ConfigError, match="expected one of serial://"):
        where("carrier-pigeon://x")


def run(*words: str) -> subprocess.Popen[str]:
    code = "from gateway.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, "simulate", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_says_when_its_line_is_up_and_ends_cleanly_when_told(tmp_path: Path, number: signal.Signals) -> None:
    port = tmp_path / "oximeter"
    with run("nonin", "--link", f"pty://{port}", "--json", "--option", "format=ascii") as told:
        assert told.stdout is not None
        said = json.loads(told.stdout.readline())
        assert said == {"simulator": "nonin", "state": "up", "link": f"pty {port}"}
        assert port.is_symlink()
        told.send_signal(number)
        _, errors = told.communicate(timeout=10)
        assert (told.returncode, errors) == (0, "")
    assert not port.is_symlink()


def test_the_command_ends_by_itself_and_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    with run("nonin", "--link", f"pty://{tmp_path}/p", "--for", "0.1") as ended:
        out, errors = ended.communicate(timeout=10)
        assert (ended.returncode, out, errors) == (0, f"nonin up: pty {tmp_path}/p\n", "")
    with run("nonin", "--option", "format") as wrong:
        _, errors = wrong.communicate(timeout=10)
        assert (wrong.returncode, errors) == (2, "wardlink: --option 'format': expected KEY=VALUE\n")
