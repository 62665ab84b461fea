"""The tables of operators and patients, and of what each device was told of them."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import TypeVar

import msgspec

from gateway.errors import DamagedError
from gateway.model import Subject, WorkOrder
from gateway.rolls import Lists, ListTold, Operator
from gateway.store.times import to_text

OPERATORS_MAX = 10_000
"""Operators of a gateway: a large hospital's nurses; devices hold some thousands."""
PATIENTS_MAX = 10_000
"""Patients that are listed: a large hospital's beds, several times."""

_PRESENT = "SELECT subject FROM associations WHERE superseded_at IS NULL AND valid_to IS NULL ORDER BY recorded_at, id"

T = TypeVar("T")


def put_operator(conn: sqlite3.Connection, operator: Operator, at: datetime) -> bool:
    """Keep an operator, or the present form of one, inside the caller's transaction; False when nothing changed."""
    payload = msgspec.json.encode(operator).decode()
    found = conn.execute("SELECT payload FROM operators WHERE id = ?", (operator.id,)).fetchone()
    if found is not None and found[0] == payload:
        return False
    conn.execute("INSERT OR REPLACE INTO operators VALUES (?, ?, ?)", (operator.id, payload, to_text(at)))
    return True


def drop_operator(conn: sqlite3.Connection, number: str) -> bool:
    """Forget an operator, inside the caller's transaction; False when there is none."""
    return conn.execute("DELETE FROM operators WHERE id = ?", (number,)).rowcount > 0


def operators(conn: sqlite3.Connection) -> list[Operator]:
    """All of them, by id."""
    rows = conn.execute("SELECT payload FROM operators ORDER BY id LIMIT ?", (OPERATORS_MAX,))
    return [_decode(text, Operator) for (text,) in rows]


def put_patient(conn: sqlite3.Connection, subject: Subject, source: str, at: datetime) -> bool:
    """Keep a patient of a source, or the present form of one, inside the caller's transaction; False when nothing changed."""
    key, payload = (subject.patient_id, subject.assigner, source), msgspec.json.encode(subject).decode()
    sql = "SELECT subject FROM patients WHERE patient_id = ? AND assigner = ? AND source = ?"
    found = conn.execute(sql, key).fetchone()
    if found is not None and found[0] == payload:
        return False
    conn.execute("INSERT OR REPLACE INTO patients VALUES (?, ?, ?, ?, ?)", (*key, payload, to_text(at)))
    return True


def drop_patient(conn: sqlite3.Connection, number: str, source: str, assigner: str | None = None) -> bool:
    """Forget a patient of a source, inside the caller's transaction; `assigner` None: whoever gave the number."""
    sql = "DELETE FROM patients WHERE patient_id = ? AND source = ? AND (? IS NULL OR assigner = ?)"
    return conn.execute(sql, (number, source, assigner, assigner)).rowcount > 0


def listed(conn: sqlite3.Connection) -> list[tuple[Subject, str]]:
    """Patients with who says so, by number: those that stand in the table."""
    rows = conn.execute("SELECT subject, source FROM patients ORDER BY patient_id, assigner, source LIMIT ?", (PATIENTS_MAX,))
    return [(_decode(text, Subject), source) for text, source in rows]


def wearers(conn: sqlite3.Connection) -> list[Subject]:
    """Who wears a device now."""
    return [_decode(text, Subject) for (text,) in conn.execute(_PRESENT)]


def patients(conn: sqlite3.Connection) -> list[Subject]:
    """Everybody there is, by number, each once: who is listed, and who wears a device."""
    found = {one.patient_id: one for one in wearers(conn)} | {one.patient_id: one for one, _ in listed(conn)}
    return [found[number] for number in sorted(found)][:PATIENTS_MAX]


def find_patient(conn: sqlite3.Connection, number: str) -> Subject | None:
    """The patient of that number, else the one whose specimen has it: the latest order's."""
    known = next((one for one in patients(conn) if number in (one.patient_id, one.visit_id)), None)
    if known is not None:
        return known
    row = conn.execute("SELECT payload FROM orders WHERE specimen = ? ORDER BY id DESC LIMIT 1", (number,)).fetchone()
    return None if row is None else _decode(row[0], WorkOrder).patient


def lists(conn: sqlite3.Connection, device: str, point_of_care: str, at: datetime) -> Lists:
    """The lists of a device as they are at `at`."""
    told = conn.execute("SELECT list, payload FROM lists_told WHERE device = ?", (device,)).fetchall()
    return Lists(
        operators=tuple(one for one in operators(conn) if one.may_use(device, point_of_care, at)),
        patients=tuple(patients(conn)),
        told={name: _decode(text, ListTold) for name, text in told},
    )


def note_told(conn: sqlite3.Connection, device: str, name: str, then: ListTold) -> None:
    """`device` has all of a list, inside the caller's transaction."""
    payload = msgspec.json.encode(then).decode()
    conn.execute("INSERT OR REPLACE INTO lists_told VALUES (?, ?, ?)", (device, name, payload))


def told(conn: sqlite3.Connection) -> dict[tuple[str, str], ListTold]:
    """By device and list, what was told."""
    rows = conn.execute("SELECT device, list, payload FROM lists_told ORDER BY device, list")
    return {(device, name): _decode(text, ListTold) for device, name, text in rows}


def _decode(text: str, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, ValueError):
        raise DamagedError("the journal holds an entry of a list that it never wrote") from None
