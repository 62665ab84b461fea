"""Putting right what does not fit together in a salvaged journal, so that it goes on: sends again rather than skips, and adds up.

A destination whose row is lost, or whose cursor points beyond every report, begins anew: all that the journal holds goes to it
again under the same ids. What stood aside for a report that is lost goes with it. Then the account of each day, device and
destination is closed: what was received and is nowhere any more is `lost:damaged`; what is there and was not counted is counted.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Protocol

from gateway.store import epochs, mappings, statement, unknown
from gateway.store.days import Days
from gateway.store.times import to_text
from gateway.store.writer import Transaction

LOST = "lost:damaged"

_NAMED = (
    "SELECT destination FROM tally UNION SELECT destination FROM behind UNION SELECT destination FROM attempts"
    " EXCEPT SELECT id FROM destinations"
)
_MENTIONED = (
    "SELECT max(coalesce((SELECT max(id) FROM reports), 0), coalesce((SELECT max(report) FROM behind), 0),"
    " coalesce((SELECT max(report) FROM attempts), 0), coalesce((SELECT max(first) - 1 FROM epochs), 0))"
)
_SENT = (
    "SELECT message_id, report FROM attempts"
    " WHERE length(message_id) = 20 AND CAST(substr(message_id, 9) AS INTEGER) = report ORDER BY report"
)
"""Of the bytes that were pinned those whose message id is epoch and number: the first of each run tells its epoch."""
_NOT_PASSED = """
DELETE FROM ahead WHERE report NOT IN (SELECT id FROM reports)
  OR report <= coalesce((SELECT cursor FROM destinations WHERE id = ahead.destination), 0)
  OR NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.report = ahead.report AND d.destination = ahead.destination
                 UNION ALL SELECT 1 FROM behind b WHERE b.report = ahead.report AND b.destination = ahead.destination)
"""
"""What went past the backlog shows elsewhere too: it was delivered, or stands aside. A row that only claims it is sent again."""
_NUMBERED_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'"
_WITHOUT_TOTAL = (
    "INSERT OR IGNORE INTO tally (destination, device, what, n, elsewhere)"
    " SELECT destination, device, what, sum(n), sum(n) FROM tally_days GROUP BY destination, device, what"
)
_SUM_OF_DAYS = (
    "coalesce((SELECT sum(d.n) FROM tally_days d WHERE d.destination = tally.destination"
    " AND d.device = tally.device AND d.what = tally.what AND d.day <> :present), 0)"
)


class Report(Protocol):
    """What is told of a salvage: the highest numbers known, by table; what was lost; what else is to be known."""

    numbers: dict[str, int]
    lost: dict[str, dict[str, int]]
    notes: list[str]


def mend(conn: sqlite3.Connection, done: Report, *, gap: int, now: datetime) -> None:
    """Make a consistent journal of the rows that were found, inside the caller's transaction."""
    if not conn.execute("SELECT 1 FROM meta WHERE key = 'eui64'").fetchone():
        done.notes.append("the gateway's EUI-64 cannot be read: it gets a new one, unless the configuration names it")
    highest = max(done.numbers.get("reports", 0), int(conn.execute(_MENTIONED).fetchone()[0]))
    _restart(conn, highest, done, now)
    _drop_orphans(conn, done)
    _number_on(conn, done, highest, gap)
    _name_epochs(conn, done)
    _agree(conn)
    _close_accounts(conn, done, now)
    if n := unknown.mend(conn):
        done.notes.append(f"{n} messages of unknown devices are lost")


def _restart(conn: sqlite3.Connection, highest: int, done: Report, now: datetime) -> None:
    """Destinations whose place in the journal is not known begin at its beginning."""
    beyond = conn.execute("SELECT id FROM destinations WHERE cursor > ? OR cursor < 0", (highest,)).fetchall()
    for (destination,) in [*conn.execute(_NAMED).fetchall(), *beyond]:
        for table in ("tally", "tally_days", "behind", "ahead"):
            conn.execute(f"DELETE FROM {table} WHERE destination = ?", (destination,))  # noqa: S608 - our own names
        conn.execute(
            "INSERT INTO destinations (id, takes, cursor, created_at) VALUES (?, '[]', 0, ?)"
            " ON CONFLICT (id) DO UPDATE SET cursor = 0, takes = '[]'",
            (destination, to_text(now)),
        )
        done.notes.append(
            f"{destination}: how far it had come cannot be read: all that is kept is sent again, under the same ids"
        )


def _drop_orphans(conn: sqlite3.Connection, done: Report) -> None:
    for table, what in (("behind", "set aside"), ("attempts", "sent before")):
        sql = f"DELETE FROM {table} WHERE report NOT IN (SELECT id FROM reports)"  # noqa: S608 - our own names
        if n := conn.execute(sql).rowcount:
            done.notes.append(f"{n} that were {what} have lost their report")
    for table in ("deliveries", "edits", "acted"):
        conn.execute(f"DELETE FROM {table} WHERE report NOT IN (SELECT id FROM reports)")  # noqa: S608 - our own names
    conn.execute(_NOT_PASSED)


def _number_on(conn: sqlite3.Connection, done: Report, highest: int, gap: int) -> None:
    """No number that may have been given out is given out again."""
    for (table,) in conn.execute(_NUMBERED_TABLES).fetchall():
        (there,) = conn.execute(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()  # noqa: S608 - our own names
        last = max(there, done.numbers.get(table, 0))
        if table == "audit":
            last = max(last, mappings.state(conn))  # decisions about codes hold from act to act
        conn.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
        conn.execute(
            "INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, highest + gap if table == "reports" else last)
        )


def _name_epochs(conn: sqlite3.Connection, done: Report) -> None:
    """Reports whose epoch is lost get that of a message that was sent under their number or before, or else a new one."""
    (first,) = conn.execute("SELECT min(id) FROM reports").fetchone()
    if first is None or conn.execute("SELECT 1 FROM epochs WHERE first <= ?", (first,)).fetchone():
        return
    sent = conn.execute(_SENT).fetchall()
    for message_id, report in sent:
        conn.execute("INSERT OR IGNORE INTO epochs (first, epoch) VALUES (?, ?)", (report, str(message_id)[:8]))
    epoch = conn.execute("SELECT epoch FROM epochs ORDER BY first LIMIT 1").fetchone() if sent else (epochs.new(),)
    conn.execute("INSERT OR REPLACE INTO epochs (first, epoch) VALUES (?, ?)", (first, epoch[0]))
    done.notes.append("under which ids reports were sent cannot be read: a receiver may not know what is sent again for a repeat")


def _agree(conn: sqlite3.Connection) -> None:
    """Totals and days say the same: a day whose tally is lost is taken out of the total, a lost total is the sum of its days."""
    conn.execute(_WITHOUT_TOTAL)
    present = Days(conn).present
    conn.execute(f"UPDATE tally SET n = n - elsewhere + {_SUM_OF_DAYS}, elsewhere = {_SUM_OF_DAYS}", {"present": present})  # noqa: S608 - a constant


def _close_accounts(conn: sqlite3.Connection, done: Report, now: datetime) -> None:
    tx = Transaction(conn, to_text(now), Days(conn))
    for day, lines in statement.days(conn).items():
        for line in lines:
            _close(tx, line, day, done)
    tx.flush()


def _close(tx: Transaction, line: statement.Line, day: str, done: Report) -> None:
    """Make one line balance: lost is what was received and is nowhere; what is there once too often will be delivered again."""
    missing = line.received - line.accounted
    if missing > 0:
        tx.tally(line.destination, line.device, LOST, missing, day=day)
        devices = done.lost.setdefault(line.destination, {})
        devices[line.device] = devices.get(line.device, 0) + missing
    elif missing < 0:
        again = min(line.delivered, -missing)
        tx.tally(line.destination, line.device, "delivered", -again, day=day)
        tx.tally(line.destination, line.device, "received", -missing - again, day=day)
