"""Host query and worklists over HL7: what a question asks for, and orders as the analyzer that asked takes them.

    QBP^Q11  QPD|WOS^Work Order Step^IHELAW|tag|SYN-1          ──▶   RSP^K11 QAK OK, or NF: the codec's
                                                                     OML^O33  MSH PID { SPM SAC { ORC TQ1 OBR } }
                                                                     OML^O33  MSH SPM SAC ORC|DC: there is nothing
    ORL^O34  MSA|AA|…                                          ◀──   (awaited by the codec)

LAW (LAB-27, LAB-28) here; the older dialects in hl7_old_orders. A test is an order of its own (OBR), with a number of its own in
OBR-2 (the AWOS id): the placer's, with .n behind it where an order has several tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from drivers.lab import hl7_old_orders as old
from drivers.lab.hl7_places import place, read
from drivers.lab.hl7_profile import GENEXPERT, Hl7LabOptions
from drivers.lab.orders import IDS_MAX, of_one_patient
from gateway.driver import Answer, Context
from gateway.model import Inquiry, Subject, WorkOrder
from protocols.hl7v2 import queries
from protocols.hl7v2.message import Message as Hl7Message
from protocols.hl7v2.message import Part, field, segment
from protocols.sansio import Message

_EVERYTHING = ("WOS_ALL", GENEXPERT[0])
_LAW = ("IHELAW", "IHE_LABTF")
"""QPD-1.3 of the standard's own question, of its first and its present spelling."""
_ALL = "ALL"
"""QPD-3 of a GeneXpert that asks for everything."""
_SPECIMEN = {GENEXPERT[1]: ("QPD", 4), queries.ORDERS: ("ORC", 3), queries.DISPLAY: ("QRD", 8)}
"""Where a question has the specimen's id, if not in QPD-3."""
_CANCEL = "CAN"
"""QRD-9 of a Mindray BS that wants no more."""


def asks(message: Message[Hl7Message], context: Context[Hl7LabOptions]) -> Inquiry | None:
    """What a query asks for; None for any other message, or when the profile says that nothing is answered."""
    body = message.body
    name = queries.name_of(body)
    if not context.options.orders.answer or name not in context.options.server_profile().hold:
        return None
    if name == queries.DISPLAY and body.text("QRD", 9) == _CANCEL:
        return Inquiry(withdrawn=True)
    where, number = _SPECIMEN.get(name, ("QPD", 3))
    found = body.first(where)
    said = [found.text(number, 1, n).strip() for n in range(1, len(found.repeats(number)) + 1)] if found else []
    ids = tuple(dict.fromkeys(filter(None, said)))[:IDS_MAX]
    if name in _EVERYTHING or ids == (_ALL,) or (name == queries.DISPLAY and not ids):
        return Inquiry(everything=True)
    return Inquiry(specimens=ids)


def answer(
    message: Message[Hl7Message] | None, orders: Sequence[WorkOrder], context: Context[Hl7LabOptions], at: datetime
) -> Answer:
    """The message for `orders`; for none, what says so. A message has one patient: specimens of others wait for the next one."""
    own = context.options.orders.tests
    known = [order for order in of_one_patient(orders) if not own or any(test in own for test in order.tests)]
    if not known:
        return Answer(_nothing(message, context, at))
    if message is not None and (made := old.answer(message.body, known, context, at)) is not None:
        return made
    specimens: dict[str, list[WorkOrder]] = {}
    for order in known:
        specimens.setdefault(order.specimen, []).append(order)
    patient = old.whose(specimens[known[0].specimen])
    groups = [group for group in specimens.values() if _id(old.whose(group)) == _id(patient)]
    lines = [_head(message, at), *_patient(patient)]
    for n, group in enumerate(groups, 1):
        lines += _specimen(n, group, message, context)
        lines += [line for order in group for line in _requests(order, context)]
    return Answer("".join(lines).encode(), tuple(order for group in groups for order in group))


def _nothing(message: Message[Hl7Message] | None, context: Context[Hl7LabOptions], at: datetime) -> bytes:
    """LAW's negative query response (LAB-27 3.27.5): who asked for one specimen waits for a LAB-28; empty for all others."""
    qpd = message.body.first("QPD") if message is not None else None
    if qpd is None or context.options.orders.nothing != "DC":
        return b""
    specimen = qpd.text(3).strip()
    if qpd.text(1) != "WOS" or qpd.text(1, 3) not in _LAW or not specimen or len(qpd.repeats(3)) != 1:
        return b""
    none = [WorkOrder(placer="", specimen=specimen, tests=())]
    end = segment("ORC", "DC", *[""] * 7, f"{at:%Y%m%d%H%M%S%z}")
    return "".join([_head(message, at), *_specimen(1, none, message, context), end]).encode()


def worklists(options: Hl7LabOptions) -> bool:
    """Whether the analyzer takes orders that it did not ask for."""
    return options.orders.download


def _head(message: Message[Hl7Message] | None, at: datetime) -> str:
    """MSH as LAB-28 has it, to whoever asked; a maker's own LAB-27 (Roche's LAB-27R) has a LAB-28 of its kind."""
    asked = message.body.first("MSH") if message else None
    who = [field(*(asked.text(n, c) for c in (1, 2, 3))) if asked else "" for n in (5, 6, 3, 4)]
    who[0] = who[0] or "wardlink"
    profile, namespace = (asked.text(21, 1), asked.text(21, 2)) if asked else ("", "")
    suffix = profile.removeprefix("LAB-27") if profile.startswith("LAB-27") else ""
    own = [f"{at:%Y%m%d%H%M%S%z}", "", field("OML", "O33", "OML_O33"), f"{at:%Y%m%d%H%M%S%f}", "P", "2.5.1", "", "", "NE", "AL"]
    own += ["", "UNICODE UTF-8", "", "", field(f"LAB-28{suffix}", namespace if suffix else "IHE")]
    return segment("MSH", "^~\\&", *who, *own)


def _id(patient: Subject | None) -> str:
    return "" if patient is None else patient.patient_id


def _patient(patient: Subject | None) -> Iterator[str]:
    if patient is not None:
        number, name = field(patient.patient_id, "", "", patient.assigner), field(patient.family_name, patient.given_name)
        yield segment("PID", "1", "", number, "", name, "", field(patient.birth_date), field(patient.sex))


def _specimen(
    n: int, group: Sequence[WorkOrder], message: Message[Hl7Message] | None, context: Context[Hl7LabOptions]
) -> Iterator[str]:
    """SPM and SAC, with what the analyzer asked with where the profile says so."""
    own, id_ = context.options.orders, group[0].specimen
    kind = next((order.specimen_type for order in group if order.specimen_type), "")
    named: Part = (id_, own.namespace) if own.namespace else id_
    spm = {1: str(n), 2: field(named), 4: field(kind), 11: field("P", "", "HL70369")}
    sac = {3: field(id_, own.namespace)}
    qpd = message.body.first("QPD") if message else None
    alone = qpd is not None and len(qpd.repeats(3)) == 1
    for target, source in own.echo.items():
        if alone and message is not None and qpd is not None and read({"QPD": qpd}, source):
            to, number = place(target), place(source).number
            (spm if to.segment == "SPM" else sac)[to.number] = queries.again(qpd, number)
    yield segment("SPM", *(spm.get(at, "") for at in range(1, max(spm) + 1)))
    yield segment("SAC", *(sac.get(at, "") for at in range(1, max(sac) + 1)))


def _requests(order: WorkOrder, context: Context[Hl7LabOptions]) -> Iterator[str]:
    """ORC, TQ1 and OBR of each test that the analyzer does, and TCD where it wants one."""
    own = context.options.orders
    when = f"{order.ordered_at:%Y%m%d%H%M%S%z}" if order.ordered_at else ""
    for test, n in old.tests(order, context.options):
        number = field(order.placer if len(order.tests) == 1 else f"{order.placer}.{n}")
        yield segment("ORC", "CA" if order.cancelled else "NW", number, *[""] * 6, when)
        yield segment("TQ1", *[""] * 8, field(order.priority, "", "HL70485"))
        yield segment("OBR", "", number, "", field(test, "", own.code_system))
        if own.test_details:
            yield segment("TCD", field(test, "", own.code_system))
