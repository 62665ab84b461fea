"""What the judgements of laboratory transactions share: MSH, patient, the order of segments, hl7apy's view of the structure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from gateway.lint.finding import Judge, Line
from gateway.lint.grammar import check_bytes, check_text
from gateway.lint.lab_result import check_time
from gateway.lint.structure import check_structure
from protocols.hl7v2.message import Message, Segment

Prune = Callable[[Sequence[Segment]], Iterable[Segment]]
"""What hl7apy gets to see: the message without what the profile takes from later versions of HL7."""

_LONG: Final = ("TX", "FT", "ED", "RP")
_IN_2_5_1: Final = 25
"""Fields of OBX in HL7 2.5.1."""


def check_order(judge: Judge, lines: Sequence[Line], follows: Mapping[str, AbstractSet[str]], needs: Sequence[str]) -> None:
    """Names and order: `follows` says before which segments each may stand; `needs` are those that must be there."""
    before = ""
    for line in lines:
        name = line.name
        if name not in follows:
            rule = "segment-local" if name[:1] == "Z" else "segment-unknown"
            judge.add(rule, f"{name[:3]}[{line.number}]", name, "a segment of this message's structure")
            continue
        if before not in follows[name]:
            expected = "after " + ", ".join(sorted(one or "nothing" for one in follows[name]))
            judge.add("segment-order", f"{name}[{line.number}]", f"{name} after {before or 'nothing'}", expected)
        before = name
    there = {line.name for line in lines}
    for name in needs:
        if name not in there:
            judge.add("segment-missing", name, "", f"one {name} at least")


def check_head(msh: Line, kinds: Sequence[str], version: str = "") -> None:
    """MSH-7, 9, 10, 11 and, where one is expected, 12."""
    check_time(msh, 7)
    if msh.raw(9) not in kinds:
        msh.add("msh-9", 9, " or ".join(kinds))
    msh.require("msh-10", 10, "an id of its own")
    if msh.text(11) not in ("P", "T", "D"):
        msh.add("msh-11", 11, "P, T or D")
    if version and msh.text(12) != version:
        msh.add("msh-12", 12, version)


def check_patient(pid: Line) -> None:
    """A patient identifier; or the name says that nobody is known."""
    if not pid.text(3) and pid.text(5, 7) != "U":
        pid.add("pid-3", 3, "a patient identifier, or PID-5 ^^^^^^U where nobody is known")
    check_time(pid, 7)


def check_forms(judge: Judge, data: bytes, message: Message, lines: Sequence[Line], nulls: AbstractSet[str]) -> None:
    """Bytes, escapes, controls; `nulls` are the fields in which two quotation marks are meant ("OBR-2")."""
    check_bytes(judge, data, message)
    check_text([line for line in lines if not _meant(line, nulls)])


def _meant(line: Line, nulls: AbstractSet[str]) -> bool:
    return any(line.raw(int(number)) == '""' for name, _, number in (one.partition("-") for one in nulls) if name == line.name)


def check_hl7apy(judge: Judge, message: Message, prune: Prune, structure: str) -> None:
    """The structure as the standard defines it."""
    text = "".join(f"{written(_plain(segment))}\r" for segment in prune(message.segments))
    check_structure(judge, text, unknown_patient=message.text("PID", 5, 7) == "U", structure=structure)


def written(segment: Segment) -> str:
    """A segment as it stood."""
    separator = segment.delimiters.field
    if segment.name == "MSH":
        return f"MSH{separator}{separator.join(segment.fields[2:])}"
    return separator.join(segment.fields)


def _plain(segment: Segment) -> Segment:
    """OBX without what profiles take from later versions (flags with their system, the fields from OBX-20 on), and without long
    text: hl7apy takes TX and ED for ST.
    """
    if segment.name != "OBX":
        return segment
    fields = list(segment.fields[: _IN_2_5_1 + 1])
    fields[20:23] = [""] * len(fields[20:23])
    if len(fields) > 8:
        repeats = fields[8].split(segment.delimiters.repetition)
        fields[8] = segment.delimiters.repetition.join(one.split(segment.delimiters.component)[0] for one in repeats)
    if len(fields) > 5 and fields[2] in _LONG:
        fields[5] = ""
    while fields and not fields[-1]:
        fields.pop()
    return Segment("OBX", tuple(fields), segment.delimiters, segment.codec)
