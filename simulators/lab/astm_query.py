"""An analyzer that asks its host what to do: scans a specimen, sends a Q record, runs what the answer orders, reports it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

from protocols.astm.frames import ENQ
from protocols.astm.link import Receiver
from protocols.astm.profile import LinkProfile
from protocols.astm.records import AstmMessage, Field, encode
from protocols.sansio import Fragment, Message
from simulators.cable import Cable
from simulators.lab.astm_sender import Result, Sender, by_size
from simulators.scenario import Scenario

ANSWER_S = 30.0
"""How long it waits for an answer before it asks again; real ones wait seconds to a minute."""
ASKED_MAX = 3
"""Questions for one specimen: then a person has to say what is to be done."""


class QueryingAnalyzer:
    """One analyzer. `answers` tells an oracle what it understood: the tests of a specimen; () where the host has no order."""

    def __init__(self, scenario: Scenario, options: Mapping[str, str]) -> None:
        self._scenario = scenario
        self._interval_s = float(options.get("interval_s", "30"))
        self._run_s = float(options.get("run_s", "5"))
        if self._interval_s <= 0:
            raise ValueError(f"interval_s: got {self._interval_s:g}, expected more than 0")
        self._count = int(options.get("count", "0"))
        self._contend = float(options.get("contend", "0"))
        self._sender = Sender(by_size, self._line, pace=float(options.get("pace", "1")))
        self._receiver = Receiver(LinkProfile(mode="framed"))
        self._dice = random.Random(f"query/{scenario.seed}")  # noqa: S311 - a script, not a secret
        self._out = bytearray()
        self._cable = Cable(scenario)
        self._origin: float | None = None
        self._scanned = self._messages = 0
        self._to_ask: list[str] = []
        self._question: Result | None = None
        self._asked = 0
        self._ask_again_at = 0.0
        self._running: list[tuple[float, str, tuple[str, ...]]] = []
        self.answers: dict[str, tuple[str, ...]] = {}
        self.contentions = 0
        self.unanswered: list[str] = []
        """Specimens that it gave up asking for."""

    @property
    def sent(self) -> list[Result]:
        """Results whose transmission began, in order, each once."""
        return [result for result in self._sender.sent if b"\rQ|" not in result.text]

    @property
    def acknowledged(self) -> list[Result]:
        """Results that the gateway has acknowledged to the last frame."""
        return [result for result in self._sender.acknowledged if b"\rQ|" not in result.text]

    @property
    def idle(self) -> bool:
        """Whether it has nothing to ask, to run or to report any more."""
        done = self._count and self._scanned >= self._count
        return bool(done) and not (self._to_ask or self._question or self._running or self._sender.waiting)

    def start(self, now: float) -> None:
        """The line came up (again)."""
        if self._origin is None:
            self._origin = now
        self._out.clear()
        self._sender.start(now)
        self._receiver.start(now)
        self.on_deadline(now)

    def receive(self, data: bytes, now: float) -> None:
        """The host's replies while we send, else its messages."""
        at = 0
        while at < len(data):
            if self._sender.active:
                self._sender.receive(data[at : at + 1], now)
                at += 1
            elif data[at] == ENQ and self._running and self._dice.random() < self._contend:
                self._collide(now)
                at += 1
            else:
                self._hear(self._receiver.receive(data[at:], now), now)
                at = len(data)
            self._collect(now)

    def _collide(self, now: float) -> None:
        """A run is finished at the very moment when the host wants the line."""
        self.contentions += 1
        _, specimen, tests = self._running.pop(0)
        self._sender.waiting.append(Result(specimen, self._results(specimen, tests)))
        self._sender.collide(now)

    def data_to_send(self) -> bytes:
        data = bytes(self._out)
        self._out.clear()
        return data

    def deadline(self) -> float | None:
        """The next specimen, a run's end, the end of patience, or a timer of the line."""
        due = [self._receiver.deadline(), self._next_at(), *(at for at, _, _ in self._running)]
        due.append(self._ask_again_at if self._waits else None)
        if self._sender.active or self._receiver.idle:
            due.append(self._sender.deadline())
        return min((at for at in due if at is not None), default=None)

    def on_deadline(self, now: float) -> None:
        while (at := self._next_at()) is not None and at <= now:
            self._scanned += 1
            self._to_ask.append(f"SYN-{self._scenario.seed % 1000:03d}{self._scanned:05d}")
        for run in [run for run in self._running if run[0] <= now]:
            self._running.remove(run)
            self._sender.waiting.append(Result(run[1], self._results(run[1], run[2])))
        self._hear(self._receiver.on_deadline(now), now)
        self._wonder(now)
        if self._sender.active or self._receiver.idle:
            self._sender.on_deadline(now)
        self._collect(now)

    @property
    def _waits(self) -> bool:
        """Whether a question was brought over and its answer is due."""
        return self._question is not None and self._question not in self._sender.waiting

    def _next_at(self) -> float | None:
        if self._origin is None or (self._count and self._scanned >= self._count):
            return None
        return self._origin + (self._scanned + 1) * self._interval_s

    def _wonder(self, now: float) -> None:
        """One question at a time; asked again when no answer comes."""
        if self._waits and now >= self._ask_again_at:
            assert self._question is not None
            if self._asked >= ASKED_MAX:
                self.unanswered.append(self._question.specimen)
                self._question = None
            else:
                self._ask(self._question.specimen, now)
        if self._question is None and self._to_ask:
            self._asked = 0
            self._ask(self._to_ask.pop(0), now)

    def _ask(self, specimen: str, now: float) -> None:
        self._asked += 1
        self._ask_again_at = now + ANSWER_S
        query: list[Field] = ["Q", "1", ("", specimen), "", "ALL", *[""] * 7, "O"]
        self._question = Result(specimen, encode([self._head(), query, ["L", "1", "N"]]))
        self._sender.waiting.append(self._question)

    def _hear(self, events: object, now: float) -> None:
        for event in events:  # type: ignore[attr-defined]
            if isinstance(event, Message):
                self._answered(event.body, now)
            if isinstance(event, Message | Fragment) and event.token is not None:
                self._receiver.confirm(event.token)

    def _answered(self, message: AstmMessage, now: float) -> None:
        ordered = dict(_orders(message))
        ends = next((record.component(3, 1) for record in message.records if record.type == "L"), "")
        if self._question is not None and self._waits and ends == "I" and not ordered:  # before, it is the last question's
            ordered = {self._question.specimen: ()}
        for specimen, tests in ordered.items():
            self.answers[specimen] = tests
            if tests:
                self._running.append((now + self._run_s, specimen, tests))
        if self._question is not None and self._question.specimen in ordered:
            self._question = None

    def _head(self) -> list[Field]:
        self._messages += 1
        return ["H", "", str(self._messages), "", ("wardlink simulator", "1"), *[""] * 6, "P", "LIS2-A2"]

    def _results(self, specimen: str, tests: tuple[str, ...]) -> bytes:
        rows: list[list[Field]] = [
            ["R", str(n), ("", "", "", test), f"{self._dice.uniform(1, 100):.1f}", "", "", "N", "", "F"]
            for n, test in enumerate(tests, 1)
        ]
        ordered: list[tuple[str, ...]] = [("", "", "", test) for test in tests]
        request: list[Field] = ["O", "1", specimen, "", ordered, "R", *[""] * 5, "N", *[""] * 13, "F"]
        return encode([self._head(), ["P", "1"], request, *rows, ["L", "1", "N"]])

    def _collect(self, now: float) -> None:
        self._out += self._sender.data_to_send()
        if replies := self._receiver.data_to_send():
            self._out += self._line(replies, now)

    def _line(self, data: bytes, now: float) -> bytes:
        """The cable. Each write has a moment of its own, so that a frame sent again meets another fate."""
        return self._cable.carry(data, now - (self._origin or 0.0))


def _orders(message: AstmMessage) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Specimen and tests of every O record that orders something."""
    for record in message.records:
        if record.type == "O" and record.component(12, 1) != "C":
            tests = (record.component(5, 4, n) for n in range(record.repeats(5)))
            yield record.component(3, 1), tuple(filter(None, tests))
