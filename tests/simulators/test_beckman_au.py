"""The simulated AU analyzer against the host, in memory and virtual time: lossy lines, a full disk, questions; every result once."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from drivers.lab.beckman_au import DRIVER
from drivers.lab.beckman_au_profile import AuOptions
from gateway.driver import Context
from gateway.errors import ConfigError
from gateway.model import DeviceIdentity, Report, WorkOrder
from protocols.sansio import Event, Message, Sending
from simulators.host import build
from simulators.lab.beckman_au import SIMULATOR, AuSimulator
from simulators.scenario import Scenario

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
Damage = Callable[[bytes], bytes]


class Rig:
    """An analyzer, the host with a store that keeps one report an identity and orders for even specimens, a line each way."""

    def __init__(self, options: dict[str, str], up: Damage = bytes, down: Damage = bytes, full_until_s: float = 0) -> None:
        self.analyzer = AuSimulator(Scenario(7, START), {"interval_s": "5", **options})
        self.context: Context[AuOptions] = DRIVER.context(
            DeviceIdentity(id="AU"), AuOptions(), wall=lambda at: START + timedelta(seconds=at)
        )
        self.host = self.context.codec()
        self.up, self.down, self.full_until_s = up, down, full_until_s
        self.kept: dict[str, Report] = {}
        self.now = 0.0

    def run(self, seconds: float) -> Rig:
        self.host.start(self.now)
        self.analyzer.start(self.now)
        while self.now < seconds:
            self._exchange()
            times = [at for at in (self.analyzer.deadline(), self.host.deadline()) if at is not None]
            self.now = max(self.now + 0.01, min([*times, seconds]))
            self.analyzer.on_deadline(self.now)
            self._take(self.host.on_deadline(self.now))
        return self

    def _exchange(self) -> None:
        for _ in range(50):
            said = self.up(self.analyzer.data_to_send())
            self._take(self.host.receive(said, self.now) if said else ())
            answer = self.down(self.host.data_to_send())
            if answer:
                self.analyzer.receive(answer, self.now)
            if not said and not answer:
                return

    def _take(self, events: Sequence[Event[Any]]) -> None:
        for event in events:
            if not isinstance(event, Message) or event.token is None:
                continue
            if self.now < self.full_until_s:
                self.host.reject(event.token)
                continue
            for report in DRIVER.interpret(event, self.context):
                self.kept.setdefault(report.identity, report)
            self.host.confirm(event.token)
            self._asked(event)

    def _asked(self, event: Message[Any]) -> None:
        assert DRIVER.ordering is not None
        asked = DRIVER.ordering.asks(event, self.context)
        if asked is not None:
            (specimen,) = asked.specimens
            orders = [WorkOrder(placer="P1", specimen=specimen, tests=("1", "97"))] if int(specimen[-1]) % 2 == 0 else []
            assert isinstance(self.host, Sending)
            self.host.send(DRIVER.ordering.answer(event, orders, self.context, START).text, self.now)


def expected(rig: Rig) -> dict[str, list[tuple[str, str]]]:
    return {result.specimen: list(result.values) for result in rig.analyzer.sent}


def kept(rig: Rig) -> dict[str, list[tuple[str, str]]]:
    found = [(r.specimen.id, [(o.vendor_code, o.value or "") for o in r.observations]) for r in rig.kept.values() if r.specimen]
    assert len(found) == len(dict(found)), "a result was kept twice"
    return dict(found)


def lossy(chance: float, seed: int) -> Damage:
    dice = random.Random(seed)

    def damage(data: bytes) -> bytes:
        if data and dice.random() < chance:
            at = dice.randrange(len(data))
            return data[:at] + bytes([data[at] ^ (1 << dice.randrange(8))]) + data[at + 1 :]
        return b"" if data and dice.random() < chance else data

    return damage


@pytest.mark.parametrize(
    ("up", "down", "full_until_s"),
    [
        pytest.param(bytes, bytes, 0, id="a good line"),
        pytest.param(lossy(0.1, 1), bytes, 0, id="texts damaged and lost"),
        pytest.param(bytes, lossy(0.2, 2), 0, id="answers damaged and lost"),
        pytest.param(lossy(0.1, 3), lossy(0.1, 4), 0, id="both"),
        pytest.param(bytes, bytes, 60, id="a full disk for a minute"),
    ],
)
def test_every_result_is_kept_exactly_once(up: Damage, down: Damage, full_until_s: float) -> None:
    rig = Rig({"count": "20", "check": "yes"}, up, down, full_until_s).run(900)
    assert len(rig.analyzer.acknowledged) == 20
    assert kept(rig) == expected(rig)


def test_it_runs_what_its_host_orders() -> None:
    rig = Rig({"count": "4", "query": "yes"}).run(120)
    assert list(rig.analyzer.answers.values()) == [(), ("001", "097"), (), ("001", "097")]
    assert kept(rig) == expected(rig)


def test_questions_survive_a_bad_line() -> None:
    rig = Rig({"count": "10", "query": "yes", "check": "yes"}, lossy(0.1, 5), lossy(0.1, 6)).run(1200)
    assert len(rig.analyzer.answers) == 10
    assert kept(rig) == expected(rig)


@pytest.mark.parametrize("options", [{"interval_s": "0"}, {"check": "perhaps"}, {"query": "1"}, {"colour": "red"}])
def test_options_that_make_no_sense_are_told(options: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        build(SIMULATOR, Scenario(1, START), options)
