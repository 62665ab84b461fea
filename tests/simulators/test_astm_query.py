"""The asking analyzer against our line and driver: in memory, in virtual time, over lines that lose and damage bytes."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.lab.astm import DRIVER
from drivers.lab.profile import AstmOptions
from gateway.driver import Context
from gateway.model import DeviceIdentity, WorkOrder
from protocols.astm.line import Line
from protocols.sansio import Fragment, Message, Note, Sent
from simulators.lab.astm import SIMULATOR
from simulators.lab.astm_query import QueryingAnalyzer
from simulators.scenario import Scenario

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
OPTIONS = AstmOptions()


def context() -> Context[AstmOptions]:
    return DRIVER.context(DeviceIdentity(id="LAB-1"), OPTIONS, wall=lambda t_s: START + timedelta(seconds=t_s))


@dataclass
class Host:
    """Our side: every frame is acknowledged at once, every question answered from `orders`."""

    orders: dict[str, WorkOrder]
    line: Line = field(default_factory=lambda: Line(OPTIONS.link_profile(), OPTIONS.orders.send_profile()))
    stored: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    sent: int = 0
    notes: set[str] = field(default_factory=set)
    open: int | None = None

    def take(self, events: object, now: float) -> None:
        assert DRIVER.ordering is not None
        for event in events:  # type: ignore[attr-defined]
            if isinstance(event, Message | Fragment) and event.token is not None:
                self.line.confirm(event.token)
            if isinstance(event, Message):
                asked = DRIVER.ordering.asks(event, context())
                if asked is None:
                    self.stored.append("".join(record.text + "\r" for record in event.body.records))
                    continue
                self.asked += asked.specimens
                if self.open is not None:
                    self.line.withdraw(self.open)
                found = [self.orders[one] for one in asked.specimens if one in self.orders]
                said = DRIVER.ordering.answer(event, found, context(), START + timedelta(seconds=now))
                self.open = self.line.send(said.text, now)
            self.sent += isinstance(event, Sent)
            self.notes |= {event.what} if isinstance(event, Note) else set()


def meet(
    device: QueryingAnalyzer, host: Host, *, down: Scenario | None = None, until: float = 20_000.0, lag_s: float = 0.01
) -> float:
    """Let both talk until the analyzer has nothing left; when that was."""
    now, flights = 0.0, []
    number = itertools.count()
    host.line.start(now)
    device.start(now)
    while now < until and not device.idle:
        said = host.line.data_to_send()
        heard = down.fault(said, now) if said and down is not None else said
        for way, data in (("up", device.data_to_send()), ("down", heard)):
            if data:
                flights.append((now + lag_s, next(number), way, data))
        due = [flight[0] for flight in flights[:1]]
        due += [at for at in (device.deadline(), host.line.deadline()) if at is not None]
        now = max(now, min(due))
        if flights and flights[0][0] <= now:
            _, _, way, data = flights.pop(0)
            if way == "up":
                host.take(host.line.receive(data, now), now)
            else:
                device.receive(data, now)
        else:
            device.on_deadline(now)
            host.take(host.line.on_deadline(now), now)
    assert device.idle, f"not done at {until:g} s"
    return now


def analyzer(seed: int = 1, garble: float = 0.0, drop: float = 0.0, **options: str) -> QueryingAnalyzer:
    device = SIMULATOR.build(Scenario(seed, START, garble, drop), {"query": "yes", **options})
    assert isinstance(device, QueryingAnalyzer)
    return device


def orders(seed: int, *numbers: int) -> dict[str, WorkOrder]:
    """Orders for some of the specimens that the analyzer with this seed will scan; each with tests of its own."""
    names = {n: f"SYN-{seed:03d}{n:05d}" for n in numbers}
    return {name: WorkOrder(placer=f"A-{n}", specimen=name, tests=("GLU", f"T{n}")) for n, name in names.items()}


def test_each_question_has_its_answer_and_what_was_ordered_is_reported() -> None:
    known = orders(1, 1, 3)
    device, host = analyzer(count="3"), Host(known)
    meet(device, host)
    assert device.answers == {"SYN-00100001": ("GLU", "T1"), "SYN-00100002": (), "SYN-00100003": ("GLU", "T3")}
    assert host.asked == ["SYN-00100001", "SYN-00100002", "SYN-00100003"]
    assert [result.text.decode() for result in device.acknowledged] == host.stored
    assert [result.specimen for result in device.acknowledged] == ["SYN-00100001", "SYN-00100003"]


def test_an_answer_and_a_result_that_want_the_line_together_both_get_through() -> None:
    """Runs end while answers are due, specimens come faster than the line: there are collisions, and nothing is lost."""
    known = orders(2, *range(1, 31))
    device, host = analyzer(2, count="30", interval_s="0.7", run_s="2.3"), Host(known)
    meet(device, host, lag_s=0.2)
    assert device.answers == {name: order.tests for name, order in known.items()}
    assert sorted(host.stored) == sorted(result.text.decode() for result in device.acknowledged)
    assert len(host.stored) == 30
    assert "contention" in host.notes


def test_an_analyzer_that_contends_on_purpose_loses_no_answer_and_no_result() -> None:
    known = orders(3, *range(1, 21))
    device, host = analyzer(3, count="20", interval_s="1", run_s="3", contend="0.5"), Host(known)
    meet(device, host, lag_s=0.1)
    assert device.contentions > 3
    assert "contention" in host.notes
    assert device.answers == {name: order.tests for name, order in known.items()}
    assert sorted(host.stored) == sorted(result.text.decode() for result in device.acknowledged)
    assert len(host.stored) == 20


def test_a_host_that_is_silent_is_asked_three_times() -> None:
    device, host = analyzer(count="1"), Host({})
    host.line.send = lambda text, now: 0  # type: ignore[method-assign]
    meet(device, host)
    assert host.asked == ["SYN-00100001"] * 3
    assert device.unanswered == ["SYN-00100001"]


@settings(max_examples=25)
@given(
    seed=st.integers(1, 400),
    garble=st.sampled_from([0.0, 0.02, 0.1]),
    drop=st.sampled_from([0.0, 0.02, 0.1]),
    known=st.sets(st.integers(1, 8)),
    interval_s=st.sampled_from(["1", "20"]),
)
def test_over_a_bad_line_no_answer_is_wrong_and_no_result_is_lost(
    seed: int, garble: float, drop: float, known: set[int], interval_s: str
) -> None:
    """Lost and damaged bytes, acknowledgements among them, in both directions: an answer may need another question, never be
    another specimen's; what the analyzer has acknowledged is stored, each result once.
    """
    ordered = orders(seed, *known)
    device, host = analyzer(seed, garble, drop, count="8", interval_s=interval_s), Host(ordered)
    meet(device, host, down=Scenario(seed + 1000, START, garble, drop))
    for specimen, tests in device.answers.items():
        assert tests in {(), ordered[specimen].tests if specimen in ordered else ()}, specimen
        if tests == () and specimen in ordered:
            raise AssertionError(f"{specimen} has an order and was told that there is none")
    assert len(device.answers) + len(set(device.unanswered) - set(device.answers)) == 8
    assert {result.text.decode() for result in device.acknowledged} <= set(host.stored)
    assert set(host.stored) <= {result.text.decode() for result in device.sent}


@pytest.mark.parametrize(
    "options", [{"query": "perhaps"}, {"query": "yes", "profile": "sysmex-xn"}, {"query": "yes", "interval_s": "0"}]
)
def test_options_that_it_does_not_take_are_named(options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=list(options)[-1]):
        SIMULATOR.build(Scenario(1, START), options)
