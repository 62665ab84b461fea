"""Beckman Coulter (Olympus) AU chemistry analyzers on the line: framed texts, a block check, ACK and NAK, host queries.

Sources: AU2700 & AU5400 On-line Specifications (Olympus, 2000): 2.3 text format, 4.1 protocols, 4.2 timing; an AU480's texts.

    STX  RB | R . | RH | RE                    STX is one or two bytes, ETX too: the analyzer's menu sets them
         DB | D . | DH | d . | dH | DQ | …     ETB instead of ETX: a block of the text, more of it follows
         S . | SH | SE  (ours)                 the check byte is optional: XOR of all from the classification to ETX
      [unit number] columns … ETX [BCC]        class A: nobody answers; class B: ACK, NAK, silence

Faults on the wire, and what becomes of them: a lost ETX (the text is cut at the next STX and refused), a check byte that nobody
told us of (`check` goes by what comes), check bytes that happen to be STX or a line end, line ends and NUL between texts,
texts sent again because an answer came late. In recordings: texts that lost STX and ETX on the way into a file.

A sender of class B waits two seconds for an answer and then sends the text again, so an acknowledgement that is not given by
then is not given at all: it would be taken for the next text's.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import xor
from typing import Literal, TypeAlias

from protocols.framing import Garbage
from protocols.sansio import SAMPLE_MAX, BadFrame, Event, Message, Note, Sent, Unsent

Check: TypeAlias = Literal["none", "if-present", "required"]
Handshake: TypeAlias = Literal["class-a", "class-b"]

ACK, NAK = 0x06, 0x15
_FILL = b"\x00\x04\x05\x06\r\n\x15"
"""Bytes between texts that mean nothing there: line ends of serial servers, and answers that came too late."""
_NOISE = re.compile(rb"[^" + re.escape(_FILL) + rb"]+", re.DOTALL)
_IN_TIME = 0.9
"""Part of the sender's reply timer after which our answer would come too late: its clock and ours don't start together."""
_BARE = re.compile(rb"(?:DB|DE|RB|RE)(?:[0-9]{2})? *|(?:D[HQAR ]|d[H ])[0-9A-Z ]{4}[0-9 ]{2}[A-Z ][A-Z0-9 ][ -\xff]*", re.DOTALL)
"""A text that has lost its STX and ETX: classification, rack, cup, type, number. No question: who asks is on a line."""
_LINE_END = re.compile(rb"[\x00-\x1f]")
_NOISE_MAX = 1024
"""Bytes of noise told as one BadFrame: a second of the line at 9600 baud."""
QUEUE_MAX = 16
"""Texts that wait to be sent: an analyzer has one question open."""
SILENCE_S = 30.0
"""Half a text that is older than this will not be finished: the longest one takes two seconds at 9600 baud."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineProfile:
    """An analyzer's line, as its menu [Online] sets it."""

    start: bytes = b"\x02"
    end: bytes = b"\x03"
    block_end: bytes = b"\x17"
    check: Check = "if-present"
    """"if-present": a right one is expected ever after, a missing one is heard until then."""
    handshake: Handshake = "class-b"
    text_max: int = 4096
    """Bytes: three times a hundred results of 20 columns with their header; past it the end was lost."""
    reply_s: float = 2.0
    """The sender's timer for an answer (T4), the analyzer's and ours."""
    tries: int = 2
    """Times a text is sent (4.1: the second failure ends it)."""
    quiet_s: float = 0.2
    """Silence that settles whether a check byte follows: two hundred characters at 9600 baud."""
    pause_s: float = 0.0
    """After a text the analyzer is deaf for so long (t1, t3)."""


@dataclass(frozen=True, slots=True)
class AuText:
    """One text or block: from the classification on, without the check byte. `last` is False for a block that ended with ETB."""

    text: str
    last: bool = True

    @property
    def classification(self) -> str:
        """The first two characters: what it is."""
        return self.text[:2]


@dataclass(slots=True)
class _Job:
    token: int
    text: bytes
    tries: int = 0


@dataclass(slots=True)
class _Buffer:
    """What was received and is not understood yet; `offset` is that of its first byte, `at` when that one came."""

    data: bytearray = field(default_factory=bytearray)
    offset: int = 0
    at: float = 0.0

    def skip(self, size: int) -> bytes:
        raw = bytes(self.data[:size])
        del self.data[:size]
        self.offset += size
        return raw


class AuLine:
    """The codec, and a sansio.Sending: texts in, ours out."""

    def __init__(self, profile: LineProfile | None = None) -> None:
        self._profile = profile or LineProfile()
        self._tokens = 0
        self._jobs: deque[_Job] = deque()
        self._told: list[Sent | Unsent | Note] = []
        self._checked = self._profile.check == "required"
        self._overhearing = False
        self._noise = Garbage(_NOISE_MAX)
        self.start(0.0)

    # The contract

    def start(self, now: float) -> None:
        self._in = _Buffer(offset=0, at=now)
        self._out = bytearray()
        self._now = self._heard_at = now
        self._owed: tuple[int, float] | None = None
        self._under_way: float | None = None
        for job in self._jobs:
            job.tries = 0

    def overhear(self) -> None:
        """Listen to a recording: texts may be without STX and ETX."""
        self._overhearing = True

    def receive(self, data: bytes, now: float) -> Sequence[Event[AuText]]:
        if not self._in.data:
            self._in.at = now
        self._in.data += data
        self._now = self._heard_at = now
        return self._events(settled=False)

    def data_to_send(self) -> bytes:
        if self._now < self._heard_at + self._profile.pause_s:
            return b""
        self._begin()
        data = bytes(self._out)
        self._out.clear()
        return data

    def deadline(self) -> float | None:
        due = [self._under_way] if self._under_way is not None else []
        if self._in.data:
            due.append(self._heard_at + (self._profile.quiet_s if self._undecided() else SILENCE_S))
        if self._owed is not None:
            due.append(self._owed[1])
        if (self._out or self._may_begin()) and self._profile.pause_s:
            due.append(self._heard_at + self._profile.pause_s)
        if self._told:
            due.append(self._heard_at)
        return min(due, default=None)

    def on_deadline(self, now: float) -> Sequence[Event[AuText]]:
        self._now = max(self._now, now)
        events: list[Event[AuText]] = []
        if self._in.data and self._undecided() and now >= self._heard_at + self._profile.quiet_s:
            events += self._events(settled=True)
        if self._in.data and now >= self._heard_at + SILENCE_S:
            events += self._cut(len(self._in.data), "silence")
        if self._owed is not None and now >= self._owed[1]:
            self._owed = None
            events.append(Note("too late to acknowledge"))
        if self._under_way is not None and now >= self._under_way:
            self._refused("no reply")
        return [*events, *self._tell()]

    def confirm(self, token: int) -> None:
        self._answer(token, ACK)

    def reject(self, token: int) -> None:
        self._answer(token, NAK)

    def late(self, now: float) -> None:
        """What the analyzer waits for no longer is not said; it sends the text again."""
        if self._owed is not None and now >= self._owed[1]:
            self._owed = None
            self._told.append(Note("too late to acknowledge"))

    def end(self, now: float) -> Sequence[Event[AuText]]:
        self._now = max(self._now, now)
        events = self._events(settled=True)
        return [*events, *self._cut(len(self._in.data), "link end"), *self._noise.flush(), *self._tell()]

    # Sending

    @property
    def clear(self) -> bool:
        """Whether nothing is under way on the line and nothing waits to be sent."""
        return not (self._in.data or self._jobs or self._owed)

    def send(self, text: bytes, now: float) -> int:
        """Send a text, from its classification on, as soon as the line is free."""
        self._tokens += 1
        self._now = max(self._now, now)
        if not text:
            self._told.append(Sent(self._tokens))
        elif len(self._jobs) >= QUEUE_MAX:
            self._told.append(Unsent(self._tokens, "too much to send"))
        else:
            self._jobs.append(_Job(self._tokens, text))
        return self._tokens

    def withdraw(self, token: int) -> bool:
        """Forget a text that is not on its way yet; whether there was one."""
        before = len(self._jobs)
        self._jobs = deque(job for n, job in enumerate(self._jobs) if job.token != token or (n == 0 and self._under_way))
        return len(self._jobs) < before

    def _may_begin(self) -> bool:
        return bool(self._jobs) and self._under_way is None and self._owed is None and not self._in.data

    def _begin(self) -> None:
        while self._may_begin():
            job = self._jobs[0]
            job.tries += 1
            text = job.text + self._profile.end
            self._out += self._profile.start + text + (bytes([_bcc(text)]) if self._checked else b"")
            if self._profile.handshake == "class-a":
                self._done(Sent(job.token))
            else:
                self._under_way = self._now + self._profile.reply_s

    def _replied(self, code: int) -> None:
        if code == ACK:
            self._done(Sent(self._jobs[0].token))
        else:
            self._refused("refused")

    def _refused(self, why: str) -> None:
        self._under_way = None
        self._told.append(Note(why))
        if self._jobs[0].tries >= self._profile.tries:
            self._done(Unsent(self._jobs[0].token, "not accepted"))

    def _done(self, what: Sent | Unsent) -> None:
        self._under_way = None
        self._jobs.popleft()
        self._told.append(what)

    def _tell(self) -> list[Sent | Unsent | Note]:
        told, self._told = self._told, []
        return told

    # What comes in

    def _events(self, *, settled: bool) -> list[Event[AuText]]:
        """What the buffer completes; `settled`: no byte follows that a decision could wait for."""
        events: list[Event[AuText]] = []
        while self._in.data:
            if not self._in.data.startswith(self._profile.start):
                passed = self._overheard(settled=settled) if self._overhearing else self._pass_over(settled=settled)
                if passed is None:
                    break
                events += passed
                continue
            size = self._text_size()
            if size is None or size > self._profile.text_max:
                if len(self._in.data) <= self._profile.text_max:
                    break
                events += self._cut(self._profile.text_max, "too long")
                continue
            check = self._check_size(size, settled=settled)
            if check is None:
                break
            events += self._noise.flush() + self._text(size, check)
            self._in.at = self._now
        return [*events, *self._tell()]

    def _pass_over(self, *, settled: bool) -> list[BadFrame] | None:
        """What stands before a text: replies to ours, fill, noise. None: the first byte may begin a start of two bytes."""
        start = self._in.data.find(self._profile.start)
        size = start if start > 0 else len(self._in.data)
        if start < 0 and not settled and self._in.data[-1] == self._profile.start[0]:
            size -= 1
        return self._skip(size) if size else None

    def _overheard(self, *, settled: bool) -> list[Event[AuText]] | None:
        """The next line of a recording, which may be a text without STX and ETX. None: more of it comes."""
        data = bytes(self._in.data)
        found = _LINE_END.search(data)
        if found is None and not settled and len(data) <= self._profile.text_max:
            return None
        end = len(data) if found is None else found.start()
        if _BARE.fullmatch(data, 0, end) is None:
            return [*self._skip(max(end, 1))]
        at, last = self._in.at, not data.startswith(self._profile.block_end or b"\n", end)
        return [*self._noise.flush(), Message(AuText(data[:end].decode("latin-1"), last), self._in.skip(end), at)]

    def _skip(self, size: int) -> list[BadFrame]:
        offset, raw = self._in.offset, self._in.skip(size)
        for code in raw:
            if self._under_way is not None and code in (ACK, NAK):
                self._replied(code)
        return [bad for run in _NOISE.finditer(raw) for bad in self._noise.add(run.group(), offset + run.start(), "garbage")]

    def _text_size(self) -> int | None:
        """Bytes of the text at the front, its end included, or up to a start within it; None: the end is not there yet."""
        begin = len(self._profile.start)
        marks = (self._profile.end, self._profile.block_end)
        ends = [at + len(mark) for mark in marks if mark and (at := self._in.data.find(mark, begin)) >= 0]
        again = self._in.data.find(self._profile.start, begin)
        end = min(ends, default=None)
        if again >= 0 and (end is None or again < end):
            return again
        return end

    def _check_size(self, size: int, *, settled: bool) -> int | None:
        """Bytes of the check behind the text: 1 or 0; None: the next byte has to tell."""
        follows = bytes(self._in.data[size : size + 2])
        if self._profile.check == "none" or not self._ended(size):
            return 0
        if not follows:
            return 0 if settled else None
        return 1 if self._checked else self._looks_like_check(follows, self._in.data[len(self._profile.start) : size], settled)

    def _looks_like_check(self, follows: bytes, text: bytearray, settled: bool) -> int | None:  # noqa: FBT001 - as it came
        """Where nobody knows whether there is one: the byte that it must be, or one that nothing else can be."""
        start, right = self._profile.start, follows[0] == _bcc(text)
        if len(follows) < 2 and not settled and follows == start[:1] and (right or len(start) > 1):
            return None
        if not follows.startswith(start):
            return int(right or follows[0] not in _FILL)
        return int(right and follows[1:] == start)

    def _undecided(self) -> bool:
        size = self._text_size() if self._in.data.startswith(self._profile.start) else None
        return size is not None or (size is None and len(self._in.data) < len(self._profile.start))

    def _ended(self, size: int) -> bool:
        return any(mark and self._in.data[:size].endswith(mark) for mark in (self._profile.end, self._profile.block_end))

    def _text(self, size: int, check: int) -> list[Event[AuText]]:
        if not self._ended(size):
            return self._cut(size, "truncated")
        begin, offset, at = len(self._profile.start), self._in.offset, self._in.at
        raw = self._in.skip(size + check)
        right = raw[size:] == bytes([_bcc(raw[begin:size])])
        if (check or self._checked) and not right:
            return self._refuse(BadFrame(offset, len(raw), raw[:SAMPLE_MAX], "check" if check else "no check"))
        self._checked |= bool(check) and self._profile.check != "none"
        last = raw[:size].endswith(self._profile.end)
        body = raw[begin : size - len(self._profile.end if last else self._profile.block_end)]
        if len(body) < 2 or any(code < 0x20 for code in body):
            return self._refuse(BadFrame(offset, len(raw), raw[:SAMPLE_MAX], "no text"))
        return [Message(AuText(body.decode("latin-1"), last), raw, at, self._owe())]

    def _refuse(self, bad: BadFrame) -> list[Event[AuText]]:
        if self._profile.handshake == "class-b":
            self._owed = None
            self._out.append(NAK)
        return [bad]

    def _owe(self) -> int | None:
        """The answer that a good text wants; None in class A."""
        if self._profile.handshake == "class-a":
            return None
        self._tokens += 1
        self._owed = (self._tokens, self._heard_at + _IN_TIME * self._profile.reply_s)
        return self._tokens

    def _answer(self, token: int, code: int) -> None:
        if self._owed is not None and self._owed[0] == token:
            self._owed = None
            self._out.append(code)

    def _cut(self, size: int, reason: str) -> list[Event[AuText]]:
        """Refuse what is no whole text; the sender sends it again."""
        if not size:
            return []
        offset = self._in.offset
        raw = self._in.skip(size)
        return [*self._noise.flush(), BadFrame(offset, size, raw[:SAMPLE_MAX], reason)]


def _bcc(text: bytes | bytearray) -> int:
    return reduce(xor, text, 0)
