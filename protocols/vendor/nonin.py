"""Nonin oximeters on a serial line: data formats 2 and 7, and the one-line-a-second text of the tabletop and handheld models.

Sources: Nonin OEM III / Xpod rev 29+ and WristOx2 3150 frame tables as published integrations repeat them; operator's manuals of
the 7500, 8500, 9600, 9847 and Avant 4000 for the text lines. Times: 25 frames a packet, 3 packets a second.

    format 2    01      STATUS  PLETH   FLOAT  CHK      CHK = sum of the four bytes before it, modulo 256
    format 7    STATUS  PLETHhi PLETHlo FLOAT  CHK      STATUS: bit 7 is always 1, bit 0 (SYNC) only in frame 1
    text        [HH:MM:SS ]SPO2=098[%] HR=072[ F][ B][*][ CKSUM=xxxx] CR LF     "---": no value

    FLOAT by frame: 1,2 HR  3 SpO2  4 REV  8 STAT2  9 SpO2-D  10 SpO2-Fast  11 SpO2-B-B  14,15 E-HR  16 E-SpO2  17 E-SpO2-D
                    20,21 HR-D  22,23 E-HR-D
    A rate is two bits of the first frame above seven of the second, 511: none. A saturation of 127: none.

Seen on real wires: a start in the middle of a packet, a lost byte, a flipped bit, the switch from text to binary. A packet
counts only whole: SYNC in its first frame and in no other, 25 right checksums. Whatever fails is passed over byte by byte,
and the next whole packet or line, in the same read, comes out. So bytes that happen to add up can't shift the frame grid.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntFlag
from typing import Literal, TypeAlias

from protocols.framing import Garbage
from protocols.sansio import BadFrame, Event, Incomplete, Message, Note, Quiet

Format: TypeAlias = Literal["auto", "2", "7", "ascii"]

FRAME = 5
"""Bytes of a frame, formats 2 and 7."""
FRAMES = 25
"""Frames of a packet."""
RATE_HZ = 75
"""Frames, and so pleth samples, a second."""
NO_RATE = 511
RATES_SHOWN = range(18, 322)
"""Pulse rates that the specifications name, /min (operator's manual 7500FO, "Specifications"; older models end at 300)."""
NO_SATURATION = 127
SATURATION_MAX = 100
LINE_MAX = 512
"""Characters of a text line: the longest one of the maker's (a header, the X-100M's 350) fits, noise is cut."""
_RUN_MAX = 1024
"""Bytes of noise told as one BadFrame: a second of the line at 9600 baud."""

RATES = {"HR": 1, "E-HR": 14, "HR-D": 20, "E-HR-D": 22}
"""Pulse rates by the frame of their high bits (1-based). E-: 8 beats instead of 4; -D: held for 10 s after the signal is lost."""
SATURATIONS = {"SpO2": 3, "SpO2-D": 9, "SpO2-Fast": 10, "SpO2-B-B": 11, "E-SpO2": 16, "E-SpO2-D": 17}
REVISION = 4
STAT2 = 8


class Status(IntFlag):
    """The STATUS byte of a frame."""

    SYNC = 0x01
    GREEN = 0x02
    RED = 0x04
    SENSOR_ALARM = 0x08
    OUT_OF_TRACK = 0x10
    ARTIFACT = 0x20
    DISCONNECTED = 0x40


class Stat2(IntFlag):
    """The STAT2 byte; models without a battery leave it 0."""

    LOW_BATTERY = 0x01
    SMART_POINT = 0x20


@dataclass(frozen=True, slots=True)
class Packet:
    """A third of a second: the bytes of its 25 frames, column by column. `pleth` has 8 bits in format 2, 16 in format 7."""

    format: Literal[2, 7]
    statuses: bytes
    pleth: tuple[int, ...]
    floats: bytes

    def rate(self, name: str) -> int | None:
        """A pulse rate of RATES, in /min; None: the device has none."""
        high = RATES[name]
        value = (self.floats[high - 1] & 0x03) << 7 | self.floats[high] & 0x7F
        return None if value == NO_RATE else value

    def saturation(self, name: str) -> int | None:
        """A saturation of SATURATIONS, in %; None: the device has none."""
        value = self.floats[SATURATIONS[name] - 1] & 0x7F
        return None if value == NO_SATURATION else value

    @property
    def status(self) -> Status:
        """Every flag that any frame of the packet shows."""
        merged = 0
        for status in self.statuses:
            merged |= status & 0x7F
        return Status(merged)

    @property
    def stat2(self) -> Stat2:
        """Battery and SmartPoint."""
        return Stat2(self.floats[STAT2 - 1] & (Stat2.LOW_BATTERY | Stat2.SMART_POINT))

    @property
    def perfusion(self) -> str:
        """The pulse signal's grade, shown in the frames during a pulse: "red", "yellow" or "green", the worst; else ""."""
        grades = {status & (Status.RED | Status.GREEN) for status in self.statuses}
        for grade, name in ((Status.RED, "red"), (Status.RED | Status.GREEN, "yellow"), (Status.GREEN, "green")):
            if grade in grades:
                return name
        return ""

    @property
    def revision(self) -> int:
        """The firmware's revision number."""
        return self.floats[REVISION - 1]


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line of text. `spo2` and `hr` are the device's three characters, blanks stripped, or None for "---".

    `time` is HH:MM:SS or empty. `fast`: fast-responding values (DIP switch 8 up). `mark`: the event button was pressed.
    `breath`: a breath since the line before (9847).
    """

    spo2: str | None
    hr: str | None
    time: str = ""
    fast: bool = False
    mark: bool = False
    breath: bool = False


Body: TypeAlias = Packet | TextLine


@dataclass(frozen=True, slots=True)
class _Take:
    body: Body
    skip: int
    size: int


@dataclass(frozen=True, slots=True)
class _Pass:
    """`size` bytes that are nothing; an empty reason: silently; "header": a text line that says no value."""

    size: int
    reason: str


_FIELD = rb"(\d{3}| \d{2}| {2}\d|---)"
_TEXT_LINE = re.compile(
    rb"(?:(?<!\d)((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)[ \t,]+)?SPO2=" + _FIELD + rb"%?[ \t,]+HR=" + _FIELD + rb"((?:[ \t]*[FB*])*)"
    rb"(?:[ \t,|]*CKSUM=([0-9A-F]{4}))?[ \t]*\Z",
    re.IGNORECASE,
)
_PRINTABLE = re.compile(rb"[\t\x20-\x7e]+")
_HEADER = re.compile(rb"[^=]*[A-Za-z]{2}[^=]*\Z")


def crc16_xmodem(data: bytes) -> int:
    """CRC-16/XMODEM (polynomial 1021, start 0): the CKSUM of the maker's text lines; "123456789" gives 31C3."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


class NoninCodec(Quiet):
    """Any of the formats, or the one that is named; the device streams and is never spoken to."""

    def __init__(self, format: Format = "auto") -> None:  # noqa: A002 - the maker's word
        self._format = format
        self._buffer = bytearray()
        self._offset = 0
        self._arrivals: deque[tuple[int, float]] = deque()
        self._garbage = Garbage(_RUN_MAX)

    def start(self, now: float) -> None:  # noqa: ARG002 - the contract's signature
        """Forget half a packet of the former connection."""
        self._offset += len(self._buffer)
        self._buffer.clear()
        self._arrivals.clear()

    def receive(self, data: bytes, now: float) -> Sequence[Event[Body]]:
        """Take bytes in any split; whole packets and lines come out."""
        if data:
            self._arrivals.append((self._offset + len(self._buffer), now))
            self._buffer += data
        return self._scan(final=False)

    def end(self, now: float) -> Sequence[Event[Body]]:  # noqa: ARG002 - the contract's signature
        """A last line without its end counts, its fields have fixed widths; half a packet does not."""
        events = self._scan(final=True)
        if self._buffer:
            events += self._garbage.flush()
            inside = "line" if _PRINTABLE.fullmatch(self._buffer) else "packet"
            events.append(Incomplete(bytes(self._buffer), self._began(), f"ended inside a {inside}"))
            self._consume(len(self._buffer))
        return [*events, *self._garbage.flush()]

    def _scan(self, *, final: bool) -> list[Event[Body]]:
        events: list[Event[Body]] = []
        while self._buffer and (found := self._first(final=final)) is not None:
            if isinstance(found, _Pass):
                events += self._pass(found)
                continue
            events += self._pass(_Pass(found.skip, "garbage")) if found.skip else []
            events += self._garbage.flush()
            events.append(Message(found.body, bytes(self._buffer[: found.size]), self._began()))
            self._consume(found.size)
        return events

    def _pass(self, found: _Pass) -> list[Note | BadFrame]:
        data = bytes(self._buffer[: found.size])
        at = self._offset
        self._consume(found.size)
        if not self._garbage.size and found.reason in {"", "header"}:
            return [Note(found.reason)] if found.reason else []
        return [*self._garbage.add(data, at, found.reason or "garbage")]

    def _first(self, *, final: bool) -> _Take | _Pass | None:
        """What stands at the start of the buffer; None: more bytes are needed to tell."""
        first = self._buffer[0]
        if first in b"\r\n":
            return _Pass(1, "")
        if first == 0x01 and self._format in {"auto", "2"}:
            return self._packet(2)
        if first & 0x81 == 0x81 and self._format in {"auto", "7"}:
            return self._packet(7)
        if _PRINTABLE.match(self._buffer) and self._format in {"auto", "ascii"}:
            return self._text(final=final)
        return _Pass(1, "garbage")

    def _packet(self, form: Literal[2, 7]) -> _Take | _Pass | None:
        buffer = self._buffer
        status = 1 if form == 2 else 0
        if len(buffer) > status and buffer[status] & 0x81 != 0x81:
            return _Pass(1, "garbage")
        for at in range(0, min(len(buffer) // FRAME, FRAMES) * FRAME, FRAME):
            if sum(buffer[at : at + 4]) & 0xFF != buffer[at + 4]:
                return _Pass(1, "checksum")
            if buffer[at + status] & 0x81 != (0x81 if at == 0 else 0x80) or (form == 2 and buffer[at] != 0x01):
                return _Pass(1, "missed frame")
        if len(buffer) < FRAME * FRAMES:
            return None
        return _Take(_columns(form, bytes(buffer[: FRAME * FRAMES])), 0, FRAME * FRAMES)

    def _text(self, *, final: bool) -> _Take | _Pass | None:
        run = _PRINTABLE.match(self._buffer)
        size = run.end() if run else 0
        if size > LINE_MAX:
            return _Pass(LINE_MAX, "too long")
        if size == len(self._buffer):
            found = _line(bytes(self._buffer), size) if final else None
            return found if isinstance(found, _Take) else None
        if size < len(self._buffer) and self._buffer[size] not in b"\r\n":
            return _Pass(size, "garbage")
        return _line(bytes(self._buffer[:size]), size + 1)

    def _began(self) -> float:
        return self._arrivals[0][1]

    def _consume(self, size: int) -> None:
        del self._buffer[:size]
        self._offset += size
        while len(self._arrivals) > 1 and self._arrivals[1][0] <= self._offset:
            self._arrivals.popleft()
        if not self._buffer:
            self._arrivals.clear()


def _columns(form: Literal[2, 7], frames: bytes) -> Packet:
    if form == 2:
        return Packet(2, frames[1::FRAME], tuple(frames[2::FRAME]), frames[3::FRAME])
    pleth = tuple(high << 8 | low for high, low in zip(frames[1::FRAME], frames[2::FRAME], strict=True))
    return Packet(7, frames[0::FRAME], pleth, frames[3::FRAME])


def _line(text: bytes, whole: int) -> _Take | _Pass:
    """`whole`: the bytes of the line with its end."""
    match = _TEXT_LINE.search(text)
    if match is None:
        return _Pass(len(text), "header" if _HEADER.match(text) else "unknown line")
    time, spo2, hr, marks, checksum = match.groups()
    line = text[match.start() :]
    if checksum is not None and int(checksum, 16) not in _checksums(line):
        return _Pass(len(text), "checksum")
    body = TextLine(
        spo2=_digits(spo2),
        hr=_digits(hr),
        time=(time or b"").decode(),
        fast=b"F" in marks.upper(),
        mark=b"*" in marks,
        breath=b"B" in marks.upper(),
    )
    if int(body.spo2 or 0) > SATURATION_MAX or int(body.hr or 0) >= RATES_SHOWN.stop:
        return _Pass(len(text), "out of range")
    return _Take(body, match.start(), whole - match.start())


def _checksums(line: bytes) -> Iterator[int]:
    """What CKSUM may be: the published descriptions differ in whether "CKSUM=" itself is summed."""
    start = line.upper().rindex(b"CKSUM=")
    yield crc16_xmodem(line[:start])
    yield crc16_xmodem(line[: start + len(b"CKSUM=")])


def _digits(field: bytes) -> str | None:
    return None if field == b"---" else field.decode().strip()
