"""Forgetting what everybody has: old reports that no destination waits for, a few at a time."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from gateway.store.database import connect
from gateway.store.times import to_text
from gateway.store.writer import Transaction

BATCH = 500
"""Reports looked at in one commit: about 3 MB, so that no device waits long behind it."""

FOLD_WAIT_MS = 200
"""How long folding waits for readers: meanwhile nothing is written, and a device waits for its acknowledgement."""

_WINDOW = "SELECT id FROM reports WHERE id > ? AND stored_at < ? ORDER BY id LIMIT ?"
_PRUNE = """
DELETE FROM reports
WHERE id > :after AND id <= :last AND stored_at < :before
  AND NOT EXISTS (SELECT 1 FROM behind b WHERE b.report = reports.id)
  AND NOT EXISTS (
    SELECT 1 FROM destinations d
    WHERE reports.id > d.cursor AND (d.until IS NULL OR reports.id <= d.until)
      AND EXISTS (SELECT 1 FROM json_each(d.takes) WHERE value = reports.category))
"""


class Window(NamedTuple):
    """A stretch of the journal that was looked at: how many reports went, the last id of it, the bytes that became free."""

    pruned: int
    last: int
    freed: int


def prune(tx: Transaction, before: datetime, after: int = 0) -> Window | None:
    """Delete what every destination is done with of the next BATCH reports older than `before`; None at the end."""
    ids = tx.conn.execute(_WINDOW, (after, to_text(before), BATCH)).fetchall()
    if not ids:
        return None
    last = int(ids[-1][0])
    free = free_bytes(tx.conn)
    pruned = tx.conn.execute(_PRUNE, {"after": after, "last": last, "before": to_text(before)}).rowcount
    return Window(pruned, last, free_bytes(tx.conn) - free)


def free_bytes(conn: sqlite3.Connection) -> int:
    """Empty pages of the file."""
    (pages,), (size,) = (conn.execute(f"PRAGMA {name}").fetchone() for name in ("freelist_count", "page_size"))
    return int(pages) * int(size)


def shrink(tx: Transaction) -> bool:
    """Give free pages back to the file system, at most as many as fit the log between two checkpoints; whether any are left."""
    tx.conn.execute("PRAGMA incremental_vacuum(1000)").fetchall()
    (left,) = tx.conn.execute("PRAGMA freelist_count").fetchone()
    return bool(left)


def fold_log(folder: Path) -> None:
    """Fold the write-ahead log into the file and cut it to nothing, as far as nobody reads; both shrink only then."""
    with closing(connect(folder)) as conn:
        conn.execute(f"PRAGMA busy_timeout={FOLD_WAIT_MS}")
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
