"""Any sequence of reports, answers, remedies, prunings and restarts: it adds up, an id has one content, a device keeps its order."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from gateway.deliver.destination import Accepted, Outcome, Outgoing, Refused, Retry
from gateway.errors import ActError
from gateway.settings.dispatch import DispatchSettings
from gateway.store import queued, remedies, writer
from gateway.store.items import State
from gateway.store.remedies import By

if TYPE_CHECKING:
    from tests.gateway.deliver.conftest import Bench
else:
    Bench = object

T = TypeVar("T")
OUTCOMES: dict[str, Outcome] = {
    "yes": Accepted("AA"),
    "no": Refused("no such test", "AR"),
    "not now": Retry("AE: record locked"),
    "link": Retry("connection refused", link=True),
    "unsent": Retry("nothing listens there", link=True, unsent=True),
}
"""`unsent`: it never reached the receiver."""
SETTINGS = {
    "device": DispatchSettings(batch=3),
    "patient": DispatchSettings(batch=3, order="patient"),
    "live": DispatchSettings(batch=3, live_first=True, drain_rate=1, fresh_s=60, mark_late=True, late_after_s=600),
}
BY = By(whom="n", note="a test")
devices = st.sampled_from(["D1", "D2", "D3"])


class Journey(RuleBasedStateMachine):
    """A gateway with one destination; `opening` and `clocks` are set by the test."""

    opening: Callable[[Path], Awaitable[Bench]]
    clocks: list[Callable[[], datetime]]
    """The last one is the journal's."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(prefix="wl-"))
        self.bench = self.do(self._open())
        self.clock, self.receiver = self.bench.clock, self.bench.receiver
        self.clocks.append(self.clock.now)
        self.count = 0
        self.mode = "device"
        self.reached: dict[str, bytes] = {}
        """Message id to the bytes that reached the receiver, unless it has refused them."""
        self.otherwise: list[Outgoing] = []
        """Messages with other content than what was sent under their id."""
        self.taken: dict[str, int] = {}
        self.kept: dict[str, list[str]] = {}
        self.again: set[str] = set()
        """Values that a person had sent again."""
        self.odd: set[str] = set()
        """Values that stepped out of their device's order: held, refused, sent by a person."""
        for device, patient in (("D1", "A"), ("D2", "B")):
            self.do(self.bench.wears(device, patient))
        self.reports_arrive("D1", 2)
        self.reports_arrive("D2", 2)
        self.messages_are_sent(["yes", "no"], "device")

    def do(self, what: Coroutine[Any, Any, T]) -> T:
        return self.loop.run(what)

    async def _open(self) -> Bench:
        return await type(self).opening(self.folder / "data")

    def teardown(self) -> None:
        self.do(self.bench.journal.close())
        self.loop.close()
        shutil.rmtree(self.folder)

    # ---- what happens

    @rule(device=devices, n=st.integers(1, 4))
    def reports_arrive(self, device: str, n: int) -> None:
        values = [f"v{self.count + i}" for i in range(n)]
        self.count += n
        self.kept.setdefault(device, []).extend(values)
        self.do(self.bench.keep(device, *values, minute=self.count))

    @rule(device=devices, patient=st.sampled_from("AB"))
    def a_patient_is_said(self, device: str, patient: str) -> None:
        self.do(self.bench.wears(device, patient, minute=0))

    @rule(device=devices, answers=st.lists(st.sampled_from(["yes", "no", "not now"]), max_size=4))
    def an_outage_ends(self, device: str, answers: list[str]) -> None:
        """A backlog, then fresh reports; and the receiver is there again."""
        self.reports_arrive(device, 4)
        self.time_passes(5)
        self.reports_arrive(device, 2)
        self.messages_are_sent(answers, "live")

    @rule(answers=st.lists(st.sampled_from(sorted(OUTCOMES)), max_size=8), mode=st.sampled_from(sorted(SETTINGS)))
    def messages_are_sent(self, answers: list[str], mode: str) -> None:
        self.mode = mode
        left = list(answers)

        def answer(message: Outgoing) -> Outcome:
            word = left.pop(0) if left else "yes"
            self._judge(message, word)
            return OUTCOMES[word]

        self.receiver.answer = answer
        self.do(self._send())

    async def _send(self) -> None:
        async with self.bench.sending(SETTINGS[self.mode]):
            await self.clock.quiet()

    def _judge(self, message: Outgoing, word: str) -> None:
        if word == "unsent":
            return
        if self.reached.setdefault(message.id, message.body) != message.body:
            self.otherwise.append(message)
        if word == "no" and message.id not in self.taken:
            del self.reached[message.id]
        if word == "yes":
            self.taken[message.id] = self.taken.get(message.id, 0) + 1

    @rule(minutes=st.sampled_from([1, 60 * 24]))
    def time_passes(self, minutes: int) -> None:
        self.clock.time += timedelta(minutes=minutes)

    @rule()
    def the_gateway_is_started_again(self) -> None:
        self.do(self.bench.journal.close())
        fresh = self.do(self._open())
        fresh.clock, fresh.receiver = self.clock, self.receiver
        self.bench = fresh

    @rule()
    def what_everybody_has_is_forgotten(self) -> None:
        self.do(self.bench.journal.prune(datetime.now(UTC) + timedelta(days=1)))

    # ---- what a person does

    @rule(states=st.sets(st.sampled_from([State.PARKED, State.DELIVERED]), min_size=1))
    def messages_are_replayed(self, states: set[State]) -> None:
        self.again |= {self._value(report) for report in self._listed(*states)}
        self.odd |= self.again
        self.do(self.bench.replay(*states))

    @rule(states=st.sets(st.sampled_from([State.PARKED, State.HELD, State.RETRY]), min_size=1))
    def messages_are_given_up(self, states: set[State]) -> None:
        self.do(self.bench.dismiss(*states))

    @rule()
    def what_retries_goes_now(self) -> None:
        self.do(self.bench.journal.act(lambda conn: remedies.retry(conn, self.bench.chosen(), BY)))

    @rule(data=st.data())
    def a_message_is_edited(self, data: st.DataObject) -> None:
        found = self._listed(State.PARKED, State.DELIVERED)
        if found:
            report = data.draw(st.sampled_from(found))
            self.odd.add(self._value(report))
            self.do(self.bench.edit(report, f"{self._device(report)} {self._value(report)} edited".encode()))

    @rule(report=st.integers(1, 9))
    def what_cannot_be_edited_is_refused(self, report: int) -> None:
        if report not in self._listed(State.PARKED, State.DELIVERED):
            try:
                self.do(self.bench.edit(report, b"x"))
            except ActError:
                return
            raise AssertionError

    def _listed(self, *states: State) -> list[int]:
        chosen = self.bench.chosen(*states)
        return [one.report for one in self.do(self.bench.journal.read(lambda conn: queued.listed(conn, chosen, 1000)))]

    def _read(self, sql: str, report: int) -> str:
        row = self.do(self.bench.journal.read(lambda conn: conn.execute(sql, (report,)).fetchone()))
        return str(row[0])

    def _value(self, report: int) -> str:
        return self._read("SELECT json_extract(payload, '$.observations[0].value') FROM reports WHERE id = ?", report)

    def _device(self, report: int) -> str:
        return self._read("SELECT device FROM reports WHERE id = ?", report)

    # ---- what must be so, always

    @invariant()
    def it_adds_up(self) -> None:
        lines = self.do(self.bench.lines())
        assert {line.device: line.received for line in lines} == {device: len(values) for device, values in self.kept.items()}

    @invariant()
    def an_id_has_one_content(self) -> None:
        assert self.otherwise == []

    @invariant()
    def an_accepted_message_goes_again_only_when_a_person_says_so(self) -> None:
        for body in [message.body.decode() for message in self.receiver.accepted if self.taken[message.id] > 1]:
            assert body.split()[1] in self.again

    @invariant()
    def a_device_keeps_its_order(self) -> None:
        if self.mode == "live":
            self.odd |= {value for values in self.kept.values() for value in values}
        self.odd |= {self._value(report) for report in self._listed(State.PARKED, State.HELD, State.DUE)}
        for device, values in self.kept.items():
            got = [body.split()[1] for body in self.receiver.bodies if body.startswith(device)]
            plain = [value for value in got if value not in self.odd]
            assert plain == [value for value in values if value in set(plain)]


def test_any_sequence_of_events_and_acts(opening: Callable[[Path], Awaitable[Bench]], monkeypatch: pytest.MonkeyPatch) -> None:
    """The same sequences at every run, so that a gate does not fail by luck."""
    clocks = [lambda: datetime.now(UTC)]
    machine = type("Machine", (Journey,), {"opening": staticmethod(opening), "clocks": clocks})
    monkeypatch.setattr(writer, "utc_now", lambda: clocks[-1]())  # noqa: PLW0108 - the last one changes
    bounds = settings(max_examples=50, stateful_step_count=20, deadline=None, derandomize=True, database=None)
    run_state_machine_as_test(machine, settings=settings(bounds, suppress_health_check=list(HealthCheck)))
