"""The right patient: two on one device, an outage of the receiver, late word of who it was, and nobody at all."""

from __future__ import annotations

import functools
import json
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.system.conftest import Receiver, World

DEVICES = """
[[device]]
id = "OXI"
driver = "masimo"
link = "tcp-listen://127.0.0.1:{port}"

[[destination]]
id = "engine"
kind = "mllp"
format = "pcd01"
takes = ["vitals"]
address = "127.0.0.1:{engine}"
retry_base_s = 0.05
retry_cap_s = 0.2
"""
PULSE = "149530^MDC_PULS_OXIM_PULS_RATE^MDC"
"""IEEE 11073-10101: the pulse rate of an oximeter; each reading here has a rate of its own."""

Fields = Callable[[str, str, int], list[str]]


class Oximeter:
    """A Rad-8's ASCII 1 lines over TCP, one a call, each with a pulse rate that no other line has."""

    def __init__(self, world: World, port: int) -> None:
        self._world = world
        self._line = socket.create_connection(("127.0.0.1", port))

    def say(self, *pulses: int) -> None:
        """Lines with these rates; returns when the gateway has kept them."""
        for pulse in map(str, pulses):
            at = datetime.now(UTC).strftime("%m/%d/%y %H:%M:%S")
            line = f"{at} SN=0000012345 SPO2=097% BPM={pulse:>03} PI=02.50% SPCO=--.-% SPMET=--.-% DESAT=-- PIDELTA=+-- "
            self._line.sendall(f"{line}ALARM=0000 EXC=000800\r\n".encode())
            self._world.until(functools.partial(self._shows, pulse), f"the reading {pulse} is kept")

    def _shows(self, pulse: str) -> bool:
        return bool(self._world.device("OXI").get("values", {}).get("BPM", [""])[0] == pulse)

    def close(self) -> None:
        self._line.close()


@pytest.fixture
def ports(world: World) -> dict[str, int]:
    return {"port": world.port(), "engine": world.port()}


@pytest.fixture
def oximeter(world: World, ports: dict[str, int]) -> Iterator[Oximeter]:
    """An oximeter on a gateway whose receiver is not there yet."""
    world.configure(DEVICES.format(**ports))
    world.gateway()
    made = Oximeter(world, ports["port"])
    yield made
    made.close()


def delivered(receiver: Receiver, fields: Fields) -> dict[str, str]:
    """Patient by pulse rate, of all that was sent, accepted or not; a reading twice is a failure."""
    found: dict[str, str] = {}
    for body in {row.id: row.body.decode() for row in receiver.rows()}.values():
        (patient,) = fields(body, "PID", 3)
        codes, values = fields(body, "OBX", 3), fields(body, "OBX", 5)
        (pulse,) = [value for code, value in zip(codes, values, strict=True) if code.startswith(PULSE)]
        assert pulse not in found, f"{pulse} was sent twice"
        found[pulse] = patient.split("^")[0]
    return found


def wears(world: World, patient: str, at: datetime | None = None) -> None:
    since = ("--at", at.isoformat()) if at else ()
    world.ask("associate", "OXI", patient, "--family-name", "Test", "--given-name", "Patient", *since)


def held(world: World) -> int:
    count: int = world.account()["OXI", "engine"]["held"]
    return count


def test_each_reading_has_the_patient_of_its_own_time(
    world: World, oximeter: Oximeter, ports: dict[str, int], fields: Fields
) -> None:
    wears(world, "SYN-A")
    oximeter.say(101, 102)
    world.ask("release", "OXI")
    wears(world, "SYN-B")
    oximeter.say(103, 104)
    world.ask("release", "OXI")

    receiver = world.receiver(port=ports["engine"])
    world.until(lambda: world.drained("engine"), "all is sent")
    assert delivered(receiver, fields) == {"101": "SYN-A", "102": "SYN-A", "103": "SYN-B", "104": "SYN-B"}


def test_a_reading_without_a_patient_is_held_and_a_late_word_releases_it(
    world: World, oximeter: Oximeter, ports: dict[str, int], fields: Fields
) -> None:
    receiver = world.receiver(port=ports["engine"])
    before = datetime.now(UTC)
    oximeter.say(111, 112)
    wears(world, "SYN-A")
    oximeter.say(113)
    world.until(lambda: delivered(receiver, fields) == {"113": "SYN-A"}, "what has a patient goes out at once")
    assert held(world) == 2

    wears(world, "SYN-B", at=before)
    world.until(lambda: held(world) == 0, "the late word releases what was held")
    world.until(lambda: world.drained("engine"), "all is sent")
    assert delivered(receiver, fields) == {"111": "SYN-B", "112": "SYN-B", "113": "SYN-A"}


def test_what_follows_a_release_is_held_and_never_sent(
    world: World, oximeter: Oximeter, ports: dict[str, int], fields: Fields
) -> None:
    receiver = world.receiver(port=ports["engine"])
    wears(world, "SYN-A")
    oximeter.say(121)
    world.ask("release", "OXI")
    oximeter.say(122, 123)
    after = datetime.now(UTC)
    wears(world, "SYN-B", at=after)
    oximeter.say(124)
    world.until(lambda: "124" in delivered(receiver, fields), "the reading after the held ones goes out")
    assert delivered(receiver, fields) == {"121": "SYN-A", "124": "SYN-B"}
    line = world.account()["OXI", "engine"]
    assert (line["received"], line["delivered"], line["held"]) == (4, 2, 2)


def test_held_readings_outlive_a_kill_and_are_never_given_to_the_next_patient(
    world: World, ports: dict[str, int], fields: Fields
) -> None:
    world.configure(DEVICES.format(**ports))
    gateway = world.gateway()
    oximeter = Oximeter(world, ports["port"])
    oximeter.say(131)
    gateway.kill()
    wears(world, "SYN-B")
    world.gateway()
    oximeter.close()
    oximeter = Oximeter(world, ports["port"])
    oximeter.say(132)
    receiver = world.receiver(port=ports["engine"])
    world.until(lambda: world.drained("engine"), "all is sent")
    assert delivered(receiver, fields) == {"132": "SYN-B"}
    assert held(world) == 1
    oximeter.close()


def test_a_wrong_patient_put_right_before_the_receiver_is_up_never_leaves_the_house(
    world: World, oximeter: Oximeter, ports: dict[str, int], fields: Fields
) -> None:
    since = datetime.now(UTC)
    wears(world, "SYN-WRONG", at=since)
    oximeter.say(141)
    oximeter.say(142)
    wears(world, "SYN-RIGHT", at=since)
    told = json.loads(world.ask("associations", "--every-version", "--json"))
    assert {one["patient_id"] for one in told} == {"SYN-WRONG", "SYN-RIGHT"}, "what was believed once stays on record"
    receiver = world.receiver(port=ports["engine"])
    world.until(lambda: world.drained("engine"), "all is sent")
    assert set(delivered(receiver, fields).values()) == {"SYN-RIGHT"}


def test_an_association_in_the_future_or_for_an_unknown_device_is_refused(world: World, ports: dict[str, int]) -> None:
    world.configure(DEVICES.format(**ports))
    world.gateway()
    future = world.run("associate", "OXI", "SYN-A", "--at", "2099-01-01T00:00:00Z", "--config", str(world.config))
    assert future.returncode == 2
    assert b"2099-01-01" in future.stderr
    unknown = world.run("associate", "NOBODY", "SYN-A", "--config", str(world.config))
    assert unknown.returncode == 2
    assert b"'NOBODY'" in unknown.stderr
    assert b"OXI" in unknown.stderr
    naive = world.run("associate", "OXI", "SYN-A", "--at", "2026-01-01T00:00:00", "--config", str(world.config))
    assert naive.returncode == 2
    assert b"offset" in naive.stderr
    assert json.loads(world.ask("associations", "--json")) == []
