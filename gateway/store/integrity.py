"""The check of a whole journal while a gateway works on it: on a thread and a connection of its own, at the lowest priority.

First the structure (PRAGMA quick_check: every page, every tree), then every report against its checksum and against the index by
which destinations find it. Damaged structure ends the run, so that the next start salvages; a row whose checksum
fails is parked when its turn comes, and only told of here.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from zlib import crc32

from gateway.errors import DamagedError, StoreError
from gateway.model import Category
from gateway.store import checksums, mappings, unknown
from gateway.store.damage import is_damage
from gateway.store.database import open_reader
from gateway.store.times import utc_now

log = logging.getLogger(__name__)

BATCH = 200
"""Reports read in one transaction: about 1 MB, so that no open read keeps the log long."""
REST = 1.0
"""After each batch, as long a pause as it took: at most half of one core, and less of the disk."""
LISTED_MAX = 20
"""Damaged reports that are named; the others are counted."""
NICE = 19

ROWS_OF_A_CHECK = (
    "SELECT id, CAST(device AS BLOB), CAST(category AS BLOB), CAST(received_at AS BLOB), CAST(identity AS BLOB),"
    " CAST(stored_at AS BLOB), CAST(payload AS BLOB), raw, crc, raw_crc"
    " FROM reports NOT INDEXED WHERE id > ? ORDER BY id LIMIT ?"
)
"""What `sound` judges, in order from a number on."""
_CATEGORIES = ", ".join(f"'{category.value}'" for category in Category)
_INDEXED = (
    "SELECT count(*) FROM reports INDEXED BY reports_category"  # noqa: S608 - constants
    f" WHERE category IN ({_CATEGORIES}) AND id BETWEEN ? AND ?"
)
_THERE = (
    "SELECT count(*) FROM reports NOT INDEXED"  # noqa: S608 - constants
    f" WHERE category IN ({_CATEGORIES}) AND id BETWEEN ? AND ?"
)


@dataclass(slots=True)
class Progress:
    """How far a check has come. `damaged`: reports whose checksum fails, the first of them; `n_damaged`: how many."""

    state: str = "not yet checked"
    """not yet checked, checking structure, checking reports, checked, damaged, stopped."""
    checked: int = 0
    last: int = 0
    """Report number: how far, and how far it goes."""
    damaged: list[int] = field(default_factory=list)
    n_damaged: int = 0
    associations: int = 0
    """Associations whose checksum fails: they name nobody, what they covered is held."""
    decisions: int = 0
    """Decisions about codes whose checksum fails: they decide nothing."""
    unknown: int = 0
    """Parts of what unknown devices sent whose checksum fails: they are not replayed, only kept."""
    finished_at: datetime | None = None
    why: str = ""

    def as_json(self) -> dict[str, Any]:
        """For `wardlink status` and the control socket."""
        return {
            "state": self.state,
            "checked": self.checked,
            "of": self.last,
            "damaged_reports": list(self.damaged),
            "n_damaged_reports": self.n_damaged,
            "n_damaged_associations": self.associations,
            "n_damaged_decisions": self.decisions,
            "n_damaged_unknown": self.unknown,
            "finished_at": self.finished_at,
            "why": self.why,
        }


class Check:
    """One check of the journal in `folder`; `pause(seconds)` is how it gives way to others."""

    def __init__(self, folder: Path, pause: Callable[[float], None] = time.sleep) -> None:
        self.progress = Progress()
        self._folder, self._pause = folder, pause
        self._stopped = threading.Event()

    async def run(self) -> None:
        """Check everything, off the event loop. DamagedError: its structure is damaged; StoreError: it cannot be read now."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        # A daemon: SQLite cannot be interrupted in quick_check, and a gateway that is told to stop must not wait for it.
        threading.Thread(target=self._work, args=(loop, ended), name="journal-check", daemon=True).start()
        try:
            await ended
        finally:
            self._stopped.set()

    def _work(self, loop: asyncio.AbstractEventLoop, ended: asyncio.Future[None]) -> None:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)  # this thread alone, on Linux
        error: Exception | None = None
        try:
            self.check()
        except Exception as failed:  # noqa: BLE001 - it goes to whoever awaits the check
            error = failed
        with suppress(RuntimeError):  # the loop is gone: nobody waits any more
            loop.call_soon_threadsafe(_resolve, ended, error)

    def check(self) -> None:
        """The check itself, in the thread that calls it."""
        try:
            with closing(open_reader(self._folder)) as conn:
                conn.text_factory = _lenient
                self.progress.state = "checking structure"
                self._structure(conn)
                self.progress.state = "checking reports"
                self._associations(conn)
                self.progress.decisions = mappings.damaged(conn)
                self.progress.unknown = unknown.n_damaged(conn)
                self._reports(conn)
        except sqlite3.Error as error:
            self.progress.state, self.progress.why = "damaged" if is_damage(error) else "stopped", str(error)
            if is_damage(error):
                raise DamagedError(str(error)) from error
            raise StoreError(f"the journal could not be checked: {error}") from error
        except DamagedError as error:
            self.progress.state, self.progress.why = "damaged", str(error)
            raise
        self.progress.state = "stopped" if self._stopped.is_set() else "checked"
        self.progress.finished_at = utc_now()

    def _structure(self, conn: sqlite3.Connection) -> None:
        found = [str(row[0]) for row in conn.execute("PRAGMA quick_check(3)").fetchall()]
        if found != ["ok"]:
            raise DamagedError("; ".join(" ".join(one.split()) for one in found))

    def _associations(self, conn: sqlite3.Connection) -> None:
        sql = f"SELECT {', '.join(checksums.ASSOCIATION)}, crc FROM associations WHERE crc IS NOT NULL"  # noqa: S608 - constants
        self.progress.associations = sum(crc != checksums.of_association(said) for *said, crc in conn.execute(sql))
        if self.progress.associations:
            log.error("%d associations are damaged: what they covered is held until it is said anew", self.progress.associations)

    def _reports(self, conn: sqlite3.Connection) -> None:
        progress = self.progress
        (progress.last,) = conn.execute("SELECT coalesce(max(id), 0) FROM reports").fetchone()
        while progress.checked < progress.last and not self._stopped.is_set():
            began = time.monotonic()
            rows = conn.execute(ROWS_OF_A_CHECK, (progress.checked, BATCH)).fetchall()
            if not rows:
                break
            _hold_against_index(conn, progress.checked + 1, rows[-1][0])
            for row in rows:
                if not sound(row):
                    self._note(row[0])
            progress.checked = rows[-1][0]
            self._pause((time.monotonic() - began) * REST)

    def _note(self, report: int) -> None:
        self.progress.n_damaged += 1
        if len(self.progress.damaged) < LISTED_MAX:
            self.progress.damaged.append(report)
            log.error("report %d is damaged on the disk (checksum): it is parked when its turn comes", report)


def _hold_against_index(conn: sqlite3.Connection, first: int, last: int) -> None:
    """Destinations find their reports by an index: one that is missing there would never be sent."""
    conn.execute("BEGIN")  # both looks at one state: nothing is pruned in between
    try:
        (there,), (indexed,) = (conn.execute(sql, (first, last)).fetchone() for sql in (_THERE, _INDEXED))
    finally:
        conn.execute("COMMIT")
    if indexed != there:
        raise DamagedError(f"of the {there} reports from {first} to {last} the index by category names {indexed}")


def sound(row: tuple[Any, ...]) -> bool:
    """Whether a row of (id, device, category, received_at, identity, stored_at, payload, raw, crc, raw_crc) is what was kept."""
    _, device, category, received_at, identity, stored_at, payload, raw, crc, raw_crc = row
    if crc is None:
        return True
    try:
        who = None if identity is None else identity.decode()
        told = checksums.of_report(device.decode(), category.decode(), received_at.decode(), who, payload)
        expected = checksums.of_row(told, stored_at.decode())
    except UnicodeDecodeError:
        return False
    return bool(crc == expected and raw_crc == crc32(raw))


def _lenient(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _resolve(ended: asyncio.Future[None], error: Exception | None) -> None:
    if ended.done():
        return
    if error is None:
        ended.set_result(None)
    else:
        ended.set_exception(error)
