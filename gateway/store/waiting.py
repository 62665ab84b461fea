"""Giving up what waits, oldest first, when the disk fills and nothing delivered is left to forget: by named policies, counted.

Never given up: what comes once (results, spot checks, events), what stepped aside (held, to be tried again, parked), what went
past a backlog, and anything of which a byte may have left the house. A destination that was about to send it learns that when it
pins its bytes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from gateway.errors import DamagedError
from gateway.model import Category, Report, decode
from gateway.store.retention import BATCH, free_bytes
from gateway.store.writer import Transaction
from gateway.thinning import WAITING_TRENDS, WAITING_WAVEFORMS, Kept, Worth, worth

_LOWEST = (
    "SELECT min(cursor) FROM destinations WHERE EXISTS (SELECT 1 FROM json_each(takes) WHERE value = ?)"
    " AND (until IS NULL OR cursor < until)"
)
_NEXT = "SELECT id, device, CAST(payload AS BLOB) FROM reports WHERE category = ? AND id > ? ORDER BY id LIMIT ?"
_GIVE_UP = """
DELETE FROM reports WHERE id IN (SELECT value FROM json_each(?))
  AND NOT EXISTS (SELECT 1 FROM behind WHERE behind.report = reports.id)
  AND NOT EXISTS (SELECT 1 FROM ahead WHERE ahead.report = reports.id)
  AND NOT EXISTS (SELECT 1 FROM attempts WHERE attempts.report = reports.id)
  AND NOT EXISTS (SELECT 1 FROM ahead WHERE ahead.report = reports.id)
RETURNING id, device
"""
_WAITS = (
    "SELECT id FROM destinations WHERE cursor < ?1 AND (until IS NULL OR until >= ?1)"
    " AND EXISTS (SELECT 1 FROM json_each(takes) WHERE value = ?2)"
)


class Look(NamedTuple):
    """A stretch of what waits: the reports that may be given up, and the last id of it; None at the end."""

    reports: list[int]
    last: int | None


class GivenUp(NamedTuple):
    """How many reports went, and the bytes that became free."""

    reports: int
    freed: int


@dataclass(slots=True)
class Sweep:
    """One way through all that waits of a category, from the oldest on."""

    category: Category
    policy: str
    interval_s: float
    """Of a device's trends one is left in so many seconds."""
    after: int = 0
    done: bool = False
    _kept: dict[str, Kept] = field(default_factory=dict)

    def look(self, conn: sqlite3.Connection) -> Look:
        """The next stretch. It is read beside the writer: decoding takes time that devices need not wait for."""
        (lowest,) = conn.execute(_LOWEST, (self.category.value,)).fetchone()
        if lowest is None:
            return Look([], None)
        rows = conn.execute(_NEXT, (self.category.value, max(self.after, lowest), BATCH)).fetchall()
        return Look([number for number, device, payload in rows if self._spare(device, payload)], rows[-1][0] if rows else None)

    def _spare(self, device: str, payload: bytes) -> bool:
        report = _read(payload)
        if report is None:
            return False
        kind = worth(report)
        if kind is not Worth.TREND:
            return kind is Worth.WAVEFORM
        kept = self._kept.setdefault(device, Kept())
        if kept.age_s(report) < self.interval_s:
            return True
        kept.keep(report)
        return False


def sweeps(trend_interval_s: float) -> list[Sweep]:
    """The ways through what waits, in the order in which it is given up."""
    return [
        Sweep(Category.WAVEFORMS, WAITING_WAVEFORMS, trend_interval_s),
        Sweep(Category.VITALS, WAITING_TRENDS, trend_interval_s),
    ]


def give_up(tx: Transaction, reports: Sequence[int], category: Category, policy: str) -> GivenUp:
    """Delete those of `reports` that nobody has touched, each counted as dropped for every destination that it waited for."""
    free = free_bytes(tx.conn)
    gone = tx.conn.execute(_GIVE_UP, (msgspec.json.encode(list(reports)).decode(),)).fetchall()
    for number, device in gone:
        for (destination,) in tx.conn.execute(_WAITS, (number, category.value)).fetchall():
            tx.tally(destination, device, f"dropped:{policy}", day=tx.days.of(number))
    return GivenUp(len(gone), free_bytes(tx.conn) - free)


def _read(payload: bytes) -> Report | None:
    """The report; None for one that cannot be read: that is for a person to see, not for a policy to drop."""
    try:
        return decode(payload)
    except (msgspec.DecodeError, ValueError, DamagedError):
        return None
