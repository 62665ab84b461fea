"""The journal's state as one JSON document, for the control socket and `wardlink status --json`."""

from __future__ import annotations

import sqlite3
from typing import Any

from gateway.store import mappings, statement, status, unknown
from gateway.store.salvages import salvages
from gateway.store.status import Queue

INCOMPLETE_MAX = 20
"""Incomplete transmissions that are listed: more than a person clears in one go."""


def overview(conn: sqlite3.Connection) -> dict[str, Any]:
    """Queues, account, counts by line, broken-off transmissions; consistent inside a transaction."""
    lines = statement.statement(conn)
    return {
        "last_report": last_report(conn),
        "destinations": [_queue(queue, lines) for queue in status.queues(conn)],
        "account": [line.as_json() for line in lines],
        "incomplete": [
            {"id": one.id, "device": one.device, "received_at": one.received_at, "reason": one.reason, "size": len(one.raw)}
            for one in status.incomplete(conn, limit=INCOMPLETE_MAX)
        ],
        "salvages": salvages(conn),
        "decided_codes": sorted({one.key.code for one in mappings.now(conn).decisions}),
        "unknown": [one.as_json() for one in unknown.peers(conn)],
        "counters": [{"device": c.device, "what": c.what, "n": c.n, "last_at": c.last_at} for c in status.counters(conn)],
    }


def last_report(conn: sqlite3.Connection) -> int:
    """The highest report number that the journal holds; 0: none."""
    return int(conn.execute("SELECT coalesce(max(id), 0) FROM reports").fetchone()[0])


def _queue(queue: Queue, lines: list[statement.Line]) -> dict[str, Any]:
    return {
        "id": queue.destination,
        "in_use": queue.in_use,
        "delivered": sum(line.delivered for line in lines if line.destination == queue.destination),
        "waiting": queue.depth,
        "oldest": queue.oldest,
        "held": sum(queue.held.values()),
        "held_by_device": queue.held,
        "held_unmapped": queue.unmapped,
        "parked": sum(queue.parked.values()),
        "parked_by_reason": queue.parked,
        "last_code": queue.last_code,
        "last_ack_at": queue.last_ack_at,
        "trouble": queue.trouble,
        "trouble_at": queue.trouble_at,
    }
