"""One thread, one connection, grouped commits: whatever waits while a commit syncs shares the next one."""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any, Generic, TypeVar

from gateway.errors import StoreError, WardlinkError
from gateway.histogram import COMMIT_S, Histogram
from gateway.store import days
from gateway.store.database import connect
from gateway.store.days import Days, Key
from gateway.store.guard import Guard
from gateway.store.reserve import Reserve
from gateway.store.times import to_text, utc_now

log = logging.getLogger(__name__)

GROUP_MAX = 200
"""Changes in one commit: past a hundred a sync costs nothing measurable per change, and no device waits for more than these."""
COUNTERS_MAX = 64
"""Different words counted a device: codecs have a dozen fixed phrases; a driver's mistake must not fill the table."""
IDLE_FLUSH_S = 1.0
"""Counts that nothing else carries into a commit are written after this: a line with nothing but noise shows its noise."""

_HARMLESS = ("SQLITE_FULL", "SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_CONSTRAINT", "SQLITE_TOOBIG", "SQLITE_MISMATCH")
"""Errors after which the connection is as good as before; any other opens a fresh one, which recovers the log."""

_COUNT = (
    "INSERT INTO counters (device, what, n, last_at) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (device, what) DO UPDATE SET n = n + excluded.n, last_at = excluded.last_at"
)

T = TypeVar("T")


class Transaction:
    """What a change works on. `tally` and `count` add up here and are written once, before the commit."""

    __slots__ = ("_counts", "_elsewhere", "_tallies", "conn", "days", "now", "undo")

    def __init__(self, conn: sqlite3.Connection, now: str, days: Days) -> None:
        self.conn = conn
        self.now = now
        self.days = days
        self.undo: list[Callable[[], None]] = []
        """What to put right in memory when the transaction is rolled back."""
        self._tallies: dict[Key, int] = {}
        self._elsewhere: dict[tuple[str, Key], int] = {}
        self._counts: dict[tuple[str, str], int] = {}

    def tally(self, destination: str, device: str, what: str, n: int = 1, *, day: str | None = None) -> None:
        """Count what became of reports for a destination; `day` is theirs (`days.of`), None for what was never stored."""
        key = (destination, device, what)
        self._tallies[key] = self._tallies.get(key, 0) + n
        if day is not None and day != self.days.present:
            self._elsewhere[day, key] = self._elsewhere.get((day, key), 0) + n

    def count(self, device: str, what: str, n: int = 1) -> None:
        """Count what happened on a device's line."""
        key = (device, what)
        self._counts[key] = self._counts.get(key, 0) + n

    def flush(self) -> None:
        """Write what was added up so far: before the commit, and before a change that works on the tables of counts itself."""
        if self._tallies:
            days.write(self.conn, self._tallies.items(), [(day, key, n) for (day, key), n in self._elsewhere.items()])
        if self._counts:
            self.conn.executemany(_COUNT, [(*key, n, self.now) for key, n in self._counts.items()])
        self._tallies, self._elsewhere, self._counts = {}, {}, {}


@dataclass(slots=True, eq=False)
class _Change(Generic[T]):
    apply: Callable[[Transaction], T]
    future: asyncio.Future[T]
    intake: bool


_Done = tuple[_Change[Any], Any, BaseException | None]


class Writer:
    """Commits changes in the order of `submit`. A change that fails fails alone; the thread outlives every failure."""

    def __init__(self, folder: Path, conn: sqlite3.Connection, reserve: Reserve, guard: Guard) -> None:
        self._folder = folder
        self._guard = guard
        self._conn: sqlite3.Connection | None = conn
        self._reserve = reserve
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[_Change[Any] | None] = queue.SimpleQueue()
        self._counts: dict[tuple[str, str], int] = {}
        self._words: dict[str, set[str]] = {}
        self._counts_lock = threading.Lock()
        self.commits = Histogram(COMMIT_S)
        self._days: Days | None = None
        self.zone: tzinfo = UTC
        """Whose midnight ends the day under way."""
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)
        self._thread.start()

    def submit(self, apply: Callable[[Transaction], T], *, intake: bool = False) -> asyncio.Future[T]:
        """Run `apply` in a transaction; done when that is durable. `intake`: refused while only the reserve is left."""
        if self._closed:
            raise StoreError("the journal is closed")
        if self._guard.why:
            raise StoreError(f"the journal is damaged and takes nothing until it is salvaged: {self._guard.why}")
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(_Change(apply, future, intake))
        return future

    def count(self, device: str, what: str, n: int) -> None:
        """Add to a line's counter with the next commit."""
        with self._counts_lock:
            words = self._words.setdefault(device, set())
            if what not in words and len(words) >= COUNTERS_MAX:
                what = "other"
            words.add(what)
            first = not self._counts
            self._counts[device, what] = self._counts.get((device, what), 0) + n
        if first and not self._closed:
            self._loop.call_later(IDLE_FLUSH_S, self._nudge)

    async def close(self) -> None:
        """Commit what waits, stop the thread, close the connection."""
        if not self._closed:
            self._nudge()
            self._closed = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _nudge(self) -> None:
        """An empty change, so that waiting counts get a commit, but not the reserve; its failure keeps them for the next one."""
        if self._counts and not self._closed:
            self.submit(lambda _tx: None, intake=True).add_done_callback(lambda done: done.exception())

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            group, last = self._drain(first)
            done = self._commit(group)
            with suppress(RuntimeError):  # the loop is gone: nobody waits any more
                self._loop.call_soon_threadsafe(_resolve, done)
            if last:
                break
        if self._conn is not None:
            self._conn.close()

    def _drain(self, first: _Change[Any]) -> tuple[list[_Change[Any]], bool]:
        group = [first]
        while len(group) < GROUP_MAX:
            try:
                change = self._queue.get_nowait()
            except queue.Empty:
                break
            if change is None:
                return group, True
            group.append(change)
        return group, False

    def _commit(self, group: Sequence[_Change[Any]]) -> list[_Done]:
        """All in one transaction; where that fails, each in its own, so that only the guilty one suffers."""
        if len(group) > 1:
            try:
                return [(change, result, None) for change, result in zip(group, self._together(group), strict=True)]
            except Exception as error:  # noqa: BLE001 - whose fault it is shows when each is tried alone
                log.debug("a group of %d changes failed together (%s): trying each alone", len(group), type(error).__name__)
        return [self._alone(change) for change in group]

    def _together(self, group: Sequence[_Change[Any]]) -> list[Any]:
        with self._transaction() as tx:
            if any(change.intake for change in group) and (refusal := self._reserve.refusal(tx.conn)):
                raise StoreError(refusal)
            return [change.apply(tx) for change in group]

    def _alone(self, change: _Change[Any]) -> _Done:
        try:
            try:
                return change, self._together([change])[0], None
            except (sqlite3.Error, StoreError) as error:
                if change.intake or not self._for_want_of_room(error) or not self._reserve.give():
                    raise
                log.warning("the disk is full: using the reserve to record what receivers acknowledged")
                return change, self._together([change])[0], None
        except sqlite3.Error as error:
            self._guard.meet(error)
            return change, None, StoreError(f"the journal could not be written: {error}")
        except WardlinkError as error:
            return change, None, error
        except Exception as error:  # noqa: BLE001 - a caller's mistake goes back to the caller; the thread serves the others
            return change, None, error

    def _for_want_of_room(self, error: Exception) -> bool:
        """Whether a full disk is behind it: some calls of SQLite's name that an I/O error, or a file that cannot be opened."""
        return _errorname(error) == "SQLITE_FULL" or self._reserve.starved

    @contextmanager
    def _transaction(self) -> Iterator[Transaction]:
        conn = self._connection()
        counts = self._take_counts()
        now, tx, began = to_text(utc_now()), None, time.perf_counter()
        try:
            conn.execute("BEGIN IMMEDIATE")
            self._days = days.under_way(conn, self._days, now, self.zone)
            tx = Transaction(conn, now, self._days)
            for (device, what), n in counts.items():
                tx.count(device, what, n)
            yield tx
            tx.flush()
            conn.execute("COMMIT")
            self.commits.observe(time.perf_counter() - began)
        except BaseException as error:
            self._days = None
            for undo in reversed(tx.undo if tx is not None else ()):
                undo()
            self._give_counts_back(counts)
            self._undo(conn, error)
            raise

    def _undo(self, conn: sqlite3.Connection, error: BaseException) -> None:
        sound = not isinstance(error, sqlite3.Error) or _errorname(error).startswith(_HARMLESS)
        try:
            if conn.in_transaction:
                conn.execute("ROLLBACK")
        except sqlite3.Error:
            sound = False
        if not sound:
            self._conn = None
            with suppress(sqlite3.Error):
                conn.close()

    def _connection(self) -> sqlite3.Connection:
        if self._conn is None:
            self._conn = connect(self._folder)
            self._reserve.limit(self._conn)
        return self._conn

    def _take_counts(self) -> dict[tuple[str, str], int]:
        with self._counts_lock:
            counts, self._counts = self._counts, {}
        return counts

    def _give_counts_back(self, counts: dict[tuple[str, str], int]) -> None:
        with self._counts_lock:
            for key, n in counts.items():
                self._counts[key] = self._counts.get(key, 0) + n


def _errorname(error: Exception) -> str:
    """SQLite's name of the error; empty where Python itself raised it."""
    return getattr(error, "sqlite_errorname", "")


def _resolve(done: list[_Done]) -> None:
    for change, result, error in done:
        if change.future.cancelled():
            continue
        if error is None:
            change.future.set_result(result)
        else:
            change.future.set_exception(error)
