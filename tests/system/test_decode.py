"""wardlink decode and lint as a stranger uses them: files, pipes, recordings and network captures of real devices' bytes."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dpkt
import pytest

if TYPE_CHECKING:
    from tests.system.conftest import World

CAPTURES = Path(__file__).parents[1] / "captures"
BEDSIDE = [folder for driver in ("nonin", "masimo", "pb840") for folder in sorted((CAPTURES / driver).iterdir())]
RAD8 = CAPTURES / "masimo" / "rad8-steady" / "wire.bin"
XN = CAPTURES / "astm" / "sysmex-xn" / "xn-550" / "wire.bin"
MESSAGES = ("pcd01", "lab", "fhir")
STARTED = 1_763_712_000.25
"""2025-11-21 08:00:00.25 UTC, as a capture's seconds since 1970."""


def readings(world: World, *arguments: str, stdin: bytes | None = None) -> list[dict[str, Any]]:
    done = world.run("decode", *arguments, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def halves(data: bytes) -> Sequence[bytes]:
    return data[: len(data) // 2], data[len(data) // 2 :]


def packets(data: bytes, *, udp: bool = False) -> list[bytes]:
    """Ethernet frames that carry `data` in two segments from a device to the gateway."""
    found, seq = [], 1000
    for part in halves(data):
        inner = dpkt.udp.UDP(sport=4001, dport=4002, data=part) if udp else _tcp(seq, part)
        if udp:
            inner.ulen = len(inner)
        seq += len(part)
        addresses = {"src": b"\xc0\x00\x02\x01", "dst": b"\xc0\x00\x02\x02"}
        ip = dpkt.ip.IP(**addresses, p=dpkt.ip.IP_PROTO_UDP if udp else dpkt.ip.IP_PROTO_TCP, data=inner)
        ip.len = len(ip)
        found.append(bytes(dpkt.ethernet.Ethernet(data=ip, type=dpkt.ethernet.ETH_TYPE_IP)))
    return found


def _tcp(seq: int, part: bytes) -> Any:
    return dpkt.tcp.TCP(sport=4001, dport=4002, seq=seq, flags=dpkt.tcp.TH_ACK | dpkt.tcp.TH_PUSH, data=part)


def capture(kind: str, data: bytes) -> bytes:
    """A pcap or pcapng file of `data`, as another library writes it."""
    file = io.BytesIO()
    writer = dpkt.pcap.Writer(file) if kind == "pcap" else dpkt.pcapng.Writer(file)
    for number, packet in enumerate(packets(data)):
        writer.writepkt(packet, ts=STARTED + number)
    return file.getvalue()


def trace(data: bytes) -> bytes:
    """A recording, written here by the format's description."""
    head = {
        "wardlink_trace": 1,
        "device": "",
        "driver": "masimo",
        "profile": "",
        "link": "x",
        "started": "2026-11-21T08:00:00+00:00",
    }
    lines = [head, *({"t": float(n), "rx": part.hex()} for n, part in enumerate(halves(data)))]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def device_said(found: Sequence[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(one["vendor_code"], one["value"], one["unit"], one["time"]) for one in found]


@pytest.mark.parametrize("kind", ["pcap", "pcapng", "trace", "standard input"])
def test_the_same_bytes_give_the_same_readings_however_they_come(world: World, kind: str) -> None:
    data = RAD8.read_bytes()
    expected = device_said(readings(world, "--driver", "masimo", str(RAD8)))
    assert len(expected) > 30
    if kind == "standard input":
        assert device_said(readings(world, "--driver", "masimo", "-", stdin=data)) == expected
        return
    file = world.folder / "recording"
    file.write_bytes(trace(data) if kind == "trace" else capture(kind, data))
    assert device_said(readings(world, "--driver", "masimo", str(file))) == expected


def test_the_first_readings_of_a_published_capture(world: World) -> None:
    """Read by eye from the capture's first line: SPO2=098% BPM=097 PI=03.60% at 02/22/16 22:47:45."""
    found = {one["vendor_code"]: one for one in reversed(readings(world, "--driver", "masimo", str(RAD8)))}
    assert (found["SPO2"]["value"], found["SPO2"]["mdc"], found["SPO2"]["unit"]) == ("98", 150456, "%")
    assert (found["BPM"]["value"], found["BPM"]["mdc"], found["BPM"]["loinc"]) == ("97", 149530, "8867-4")
    assert (found["PI"]["value"], found["PI"]["mdc"]) == ("3.60", 150488)
    assert found["SPCO"]["value"] is None
    assert found["BPM"]["time"] == "2016-02-22T22:47:45+00:00"


@pytest.mark.parametrize("driver", ["nonin", "pb840", "astm"])
def test_bytes_of_another_device_are_not_understood(world: World, driver: str) -> None:
    done = world.run("decode", "--driver", driver, str(RAD8))
    assert done.returncode == 3
    assert done.stdout == b""
    assert b"nothing was understood" in done.stderr


def test_an_empty_file_is_not_understood(world: World) -> None:
    assert world.run("decode", "--driver", "masimo", "-", stdin=b"").returncode == 3


def test_a_driver_or_a_file_that_is_not_there_is_named(world: World) -> None:
    driver = world.run("decode", "--driver", "masimoo", str(RAD8))
    assert driver.returncode == 2
    assert b"'masimoo'" in driver.stderr
    assert b"did you mean 'masimo'" in driver.stderr
    file = world.run("decode", "--driver", "masimo", "/nowhere/wire.bin")
    assert file.returncode == 2
    assert b"/nowhere/wire.bin" in file.stderr
    profile = world.run("decode", "--driver", "astm", "--profile", "sysmex", str(XN))
    assert profile.returncode == 2
    assert b"sysmex-xn" in profile.stderr


def test_garbage_is_counted_with_its_offset_and_costs_no_reading(world: World) -> None:
    data = RAD8.read_bytes()
    garbage = b"\xff\xfe\x00garbage\x80\r\n"
    place = data.index(b"\n", len(data) // 2) + 1
    while not data[place:].startswith(b"02/22/16"):
        place = data.index(b"\n", place) + 1
    done = world.run("decode", "--driver", "masimo", "-", stdin=data[:place] + garbage + data[place:])
    assert done.returncode == 0
    assert done.stdout == world.run("decode", "--driver", "masimo", "-", stdin=data).stdout
    assert f"at offset {place}".encode() in done.stderr


@pytest.mark.parametrize("form", ["readings", *MESSAGES])
@pytest.mark.parametrize(("driver", "file"), [("masimo", RAD8), ("astm", XN)], ids=["masimo", "astm"])
def test_the_same_input_twice_gives_the_same_bytes(world: World, driver: str, file: Path, form: str) -> None:
    profile = ("--profile", "sysmex-xn") if driver == "astm" else ()
    first, second = (world.run("decode", "--driver", driver, *profile, "--as", form, str(file)) for _ in range(2))
    assert first.returncode == 0, first.stderr
    assert first.stdout
    assert first.stdout == second.stdout


def test_each_form_is_what_it_says(world: World) -> None:
    said = {
        form: world.run("decode", "--driver", "astm", "--profile", "sysmex-xn", "--as", form, str(XN)).stdout for form in MESSAGES
    }
    assert said["pcd01"].split(b"|")[20].startswith(b"IHE_PCD_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO")
    assert said["lab"].split(b"|")[8:12] == [b"ORU^R01^ORU_R01", said["lab"].split(b"|")[9], b"P", b"2.5.1"]
    bundle = json.loads(said["fhir"].splitlines()[0])
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "transaction")


@pytest.mark.slow
@pytest.mark.parametrize("folder", BEDSIDE, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_every_bedside_capture_makes_pcd01_without_a_fault(world: World, folder: Path) -> None:
    made = world.run("decode", "--driver", folder.parent.name, "--as", "pcd01", str(folder / "wire.bin"))
    assert made.returncode == 0, made.stderr
    judged = world.run("lint", "--json", "-", stdin=made.stdout)
    faults = [one for one in json.loads(judged.stdout) if one["severity"] == "error"]
    assert faults == []
    assert judged.returncode == 0


def test_lint_finds_a_fault_and_says_so_by_its_exit_code(world: World) -> None:
    made = world.run("decode", "--driver", "masimo", "--as", "pcd01", str(RAD8))
    broken = made.stdout.replace(b"^1.3.6.1.4.1.19376.1.6.1.1.1^ISO", b"^1.2.3^ISO", 1)
    judged = world.run("lint", "--json", "-", stdin=broken)
    assert judged.returncode == 1
    faults = [one for one in json.loads(judged.stdout) if one["severity"] == "error"]
    assert any("MSH" in one["field"] and one["source"] for one in faults)


def test_a_capture_that_is_cut_short_gives_what_it_holds(world: World) -> None:
    file = world.folder / "cut.pcap"
    whole = capture("pcap", RAD8.read_bytes())
    first = struct.unpack("<I", whole[24 + 8 : 24 + 12])[0]  # incl_len of the first packet (libpcap file format)
    file.write_bytes(whole[: 24 + 16 + first + 16 + 20])
    found = readings(world, "--driver", "masimo", str(file))
    assert device_said(found)[0][:2] == ("SPO2", "98")
