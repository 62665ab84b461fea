"""What the journal holds at this moment, for `status` and the screens."""

from __future__ import annotations

import sqlite3
from typing import Any

from gateway.store import statement

INCOMPLETE_MAX = 20
"""Incomplete transmissions that are listed, newest first."""
_DESTINATIONS = "SELECT id, takes, cursor, until, last_code, last_ack_at, trouble, trouble_at FROM destinations ORDER BY id"
_OLDEST = (
    "SELECT min(at) FROM (SELECT min(received_at) AS at FROM behind WHERE destination = :id AND state IN ('due', 'retry')"
    " UNION ALL SELECT received_at FROM (SELECT received_at FROM reports WHERE id > :cursor"
    " AND category IN (SELECT value FROM json_each(:takes)) ORDER BY id LIMIT 1))"
)


def overview(conn: sqlite3.Connection) -> dict[str, Any]:
    """Reports kept, each destination's queue, the account, and broken-off transmissions; consistent inside a transaction."""
    lines = statement.statement(conn)
    reports, last = conn.execute("SELECT count(*), max(received_at) FROM reports").fetchone()
    return {
        "reports": reports,
        "last_report": last,
        "destinations": _destinations(conn, lines),
        "account": [line.as_json() for line in lines],
        "incomplete": _incomplete(conn),
        "counters": [
            {"device": device, "what": what, "n": n, "last_at": at}
            for device, what, n, at in conn.execute("SELECT device, what, n, last_at FROM counters").fetchall()
        ],
    }


def _destinations(conn: sqlite3.Connection, lines: list[statement.Line]) -> list[dict[str, Any]]:
    found = []
    for name, takes, cursor, until, code, ack_at, trouble, trouble_at in conn.execute(_DESTINATIONS).fetchall():
        own = [line for line in lines if line.destination == name]
        (oldest,) = conn.execute(_OLDEST, {"id": name, "cursor": cursor, "takes": takes}).fetchone()
        found.append(
            {
                "id": name,
                "in_use": until is None,
                "delivered": sum(line.delivered for line in own),
                "waiting": sum(line.waiting for line in own),
                "held": sum(line.held for line in own),
                "parked": sum(line.parked for line in own),
                "oldest": oldest,
                "last_code": code,
                "last_ack_at": ack_at,
                "trouble": trouble,
                "trouble_at": trouble_at,
            }
        )
    return found


def _incomplete(conn: sqlite3.Connection) -> list[dict[str, Any]]:
    rows = conn.execute(
        "SELECT id, device, received_at, reason, length(raw) FROM incomplete ORDER BY id DESC LIMIT ?", (INCOMPLETE_MAX,)
    ).fetchall()
    return [dict(zip(("id", "device", "received_at", "reason", "size"), row, strict=True)) for row in rows]
