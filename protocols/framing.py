"""Framers that several protocols share: a bounded line splitter."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from protocols.sansio import SAMPLE_MAX, BadFrame


@dataclass(frozen=True, slots=True)
class Line:
    """One line: `text` without its end, `raw` with it. `offset` counts from the first byte ever fed, `at` is when it began."""

    text: bytes
    raw: bytes
    offset: int
    at: float


@dataclass(slots=True)
class Garbage:
    """Bytes passed over, as one BadFrame a run. A run longer than `limit` is told in pieces, so that endless noise is seen.

    Pieces end at fixed distances and not at reads: any split of the same bytes gives the same events.
    """

    limit: int
    offset: int = 0
    size: int = 0
    reason: str = ""
    _raw: bytearray = field(default_factory=bytearray)

    def add(self, data: bytes, offset: int, reason: str) -> list[BadFrame]:
        """Pass over `data`, which began at `offset`; the first reason of a run is the one that is told."""
        told: list[BadFrame] = []
        while data:
            if not self.size:
                self.offset, self.reason = offset, reason
            part = data[: self.limit - self.size]
            self._raw += part[: SAMPLE_MAX - len(self._raw)]
            self.size += len(part)
            data, offset = data[len(part) :], offset + len(part)
            if self.size == self.limit:
                told += self.flush()
        return told

    def flush(self) -> list[BadFrame]:
        """End the run."""
        if not self.size:
            return []
        bad = BadFrame(offset=self.offset, size=self.size, raw=bytes(self._raw), reason=self.reason)
        self.size = 0
        self._raw.clear()
        return [bad]


_END = re.compile(rb"[\r\n]")


class LineSplitter:
    r"""Splits a byte stream into lines, in any split of the bytes.

        text CR LF | text LF | text CR | text CR CR LF    (one end; empty lines are passed over silently)

    Seen on real wires: a line joined in its middle (the caller's grammar must refuse it), a lost line end (two lines
    glued together), CR CR LF. A line longer than `limit` is BadFrame("too long"), told every `limit` bytes until its end
    comes; the line behind it comes out whole.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._garbage = Garbage(limit)
        self._overlong = False
        self._text = bytearray()
        self._offset = 0
        self._began = (0, 0.0)

    def feed(self, data: bytes, now: float) -> list[Line | BadFrame]:
        """The lines that `data` completes, and the over-long ones."""
        out: list[Line | BadFrame] = []
        position = 0
        for end in _END.finditer(data):
            self._grow(data[position : end.start()], now, out)
            self._end(end.group(), out)
            position = end.end()
        self._grow(data[position:], now, out)
        return out

    def rest(self) -> Line | BadFrame | None:
        """What is left without an end, when the link goes down or a file is over; the splitter then is empty."""
        bad = self._garbage.flush()
        line = Line(bytes(self._text), bytes(self._text), *self._began) if self._text else None
        self._text.clear()
        self._overlong = False
        return bad[0] if bad else line

    def _grow(self, part: bytes, now: float, out: list[Line | BadFrame]) -> None:
        if not part:
            return
        if not self._text and not self._overlong:
            self._began = (self._offset, now)
        if not self._overlong and len(self._text) + len(part) > self._limit:
            self._overlong = True
            out += self._garbage.add(bytes(self._text), self._began[0], "too long")
            self._text.clear()
        if self._overlong:
            out += self._garbage.add(part, self._offset, "too long")
        else:
            self._text += part
        self._offset += len(part)

    def _end(self, end: bytes, out: list[Line | BadFrame]) -> None:
        self._offset += len(end)
        if self._overlong:
            out += self._garbage.flush()
            self._overlong = False
        elif self._text:
            text = bytes(self._text)
            out.append(Line(text, text + end, *self._began))
            self._text.clear()
