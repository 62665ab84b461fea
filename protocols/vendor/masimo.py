"""Masimo oximeters on a serial line: the "ASCII 1" text of Rad-5, Rad-8, Rad-57, Rad-87 and Radical-7, a line a second.

Sources: operator's manuals of the Rad-8 and Rad-57 (serial set-up, exception bits, sample output) and of the Rad-87; lines of
real devices as published integrations show them.

    02/22/16 22:47:45 SN=0000056661 SPO2=098% BPM=097 PI=03.60% SPCO=--.-% ... ALARM=0000 EXC=000800 CR LF

Keys, widths and percent signs vary with model and firmware, so a line is read by its keys: a Rad-5 has no SN, a Radical-7
adds SPHB, SPOC, RESVD, PVI and EXC1. Dashes say that there is no value. ALARM is the device's alarm word; the maker does not
publish its bits, and published readings of them differ: it is kept as it is.

Seen on real wires: a line joined in its middle, a lost line end (two lines glued), an empty line between lines, NULs in front of
a line (Radical-7). A line has no checksum; it counts when it is printable, begins with date and time and reaches EXC, which
closes every known layout, and when its numbers keep their widths: a lost digit would make 098 a 9. A digit changed into another
one can't be told. What stands before the date is passed over, and the line behind it comes out.

A line that ends without EXC has lost its tail where the device has sent EXC before, or SN, which comes with EXC in every layout.
Else it is taken for a layout unknown to us, if saturation and rate have all their digits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntFlag
from types import MappingProxyType
from typing import Literal, TypeAlias

from protocols.framing import Line, LineSplitter
from protocols.sansio import SAMPLE_MAX, BadFrame, Event, Incomplete, Message, Quiet

DateOrder: TypeAlias = Literal["mdy", "dmy"]
"""Month or day first: a setting of some devices that their lines do not show."""

LINE_MAX = 512
"""Characters of a line: the longest one known has 190; room for a firmware that adds keys, none for noise."""


class Exc(IntFlag):
    """The EXC word: exception bits, Rad-8 operator's manual, "Trend data format". Other bits are reserved."""

    NO_SENSOR = 0x001
    DEFECTIVE_SENSOR = 0x002
    LOW_PERFUSION = 0x004
    PULSE_SEARCH = 0x008
    INTERFERENCE = 0x010
    SENSOR_OFF = 0x020
    AMBIENT_LIGHT = 0x040
    UNRECOGNIZED_SENSOR = 0x080
    LOW_SIGNAL_IQ = 0x400
    MASIMO_SET = 0x800
    """The algorithm runs in full SET mode: no fault."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One line. `time` is the device's own clock, naive; None when it shows no possible time. `fields` in wire order."""

    time: datetime | None
    clock: str
    """Date and time as they were sent."""
    fields: Mapping[str, str]
    """Upper-case key to text, as sent: "098%", "--.-%", "000800"."""
    words: tuple[str, ...] = ()
    """What of the line is no KEY=VALUE."""

    @property
    def serial(self) -> str:
        """The serial number, "" where the device gives none."""
        return self.fields.get("SN", "").strip("-")

    @property
    def exc(self) -> Exc:
        """The exception bits, none where EXC is not sent; trend output adds words after a colon ("820:OffPat,SET")."""
        return Exc(int(self.fields.get("EXC", "0").partition(":")[0], 16))


def number(text: str) -> tuple[str | None, str]:
    """("098", "%") for "098%", (None, "%") for "--.-%": the value without its unit, None for dashes; and the unit."""
    unit = "%" if text.endswith("%") else ""
    value = text.removesuffix("%")
    return (value if value.strip("+-. ") else None), unit


_PRINTABLE = re.compile(rb"[\t\x20-\x7e]*\Z")
_DATE = re.compile(rb"(\d\d/\d\d/(?:20)?\d\d)[ \t]+(\d\d:\d\d:\d\d)(?!\d)")
_FIELD = re.compile(r"(?<!\S)([A-Za-z][A-Za-z0-9]{0,15})=( ?[^\s=]{0,32})(?!\S)")
_EXC = re.compile(r"[0-9A-Fa-f]{3,8}(:.*)?\Z")
_WIDTHS = {"SPO2": 3, "BPM": 3, "PR": 3, "PI": 5}
_PADDED = re.compile(r"0\d")
_THREE = re.compile(r"(?:\d{3}|---)%?")
_LAYOUTS = frozenset({(2, 3), (4, 6)})
"""Widths of ALARM and EXC where EXC ends the line (Rad-5; Rad-8, Rad-87): what tells a whole line without its end."""


class MasimoCodec(Quiet):
    """Lines in, readings out; the device streams and is never spoken to."""

    def __init__(self, date: DateOrder = "mdy") -> None:
        self._date = date
        self._lines = LineSplitter(LINE_MAX)
        self._sends_exc = False

    def start(self, now: float) -> None:  # noqa: ARG002 - the contract's signature
        """Forget half a line of the former connection."""
        self._lines.rest()
        self._sends_exc = False

    def receive(self, data: bytes, now: float) -> Sequence[Event[Reading]]:
        """Take bytes in any split; whole lines come out."""
        events: list[Event[Reading]] = []
        for line in self._lines.feed(data, now):
            events += [line] if isinstance(line, BadFrame) else self._read(line)
        return events

    def end(self, now: float) -> Sequence[Event[Reading]]:  # noqa: ARG002 - the contract's signature
        """A last line without its end counts when its tail has the width of a known layout; else it may be cut."""
        rest = self._lines.rest()
        if rest is None or isinstance(rest, BadFrame):
            return [rest] if rest else []
        events = self._read(rest)
        if any(isinstance(event, Message) and _whole(event.body) for event in events):
            return events
        return [Incomplete(rest.raw, rest.at, "ended inside a line")]

    def _read(self, line: Line) -> list[Event[Reading]]:
        if not line.text.strip(b"\x00"):
            return []
        dates = list(_DATE.finditer(line.text))
        if not dates:
            return [_bad(line, 0, len(line.text), "no date")]
        start = dates[-1].start()
        events: list[Event[Reading]] = [_bad(line, 0, start, "partial line")] if line.text[:start].strip(b" \t\x00") else []
        reading = _parse(dates[-1], self._date) if _PRINTABLE.match(line.text, start) else None
        fault = "damaged line" if reading is None or not _keeps_widths(reading) else self._lost_tail(reading)
        if reading is None or fault:
            return [*events, _bad(line, start, len(line.text), fault)]
        return [*events, Message(reading, line.raw[start:], line.at)]

    def _lost_tail(self, reading: Reading) -> str:
        if "EXC" in reading.fields:
            self._sends_exc = True
            return ""
        plain = _THREE.fullmatch(reading.fields.get("SPO2", "")) and _THREE.fullmatch(reading.fields.get("BPM", ""))
        known = self._sends_exc or "SN" in reading.fields or reading.words
        return "partial line" if known or not plain else ""


def _parse(date: re.Match[bytes], order: DateOrder) -> Reading | None:
    rest = date.string[date.end() :].decode("ascii")
    found = _FIELD.findall(rest)
    fields = {key.upper(): value for key, value in found}
    if len(fields) != len(found) or not _EXC.match(fields.get("EXC", "000")):
        return None
    clock = " ".join(part.decode("ascii") for part in date.groups())
    return Reading(
        time=_time(clock, order), clock=clock, fields=MappingProxyType(fields), words=tuple(_FIELD.sub("", rest).split())
    )


def _time(clock: str, order: DateOrder) -> datetime | None:
    day, _, time = clock.partition(" ")
    form = "%m/%d/%y" if order == "mdy" else "%d/%m/%y"
    try:
        return datetime.strptime(f"{day[:6]}{day[-2:]} {time}", f"{form} %H:%M:%S")  # noqa: DTZ007 - the device names no zone
    except ValueError:
        return None


def _keeps_widths(reading: Reading) -> bool:
    """A firmware that writes leading zeros writes them in every line and field; one that writes none can't be checked."""
    values = {key: number(reading.fields.get(key, ""))[0] for key in _WIDTHS}
    known = {key: value for key, value in values.items() if value is not None}
    padded = any(_PADDED.match(value) for value in known.values())
    return not padded or all(len(value) == _WIDTHS[key] for key, value in known.items())


def _whole(reading: Reading) -> bool:
    widths = len(reading.fields.get("ALARM", "")), len(reading.fields.get("EXC", ""))
    return len(reading.fields.get("EXC1", "")) == 8 or widths in _LAYOUTS


def _bad(line: Line, start: int, end: int, reason: str) -> BadFrame:
    return BadFrame(offset=line.offset + start, size=end - start, raw=line.text[start:end][:SAMPLE_MAX], reason=reason)
