"""Judging HL7 messages, anyone's, by their transaction (PCD-01, laboratory ones): our rules over hl7apy's structure check."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from gateway.lint.finding import Finding, Judge, Line
from gateway.lint.grammar import check_bytes, check_segments, check_text
from gateway.lint.header import check_msh
from gateway.lint.lab import check_lab, is_lab
from gateway.lint.lab_message import written
from gateway.lint.lab_rules import LAB_RULES
from gateway.lint.law import check_law
from gateway.lint.observation import Group, check_group, check_obx
from gateway.lint.order import check_obr
from gateway.lint.patient import check_pid, check_pv1
from gateway.lint.poct import EVENTS, check_poct
from gateway.lint.structure import check_structure
from protocols.hl7v2.message import Message, parse

Transaction: TypeAlias = Callable[[Judge, bytes, Message, list[Line]], None]
"""Judges a whole message."""


def messages(data: bytes) -> list[bytes]:
    """The messages of a file: MLLP bytes and line ends between them are dropped, each begins with its MSH."""
    data = data.replace(b"\x0b", b"").replace(b"\x1c\r", b"").replace(b"\x1c", b"").removeprefix(b"\xef\xbb\xbf")
    data = data.removesuffix(b"\n") if data.endswith(b"\r\n") else data
    return [part for part in re.split(rb"(?:(?<=[\r\n])|^)\s*(?=MSH[^A-Za-z0-9\s])", data) if part.strip()]


def lint_hl7(text: bytes) -> list[Finding]:
    """Findings in one message or a file of them; in a file of several a field begins with its message's number, `2:OBX[3]-6`."""
    parts = messages(text)
    judged = [_message(part) for part in parts] or [_message(b"")]
    _unique_ids(parts, judged)
    if len(judged) == 1:
        return judged[0]
    return [replace(one, field=f"{number}:{one.field}") for number, found in enumerate(judged, 1) for one in found]


def _message(data: bytes) -> list[Finding]:
    message = parse(data)
    transaction = _transaction(message) if message is not None else None
    judge = Judge() if transaction is None else Judge(rules=LAB_RULES)
    if message is None:
        judge.add("message", "message", data[:20].decode("ascii", "backslashreplace"), "MSH and its delimiters")
        return judge.findings
    counts: Counter[str] = Counter()
    lines = []
    for segment in message.segments:
        counts[segment.name] += 1
        lines.append(Line(segment, counts[segment.name], judge))
    if transaction is not None:
        transaction(judge, data, message, lines)
        return judge.findings
    check_bytes(judge, data, message)
    check_segments(judge, lines)
    check_text(lines)
    _fields(lines)
    _structure(judge, message)
    return judge.findings


def _transaction(message: Message) -> Transaction | None:
    """By which rules a message is judged; None: PCD-01's, whatever it claims."""
    kind, event = message.text("MSH", 9), message.text("MSH", 9, 2)
    if kind == "OUL":
        return check_law
    if kind == "ORU" and event in EVENTS:
        return check_poct
    return check_lab if (kind, event) == ("ORU", "R01") and is_lab(message) else None


def _fields(lines: list[Line]) -> None:
    fillers: set[str] = set()
    groups = [Group(None)]
    rows = 0
    for line in lines:
        if line.name == "MSH" and line.number == 1:
            check_msh(line)
        elif line.name == "PID":
            check_pid(line)
        elif line.name == "PV1":
            check_pv1(line)
        elif line.name == "OBR":
            check_obr(line, fillers)
            groups.append(Group(line))
        elif line.name == "OBX":
            rows += 1
            check_obx(line, groups[-1], rows)
    for group in groups:
        check_group(group)


def _structure(judge: Judge, message: Message) -> None:
    if message.text("MSH", 9) != "ORU":
        return
    text = "\r".join(written(segment) for segment in message.segments) + "\r"
    check_structure(judge, text, unknown_patient=message.text("PID", 31) == "Y")


def _unique_ids(parts: list[bytes], judged: list[list[Finding]]) -> None:
    seen: set[tuple[str, str]] = set()
    resent = {part for part, count in Counter(parts).items() if count > 1}
    for part, found in zip(parts, judged, strict=False):
        message = parse(part)
        msh = message.first("MSH") if message else None
        if msh is None:
            continue
        key = (msh.raw(3), msh.text(10))
        if key[1] and key in seen and part not in resent:
            judge = Judge()
            Line(msh, 1, judge).add("msh-10-unique", 10, "an id of its own: the same one means a resend, byte for byte")
            found.extend(judge.findings)
        seen.add(key)
