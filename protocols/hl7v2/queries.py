"""What analyzers ask their host, in four dialects, and what answers them: with orders behind it, in it, or without any.

QBP^Q11  QPD|WOS^…           ──▶  RSP^K11 QAK OK, orders as OML^O33 behind it; QAK NF      (IHE LAW, LAB-27; Roche LAB-27R)
QBP^Z01, QBP^Z03             ──▶  RSP^Z02 QAK OK, with the orders in it or without          (Cepheid GeneXpert)
ORM^O01  ORC|RF              ──▶  ORR^O02 MSA AA with the order in it; MSA AR               (Mindray BC, HL7 2.3.1)
QRY^Q02  QRD                 ──▶  QCK^Q02 QAK OK, the order as DSR^Q03 behind it; QAK NF    (Mindray BS and CL, HL7 2.3.1)
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from protocols.hl7v2 import ack
from protocols.hl7v2.ack import Code
from protocols.hl7v2.message import Message, Segment, field, segment

ORDERS: Final = "ORM"
DISPLAY: Final = "QRY"
"""The names of the two dialects whose questions have none of their own; the others are known by QPD-1.1."""
_GENEXPERT: Final = ("Z01", "Z03")
_FIELDS_MAX: Final = 25
"""Fields of a question that are repeated: more than any has, few enough that a hostile one cannot swell the answer."""


def name_of(message: Message) -> str:
    """What a question is called: QPD-1.1, or the dialect's name; nothing for what is no question."""
    match message.text("MSH", 9):
        case "QBP":
            return message.text("QPD", 1) or message.text("MSH", 9, 2) or "QBP"
        case "QRY":
            return DISPLAY
        case "ORM" if message.text("ORC", 1) == "RF":
            return ORDERS
    return ""


def carries(query: Message) -> bool:
    """Whether the answer itself carries the orders, so that nothing stands before it."""
    return name_of(query) in {ORDERS, *_GENEXPERT}


def head(query: Message, *, found: bool, control_id: str, time: datetime, echo: Sequence[int], says: Sequence[str]) -> bytes:
    """The answer to a question: that orders follow, or that there are none."""
    name = name_of(query)
    if name == ORDERS:
        return ack.build(query, Code.AR, control_id=control_id, time=time)
    if name == DISPLAY:
        qck = ack.build(query, Code.AA, control_id=control_id, time=time, kind=field("QCK", "Q02"), says=says)
        return qck + segment("ERR", "0").encode() + segment("QAK", "SR", "OK" if found else "NF").encode()
    if name in _GENEXPERT:
        rsp = ack.build(query, Code.AA, control_id=control_id, time=time, kind=field("RSP", "Z02"))
        return rsp + asked(query, "OK")
    kind = field("RSP", "K11", "RSP_K11")
    rsp = ack.build(query, Code.AA, control_id=control_id, time=time, kind=kind, echo=echo)
    return rsp + asked(query, "OK" if found else "NF")


def asked(query: Message, state: str) -> bytes:
    """QAK and QPD: to which question this is the answer."""
    qpd = query.first("QPD") or Segment("QPD", ())
    qak = segment("QAK", field(qpd.text(2)), state, again(qpd, 1))
    return (qak + segment("QPD", *(again(qpd, n) for n in range(1, min(len(qpd.fields), _FIELDS_MAX))))).encode()


def again(found: Segment, number: int) -> str:
    """A field as it came, in our delimiters."""
    repeats = (
        field(*(found.text(number, c, n) for c in range(1, repeat.count(found.delimiters.component) + 2)))
        for n, repeat in enumerate(found.repeats(number), 1)
    )
    return "~".join(repeats)
