"""The simulated meter against the host: in memory, in virtual time, over lines that lose and damage; every result exactly once."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from drivers.lab.poct1a import DRIVER
from drivers.lab.poct1a_profile import Poct1aOptions
from gateway.driver import Context
from gateway.model import Category, DeviceIdentity, Report
from protocols.sansio import BadFrame, Event, Message
from simulators.lab.poct1a import SIMULATOR, Poct1aSimulator
from simulators.scenario import Scenario

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
Damage = Callable[[bytes], bytes]


class Rig:
    """A meter, the host with a store that keeps one report an identity, and a line in each direction."""

    def __init__(self, options: dict[str, str], up: Damage = bytes, down: Damage = bytes, full_until_s: float = 0) -> None:
        self.meter = Poct1aSimulator(Scenario(7, START), options)
        self.context: Context[Poct1aOptions] = DRIVER.context(
            DeviceIdentity(id="METER"), DRIVER.options(), wall=lambda at: START + timedelta(seconds=at)
        )
        self.host = self.context.codec()
        self.up, self.down, self.full_until_s = up, down, full_until_s
        self.kept: dict[str, Report] = {}
        self.said: Counter[str] = Counter()
        self.bad = 0
        self.now = 0.0

    def run(self, seconds: float, redock_every_s: float = 1e9) -> Rig:
        self._dock()
        docked, end = self.now, self.now + seconds
        while self.now < end:
            self._exchange()
            times = [at for at in (self.meter.deadline(), self.host.deadline()) if at is not None]
            self.now = max(self.now + 0.01, min([*times, end]))
            if self.now - docked > redock_every_s:
                self._take(self.host.end(self.now))
                self._dock()
                docked = self.now
            self.meter.on_deadline(self.now)
            self._take(self.host.on_deadline(self.now))
        return self

    def _dock(self) -> None:
        self.host.start(self.now)
        self.meter.start(self.now)

    def _exchange(self) -> None:
        for _ in range(50):
            up, down = self.meter.data_to_send(), self.host.data_to_send()
            if not up and not down:
                return
            if up:
                self._take(self.host.receive(self.up(up), self.now))
            if down:
                self.meter.receive(self.down(down), self.now)

    def _take(self, events: Sequence[Event[Any]]) -> None:
        for one in events:
            self.bad += isinstance(one, BadFrame)
            if not isinstance(one, Message) or one.token is None:
                continue
            if self.now < self.full_until_s:
                self.host.reject(one.token)
                continue
            for report in DRIVER.interpret(one, self.context):
                self.said[report.identity] += 1
                self.kept.setdefault(report.identity, report)
            self.host.confirm(one.token)

    def values(self) -> list[str | None]:
        return [report.observations[0].value for report in self.kept.values()]


@pytest.mark.parametrize("profile", ["continuous", "basic"])
def test_every_result_arrives_and_controls_are_no_patients(profile: str) -> None:
    rig = Rig({"profile": profile, "interval_s": "20", "count": "40"}).run(1200)
    assert len(rig.meter.acknowledged) == 40
    assert rig.values() == [one.value for one in rig.meter.acknowledged]
    assert [report.category is Category.QC for report in rig.kept.values()] == [one.control for one in rig.meter.acknowledged]


def test_a_thousand_results_over_a_line_that_loses_and_damages_arrive_exactly_once() -> None:
    dice = random.Random(20261121)

    def loses(data: bytes) -> bytes:
        fate = dice.random()
        if fate < 0.05:
            return b""
        if fate < 0.08:
            return data[: dice.randrange(len(data))]
        if fate < 0.10:
            return data.replace(b"<OBS", b"<\x7fBS", 1)
        return data

    rig = Rig({"interval_s": "5", "count": "1000"}, up=loses, down=loses).run(40_000, redock_every_s=900)
    assert len(rig.meter.acknowledged) == 1000
    assert len(rig.kept) == 1000, "each exactly once"
    assert rig.values() == [one.value for one in rig.meter.acknowledged]
    assert rig.bad > 0
    assert max(rig.said.values()) > 1, "the line did make the meter repeat itself"


def test_a_store_that_is_full_makes_the_meter_keep_its_results() -> None:
    rig = Rig({"interval_s": "20", "count": "5"}, full_until_s=300).run(900)
    assert rig.values() == [one.value for one in rig.meter.acknowledged]
    assert len(rig.kept) == 5
    assert min(report.received_at for report in rig.kept.values()) >= START + timedelta(seconds=300)


@pytest.mark.parametrize(("options", "named"), [({"interval_s": "0"}, "interval_s"), ({"interval_s": "x"}, "x")])
def test_options_that_make_no_sense_are_refused(options: dict[str, str], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        SIMULATOR.build(Scenario(1, START), options)
