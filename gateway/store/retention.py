"""Forgetting what everybody has: old reports that no destination waits for, a few at a time."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from gateway.store.database import connect
from gateway.store.times import to_text
from gateway.store.writer import Transaction

BATCH = 500
"""Reports looked at in one commit: about 3 MB, so that no device waits long behind it."""

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
    """A stretch of the journal that was looked at: how many reports went, the last id of it."""

    pruned: int
    last: int


def prune(tx: Transaction, before: datetime, after: int = 0) -> Window | None:
    """Delete what every destination is done with of the next BATCH reports older than `before`; None at the end."""
    ids = tx.conn.execute(_WINDOW, (after, to_text(before), BATCH)).fetchall()
    if not ids:
        return None
    last = int(ids[-1][0])
    pruned = tx.conn.execute(_PRUNE, {"after": after, "last": last, "before": to_text(before)}).rowcount
    return Window(pruned, last)


def shrink(tx: Transaction) -> bool:
    """Give free pages back to the file system, at most as many as fit the log between two checkpoints; whether any are left."""
    tx.conn.execute("PRAGMA incremental_vacuum(1000)").fetchall()
    (left,) = tx.conn.execute("PRAGMA freelist_count").fetchone()
    return bool(left)


def fold_log(folder: Path) -> None:
    """Fold the write-ahead log into the file and cut it to nothing; both shrink only then."""
    with closing(connect(folder)) as conn:
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
