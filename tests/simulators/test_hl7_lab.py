"""Simulated HL7 analyzers against the server and the driver: over lines that lose and damage, each result exactly once."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from drivers.lab.hl7 import DRIVER
from drivers.lab.hl7_profile import Hl7LabOptions
from gateway.acquire import registry
from gateway.model import Category, DeviceIdentity, Report, WorkOrder
from protocols.hl7v2.mllp import encode
from protocols.hl7v2.server import Server
from protocols.sansio import BadFrame, Event, Message, Sent
from simulators.bad_line import BadLine
from simulators.lab.hl7 import SIMULATOR, Hl7Simulator
from simulators.scenario import Scenario

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
Damage = Callable[[bytes], bytes]


class Rig:
    """An analyzer, a server whose store keeps one report an identity and that has orders, and a line each way; time jumps."""

    def __init__(
        self,
        options: dict[str, str],
        up: Damage = bytes,
        down: Damage = bytes,
        *,
        orders: Sequence[WorkOrder] = (),
        lose: float = 0,
        trickle: bool = False,
    ) -> None:
        device = SIMULATOR.build(Scenario(7, START), options)
        assert isinstance(device, Hl7Simulator)
        self.device, self.orders = device, {order.specimen: order for order in orders}
        self.end = BadLine(device, lose=lose, trickle=trickle)
        name = "generic" if options.get("dialect") == "law" else "mindray-bc"
        chosen = registry.options(DRIVER, name, {})
        assert isinstance(chosen, Hl7LabOptions)
        self.context = DRIVER.context(DeviceIdentity(id="LAB-1"), chosen, wall=lambda at: START + timedelta(seconds=at))
        line = self.context.codec()
        assert isinstance(line, Server)
        self.line, self.up, self.down = line, up, down
        self.kept: dict[str, Report] = {}
        self.asked: list[str] = []
        self.bad = self.repeats = self.taken = 0
        self.now = 0.0

    def run(self, seconds: float) -> Rig:
        self.line.start(0.0)
        self.end.start(0.0)
        while self.now < seconds and not (self.device.idle and self.line.deadline() is None):
            self._exchange()
            due = [at for at in (self.end.deadline(), self.line.deadline()) if at is not None]
            self.now = max(self.now + 0.01, min(*due, seconds, seconds))
            self.end.on_deadline(self.now)
            self._take(self.line.on_deadline(self.now))
        return self

    def _exchange(self) -> None:
        while (data := self.end.data_to_send()) or (answer := self.line.data_to_send()):
            if data:
                self._take(self.line.receive(self.up(data), self.now))
            else:
                self.end.receive(self.down(answer), self.now)

    def _take(self, events: Sequence[Event[Any]]) -> None:
        for one in events:
            self.bad += isinstance(one, BadFrame)
            self.taken += isinstance(one, Sent)
            if isinstance(one, Message) and one.token is not None:
                for report in DRIVER.interpret(one, self.context):
                    self.repeats += report.identity in self.kept
                    self.kept.setdefault(report.identity, report)
                self.line.confirm(one.token)
            elif isinstance(one, Message):
                self._answer(one)

    def _answer(self, question: Message[Any]) -> None:
        assert DRIVER.ordering is not None
        asked = DRIVER.ordering.asks(question, self.context)
        assert asked is not None
        self.asked += asked.specimens
        found = [self.orders[one] for one in asked.specimens if one in self.orders]
        said = DRIVER.ordering.answer(question, found, self.context, START + timedelta(seconds=self.now))
        self.line.send(said.text, self.now)

    def specimens(self) -> list[str]:
        """Each as often as it has reports."""
        return [report.specimen.id for report in self.kept.values() if report.specimen is not None]

    def tests(self) -> dict[str, list[str]]:
        """The codes that were reported of each specimen."""
        found: dict[str, list[str]] = {}
        for report in self.kept.values():
            assert report.specimen is not None
            found.setdefault(report.specimen.id, []).extend(one.vendor_code for one in report.observations)
        return found


def ordered(*numbers: int, seed: int = 7, test: str = "GLU") -> list[WorkOrder]:
    """Orders for some of the specimens that the analyzer with this seed will scan; each with tests of its own."""
    return [
        WorkOrder(placer=f"A-{n}", specimen=f"SYN-{seed:03d}{n:05d}", tests=(test, f"{test}{n}"), priority="R") for n in numbers
    ]


def lossy(seed: int, chance: float = 0.05) -> Damage:
    """A line that swallows what is written at a time, or breaks it off."""
    dice = random.Random(seed)

    def loses(data: bytes) -> bytes:
        fate = dice.random()
        return b"" if fate < chance else data[: dice.randrange(len(data))] if fate < 2 * chance else data

    return loses


def test_every_result_arrives_and_controls_are_no_patients() -> None:
    rig = Rig({"interval_s": "20", "count": "30"}).run(800)
    assert rig.specimens() == [one.specimen for one in rig.device.acknowledged]
    assert len(rig.kept) == 30
    assert [report.category is Category.QC for report in rig.kept.values()] == [one.control for one in rig.device.acknowledged]
    assert rig.bad == 0


def test_a_thousand_results_over_a_line_that_loses_and_damages_arrive_exactly_once() -> None:
    rig = Rig({"interval_s": "5", "count": "1000", "heartbeat": "no"}, lossy(1), lossy(2)).run(40_000)
    assert rig.specimens() == [one.specimen for one in rig.device.acknowledged]
    assert len(rig.kept) == 1000
    assert rig.repeats > 0
    assert rig.bad > 0
    assert rig.device.repeated >= rig.repeats


@pytest.mark.parametrize(("dialect", "reports"), [("counter", 1), ("law", 4)])
def test_results_said_at_once_byte_by_byte_and_broken_off_by_power_cuts_arrive_once(dialect: str, reports: int) -> None:
    options = {"interval_s": "3", "count": "60", "burst": "5", "cut_every": "7", "reply_s": "4", "dialect": dialect}
    rig = Rig(options, lose=0.1, trickle=True).run(40_000)
    assert rig.device.cuts >= 8
    assert rig.bad >= rig.device.cuts, "half a message each"
    assert rig.end.lost > 0
    assert Counter(rig.specimens()) == {one.specimen: reports for one in rig.device.acknowledged}
    assert len(rig.device.acknowledged) == 60
    assert rig.repeats > 0


@pytest.mark.parametrize(("dialect", "told"), [("counter", ("GLU1",)), ("law", ("GLU", "GLU1"))])
def test_each_question_has_its_answer_and_what_was_ordered_is_reported(dialect: str, told: tuple[str, ...]) -> None:
    """A counter has one mode a tube: the longest that was ordered."""
    rig = Rig({"interval_s": "20", "count": "4", "query": "yes", "control_every": "4", "dialect": dialect}, orders=ordered(1, 3))
    rig.run(2000)
    third = tuple(test.replace("1", "3") for test in told)
    assert rig.device.answers == {"SYN-00700001": told, "SYN-00700002": (), "SYN-00700003": third}
    assert rig.asked == ["SYN-00700001", "SYN-00700002", "SYN-00700003"]
    assert rig.device.unanswered == []
    controls = {report.specimen.id for report in rig.kept.values() if report.specimen and report.category is Category.QC}
    assert controls == {"SYN-00700004"}
    assert set(rig.specimens()) == {"SYN-00700001", "SYN-00700003", "SYN-00700004"}
    assert rig.taken == 3, "each answer has gone out, and a LAW analyzer has said that it took the orders"
    if dialect == "law":
        assert (rig.tests()["SYN-00700001"], rig.tests()["SYN-00700003"]) == (["GLU", "GLU1"], ["GLU", "GLU3"])
        assert {report.order.placer_id for report in rig.kept.values() if report.order} >= {"A-1.1", "A-1.2", "A-3.1", "A-3.2"}


@pytest.mark.parametrize("dialect", ["counter", "law"])
def test_questions_over_a_line_that_loses_and_damages_are_asked_again_and_run_once(dialect: str) -> None:
    options = {"interval_s": "9", "count": "150", "query": "yes", "control_every": "0", "dialect": dialect, "burst": "3"}
    rig = Rig(options, lossy(3), lossy(4), orders=ordered(*range(1, 151))).run(100_000)
    device = rig.device
    assert device.idle
    assert len(rig.asked) > 150
    assert set(device.answers) | set(device.unanswered) == {f"SYN-007{n:05d}" for n in range(1, 151)}
    assert len(device.unanswered) < 8
    ran = {name: len(tests) if dialect == "law" else 1 for name, tests in device.answers.items() if tests}
    assert Counter(rig.specimens()) == ran
    assert rig.repeats > 0


def test_an_order_that_is_told_twice_is_run_once_and_answered_each_time() -> None:
    device = Hl7Simulator(Scenario(7, START), {"dialect": "law", "interval_s": "1000", "burst": "5"})
    device.start(0.0)
    context = DRIVER.context(DeviceIdentity(id="LAB-1"), Hl7LabOptions(), wall=lambda _: START)
    assert DRIVER.ordering is not None
    order = DRIVER.ordering.answer(None, ordered(1), context, START).text
    for at in (1.0, 2.0):
        device.receive(encode(order), at)
        assert b"ORL^O34" in device.data_to_send()
    device.on_deadline(60.0)
    assert [one.specimen for one in device.sent] == ["SYN-00700001"]


def test_a_host_that_says_nothing_is_asked_three_times() -> None:
    device = Hl7Simulator(Scenario(7, START), {"count": "1", "query": "yes", "interval_s": "1", "reply_s": "100"})
    device.start(0.0)
    said = []
    while not device.idle:
        now = device.deadline()
        assert now is not None
        device.on_deadline(now)
        said.append(device.data_to_send())
    assert sum(b"ORM^O01" in one for one in said) == 3
    assert device.unanswered == ["SYN-00700001"]
    assert device.answers == {}


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"interval_s": "-1"}, "interval_s"),
        ({"reply_s": "0"}, "reply_s"),
        ({"burst": "0"}, "burst"),
        ({"dialect": "astm"}, "dialect: got 'astm', expected one of counter, law"),
        ({"query": "perhaps"}, "query: got 'perhaps', expected yes or no"),
        ({"heartbeat": "2"}, "heartbeat"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        SIMULATOR.build(Scenario(1, START), options)
