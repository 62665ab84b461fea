"""Host query and worklists over HL7 (IHE LAW): QBP^Q11 WOS to an inquiry (LAB-27), orders to OML^O33 (LAB-28).

    QBP^Q11  QPD|WOS^Work Order Step^IHELAW|tag|SYN-1          ──▶   RSP^K11 QAK OK, or NF: the codec's
                                                                     OML^O33  MSH PID { SPM SAC { ORC TQ1 OBR } }
    ORL^O34  MSA|AA|…                                          ◀──   (awaited by the codec)

A test is an order of its own (OBR), with a number of its own in OBR-2 (the AWOS id): the placer's, with .n behind it where an
order has several tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from drivers.lab.hl7_profile import WORK_ORDER_STEP, Hl7LabOptions
from drivers.lab.orders import IDS_MAX, of_one_patient
from gateway.driver import Answer, Context
from gateway.model import Inquiry, Subject, WorkOrder
from protocols.hl7v2.message import Message as Hl7Message
from protocols.hl7v2.message import field, segment
from protocols.sansio import Message


def asks(message: Message[Hl7Message], context: Context[Hl7LabOptions]) -> Inquiry | None:
    """What a query asks for; None for any other message, or when the profile says that nothing is answered."""
    body = message.body
    kind = body.text("QPD", 1)
    if body.text("MSH", 9) != "QBP" or kind not in WORK_ORDER_STEP or not context.options.orders.answer:
        return None
    if kind == "WOS_ALL":
        return Inquiry(everything=True)
    found = body.first("QPD")
    ids = [found.text(3, 1, n).strip() for n in range(1, len(found.repeats(3)) + 1)] if found else []
    return Inquiry(specimens=tuple(dict.fromkeys(filter(None, ids)))[:IDS_MAX])


def answer(
    message: Message[Hl7Message] | None, orders: Sequence[WorkOrder], context: Context[Hl7LabOptions], at: datetime
) -> Answer:
    """The OML^O33 for `orders`; empty for none. A message has one patient: specimens of others wait for the next one."""
    own = context.options.orders.tests
    known = [order for order in of_one_patient(orders) if not own or any(test in own for test in order.tests)]
    if not known:
        return Answer(b"")
    specimens: dict[str, list[WorkOrder]] = {}
    for order in known:
        specimens.setdefault(order.specimen, []).append(order)
    patient = _whose(specimens[known[0].specimen])
    groups = [group for group in specimens.values() if _id(_whose(group)) == _id(patient)]
    lines = [_head(message, at), *_patient(patient)]
    for n, group in enumerate(groups, 1):
        kind = next((order.specimen_type for order in group if order.specimen_type), "")
        lines.append(segment("SPM", str(n), field(group[0].specimen), "", field(kind), *[""] * 6, field("P", "", "HL70369")))
        lines.append(segment("SAC", "", "", field(group[0].specimen)))
        lines += [line for order in group for line in _requests(order, context)]
    return Answer("".join(lines).encode(), tuple(order for group in groups for order in group))


def worklists(options: Hl7LabOptions) -> bool:
    """Whether the analyzer takes orders that it did not ask for."""
    return options.orders.download


def _head(message: Message[Hl7Message] | None, at: datetime) -> str:
    """MSH as LAB-28 has it, to whoever asked."""
    asked = message.body.first("MSH") if message else None
    who = [field(*(asked.text(n, c) for c in (1, 2, 3))) if asked else "" for n in (5, 6, 3, 4)]
    who[0] = who[0] or "wardlink"
    kind, profile = field("OML", "O33", "OML_O33"), field("LAB-28", "IHE")
    own = [
        f"{at:%Y%m%d%H%M%S%z}",
        "",
        kind,
        f"{at:%Y%m%d%H%M%S%f}",
        "P",
        "2.5.1",
        "",
        "",
        "NE",
        "AL",
        "",
        "UNICODE UTF-8",
        "",
        "",
        profile,
    ]
    return segment("MSH", "^~\\&", *who, *own)


def _whose(group: Sequence[WorkOrder]) -> Subject | None:
    """The patient that orders of one specimen name."""
    return next((order.patient for order in group if order.patient is not None), None)


def _id(patient: Subject | None) -> str:
    return "" if patient is None else patient.patient_id


def _patient(patient: Subject | None) -> Iterator[str]:
    if patient is not None:
        number, name = field(patient.patient_id, "", "", patient.assigner), field(patient.family_name, patient.given_name)
        yield segment("PID", "1", "", number, "", name, "", field(patient.birth_date), field(patient.sex))


def _requests(order: WorkOrder, context: Context[Hl7LabOptions]) -> Iterator[str]:
    """ORC, TQ1 and OBR of each test that the analyzer does."""
    own = context.options.orders
    tests = [(own.tests.get(test, "" if own.tests else test), n) for n, test in enumerate(order.tests, 1)]
    when = f"{order.ordered_at:%Y%m%d%H%M%S%z}" if order.ordered_at else ""
    for test, n in tests:
        if test:
            number = field(order.placer if len(order.tests) == 1 else f"{order.placer}.{n}")
            yield segment("ORC", "CA" if order.cancelled else "NW", number, *[""] * 6, when)
            yield segment("TQ1", *[""] * 8, field(order.priority, "", "HL70485"))
            yield segment("OBR", "", number, "", field(test, "", own.code_system))
