"""What a blood counter says in HL7 2.3.1: ORU^R01, and ORM^O01 for the order of a tube, answered by ORR^O02 (Mindray BC)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime

from protocols.hl7v2.message import Message, field, segment
from simulators.lab.hl7_dialect import Told

_ANALYTES = (
    ("6690-2", "WBC", "10*3/uL", 7.2, 2.0, 2, 4.0, 10.0),
    ("789-8", "RBC", "10*6/uL", 4.7, 0.5, 2, 3.8, 5.8),
    ("718-7", "HGB", "g/dL", 13.9, 1.6, 1, 11.5, 17.5),
    ("777-3", "PLT", "10*3/uL", 240.0, 60.0, 0, 125.0, 350.0),
)
_MODE = "08003"
"""The measurement that is ordered: CBC or CBC+DIFF."""


class Counter:
    """The dialect; says 02 now and then while it has nothing else to say."""

    heartbeat = b"\x02"

    def question(self, specimen: str, id_: str, at: datetime) -> bytes:
        """ORC-3 has the tube."""
        lines = [_head("ORM", "O01", id_, "P", at), segment("ORC", "RF", "", specimen, "", "IP")]
        return "".join(lines).encode()

    def told(self, message: Message, asked: str) -> list[Told] | None:
        """The answer has the order in it; AR: there is none."""
        if message.text("MSH", 9) != "ORR":
            return None
        tube = message.text("ORC", 2)
        if message.text("MSA", 1) != "AA" or not tube:
            return [Told(asked)]
        modes = [obx.text(5) for obx in message.every("OBX") if obx.text(3) == _MODE]
        return [Told(tube, tuple(modes), (tube,))]

    def result(self, specimen: str, id_: str, at: datetime, told: Told | None, dice: random.Random, *, control: bool) -> bytes:
        """One measurement; the mode that was ordered, if one was."""
        time = f"{at:%Y%m%d%H%M%S}"
        mode = told.tests[0] if told and told.tests else "CBC"
        lines = [_head("ORU", "R01", id_, "Q" if control else "P", at), segment("PID", "1"), segment("PV1", "1")]
        lines.append(segment("OBR", "1", "", field(specimen), field("01001", "Automated Count", "99MRC"), "", time, time))
        lines.append(segment("OBX", "1", "IS", field("02001", "Take Mode", "99MRC"), "", "A", *[""] * 5, "F"))
        lines.append(segment("OBX", "2", "IS", field(_MODE, "Test Mode", "99MRC"), "", field(mode), *[""] * 5, "F"))
        return "".join([*lines, *_values(dice)]).encode()


def _head(kind: str, trigger: str, id_: str, processing: str, at: datetime) -> str:
    head = ["^~\\&", "SYN-COUNTER", "SYN", "", "", f"{at:%Y%m%d%H%M%S}", "", field(kind, trigger), id_, processing, "2.3.1"]
    return segment("MSH", *head, *[""] * 5, "UNICODE")


def _values(dice: random.Random) -> Iterator[str]:
    for nth, (code, name, unit, middle, spread, digits, low, high) in enumerate(_ANALYTES, 3):
        value = max(0.0, dice.gauss(middle, spread))
        flag = "L" if value < low else "H" if value > high else "N"
        text, limits = f"{value:.{digits}f}", f"{low:.{digits}f}-{high:.{digits}f}"
        yield segment("OBX", str(nth), "NM", field(code, name, "LN"), "", text, unit, limits, flag, "", "", "F")
