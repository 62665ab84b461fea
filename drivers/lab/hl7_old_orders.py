"""Orders in the dialects that are older than LAW: ORR^O02 of Mindray BC, DSR^Q03 of Mindray BS and CL, RSP^Z02 of GeneXpert.

    ORM^O01  ORC|RF||SYN-1||IP              ──▶  ORR^O02  MSA|AA  PID PV1  ORC|AF|SYN-1  OBR|1|SYN-1||00001^Automated Count  OBX…
    QRY^Q02  QRD|…|RD|SYN-1|OTH             ──▶  QCK^Q02 (the codec's), DSR^Q03  MSA ERR QAK QRD QRF  DSP 1 to 28, one a test  DSC
    QBP^Z03  QPD|Z03^HOST QUERY|tag||SYN-1  ──▶  RSP^Z02  MSA QAK QPD { PID { ORC OBR TQ1 SPM } }

Sources: Mindray, BC-5000 and BC-5150 HL7 communication protocol 2.0 §4.2.4, §5.5; chemistry analyzer host interface manual 1.2
chapter 3; Cepheid, GeneXpert LIS interface protocol specification 301-2002 Rev. E.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from drivers.lab.hl7_profile import GENEXPERT, Hl7LabOptions
from gateway.driver import Answer, Context
from gateway.model import Subject, WorkOrder
from protocols.hl7v2 import queries
from protocols.hl7v2.message import CHARSETS, field, segment
from protocols.hl7v2.message import Message as Hl7Message

_WORDS = {"M": "Male", "F": "Female"}
"""Mindray's for PID-8."""
_DSP_TESTS = 29
"""The first of the lines that name tests; before it stand patient and specimen."""


def answer(query: Hl7Message, orders: Sequence[WorkOrder], context: Context[Hl7LabOptions], at: datetime) -> Answer | None:
    """The answer in the dialect of a question; None where that is LAW's. One specimen at a time, but for a GeneXpert."""
    name = queries.name_of(query)
    first = [order for order in orders if order.specimen == orders[0].specimen and not order.cancelled]
    if name in GENEXPERT:
        return _genexpert(query, [order for order in orders if not order.cancelled], context, at)
    if name not in {queries.ORDERS, queries.DISPLAY}:
        return None
    if not first:
        return Answer(b"")
    made = _counter(query, first, context, at) if name == queries.ORDERS else _chemistry(query, first, context, at)
    return Answer(_encoded(query, made), tuple(first))


def _encoded(query: Hl7Message, lines: Iterable[str]) -> bytes:
    """In the charset that the question declared and the answer repeats."""
    return "".join(lines).encode(CHARSETS.get(query.text("MSH", 18).upper(), "utf-8"), "replace")


def whose(group: Sequence[WorkOrder]) -> Subject | None:
    """The patient that orders of one specimen name."""
    return next((order.patient for order in group if order.patient is not None), None)


def tests(order: WorkOrder, options: Hl7LabOptions) -> Iterator[tuple[str, int]]:
    """The tests of an order that the analyzer does, in its own codes, each with its place in the order."""
    own = options.orders.tests
    named = ((own.get(test, "" if own else test), n) for n, test in enumerate(order.tests, 1))
    return ((test, n) for test, n in named if test)


def _codes(orders: Sequence[WorkOrder], options: Hl7LabOptions) -> list[str]:
    return list(dict.fromkeys(test for order in orders for test, _ in tests(order, options)))


def _local(at: datetime | None, context: Context[Hl7LabOptions]) -> str:
    """A time as these analyzers write it: their own, without an offset."""
    return f"{at.astimezone(context.timezone):%Y%m%d%H%M%S}" if at else ""


def _head(query: Hl7Message, kind: str, at: datetime, context: Context[Hl7LabOptions], *more: str) -> str:
    msh = query.first("MSH")
    assert msh is not None  # it was parsed
    who = [queries.again(msh, n) for n in (5, 6, 3, 4)]
    who[0] = who[0] or "wardlink"
    own = [_local(at, context), "", kind, f"{at:%Y%m%d%H%M%S%f}", "P", queries.again(msh, 12)]
    return segment("MSH", "^~\\&", *who, *own, "", "", *(more or ("", "")), "", queries.again(msh, 18))


def _accepted(query: Hl7Message, *says: str) -> str:
    return segment("MSA", "AA", field(query.text("MSH", 10)), *map(field, says))


def _born(patient: Subject) -> str:
    return f"{patient.birth_date}000000" if patient.birth_date else ""


def _counter(query: Hl7Message, orders: Sequence[WorkOrder], context: Context[Hl7LabOptions], at: datetime) -> Iterator[str]:
    """ORR^O02: one mode of measurement a tube, the longest that is ordered (CBC+DIFF before CBC); OBR-2 must be ORC-2."""
    patient, tube = whose(orders), field(orders[0].specimen)
    yield _head(query, field("ORR", "O02"), at, context)
    yield _accepted(query)
    if patient is not None:
        name, sex = field(patient.family_name, patient.given_name), _WORDS.get(patient.sex, "")
        yield segment("PID", "1", "", field(patient.patient_id, "", "", "", "MR"), "", name, "", _born(patient), sex)
        yield segment("PV1", "1")
    yield segment("ORC", "AF", tube)
    drawn = next((_local(order.collected_at, context) for order in orders if order.collected_at), "")
    obr = ["1", tube, "", field("00001", "Automated Count", "99MRC"), "", drawn]
    yield segment("OBR", *obr, *[""] * 17, "HM")
    yield _setting(1, "08002", "Blood Mode", "W")
    yield _setting(2, "08003", "Test Mode", max(_codes(orders, context.options), key=len))


def _setting(n: int, code: str, name: str, value: str) -> str:
    return segment("OBX", str(n), "IS", field(code, name, "99MRC"), "", field(value), *[""] * 5, "F")


def _chemistry(query: Hl7Message, orders: Sequence[WorkOrder], context: Context[Hl7LabOptions], at: datetime) -> Iterator[str]:
    """DSR^Q03: what is known, line by line; each line has its number, the empty ones too."""
    said = context.options.line.says
    yield _head(query, field("DSR", "Q03"), at, context)
    yield _accepted(query, *said)
    yield segment("ERR", "0")
    yield segment("QAK", "SR", "OK")
    for name in ("QRD", "QRF"):
        if (asked := query.first(name)) is not None:
            yield segment(name, *(queries.again(asked, n) for n in range(1, min(len(asked.fields), 15))))
    lines = _lines(orders, context, at)
    for n in range(1, _DSP_TESTS):
        yield segment("DSP", str(n), "", field(lines.get(n, "")))
    for n, test in enumerate(_codes(orders, context.options), _DSP_TESTS):
        yield segment("DSP", str(n), "", field(test) + "^^^")
    yield "DSC||\r"


def _lines(orders: Sequence[WorkOrder], context: Context[Hl7LabOptions], at: datetime) -> dict[int, str]:
    patient, first = whose(orders), orders[0]
    urgent = any(order.priority in {"S", "A"} for order in orders)
    known = {21: first.specimen, 23: _local(first.ordered_at or at, context), 24: "Y" if urgent else "N"}
    known[26] = next((order.specimen_type for order in orders if order.specimen_type), "")
    if patient is not None:
        name = " ".join(filter(None, (patient.family_name, patient.given_name)))
        known |= {1: patient.patient_id, 3: name, 4: _born(patient), 5: patient.sex}
    return known


def _genexpert(query: Hl7Message, orders: Sequence[WorkOrder], context: Context[Hl7LabOptions], at: datetime) -> Answer:
    """RSP^Z02: a PID for each patient, numbers beginning anew behind it."""
    if not orders:
        return Answer(b"")
    lines = [_head(query, field("RSP", "Z02"), at, context, "NE", "NE"), _accepted(query), queries.asked(query, "OK").decode()]
    groups: dict[str, list[WorkOrder]] = {}
    for order in orders:
        groups.setdefault(order.patient.patient_id if order.patient else "", []).append(order)
    for n, group in enumerate(groups.values(), 1):
        patient = whose(group)
        about = ["", "", "", "", "", ""]
        if patient is not None:
            name = field(patient.family_name, patient.given_name)
            about = [field(patient.patient_id), "", name, "", field(patient.birth_date), field(patient.sex)]
        lines.append(segment("PID", str(n), "", *about))
        asked = [(order, test) for order in group for test, _ in tests(order, context.options)]
        for nth, (order, test) in enumerate(asked, 1):
            lines.append(segment("ORC", "NW", str(nth), *[""] * 6, _local(order.ordered_at or at, context)))
            lines.append(segment("OBR", str(nth), "", "", field(test), *[""] * 6, "A"))
            lines.append(segment("TQ1", *[""] * 8, "S" if order.priority in {"S", "A"} else "R"))
            lines.append(segment("SPM", str(nth), field(order.specimen), "", "ORH", *[""] * 6, "P"))
    return Answer(_encoded(query, lines), tuple(orders))
