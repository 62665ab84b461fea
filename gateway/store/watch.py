"""The watch over the disk: how full it is, how long it lasts, what is given up; makes room by itself and says so."""

from __future__ import annotations

import asyncio
import logging
import math
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from gateway.errors import StoreError
from gateway.settings.disk import DiskSettings
from gateway.store import facts, retention, waiting
from gateway.store.database import WAL_LIMIT
from gateway.store.disk import DiskState, megabytes
from gateway.store.facts import Facts
from gateway.store.headroom import Sample, Window
from gateway.store.journal import Journal
from gateway.store.marks import Level, Marks
from gateway.store.reserve import Space

log = logging.getLogger(__name__)

LOOK_S = 2.0
"""Between two looks: at 20 MB/s of intake, more than a journal takes, 40 MB."""
STEPS = 20
"""Stretches looked at in a row, 500 reports each: a tenth of a second of the writer's time at each look."""
REST_S = 60.0
"""After the oldest to the newest was looked at, this long until the oldest again."""
ROWS_S = 60.0
"""Between two countings of the rows."""
OUTCOME_BYTES = 200
"""Room that a waiting report may still need for each destination, to note that it is held, retried or parked (measured: 150)."""
LOG_LONG = 4 * WAL_LIMIT
"""A log of this length means that somebody keeps a read open."""


class Watch:
    """Looks at the journal's room, and acts. `look` once before the first device is started, then `run`."""

    def __init__(self, journal: Journal, settings: DiskSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._journal, self._clock, self._settings = journal, clock, settings
        self._marks = Marks(settings)
        self._sweeps = waiting.sweeps(settings.trend_interval_s)
        self._window = Window()
        self.state: DiskState | None = None
        """As of the last look."""
        self._rows, self._rows_at = 0, -math.inf
        self._after, self._pruned_at = 0, -math.inf
        self._given_up: Counter[str] = Counter()
        self._told_at = -math.inf
        self._log_is_long = False

    async def use(self, settings: DiskSettings) -> None:
        """Other settings from now on."""
        if settings == self._settings:
            return
        self._settings, self._marks = settings, Marks(settings)
        self._sweeps = waiting.sweeps(settings.trend_interval_s)
        reserve = self._journal.reserve
        await self._journal.write(lambda tx: reserve.use(tx.conn, size=settings.reserve_bytes, max_bytes=settings.max_bytes))

    def status(self) -> dict[str, Any]:
        """The state for programs; empty before the first look."""
        return self.state.as_json() if self.state else {}

    async def run(self) -> None:
        """Watch until cancelled."""
        trouble = ""
        while True:
            try:
                await self.look()
                await self.relieve()
                trouble = ""
            except StoreError as error:
                if str(error) != trouble:
                    log.warning("disk: the journal cannot be looked after: %s", error)
                trouble = str(error)
            await asyncio.sleep(LOOK_S)

    async def look(self) -> Level:
        """Measure, and set what is given up from now on."""
        space, found, full = await self._journal.read(self._measure)
        self._journal.reserve.outcomes = found.waiting_each * OUTCOME_BYTES
        taken = space.used + self._journal.freed + found.received_each * OUTCOME_BYTES
        self._window.add(Sample(at_s=self._clock(), taken_bytes=taken, received=found.received, waiting=found.waiting))
        before = self._marks.level
        level = self._marks.move(space.share, full=full)
        self._journal.policy = self._marks.policy()
        self.state = DiskState(level, space, found, self._rows, self._window.rates())
        if level != before:
            worse = level > before and level >= Level.WAVEFORMS
            log.log(logging.WARNING if worse else logging.INFO, "disk: %s", self.state.words)
        self._tell_long_log(space)
        return level

    async def relieve(self) -> None:
        """Make room as the level asks for: history first, then what waits; then give free pages back, where the disk is short."""
        level, space = self._marks.level, await self._journal.read(self._journal.reserve.space)
        if level >= Level.HISTORY:
            await self._forget(self._excess(space, Level.HISTORY))
        if level >= Level.TRENDS:
            space = await self._journal.read(self._journal.reserve.space)
            await self._thin(self._excess(space, Level.TRENDS))
        elif any(sweep.done for sweep in self._sweeps):
            self._sweeps = waiting.sweeps(self._settings.trend_interval_s)
        await self._journal.make_room()
        self._tell()

    def _measure(self, conn: sqlite3.Connection) -> tuple[Space, Facts, bool]:
        if self._clock() - self._rows_at >= ROWS_S:
            self._rows, self._rows_at = facts.rows(conn), self._clock()
        refused = self._journal.reserve.refusal(conn)  # asked here too: with every device silent, nobody else would notice room
        return self._journal.reserve.space(conn), facts.facts(conn), bool(refused)

    def _excess(self, space: Space, level: Level) -> float:
        """Bytes that must go for `level` to be left."""
        return space.used - self._marks.below(level) * (space.used + space.room)

    async def _forget(self, excess: float) -> None:
        """Forget delivered reports, oldest first, whatever their age."""
        if self._after == 0 and self._clock() - self._pruned_at < REST_S:
            return
        before = datetime.now(UTC)
        for _ in range(STEPS):
            if excess <= 0:
                return
            after = self._after
            window = await self._journal.write(lambda tx: retention.prune(tx, before, after))  # noqa: B023 - awaited before it changes
            if window is None:
                self._after, self._pruned_at = 0, self._clock()
                return
            self._after = window.last
            excess -= self._freed("finished reports forgotten early", window.pruned, window.freed)

    async def _thin(self, excess: float) -> None:
        """Give up what waits, oldest first."""
        for _ in range(STEPS):
            sweep = next((one for one in self._sweeps if not one.done), None)
            if excess <= 0 or sweep is None:
                return
            found = await self._journal.read(sweep.look)
            if found.last is None:
                sweep.done = True
                continue
            gone = await self._journal.write(lambda tx: waiting.give_up(tx, found.reports, sweep.category, sweep.policy))  # noqa: B023 - awaited before it changes
            sweep.after = found.last
            excess -= self._freed(sweep.policy, gone.reports, gone.freed)

    def _freed(self, what: str, reports: int, freed: int) -> int:
        self._given_up[what] += reports
        self._journal.freed += freed
        return freed

    def _tell(self) -> None:
        """What was given up, a line a minute at most."""
        total = +self._given_up
        if total and self._clock() - self._told_at >= REST_S:
            log.warning("disk: to make room: %s", ", ".join(f"{n} {what}" for what, n in total.items()))
            self._given_up.clear()
            self._told_at = self._clock()

    def _tell_long_log(self, space: Space) -> None:
        is_long = space.log > LOG_LONG
        if is_long and not self._log_is_long:
            log.warning(
                "disk: the journal's log has grown to %s: a program keeps a read of the journal open (lsof names it); end it",
                megabytes(space.log),
            )
        self._log_is_long = is_long
