"""A point-of-care meter that speaks POCT1-A: greets, gives its results when asked, then as they come; keeps them until AA."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from protocols.poct1a.message import NOTHING, NotAMessage, Object, document, leaf, parse
from protocols.poct1a.stream import Document, Splitter
from simulators.contract import Simulation
from simulators.scenario import Scenario

REPLY_S = 30.0
"""How long the meter waits for an acknowledgement before it says the same again."""
STATUS_S = 60.0
"""How often a meter without the continuous profile says how many results wait."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One glucose result: its number, the OBS.R01 body, whether it is a control's."""

    number: int
    value: str
    body: str
    control: bool


class Poct1aSimulator:
    """One meter. `sent` and `acknowledged` tell an oracle what to look for behind the gateway."""

    def __init__(self, scenario: Scenario, options: Mapping[str, str]) -> None:
        self._scenario = scenario
        self._interval_s = float(options.get("interval_s", "30"))
        if self._interval_s <= 0:
            raise ValueError(f"interval_s: got {self._interval_s:g}, expected more than 0")
        self._count = int(options.get("count", "0"))
        self._control_every = int(options.get("control_every", "10"))
        self._continuous_allowed = options.get("profile", "continuous") == "continuous"
        self._splitter = Splitter()
        self._out = bytearray()
        self._origin: float | None = None
        self._control_id = self._made = self._writes = 0
        self._said_at = self._pause_until = 0.0
        self.waiting: deque[Reading] = deque()
        self.sent: list[Reading] = []
        self.acknowledged: list[Reading] = []
        self._begin(0.0)

    def start(self, now: float) -> None:
        """The meter is docked (again): it says hello, whatever it was at before."""
        if self._origin is None:
            self._origin = now
        self._begin(now)
        self._say("HEL.R01", self._hello(), now)

    def receive(self, data: bytes, now: float) -> None:
        """What the host says."""
        for found in self._splitter.feed(data, now):
            if isinstance(found, Document):
                try:
                    said = parse(found.raw)
                except NotAMessage:
                    continue
                self._hear(said.type, said.control_id, said.root, now)
        self._go_on(now)

    def data_to_send(self) -> bytes:
        data = bytes(self._out)
        self._out.clear()
        return data

    def deadline(self) -> float | None:
        """The next result, an answer that is overdue, the next status."""
        status = self._said_at + STATUS_S if self._greeted and not self._continuous and self.waiting else None
        pause = self._pause_until if self._pause_until > self._said_at else None
        times = (self._next_at(), self._said_at + REPLY_S if self._unanswered else None, status, pause)
        return min((at for at in times if at is not None), default=None)

    def on_deadline(self, now: float) -> None:
        self._measure(now)
        if self._unanswered and now >= self._said_at + REPLY_S:
            self._said_at = now
            self._write(self._unanswered, now)
            return
        if self._greeted and not self._continuous and not self._busy and now >= self._said_at + STATUS_S:
            self._status(now)
        self._go_on(now)

    def _begin(self, now: float) -> None:
        self._splitter = Splitter()
        self._out.clear()
        self._greeted = self._continuous = self._asked = False
        self._unanswered, self._unanswered_id, self._of = b"", "", ""
        self._said_at = now

    @property
    def _busy(self) -> bool:
        return bool(self._unanswered)

    def _hear(self, type_: str, control_id: str, root: Object, now: float) -> None:
        if type_ == "ACK.R01":
            self._answered(root.find("ACK") or NOTHING, now)
        elif type_ == "REQ.R01":
            self._asked = (root.find("REQ") or NOTHING).value("REQ.request_cd") == "ROBS"
        elif type_ in ("DTV.R01", "DTV.R02", "KPA.R01", "END.R01"):
            self._continuous |= (root.find("DTV") or NOTHING).value("DTV.command_cd") == "START_CONTINUOUS"
            self._write(document("ACK.R01", self._next_id(), self._stamp(now), _ack(control_id)), now)

    def _answered(self, ack: Object, now: float) -> None:
        if ack.value("ACK.ack_control_id") != self._unanswered_id:
            return
        of, self._unanswered, self._unanswered_id, self._of = self._of, b"", "", ""
        if of == "HEL.R01":
            self._status(now)
        elif of == "DST.R01":
            self._greeted = True
        elif of.startswith("OBS.") and ack.value("ACK.type_cd") == "AA":
            self.acknowledged.append(self.waiting.popleft())
        elif of.startswith("OBS."):
            self._pause_until = now + REPLY_S

    def _go_on(self, now: float) -> None:
        """The next result where one is wanted; the end of the topic when that was the last."""
        if self._busy or now < self._pause_until or not self._greeted or not (self._asked or self._continuous):
            return
        if self.waiting:
            reading = self.waiting[0]
            if not self.sent or self.sent[-1].number < reading.number:
                self.sent.append(reading)
            self._say("OBS.R02" if reading.control else "OBS.R01", reading.body, now)
        elif self._asked:
            self._asked = False
            self._write(document("EOT.R01", self._next_id(), self._stamp(now), f"<EOT>{leaf('EOT.topic_cd', 'OBS')}</EOT>"), now)

    def _status(self, now: float) -> None:
        body = leaf("DST.status_dttm", self._stamp(now)) + leaf("DST.new_observations_qty", str(len(self.waiting)))
        self._say("DST.R01", f"<DST>{body}{leaf('DST.new_events_qty', '0')}{leaf('DST.condition_cd', 'R')}</DST>", now)

    def _hello(self) -> str:
        who = leaf("DEV.device_id", "SYN^METER") + leaf("DEV.vendor_id", "SYN") + leaf("DEV.model_id", "Meter 1")
        who += leaf("DEV.serial_id", f"SYN-{self._scenario.seed:06d}") + leaf("DEV.sw_version", "1.0")
        directives = leaf("DSC.directives_supported_cd", "START_CONTINUOUS") if self._continuous_allowed else ""
        profile = leaf("DSC.connection_profile_cd", "CS" if self._continuous_allowed else "SA")
        return f"<DEV>{who}<DCP>{leaf('DCP.application_timeout', '60')}</DCP><DSC>{profile}{directives}</DSC></DEV>"

    def _say(self, type_: str, body: str, now: float) -> None:
        """Something that wants an answer."""
        self._of, self._unanswered_id, self._said_at = type_, self._next_id(), now
        self._unanswered = document(type_, self._unanswered_id, self._stamp(now), body)
        self._write(self._unanswered, now)

    def _write(self, data: bytes, now: float) -> None:
        """The cable. Each write has a moment of its own, so that what is said again meets another fate."""
        self._writes += 1
        self._out += self._scenario.fault(data, now - (self._origin or 0.0) + self._writes * 1e-4)

    def _next_id(self) -> str:
        self._control_id += 1
        return str(self._control_id)

    def _stamp(self, now: float) -> str:
        return self._time(now - (self._origin or 0.0))

    def _time(self, t_s: float) -> str:
        at: datetime = self._scenario.at(t_s)
        return at.isoformat(timespec="seconds")

    def _next_at(self) -> float | None:
        if self._origin is None or (self._count and self._made >= self._count):
            return None
        return self._origin + (self._made + 1) * self._interval_s

    def _measure(self, now: float) -> None:
        while (at := self._next_at()) is not None and at <= now:
            self._made += 1
            self.waiting.append(self._reading(self._made))

    def _reading(self, n: int) -> Reading:
        dice = random.Random(f"{self._scenario.seed}/{n}")  # noqa: S311 - a script, not a secret
        control = self._control_every > 0 and n % self._control_every == 0
        value = f"{dice.gauss(5.6, 1.1):.1f}"
        measured = self._time(n * self._interval_s)
        obs = leaf("OBS.observation_id", "GLU") + f'<OBS.value V="{value}" U="mmol/L"/>' + leaf("OBS.method_cd", "M")
        about = leaf("PT.patient_id", f"SYN-P{dice.randrange(1, 40):03d}") if not control else leaf("CTC.lot_number", "SYN-LOT")
        inner = f"{about}<OBS>{obs}</OBS>"
        body = leaf("SVC.role_cd", "LQC" if control else "OBS") + leaf("SVC.observation_dttm", measured)
        order = f"<ORD>{leaf('ORD.order_id', f'SYN-{n:06d}')}</ORD>"
        body += (
            f"<CTC>{inner}</CTC>" if control else f"<PT>{inner}</PT>{order}"
        ) + f"<OPR>{leaf('OPR.operator_id', 'SYN-OP')}</OPR>"
        return Reading(n, value, f"<SVC>{body}</SVC>", control)


def _ack(control_id: str) -> str:
    return f"<ACK>{leaf('ACK.type_cd', 'AA')}{leaf('ACK.ack_control_id', control_id)}</ACK>"


SIMULATOR = Simulation(
    id="poct1a",
    link="tcp-client",
    build=Poct1aSimulator,
    options_help={
        "profile": "continuous, or basic: results only when asked after a status; default continuous",
        "interval_s": "seconds between results; default 30",
        "count": "results after which the meter falls silent; default 0, never",
        "control_every": "every Nth result is a control's; default 10, 0: none",
    },
)
