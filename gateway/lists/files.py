"""Files of operators and patients: CSV with a head, or a JSON list of objects with the same keys."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from gateway.errors import ActError
from gateway.model import Location, Subject
from gateway.rolls import LEVELS, Operator, Secret

SIZE_MAX = 16 * 1024 * 1024
"""Bytes of a file: a hundred thousand people; a disk image given by mistake is none."""
OPERATOR = ("id", "family_name", "given_name", "level", "methods", "where", "password", "valid_from", "valid_until")
PATIENT = (
    *("patient_id", "assigner", "family_name", "given_name", "birth_date", "sex", "visit_id"),
    *("facility", "point_of_care", "room", "bed"),
)
"""What a row may say; `methods` and `where` separated by blanks or semicolons in CSV, lists in JSON."""


def operators(data: bytes) -> list[Operator]:
    """The operators of a file. ActError names the line or the entry that cannot be one."""
    return [_operator(where, row) for where, row in _rows(data, OPERATOR, needed="id")]


def patients(data: bytes) -> list[Subject]:
    """The patients of a file. ActError names the line or the entry that cannot be one."""
    return [_patient(row) for _, row in _rows(data, PATIENT, needed="patient_id")]


def _operator(where: str, row: Mapping[str, Any]) -> Operator:
    plain = _plain(row)
    return Operator(
        id=plain["id"],
        family_name=plain.get("family_name", ""),
        given_name=plain.get("given_name", ""),
        level=plain.get("level") or LEVELS[0],
        methods=_several(row.get("methods")),
        where=_several(row.get("where")),
        password=Secret(str(row["password"])) if row.get("password") else None,
        valid_from=_moment(where, plain.get("valid_from", "")),
        valid_until=_moment(where, plain.get("valid_until", "")),
    )


def _patient(row: Mapping[str, Any]) -> Subject:
    plain = _plain(row)
    place = Location(**{key: plain.get(key, "") for key in ("facility", "point_of_care", "room", "bed")})
    about = {key: plain.get(key, "") for key in ("assigner", "family_name", "given_name", "sex", "visit_id")}
    birth = plain.get("birth_date", "").replace("-", "")
    return Subject(patient_id=plain["patient_id"], birth_date=birth, location=None if place == Location() else place, **about)


def _plain(row: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(value).strip() for key, value in row.items() if value is not None and not isinstance(value, list)}


def _several(value: object) -> tuple[str, ...]:
    texts = value if isinstance(value, list) else str(value or "").replace(";", " ").split()
    return tuple(str(one).strip() for one in texts)


def _moment(where: str, text: str) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ActError(f"{where}: got the time {text!r}, expected ISO 8601 with an offset, such as 2027-01-01T00:00:00+01:00")
    return found


def _rows(data: bytes, columns: Sequence[str], *, needed: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        text = data.removeprefix(b"\xef\xbb\xbf").decode().lstrip()
    except UnicodeDecodeError as error:
        raise ActError(f"byte {error.start}: got {data[error.start]:#04x}; expected CSV or JSON in UTF-8") from None
    for where, row in _json(text) if text[:1] in ("[", "{") else _csv(text, columns):
        strange = [key for key in row if key not in columns]
        if strange:
            raise ActError(f"{where}: got the key {str(strange[0])[:40]!r}, expected {', '.join(columns)}")
        if not str(row.get(needed) or "").strip():
            raise ActError(f"{where}: got no {needed}, expected one")
        yield where, row


def _json(text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ActError(f"not JSON: {error}") from None
    for n, row in enumerate(found if isinstance(found, list) else [found], 1):
        if not isinstance(row, dict):
            raise ActError(f"entry {n}: got {type(row).__name__}, expected an object")
        yield f"entry {n}", row


def _csv(text: str, columns: Sequence[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    head = text.split("\n", 1)[0]
    reader = csv.DictReader(io.StringIO(text), delimiter=";" if head.count(";") > head.count(",") else ",", restkey="?")
    if not set(reader.fieldnames or ()) & set(columns):
        raise ActError(f"line 1: got {head[:80]!r}; expected a head with some of the columns {', '.join(columns)}")
    try:
        for row in reader:
            yield f"line {reader.line_num}", {key: value for key, value in row.items() if value}
    except csv.Error as error:
        raise ActError(f"line {reader.line_num}: not CSV: {error}") from None
