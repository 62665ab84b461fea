"""bioMérieux's own protocol (BCI): VIDAS, mini VIDAS, VITEK 2. A session of messages, each of named fields in short records.

    ENQ ─▶ ◀─ ACK    STX  RS mtrsl|pi|pn|si|ciSYN-1|rtTSH|…  RS …|  GS cc  ETX ─▶ ◀─ ACK | NAK    …    EOT ─▶
                          └ up to 80 characters, or a field each: a record may end anywhere, RS means nothing in the text
                          cc: the sum of all from the first RS to GS, modulo 256, two hex digits in either case

    the same text in ASTM E1381 frames (VIDAS PC, VITEK 2, where they are set so):  STX n text ETB|ETX cc CR LF

Proof of the checksum: it is right for every unchanged capture at hand (two of a mini VIDAS, three of a VITEK). Line ends may
follow each separator; none of them has any, so a sum is taken that is right with them or without.

Faults on the wire: a lost ETX, a new ENQ within a message, a wrong sum (refused, and sent again), a frame sent again because its
ACK was lost. An acknowledgement that comes after the sender gave up is not given: it would be taken for the next message's.
In recordings: messages that lost their controls, STX to checksum, on the way into a file; on a line nothing is one without.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from protocols.framing import Garbage
from protocols.sansio import SAMPLE_MAX, BadFrame, Event, Fragment, Incomplete, Message, Note

Framing: TypeAlias = Literal["auto", "bci", "astm"]
Checksum: TypeAlias = Literal["required", "if-present", "none"]

ENQ, EOT, ACK, NAK = 0x05, 0x04, 0x06, 0x15
_STX, _ETX, _ETB, _RS, _GS = b"\x02", b"\x03", b"\x17", b"\x1e", b"\x1d"
_END = re.compile(rb"[\x02\x03\x04\x05\x17]")
_NOISE = re.compile(rb"[^\x00\x04\x05\x06\x15\r\n]+")
_SUM = re.compile(rb"[\r\n]*([0-9A-Fa-f]{2})[\r\n]*\Z")
_NUMBERED = re.compile(rb"[0-7][^\x1d\x1e]*\Z", re.DOTALL)
_BARE = re.compile(
    rb"(?:\A|(?<=[\r\n\x00\x04-\x06\x1e]))\x1e?mt[a-z]{2,4}\|(?:(?!(?<=[\r\n])\x1e?mt[a-z]{2,4}\|)[^\x02-\x05\x17\x1d])*"
    rb"(?:\x1d[\r\n]*[0-9A-Fa-f]{0,2})?"
)
"""A message without STX and ETX: from its type, at the beginning of a line or record, to the next one or a control."""
_NOISE_MAX = 1024
"""Bytes of noise told as one BadFrame: a second of the line at 9600 baud."""
FIELDS_MAX = 4096
"""Fields of a message: sixty antibiotics have five each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BciProfile:
    """One instrument's line."""

    framing: Framing = "auto"
    """"auto": a message that begins with a digit and has no separators is in ASTM frames."""
    checksum: Checksum = "required"
    message_max: int = 64 * 1024
    """Bytes of a message: thirty times the longest seen (2 kB, an antibiogram); past it the end was lost."""
    silence_s: float = 30.0
    """After this what is unfinished is given up."""
    reply_s: float = 10.0
    """The sender's timer for an answer, as ASTM instruments have it and somewhat less: no document at hand says it."""


@dataclass(frozen=True, slots=True)
class BciMessage:
    """Fields in their order: two characters of name, and the text behind them. `problems`: what was odd, in words."""

    fields: tuple[tuple[str, str], ...]
    problems: tuple[str, ...] = ()

    @property
    def type(self) -> str:
        """What it is: rsl a result, mpr an order."""
        return self.value("mt")

    def value(self, name: str) -> str:
        """The first field of that name, without blanks around it; "" where there is none."""
        return next((text.strip() for key, text in self.fields if key == name), "")


def parse(text: bytes) -> BciMessage:
    """The message that joined records hold."""
    try:
        joined = text.decode("utf-8")
    except UnicodeDecodeError:
        joined = text.decode("iso-8859-1")
    parts = [part for part in joined.split("|") if part]
    named = tuple((part[:2], part[2:]) for part in parts[:FIELDS_MAX] if len(part) > 1)
    problems = [f"a field without a name: {part}" for part in parts if len(part) == 1]
    if len(parts) > FIELDS_MAX:
        problems.append(f"fields left out: {len(parts) - FIELDS_MAX}")
    return BciMessage(named, tuple(problems))


@dataclass(slots=True)
class _Framed:
    """A message in ASTM frames under way."""

    at: float
    texts: list[bytes] = field(default_factory=list)
    raws: list[bytes] = field(default_factory=list)


class BciLine:
    """The codec: the host's side, which acknowledges what is durable and sends nothing of its own."""

    def __init__(self, profile: BciProfile | None = None) -> None:
        self._profile = profile or BciProfile()
        self._tokens = 0
        self._offset = 0
        self._overhearing = False
        self._noise = Garbage(_NOISE_MAX)
        self._in = bytearray()
        self.start(0.0)

    # The contract

    def start(self, now: float) -> None:
        self._in.clear()
        self._out = bytearray()
        self._now = self._heard_at = self._at = now
        self._owed: tuple[int, float] | None = None
        self._framed: _Framed | None = None
        self._done: _Framed | None = None
        self._number = self._last_token = 0
        self._last = b""
        self._kept = False

    def overhear(self) -> None:
        """Listen to a recording: messages may lack controls and checksum."""
        self._overhearing = True

    def receive(self, data: bytes, now: float) -> Sequence[Event[BciMessage]]:
        if not self._in:
            self._at = now
        self._in += data
        self._now = self._heard_at = now
        return self._events(over=False)

    def data_to_send(self) -> bytes:
        data = bytes(self._out)
        self._out.clear()
        return data

    def deadline(self) -> float | None:
        due = [self._heard_at + self._profile.silence_s] if self._in or self._framed else []
        if self._owed is not None:
            due.append(self._owed[1])
        return min(due, default=None)

    def on_deadline(self, now: float) -> Sequence[Event[BciMessage]]:
        self._now = max(self._now, now)
        events: list[Event[BciMessage]] = []
        if self._owed is not None and now >= self._owed[1]:
            self._owed = None
            events.append(Note("too late to acknowledge"))
        if (self._in or self._framed) and now >= self._heard_at + self._profile.silence_s:
            events += [*self._cut(len(self._in), "silence"), *self._give_up("silence")]
        return events

    def confirm(self, token: int) -> None:
        self._kept |= token == self._last_token
        self._answer(token, ACK)

    def reject(self, token: int) -> None:
        """Not kept: refuse it; of a message in frames, forget the last one, for it comes again."""
        framed = self._framed or self._done
        if token == self._last_token and framed is not None:
            framed.texts.pop()
            framed.raws.pop()
            self._framed, self._done = framed if framed.texts else None, None
            self._number, self._last = (self._number - 1) % 8, b""
        self._answer(token, NAK)

    def late(self, now: float) -> None:
        """What the instrument waits for no longer is not said; it sends the message again."""
        if self._owed is not None and now >= self._owed[1]:
            self._owed = None

    def end(self, now: float) -> Sequence[Event[BciMessage]]:
        self._now = max(self._now, now)
        events = self._events(over=True)
        return [*events, *self._cut(len(self._in), "link end"), *self._give_up("link end"), *self._noise.flush()]

    # What comes in

    def _events(self, *, over: bool) -> list[Event[BciMessage]]:
        events: list[Event[BciMessage]] = []
        while self._in:
            if not self._in.startswith(_STX):
                start = self._in.find(_STX)
                passed = self._overheard(start, over=over) if self._overhearing else self._between(start)
                if passed is None:
                    break
                events += passed
                continue
            found = _END.search(self._in, 1)
            if found is None or found.end() > self._profile.message_max:
                if len(self._in) <= self._profile.message_max:
                    break
                events += self._cut(self._profile.message_max, "too long")
                continue
            if found.group() not in (_ETX, _ETB):
                events += self._cut(found.start(), "truncated")
                continue
            took = self._whole(found.start(), over=over)
            if took is None:
                break
            events += took
            self._at = self._now
        return events

    def _overheard(self, start: int, *, over: bool) -> list[Event[BciMessage]] | None:
        """What a recording has before the STX at `start`, a message without one perhaps. None: more of it comes."""
        data = bytes(self._in)
        found = _BARE.search(data)
        comes = not over and len(data) <= self._profile.message_max
        if found is None or 0 <= start < found.start():
            return None if start < 0 and comes else self._between(start)
        if found.start():
            return self._between(found.start())
        if found.end() == len(data) and comes:
            return None
        offset, at, raw = self._offset, self._at, self._skip(found.end())
        text, mark, rest = raw.rpartition(_GS)
        said = _SUM.match(rest) if mark else None
        if said is not None and self._profile.checksum != "none" and not self._sound(_RS + text.lstrip(_RS) + mark, said):
            return [*self._noise.flush(), BadFrame(offset, len(raw), raw[:SAMPLE_MAX], "checksum")]
        fields, _, _ = (text if mark else raw).rpartition(b"|")
        return [*self._noise.flush(), Message(parse(re.sub(rb"[\x1e\r\n]", b"", fields)), raw, at)]

    def _between(self, start: int) -> list[Event[BciMessage]]:
        """What stands before `start`, or at all: the session's controls, line ends, noise."""
        raw = bytes(self._in[: start if start >= 0 else len(self._in)])
        events: list[Event[BciMessage]] = []
        at = 0
        for control in re.finditer(rb"[\x04\x05]", raw):
            events += self._garbage(raw[at : control.start()], self._offset + at)
            events += self._begin() if control.group()[0] == ENQ else self._give_up("EOT")
            at = control.end()
        events += self._garbage(raw[at:], self._offset + at)
        self._skip(len(raw))
        return events

    def _begin(self) -> list[Event[BciMessage]]:
        events = self._give_up("ENQ in a message")
        self._done = None
        self._number, self._last, self._owed = 0, b"", None
        self._out.append(ACK)
        return [*self._noise.flush(), *events]

    def _whole(self, end: int, *, over: bool) -> list[Event[BciMessage]] | None:
        """The message or frame whose ETX or ETB stands at `end`; None: its checksum is still to come."""
        body = bytes(self._in[1:end])
        if self._profile.framing == "astm" or (self._profile.framing == "auto" and _NUMBERED.match(body)):
            if len(self._in) < end + 3 and not over:
                return None
            return self._frame(body, bytes(self._in[end : end + 3]))
        return self._message(body, end + 1)

    def _message(self, body: bytes, size: int) -> list[Event[BciMessage]]:
        offset, at = self._offset, self._at
        raw = self._skip(size)
        text, mark, rest = body.rpartition(_GS)
        said = _SUM.match(rest) if mark else None
        if not mark:
            text = body
        if self._profile.checksum != "none" and not self._sound(text + mark, said):
            self._out.append(NAK)
            return [*self._noise.flush(), BadFrame(offset, size, raw[:SAMPLE_MAX], "checksum" if said else "no checksum")]
        joined = re.sub(rb"[\x1e\r\n]", b"", text)
        return [*self._noise.flush(), Message(parse(joined), raw, at, self._owe())]

    def _sound(self, summed: bytes, said: re.Match[bytes] | None) -> bool:
        if said is None:
            return self._overhearing or self._profile.checksum == "if-present"
        plain = re.sub(rb"[\r\n]", b"", summed)
        return int(said[1], 16) in (sum(plain) & 0xFF, sum(summed) & 0xFF)

    def _frame(self, body: bytes, tail: bytes) -> list[Event[BciMessage]]:
        """A frame of ASTM E1381: its number is the last one's plus 1, or the last one's for a retransmission."""
        offset, at = self._offset, self._at
        raw = self._skip(1 + len(body) + len(tail))
        total = (sum(body) + tail[0]) & 0xFF
        told = tail[1:].decode("ascii", "replace").upper() == f"{total:02X}"
        if not told and self._profile.checksum != "none":
            return self._refuse(offset, raw, "checksum")
        if self._last == raw:
            return self._again()
        number = body[0] - 0x30
        if number != (self._number + 1) % 8 if self._framed is not None else not body[1:].startswith(b"mt"):
            return self._refuse(offset, raw, "frame number")
        framed = self._framed = self._framed or _Framed(at)
        if sum(map(len, framed.raws)) > self._profile.message_max:
            return [*self._refuse(offset, raw, "message too long"), *self._give_up("message too long")]
        framed.texts.append(body[1:])
        framed.raws.append(raw)
        self._number, self._last, self._kept = number, raw, False
        token = self._last_token = self._owe()
        if tail[:1] == _ETB:
            return [*self._noise.flush(), Fragment(raw, at, token)]
        self._framed, self._done = None, framed
        joined = re.sub(rb"[\r\n]", b"", b"".join(framed.texts))
        return [*self._noise.flush(), Message(parse(joined), b"".join(framed.raws), framed.at, token)]

    def _again(self) -> list[Event[BciMessage]]:
        """The last frame once more: acknowledged if it is durable, else when it is."""
        if self._kept:
            self._out.append(ACK)
        else:
            self._owed = (self._last_token, self._heard_at + self._profile.reply_s)
        return [*self._noise.flush(), Note("retransmission")]

    def _refuse(self, offset: int, raw: bytes, reason: str) -> list[Event[BciMessage]]:
        self._out.append(NAK)
        return [*self._noise.flush(), BadFrame(offset, len(raw), raw[:SAMPLE_MAX], reason)]

    def _give_up(self, reason: str) -> list[Event[BciMessage]]:
        """A message in frames that ends before it is whole."""
        framed, self._framed = self._framed, None
        return [Incomplete(b"".join(framed.raws), framed.at, reason)] if framed is not None else []

    def _cut(self, size: int, reason: str) -> list[Event[BciMessage]]:
        """Pass over what is no whole message."""
        if not size:
            return []
        offset = self._offset
        raw = self._skip(size)
        return [*self._noise.flush(), BadFrame(offset, size, raw[:SAMPLE_MAX], reason)]

    def _garbage(self, data: bytes, offset: int) -> list[BadFrame]:
        return [bad for run in _NOISE.finditer(data) for bad in self._noise.add(run.group(), offset + run.start(), "garbage")]

    def _skip(self, size: int) -> bytes:
        raw = bytes(self._in[:size])
        del self._in[:size]
        self._offset += size
        return raw

    # Answers

    def _owe(self) -> int:
        self._tokens += 1
        self._owed = (self._tokens, self._heard_at + self._profile.reply_s)
        return self._tokens

    def _answer(self, token: int, code: int) -> None:
        if self._owed is not None and self._owed[0] == token:
            self._owed = None
            self._out.append(code)
