"""Room that only outcomes may use: a full disk must stop intake, never the recording of what receivers acknowledged.

SQLite needs space even to delete or to move a cursor; without a reserve a full disk is a deadlock: nothing can be sent, because
no acknowledgement could be recorded, and so nothing ever becomes free.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from gateway.store.database import FILE

MIB = 2**20
RESERVE_BYTES = 32 * MIB
"""Eight times the 4 MB to which the write-ahead log grows between checkpoints; less than the log was measured not to suffice."""
BACK = 1.25
"""Intake that stopped goes on when there is this much more room than where it stops: not commit by commit."""
PAGES_MAX = 2**32 - 2
"""SQLite's own limit of a file."""
AMPLE_BYTES = 1024 * MIB
"""With more than this free, no log that is still to be folded makes a difference; it is asked before each commit."""
STARVED_BYTES = 1 * MIB
"""With less than this free, an error of the disk is taken for want of room."""


@dataclass(frozen=True, slots=True)
class Space:
    """The room of a journal, in bytes, at one instant."""

    used: int
    """Pages with something in them."""
    free_pages: int
    """Pages of the file that are empty and used again."""
    log: int
    """The write-ahead log's file."""
    room: int
    """What may still be taken in before intake stops: free pages and what is free on the disk, or in the quota."""
    limit: str
    """What ends it: disk or quota."""
    disk_free: int
    disk_total: int
    max_bytes: int | None
    reserve_whole: bool

    @property
    def share(self) -> float:
        """How much of what the journal has and could still take is used, 0 to 1."""
        return self.used / (self.used + self.room) if self.used + self.room else 1.0


class Reserve:
    """A ballast file against a full disk, and a head room below `max_bytes` against our own quota.

    `refusal` is asked before intake; `give` frees the ballast for an outcome that met a full disk. Intake stops while half the
    ballast's size is still free beside it: a commit of any size must meet room, never a full disk.
    """

    def __init__(self, folder: Path, *, size: int = RESERVE_BYTES, max_bytes: int | None = None) -> None:
        self._folder = folder
        self._path = folder / "journal.reserve"
        self._size = size
        self._max_bytes = max_bytes
        self._refused = False
        self.outcomes = 0
        """Bytes that may still be needed to note what became of reports that wait; the disk's watch sets it."""

    @property
    def whole(self) -> bool:
        """Whether the ballast is there."""
        return os.path.exists(self._path)  # noqa: PTH110 - half the time of Path's, before each commit

    @property
    def starved(self) -> bool:
        """Whether the disk has nothing left."""
        return self._free() < STARVED_BYTES

    @property
    def short(self) -> bool:
        """Whether the disk, not the quota, ends intake now or soon: free pages are better given back to it."""
        return not self.whole or self._free() < 2 * self._floor

    def use(self, conn: sqlite3.Connection, *, size: int, max_bytes: int | None) -> None:
        """Another size of the ballast, another quota, from now on; `conn` is the writer's."""
        if size != self._size:
            self.give()
        self._size, self._max_bytes = size, max_bytes
        self.limit(conn)

    def limit(self, conn: sqlite3.Connection) -> None:
        """Set the file's hard limit on a connection."""
        pages = PAGES_MAX if self._max_bytes is None else max(1, self._max_bytes // _pragma(conn, "page_size"))
        conn.execute(f"PRAGMA max_page_count={pages}")

    def refusal(self, conn: sqlite3.Connection) -> str:
        """Why nothing may be taken in now, or an empty text."""
        found = self._full_disk(conn) or self._full_quota(conn)
        self._refused = bool(found)
        return found

    def give(self) -> bool:
        """Free the ballast; False when it was already gone."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True

    def space(self, conn: sqlite3.Connection) -> Space:
        """How much room there is, as of this connection's state."""
        page, pages, free = (_pragma(conn, name) for name in ("page_size", "page_count", "freelist_count"))
        used = (pages - free) * page
        disk = os.statvfs(self._folder)
        available = disk.f_bavail * disk.f_frsize
        missing = 0 if self.whole else self._size
        on_disk = free * page + max(0, available - self._owed(pages * page) - self._floor - missing)
        in_quota = on_disk if self._max_bytes is None else max(0, self._max_bytes - self._margin - used)
        return Space(
            used=used,
            free_pages=free * page,
            log=_size(self._folder / f"{FILE}-wal"),
            room=max(0, min(on_disk, in_quota) - self.outcomes),
            limit="quota" if in_quota < on_disk else "disk",
            disk_free=available,
            disk_total=disk.f_blocks * disk.f_frsize,
            max_bytes=self._max_bytes,
            reserve_whole=self.whole,
        )

    @property
    def _floor(self) -> int:
        return self._size // 2

    @property
    def _margin(self) -> int:
        """What outcomes have of the quota."""
        return min(self._size, (self._max_bytes or 0) // 4)

    def _full_disk(self, conn: sqlite3.Connection) -> str:
        if not self.whole and not self._restore():
            return (
                f"the disk is full: less than {2 * self._size // MIB} MiB are free on {self._folder}; deliver, or make room there"
            )
        free = self._free()
        if free - self.outcomes > AMPLE_BYTES:
            return ""
        page = _pragma(conn, "page_size")
        left = free - self._owed(_pragma(conn, "page_count") * page)
        within = _pragma(conn, "freelist_count") * page
        floor = self._floor * (BACK if self._refused else 1)
        if left >= floor and left + within >= floor + self.outcomes:
            return ""
        return f"the disk is nearly full: {max(0, left) // MIB} MiB are left on {self._folder}; deliver, or make room there"

    def _full_quota(self, conn: sqlite3.Connection) -> str:
        if self._max_bytes is None:
            return ""
        used = (_pragma(conn, "page_count") - _pragma(conn, "freelist_count")) * _pragma(conn, "page_size")
        if used + self.outcomes < self._max_bytes - self._margin * (BACK if self._refused else 1):
            return ""
        return f"the journal holds {used} bytes of the {self._max_bytes} it may have: deliver or prune, or raise the limit"

    def _free(self) -> int:
        disk = os.statvfs(self._folder)
        return disk.f_bavail * disk.f_frsize

    def _owed(self, size: int) -> int:
        """What the next checkpoints will add to the file: pages that are in the log only."""
        return max(0, size - _size(self._folder / FILE))

    def _restore(self) -> bool:
        """Make the ballast, only where as much again stays free: intake must not eat it at once."""
        if self._free() < 2 * self._size:
            return False
        try:
            handle = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(handle, 0, self._size)
            finally:
                os.close(handle)
        except OSError:
            with contextlib.suppress(OSError):
                self._path.unlink()
            return False
        return True


def _pragma(conn: sqlite3.Connection, name: str) -> int:
    (found,) = conn.execute(f"PRAGMA {name}").fetchone()
    return int(found)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
