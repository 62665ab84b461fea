"""What an analyzer of IHE LAW says: it asks (QBP^Q11, LAB-27), takes orders (OML^O33, LAB-28), reports (OUL^R22, LAB-29)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise

from protocols.hl7v2.message import Message, Segment, field, segment
from simulators.lab.hl7_dialect import Told

_SYSTEM = "99SYN"
_ANALYTES = {
    "GLU": ("mg/dL", 95.0, 18.0, 0, 70.0, 105.0),
    "NA": ("mmol/L", 140.0, 3.0, 1, 136.0, 145.0),
    "K": ("mmol/L", 4.2, 0.4, 2, 3.5, 5.1),
    "UREA": ("mg/dL", 32.0, 8.0, 1, 17.0, 43.0),
}
_OTHER = ("", 50.0, 20.0, 1, 0.0, 100.0)


class Law:
    """The dialect."""

    heartbeat = b""

    def question(self, specimen: str, id_: str, at: datetime) -> bytes:
        """WOS: what is to be done with this one?"""
        qpd = segment("QPD", field("WOS", "Work Order Step", "IHE_LABTF"), id_, field(specimen))
        rcp = segment("RCP", "I", "", field("R", "", "HL70394"))
        return (_head(field("QBP", "Q11", "QBP_Q11"), id_, at, "LAB-27") + qpd + rcp).encode()

    def told(self, message: Message, asked: str) -> list[Told] | None:
        """NF in the answer: nothing; else the orders come as a message of their own."""
        kind = message.text("MSH", 9)
        if kind == "RSP" and message.text("QAK", 2) != "OK":
            return [Told(asked)]
        return list(_orders(message)) if kind == "OML" else None

    def result(self, specimen: str, id_: str, at: datetime, told: Told | None, dice: random.Random, *, control: bool) -> bytes:
        """One specimen: what was ordered, or all that it does where nobody was asked."""
        lines = [_head(field("OUL", "R22", "OUL_R22"), id_, at, "LAB-29")]
        role = field("Q" if control else "P", "", "HL70369")
        lines.append(segment("SPM", "1", field(specimen), "", field("SER", "", "HL70487"), *[""] * 6, role))
        lines.append(segment("SAC", "", "", field(specimen)))
        if control:
            lines.append(
                segment("INV", field("SYN CONTROL 1", "", _SYSTEM), "OK", "CO", *[""] * 8, "20271231", *[""] * 3, "LOT7")
            )
        tests = told.tests if told else tuple(_ANALYTES)
        numbers = told.numbers if told else ()
        for n, test in enumerate(tests):
            lines += _result(test, numbers[n] if n < len(numbers) else "", at, dice)
        return "".join(lines).encode()


def _head(kind: str, id_: str, at: datetime, profile: str) -> str:
    head = ["^~\\&", "SYN-LAW", "SYN", "", "", f"{at:%Y%m%d%H%M%S%z}", "", kind, id_, "P", "2.5.1"]
    return segment("MSH", *head, "", "", "NE", "AL", "", "UNICODE UTF-8", "", "", field(profile, "IHE"))


def _result(test: str, number: str, at: datetime, dice: random.Random) -> Iterator[str]:
    unit, middle, spread, digits, low, high = _ANALYTES.get(test, _OTHER)
    value = max(0.0, dice.gauss(middle, spread))
    flag = "L" if value < low else "H" if value > high else "N"
    code, text, limits = field(test, "", _SYSTEM), f"{value:.{digits}f}", f"{low:.{digits}f}-{high:.{digits}f}"
    yield segment("OBR", "1", field(number) or '""', "", code)
    yield segment("ORC", "SC", field(number) or '""', "", "", "CM", "", "", "", f"{at:%Y%m%d%H%M%S%z}")
    measured = ["", "", "F", "", "", "", "", "SYN-OP", "", field("SYN-LAW", "SYN"), f"{at:%Y%m%d%H%M%S%z}"]
    yield segment("OBX", "1", "NM", code, "", text, field(unit, "", "UCUM") if unit else "", limits, flag, *measured)


def _orders(message: Message) -> Iterator[Told]:
    """A specimen at a time; each test has a number of its own (OBR-2)."""
    specimen = ""
    found: list[Segment] = []
    for one in message.segments:
        if one.name == "SPM":
            yield from _specimen(specimen, found)
            specimen, found = one.text(2), []
        elif one.name in {"ORC", "OBR"}:
            found.append(one)
    yield from _specimen(specimen, found)


def _specimen(specimen: str, found: list[Segment]) -> Iterator[Told]:
    wanted = [(one.text(4), one.text(2)) for before, one in pairwise(found) if _new(before, one)]
    if found:
        yield Told(specimen, tuple(test for test, _ in wanted), tuple(number for _, number in wanted))


def _new(before: Segment, one: Segment) -> bool:
    return one.name == "OBR" and before.name == "ORC" and before.text(1) == "NW"
