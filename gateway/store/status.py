"""What `wardlink status` asks the journal: queues, acknowledgements, held and parked reports, what happened on the lines."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from gateway.store.items import UNMAPPED
from gateway.store.times import from_text

_DESTINATIONS = (
    "SELECT id, takes, cursor, coalesce(until, 9223372036854775807), until IS NULL, last_code, last_ack_at, trouble, trouble_at"
    " FROM destinations ORDER BY id"
)
_AHEAD = "SELECT count(*), min(id) FROM reports WHERE category = ? AND id > ? AND id <= ?"
_PASSED = "SELECT count(*) FROM ahead WHERE destination = ? AND category = ?"
_DUE = "SELECT count(*), min(received_at) FROM behind WHERE destination = ? AND state IN ('due', 'retry')"
_PARKED = (
    "SELECT reason, count(*) FROM behind WHERE destination = ? AND state = 'parked' GROUP BY reason ORDER BY 2 DESC LIMIT 100"
)
_HELD = "SELECT device, count(*) FROM behind WHERE destination = ? AND state = 'held' GROUP BY device ORDER BY device"

_UNMAPPED = (
    "SELECT device, count(*) FROM behind WHERE destination = ? AND state = 'held' AND code = ? GROUP BY device ORDER BY device"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A destination's state. `oldest` is when the oldest waiting report was received; `in_use`: it is in the configuration."""

    destination: str
    in_use: bool
    depth: int
    oldest: datetime | None
    last_code: str
    last_ack_at: datetime | None
    trouble: str
    trouble_at: datetime | None
    parked: dict[str, int] = field(default_factory=dict)
    """Reason to how many."""
    held: dict[str, int] = field(default_factory=dict)
    """Device to how many."""
    unmapped: dict[str, int] = field(default_factory=dict)
    """Of these, held because nobody knows one of their codes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A transmission that ended before it was whole."""

    id: int
    device: str
    received_at: datetime
    reason: str
    raw: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What happened on a device's line, how often, when last."""

    device: str
    what: str
    n: int
    last_at: datetime


def queues(conn: sqlite3.Connection) -> list[Queue]:
    """Every destination the journal knows."""
    return [_queue(conn, row) for row in conn.execute(_DESTINATIONS).fetchall()]


def incomplete(conn: sqlite3.Connection, *, after: int = 0, limit: int = 100) -> list[Broken]:
    """Transmissions that broke off, in order, from the one behind `after`."""
    rows = conn.execute(
        "SELECT id, device, received_at, reason, raw FROM incomplete WHERE id > ? ORDER BY id LIMIT ?", (after, limit)
    ).fetchall()
    return [
        Broken(id=number, device=device, received_at=from_text(at), reason=why, raw=raw) for number, device, at, why, raw in rows
    ]


def counters(conn: sqlite3.Connection, device: str | None = None) -> list[Counted]:
    """Bad frames, repeats and the like, by device and word."""
    rows = conn.execute(
        "SELECT device, what, n, last_at FROM counters WHERE ?1 IS NULL OR device = ?1 ORDER BY device, what", (device,)
    ).fetchall()
    return [Counted(device=name, what=what, n=n, last_at=from_text(at)) for name, what, n, at in rows]


def _queue(
    conn: sqlite3.Connection, row: tuple[str, str, int, int, int, str | None, str | None, str | None, str | None]
) -> Queue:
    destination, takes, cursor, until, in_use, code, ack_at, trouble, trouble_at = row
    depth, oldest = conn.execute(_DUE, (destination,)).fetchone()
    for category in msgspec.json.decode(takes, type=list[str]):
        n, first = conn.execute(_AHEAD, (category, cursor, until)).fetchone()
        n -= conn.execute(_PASSED, (destination, category)).fetchone()[0]
        if n:
            (at,) = conn.execute("SELECT received_at FROM reports WHERE id = ?", (first,)).fetchone()
            depth, oldest = depth + n, at if oldest is None else min(oldest, at)
    return Queue(
        destination=destination,
        in_use=bool(in_use),
        depth=depth,
        oldest=None if oldest is None else from_text(oldest),
        last_code=code or "",
        last_ack_at=None if ack_at is None else from_text(ack_at),
        trouble=trouble or "",
        trouble_at=None if trouble_at is None else from_text(trouble_at),
        parked=dict(conn.execute(_PARKED, (destination,)).fetchall()),
        held=dict(conn.execute(_HELD, (destination,)).fetchall()),
        unmapped=dict(conn.execute(_UNMAPPED, (destination, UNMAPPED)).fetchall()),
    )
