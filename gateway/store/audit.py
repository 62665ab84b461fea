"""What people did: a row an act, written in the act's own transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from gateway.store.times import from_text, to_text


@dataclass(frozen=True, slots=True)
class Act:
    """An act of a person: `object` is the device or destination it was done to."""

    id: int
    at: datetime
    by: str
    act: str
    object: str
    detail: Mapping[str, str]


def record(conn: sqlite3.Connection, *, at: datetime, by: str, act: str, object_id: str, detail: Mapping[str, str]) -> int:
    """Add an act, inside the caller's transaction; its number."""
    cursor = conn.execute(
        "INSERT INTO audit (at, by_whom, act, object, detail) VALUES (?, ?, ?, ?, ?)",
        (to_text(at), by, act, object_id, msgspec.json.encode(dict(detail)).decode()),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def acts(conn: sqlite3.Connection, *, after: int = 0, limit: int = 1000) -> list[Act]:
    """Acts in order, from the one behind `after`."""
    rows = conn.execute(
        "SELECT id, at, by_whom, act, object, detail FROM audit WHERE id > ? ORDER BY id LIMIT ?", (after, limit)
    ).fetchall()
    return [_act(row) for row in rows]


def _act(row: tuple[int, str, str, str, str, str]) -> Act:
    number, at, by, act, object_id, detail = row
    return Act(number, from_text(at), by, act, object_id, msgspec.json.decode(detail, type=dict[str, str]))


def acts_on(conn: sqlite3.Connection, report: int, destination: str) -> list[Act]:
    """What people did about one message, in order."""
    rows = conn.execute(
        "SELECT id, at, by_whom, act, object, detail FROM audit"
        " WHERE id IN (SELECT act FROM acted WHERE report = ? AND destination = ?) ORDER BY id",
        (report, destination),
    ).fetchall()
    return [_act(row) for row in rows]


def last(conn: sqlite3.Connection) -> int:
    """The number of the latest act; it grows with every change that a person makes, in whatever process."""
    return int(conn.execute("SELECT coalesce(max(id), 0) FROM audit").fetchone()[0])


def happened(conn: sqlite3.Connection, act: str, object_id: str, after: int) -> bool:
    """Whether somebody did `act` to `object_id` since the act numbered `after`."""
    sql = "SELECT 1 FROM audit WHERE id > ? AND act = ? AND object = ? LIMIT 1"
    return conn.execute(sql, (after, act, object_id)).fetchone() is not None
