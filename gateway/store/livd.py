"""The table of what makers suggest for their codes: suggested, until a person accepts or dismisses it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from gateway.errors import ActError
from gateway.mapping.livd import Suggestion
from gateway.store import audit
from gateway.store.database import joined
from gateway.store.times import from_text, to_text, utc_now

IMPORT, DISMISS = "import livd", "dismiss livd"
_COLUMNS = (
    "id, file, place, maker, model, code, analyte, specimen, result, loinc, name, property, doubts, state, imported_by,"
    " imported_at, decided_by, decided_at"
)
_KEEP = (
    "INSERT INTO livd (file, place, maker, model, code, analyte, specimen, result, loinc, name, property, doubts, state,"
    " imported_by, imported_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'suggested', ?, ?)"
    " ON CONFLICT (maker, model, code, specimen, result, loinc) DO NOTHING RETURNING id"
)


class State(StrEnum):
    """What became of a suggestion."""

    SUGGESTED = "suggested"
    ACCEPTED = "accepted"
    DISMISSED = "dismissed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A suggestion as it is kept."""

    id: int
    file: str
    said: Suggestion
    state: State
    imported_by: str
    imported_at: datetime
    decided_by: str = ""
    decided_at: datetime | None = None


def keep(
    conn: sqlite3.Connection, file: str, said: Sequence[Suggestion], *, by: str, version: str = "", now: datetime | None = None
) -> list[int]:
    """Keep the rows of a file, all or none; the numbers of those that were not known already."""
    when = now or utc_now()
    with joined(conn):
        new = [number for one in said if (number := _keep(conn, file, one, by, to_text(when))) is not None]
        detail = {"rows": str(len(said)), "new": str(len(new)), "version": version}
        audit.record(conn, at=when, by=by, act=IMPORT, object_id=file, detail=detail)
        return new


def rows(
    conn: sqlite3.Connection, *, code: str = "", file: str = "", state: State | None = None, numbers: Sequence[int] | None = None
) -> list[Row]:
    """Suggestions in the order they came; what is not given does not narrow."""
    listed = None if numbers is None else msgspec.json.encode(list(numbers)).decode()
    sql = (
        f"SELECT {_COLUMNS} FROM livd WHERE (?1 = '' OR code = ?1) AND (?2 = '' OR file = ?2) AND (?3 = '' OR state = ?3)"  # noqa: S608 - constants
        " AND (?4 IS NULL OR id IN (SELECT value FROM json_each(?4))) ORDER BY id"
    )
    return [_row(row) for row in conn.execute(sql, (code, file, state or "", listed)).fetchall()]


def settle(conn: sqlite3.Connection, numbers: Sequence[int], state: State, *, by: str, now: datetime | None = None) -> None:
    """Note that suggestions were accepted or dismissed, inside the caller's transaction."""
    when = to_text(now or utc_now())
    conn.executemany(
        "UPDATE livd SET state = ?, decided_by = ?, decided_at = ? WHERE id = ?", [(state, by, when, one) for one in numbers]
    )


def dismiss(conn: sqlite3.Connection, numbers: Sequence[int], *, by: str, reason: str, now: datetime | None = None) -> int:
    """Suggest them no more. ActError for a number that is none."""
    when = now or utc_now()
    with joined(conn):
        found = rows(conn, numbers=numbers)
        if missing := sorted(set(numbers) - {one.id for one in found}):
            raise ActError(f"there is no suggestion {missing[0]}; `wardlink livd list` shows their numbers")
        settle(conn, numbers, State.DISMISSED, by=by, now=when)
        told = {"rows": ", ".join(map(str, numbers)), "note": reason}
        for file in sorted({one.file for one in found}):
            audit.record(conn, at=when, by=by, act=DISMISS, object_id=file, detail=told)
        return len(found)


def _keep(conn: sqlite3.Connection, file: str, one: Suggestion, by: str, when: str) -> int | None:
    doubts = msgspec.json.encode(one.doubts).decode()
    about = (file, one.place, one.maker, one.model, one.code, one.analyte, one.specimen, one.result)
    found = conn.execute(_KEEP, (*about, one.loinc, one.name, one.prop, doubts, by, when)).fetchone()
    return None if found is None else int(found[0])


def _row(row: Sequence[Any]) -> Row:
    number, file, place, maker, model, code, analyte, specimen, result, loinc, name, prop, doubts, *rest = row
    state, imported_by, imported_at, decided_by, decided_at = rest
    return Row(
        id=number,
        file=file,
        said=Suggestion(
            place=place,
            maker=maker,
            model=model,
            code=code,
            analyte=analyte,
            specimen=specimen,
            result=result,
            loinc=loinc,
            name=name,
            prop=prop,
            doubts=tuple(msgspec.json.decode(doubts, type=list[str])),
        ),
        state=State(state),
        imported_by=imported_by,
        imported_at=from_text(imported_at),
        decided_by=decided_by or "",
        decided_at=None if decided_at is None else from_text(decided_at),
    )
