"""What was recorded can be told again: an export holds what the device said, a replayed trace gives the same messages."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.world import World, in_a_world

DEVICE = """
[[device]]
id = "OXI"
driver = "masimo"
link = "{link}"

[[destination]]
id = "engine"
kind = "mllp"
format = "pcd01"
takes = ["vitals", "events"]
hold = false
address = "127.0.0.1:{engine}"
"""
LINE = re.compile(r"(\S+ \S+) SN=(\d+) SPO2=(\d+)% BPM=(\d+) PI=(\S+)% ")
"""A Rad-8's ASCII 1 line (operator's manual, serial interface), read without our own codec."""
RUN = {("MSH", 7), ("MSH", 10), ("OBR", 2), ("OBR", 3)}
"""What another run must say otherwise: when the message was made, and the ids, which name the run that kept the report."""


def recorded(world: World, seconds: float = 2.5) -> Path:
    """A recording of an oximeter that talks over TCP."""
    port, trace = world.port(), world.folder / "oxi.trace"
    device = world.start("simulate", "masimo", "--link", f"tcp-listen://127.0.0.1:{port}", "--start", "2026-11-21T08:00:00")
    world.until(lambda: not device.running or world.is_taken(port), "the oximeter listens")
    done = world.run(
        "trace", "record", str(trace), "--link", f"tcp://127.0.0.1:{port}", "--driver", "masimo", "--for", str(seconds)
    )
    assert done.returncode == 0, done.stderr
    device.stop()
    return trace


def said(world: World, trace: Path) -> list[dict[str, str]]:
    """What the device said, from the bytes that `trace show` prints: number, clock and values of each line."""
    done = world.run("trace", "show", "--json", str(trace))
    records = json.loads(done.stdout)["records"]
    assert all(not one["sent"] for one in records), "a driver that only listens sends nothing"
    text = b"".join(bytes.fromhex(one["hex"]) for one in records).decode()
    keys = ("clock", "serial", "SPO2", "BPM", "PI")
    return [dict(zip(keys, found.groups(), strict=True)) for found in LINE.finditer(text)]


def replayed(world: World, trace: Path, name: str) -> list[str]:
    """The messages that a gateway on a data folder of its own makes of a recording."""
    world.config, world.data = world.folder / f"{name}.toml", world.folder / name
    receiver = world.receiver(name)
    world.configure(DEVICE.format(link=f"trace://{trace}?speed=0", engine=receiver.told()[0]["port"]))
    gateway = world.gateway()
    world.until(lambda: world.device("OXI").get("state") == "down", "the recording is over")
    world.until(lambda: world.drained("engine"), "all is sent")
    gateway.stop()
    return list(receiver.accepted().values())


@pytest.fixture(scope="module")
def trace() -> Iterator[Path]:
    with in_a_world() as bench:
        yield recorded(bench)


def test_a_recording_shows_the_bytes_for_people_too(world: World, trace: Path) -> None:
    shown = world.run("trace", "show", str(trace)).stdout.decode()
    assert " masimo" in shown.splitlines()[0]
    assert "11/21/26 08:00:0" in "".join(shown.split("\n"))
    assert len(said(world, trace)) >= 2


def test_a_recording_gives_the_same_messages_in_two_fresh_folders_but_for_what_names_the_run(world: World, trace: Path) -> None:
    first, second = replayed(world, trace, "first"), replayed(world, trace, "second")
    assert len(first) == len(second) > len(said(world, trace)), "a message a line, and one for the first word of alarms"
    assert first != second, "ids name the run"
    assert {place for pair in zip(first, second, strict=True) for place in differences(*pair)} == RUN


def differences(one: str, other: str) -> set[tuple[str, int]]:
    """Segment and field number of what differs between two messages, read without our own parser."""
    found = set()
    for left, right in zip(one.split("\r"), other.split("\r"), strict=True):
        fields = zip(left.split("|"), right.split("|"), strict=True)
        segment = left[:3]
        found |= {(segment, n + (segment == "MSH")) for n, (a, b) in enumerate(fields) if a != b}
    return found


def expected(lines: list[dict[str, str]]) -> list[tuple[str, str, str]]:
    """(device time, code, value) of every value in the lines, in order."""
    values = []
    for line in lines:
        month, day, year, clock = re.split("[/ ]", line["clock"])
        at = f"20{year}-{month}-{day}T{clock}+00:00"
        values += [(at, "SPO2", str(int(line["SPO2"]))), (at, "BPM", str(int(line["BPM"])))]
        values.append((at, "PI", re.sub(r"^0+(?=\d)", "", line["PI"])))
    return values


@pytest.mark.parametrize("form", ["json", "csv"])
def test_an_export_holds_what_the_device_said(world: World, trace: Path, form: str) -> None:
    replayed(world, trace, "data")
    text = world.ask("export", "--since", "2020-01-01T00:00:00Z", "--format", form)
    rows: list[dict[str, Any]] = (
        [json.loads(line) for line in text.splitlines()] if form == "json" else list(csv.DictReader(io.StringIO(text)))
    )
    shown = [(row["time"], row["vendor_code"], row["value"]) for row in rows if row["vendor_code"] in {"SPO2", "BPM", "PI"}]
    assert shown == expected(said(world, trace))
    first = next(row for row in rows if row["vendor_code"] == "SPO2")
    assert (first["refid"], first["loinc"], first["unit"]) == ("MDC_PULS_OXIM_SAT_O2", "59408-5", "%")
    assert first["device"] == "OXI 0000012345"
    numbers = [int(row["report"]) for row in rows]
    assert numbers == sorted(numbers)


def test_an_export_keeps_to_its_window_and_its_device(world: World, trace: Path) -> None:
    replayed(world, trace, "data")
    everything = world.ask("export", "--since", "2020-01-01T00:00:00Z").splitlines()
    second = json.loads(next(line for line in everything if json.loads(line)["report"] > 1 and '"SPO2"' in line))
    since = world.ask("export", "--since", second["received_at"]).splitlines()
    assert since == [line for line in everything if json.loads(line)["received_at"] >= second["received_at"]]
    assert 0 < len(since) < len(everything)
    until = world.ask("export", "--since", "2020-01-01T00:00:00Z", "--until", second["received_at"]).splitlines()
    assert until + since == everything
    assert world.ask("export", "--since", "2020-01-01T00:00:00Z", "--device", "NOBODY") == ""
