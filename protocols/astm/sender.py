"""The sender of ASTM E1381-95 = LIS01-A2 in the computer's role: one message after another, whenever the analyzer lets us.

    neutral ──ENQ──▶ enquired ──ACK──▶ transfer ──frame / ACK──▶ transfer ──last ACK: EOT──▶ neutral
                        │ ENQ: contention, the instrument has priority: we wait for it to send (20 s), then begin again
                        │ NAK: busy, again after 10 s                     │ EOT: it wants the line: EOT, all of it later
                        └ nothing for 15 s: EOT, again after 10 s         └ anything else: the frame again, six times, then EOT

A message that was broken off is sent again as a whole, for the analyzer discards what it has of it (§6.5.1.1). One that could
not be brought over in three sessions or within `patience_s` is given up: what an analyzer asked for is of no use a minute later.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto

from protocols.astm.frames import ACK, ENQ, EOT, NAK, STX, frame
from protocols.astm.profile import SendProfile
from protocols.sansio import Note, Sent, Unsent

REPLY_S = 15.0
"""How long a reply to ENQ (§6.2.6) or to a frame (§6.5.2.3) may take."""
BUSY_S = 10.0
"""The pause after a NAK to ENQ (§6.2.4), and before a message that was broken off is sent again."""
CONTENTION_S = 20.0
"""How long the computer waits for the instrument that wanted the line too (§6.2.7.1)."""
INTERRUPT_S = 15.0
"""How long the line is left to a receiver that asked for it by EOT (§6.3.6.1)."""
TRIES = 6
"""Refusals of one frame after which the message is broken off (§6.5.1.2)."""
SESSIONS = 3
"""Sessions that may be refused or go unanswered: about what fits into the patience; contention costs none."""
QUEUE_MAX = 16
"""Messages that wait: an analyzer has one question open and is sent one worklist at a time."""

Told = Note | Sent | Unsent


class State(Enum):
    """Where the conversation stands; what waits for its time is NEUTRAL."""

    NEUTRAL = auto()
    ENQUIRED = auto()
    TRANSFER = auto()


@dataclass(slots=True)
class _Job:
    token: int
    text: bytes
    bare: bool
    until: float
    sessions: int = 0


def cut(text: bytes, profile: SendProfile) -> list[tuple[bytes, bool]]:
    """A message as frame texts, each with whether ETX ends it."""
    if profile.frames == "size":
        starts = range(0, len(text), profile.frame_text)
        return [(text[at : at + profile.frame_text], at + profile.frame_text >= len(text)) for at in starts]
    records = [record + b"\r" for record in text.split(b"\r") if record]
    cuts: list[tuple[bytes, bool]] = []
    for n, record in enumerate(records, 1):
        parts = [record[at : at + profile.frame_text] for at in range(0, len(record), profile.frame_text)]
        ends = n == len(records) or profile.frames == "record-etx"
        cuts += [(part, ends and part is parts[-1]) for part in parts]
    return cuts


class Sender:
    """What the computer has to say on one line. `receive` takes bytes only while `active`: they are replies then."""

    _frames: list[tuple[bytes, bool]]
    _at: int
    _tries: int
    _state: State
    _timer: float
    _yielded: bool
    """The line was left to the analyzer, which has not spoken since."""

    def __init__(self, profile: SendProfile, *, records_may_come: bool = True) -> None:
        """`records_may_come`: an H in reply to our ENQ is a message without frames that has begun."""
        self._profile = profile
        self._records_may_come = records_may_come
        self._jobs: deque[_Job] = deque()
        self._tokens = 0
        self._out = bytearray()
        self._told: list[Told] = []
        self._rest(0.0)

    @property
    def active(self) -> bool:
        """Whether a session of ours is under way: what comes in is a reply to it."""
        return self._state is not State.NEUTRAL

    @property
    def waiting(self) -> bool:
        """Whether there is something to send."""
        return bool(self._jobs)

    def start(self, now: float) -> None:
        """The link came up (again): a message that was under way is sent again as a whole."""
        self._out.clear()
        self._rest(now)

    def send(self, text: bytes, now: float, *, bare: bool) -> int:
        """Queue a message, `bare` without frames; its token."""
        self._tokens += 1
        if len(self._jobs) >= QUEUE_MAX:
            self._told.append(Unsent(self._tokens, "too much to send"))
        else:
            self._jobs.append(_Job(self._tokens, text, bare, now + self._profile.patience_s))
        return self._tokens

    def withdraw(self, token: int) -> bool:
        """Forget a message that is not on its way yet; whether there was one."""
        before = len(self._jobs)
        self._jobs = deque(job for n, job in enumerate(self._jobs) if job.token != token or (n == 0 and self.active))
        return len(self._jobs) < before

    def data_to_send(self) -> bytes:
        data = bytes(self._out)
        self._out.clear()
        return data

    def told(self) -> list[Told]:
        """What became of messages since the last call."""
        told, self._told = self._told, []
        return told

    def deadline(self, *, idle: bool) -> float | None:
        """When `on_deadline` wants to be called; `idle`: the analyzer sends nothing, so that we may begin."""
        if self.active:
            return self._timer
        if not self._jobs:
            return None
        until = self._jobs[0].until
        return min(until, self._timer) if idle else until

    def on_deadline(self, now: float, *, idle: bool) -> None:
        """Time has passed: begin, or give up waiting for a reply."""
        if self.active:
            if now >= self._timer:
                self._told.append(Note("no reply"))
                self._break_off(now, BUSY_S)
            return
        while self._jobs and now >= self._jobs[0].until:
            self._give_up("too late")
        if self._jobs and idle and now >= self._timer:
            self._begin(now)

    def free(self, now: float) -> None:
        """The analyzer has finished a session of its own: what it had priority for is done."""
        if not self.active and self._yielded:
            self._yielded = False
            self._timer = now

    def receive(self, code: int, now: float) -> bool:
        """A byte while `active`; False when it is no reply but the analyzer's own transmission, and we have yielded to it."""
        if self._state is State.ENQUIRED:
            return self._answered(code, now)
        self._replied(code, now)
        return True

    def _begin(self, now: float) -> None:
        job = self._jobs[0]
        if job.bare:
            self._out += job.text
            self._done(now)
            return
        self._frames = cut(job.text, self._profile)
        self._at = self._tries = 0
        self._yielded = False
        self._out.append(ENQ)
        self._enter(State.ENQUIRED, now + REPLY_S)

    def _answered(self, code: int, now: float) -> bool:
        """The reply to ENQ: anything but ACK, NAK and ENQ is ignored (§6.2.5), but for a transmission that has begun."""
        if code == ACK:
            self._send_frame(now)
        elif code == NAK:
            self._told.append(Note("busy"))
            self._failed(now, BUSY_S)
        elif code == ENQ:
            self._told.append(Note("contention"))
            self._yield(now)
        elif code == STX or (code == ord("H") and self._records_may_come):
            self._told.append(Note("contention"))
            self._yield(now)
            return False
        return True

    def _replied(self, code: int, now: float) -> None:
        if code == ACK or (code == EOT and self._at + 1 == len(self._frames)):
            self._accepted(now, INTERRUPT_S if code == EOT else 0.0)
        elif code == EOT:
            self._told.append(Note("receiver interrupt"))
            self._out.append(EOT)
            self._yield(now, INTERRUPT_S)
        else:
            self._tries += 1
            if self._tries < TRIES:
                self._send_frame(now)
            else:
                self._told.append(Note("frame refused"))
                self._break_off(now, BUSY_S)

    def _accepted(self, now: float, pause_s: float) -> None:
        self._at += 1
        self._tries = 0
        if self._at < len(self._frames):
            self._send_frame(now)
            return
        self._out.append(EOT)
        self._done(now + pause_s)

    def _send_frame(self, now: float) -> None:
        text, last = self._frames[self._at]
        self._out += frame(self._at + 1, text, last=last)
        self._enter(State.TRANSFER, now + REPLY_S)

    def _yield(self, now: float, pause_s: float = CONTENTION_S) -> None:
        """Leave the line to the analyzer, until it has sent what it wants to or its time is over."""
        self._yielded = True
        self._enter(State.NEUTRAL, now + pause_s)

    def _break_off(self, now: float, pause_s: float) -> None:
        self._out.append(EOT)
        self._failed(now, pause_s)

    def _failed(self, now: float, pause_s: float) -> None:
        self._jobs[0].sessions += 1
        self._enter(State.NEUTRAL, now + pause_s)
        if self._jobs[0].sessions >= SESSIONS:
            self._give_up("not accepted")

    def _give_up(self, reason: str) -> None:
        self._told.append(Unsent(self._jobs.popleft().token, reason))

    def _done(self, at: float) -> None:
        self._told.append(Sent(self._jobs.popleft().token))
        self._enter(State.NEUTRAL, at)

    def _enter(self, state: State, timer: float) -> None:
        self._state, self._timer = state, timer

    def _rest(self, now: float) -> None:
        self._frames = []
        self._at = self._tries = 0
        self._yielded = False
        self._enter(State.NEUTRAL, now)
