"""A point-of-care meter that speaks POCT1-A: greets, gives its results when asked, then as they come; keeps them until AA."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from protocols.poct1a.message import NOTHING, NotAMessage, Object, Poct1aMessage, document, leaf, parse
from protocols.poct1a.stream import Document, Splitter
from simulators.cable import Cable
from simulators.contract import Simulation
from simulators.lab.poct1a_lists import MeterLists
from simulators.lab.poct1a_results import Reading, reading
from simulators.scenario import Scenario

CUT_S = 10.0
"""How long a meter whose battery slipped takes to start again."""
_LISTS = ("OPL.R01", "OPL.R02", "PTL.R01", "PTL.R02")


class Poct1aSimulator:
    """One meter. `sent` and `acknowledged` tell an oracle what to look for behind the gateway, `lists` what to look for in it."""

    def __init__(self, scenario: Scenario, options: Mapping[str, str]) -> None:
        self._scenario = scenario
        self._interval_s, self._reply_s, self._status_s = (
            _seconds(options, key) for key in ("interval_s", "reply_s", "status_s")
        )
        self._count = int(options.get("count", "0"))
        self._control_every = int(options.get("control_every", "10"))
        self._cut_every = int(options.get("cut_every", "0"))
        self._escape_every = int(options.get("escape_every", "0"))
        self._wanted_patient = options.get("ask_patient", "")
        if (profile := options.get("profile", "continuous")) not in {"basic", "continuous"}:
            raise ValueError(f"profile: got {profile!r}, expected basic or continuous")
        self._continuous_allowed = profile == "continuous"
        self.lists = MeterLists(options)
        self.waiting: deque[Reading] = deque()
        self.sent: list[Reading] = []
        self.acknowledged: list[Reading] = []
        self.repeated = 0
        """Messages said again under the same number, for want of an answer."""
        self.answers: list[str | None] = []
        """The patients that the host named when asked, by their family name; None: it knew nobody, or would not say."""
        self._out = bytearray()
        self._cable = Cable(scenario)
        self._origin: float | None = None
        self._control_id = self._made = self._questions = self._cut_for = 0
        self._pause_until = self._said_at = 0.0
        self._off_until: float | None = None
        self._begin(0.0)

    def start(self, now: float) -> None:
        """The meter is docked (again): it says hello, whatever it was at before."""
        if self._origin is None:
            self._origin = now
        self._out.clear()
        self._greet(now)

    def receive(self, data: bytes, now: float) -> None:
        """What the host says."""
        if self._off_until is not None:
            return
        for found in self._splitter.feed(data, now):
            if isinstance(found, Document):
                try:
                    self._hear(parse(found.raw), len(found.raw), now)
                except NotAMessage:
                    continue
        self._go_on(now)

    def data_to_send(self) -> bytes:
        data = bytes(self._out)
        self._out.clear()
        return data

    def deadline(self) -> float | None:
        """The next result, an answer that is overdue, the next status, the end of a pause."""
        if self._off_until is not None:
            return self._off_until
        pause = self._pause_until if self._pause_until > self._said_at else None
        overdue = self._said_at + self._reply_s if self._unanswered else None
        status = self._said_at + self._status_s if self._status_wanted else None
        return min((at for at in (self._next_at(), overdue, status, pause) if at is not None), default=None)

    def on_deadline(self, now: float) -> None:
        self._measure(now)
        if self._off_until is not None:
            if now >= self._off_until:
                self._greet(now)
            return
        if self._unanswered and now >= self._said_at + self._reply_s:
            self.repeated += 1
            self._said_at = now
            self._write(self._unanswered, now)
            return
        if self._status_wanted and now >= self._said_at + self._status_s:
            self._greet(now) if self._ended else self._status(now)
        self._go_on(now)

    @property
    def _status_wanted(self) -> bool:
        """A meter that speaks when asked says how much waits, from time to time; if the host took its leave, from HEL on."""
        return not self._unanswered and (self._ended or (self._greeted and not self._continuous and bool(self.waiting)))

    def _begin(self, now: float) -> None:
        self._splitter = Splitter()
        self._greeted = self._continuous = self._asked = self._ended = False
        self._unanswered, self._unanswered_id, self._of = b"", "", ""
        self._said_at, self._off_until = now, None
        self.lists.begin()

    def _greet(self, now: float) -> None:
        self._begin(now)
        self._say("HEL.R01", self._hello(), now)

    # what the host says

    def _hear(self, said: Poct1aMessage, size: int, now: float) -> None:
        if said.type == "ACK.R01":
            self._answered(said.root.find("ACK") or NOTHING, now)
        elif said.type == "ESC.R01":
            self._patient_told(None)
        elif said.type == "REQ.R01":
            self._requested(said, now)
        elif said.type == "PTL.R01" and self._of == "REQ.R01":
            self._patient_told(said.root.find("PT"))
            self._reply(said.control_id, "AA", now)
        elif said.type in (*_LISTS, "EOT.R01"):
            self._reply(said.control_id, self.lists.hear(said.type, said.root, size), now)
        elif said.type in ("DTV.R01", "DTV.R02", "KPA.R01", "END.R01"):
            self._continuous |= (said.root.find("DTV") or NOTHING).value("DTV.command_cd") == "START_CONTINUOUS"
            self._reply(said.control_id, "AA", now)
            self._ended |= said.type == "END.R01"

    def _requested(self, said: Poct1aMessage, now: float) -> None:
        self._questions += 1
        if self._escape_every and self._questions % self._escape_every == 0:
            self._reply(said.control_id, "ESC", now)
        else:
            self._asked = (said.root.find("REQ") or NOTHING).value("REQ.request_cd") == "ROBS"

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
            self._pause_until = now + self._reply_s

    def _patient_told(self, patient: Object | None) -> None:
        name = (patient or NOTHING).field("PT.name")
        if self._of == "REQ.R01":
            self._unanswered, self._unanswered_id, self._of, self._wanted_patient = b"", "", "", ""
            self.answers.append(name.part("FAM") if name is not None else None)

    # what the meter says

    def _go_on(self, now: float) -> None:
        """A question; the next result where one is wanted; the end of the topic when that was the last."""
        if self._unanswered or self._ended or now < self._pause_until or not self._greeted:
            return
        if self._wanted_patient:
            self._say("REQ.R01", _request_patient(self._wanted_patient), now)
        elif self.waiting and (self._asked or self._continuous):
            self._give(self.waiting[0], now)
        elif self._asked:
            self._asked = False
            self._write(document("EOT.R01", self._next_id(), self._stamp(now), f"<EOT>{leaf('EOT.topic_cd', 'OBS')}</EOT>"), now)

    def _give(self, result: Reading, now: float) -> None:
        if not self.sent or self.sent[-1].number < result.number:
            self.sent.append(result)
        self._say(result.type, result.body, now)
        if self._cut_every and result.number % self._cut_every == 0 and result.number > self._cut_for:
            self._cut_for = result.number
            del self._out[-(len(self._unanswered) // 2) :]
            self._off_until = now + CUT_S

    def _status(self, now: float) -> None:
        body = leaf("DST.status_dttm", self._stamp(now)) + leaf("DST.new_observations_qty", str(len(self.waiting)))
        body += leaf("DST.new_events_qty", "0") + leaf("DST.condition_cd", "R") + self.lists.status()
        self._say("DST.R01", f"<DST>{body}</DST>", now)

    def _hello(self) -> str:
        who = leaf("DEV.device_id", "SYN^METER") + leaf("DEV.vendor_id", "SYN") + leaf("DEV.model_id", "Meter 1")
        who += leaf("DEV.serial_id", f"SYN-{self._scenario.seed:06d}") + leaf("DEV.sw_version", "1.0")
        directives = leaf("DSC.directives_supported_cd", "START_CONTINUOUS") if self._continuous_allowed else ""
        profile = leaf("DSC.connection_profile_cd", "CS" if self._continuous_allowed else "SA")
        can = f"{profile}{self.lists.capabilities()}{directives}"
        return f"<DEV>{who}<DCP>{leaf('DCP.application_timeout', '60')}</DCP><DSC>{can}</DSC></DEV>"

    def _reply(self, control_id: str, verdict: str, now: float) -> None:
        """ACK with a verdict, or ESC, or silence."""
        if verdict == "silence":
            return
        body = f"<ACK>{leaf('ACK.type_cd', verdict)}{leaf('ACK.ack_control_id', control_id)}</ACK>"
        if verdict == "ESC":
            body = f"<ESC>{leaf('ESC.esc_control_id', control_id)}{leaf('ESC.detail_cd', 'BSY')}</ESC>"
        self._write(document("ESC.R01" if verdict == "ESC" else "ACK.R01", self._next_id(), self._stamp(now), body), now)

    def _say(self, type_: str, body: str, now: float) -> None:
        """Something that wants an answer."""
        self._of, self._unanswered_id, self._said_at = type_, self._next_id(), now
        self._unanswered = document(type_, self._unanswered_id, self._stamp(now), body)
        self._write(self._unanswered, now)

    def _write(self, data: bytes, now: float) -> None:
        """The cable. Each write has a moment of its own, so that what is said again meets another fate."""
        self._out += self._cable.carry(data, now - (self._origin or 0.0))

    def _next_id(self) -> str:
        self._control_id += 1
        return str(self._control_id)

    def _stamp(self, now: float) -> str:
        return self._time(now - (self._origin or 0.0))

    def _time(self, t_s: float) -> str:
        return self._scenario.at(t_s).isoformat(timespec="seconds")

    # what it measures

    def _next_at(self) -> float | None:
        if self._origin is None or (self._count and self._made >= self._count):
            return None
        return self._origin + (self._made + 1) * self._interval_s

    def _measure(self, now: float) -> None:
        while (at := self._next_at()) is not None and at <= now:
            self._made += 1
            n, measured = self._made, self._time(self._made * self._interval_s)
            control = self._control_every > 0 and n % self._control_every == 0
            self.waiting.append(reading(n, self._scenario.seed, measured, control=control))


_DEFAULT_S = {"interval_s": "30", "reply_s": "30", "status_s": "60"}


def _seconds(options: Mapping[str, str], key: str) -> float:
    if (seconds := float(options.get(key, _DEFAULT_S[key]))) <= 0:
        raise ValueError(f"{key}: got {seconds:g}, expected more than 0")
    return seconds


def _request_patient(number: str) -> str:
    return f"<REQ>{leaf('REQ.request_cd', 'RPAT')}<PT>{leaf('PT.patient_id', number)}</PT></REQ>"


SIMULATOR = Simulation(
    id="poct1a",
    link="tcp-client",
    build=Poct1aSimulator,
    options_help={
        "profile": "continuous, or basic: results only when asked after a status; default continuous",
        "interval_s": "seconds between results; default 30",
        "count": "results after which the meter falls silent; default 0, never",
        "control_every": "every Nth result is a control's; default 10, 0: none",
        "reply_s": "seconds after which it says again what nobody answered, under the same number; default 30",
        "status_s": "seconds after which a meter with the basic profile speaks up again; default 60",
        "cut_every": "the power fails in the middle of every Nth result; default 0, never",
        "escape_every": "it escapes (ESC) every Nth question; default 0, never",
        "lists": "no; complete: it takes lists of operators and patients; incremental: also their changes; default no",
        "max_message_sz": "bytes of a message of ours that it takes, which it says in HEL; default 0, any",
        "refuse": "how it refuses lists: AE, AR, ESC, silence; default: not at all",
        "ask_patient": "a patient's number that it asks its host about (RPAT), once; default none",
    },
)
