"""An analyzer that reports over ASTM: a result every few seconds, kept until it is acknowledged, sent again until then."""

from __future__ import annotations

from collections.abc import Mapping

from simulators.cable import Cable
from simulators.contract import Simulation, Simulator
from simulators.lab.astm_query import QueryingAnalyzer
from simulators.lab.astm_results import SHAPES, result
from simulators.lab.astm_sender import Result, Sender
from simulators.scenario import Scenario

CUT_S = 40.0
"""How long an analyzer whose power failed stays away: longer than the receiver's 30 s of patience."""


class AstmSimulator:
    """One analyzer. `sent` and `acknowledged` tell an oracle what to look for behind the gateway."""

    def __init__(self, scenario: Scenario, options: Mapping[str, str]) -> None:
        profile = options.get("profile", "generic")
        if profile not in SHAPES:
            raise ValueError(f"profile: got {profile!r}, expected one of {', '.join(SHAPES)}")
        self._scenario = scenario
        self._shape = SHAPES[profile]
        self._interval_s = float(options.get("interval_s", "30"))
        if self._interval_s <= 0:
            raise ValueError(f"interval_s: got {self._interval_s:g}, expected more than 0")
        self._count = int(options.get("count", "0"))
        self._cut_every = int(options.get("cut_every", "0"))
        self._sender = Sender(
            self._shape.split,
            self._line,
            pace=float(options.get("pace", "1")),
            one_a_session=options.get("one_a_session", "no") == "yes",
        )
        self._cable = Cable(scenario)
        self._origin: float | None = None
        self._made = 0
        self._cut_for: Result | None = None
        self._off_until: float | None = None

    @property
    def sent(self) -> list[Result]:
        """Results whose transmission began, in order, each once."""
        return self._sender.sent

    @property
    def acknowledged(self) -> list[Result]:
        """Results that the gateway has acknowledged to the last frame."""
        return self._sender.acknowledged

    @property
    def sessions(self) -> int:
        """Sessions begun (ENQ), those that failed among them."""
        return self._sender.sessions

    @property
    def waiting(self) -> tuple[Result, ...]:
        """Results that are not acknowledged yet."""
        return tuple(self._sender.waiting)

    def start(self, now: float) -> None:
        """The line came up (again); results that were not acknowledged are still there."""
        if self._origin is None:
            self._origin = now
        self._off_until = None
        self._sender.start(now)
        self.on_deadline(now)

    def receive(self, data: bytes, now: float) -> None:
        if self._off_until is None:
            self._sender.receive(data, now)
            self._maybe_cut(now)

    def data_to_send(self) -> bytes:
        return self._sender.data_to_send()

    def deadline(self) -> float | None:
        """The next result, the sender's own timers, or the end of a power cut."""
        line = self._sender.deadline() if self._off_until is None else self._off_until
        return min((at for at in (line, self._next_at()) if at is not None), default=None)

    def on_deadline(self, now: float) -> None:
        if self._off_until is not None:
            if now < self._off_until:
                self._measure(now)
                return
            self._off_until = None
            self._sender.start(now)
        self._measure(now)
        self._sender.on_deadline(now)

    def _next_at(self) -> float | None:
        if self._origin is None or (self._count and self._made >= self._count):
            return None
        return self._origin + (self._made + 1) * self._interval_s

    def _measure(self, now: float) -> None:
        """Every result that is finished by now."""
        while (at := self._next_at()) is not None and at <= now:
            self._made += 1
            finished = self._scenario.at(self._made * self._interval_s)
            self._sender.waiting.append(result(self._shape, self._made, self._scenario.seed, finished))

    def _maybe_cut(self, now: float) -> None:
        """In the middle of every `cut_every`th result, once, the power fails."""
        sent = self._sender.sent
        if not self._cut_every or not sent or len(sent) % self._cut_every or sent[-1] is self._cut_for:
            return
        if sent[-1] in self._sender.waiting and self._sender.halfway:
            self._cut_for = sent[-1]
            self._sender.break_off()
            self._off_until = now + CUT_S

    def _line(self, data: bytes, now: float) -> bytes:
        """The cable. Each write has a moment of its own, so that a frame sent again meets another fate."""
        return self._cable.carry(data, now - (self._origin or 0.0))


def _build(scenario: Scenario, options: Mapping[str, str]) -> Simulator:
    if (query := options.get("query", "no")) not in {"yes", "no"}:
        raise ValueError(f"query: got {query!r}, expected yes or no")
    if options.get("one_a_session", "no") not in {"yes", "no"}:
        raise ValueError(f"one_a_session: got {options['one_a_session']!r}, expected yes or no")
    if query == "no":
        if "contend" in options:
            raise ValueError("contend: only an analyzer with query=yes hears an ENQ of its host's")
        return AstmSimulator(scenario, options)
    if alien := {"profile", "cut_every", "one_a_session"} & set(options) - (
        {"profile"} if options.get("profile") == "generic" else set()
    ):
        raise ValueError(f"{', '.join(sorted(alien))}: an analyzer with query=yes is a generic one whose power stays on")
    return QueryingAnalyzer(scenario, options)


SIMULATOR = Simulation(
    id="astm",
    link="tcp-client",
    build=_build,
    options_help={
        "profile": f"whose records: {', '.join(SHAPES)}; default generic",
        "interval_s": "seconds between results, or specimens that are scanned; default 30",
        "count": "results or specimens after which the analyzer falls silent; default 0, never",
        "cut_every": "the power fails in the middle of every Nth result; default 0, never",
        "one_a_session": "yes: a session for every result, also when several wait; default no",
        "pace": "factor on the standard's timers (15 s for a reply, …), for a bench that cannot wait; default 1",
        "contend": "with query=yes: chance that it sends ENQ at the very moment when its host does; default 0",
        "query": "yes: it asks its host for each specimen, and reports what was ordered; default no",
        "run_s": "with query=yes: seconds from the answer to the result; default 5",
    },
)
