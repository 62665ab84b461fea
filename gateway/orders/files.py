"""Files of orders: CSV and JSON tables, and HL7 messages one behind the other; what kind it is shows in the bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from gateway.errors import ActError
from gateway.model import Subject, WorkOrder
from gateway.orders import hl7
from gateway.orders.hl7 import Command
from gateway.tables import Row, moment, rows

PATIENT = ("patient_id", "family_name", "given_name", "birth_date", "sex")
COLUMNS = ("specimen", "tests", "placer", "priority", "specimen_type", "device", "ordered_at", "collected_at", *PATIENT)
"""What a row may say: `tests` separated by blanks or semicolons in CSV, a list in JSON."""


def read(data: bytes) -> list[Command]:
    """The orders of a file. ActError names the line or the entry that cannot be one; then nothing of the file is taken."""
    text = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:3] == b"MSH" or text[:1] == b"\x0b":
        return hl7.read_file(text)
    return [Command(_order(where, row)) for where, row in rows(data, COLUMNS, ("specimen", "tests"))]


def _order(where: str, row: Row) -> WorkOrder:
    """The order of a row; without a number of its own it has one that follows from what it says."""
    tests = row.get("tests", ())
    listed = tests.replace(";", " ").split() if isinstance(tests, str) else [str(test) for test in _listed(where, tests)]
    plain = {key: str(row.get(key) or "").strip() for key in COLUMNS if key != "tests"}
    return WorkOrder(
        placer=plain["placer"] or number(plain["specimen"], listed),
        specimen=plain["specimen"],
        tests=tuple(listed),
        priority=plain["priority"] or "R",
        specimen_type=plain["specimen_type"],
        patient=_patient(plain),
        device=plain["device"],
        ordered_at=moment(plain["ordered_at"], where),
        collected_at=moment(plain["collected_at"], where),
    )


def _patient(row: Mapping[str, str]) -> Subject | None:
    if not any(row[key] for key in PATIENT):
        return None
    return Subject(
        patient_id=row["patient_id"],
        family_name=row["family_name"],
        given_name=row["given_name"],
        birth_date=row["birth_date"],
        sex=row["sex"],
    )


def _listed(where: str, tests: object) -> Iterable[object]:
    if not isinstance(tests, list | tuple):
        raise ActError(f"{where}: got tests as {type(tests).__name__}, expected a list of codes")
    return tests


def number(specimen: str, tests: Iterable[str]) -> str:
    """A placer number for an order that has none: the same for the same specimen and tests, so that a file may come twice."""
    return "W-" + hashlib.sha256("\n".join([specimen, *tests]).encode()).hexdigest()[:12].upper()
