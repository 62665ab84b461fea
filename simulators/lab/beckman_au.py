"""An AU chemistry analyzer: results as texts in columns, kept until they are acknowledged; asks its host for each sample."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import xor

from simulators.cable import Cable
from simulators.contract import Simulation, Simulator
from simulators.scenario import Scenario

STX, ETX, ACK, NAK = 0x02, 0x03, 0x06, 0x15
REPLY_S = 2.0
"""How long the analyzer waits for an answer (T4)."""
ANSWER_S = 5.0
"""How long it waits for a sample's tests before it asks again."""
PAUSE_S = 10.0
"""After the second failure it begins again later, as an operator would."""
PANEL = (("001", 90.0, 18.0, 0), ("005", 0.9, 0.2, 2), ("097", 140.0, 3.0, 0), ("098", 4.2, 0.4, 1))
"""Online test number, middle, spread, digits behind the point."""


@dataclass(frozen=True, slots=True)
class Result:
    """One sample's text; `specimen` and `values` (test number, value) are what an oracle looks for."""

    specimen: str
    values: tuple[tuple[str, str], ...]
    text: bytes


class AuSimulator:
    """One analyzer. `sent` and `acknowledged` tell an oracle what to look for behind the gateway."""

    def __init__(self, scenario: Scenario, options: Mapping[str, str]) -> None:
        self._scenario = scenario
        self._interval_s = float(options.get("interval_s", "30"))
        if self._interval_s <= 0:
            raise ValueError(f"interval_s: got {self._interval_s:g}, expected more than 0")
        self._count = int(options.get("count", "0"))
        for key in ("check", "query"):
            if options.get(key, "no") not in {"yes", "no"}:
                raise ValueError(f"{key}: got {options[key]!r}, expected yes or no")
        self._check, self._query = options.get("check") == "yes", options.get("query") == "yes"
        self._dice = random.Random(f"au/{scenario.seed}")  # noqa: S311 - a script, not a secret
        self._cable = Cable(scenario)
        self._origin: float | None = None
        self._made = self._tries = 0
        self._to_say: deque[bytes] = deque()
        self._said: bytes | None = None
        self._timer: float | None = None
        self._in = bytearray()
        self._out = bytearray()
        self._asked: str | None = None
        self._ask_again_at = 0.0
        self.waiting: deque[Result] = deque()
        self.sent: list[Result] = []
        self.acknowledged: list[Result] = []
        self.answers: dict[str, tuple[str, ...]] = {}
        """What it was told to do, by specimen; () where the host has no order."""

    def start(self, now: float) -> None:
        """The line came up (again); what was not acknowledged is said again."""
        self._origin = now if self._origin is None else self._origin
        self._in.clear()
        self._out.clear()
        self._to_say.clear()
        self._said, self._timer, self._asked = None, None, None
        self.on_deadline(now)

    def receive(self, data: bytes, now: float) -> None:
        for code in data:
            if self._in or code == STX:
                self._in.append(code)
                self._heard(now)
            elif self._said is not None and code in (ACK, NAK):
                self._replied(code == ACK, now)
        self._go_on(now)

    def data_to_send(self) -> bytes:
        data = bytes(self._out)
        self._out.clear()
        return data

    def deadline(self) -> float | None:
        due = [self._next_at(), self._timer, self._ask_again_at if self._asked and self._said is None else None]
        return min((at for at in due if at is not None), default=None)

    def on_deadline(self, now: float) -> None:
        while (at := self._next_at()) is not None and at <= now:
            self._made += 1
            self.waiting.append(self._result(self._made))
        if self._timer is not None and now >= self._timer:
            if self._said is None:
                self._timer = None
            else:
                self._replied(good=False, now=now)
        if self._asked and self._said is None and now >= self._ask_again_at:
            self._asked = None
        self._go_on(now)

    def _next_at(self) -> float | None:
        if self._origin is None or (self._count and self._made >= self._count):
            return None
        return self._origin + (self._made + 1) * self._interval_s

    def _result(self, n: int) -> Result:
        specimen = f"SYN-{self._scenario.seed % 1000:03d}{n:05d}"
        values = tuple((test, f"{self._dice.gauss(middle, spread):.{digits}f}") for test, middle, spread, digits in PANEL)
        columns = "".join(f"{test}{value:>6}  " for test, value in values)
        return Result(specimen, values, f"D {self._place(n)}{specimen:>20}    E{columns}".encode("ascii"))

    @staticmethod
    def _place(n: int) -> str:
        return f"{(n - 1) // 10 + 1:04d}{(n - 1) % 10 + 1:02d} {n % 10000:04d}"

    def _go_on(self, now: float) -> None:
        """The next text, where nothing is under way."""
        if self._said is not None or self._timer is not None:
            return
        if not self._to_say and self.waiting:
            result = self.waiting[0]
            if self._query and result.specimen not in self.answers:
                self._ask(result, now)
            else:
                self._to_say.extend([b"DB", result.text, b"DE"])
                if not self.sent or self.sent[-1] is not result:
                    self.sent.append(result)
        if self._to_say:
            self._said, self._tries = self._to_say.popleft(), 0
            self._say(now)

    def _ask(self, result: Result, now: float) -> None:
        if self._asked is None:
            self._asked, self._ask_again_at = result.specimen, now + ANSWER_S
            self._to_say.append(b"R " + result.text[2:33])

    def _say(self, now: float) -> None:
        assert self._said is not None
        self._tries += 1
        self._timer = now + REPLY_S
        text = self._said + bytes([ETX])
        self._write(bytes([STX]) + text + (bytes([reduce(xor, text)]) if self._check else b""), now)

    def _replied(self, good: bool, now: float) -> None:  # noqa: FBT001 - yes or no is the answer
        said, self._timer = self._said, None
        if good:
            self._said = None
            if self.waiting and said == self.waiting[0].text:
                self.acknowledged.append(self.waiting.popleft())
        elif self._tries < 2:
            self._say(now)
        else:
            self._said, self._timer = None, now + PAUSE_S
            self._to_say.clear()
            self._asked = None

    def _heard(self, now: float) -> None:
        """A text of the host's, once it is whole: the tests of the sample that was asked for."""
        size = len(self._in) - (1 if self._check else 0)
        if ETX not in self._in[:size]:
            return
        raw = bytes(self._in)
        self._in.clear()
        good = not self._check or reduce(xor, raw[1:]) == 0
        self._write(bytes([ACK if good else NAK]), now)
        if good and self._asked is not None and raw[1:3] == b"S " and raw[14:34].decode("latin-1").strip() == self._asked:
            tests = raw[39 : raw.index(ETX)].decode("latin-1")
            self.answers[self._asked] = tuple(tests[at : at + 3] for at in range(0, len(tests), 3))
            self._asked = None

    def _write(self, data: bytes, now: float) -> None:
        """The cable. Each write has a moment of its own, so that a text sent again meets another fate."""
        self._out += self._cable.carry(data, now - (self._origin or 0.0))


def _build(scenario: Scenario, options: Mapping[str, str]) -> Simulator:
    return AuSimulator(scenario, options)


SIMULATOR = Simulation(
    id="beckman-au",
    link="serial",
    build=_build,
    options_help={
        "interval_s": "seconds between samples; default 30",
        "count": "samples after which the analyzer falls silent; default 0, never",
        "check": "yes: texts end with a check byte; default no",
        "query": "yes: it asks its host for each sample before it reports it; default no",
    },
)
