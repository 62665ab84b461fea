"""What a person says of operators and patients, recorded and audited; a password is in no audit entry."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from gateway.errors import ActError
from gateway.model import Subject
from gateway.rolls import Operator
from gateway.store import audit, lists
from gateway.store.database import joined
from gateway.store.times import utc_now

TEXT_MAX = 80
"""Characters of an id, a name or a code: devices show twenty; what is longer is a mistake."""
MANY_MAX = 100
"""Methods, or places, of one operator: more tests and wards than one person works with."""
LISTED = "list"
"""The source of patients that a person listed."""


def put_operator(conn: sqlite3.Connection, operator: Operator, *, by: str, source: str, now: datetime | None = None) -> bool:
    """Keep an operator, or the present form of one; False when nothing changed. Raises ActError, StoreError."""
    _check_operator(operator)
    at = now or utc_now()
    with joined(conn):
        changed = lists.put_operator(conn, operator, at)
        if changed:
            detail = {
                "level": operator.level,
                "methods": " ".join(operator.methods),
                "where": " ".join(operator.where),
                "password": "given" if operator.password is not None else "none",
                "valid_until": operator.valid_until.isoformat() if operator.valid_until else "",
                "source": source,
            }
            audit.record(conn, at=at, by=by, act="put operator", object_id=operator.id, detail=detail)
        return changed


def drop_operator(conn: sqlite3.Connection, number: str, *, by: str, source: str, now: datetime | None = None) -> None:
    """Forget an operator. ActError when there is none of that id."""
    at = now or utc_now()
    with joined(conn):
        if not lists.drop_operator(conn, number):
            raise ActError(f"there is no operator {number!r}; `wardlink operators list` shows them")
        audit.record(conn, at=at, by=by, act="drop operator", object_id=number, detail={"source": source})


def put_patient(conn: sqlite3.Connection, subject: Subject, *, by: str, source: str, now: datetime | None = None) -> bool:
    """List a patient, or the present form of one; False when nothing changed. Raises ActError, StoreError."""
    _check_patient(subject)
    at = now or utc_now()
    with joined(conn):
        changed = lists.put_patient(conn, subject, LISTED, at)
        if changed:
            audit.record(conn, at=at, by=by, act="list patient", object_id=subject.patient_id, detail={"source": source})
        return changed


def drop_patient(conn: sqlite3.Connection, number: str, *, by: str, source: str, now: datetime | None = None) -> None:
    """Take a patient off the list. ActError when nobody listed them."""
    at = now or utc_now()
    with joined(conn):
        if not lists.drop_patient(conn, number, LISTED):
            raise ActError("nobody listed that patient; who wears a device is on the list until the device is released")
        audit.record(conn, at=at, by=by, act="unlist patient", object_id=number, detail={"source": source})


def _check_operator(operator: Operator) -> None:
    _required("operator id", operator.id)
    _required(f"operator {operator.id}: level", operator.level)
    for what, text in (("family name", operator.family_name), ("given name", operator.given_name)):
        _plain(f"operator {operator.id}: {what}", text)
    for what, several in (("method", operator.methods), ("device or point of care", operator.where)):
        if len(several) > MANY_MAX:
            raise ActError(f"operator {operator.id}: got {len(several)} of {what}, expected at most {MANY_MAX}")
        for text in several:
            _required(f"operator {operator.id}: {what}", text)
    if operator.password is not None and not 0 < len(operator.password.text) <= TEXT_MAX:
        raise ActError(
            f"operator {operator.id}: the password has {len(operator.password.text)} characters, expected 1 to {TEXT_MAX}"
        )
    if operator.valid_from and operator.valid_until and operator.valid_from >= operator.valid_until:
        raise ActError(
            f"operator {operator.id}: valid until {operator.valid_until.isoformat()}, expected a time behind valid from"
        )


def _check_patient(subject: Subject) -> None:
    _required("patient number", subject.patient_id)
    for what in ("assigner", "family_name", "given_name", "birth_date", "sex", "visit_id"):
        _plain(what.replace("_", " "), getattr(subject, what))
    if subject.birth_date and not (
        len(subject.birth_date) == 8 and subject.birth_date.isascii() and subject.birth_date.isdigit()
    ):
        raise ActError("birth date: expected YYYYMMDD")


def _required(what: str, text: str) -> None:
    if not text.strip():
        raise ActError(f"{what}: got none, expected one")
    _plain(what, text)


def _plain(what: str, text: str) -> None:
    if len(text) > TEXT_MAX or not (text.isprintable() or not text):
        raise ActError(f"{what}: got {len(text)} characters, expected at most {TEXT_MAX} printable ones")
