"""A mini VIDAS: immunoassay results over its maker's protocol, a session each, kept until they are acknowledged."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from simulators.cable import Cable
from simulators.contract import Simulation, Simulator
from simulators.scenario import Scenario

ENQ, STX, ETX, EOT, ACK, NAK, RS, GS = 0x05, 0x02, 0x03, 0x04, 0x06, 0x15, 0x1E, 0x1D
REPLY_S = 10.0
"""How long it waits for an answer before it says the same again."""
TRIES = 6
"""Refusals after which it ends the session and begins anew."""
PAUSE_S = 10.0
KITS = (("TSH", "TSH", "µUI/ml", 1.8, 0.9), ("FER", "Ferritin", "ng/ml", 95.0, 40.0), ("TXG", "TOXO IgG II", "UI/ml", 12.0, 9.0))
"""Code, name, unit, middle and spread of its values."""


@dataclass(frozen=True, slots=True)
class Result:
    """One result: what an oracle looks for, and the message's bytes without STX and ETX."""

    specimen: str
    code: str
    value: str
    text: bytes


class VidasSimulator:
    """One instrument. `sent` and `acknowledged` tell an oracle what to look for behind the gateway."""

    def __init__(self, scenario: Scenario, options: Mapping[str, str]) -> None:
        self._scenario = scenario
        self._interval_s = float(options.get("interval_s", "30"))
        if self._interval_s <= 0:
            raise ValueError(f"interval_s: got {self._interval_s:g}, expected more than 0")
        self._count = int(options.get("count", "0"))
        self._dice = random.Random(f"vidas/{scenario.seed}")  # noqa: S311 - a script, not a secret
        self._cable = Cable(scenario)
        self._origin: float | None = None
        self._made = self._tries = 0
        self._out = bytearray()
        self._said = b""
        self._timer: float | None = None
        self.waiting: deque[Result] = deque()
        self.sent: list[Result] = []
        self.acknowledged: list[Result] = []

    def start(self, now: float) -> None:
        """The line came up (again); what was not acknowledged is said again."""
        self._origin = now if self._origin is None else self._origin
        self._out.clear()
        self._said, self._timer = b"", None
        self.on_deadline(now)

    def receive(self, data: bytes, now: float) -> None:
        for code in data:
            if self._said and code in (ACK, NAK):
                self._replied(now, good=code == ACK)

    def data_to_send(self) -> bytes:
        data = bytes(self._out)
        self._out.clear()
        return data

    def deadline(self) -> float | None:
        return min((at for at in (self._next_at(), self._timer) if at is not None), default=None)

    def on_deadline(self, now: float) -> None:
        while (at := self._next_at()) is not None and at <= now:
            self._made += 1
            self.waiting.append(self._result(self._made))
        if self._timer is not None and now >= self._timer:
            self._timer = None
            if self._said:
                self._replied(now, good=False)
        if not self._said and self._timer is None and self.waiting:
            self._tries = 0
            self._say(bytes([ENQ]), now)

    def _next_at(self) -> float | None:
        if self._origin is None or (self._count and self._made >= self._count):
            return None
        return self._origin + (self._made + 1) * self._interval_s

    def _result(self, n: int) -> Result:
        code, name, unit, middle, spread = KITS[n % len(KITS)]
        specimen = f"SYN-{self._scenario.seed % 1000:03d}{n:05d}"
        value = f"{abs(self._dice.gauss(middle, spread)):.2f}"
        when = self._scenario.at(n * self._interval_s)
        fields = ("mtrsl", "pi", "pn", "si", f"ci{specimen}", f"rt{code}", f"rn{name}", f"tt{when:%H:%M}", f"td{when:%m/%d/%y}")
        summed = b"".join(bytes([RS]) + f"{one}|".encode() for one in (*fields, "ql", f"qn{value} {unit}", "qd1")) + bytes([GS])
        return Result(specimen, code, value, summed + f"{sum(summed) & 0xFF:02x}".encode())

    def _say(self, said: bytes, now: float) -> None:
        self._said, self._timer = said, now + REPLY_S
        self._tries += 1
        self._write(said, now)

    def _replied(self, now: float, *, good: bool) -> None:
        enquiry = self._said == bytes([ENQ])
        if not good and self._tries < TRIES:
            self._say(self._said, now)
        elif not good:
            self._write(bytes([EOT]), now)
            self._said, self._timer = b"", now + PAUSE_S
        elif enquiry:
            result = self.waiting[0]
            if not self.sent or self.sent[-1] is not result:
                self.sent.append(result)
            self._tries = 0
            self._say(bytes([STX]) + result.text + bytes([ETX]), now)
        else:
            self.acknowledged.append(self.waiting.popleft())
            self._write(bytes([EOT]), now)
            self._said, self._timer = b"", None
            self.on_deadline(now)

    def _write(self, data: bytes, now: float) -> None:
        """The cable. Each write has a moment of its own, so that a message sent again meets another fate."""
        self._out += self._cable.carry(data, now - (self._origin or 0.0))


def _build(scenario: Scenario, options: Mapping[str, str]) -> Simulator:
    return VidasSimulator(scenario, options)


SIMULATOR = Simulation(
    id="vidas",
    link="serial",
    build=_build,
    options_help={
        "interval_s": "seconds between results; default 30",
        "count": "results after which the instrument falls silent; default 0, never",
    },
)
