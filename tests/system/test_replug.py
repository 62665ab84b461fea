"""Unplug and replug: a serial device whose port dies, goes away and comes back; status says what is wrong, then recovers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.system.conftest import Process, World

OXIMETER = """
[[device]]
id = "OXI"
driver = "nonin"
link = "serial://{port}"
"""


def plug_in(world: World) -> Process:
    """An oximeter that sends 75 frames a second, on a serial port of a stable name."""
    return world.start("simulate", "nonin", "--link", f"pty://{world.folder}/oxi", "--option", "format=7")


def speaks(world: World, more_than: int = 0) -> bool:
    one = world.device("OXI")
    return one.get("state") == "up" and one["reports"] > more_than


@pytest.mark.slow
def test_a_device_that_is_absent_comes_dies_and_comes_back(world: World) -> None:
    world.configure(OXIMETER.format(port=world.folder / "oxi"))
    gateway = world.gateway()
    world.until(lambda: world.device("OXI").get("state") == "down", "the gateway runs, and says that the device does not")
    assert "no such port" in world.device("OXI")["reason"]
    assert str(world.folder / "oxi") in world.device("OXI")["reason"]

    device = plug_in(world)
    world.until(lambda: speaks(world), "the oximeter is read when it is plugged in")

    kept = world.device("OXI")["reports"]
    device.kill()
    world.until(lambda: world.device("OXI")["state"] == "down", "a port that dies is noticed")
    assert world.device("OXI")["reason"]
    plug_in(world)
    world.until(lambda: speaks(world, kept), "the oximeter is read again")
    assert "OXI: down" in gateway.said()
    assert gateway.stop() == 0


@pytest.mark.slow
def test_a_device_that_goes_in_good_order_leaves_no_port_and_comes_back(world: World) -> None:
    world.configure(OXIMETER.format(port=world.folder / "oxi"))
    device = plug_in(world)
    world.until((world.folder / "oxi").is_symlink, "the port is there")
    gateway = world.gateway()
    world.until(lambda: speaks(world), "the oximeter is read")
    assert device.stop() == 0
    world.until(lambda: "no such port" in world.device("OXI")["reason"], "status says that the port is gone")
    kept = world.device("OXI")["reports"]
    plug_in(world)
    world.until(lambda: speaks(world, kept), "the oximeter is read again")
    assert gateway.stop() == 0


def test_a_port_that_another_gateway_holds_is_named_and_taken_when_it_is_free(world: World) -> None:
    plug_in(world)
    world.until((world.folder / "oxi").is_symlink, "the port is there")
    device = OXIMETER.format(port=world.folder / "oxi")
    world.configure(device)
    first = world.gateway()
    world.until(lambda: speaks(world), "the first gateway reads")

    world.config, world.data = world.folder / "second.toml", world.folder / "second"
    world.configure(device)
    world.gateway()
    world.until(lambda: world.device("OXI").get("state") == "down", "the second gateway may not")
    assert "in use by another program" in world.device("OXI")["reason"]
    first.stop()
    world.until(lambda: speaks(world), "the second gateway reads when the first has gone")
