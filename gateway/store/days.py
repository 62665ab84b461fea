"""Which day a report belongs to, and the tallies of days: what the conservation statement by day is counted from.

A report's day is the date of its first byte in the gateway's time zone, fixed when it is stored. Days are kept as runs of ids
(one a day, a few more where the clock stepped), so no change of clock or zone moves a report to another day later.

The tally of the day under way is the total less what belongs to other days. So counting by day costs nothing for what is
received and delivered on one day; at midnight the day is closed, in the first transaction after it.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import TypeAlias

from gateway.store.times import from_text, to_text

KEPT_DAYS = 400
"""Days whose tallies are kept: a year and a month, for whoever asks once a year. 50 devices and two destinations: 80,000 rows."""

_RUNS = "SELECT first, day FROM day_runs ORDER BY first"
_PRESENT = "SELECT value FROM meta WHERE key = 'day'"
_BEGIN = "INSERT INTO meta (key, value) VALUES ('day', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
_CLOSE = (
    "INSERT INTO tally_days (day, destination, device, what, n)"
    " SELECT ?, destination, device, what, n - elsewhere FROM tally WHERE n <> elsewhere"
    " ON CONFLICT (day, destination, device, what) DO UPDATE SET n = excluded.n"
)
_OPEN = (
    "UPDATE tally SET elsewhere = n - coalesce((SELECT d.n FROM tally_days d WHERE d.day = ?"
    " AND d.destination = tally.destination AND d.device = tally.device AND d.what = tally.what), 0)"
)
_TALLY = (
    "INSERT INTO tally (destination, device, what, n) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (destination, device, what) DO UPDATE SET n = n + excluded.n"
)
_ELSEWHERE = "UPDATE tally SET elsewhere = elsewhere + ?4 WHERE destination = ?1 AND device = ?2 AND what = ?3"
_TALLY_DAY = (
    "INSERT INTO tally_days (day, destination, device, what, n) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (day, destination, device, what) DO UPDATE SET n = n + excluded.n"
)


Key: TypeAlias = tuple[str, str, str]
"""(destination, device, what): what is received, delivered, dropped:POLICY, lost:REASON."""


class Days:
    """The day of every report, and the one under way. Belongs to one transaction after the other, never to two at a time."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        runs = [(0, ""), *conn.execute(_RUNS).fetchall()]
        self._firsts: list[int] = [first for first, _ in runs]
        self._labels: list[str] = [day for _, day in runs]
        row = conn.execute(_PRESENT).fetchone()
        self.present = str(row[0]) if row else ""
        """The day under way; empty before the first."""
        self._zone: tzinfo = UTC
        self._begins = self._ends = ""

    def of(self, report: int) -> str:
        """The day of a stored report; empty for one that was stored before days were counted."""
        return self._labels[bisect_right(self._firsts, report) - 1]

    def runs(self, day: str | None = None) -> list[tuple[str, int, int]]:
        """(day, first id, last id) of every run, or of those of one day."""
        ends = [*(first - 1 for first in self._firsts[1:]), 2**63 - 1]
        return [one for one in zip(self._labels, self._firsts, ends, strict=True) if day in {None, one[0]}]

    def store(self, conn: sqlite3.Connection, report: int, received_at: str) -> str:
        """The day of a report that is being stored; `received_at` as the journal writes it."""
        day = self.present if self._begins <= received_at < self._ends else label(received_at, self._zone)
        if day != self._labels[-1]:
            conn.execute("INSERT INTO day_runs (first, day) VALUES (?, ?)", (report, day))
            self._firsts.append(report)
            self._labels.append(day)
        return day

    def covers(self, now: str, zone: tzinfo) -> bool:
        """Whether the day under way is still that of `now` in `zone`."""
        return self._zone is zone and self._begins <= now < self._ends

    def turn(self, conn: sqlite3.Connection, now: str, zone: tzinfo) -> None:
        """Bring the day under way to that of `now` in `zone`: close the one before, open (again) the present."""
        day = label(now, zone)
        if day != self.present:
            conn.execute(_CLOSE, (self.present,))
            conn.execute(_OPEN, (day,))
            conn.execute("DELETE FROM tally_days WHERE day = ?", (day,))
            conn.execute(_BEGIN, (day,))
            self.present = day
            self._forget(conn, day)
        self._zone, (self._begins, self._ends) = zone, bounds(day, zone)

    def _forget(self, conn: sqlite3.Connection, today: str) -> None:
        """Drop runs without a report, and the tallies of days long past of which no report is left that could still be sent."""
        (oldest,) = conn.execute("SELECT coalesce(min(id), 0) FROM reports").fetchone()
        gone = bisect_right(self._firsts, oldest) - 1
        conn.execute("DELETE FROM day_runs WHERE first < ?", (self._firsts[gone],))
        limit = (date.fromisoformat(today) - timedelta(days=KEPT_DAYS)).isoformat()
        known = [day for (day,) in conn.execute("SELECT DISTINCT day FROM tally_days").fetchall()]
        old = [(day,) for day in known if "" != day < limit and day not in self._labels[gone:]]
        conn.executemany("DELETE FROM tally_days WHERE day = ?", old)


def under_way(conn: sqlite3.Connection, days: Days | None, now: str, zone: tzinfo) -> Days:
    """The days as they are at the beginning of a transaction; `days` as the last one left them, None when that failed."""
    if days is not None and days.covers(now, zone):
        return days
    found = Days(conn)
    found.turn(conn, now, zone)
    return found


def write(conn: sqlite3.Connection, tallies: Iterable[tuple[Key, int]], elsewhere: Iterable[tuple[str, Key, int]]) -> None:
    """Add to the tallies. `elsewhere` says how much of that belongs to which day that is not under way."""
    conn.executemany(_TALLY, [(*key, n) for key, n in tallies])
    for day, key, n in elsewhere:
        conn.execute(_TALLY_DAY, (day, *key, n))
        conn.execute(_ELSEWHERE, (*key, n))


def count(conn: sqlite3.Connection, outcomes: Iterable[tuple[Key, int]], n: int = 1) -> None:
    """Count what became of (key, report), each on its report's day, in the caller's transaction; for acts from any process."""
    days = Days(conn)
    for key, report in outcomes:
        day = days.of(report)
        write(conn, [(key, n)], [] if day == days.present else [(day, key, n)])


def label(at: str, zone: tzinfo) -> str:
    """The date of an instant in a zone, such as 2026-11-21."""
    try:
        return from_text(at).astimezone(zone).date().isoformat()
    except OverflowError:  # a clock at the very end of all time
        return at[:10]


def bounds(day: str, zone: tzinfo) -> tuple[str, str]:
    """The first instant of a date in a zone and that of the next, as the journal writes them."""
    begin = date.fromisoformat(day)
    first, after = (datetime.combine(one, time(), zone) for one in (begin, begin + timedelta(days=1)))
    return to_text(first), to_text(after)
