"""Reading journal rows back, for export and for looking at."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import datetime

from gateway.model import Entry, decode
from gateway.store.epochs import NO_END, Epochs
from gateway.store.times import from_text, to_text

_NEXT = "SELECT id, stored_at FROM reports WHERE id >= ? ORDER BY id LIMIT 1"
_ROWS = (
    "SELECT id, stored_at, CAST(payload AS BLOB), raw FROM reports"
    " WHERE id >= ?1 AND (?2 IS NULL OR stored_at < ?2) AND (?3 IS NULL OR device = ?3) ORDER BY id"
)


def entries(
    conn: sqlite3.Connection, *, since: datetime | None = None, until: datetime | None = None, device: str | None = None
) -> Iterator[Entry]:
    """Entries stored in [since, until), oldest first, with raw bytes. Read them in one go: an open read keeps the log long."""
    first = 0 if since is None else first_since(conn, since)
    epochs = Epochs(conn, first, NO_END)
    for number, stored_at, payload, raw in conn.execute(_ROWS, (first, until and to_text(until), device)):
        yield Entry(id=number, epoch=epochs.of(number), stored_at=from_text(stored_at), report=decode(payload, raw))


def first_since(conn: sqlite3.Connection, since: datetime) -> int:
    """The id at which rows stored at or after `since` begin, found by halving: ids grow with time, so no index is needed."""
    text = to_text(since)
    low, high = 0, int(conn.execute("SELECT coalesce(max(id), 0) + 1 FROM reports").fetchone()[0])
    while low < high:
        middle = (low + high) // 2
        row = conn.execute(_NEXT, (middle,)).fetchone()
        if row is None or row[1] >= text:
            high = middle
        else:
            low = row[0] + 1
    return low
