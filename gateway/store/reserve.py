"""Room that only outcomes may use: a full disk must stop intake, never the recording of what receivers acknowledged.

SQLite needs space even to delete or to move a cursor; without a reserve a full disk is a deadlock: nothing can be sent, because
no acknowledgement could be recorded, and so nothing ever becomes free.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

RESERVE_BYTES = 32 * 1024 * 1024
"""Eight times the 4 MB to which the write-ahead log grows between checkpoints; less than the log was measured not to suffice."""


class Reserve:
    """A ballast file against a full disk, and a head room below `max_bytes` against our own quota.

    `refusal` is asked before intake; `give` frees the ballast for an outcome that met a full disk.
    """

    def __init__(self, folder: Path, *, size: int = RESERVE_BYTES, max_bytes: int | None = None) -> None:
        self._path = folder / "journal.reserve"
        self._size = size
        self._max_bytes = max_bytes

    @property
    def whole(self) -> bool:
        """Whether the ballast is there."""
        return self._path.exists()

    def limit(self, conn: sqlite3.Connection) -> None:
        """Set the file's hard limit on a fresh connection."""
        if self._max_bytes is not None:
            (page,) = conn.execute("PRAGMA page_size").fetchone()
            conn.execute(f"PRAGMA max_page_count={max(1, self._max_bytes // page)}")

    def refusal(self, conn: sqlite3.Connection) -> str:
        """Why nothing may be taken in now, or an empty text."""
        if not self.whole and not self._restore():
            return f"the disk is full: less than {2 * self._size // 2**20} MiB are free beside the journal"
        return self._quota(conn)

    def give(self) -> bool:
        """Free the ballast; False when it was already gone."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True

    def _quota(self, conn: sqlite3.Connection) -> str:
        if self._max_bytes is None:
            return ""
        (pages,) = conn.execute("PRAGMA page_count").fetchone()
        (free,) = conn.execute("PRAGMA freelist_count").fetchone()
        (page,) = conn.execute("PRAGMA page_size").fetchone()
        used = (pages - free) * page
        if used < self._max_bytes - min(self._size, self._max_bytes // 4):
            return ""
        return f"the journal holds {used} bytes of the {self._max_bytes} it may have: deliver or prune, or raise the limit"

    def _restore(self) -> bool:
        """Make the ballast, only where as much again stays free: intake must not eat it at once."""
        disk = os.statvfs(self._path.parent)
        if disk.f_bavail * disk.f_frsize < 2 * self._size:
            return False
        try:
            handle = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(handle, 0, self._size)
            finally:
                os.close(handle)
        except OSError:
            self._path.unlink(missing_ok=True)
            return False
        return True
