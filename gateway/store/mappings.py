"""The table of decisions about codes: said, taken back, and as they were at any moment, so that a message can be made again."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from gateway.errors import ActError
from gateway.mapping import Decision, Key, Kind, Overlay
from gateway.store import audit, checksums
from gateway.store.database import joined
from gateway.store.times import from_text, to_text, utc_now

log = logging.getLogger(__name__)

MAP, REOPEN = "map", "reopen"
"""The acts, in the audit trail; their object is the device's code."""
REMEMBERED: Final = 8
"""Past moments that are kept ready: replays of a few days; each is as large as the table."""

_STATE = (
    "SELECT max(coalesce((SELECT max(since_act) FROM mappings), 0), coalesce((SELECT max(until_act) FROM mappings"
    " WHERE until_act IS NOT NULL), 0))"
)
_COLUMNS = (
    "id, code, device, maker, model, unit, specimen, result, loinc, name, property, ucum, override, source, reason, said_by,"
    " said_at, since_act, crc, until_act, until_by, until_at"
)
_AT = (
    f"SELECT {_COLUMNS} FROM mappings WHERE since_act <= ?1 AND (until_act IS NULL OR until_act > ?1)"  # noqa: S608 - constants
    " ORDER BY id"
)
_SAY = (
    "INSERT INTO mappings (code, device, maker, model, unit, specimen, result, loinc, name, property, ucum, override, source,"
    " reason, said_by, said_at, since_act, crc) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id"
)
_END = "UPDATE mappings SET until_act = ?, until_by = ?, until_at = ? WHERE id = ?"


def state(conn: sqlite3.Connection) -> int:
    """The last act that changed a decision; 0: there was none."""
    return int(conn.execute(_STATE).fetchone()[0])


def at(conn: sqlite3.Connection, moment: int) -> Overlay:
    """The decisions in force at a moment."""
    return Overlay(_sound(conn.execute(_AT, (moment,)).fetchall()), moment)


def now(conn: sqlite3.Connection) -> Overlay:
    """The decisions in force."""
    return at(conn, state(conn))


def changed(conn: sqlite3.Connection, after: int) -> bool:
    """Whether anybody changed a decision since the act numbered `after`."""
    return state(conn) > after


class Remembered:
    """The decisions of a few moments of one journal, read once: they are asked for with every batch."""

    def __init__(self) -> None:
        self._known: dict[int, Overlay] = {}

    def at(self, conn: sqlite3.Connection, moment: int | None = None) -> Overlay:
        """The decisions in force at a moment; None: now."""
        wanted = state(conn) if moment is None else moment
        found = self._known.get(wanted)
        if found is None:
            if len(self._known) >= REMEMBERED:
                del self._known[next(iter(self._known))]
            found = self._known[wanted] = at(conn, wanted)
        return found


def say(conn: sqlite3.Connection, decisions: Sequence[Decision], *, by: str, now: datetime | None = None) -> list[Decision]:
    """Record what a person decided; what stood for the same results before ends. Unchanged ones are left as they are.

    All of them in one transaction, its own or the caller's; those that changed something, as they are kept.
    """
    when = to_text(now or utc_now())
    with joined(conn):
        present = {one.key: one for one in at(conn, state(conn)).decisions}
        kept = []
        for one in decisions:
            former = present.get(one.key)
            if former is None or _says(former) != _says(one):
                present[one.key] = _say(conn, one, former, by, when)
                kept.append(present[one.key])
        return kept


def take_back(conn: sqlite3.Connection, number: int, *, by: str, reason: str = "", now: datetime | None = None) -> Decision:
    """End a decision: its results have the code again that driver and terms give. ActError when it is none in force."""
    when = now or utc_now()
    with joined(conn):
        found = by_number(conn, number)
        if found is None or found.until_act is not None:
            raise ActError(f"there is no decision {number} in force; `wardlink unmapped decided` lists them")
        detail = {"mapping": str(number), "was": found.told(), **({"note": reason} if reason else {})}
        act = audit.record(conn, at=when, by=by, act=REOPEN, object_id=found.key.code, detail=detail)
        conn.execute(_END, (act, by, to_text(when), number))
        return replace(found, until_act=act, until_by=by, until_at=when)


def by_number(conn: sqlite3.Connection, number: int) -> Decision | None:
    """A decision, in force or not."""
    rows = conn.execute(f"SELECT {_COLUMNS} FROM mappings WHERE id = ?", (number,)).fetchall()  # noqa: S608 - constants
    return next(iter(_sound(rows)), None)


def history(conn: sqlite3.Connection, code: str = "") -> list[Decision]:
    """Every decision that ever was, oldest first; only about `code` where it is given."""
    sql = f"SELECT {_COLUMNS} FROM mappings WHERE ?1 = '' OR code = ?1 ORDER BY id"  # noqa: S608 - constants
    return _sound(conn.execute(sql, (code,)).fetchall())


def damaged(conn: sqlite3.Connection) -> int:
    """How many rows are not what was kept: they decide nothing."""
    rows = conn.execute(f"SELECT {_COLUMNS} FROM mappings").fetchall()  # noqa: S608 - constants
    return sum(not checksums.is_decision(row) for row in rows)


def _say(conn: sqlite3.Connection, wanted: Decision, former: Decision | None, by: str, when: str) -> Decision:
    key = wanted.key
    detail = {"means": wanted.told(), "source": wanted.source}
    if former is not None:
        detail["instead_of"] = f"{former.id}: {former.told()}"
    if wanted.reason:
        detail["note"] = wanted.reason
    act = audit.record(conn, at=from_text(when), by=by, act=MAP, object_id=key.code, detail=detail)
    if former is not None:
        conn.execute(_END, (act, by, when, former.id))
    about = (key.code, key.device, key.maker, key.model, key.unit, key.specimen, key.result.value)
    decisive = (*about, wanted.loinc, wanted.name, wanted.prop, wanted.ucum, int(wanted.override))
    told = (wanted.source, wanted.reason, by, when, act, checksums.of_decision(decisive))
    (number,) = conn.execute(_SAY, (*decisive, *told)).fetchone()
    return replace(wanted, id=number, by=by, at=from_text(when), since_act=act, until_act=None)


def _says(one: Decision) -> tuple[object, ...]:
    return one.loinc, one.name, one.prop, one.ucum, one.override


def _sound(rows: Sequence[Sequence[Any]]) -> list[Decision]:
    """The decisions of rows; what is damaged decides nothing, so that no result goes out under a code that nobody gave."""
    found = []
    for row in rows:
        if checksums.is_decision(row):
            found.append(_decision(row))
        else:
            log.error("decision %s about a code is damaged on the disk (checksum): it decides nothing; say it anew", row[0])
    return found


def _decision(row: Sequence[Any]) -> Decision:
    number, code, device, maker, model, unit, specimen, result, *rest = row
    loinc, name, prop, ucum, override, source, reason, by, said_at, since_act, _, until_act, until_by, until_at = rest
    return Decision(
        id=number,
        key=Key(code=code, device=device, maker=maker, model=model, unit=unit, specimen=specimen, result=Kind(result)),
        loinc=loinc,
        name=name,
        prop=prop,
        ucum=ucum,
        override=bool(override),
        source=source,
        reason=reason,
        by=by,
        at=from_text(said_at),
        since_act=since_act,
        until_act=until_act,
        until_by=until_by or "",
        until_at=None if until_at is None else from_text(until_at),
    )
