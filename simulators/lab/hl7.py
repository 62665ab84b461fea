"""An analyzer that speaks HL7 over MLLP: reports, or asks its host about each specimen and reports what was ordered."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from protocols.hl7v2 import ack
from protocols.hl7v2.ack import Code
from protocols.hl7v2.message import Message, parse
from protocols.hl7v2.mllp import MllpDecoder, encode
from simulators.cable import Cable
from simulators.contract import Simulation
from simulators.lab.hl7_counter import Counter
from simulators.lab.hl7_dialect import Dialect, Told
from simulators.lab.hl7_law import Law
from simulators.lab.hl7_sender import Outgoing, Sender
from simulators.scenario import Scenario

HEARTBEAT_S = 10.0
"""How often it says 02 while it has nothing else to say."""
ANSWER_S = 30.0
"""How long it waits to be told of a specimen before it asks again; real ones wait seconds to a minute."""
ASKED_MAX = 3
"""Questions for one specimen: then a person has to say what is to be done."""

_DIALECTS: Mapping[str, type[Dialect]] = {"counter": Counter, "law": Law}


@dataclass(slots=True)
class _Asking:
    """A specimen that stands at the needle: nothing else is asked until its orders are known."""

    specimen: str
    times: int = 0
    until: float = 0.0
    id: str = ""


@dataclass(slots=True)
class _Desk:
    """What waits to be asked, and what runs."""

    scanned: list[str] = field(default_factory=list)
    asking: _Asking | None = None
    running: list[tuple[float, Told]] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)


class Hl7Simulator:
    """One analyzer. `sent`, `acknowledged`, `answers` tell an oracle what to look for behind the gateway."""

    def __init__(self, scenario: Scenario, options: Mapping[str, str]) -> None:
        self._scenario = scenario
        self._dialect = _chosen(options)
        self._interval_s = float(options.get("interval_s", "30"))
        if self._interval_s <= 0:
            raise ValueError(f"interval_s: got {self._interval_s:g}, expected more than 0")
        self._count = int(options.get("count", "0"))
        self._control_every = int(options.get("control_every", "10"))
        self._query = _yes(options, "query", "no")
        self._run_s = float(options.get("run_s", "5"))
        self._heartbeat = self._dialect.heartbeat if _yes(options, "heartbeat", "yes") else b""
        self._sender = Sender(self._line, options)
        self._decoder = MllpDecoder()
        self._desk = _Desk()
        self._cable = Cable(scenario)
        self._origin: float | None = None
        self._made = self._messages = 0
        self.answers: dict[str, tuple[str, ...]] = {}
        """The tests of each specimen that it was told of; () where there is no order."""
        self.unanswered: list[str] = []
        """Specimens that it gave up asking for."""

    @property
    def sent(self) -> list[Outgoing]:
        """Results whose transmission began, in order, each once."""
        return [one for one in self._sender.sent if not one.question]

    @property
    def acknowledged(self) -> list[Outgoing]:
        """Results that the gateway has acknowledged."""
        return [one for one in self._sender.acknowledged if not one.question]

    @property
    def repeated(self) -> int:
        """Messages said again."""
        return self._sender.repeated

    @property
    def cuts(self) -> int:
        """How often the power failed."""
        return self._sender.cuts

    @property
    def idle(self) -> bool:
        """Whether there is nothing to ask, to run or to report any more."""
        desk, done = self._desk, bool(self._count) and self._made >= self._count
        return done and not (desk.scanned or desk.asking or desk.running or self._sender.waiting)

    def start(self, now: float) -> None:
        """The line came up (again); what was not acknowledged is still there."""
        if self._origin is None:
            self._origin = now
        self._decoder = MllpDecoder()
        self._sender.start(now)
        self.on_deadline(now)

    def receive(self, data: bytes, now: float) -> None:
        """Answers, and orders."""
        if self._sender.off_until is not None:
            return
        for body in self._decoder.feed(data):
            message = parse(body) if isinstance(body, bytes) else None
            if message is not None and isinstance(body, bytes):
                self._hear(message, body, now)
        self._go_on(now)

    def data_to_send(self) -> bytes:
        return self._sender.data_to_send()

    def deadline(self) -> float | None:
        """The next specimen, a run's end, the end of patience, the next heartbeat, a timer of the sender."""
        if self._sender.off_until is not None:
            return self._sender.off_until
        due = [self._next_at(), self._sender.deadline(), *(at for at, _ in self._desk.running)]
        due.append(self._desk.asking.until if self._desk.asking else None)
        due.append(self._sender.spoke_at + HEARTBEAT_S if self._heartbeat else None)
        return min((at for at in due if at is not None), default=None)

    def on_deadline(self, now: float) -> None:
        if self._sender.off_until is not None:
            if now < self._sender.off_until:
                return
            self.start(now)  # the power is back
            return
        while (at := self._next_at()) is not None and at <= now:
            self._made += 1
            self._scan(self._made)
        for run in [run for run in self._desk.running if run[0] <= now]:
            self._desk.running.remove(run)
            self._report(run[1].specimen, now, run[1])
        self._sender.on_deadline(now)
        self._go_on(now)
        if self._heartbeat and now >= self._sender.spoke_at + HEARTBEAT_S:
            self._sender.say(self._heartbeat, now)

    def _next_at(self) -> float | None:
        if self._origin is None or (self._count and self._made >= self._count):
            return None
        return self._origin + (self._made + 1) * self._interval_s

    def _scan(self, n: int) -> None:
        """The next tube. Of a control nobody asks."""
        specimen, at = f"SYN-{self._scenario.seed % 1000:03d}{n:05d}", (self._origin or 0.0) + n * self._interval_s
        control = self._control_every > 0 and n % self._control_every == 0
        if self._query and not control:
            self._desk.scanned.append(specimen)
        else:
            self._report(specimen, at, None, control=control)

    def _report(self, specimen: str, now: float, told: Told | None, *, control: bool = False) -> None:
        dice = random.Random(f"{self._scenario.seed}/{specimen}")  # noqa: S311 - a script, not a secret
        id_, at = self._next_id(), self._scenario.at(now - (self._origin or 0.0))
        body = self._dialect.result(specimen, id_, at, told, dice, control=control)
        self._sender.waiting.append(Outgoing(specimen, id_, body, control))

    def _go_on(self, now: float) -> None:
        asking = self._desk.asking
        if asking is not None and now >= asking.until:
            self._sender.drop(asking.id)
            if asking.times < ASKED_MAX:
                self._ask(asking, now)
            else:
                self.unanswered.append(asking.specimen)
                self._desk.asking = None
        if self._desk.asking is None and self._desk.scanned:
            self._desk.asking = _Asking(self._desk.scanned.pop(0))
            self._ask(self._desk.asking, now)
        self._sender.go_on(now)

    def _ask(self, asking: _Asking, now: float) -> None:
        asking.times, asking.until, asking.id = asking.times + 1, now + ANSWER_S, self._next_id()
        at = self._scenario.at(now - (self._origin or 0.0))
        body = self._dialect.question(asking.specimen, asking.id, at)
        self._sender.waiting.append(Outgoing(asking.specimen, asking.id, body, question=True))

    def _hear(self, message: Message, body: bytes, now: float) -> None:
        said, asking = ack.read(body), self._desk.asking
        mine = self._sender.heard(said, now) if said is not None else None
        if said is not None and (mine is None or asking is None or mine.message_id != asking.id):
            return  # of a result, or late
        for told in self._dialect.told(message, asking.specimen if asking else "") or ():
            self._take(told, now)
        if said is None:
            at = self._scenario.at(now - (self._origin or 0.0))
            self._sender.say(encode(ack.build(message, Code.AA, control_id=self._next_id(), time=at)), now)

    def _take(self, told: Told, now: float) -> None:
        """Run what is to be done, each order once, however often it is told."""
        self.answers[told.specimen] = told.tests
        asking = self._desk.asking
        if asking is not None and asking.specimen == told.specimen:
            self._sender.drop(asking.id)
            self._desk.asking = None
        if told.tests and not self._desk.taken.issuperset(told.numbers):
            self._desk.running.append((now + self._run_s, told))
            self._desk.taken.update(told.numbers)

    def _next_id(self) -> str:
        self._messages += 1
        return f"{self._scenario.seed}_{self._messages}"

    def _line(self, data: bytes, now: float) -> bytes:
        """The cable. Each write has a moment of its own, so that what is said again meets another fate."""
        return self._cable.carry(data, now - (self._origin or 0.0))


def _chosen(options: Mapping[str, str]) -> Dialect:
    name = options.get("dialect", "counter")
    if name not in _DIALECTS:
        raise ValueError(f"dialect: got {name!r}, expected one of {', '.join(_DIALECTS)}")
    return _DIALECTS[name]()


def _yes(options: Mapping[str, str], key: str, default: str) -> bool:
    if (said := options.get(key, default)) not in {"yes", "no"}:
        raise ValueError(f"{key}: got {said!r}, expected yes or no")
    return said == "yes"


SIMULATOR = Simulation(
    id="hl7-lab",
    link="tcp-client",
    build=Hl7Simulator,
    options_help={
        "dialect": "counter: HL7 2.3.1, ORU^R01, ORM^O01 (Mindray BC); law: IHE LAW, OUL^R22, QBP^Q11, OML^O33; default counter",
        "interval_s": "seconds between results, or specimens that are scanned; default 30",
        "count": "results or specimens after which the analyzer falls silent; default 0, never",
        "control_every": "every Nth result is a control's; default 10, 0: none",
        "heartbeat": "yes: a counter says 02 now and then, as Mindray's analyzers do; default yes",
        "query": "yes: it asks its host about each specimen, and reports what was ordered; default no",
        "run_s": "with query=yes: seconds from the answer to the result; default 5",
        "reply_s": "seconds after which it says again what nobody answered; default 15",
        "burst": "messages that it says at once without waiting for answers; default 1",
        "cut_every": "the power fails in the middle of every Nth message; default 0, never",
    },
)
