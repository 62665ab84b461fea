"""An analyzer's outgoing messages over MLLP: kept and sent again until they are acknowledged, across power cuts too."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from protocols.hl7v2.ack import Ack
from protocols.hl7v2.mllp import encode

REPLY_S = 15.0
"""How long an analyzer waits for an answer before it sends the same again; makers' manuals have 10 to 60 s."""
CUT_S = 20.0
"""How long it takes to come back after its power failed."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message: a result of a specimen, of a control's where `control` says so, or a question about a specimen."""

    specimen: str
    message_id: str
    body: bytes
    control: bool = False
    question: bool = False


class Sender:
    """Sends `waiting` in order. `line` is the cable: what becomes of bytes that are written at a time."""

    def __init__(self, line: Callable[[bytes, float], bytes], options: Mapping[str, str]) -> None:
        self._line = line
        self._reply_s = float(options.get("reply_s", REPLY_S))
        self._burst = int(options.get("burst", "1"))
        self._cut_every = int(options.get("cut_every", "0"))
        if self._reply_s <= 0 or self._burst < 1:
            raise ValueError(f"reply_s, burst: got {self._reply_s:g}, {self._burst}, expected more than 0")
        self._out = bytearray()
        self._flying: dict[str, float] = {}
        self._pause_until = 0.0
        self._known: set[str] = set()
        self.spoke_at = 0.0
        self.off_until: float | None = None
        self.waiting: deque[Outgoing] = deque()
        self.sent: list[Outgoing] = []
        """Messages whose transmission began, in order, each once."""
        self.acknowledged: list[Outgoing] = []
        self.repeated = self.cuts = 0

    def start(self, now: float) -> None:
        """The line or the power came back: what was not acknowledged is still there."""
        self._out.clear()
        self._flying.clear()
        self.off_until, self.spoke_at, self._pause_until = None, now, 0.0

    def heard(self, said: Ack, now: float) -> Outgoing | None:
        """The message that is answered and was under way. A question is answered by whatever names it."""
        if said.control_id not in self._flying:
            return None
        del self._flying[said.control_id]
        done = next(one for one in self.waiting if one.message_id == said.control_id)
        if not said.accepted and not done.question:
            self._pause_until = now + self._reply_s
            return None
        self.waiting.remove(done)
        self.acknowledged.append(done)
        return done

    def drop(self, message_id: str) -> None:
        """It need not be said any more."""
        self._flying.pop(message_id, None)
        self.waiting = deque(one for one in self.waiting if one.message_id != message_id)

    def say(self, data: bytes, now: float) -> None:
        """Write what nobody acknowledges."""
        self.spoke_at = now
        self._out += self._line(data, now)

    def data_to_send(self) -> bytes:
        data = bytes(self._out)
        self._out.clear()
        return data

    def deadline(self) -> float | None:
        """The end of a pause, an answer that is overdue, the power's return."""
        if self.off_until is not None:
            return self.off_until
        free = self.waiting and len(self._flying) < min(self._burst, len(self.waiting))
        return min([at + self._reply_s for at in self._flying.values()] + ([self._pause_until] if free else []), default=None)

    def on_deadline(self, now: float) -> None:
        self._flying = {id_: at for id_, at in self._flying.items() if now < at + self._reply_s}
        self.go_on(now)

    def go_on(self, now: float) -> None:
        """Whatever may go now, in one write."""
        if self.off_until is not None or now < self._pause_until:
            return
        ready = [one for one in self.waiting if one.message_id not in self._flying][: max(0, self._burst - len(self._flying))]
        for one in ready:
            self._flying[one.message_id] = now
        if ready:
            self.say(self._cut(ready, b"".join(encode(one.body) for one in ready), now), now)

    def _cut(self, ready: list[Outgoing], data: bytes, now: float) -> bytes:
        """In the middle of every `cut_every`th message, when it is said for the first time, the power fails."""
        fresh = [one for one in ready if one.message_id not in self._known]
        before = len(self.sent)
        self.repeated += len(ready) - len(fresh)
        self.sent += fresh
        self._known |= {one.message_id for one in fresh}
        if not self._cut_every or before // self._cut_every == len(self.sent) // self._cut_every:
            return data
        self.cuts += 1
        self.off_until = now + CUT_S
        return data[: len(data) - len(encode(ready[-1].body)) // 2]
