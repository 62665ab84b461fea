"""Which segments a PCD-01 has, in which order (IHE PCD TF-2 3.1.4.1.1), and what no field may hold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from gateway.lint.finding import Judge, Line
from protocols.hl7v2.message import CHARSETS, Message

FORBIDDEN: Final = frozenset({"SFT", "PD1", "PV2", "ORC", "TQ2", "CTD", "FT1", "CTI", "SPM", "DSC"})
_FOLLOWS: Final = {
    "MSH": {""},
    "UAC": {"MSH"},
    "PID": {"MSH", "UAC", "OBX", "NTE", "PRT", "OBR", "TQ1"},
    "NK1": {"PID", "PRT", "NK1"},
    "PV1": {"PID", "PRT", "NK1"},
    "OBR": {"MSH", "UAC", "PID", "PV1", "NK1", "PRT", "NTE", "OBX", "OBR", "TQ1"},
    "TQ1": {"OBR", "NTE", "PRT", "TQ1"},
    "OBX": {"OBR", "NTE", "PRT", "TQ1", "OBX"},
    "NTE": {"OBR", "OBX", "PRT", "NTE"},
    "PRT": {"PID", "PV1", "OBR", "OBX", "NTE", "PRT"},
}
_ESCAPE: Final = re.compile(r"\\(?:[FSTREHN]|\.br|X(?:[0-9A-Fa-f]{2})+|[.CMZ][^\\]*)\\")
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def check_segments(judge: Judge, lines: Sequence[Line]) -> None:
    """Names and order."""
    before = ""
    for line in lines:
        name = line.name
        if name in FORBIDDEN:
            judge.add("segment-forbidden", f"{name}[{line.number}]", name, "nothing: the segment is not supported (X)")
        elif name not in _FOLLOWS:
            rule = "segment-local" if name[:1] == "Z" else "segment-unknown"
            judge.add(rule, f"{name[:3]}[{line.number}]", name, "a segment of ORU^R01")
        else:
            if before not in _FOLLOWS[name]:
                judge.add("segment-order", f"{name}[{line.number}]", f"{name} after {before or 'nothing'}", _after(name))
            if name == "NTE" and before == "NTE":
                judge.add("nte-repeated", f"NTE[{line.number}]", "a second NTE", "one NTE, its comments as repetitions of NTE-3")
            before = name
    names = {line.name for line in lines}
    if "OBR" not in names:
        judge.add("obr-missing", "OBR", "", "one OBR at least")
    if "PID" not in names:
        judge.add("patient-missing", "PID", "", "PID, unless the patient is truly not known")


def _after(name: str) -> str:
    return "after " + ", ".join(sorted(before or "nothing" for before in _FOLLOWS[name]))


def check_text(lines: Sequence[Line]) -> None:
    """Escapes, controls and the null value in every field."""
    for line in lines:
        for number, text in enumerate(line.segment.fields):
            if number == 0 or (line.name == "MSH" and number < 3):
                continue
            if _CONTROL.search(text):
                line.add("control-character", number, "\\Xhh\\ for a control character", got=repr(text))
            if "\\" in _ESCAPE.sub("", text):
                line.add("escape", number, "\\E\\ for a backslash, or a known escape sequence")
            if '""' in re.split(r"[~^&]", text):
                line.add("null", number, "nothing, unless the value is meant to be deleted")


def check_bytes(judge: Judge, data: bytes, message: Message) -> None:
    """Segment ends, and whether the bytes are of the declared charset."""
    if b"\n" in data:
        judge.add("segment-end", "message", "LF", "CR alone")
    declared = message.text("MSH", 18)
    if not declared and not data.isascii():
        judge.add("charset", "MSH[1]-18", "nothing, though there are characters beyond ASCII", "the character set's name")
    elif declared in CHARSETS:
        try:
            data.decode(CHARSETS[declared] if declared else "ascii")
        except UnicodeDecodeError as error:
            judge.add("charset", "MSH[1]-18", declared, f"bytes of that character set (offset {error.start} is none)")
