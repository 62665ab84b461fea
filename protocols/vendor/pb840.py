"""Puritan Bennett 840 and 980 ventilators, data communications interface: SNDA and SNDF polls and their replies.

Source: Puritan Bennett 840 technical reference, "Remote alarm and serial ports: DCI"; the 980 answers in the same form.

    MISCF,1225,169 ,<STX>14:51 ,840 3510053249    ,NOV 22 2011 , … ,<ETX><CR>
    └──┬┘ └─┬┘ └┬─┘      └──────────────── fields 5 … 173 ─────┘
     reply  │   fields between STX and ETX
            bytes between STX and ETX, commas included

Each field is padded with spaces to its fixed width (6, 9, 12 or 18) and followed by a comma; blanks mean "no value".

Seen on real wires: field 3 three or four characters wide; 1229 announced where the port is set to "Philips"; field 100 of
MISCA six or nine characters wide; the poll echoed in front; STX and ETX lost in a text log; bytes lost on a line without
flow control. There is no checksum. What proves that nothing was lost: every field has the width of the manual's layout, or,
where a firmware has another layout, both announced counts hold. A reply without such a proof is refused whole: a padded
field that lost a byte (24.0 to 2.0) looks like a number still. Recovery hunts for the next MISC.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from protocols.sansio import SAMPLE_MAX, BadFrame, Event, Message, Note

FIRST_FIELD = 5
"""The first field behind STX; 1 to 4 are the reply's name, its two counts and STX itself."""
FRAME_MAX = 4096
"""Bytes: three times the longest reply known (1245); past it the end was lost."""
_HEADER = re.compile(rb"MISC([A-Z]),\s*(\d{1,5})\s*,\s*(\d{1,4})\s*,\x02?")
_END = re.compile(rb"[\x03\r\n]")
_ECHO = re.compile(rb"[\r\n]*(?:(?:RSET|SND[AF])[\r\n]+)+")
_HEADER_MAX = 24
"""Bytes of the longest header with its padding."""
_MARK = b"MISC"
_WIDTH = 6
_FIELDS = {"MISCA": 97, "MISCF": 169}
_WIDE = {
    "MISCA": {6: {18}, 8: {12}, 62: {12}, 100: {9, 6}},
    "MISCF": {6: {18}, 7: {12}, 8: {9}, 50: {9}, 53: {18}, 55: {9}, 66: {9}},
}
"""The fields that are not six characters wide."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: `name` MISCA or MISCF; `fields` stripped of padding, fields[0] being field 5."""

    name: str
    fields: tuple[str, ...]

    def field(self, number: int) -> str:
        """Field `number` as the manual counts (5 is the first); "" when blank or not there."""
        index = number - FIRST_FIELD
        return self.fields[index] if 0 <= index < len(self.fields) else ""


class Poller:
    """The codec: polls with `command` every `interval_s`, and anew, behind a RSET, after `timeout_s` without a reply."""

    def __init__(self, command: str = "SNDF", *, interval_s: float = 5.0, timeout_s: float = 2.0) -> None:
        self._command = f"{command}\r".encode("ascii")
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._buffer = bytearray()
        self._offset = 0
        self._at = 0.0
        self._out = b""
        self._deadline: float | None = None
        self._waiting = False

    def start(self, now: float) -> None:
        self._buffer.clear()
        self._poll(now, b"RSET\r")

    def receive(self, data: bytes, now: float) -> Sequence[Event[Reply]]:
        if not self._buffer:
            self._at = now
        self._buffer += data
        events = self._take(now, final=False)
        if any(isinstance(event, Message) for event in events) and self._waiting:
            self._waiting = False
            self._deadline = now + self._interval_s
        return events

    def data_to_send(self) -> bytes:
        out, self._out = self._out, b""
        return out

    def deadline(self) -> float | None:
        return self._deadline

    def on_deadline(self, now: float) -> Sequence[Event[Reply]]:
        if self._deadline is None or now < self._deadline:
            return []
        silent = self._waiting
        self._poll(now, b"RSET\r" if silent else b"")
        return [Note("no reply")] if silent else []

    def confirm(self, token: int) -> None: ...

    def reject(self, token: int) -> None: ...

    def end(self, now: float) -> Sequence[Event[Reply]]:
        self._deadline = None
        return self._take(now, final=True)

    def _poll(self, now: float, before: bytes) -> None:
        self._out += before + self._command
        self._deadline = now + self._timeout_s
        self._waiting = True

    def _take(self, now: float, *, final: bool) -> list[Event[Reply]]:
        events: list[Event[Reply]] = []
        while self._buffer:
            size = self._noise(final=final)
            if size:
                events.append(self._passed(size))
                continue
            end = self._frame_end(final=final)
            if end is None:
                break
            events.append(self._frame(end))
            self._at = now
        return events

    def _noise(self, *, final: bool) -> int:
        """How many bytes at the front are noise: up to the next reply, or a full sample; CR and LF between replies are none.

        Noise is told in runs, so that the split of the reads does not show in the counts.
        """
        start = self._buffer.find(_MARK, 0, SAMPLE_MAX + len(_MARK) - 1)
        if start < 0:
            full = len(self._buffer) >= SAMPLE_MAX + len(_MARK) - 1
            start = SAMPLE_MAX if full else len(self._buffer) if final else 0
        if self._buffer[:start].strip(b"\r\n"):
            return start
        self._skip(start)
        return 0

    def _frame_end(self, *, final: bool) -> int | None:
        """Where the reply at the front ends, behind its CR if it is there; None: more bytes are needed."""
        if not self._buffer.startswith(_MARK):
            return None
        if not _HEADER.match(self._buffer, 0, _HEADER_MAX):
            return len(_MARK) if len(self._buffer) >= _HEADER_MAX or final else None
        following = self._buffer.find(_MARK, len(_MARK), FRAME_MAX)
        end = _END.search(self._buffer, 0, FRAME_MAX)
        if following >= 0 and not (end and end.start() < following):
            return following
        if end:
            return end.end() if end.group() != b"\x03" else self._behind(end.start(), final=final)
        return min(len(self._buffer), FRAME_MAX) if len(self._buffer) >= FRAME_MAX or final else None

    def _behind(self, etx: int, *, final: bool) -> int | None:
        if etx + 1 == len(self._buffer) and not final:
            return None
        return etx + 2 if self._buffer[etx + 1 : etx + 2] == b"\r" else etx + 1

    def _frame(self, size: int) -> Event[Reply]:
        raw = bytes(self._buffer[:size])
        header = _HEADER.match(raw, 0, _HEADER_MAX)
        if header is None:
            return self._bad(size, "header")
        name = f"MISC{header[1].decode()}"
        end = _END.search(raw)
        body = raw[header.end() : end.start() if end else size]
        fault = _fault(name, body, int(header[2]), int(header[3]))
        if fault:
            return self._bad(size, fault if end else "too long" if size == FRAME_MAX else "truncated")
        self._skip(size)
        text = body.decode("ascii", "replace")
        return Message(Reply(name, tuple(part.strip() for part in text[:-1].split(","))), raw, self._at)

    def _passed(self, size: int) -> Event[Reply]:
        if not _ECHO.fullmatch(self._buffer, 0, size):
            return self._bad(size, "garbage")
        self._skip(size)
        return Note("echo of the poll")

    def _bad(self, size: int, reason: str) -> BadFrame:
        event = BadFrame(self._offset, size, bytes(self._buffer[: min(size, SAMPLE_MAX)]), reason)
        self._skip(size)
        return event

    def _skip(self, size: int) -> None:
        del self._buffer[:size]
        self._offset += size


def _fault(name: str, body: bytes, announced: int, fields: int) -> str:
    """What is wrong with a reply's body, or nothing."""
    if not body.endswith(b","):
        return "field end"
    widths = [len(part) for part in body[:-1].split(b",")]
    if _as_documented(name, widths):
        return ""
    if len(widths) != fields:
        return "fewer fields than announced" if len(widths) < fields else "more fields than announced"
    if len(body) != announced:
        return "fewer bytes than announced" if len(body) < announced else "more bytes than announced"
    return ""


def _as_documented(name: str, widths: Sequence[int]) -> bool:
    wide = _WIDE.get(name, {})
    return len(widths) == _FIELDS.get(name) and all(
        width in wide.get(number, {_WIDTH}) for number, width in enumerate(widths, FIRST_FIELD)
    )
