"""Judging a laboratory ORU^R01, order-centred with SPM (LAB-3 style)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.lint.finding import Judge, Line
from gateway.lint.header import PROFILES
from gateway.lint.lab_message import check_forms, check_head, check_hl7apy, check_order, check_patient
from gateway.lint.lab_result import check_result, check_time
from protocols.hl7v2.message import Message

_END: Final = {"OBR", "NTE", "OBX", "SPM", "TQ1"}
_FOLLOWS: Final = {
    "MSH": {""},
    "SFT": {"MSH", "SFT"},
    "PID": {"MSH", "SFT", *_END},
    "PD1": {"PID"},
    "PV1": {"PID", "PD1"},
    "PV2": {"PV1"},
    "ORC": {"MSH", "SFT", "PID", "PD1", "PV1", "PV2", *_END},
    "OBR": {"MSH", "SFT", "PID", "PD1", "PV1", "PV2", "ORC", *_END},
    "NTE": {"PID", "OBR", "OBX", "NTE"},
    "TQ1": {"OBR", "NTE"},
    "OBX": {"OBR", "NTE", "TQ1", "OBX", "SPM"},
    "SPM": {"OBR", "OBX", "NTE", "TQ1", "SPM"},
}
_NOT_PATIENTS: Final = frozenset("QBCEFOV")


def is_lab(message: Message) -> bool:
    """Whether an ORU^R01 is a laboratory's: it does not claim PCD-01, and has what that forbids, ORC or SPM."""
    msh = message.first("MSH")
    claims = msh is not None and any(msh.text(21, 3, n) in PROFILES for n in range(1, len(msh.repeats(21)) + 1))
    return not claims and any(message.first(name) is not None for name in ("ORC", "SPM"))


def check_lab(judge: Judge, data: bytes, message: Message, lines: Sequence[Line]) -> None:
    """All rules of a laboratory ORU^R01."""
    check_forms(judge, data, message, lines, frozenset())
    check_order(judge, lines, _FOLLOWS, ("OBR",))
    check_head(lines[0], ("ORU^R01^ORU_R01", "ORU^R01"))
    seen: set[tuple[str, str]] = set()
    for line in lines:
        if line.name == "PID":
            check_patient(line)
        elif line.name == "OBR":
            seen = set()
            line.require("obr-4", 4, "what was examined: code^text^system")
            for number in (7, 14, 22):
                check_time(line, number)
        elif line.name == "OBX":
            check_result(line, seen=seen)
        elif line.name == "SPM":
            _specimen(line, patient=message.first("PID") is not None)
    check_hl7apy(judge, message, lambda segments: segments, "ORU_R01")


def _specimen(spm: Line, *, patient: bool) -> None:
    spm.require("spm-4", 4, "what was examined")
    if patient and spm.text(11) in _NOT_PATIENTS:
        spm.add("control-patient", 11, "no PID in a message of a control")
    for number in (17, 18):
        check_time(spm, number)
