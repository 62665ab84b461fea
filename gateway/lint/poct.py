"""Judging ORU^R30, R31 and R32 as LAB-32: one patient, one order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from gateway.lint.finding import Judge, Line
from gateway.lint.lab_message import check_forms, check_head, check_hl7apy, check_order, check_patient
from gateway.lint.lab_result import check_result, check_time
from protocols.hl7v2.message import Message, Segment

EVENTS: Final = ("R30", "R31", "R32")
_FOLLOWS: Final = {
    "MSH": {""},
    "SFT": {"MSH", "SFT"},
    "PID": {"MSH", "SFT"},
    "PD1": {"PID"},
    "PV1": {"PID", "PD1"},
    "PV2": {"PV1"},
    "ORC": {"PID", "PD1", "PV1", "PV2"},
    "OBR": {"ORC"},
    "NTE": {"OBR", "OBX", "NTE"},
    "TQ1": {"OBR", "NTE", "TQ2"},
    "TQ2": {"TQ1", "TQ2"},
    "OBX": {"OBR", "NTE", "TQ1", "TQ2", "OBX"},
    "SPM": {"OBX", "NTE"},
}
_CONTROLS: Final = {"R30": ("NW",), "R31": ("NW", "RE"), "R32": ("RE", "SC", "OC")}
_NULLS: Final = frozenset[str]()


def check_poct(judge: Judge, data: bytes, message: Message, lines: Sequence[Line]) -> None:
    """All rules of LAB-32."""
    check_forms(judge, data, message, lines, _NULLS)
    check_order(judge, lines, _FOLLOWS, ("PID", "ORC", "OBR", "OBX"))
    event = message.text("MSH", 9, 2)
    check_head(lines[0], [f"ORU^{one}^ORU_R30" for one in EVENTS], "2.5")
    seen: set[tuple[str, str]] = set()
    for line in lines:
        if line.name == "PID":
            check_patient(line)
        elif line.name == "ORC":
            _order(line, event, placer=bool(line.raw(2) or _first(lines, "OBR", 2)))
        elif line.name == "OBR":
            line.require("obr-4", 4, "what was examined: code^text^system")
            check_time(line, 7)
        elif line.name == "OBX":
            check_result(line, seen=seen)
        elif line.name == "SPM":
            line.add("segment-later", 1, "no SPM: the specimen stands in OBR-15", got="SPM")
        if line.name in ("PID", "ORC", "OBR") and line.number > 1:
            line.add("one-order", 1, f"one {line.name}: a message for each order", got=line.name)
    check_hl7apy(judge, message, _pruned, "ORU_R30")


def _first(lines: Sequence[Line], name: str, number: int) -> str:
    return next((line.raw(number) for line in lines if line.name == name), "")


def _order(orc: Line, event: str, *, placer: bool) -> None:
    expected = _CONTROLS.get(event, ())
    if expected and orc.text(1) not in expected:
        orc.add("orc-1", 1, f"{' or '.join(expected)} with {event}")
    if event == "R32" and not placer:
        orc.add("order-number", 2, "the number of the order that exists")


def _pruned(segments: Sequence[Segment]) -> Iterable[Segment]:
    """Without SPM, which later versions have behind the results."""
    return (segment for segment in segments if segment.name != "SPM")
