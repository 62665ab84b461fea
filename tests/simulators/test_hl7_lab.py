"""The simulated blood counter against the server: over lines that lose and damage, each result exactly once."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from drivers.lab.hl7 import DRIVER
from gateway.model import Category, DeviceIdentity, Report
from protocols.sansio import BadFrame, Event, Message
from simulators.lab.hl7 import SIMULATOR, Hl7Simulator
from simulators.scenario import Scenario

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
Damage = Callable[[bytes], bytes]


class Rig:
    """A counter, a server whose store keeps one report an identity, and a line in each direction; time jumps."""

    def __init__(self, options: dict[str, str], up: Damage = bytes, down: Damage = bytes) -> None:
        self.device = Hl7Simulator(Scenario(7, START), options)
        self.context = DRIVER.context(
            DeviceIdentity(id="COUNTER"),
            DRIVER.options(specimen_id=("OBR-3.1",), result_time=("OBR-7.1",), not_results=("02001",)),
            wall=lambda at: START + timedelta(seconds=at),
        )
        self.line, self.up, self.down = self.context.codec(), up, down
        self.kept: dict[str, Report] = {}
        self.bad = self.repeats = 0
        self.now = 0.0

    def run(self, seconds: float) -> Rig:
        self.line.start(0.0)
        self.device.start(0.0)
        while self.now < seconds:
            for _ in range(10):
                if data := self.device.data_to_send():
                    self._take(self.line.receive(self.up(data), self.now))
                if answer := self.line.data_to_send():
                    self.device.receive(self.down(answer), self.now)
            self.now = max(self.now + 0.01, min(self.device.deadline() or seconds, seconds))
            self.device.on_deadline(self.now)
        return self

    def _take(self, events: Sequence[Event[Any]]) -> None:
        for one in events:
            self.bad += isinstance(one, BadFrame)
            if isinstance(one, Message) and one.token is not None:
                for report in DRIVER.interpret(one, self.context):
                    self.repeats += report.identity in self.kept
                    self.kept.setdefault(report.identity, report)
                self.line.confirm(one.token)

    def specimens(self) -> list[str]:
        return [report.specimen.id for report in self.kept.values() if report.specimen is not None]


def test_every_result_arrives_and_controls_are_no_patients() -> None:
    rig = Rig({"interval_s": "20", "count": "30"}).run(800)
    assert rig.specimens() == [one.specimen for one in rig.device.acknowledged]
    assert len(rig.kept) == 30
    assert [report.category is Category.QC for report in rig.kept.values()] == [one.control for one in rig.device.acknowledged]
    assert rig.bad == 0


def test_a_thousand_results_over_a_line_that_loses_and_damages_arrive_exactly_once() -> None:
    dice = random.Random(20261121)

    def loses(data: bytes) -> bytes:
        fate = dice.random()
        return b"" if fate < 0.05 else data[: dice.randrange(len(data))] if fate < 0.10 else data

    rig = Rig({"interval_s": "5", "count": "1000", "heartbeat": "no"}, up=loses, down=loses).run(40_000)
    assert rig.specimens() == [one.specimen for one in rig.device.acknowledged]
    assert len(rig.kept) == 1000
    assert rig.repeats > 0
    assert rig.bad > 0


def test_an_interval_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="interval_s"):
        SIMULATOR.build(Scenario(1, START), {"interval_s": "-1"})
