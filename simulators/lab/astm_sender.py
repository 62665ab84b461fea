"""The sender of ASTM E1381-95 = LIS01-A2, as an analyzer plays it: ENQ, frames, retries, EOT, and the whole message again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

from protocols.astm.frames import ACK, ENQ, EOT, NAK, frame

REPLY_S = 15.0
"""T1 and T5: how long a reply to ENQ or to a frame may take (E1381-95 §6.2.6, §6.5.2.3)."""
BUSY_S = 10.0
"""T2: the pause after a NAK to ENQ; also the pause before a message is sent again (§6.2.4)."""
CONTENTION_S = 1.0
"""T3: the instrument's pause when both sides sent ENQ (§6.2.7.1)."""
INTERRUPT_S = 15.0
"""T8: the pause after the receiver asked for the line by EOT (§6.3.6.1)."""
TRIES = 6
"""N1: refusals of one frame after which the message is aborted (§6.5.1.2)."""


@dataclass(frozen=True, slots=True)
class Result:
    """A message an analyzer has to deliver: one specimen's."""

    specimen: str
    text: bytes = field(repr=False)


class _State(Enum):
    NEUTRAL = auto()
    ENQUIRED = auto()
    TRANSFER = auto()


class Sender:
    """Keeps results until they are acknowledged; sends them in order, several to a session if they wait.

    `split` cuts a message's text into (frame text, does ETX end it); `garble` is what the line does to bytes.
    """

    _frames: list[tuple[bytes, bool]]
    _at: int
    _tries: int
    _number: int
    _wanted: bool
    """The receiver has asked for the line."""
    _state: _State
    _timer: float

    def __init__(
        self,
        split: Callable[[bytes], Iterator[tuple[bytes, bool]]],
        garble: Callable[[bytes, float], bytes] | None = None,
        *,
        pace: float = 1.0,
        one_a_session: bool = False,
    ) -> None:
        """`pace` shortens the standard's timers for tests that wait for them; `one_a_session`: EOT behind every message."""
        self._split, self._pace, self._one_a_session = split, pace, one_a_session
        self._garble = garble or (lambda data, _: data)
        self.waiting: deque[Result] = deque()
        self.sent: list[Result] = []
        """Results whose transmission began, each once, in that order."""
        self.acknowledged: list[Result] = []
        """Results whose last frame was acknowledged."""
        self.sessions = 0
        self._out = bytearray()
        self._reset(0.0)

    def start(self, now: float) -> None:
        """The line came up (again): a message that was under way is sent again as a whole."""
        self._out.clear()
        self._reset(now)

    def receive(self, data: bytes, now: float) -> None:
        """The receiver's replies."""
        for code in data:
            if self._state is _State.ENQUIRED:
                self._answered(code, now)
            elif self._state is _State.TRANSFER:
                self._replied(code, now)

    def data_to_send(self) -> bytes:
        data = bytes(self._out)
        self._out.clear()
        return data

    def deadline(self) -> float | None:
        if self._state is not _State.NEUTRAL:
            return self._timer
        return self._timer if self.waiting else None

    def on_deadline(self, now: float) -> None:
        if now < self._timer:
            return
        if self._state is not _State.NEUTRAL:
            self._abort(now)
        elif self.waiting:
            self.sessions += 1
            self._number = 0
            self._write(bytes([ENQ]), now)
            self._enter(_State.ENQUIRED, now + REPLY_S * self._pace)

    @property
    def active(self) -> bool:
        """Whether a session of ours is under way: what comes in is a reply to it."""
        return self._state is not _State.NEUTRAL

    @property
    def halfway(self) -> bool:
        """Whether some of a message's frames, and not all, have been acknowledged."""
        return self._state is _State.TRANSFER and self._at > 0

    def break_off(self) -> None:
        """The power fails while a frame is written: half of it has left."""
        del self._out[len(self._out) // 2 :]
        self._reset(self._timer)

    def _answered(self, code: int, now: float) -> None:
        """The reply to ENQ; anything but ACK, NAK and ENQ is ignored (§6.2.5)."""
        if code == ACK:
            self._next_message(now)
        elif code == ENQ:
            self._enter(_State.NEUTRAL, now + CONTENTION_S * self._pace)
        elif code == NAK:
            self._enter(_State.NEUTRAL, now + BUSY_S * self._pace)

    def _replied(self, code: int, now: float) -> None:
        """The reply to a frame: ACK, EOT (accepted, and the receiver wants the line), anything else is a NAK (§6.3.4)."""
        if code not in (ACK, EOT):
            self._tries += 1
            if self._tries >= TRIES:
                self._abort(now)
            else:
                self._send_frame(now)
            return
        self._wanted = self._wanted or code == EOT
        self._at += 1
        if self._at < len(self._frames):
            self._number += 1
            self._tries = 0
            self._send_frame(now)
            return
        self.acknowledged.append(self.waiting.popleft())
        if self.waiting and not self._wanted and not self._one_a_session:
            self._next_message(now)
        else:
            self._finish(now, INTERRUPT_S * self._pace if self._wanted else 0.0)

    def _next_message(self, now: float) -> None:
        result = self.waiting[0]
        if not self.sent or self.sent[-1] is not result:
            self.sent.append(result)
        self._frames = list(self._split(result.text))
        self._at = self._tries = 0
        self._number += 1
        self._send_frame(now)

    def _send_frame(self, now: float) -> None:
        text, last = self._frames[self._at]
        self._write(frame(self._number, text, last=last), now)
        self._enter(_State.TRANSFER, now + REPLY_S * self._pace)

    def _abort(self, now: float) -> None:
        self._finish(now, BUSY_S * self._pace)

    def collide(self, now: float) -> None:
        """We sent ENQ at the same moment as the other side did: both were heard, and ours comes again first (§6.2.7.1)."""
        self._write(bytes([ENQ]), now)
        self._enter(_State.NEUTRAL, now + CONTENTION_S * self._pace)

    def _finish(self, now: float, pause_s: float) -> None:
        self._write(bytes([EOT]), now)
        self._wanted = False
        self._enter(_State.NEUTRAL, now + pause_s)

    def _write(self, data: bytes, now: float) -> None:
        self._out += self._garble(data, now)

    def _enter(self, state: _State, timer: float) -> None:
        self._state, self._timer = state, timer

    def _reset(self, now: float) -> None:
        self._frames = []
        self._at = self._tries = self._number = 0
        self._wanted = False
        self._enter(_State.NEUTRAL, now)


def by_record(text: bytes, *, etb: bool = False) -> Iterator[tuple[bytes, bool]]:
    """A frame a record: all end with ETX (Sysmex XN), or with `etb` all but the last with ETB (cobas c 111)."""
    records = [record + b"\r" for record in text.split(b"\r") if record]
    for n, record in enumerate(records, 1):
        yield record, not etb or n == len(records)


def by_size(text: bytes, size: int = 240) -> Iterator[tuple[bytes, bool]]:
    """Frames of `size` characters, cut anywhere, mid-field too (cobas c 311, GeneXpert; E1381-95 §6.3.1.2)."""
    for at in range(0, len(text), size):
        yield text[at : at + size], at + size >= len(text)
