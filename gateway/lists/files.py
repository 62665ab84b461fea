"""Files of operators and patients: CSV with a head, or a JSON list of objects with the same keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gateway.errors import ActError
from gateway.model import Location, Subject
from gateway.rolls import LEVELS, Operator, Secret
from gateway.tables import Row, moment, rows

OPERATOR = ("id", "family_name", "given_name", "level", "methods", "where", "password", "valid_from", "valid_until")
PATIENT = (
    *("patient_id", "assigner", "family_name", "given_name", "birth_date", "sex", "visit_id"),
    *("facility", "point_of_care", "room", "bed"),
)
"""What a row may say; `methods` and `where` separated by blanks or semicolons in CSV, lists in JSON."""


def operators(data: bytes) -> list[Operator]:
    """The operators of a file. ActError names the line or the entry that cannot be one."""
    return [_operator(where, row) for where, row in _named(data, OPERATOR, "id")]


def patients(data: bytes) -> list[Subject]:
    """The patients of a file. ActError names the line or the entry that cannot be one."""
    return [_patient(row) for _, row in _named(data, PATIENT, "patient_id")]


def _named(data: bytes, columns: Sequence[str], needed: str) -> Iterator[tuple[str, Row]]:
    for where, row in rows(data, columns, (needed,)):
        if not str(row.get(needed) or "").strip():
            raise ActError(f"{where}: got no {needed}, expected one")
        yield where, row


def _operator(where: str, row: Row) -> Operator:
    plain = _plain(row)
    return Operator(
        id=plain["id"],
        family_name=plain.get("family_name", ""),
        given_name=plain.get("given_name", ""),
        level=plain.get("level") or LEVELS[0],
        methods=_several(row.get("methods")),
        where=_several(row.get("where")),
        password=Secret(str(row["password"])) if row.get("password") else None,
        valid_from=moment(plain.get("valid_from", ""), where),
        valid_until=moment(plain.get("valid_until", ""), where),
    )


def _patient(row: Row) -> Subject:
    plain = _plain(row)
    place = Location(**{key: plain.get(key, "") for key in ("facility", "point_of_care", "room", "bed")})
    about = {key: plain.get(key, "") for key in ("assigner", "family_name", "given_name", "sex", "visit_id")}
    birth = plain.get("birth_date", "").replace("-", "")
    return Subject(patient_id=plain["patient_id"], birth_date=birth, location=None if place == Location() else place, **about)


def _plain(row: Row) -> dict[str, str]:
    return {key: str(value).strip() for key, value in row.items() if value is not None and not isinstance(value, list)}


def _several(value: object) -> tuple[str, ...]:
    texts = value if isinstance(value, list) else str(value or "").replace(";", " ").split()
    return tuple(str(one).strip() for one in texts)
