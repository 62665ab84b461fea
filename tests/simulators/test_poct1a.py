"""The simulated meter against the host: in memory, in virtual time, over lines that lose and damage; every result exactly once."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest

from drivers.lab.poct1a import DRIVER
from drivers.lab.poct1a_profile import Poct1aOptions
from gateway.acquire.telling import Lister
from gateway.driver import Context
from gateway.model import Category, DeviceIdentity, Report, Subject
from gateway.rolls import Lists, ListTold, Operator
from protocols.sansio import BadFrame, Event, Message, Sent, Unsent
from simulators.lab.poct1a import SIMULATOR, Poct1aSimulator
from simulators.scenario import Scenario

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
Damage = Callable[[bytes], bytes]
T = TypeVar("T")
ANNA = Subject(patient_id="SYN-P1", family_name="Beispiel", given_name="Anna")


class Rolls:
    """A store of lists, in memory."""

    def __init__(self) -> None:
        self.operators = {"SYN-O1": Operator(id="SYN-O1", family_name="Muster")}
        self.patients = {ANNA.patient_id: ANNA}
        self.noted: dict[str, ListTold] = {}

    async def lists(self, device_id: str, point_of_care: str) -> Lists:
        del device_id, point_of_care
        return Lists(operators=tuple(self.operators.values()), patients=tuple(self.patients.values()), told=dict(self.noted))

    async def patient(self, number: str) -> Subject | None:
        return self.patients.get(number)

    async def told(self, device_id: str, name: str, then: ListTold) -> None:
        del device_id
        self.noted[name] = then


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    raise AssertionError("it waits")


async def _look(looking: Awaitable[T], what: str) -> T | None:
    del what
    return await looking


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
        self.counts: Counter[str] = Counter()
        self.rolls = Rolls()
        assert DRIVER.listing is not None
        self.lister = Lister(
            listing=DRIVER.listing,
            context=self.context,
            sending=self.host,  # type: ignore[arg-type] # the registered codec is known as a Codec only
            port=self.rolls,
            in_time=_look,
            count=self._count,
            now=lambda: self.now,
        )

    def run(self, seconds: float, redock_every_s: float = 1e9) -> Rig:
        self._dock()
        return self.more(seconds, redock_every_s)

    def more(self, seconds: float, redock_every_s: float = 1e9) -> Rig:
        docked, end = self.now, self.now + seconds
        while self.now < end:
            self._exchange()
            times = [at for at in (self.meter.deadline(), self.host.deadline(), self.lister.due()) if at is not None]
            self.now = max(self.now + 0.01, min([*times, end]))
            if self.now - docked > redock_every_s:
                self._take(self.host.end(self.now))
                self._dock()
                docked = self.now
            self.meter.on_deadline(self.now)
            at_once(self.lister.look())
            if (due := self.host.deadline()) is not None and due <= self.now:
                self._take(self.host.on_deadline(self.now))
        return self

    async def _count(self, what: str) -> None:
        self.counts[what] += 1

    def _dock(self) -> None:
        self.host.start(self.now)
        self.lister.begin()
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
            if isinstance(one, Sent | Unsent):
                at_once(self.lister.settle(one))
            elif isinstance(one, Message):
                at_once(self.lister.heard(one))
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


@pytest.mark.parametrize("profile", ["continuous", "basic"])
def test_a_meter_whose_power_fails_in_the_middle_of_results_loses_none(profile: str) -> None:
    rig = Rig({"profile": profile, "interval_s": "20", "count": "30", "cut_every": "3"}).run(3000)
    assert len(rig.meter.acknowledged) == len(rig.kept) == 30
    assert rig.values() == [one.value for one in rig.meter.acknowledged]
    assert rig.bad == 10, "the half of each third result"


def test_a_meter_that_escapes_questions_is_asked_again() -> None:
    rig = Rig({"profile": "basic", "interval_s": "20", "count": "12", "escape_every": "2"}).run(2000)
    assert rig.values() == [one.value for one in rig.meter.acknowledged]
    assert len(rig.kept) == 12


def test_a_result_whose_acknowledgement_is_lost_is_said_again_under_its_number_and_kept_once() -> None:
    results = Counter[bytes]()
    last = [b""]

    def notes(data: bytes) -> bytes:
        last[0] = data
        results[data] += b"<OBS.R0" in data
        return data

    def loses_the_first_answer(data: bytes) -> bytes:
        return b"" if results[last[0]] == 1 else data

    rig = Rig({"interval_s": "60", "count": "10"}, up=notes, down=loses_the_first_answer).run(1200)
    assert rig.meter.repeated == 10
    assert [n for n in results.values() if n] == [2] * 10, "the very same bytes twice"
    assert set(rig.said.values()) == {1}, "no result is told twice"
    assert len(rig.meter.acknowledged) == len(rig.kept) == 10


@pytest.mark.parametrize("profile", ["continuous", "basic"])
@pytest.mark.parametrize("kind", ["complete", "incremental"])
def test_lists_arrive_and_so_do_their_changes(kind: str, profile: str) -> None:
    rig = Rig({"profile": profile, "lists": kind, "interval_s": "20", "count": "10"}).run(30)
    assert set(rig.meter.lists.operators) == {"SYN-O1"}
    assert set(rig.meter.lists.patients) == {"SYN-P1"}
    del rig.rolls.operators["SYN-O1"]
    rig.rolls.operators["SYN-O2"] = Operator(id="SYN-O2")
    before = dict(rig.meter.lists.heard)
    rig.more(200)
    assert set(rig.meter.lists.operators) == {"SYN-O2"}
    changes = rig.meter.lists.heard["OPL.R02"], rig.meter.lists.heard["OPL.R01"] - before["OPL.R01"]
    assert changes == ((2, 0) if kind == "incremental" else (0, 1)), "one deleted, one inserted; or the whole again"
    assert rig.meter.lists.heard["PTL.R01"] == before["PTL.R01"], "what did not change is not told"
    rig.more(300)
    assert len(rig.kept) == 10


def test_a_long_list_comes_in_messages_that_the_meter_can_take() -> None:
    rig = Rig({"lists": "complete", "max_message_sz": "1000", "interval_s": "20", "count": "5"})
    for n in range(200):
        rig.rolls.operators[f"SYN-{n}"] = Operator(id=f"SYN-{n}", family_name=f"Muster {n}")
    rig.run(200)
    assert set(rig.meter.lists.operators) == set(rig.rolls.operators)
    assert rig.meter.lists.too_long == 0
    assert rig.meter.lists.heard["OPL.R01"] > 20
    assert len(rig.kept) == 5


@pytest.mark.parametrize("refusal", ["AE", "AR", "ESC", "silence"])
@pytest.mark.parametrize("profile", ["continuous", "basic"])
def test_a_meter_that_refuses_lists_gives_its_results_all_the_same(profile: str, refusal: str) -> None:
    rig = Rig({"profile": profile, "lists": "complete", "refuse": refusal, "interval_s": "20", "count": "20"}).run(1500)
    assert rig.values() == [one.value for one in rig.meter.acknowledged]
    assert len(rig.kept) == 20
    assert rig.meter.lists.operators == {}
    assert rig.rolls.noted == {}
    assert rig.meter.lists.heard["EOT.R01"] == 0, "no end to what was refused"
    assert any(what.startswith("lists: operators not told") for what in rig.counts)


def test_lists_arrive_whole_over_a_line_that_loses() -> None:
    dice = random.Random(7)

    def loses(data: bytes) -> bytes:
        return b"" if dice.random() < 0.1 else data

    rig = Rig({"lists": "incremental", "max_message_sz": "800", "interval_s": "60", "count": "100"}, up=loses, down=loses).run(
        300, redock_every_s=600
    )
    for n in range(40):
        rig.rolls.operators[f"SYN-{n}"] = Operator(id=f"SYN-{n}", family_name=f"Muster {n}")
        rig.more(150, redock_every_s=600)
    rig.more(6000, redock_every_s=600)
    assert set(rig.meter.lists.operators) == set(rig.rolls.operators)
    assert len(rig.meter.acknowledged) == len(rig.kept) == 100


@pytest.mark.parametrize(("number", "answer"), [("SYN-P1", "Beispiel"), ("SYN-P9", None)])
def test_a_meter_that_asks_for_a_patient_is_answered(number: str, answer: str | None) -> None:
    rig = Rig({"ask_patient": number, "interval_s": "20", "count": "3"}).run(120)
    assert rig.meter.answers == [answer]
    assert len(rig.kept) == 3


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"interval_s": "0"}, "interval_s"),
        ({"interval_s": "x"}, "x"),
        ({"status_s": "-1"}, "status_s"),
        ({"profile": "best"}, "profile"),
        ({"lists": "some"}, "lists"),
        ({"refuse": "no"}, "refuse"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, str], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        SIMULATOR.build(Scenario(1, START), options)
