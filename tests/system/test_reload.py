"""Reloading under load: who did not change is not disturbed, nothing is lost or doubled, a bad file changes nothing."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from gateway.store import audit, status
from gateway.store.journal import open_reader
from tests.faults.oximeter import Oximeter, number_of

if TYPE_CHECKING:
    from tests.system.conftest import Analyzer, Process, Receiver, World

Fields = Callable[[str, str, int], list[str]]

SEED = 20261121
RELOADS = 8
KILLS = 5
DEVICE = """
[[device]]
id = "{id}"
driver = "{driver}"
{profile}
link = "tcp-listen://127.0.0.1:{port}"
location = {{ room = "{room}" }}
"""
DESTINATIONS = """
[[destination]]
id = "{lis}"
{formerly}
kind = "mllp"
format = "lab"
address = "127.0.0.1:{port}"
receiving_facility = "F{turn}"
retry_base_s = 0.2

[[destination]]
id = "engine"
kind = "mllp"
format = "pcd01"
hold = false
address = "127.0.0.1:{port}"
retry_base_s = 0.2
"""


class Ward:
    """Two analyzers and an oximeter; with each turn of the configuration one analyzer and one destination change."""

    def __init__(self, world: World, analyzer: type[Analyzer], receiver: Receiver) -> None:
        self.world, self.receiver = world, receiver
        self.port = receiver.told()[0]["port"]
        self.steady, self.changing, oxi = world.port(), world.port(), world.port()
        self.dice, self.left, self.reached = random.Random(SEED), 0, asyncio.Event()
        self.analyzers = [
            analyzer(port, seed, self._on_write, profile="generic", interval_s="0.15")
            for seed, port in ((1, self.steady), (2, self.changing))
        ]
        self.oximeter = Oximeter("OXI", oxi, "0000012345", 0.02, "")

    def configure(self, turn: int, *, lis: str = "lis", formerly: str = "") -> None:
        former = f'formerly = "{formerly}"' if formerly else ""
        self.world.configure(
            DEVICE.format(id="STEADY", driver="astm", profile='profile = "generic"', port=self.steady, room="1"),
            DEVICE.format(id="CHANGING", driver="astm", profile='profile = "generic"', port=self.changing, room=turn),
            DEVICE.format(id="OXI", driver="masimo", profile="", port=self.oximeter.port, room="1"),
            DESTINATIONS.format(port=self.port, turn=turn, lis=lis, formerly=former),
        )

    def start(self) -> None:
        for one in self.analyzers:
            one.start()
        self.oximeter.start()

    async def mid_transmission(self) -> None:
        """Until the analyzers wrote so many more times: anywhere in a message."""
        self.left = self.dice.randint(3, 25)
        self.reached.clear()
        async with asyncio.timeout(30):
            await self.reached.wait()

    async def finish(self) -> None:
        """Everything gets out and arrives."""
        for one in self.analyzers:
            one.cease()
        await self.world.eventually(lambda: not any(one.device.waiting for one in self.analyzers), "the analyzers got all out")
        await self.oximeter.stop()
        await self.world.eventually(
            lambda: all(one["waiting"] == 0 for one in (self.world.status() or {"journal": {}})["journal"]["destinations"]),
            "the receiver got everything",
        )
        for one in self.analyzers:
            await one.stop()

    def judge(self, fields: Fields) -> list[int]:
        """Results: acknowledged and arrived are the same, each once. The numbers of the oximeter's lines that arrived."""
        results: Counter[tuple[str, tuple[str, ...]]] = Counter()
        lines: list[int] = []
        for body in self.receiver.accepted().values():
            if specimen := fields(body, "SPM", 2):
                results[specimen[0].split("^")[0].split("&")[0], tuple(fields(body, "OBX", 5))] += 1
            else:
                lines.append(number_of(body))
        acknowledged = {
            (one.specimen, tuple(record.split("|")[3] for record in one.text.decode().split("\r") if record.startswith("R|")))
            for each in self.analyzers
            for one in each.device.acknowledged
        }
        assert len(acknowledged) > 10, "the analyzers worked"
        assert set(results) == acknowledged, "lost, or told what no analyzer said"
        assert set(results.values()) == {1}, "doubled"
        assert len(lines) == len(set(lines)), "a line of the oximeter is doubled"
        assert self.receiver.summary()["changed"] == 0
        assert all(line["received"] == line["delivered"] for line in self.world.account().values())
        return sorted(lines)

    async def _on_write(self, _data: bytes) -> None:
        self.left -= 1
        if self.left == 0:
            self.reached.set()


def configuration(world: World) -> dict[str, Any]:
    """What status says of the configuration; {} while no gateway answers."""
    found: dict[str, Any] = (world.status() or {}).get("config", {})
    return found


@pytest.mark.slow
async def test_reloads_in_the_middle_of_transmissions_disturb_only_what_changed(
    world: World, analyzer: type[Analyzer], fields: Fields
) -> None:
    ward = Ward(world, analyzer, world.receiver())
    ward.configure(0)
    gateway = world.gateway()
    ward.start()
    await world.eventually(lambda: ward.oximeter.connected, "the oximeter is read")
    for turn in range(1, RELOADS + 1):
        await ward.mid_transmission()
        before = configuration(world)["sha256"]
        ward.configure(turn, lis="lis" if turn < RELOADS else "lab-system", formerly="" if turn < RELOADS else "lis")
        gateway.signal(signal.SIGHUP)
        await world.eventually(lambda b=before: configuration(world)["sha256"] != b, "the reload is done")  # type: ignore[misc]
    await ward.finish()
    assert ward.judge(fields) == list(range(len(ward.oximeter.said))), "a line of a device that did not change is lost"
    assert len(ward.oximeter.calls) == 1, "a device that did not change was hung up on"
    with closing(open_reader(world.data)) as conn:
        broken = {one.device for one in status.incomplete(conn, limit=1000)}
        acts = [one for one in audit.acts(conn) if one.act == "reload"]
    assert "STEADY" not in broken
    assert ward.receiver.summary()["repeats"] == 0, "the message under way was not waited for"
    assert [one.by for one in acts] == ["SIGHUP"] * RELOADS
    assert "restart device CHANGING (location)" in acts[0].detail["what"]
    assert [one["id"] for one in (world.status() or {})["journal"]["destinations"]] == ["engine", "lab-system"]
    assert gateway.stop() == 0


@pytest.mark.slow
async def test_kill_9_during_reloads_loses_and_doubles_nothing(world: World, analyzer: type[Analyzer], fields: Fields) -> None:
    ward = Ward(world, analyzer, world.receiver())
    ward.configure(0)
    gateway = world.gateway()
    for one in ward.analyzers:
        one.start()
    for turn in range(1, KILLS + 1):
        await ward.mid_transmission()
        ward.configure(turn, lis=f"lis-{turn}", formerly="lis" if turn == 1 else f"lis-{turn - 1}")
        gateway.signal(signal.SIGHUP)
        await asyncio.sleep(ward.dice.uniform(0, 0.06))  # the kill's moment: before, during or after the change
        gateway.kill()
        gateway = world.gateway(wait=False)
        await world.eventually(lambda: world.status() is not None, "the gateway is up again")
    await ward.finish()
    ward.judge(fields)
    assert [one["id"] for one in (world.status() or {})["journal"]["destinations"]] == ["engine", f"lis-{KILLS}"]
    assert gateway.stop() == 0


OXI = DEVICE.format(id="OXI", driver="masimo", profile="", port="{port}", room="1")


def told(process: Process) -> list[str]:
    return [line for line in process.said().splitlines() if "configuration: reload refused" in line]


def test_a_bad_file_is_refused_as_a_whole_and_the_old_one_goes_on(world: World) -> None:
    port = world.port()
    world.configure(OXI.replace("{port}", str(port)))
    gateway = world.gateway()
    running = configuration(world)
    good = world.config.read_text()
    bad = (
        good.replace('driver = "masimo"', 'driver = "masino"') + '\n[[device]]\nid = "NEW"\ndriver = "nonin"\nlink = "tpc://x"\n'
    )
    world.config.write_text(bad)
    driver, link = (bad.splitlines().index(line) + 1 for line in ('driver = "masino"', 'link = "tpc://x"'))
    problems = [
        f"{world.config}:{driver}: device.driver: driver 'masino': expected one of ",
        f"{world.config}:{link}: device.link: link 'tpc://x': expected one of serial://",
    ]

    said = json.loads(world.ask("reload", "--json", expect=1))
    assert said["applied"] is False
    assert all(line.startswith(start) for line, start in zip(said["problems"], problems, strict=True))
    plain = world.run("reload", "--config", str(world.config))
    assert (plain.returncode, plain.stdout) == (1, b"")
    assert all(start in plain.stderr.decode() for start in problems)
    assert "Refused: the gateway goes on with the configuration that it has." in plain.stderr.decode()
    assert len(told(gateway)) == 4, "two problems, told twice"
    refused = configuration(world)
    assert refused["refused"]["problems"] == said["problems"]
    assert (refused["sha256"], refused["loaded_at"]) == (running["sha256"], running["loaded_at"])
    assert [one["id"] for one in (world.status() or {})["devices"]] == ["OXI"]
    assert world.is_taken(port), "the device is listened for"

    world.config.write_text(good.replace(f'data = "{world.data}"', f'data = "{world.folder}/other"'))
    moved = world.run("reload", "--config", str(world.config))
    assert moved.returncode == 3
    assert b"a reload cannot move the journal, restart the gateway" in moved.stderr
    gateway.signal(signal.SIGHUP)
    world.until(lambda: any("gateway.data: got" in line for line in told(gateway)), "the move is refused")
    assert not (world.folder / "other").exists()

    world.config.write_text(good)
    assert world.ask("reload").splitlines()[0] == "Nothing has changed."
    assert configuration(world)["refused"] is None
    assert gateway.stop() == 0
    with closing(open_reader(world.data)) as conn:
        acts = [one.act for one in audit.acts(conn)]
    assert acts == ["start", *["reload refused"] * 3, "reload"]


def test_a_dry_run_says_what_a_reload_then_does(world: World) -> None:
    port = world.port()
    world.configure(OXI.replace("{port}", str(port)))
    assert world.run("config", "diff", "--config", str(world.config)).returncode == 2, "nothing to compare with"
    gateway = world.gateway()
    assert world.ask("config", "diff") == "Nothing would be restarted.\n"
    other = world.folder / "other.toml"
    text = world.config.read_text() + '\n[[device]]\nid = "NEW"\ndriver = "nonin"\nlink = "tcp://127.0.0.1:9"\n'
    other.write_text(text.replace('room = "1"', 'room = "2"'))
    wanted = ["restart device OXI (location)", "start device NEW"]
    assert world.ask("config", "diff", str(other)).splitlines() == wanted
    assert [one["id"] for one in (world.status() or {})["devices"]] == ["OXI"], "nothing was done"
    world.config.write_text(other.read_text())
    assert world.ask("reload").splitlines() == [*wanted, f"{world.config}: in use"]
    assert [one["id"] for one in (world.status() or {})["devices"]] == ["OXI", "NEW"]
    world.config.write_text(other.read_text().replace('eui64 = "02AABBCCDDEEFF01"', 'eui64 = "02AABBCCDDEEFF02"'))
    refused = world.run("config", "diff", "--config", str(world.config))
    assert (refused.returncode, refused.stdout) == (1, b"")
    assert b"gateway.eui64: got '02AABBCCDDEEFF02'; the running gateway is '02AABBCCDDEEFF01'" in refused.stderr
    assert gateway.stop() == 0


def test_a_spoilt_file_starts_the_last_configuration_that_ran_and_says_so(world: World) -> None:
    port = world.port()
    world.configure(OXI.replace("{port}", str(port)))
    good = world.config.read_bytes()
    gateway = world.gateway()
    world.until(lambda: configuration(world).get("known_good"), "it has proved good")
    assert gateway.stop() == 0
    (kept,) = (world.data / "configurations").iterdir()
    assert kept.read_bytes().endswith(good)

    world.config.write_bytes(good[: len(good) // 2] + b"\x00")
    strict = world.run("run", "--strict", "--config", str(world.config))
    assert strict.returncode == 2
    assert f"{world.config}:" in strict.stderr.decode()
    gateway = world.gateway()
    assert "LAST KNOWN GOOD" in gateway.said()
    assert world.is_taken(port), "the device is listened for"
    shown = configuration(world)
    assert shown["last_known_good_since"]
    assert shown["problems"], "what is wrong with the file"
    assert all(line.startswith(f"{world.config}:") for line in shown["problems"])
    assert world.run("associations", "--config", str(world.config)).returncode == 0, "commands work on what runs"
    assert world.run("reload", "--config", str(world.config)).returncode == 1
    world.config.write_bytes(good)
    assert world.ask("reload").splitlines() == ["Nothing has changed.", f"{world.config}: in use"]
    assert configuration(world)["last_known_good_since"] is None
    assert gateway.stop() == 0


def test_systemd_is_told_when_a_reload_begins_and_ends(world: World) -> None:
    world.configure()
    path = world.folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(path))
        systemd.settimeout(30)
        environment = {**os.environ, "NOTIFY_SOCKET": str(path)}
        gateway = world.start("run", "--config", str(world.config), environment=environment)
        heard = []
        while "READY=1" not in heard:
            heard.append(systemd.recv(4096).decode())
        gateway.signal(signal.SIGHUP)
        begun = dict(line.split("=") for line in systemd.recv(4096).decode().splitlines())
        assert begun["RELOADING"] == "1"
        assert 0 < int(begun["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
        assert "READY=1" in systemd.recv(4096).decode().splitlines()
        world.config.write_text("[[[")
        gateway.signal(signal.SIGHUP)
        assert "RELOADING=1" in systemd.recv(4096).decode()
        assert "READY=1" in systemd.recv(4096).decode().splitlines(), "refused, and running all the same"
        assert gateway.stop() == 0
        assert systemd.recv(4096).decode().startswith("STOPPING=1")
