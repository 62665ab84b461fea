"""The journal: what is kept here is on the disk before the device hears of it."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import TypeVar

from gateway.errors import DamagedError, StoreError
from gateway.histogram import Histogram
from gateway.model import Category, Gateway, Report
from gateway.store import database, destinations, epochs, identity, intake, moved, opening, retention, swap
from gateway.store.damage import is_damage
from gateway.store.database import open_reader
from gateway.store.days import Days
from gateway.store.drops import Drops
from gateway.store.guard import Guard
from gateway.store.reserve import RESERVE_BYTES, Reserve
from gateway.store.times import to_text, utc_now
from gateway.store.writer import Transaction, Writer
from gateway.thinning import Policy

__all__ = ["Journal", "open_reader"]

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Found:
    """What opening the file gave."""

    conn: sqlite3.Connection
    gateway: Gateway
    takers: dict[str, list[str]]


class Journal:
    """One gateway's journal, open. Every write raises StoreError when it could not be made durable; the next may work."""

    def __init__(self, folder: Path, reserve: Reserve, lock: int, found: _Found) -> None:
        self.gateway = found.gateway
        self.epoch = epochs.new()
        """What the reports that this run keeps are numbered under."""
        self._numbered = False
        self._folder = folder
        self.reserve = reserve
        self.policy = Policy()
        """What acquisition gives up at present; the disk's watch sets it."""
        self.freed = 0
        """Bytes that forgetting and giving up have made free since the start."""
        self.guard = Guard(folder)
        self._writer = Writer(folder, found.conn, reserve, self.guard)
        self._lock = lock
        self._takers = found.takers
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="journal-reader")
        self._reading: sqlite3.Connection | None = None
        self._listeners: list[Callable[[], None]] = []
        self._drops = Drops(lambda apply: self._writer.submit(apply, intake=True), self._taking)

    @classmethod
    async def open(
        cls,
        folder: Path,
        *,
        name: str,
        eui64: str | None = None,
        max_bytes: int | None = None,
        reserve_bytes: int = RESERVE_BYTES,
    ) -> Journal:
        """Open or make `folder`/journal.sqlite3 for this process alone.

        ConfigError when another gateway has it, StoreError when it cannot be used or is of a newer wardlink. `max_bytes` limits
        the file; of the disk and of that limit `reserve_bytes` are kept for recording outcomes.
        """
        database.make_folder(folder)
        handle = database.lock(folder)
        try:
            reserve = Reserve(folder, size=reserve_bytes, max_bytes=max_bytes)
            found = await asyncio.to_thread(_prepare_in_room, folder, reserve, name, eui64)
        except BaseException:
            os.close(handle)
            raise
        return cls(folder, reserve, handle, found)

    async def keep(
        self,
        reports: Sequence[Report],
        *,
        device_id: str,
        ends_transmission: bool = False,
        act: Callable[[Transaction], object] | None = None,
    ) -> list[int | None]:
        """Make reports durable, together; their ids, None for a repeat (same device and identity are stored once).

        `ends_transmission` drops the device's fragments in the same transaction: the reports hold them now. `act`: what else
        belongs to it; when it raises, nothing is kept.
        """
        rows = [intake.row(report, device_id) for report in reports]

        def apply(tx: Transaction) -> list[int | None]:
            if act is not None:
                act(tx)
            return self._keep(tx, rows, device_id, ends_transmission=ends_transmission)

        ids = await self._writer.submit(apply, intake=True)
        self._tell()
        return ids

    async def keep_fragment(self, device_id: str, raw: bytes, at: datetime) -> None:
        """Make a part of a transmission durable; `at` is when its first byte arrived (aware)."""
        await self._writer.submit(lambda tx: intake.keep_fragment(tx, device_id, raw, at), intake=True)

    async def keep_incomplete(self, device_id: str, raw: bytes, at: datetime, reason: str) -> None:
        """Make what is left of a broken-off transmission durable; the device's fragments become part of it."""
        await self._writer.submit(lambda tx: intake.keep_incomplete(tx, device_id, raw, at, reason), intake=True)

    async def count(self, device_id: str, what: str, n: int = 1) -> None:
        """Count what happened on a device's line; durable with the next commit, at the latest a second later."""
        self._writer.count(device_id, what, n)

    def drop(self, device_id: str, category: Category, policy: str, n: int = 1) -> None:
        """Count reports that `policy` keeps out of the journal as received and dropped, for whoever takes their category."""
        self._drops.add(device_id, category, policy, n)

    async def use(
        self,
        takes: Mapping[str, frozenset[Category]],
        *,
        begin_now: Collection[str] = (),
        formerly: Mapping[str, str] | None = None,
        name: str | None = None,
        act: Callable[[sqlite3.Connection], object] | None = None,
    ) -> None:
        """Say which destinations are in use and what each takes; to be called before the first device is started.

        A destination that is new begins with the oldest report kept, or with the next one where `begin_now` names it; with what
        waited under the id that `formerly` gives. One that is not in use any more gets nothing new, and keeps what waits for it.
        `name`: the gateway is called so now. `act`: what else belongs to the change. All of it is done, or nothing.
        """

        def apply(tx: Transaction) -> None:
            if act is not None:
                act(tx.conn)
            if name is not None:
                self._rename(tx, name)
            self._use(tx, takes, begin_now, formerly)

        await self.write(apply)
        self._tell()

    @property
    def commits(self) -> Histogram:
        """How long commits took, from begin to durable."""
        return self._writer.commits

    async def count_days(self, zone: tzinfo) -> None:
        """From now on a day ends at midnight in `zone`; what was stored before stays on its day."""
        self._writer.zone = zone

    async def write(self, apply: Callable[[Transaction], T], *, intake: bool = False) -> T:
        """Run `apply` in a transaction of the writer thread; durable when this returns.

        Never refused for want of the reserve, but for an `intake`: what comes from outside and can be sent again.
        """
        return await self._writer.submit(apply, intake=intake)

    async def act(self, apply: Callable[[sqlite3.Connection], T]) -> T:
        """`write` for what a person does (gateway.patients.acts, gateway.store.parked) from inside the gateway."""
        result = await self.write(lambda tx: apply(tx.conn))
        self._tell()
        return result

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run `query` on the reader thread against one consistent state."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._reader, self._query, query)
        except sqlite3.Error as error:
            self.guard.meet(error)
            raise StoreError(f"the journal could not be read: {error}") from error
        except DamagedError as error:
            self.guard.meet(error)
            raise

    async def prune(self, before: datetime) -> int:
        """Forget reports stored before `before` that every destination is done with; how many. Their space is used again."""
        total, after = 0, 0
        while True:
            start = after
            window = await self._writer.submit(lambda tx: retention.prune(tx, before, start))  # noqa: B023 - awaited before it changes
            if window is None:
                break
            total, after = total + window.pruned, window.last
            self.freed += window.freed
        await self.make_room()
        return total

    async def make_room(self) -> None:
        """Give free pages back to the disk as far as intake wants for room there; within the file they are used again anyway."""
        with suppress(StoreError, sqlite3.Error):  # still too full even for that: the next time
            left = self.reserve.short
            while left:
                left = await self._writer.submit(retention.shrink) and self.reserve.short
                await asyncio.to_thread(retention.fold_log, self._folder)

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` on the event loop after each report kept and each act; the returned function ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def close(self) -> None:
        """Commit what waits, close, give the folder free."""
        await asyncio.get_running_loop().run_in_executor(self._reader, self._close_reading)
        self._reader.shutdown()
        await self._drops.close()
        await self._writer.close()  # last: only a writer may fold the log into the file
        os.close(self._lock)

    def _keep(self, tx: Transaction, rows: Sequence[intake.Row], device: str, *, ends_transmission: bool) -> list[int | None]:
        if not self._numbered:
            epochs.begin(tx.conn, self.epoch)
            self._numbered = True
            tx.undo.append(lambda: setattr(self, "_numbered", False))
        return intake.keep(tx, rows, device, self._taking, ends_transmission=ends_transmission)

    def _rename(self, tx: Transaction, name: str) -> None:
        former = self.gateway
        tx.undo.append(lambda: setattr(self, "gateway", former))
        self.gateway = identity.settle(tx.conn, name, None)

    def _use(
        self,
        tx: Transaction,
        takes: Mapping[str, frozenset[Category]],
        begin_now: Collection[str],
        formerly: Mapping[str, str] | None,
    ) -> None:
        """In the writer thread, so that the very next report in the queue is counted by the new table."""
        former = self._takers
        tx.undo.append(lambda: setattr(self, "_takers", former))
        self._takers = destinations.use(tx, takes, begin_now, formerly)

    def _taking(self, category: str) -> Sequence[str]:
        return self._takers.get(category, ())

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()

    def _query(self, query: Callable[[sqlite3.Connection], T]) -> T:
        if self._reading is None:
            self._reading = open_reader(self._folder)
        conn = self._reading
        conn.execute("BEGIN")
        try:
            return query(conn)
        finally:
            conn.execute("COMMIT")

    def _close_reading(self) -> None:
        if self._reading is not None:
            self._reading.close()


def _prepare_in_room(folder: Path, reserve: Reserve, name: str, eui64: str | None) -> _Found:
    """Opening takes room too; on a full disk the reserve's, else a gateway that was restarted there could not drain."""
    try:
        return _prepare(folder, reserve, name, eui64)
    except StoreError:
        if not reserve.starved or not reserve.give():
            raise
    log.warning("the disk is full: using the reserve to open the journal")
    return _prepare(folder, reserve, name, eui64)


def _prepare(folder: Path, reserve: Reserve, name: str, eui64: str | None) -> _Found:
    """Open what is there; what shows itself damaged is salvaged first."""
    moved.refuse(folder)
    opening.look(folder)
    try:
        return _begin(folder, reserve, name, eui64)
    except StoreError as error:
        if not (isinstance(error, DamagedError) or is_damage(error.__cause__)):
            raise
        swap.suspect(folder, str(error.__cause__ or error))
    opening.look(folder)
    return _begin(folder, reserve, name, eui64)


def _begin(folder: Path, reserve: Reserve, name: str, eui64: str | None) -> _Found:
    conn = database.connect(folder)
    try:
        database.migrate(conn)
        reserve.limit(conn)
        gateway = _identify(conn, name, eui64)
        _recover(conn)
        return _Found(conn, gateway, destinations.takers(conn))
    except sqlite3.Error as error:
        conn.close()
        raise StoreError(f"cannot use the journal in {folder}: {error}") from error
    except BaseException:
        conn.close()
        raise


def _identify(conn: sqlite3.Connection, name: str, eui64: str | None) -> Gateway:
    """The kept identity; written only where it differs, so that a full disk does not stop a restart from draining."""
    stored = dict(conn.execute("SELECT key, value FROM meta").fetchall())
    wanted = stored.get("eui64") if eui64 is None else identity.check_eui64(eui64)
    if stored.get("name") == name and stored.get("eui64") == wanted:
        return identity.read(conn)
    with database.transaction(conn):
        return identity.settle(conn, name, eui64)


def _recover(conn: sqlite3.Connection) -> None:
    if conn.execute("SELECT 1 FROM fragments LIMIT 1").fetchone() is None:
        return
    try:
        with database.transaction(conn):
            devices = intake.close_interrupted(Transaction(conn, to_text(utc_now()), Days(conn)))
    except (TypeError, ValueError) as error:
        raise DamagedError(f"the fragments in the journal are not what was written: {error}") from error
    for device in devices:
        log.warning("%s: a transmission was under way when the gateway stopped; kept as incomplete", device)
