"""A blood counter that sends HL7 2.3.1 over MLLP: a message a result, kept and sent again until it is acknowledged."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from protocols.hl7v2 import ack
from protocols.hl7v2.message import field, segment
from protocols.hl7v2.mllp import MllpDecoder, encode
from simulators.contract import Simulation
from simulators.scenario import Scenario

REPLY_S = 15.0
"""How long the counter waits for an answer before it sends the same again."""
HEARTBEAT_S = 10.0
"""How often it says 02 while it has nothing else to say."""

_ANALYTES = (
    ("6690-2", "WBC", "10*3/uL", 7.2, 2.0, 2, 4.0, 10.0),
    ("789-8", "RBC", "10*6/uL", 4.7, 0.5, 2, 3.8, 5.8),
    ("718-7", "HGB", "g/dL", 13.9, 1.6, 1, 11.5, 17.5),
    ("777-3", "PLT", "10*3/uL", 240.0, 60.0, 0, 125.0, 350.0),
)


@dataclass(frozen=True, slots=True)
class Count:
    """One result: the tube, the message and its id, whether it is a control's."""

    specimen: str
    message_id: str
    body: bytes
    control: bool


class Hl7Simulator:
    """One counter. `sent` and `acknowledged` tell an oracle what to look for behind the gateway."""

    def __init__(self, scenario: Scenario, options: Mapping[str, str]) -> None:
        self._scenario = scenario
        self._interval_s = float(options.get("interval_s", "30"))
        if self._interval_s <= 0:
            raise ValueError(f"interval_s: got {self._interval_s:g}, expected more than 0")
        self._count = int(options.get("count", "0"))
        self._control_every = int(options.get("control_every", "10"))
        self._heartbeat = options.get("heartbeat", "yes") == "yes"
        self._origin: float | None = None
        self._made = self._writes = 0
        self._sent_at: float | None = None
        self._spoke_at = self._pause_until = 0.0
        self._decoder = MllpDecoder()
        self._out = bytearray()
        self.waiting: deque[Count] = deque()
        self.sent: list[Count] = []
        self.acknowledged: list[Count] = []

    def start(self, now: float) -> None:
        """The line came up (again); what was not acknowledged is still there."""
        if self._origin is None:
            self._origin = now
        self._decoder, self._sent_at, self._spoke_at = MllpDecoder(), None, now
        self._out.clear()
        self.on_deadline(now)

    def receive(self, data: bytes, now: float) -> None:
        """An answer counts only for the message it names."""
        for body in self._decoder.feed(data):
            said = ack.read(body) if isinstance(body, bytes) else None
            if said is None or self._sent_at is None or said.control_id != self.waiting[0].message_id:
                continue
            self._sent_at = None
            if said.accepted:
                self.acknowledged.append(self.waiting.popleft())
            else:
                self._pause_until = now + REPLY_S
        self._go_on(now)

    def data_to_send(self) -> bytes:
        data = bytes(self._out)
        self._out.clear()
        return data

    def deadline(self) -> float | None:
        """The next result, an answer that is overdue, the end of a pause, the next heartbeat."""
        times = (
            self._next_at(),
            None if self._sent_at is None else self._sent_at + REPLY_S,
            self._pause_until if self.waiting and self._sent_at is None else None,
            self._spoke_at + HEARTBEAT_S if self._heartbeat else None,
        )
        return min((at for at in times if at is not None), default=None)

    def on_deadline(self, now: float) -> None:
        while (at := self._next_at()) is not None and at <= now:
            self._made += 1
            self.waiting.append(self._result(self._made))
        if self._sent_at is not None and now >= self._sent_at + REPLY_S:
            self._sent_at = None
        self._go_on(now)
        if self._heartbeat and now >= self._spoke_at + HEARTBEAT_S:
            self._spoke_at = now
            self._out += b"\x02"

    def _go_on(self, now: float) -> None:
        if self._sent_at is not None or not self.waiting or now < self._pause_until:
            return
        count = self.waiting[0]
        if not self.sent or self.sent[-1] is not count:
            self.sent.append(count)
        self._sent_at = self._spoke_at = now
        self._writes += 1
        self._out += self._scenario.fault(encode(count.body), now - (self._origin or 0.0) + self._writes * 1e-4)

    def _next_at(self) -> float | None:
        if self._origin is None or (self._count and self._made >= self._count):
            return None
        return self._origin + (self._made + 1) * self._interval_s

    def _result(self, n: int) -> Count:
        dice = random.Random(f"{self._scenario.seed}/{n}")  # noqa: S311 - a script, not a secret
        control = self._control_every > 0 and n % self._control_every == 0
        specimen, id_ = f"SYN-{self._scenario.seed % 1000:03d}{n:05d}", f"{self._scenario.seed}_{n}"
        time = f"{self._scenario.at(n * self._interval_s):%Y%m%d%H%M%S}"
        processing = "Q" if control else "P"
        head = [
            "^~\\&",
            "SYN-COUNTER",
            "SYN",
            "",
            "",
            time,
            "",
            field("ORU", "R01"),
            id_,
            processing,
            "2.3.1",
            *[""] * 5,
            "UNICODE",
        ]
        lines = [segment("MSH", *head), segment("PID", "1"), segment("PV1", "1")]
        lines.append(segment("OBR", "1", "", specimen, field("01001", "Automated Count", "99MRC"), "", time, time))
        lines.append(segment("OBX", "1", "IS", field("02001", "Take Mode", "99MRC"), "", "A", "", "", "", "", "", "F"))
        for nth, (code, name, unit, middle, spread, digits, low, high) in enumerate(_ANALYTES, 2):
            value = max(0.0, dice.gauss(middle, spread))
            flag = "L" if value < low else "H" if value > high else "N"
            text, limits = f"{value:.{digits}f}", f"{low:.{digits}f}-{high:.{digits}f}"
            lines.append(segment("OBX", str(nth), "NM", field(code, name, "LN"), "", text, unit, limits, flag, "", "", "F"))
        return Count(specimen, id_, "".join(lines).encode(), control)


SIMULATOR = Simulation(
    id="hl7-lab",
    link="tcp-client",
    build=Hl7Simulator,
    options_help={
        "interval_s": "seconds between results; default 30",
        "count": "results after which the counter falls silent; default 0, never",
        "control_every": "every Nth result is a control's; default 10, 0: none",
        "heartbeat": "yes: a byte 02 now and then, as Mindray's analyzers say; default yes",
    },
)
