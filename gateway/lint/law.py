"""Judging OUL^R22 as LAB-29 of IHE LAW."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from gateway.lint.finding import Judge, Line
from gateway.lint.lab_message import check_forms, check_head, check_hl7apy, check_order, check_patient
from gateway.lint.lab_result import check_material, check_result, check_time
from protocols.hl7v2.message import Message, Segment

_END: Final = {"OBX", "NTE", "TCD", "INV", "OBR", "ORC", "TQ1"}
_FOLLOWS: Final = {
    "MSH": {""},
    "SFT": {"MSH", "SFT"},
    "PID": {"MSH", "SFT"},
    "PV1": {"PID"},
    "SPM": {"MSH", "SFT", "PID", "PV1", *_END},
    "SAC": {"SPM"},
    "INV": {"SPM", "SAC", "OBX", "TCD", "INV"},
    "OBR": {"SPM", "SAC", *_END},
    "ORC": {"OBR"},
    "TQ1": {"OBR", "ORC", "NTE"},
    "OBX": {"OBR", "ORC", "TQ1", "OBX", "NTE", "TCD", "INV"},
    "TCD": {"OBX"},
    "NTE": {"ORC", "TQ1", "OBX", "TCD", "INV", "NTE"},
}
"""MSH [PID [PV1]] {SPM [SAC] [INV] {OBR [ORC] [TQ1] {OBX [TCD] {INV} {NTE}}}}; HL7 has the order's NTE behind ORC."""
_NULLS: Final = frozenset({"OBR-2", "OBR-3", "INV-1"})
_ROLES: Final = frozenset("PQBCEFGLORUV")
_PATIENTS: Final = frozenset("PGLRU")
_STATES: Final = frozenset({"A", "CA", "CM", "DC", "ER", "HD", "IP", "RP", "SC"})


def check_law(judge: Judge, data: bytes, message: Message, lines: Sequence[Line]) -> None:
    """All rules of LAB-29."""
    check_forms(judge, data, message, lines, _NULLS)
    check_order(judge, lines, _FOLLOWS, ("SPM", "OBR"))
    _head(lines[0])
    for specimen in _groups(lines, "SPM"):
        _specimen(specimen, patient=message.first("PID") is not None)
    for pid in (line for line in lines if line.name == "PID"):
        check_patient(pid)
    _instances(lines)
    check_hl7apy(judge, message, _pruned, "OUL_R22")


def _head(msh: Line) -> None:
    check_head(msh, ("OUL^R22^OUL_R22",), "2.5.1")
    if msh.text(15) != "NE":
        msh.add("msh-15", 15, "NE")
    if msh.text(16) != "AL":
        msh.add("msh-16", 16, "AL")
    if "LAB-29^IHE" not in msh.segment.repeats(21):
        msh.add("law-msh-21", 21, "LAB-29^IHE")


def _groups(lines: Sequence[Line], name: str) -> list[list[Line]]:
    """The lines from each segment of that name to the next."""
    found: list[list[Line]] = []
    for line in lines:
        if line.name == name:
            found.append([])
        if found:
            found[-1].append(line)
    return found


def _specimen(lines: Sequence[Line], *, patient: bool) -> None:
    spm = lines[0]
    container = next((line for line in lines if line.name == "SAC"), None)
    if not (spm.raw(2).strip("^&") or (container is not None and container.raw(3))):
        spm.add("spm-id", 2, "the specimen's id, here or as container id in SAC-3")
    spm.require("spm-4", 4, "what was examined")
    role = spm.text(11)
    if role not in _ROLES:
        spm.add("spm-11", 11, "P patient, Q control, or another role of HL7 table 0369")
    for number in (17, 18):
        check_time(spm, number)
    orders = _groups(lines, "OBR")
    if role and role in _ROLES - _PATIENTS:
        _control(spm, lines[: len(lines) - sum(map(len, orders))], patient=patient)
    for order in orders:
        _order(order)


def _control(spm: Line, own: Sequence[Line], *, patient: bool) -> None:
    """`own` are the lines before the specimen's first order."""
    if patient:
        spm.add("control-patient", 11, "no PID in a message of a control")
    if not any(line.name == "INV" for line in own):
        spm.add("control-material", 11, "INV: which control, which lot")
    for line in own:
        if line.name == "INV":
            check_material(line)


def _order(lines: Sequence[Line]) -> None:
    obr = lines[0]
    obr.require("obr-2", 2, 'the order number, or "" where none is known')
    obr.require("obr-4", 4, "what was examined: code^text^system")
    orc = next((line for line in lines if line.name == "ORC"), None)
    if orc is None:
        obr.add("orc", 2, "ORC behind it", got="")
    else:
        _status(orc)
    seen: set[tuple[str, str]] = set()
    for line in lines:
        if line.name == "OBX":
            check_result(line, seen=seen)
            line.require("obx-4-run", 4, "the run, 1 for the first")
        elif line.name == "INV":
            check_material(line)
        elif line.name == "TQ1" and line.text(9) not in ("", *"SARPCT"):
            line.add("tq1-9", 9, "S, A, R, P, C or T")


def _status(orc: Line) -> None:
    if orc.text(1) not in ("OK", "SC"):
        orc.add("orc-1", 1, "OK for an order that is known, SC for none")
    if orc.text(5) not in _STATES:
        orc.add("orc-5", 5, "CM, IP, CA or another status of HL7 table 0038")


def _instances(lines: Sequence[Line]) -> None:
    seen: set[str] = set()
    for obx in (line for line in lines if line.name == "OBX" and line.raw(21)):
        if obx.raw(21) in seen:
            obx.add("obx-21-unique", 21, "a name of its own for each result")
        seen.add(obx.raw(21))


def _pruned(segments: Sequence[Segment]) -> Iterable[Segment]:
    """Without the INV that LAW adds: in 2.5.1 there is one, behind SAC."""
    before = ""
    for segment in segments:
        if segment.name != "INV" or before == "SAC":
            yield segment
        before = segment.name
