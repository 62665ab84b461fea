"""The bytes of an ASTM line to frames, controls and bare records: no conversation, no timers.

    ENQ                                   the sender wants to send
    STX fn text ETB c1 c2 CR LF           a frame, more of the message follows
    STX fn text ETX c1 c2 CR LF           a message's last frame
        └─── sum mod 256 ──┘
    EOT                                   the sender has done

Faults seen on real wires: checksum digits in lower case or missing, CR or LF or both missing after them, runs of NUL or 0x02
between transmissions, a frame cut short by the analyzer's restart, records without any frame around them or within SOH and EOT.
In recordings: the receiver's ACK and NAK between the frames, and LF or CR LF where an editor has put it for CR.

Recovery. A new STX always begins a frame: what came before it was cut short. Within text, and wherever the sender may be
in the middle of a frame, ENQ and EOT count only when the sender then waits: nothing follows, or another ENQ or EOT, or, in
a recording, a frame with an H record. A damaged byte that looks like ENQ (an LF, say) must never be answered with an ACK,
which the sender would take for its next frame's.
A frame that is whole but wrong is handed up as such, for a NAK; everything else that is nothing is a BadFrame.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from protocols.astm import patterns
from protocols.astm.checksums import FORMS, checksum, mended
from protocols.astm.profile import LinkProfile
from protocols.astm.records import is_header, is_terminator
from protocols.sansio import SAMPLE_MAX, BadFrame

STX, ETX, EOT, ENQ, ACK, LF, CR, NAK, ETB = 0x02, 0x03, 0x04, 0x05, 0x06, 0x0A, 0x0D, 0x15, 0x17

GARBAGE_MAX = 4096
"""Bytes of noise told in one event: a babbling line must not be held in memory until it stops."""

FLOWING, QUIET, OVER = 0, 1, 2
"""How much is still to come: bytes at any moment; none for a while; none at all."""


class Frame(NamedTuple):
    """A whole frame: `body` from frame number to text's end, `last` if ETX ended it, `sound` if its checksum says so."""

    raw: bytes
    body: bytes
    last: bool
    sound: bool
    offset: int
    at: float


@dataclass(frozen=True, slots=True)
class Control:
    """ENQ or EOT."""

    code: int
    at: float


@dataclass(frozen=True, slots=True)
class Bare:
    """Records without frames. `ended` says by what: "L", "H" (the next message), "EOT", "ENQ", "STX", "too long" or "silence"."""

    raw: bytes
    ended: str
    at: float


Item: TypeAlias = Frame | Control | Bare | BadFrame

_ENDS = (bytearray(b"\x03"), bytearray(b"\x17"))
_AFTER_ETX = 4
"""Bytes of a frame behind ETX: two checksum digits, CR, LF."""


def frame(number: int, text: bytes, *, last: bool) -> bytes:
    """`text` as frame `number` modulo 8: STX … CR LF."""
    body = b"%d%b%c" % (number % 8, text, ETX if last else ETB)
    return b"\x02%b%02X\r\n" % (body, checksum(body))


class Scanner:
    """Takes bytes in any split, yields what they complete.

    The conversation tells it two things: `transfer`, whether a sender may be in the middle of a frame, and `bare`, whether
    records may come without frames. `undecided` tells that silence would complete something; `alone`, that an STX came and for a
    while nothing behind it, of an analyzer that waits for an ACK of it.
    """

    def __init__(self, profile: LinkProfile) -> None:
        self._profile = profile
        self._records_only = profile.mode == "records"
        self._plain = profile.frame_end == "CRLF"
        idle = b"\r\n \t\x06\x15" + profile.heartbeat.replace(b"\x02", b"") + (b"\x02" if self._records_only else b"")
        self._idle = re.compile(rb"[" + re.escape(idle) + rb"]+")
        self._buffer = bytearray()
        self._base = 0
        self._now = self._first_at = 0.0
        self.clear()

    def clear(self) -> None:
        """Forget what is unfinished."""
        self._base += len(self._buffer)
        self._buffer.clear()
        self._pos = self._scan = self._line = 0
        self._in_bare = self._had_bare = self._waiting = False
        self.alone = False
        self.undecided = self.transfer = False
        self.bare = self._profile.mode != "framed"

    @property
    def pending(self) -> bool:
        """Whether bytes are held that are no item yet."""
        return bool(self._buffer)

    def feed(self, data: bytes, now: float) -> None:
        """Take bytes; `items` tells what they complete."""
        if not self._buffer:
            self._first_at = now
        self._now = now
        self._buffer += data

    def items(self, level: int = FLOWING) -> Iterator[Item]:
        """What the bytes complete, given how much is still to come (FLOWING, QUIET or OVER)."""
        self.undecided = self._waiting = False
        while self._pos < len(self._buffer) and not self._waiting:
            item = self._bare(level) if self._in_bare else self._next(level)
            if item is not None:
                yield item
        if self._pos:
            del self._buffer[: self._pos]
            self._base += self._pos
            self._scan, self._line = max(0, self._scan - self._pos), max(0, self._line - self._pos)
            self._pos, self._first_at = 0, self._now

    def _next(self, level: int) -> Item | None:
        code = self._buffer[self._pos]
        if code == STX and not self._records_only:
            return self._frame(level)
        if code in (ENQ, EOT):
            return self._control(code, level)
        gap = self._idle.match(self._buffer, self._pos)
        if gap is not None:
            self._advance(gap.end())
            return None
        return self._records(level) if code == ord("H") and self.bare else self._garbage(level)

    def _control(self, code: int, level: int) -> Item | None:
        acts = self._acts(self._pos, level) if self.transfer else True
        if acts is None:
            self._wait(undecided=True)
            return None
        if not acts:
            return self._garbage(level)
        item = Control(code, self._at())
        self._advance(self._pos + 1)
        return item

    # Frames

    def _frame(self, level: int) -> Item | None:
        buffer, start = self._buffer, self._pos
        if self._plain and self._scan <= start:
            plain = patterns.PLAIN_FRAME.match(buffer, start, start + self._profile.frame_max)
            if plain is not None:
                return self._whole(plain.end(2) - 1, plain.end(3), plain.end())
        if self._beat().match(buffer, start) is not None:
            self._advance(start + 1)
            return None
        limit = start + self._profile.frame_max - _AFTER_ETX
        found = patterns.IN_FRAME.search(buffer, max(start + 1, self._scan), limit)
        if found is None:
            return self._unended(level, limit)
        at = found.start()
        code = buffer[at]
        if code in (ETX, ETB):
            return self._ended(at, level)
        acts = True if code == STX else self._acts(at, level)
        if acts is None:
            self._wait(undecided=True)
        elif acts:
            return self._bad(at, "truncated")
        else:
            self._scan = at + 1
        return None

    def _beat(self) -> re.Pattern[bytes]:
        if self.transfer:
            return patterns.BEAT
        return patterns.BEAT_BARE if self.bare and self._profile.frame_numbers != "absent" else patterns.BEAT_IDLE

    def _unended(self, level: int, limit: int) -> Item | None:
        size = len(self._buffer)
        if size >= limit:
            return self._bad(limit, "too long")
        if level == OVER:
            if size > self._pos + 1:
                return self._bad(size, "truncated")
            self._advance(size)
            return None
        self._scan = size
        if self._profile.ack_stx and size == self._pos + 1 and not self.alone:
            self.alone = level == QUIET
            self._wait(undecided=not self.alone)
            return None
        self._wait()
        return None

    def _ended(self, at: int, level: int) -> Item | None:
        """The frame whose ETB or ETX is at `at`, once checksum and frame end are there or can't come any more."""
        digits = self._upto(at + 1, 2, level)
        end = None if digits is None else self._frame_end(digits, level)
        if digits is None or end is None:
            self._scan = at
            self._wait(undecided=True)
            return None
        return self._whole(at, digits, end)

    def _whole(self, at: int, digits: int, end: int) -> Frame:
        """The frame whose ETB or ETX is at `at`, whose checksum ends at `digits`, and itself at `end`."""
        buffer, start = self._buffer, self._pos
        body = bytes(buffer[start + 1 : at + 1])
        judged = self._judge(body, bytes(buffer[at + 1 : digits]))
        text = (judged or body)[:-1]
        item = Frame(bytes(buffer[start:end]), text, buffer[at] == ETX, judged is not None, self._base + start, self._at())
        self._advance(end)
        return item

    def _upto(self, start: int, count: int, level: int) -> int | None:
        """Where the checksum digits end: before a control character or after two; None: more may come."""
        buffer = self._buffer
        for at in range(start, start + count):
            if at >= len(buffer):
                return None if level == FLOWING else at
            if buffer[at] < 0x20:
                return at
        return start + count

    def _frame_end(self, at: int, level: int) -> int | None:
        """Where the CR LF after the checksum ends; None: more may come."""
        expected = self._profile.frame_end
        if expected == "none":
            return at
        rest = bytes(self._buffer[at : at + 2])
        if level == FLOWING and (not rest or (rest == b"\r" and expected != "CR")):
            return None
        if rest == b"\r\n" and expected != "CR":
            return at + 2
        return at + 1 if rest[:1] in (b"\r", b"\n") else at

    def _judge(self, body: bytes, digits: bytes) -> bytes | None:
        """The body that the checksum is of: as it came, or with its CR again that were turned into other line ends; or None."""
        mode = self._profile.checksum
        if mode == "none" or (not digits and mode == "if-present"):
            return body
        said = FORMS.get(digits)
        return body if said == checksum(body) else mended(body, said)

    # Records without frames

    def _records(self, level: int) -> Item | None:
        if self._pos + 1 >= len(self._buffer) and level == FLOWING:
            self._wait()
            return None
        if patterns.HEADER.match(self._buffer, self._pos) is None:
            return self._garbage(level)
        self._in_bare = True
        self._line = self._scan = self._pos
        return None

    def _bare(self, level: int) -> Item | None:
        buffer = self._buffer
        limit = self._pos + self._profile.message_max
        found = patterns.IN_BARE.search(buffer, self._scan, limit)
        if found is None:
            return self._bare_unended(level, limit)
        at = found.start()
        code = buffer[at]
        if code in (CR, LF):
            return self._bare_line(at, level)
        if code in (ETX, ETB):
            return self._no_stx(at)
        acts = self._frame_begins(at, level) if code == STX else self._acts(at, level)
        if acts is None:
            self._wait(undecided=True)
            return None
        if acts:
            return self._done(at, {STX: "STX", ENQ: "ENQ", EOT: "EOT"}[code])
        self._scan = at + 1
        return None

    def _bare_unended(self, level: int, limit: int) -> Item | None:
        size = len(self._buffer)
        if size >= limit:
            return self._done(limit, "too long")
        ends = is_terminator(self._buffer[self._line :].lstrip(b" \t"))
        if level == OVER or (level == QUIET and ends):
            return self._done(size, "silence")
        self._scan = size
        self._wait(undecided=ends)
        return None

    def _bare_line(self, at: int, level: int) -> Item | None:
        buffer = self._buffer
        line = buffer[self._line : at].lstrip(b" \t\x00")
        if is_terminator(line):
            after = patterns.GAP.match(buffer, at)
            next_at = at + 1 if after is None else after.end()
            if next_at < len(buffer) or level != FLOWING:
                return self._no_stx(next_at) if buffer[next_at : next_at + 1] in _ENDS else self._done(at + 1, "L")
            self._wait(undecided=True)
        elif is_header(line) and self._line > self._pos:
            return self._done(self._line, "H")
        else:
            self._line = self._scan = at + 1
        return None

    def _no_stx(self, at: int) -> Item:
        """ETX or ETB behind records: they were a frame's, whose beginning is lost and whose checksum says nothing."""
        self._in_bare = False
        return self._bad(at + 1, "no STX")

    def _frame_begins(self, at: int, level: int) -> bool | None:
        if at != self._line or self._records_only:
            return False
        if at + 1 >= len(self._buffer):
            return None if level == FLOWING else False
        return self._buffer[at + 1] in b"01234567"

    def _done(self, end: int, ended: str) -> Bare:
        if ended not in ("L", "H") and is_terminator(self._buffer[self._line : end].lstrip(b" \t")):
            ended = "L"
        item = Bare(bytes(self._buffer[self._pos : end]), ended, self._at())
        self._in_bare, self._had_bare = False, True
        self._advance(end)
        return item

    # Everything else

    def _acts(self, at: int, level: int) -> bool | None:
        """Whether the ENQ or EOT at `at` is one: the sender then waits, or begins a transmission. None: not known yet."""
        buffer = self._buffer
        gap = patterns.PAUSE.match(buffer, at + 1)
        after = at + 1 if gap is None else gap.end()
        left = len(buffer) - after
        if left and buffer[after] in (ENQ, EOT):
            return True
        pattern = patterns.FRAME_H if buffer[after - 1] == STX else patterns.HEADER if self._had_bare else None
        if left == 0:
            return None if level == FLOWING else True
        if pattern is None:
            return False
        if left < patterns.H_SIZE and level == FLOWING:
            return None
        return pattern.match(buffer, after) is not None

    def _garbage(self, level: int) -> Item | None:
        """Noise up to what may be something again; its first byte is known to be nothing."""
        buffer, start = self._buffer, self._pos
        limit = start + GARBAGE_MAX
        pattern = patterns.CONTROL_OR_H if self.bare else patterns.CONTROL
        at = max(start + 1, self._scan)
        while (found := pattern.search(buffer, at, limit)) is not None:
            at = found.start()
            acts = self._acts(at, level) if self.transfer and buffer[at] in (ENQ, EOT) else True
            if acts is None:
                self._scan = at
                self._wait(undecided=True)
                return None
            if acts:
                return self._bad(at, "garbage")
            at += 1
        if len(buffer) >= limit:
            return self._bad(limit, "garbage")
        if level == OVER:
            return self._bad(len(buffer), "garbage")
        self._scan = max(start + 1, len(buffer) - patterns.LOOK_BACK)
        self._wait()
        return None

    def _bad(self, end: int, reason: str) -> BadFrame:
        start = self._pos
        sample = bytes(self._buffer[start : min(end, start + SAMPLE_MAX)])
        self._advance(end)
        return BadFrame(self._base + start, end - start, sample, reason)

    def _advance(self, to: int) -> None:
        self._pos = self._scan = to
        self.alone = False

    def _wait(self, *, undecided: bool = False) -> None:
        self._waiting = True
        self.undecided = self.undecided or undecided

    def _at(self) -> float:
        return self._first_at if self._pos == 0 else self._now
