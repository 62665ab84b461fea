"""A destination's way through the journal: the bytes it was sent, what became of them. What is next: gateway.store.upcoming.

The order within one destination is the journal's. What cannot go now steps aside into the table `behind`, so that the cursor
goes on: held (no patient yet), retry (the receiver said not now; its line waits behind it), parked (a person decides), due.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from datetime import datetime

import msgspec

from gateway.store.items import UNMAPPED, Batch, Item, Lane, Order, Pin, Result, Sent, State
from gateway.store.times import to_text
from gateway.store.upcoming import Lanes, batch, next_open
from gateway.store.writer import Transaction

__all__ = [
    "Batch",
    "Item",
    "Lane",
    "Lanes",
    "Order",
    "Pin",
    "Result",
    "Sent",
    "State",
    "batch",
    "free_all_held",
    "free_held",
    "pin",
    "settle",
    "spend",
    "trouble",
    "unpin",
]

RELEASE_MAX = 5_000
"""Held reports set free in one commit: small rows, a few milliseconds; the next commit takes the rest."""
ZLIB_LEVEL = 1
"""zlib's fastest: a sixth of the size at 20 µs a message (5.6 kB); more effort buys little."""

_THERE = "SELECT id FROM reports WHERE id IN (SELECT value FROM json_each(?))"
_PIN = (
    "INSERT INTO attempts (destination, report, message_id, body, pinned_at, tries, spent_s, association, late, mapping)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (destination, report) DO UPDATE SET message_id = excluded.message_id,"
    " body = excluded.body, association = excluded.association, late = excluded.late, mapping = excluded.mapping"
)
_GO_PAST = (
    "INSERT INTO ahead (destination, report, device, category)"
    " SELECT ?1, ?2, ?3, ?4 WHERE EXISTS (SELECT 1 FROM reports WHERE id = ?2)"  # or given up
)
_DELIVERED = (
    "INSERT INTO deliveries (report, destination, message_id, sha256, code, acked_at, tries, late, association, mapping)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (report, destination) DO UPDATE SET"
    " message_id = excluded.message_id, sha256 = excluded.sha256, code = excluded.code, tries = tries + excluded.tries,"
    " late = excluded.late, association = excluded.association, mapping = excluded.mapping,"
    " again = again + 1, again_at = excluded.acked_at"
)


def pin(tx: Transaction, destination: str, pins: Sequence[tuple[int, Pin]]) -> frozenset[int]:
    """Make the bytes durable that are about to be sent: whatever happens, a resend is these.

    Returns the reports that were given up since they were read: these must not be sent.
    """
    numbers = msgspec.json.encode([report for report, _ in pins]).decode()
    there = {report for (report,) in tx.conn.execute(_THERE, (numbers,)).fetchall()}
    rows = []
    for report, one in pins:
        if report not in there:
            continue
        body = zlib.compress(one.body, ZLIB_LEVEL)
        cost = (one.tries, one.spent_s)
        rows.append((destination, report, one.message_id, body, tx.now, *cost, one.association, one.late, one.mapping))
    tx.conn.executemany(_PIN, rows)
    return frozenset(report for report, _ in pins if report not in there)


def unpin(tx: Transaction, destination: str, reports: Sequence[int]) -> None:
    """Forget bytes that were never sent: what is learnt until they are may still change them."""
    tx.conn.executemany(
        "DELETE FROM attempts WHERE destination = ? AND report = ?", [(destination, report) for report in reports]
    )


def settle(
    tx: Transaction, destination: str, results: Sequence[Result], acknowledged: tuple[str, datetime] | None = None
) -> None:
    """Record what became of items, in their order: cursor, tally, `behind`; `acknowledged` is the latest code and its time.

    Saying the same again changes nothing: after a failed sync nobody knows whether the commit took.
    """
    (cursor,) = tx.conn.execute("SELECT cursor FROM destinations WHERE id = ?", (destination,)).fetchone()
    results = [result for result in results if _open(tx, destination, result.item, cursor)]
    _advance(tx, destination, [result.item for result in results if result.item.lane is not Lane.ASIDE])
    _deliver(tx, destination, [result for result in results if result.state is State.DELIVERED])
    _step_aside(tx, destination, [result for result in results if result.state not in {State.DELIVERED, State.GONE}])
    unpin(tx, destination, [result.item.report for result in results if result.unpin])
    if acknowledged is not None:
        _note_acknowledgement(tx, destination, *acknowledged)


def _open(tx: Transaction, destination: str, item: Item, cursor: int) -> bool:
    """Whether the item is still to be dealt with."""
    place = (destination, item.report)
    if item.lane is Lane.ASIDE:
        sql = "SELECT 1 FROM behind WHERE destination = ? AND report = ? AND state IN ('due', 'retry')"
        return tx.conn.execute(sql, place).fetchone() is not None
    if item.report <= cursor or item.lane is not Lane.LIVE:
        return item.report > cursor
    return tx.conn.execute("SELECT 1 FROM ahead WHERE destination = ? AND report = ?", place).fetchone() is None


def _advance(tx: Transaction, destination: str, items: Sequence[Item]) -> None:
    """Move the cursor behind what came from there, note what went past it, and pass over what is dealt with already."""
    passed = [(destination, item.report, item.device, item.category) for item in items if item.lane is Lane.LIVE]
    tx.conn.executemany(_GO_PAST, passed)
    reached = [item.report for item in items if item.lane is not Lane.LIVE]
    if not reached:
        return
    _move(tx, destination, reached[-1])
    (last,) = tx.conn.execute("SELECT max(report) FROM ahead WHERE destination = ?", (destination,)).fetchone()
    if last is None:
        return
    if last > reached[-1]:
        following = next_open(tx.conn, destination)
        _move(tx, destination, max(reached[-1], last if following is None else min(following - 1, last)))
    tx.conn.execute(
        "DELETE FROM ahead WHERE destination = ?1 AND report <= (SELECT cursor FROM destinations WHERE id = ?1)", (destination,)
    )


def _move(tx: Transaction, destination: str, cursor: int) -> None:
    tx.conn.execute("UPDATE destinations SET cursor = ? WHERE id = ?", (cursor, destination))


def _deliver(tx: Transaction, destination: str, results: Sequence[Result]) -> None:
    """Count it, unless it was delivered before; keep what tells later what was sent and who said yes to it."""
    for item in (result.item for result in results):
        if item.again is None:
            tx.tally(destination, item.device, "delivered", day=tx.days.of(item.report))
    tx.conn.executemany(_DELIVERED, [_delivery(tx, destination, result) for result in results if result.sent is not None])
    back = [(destination, result.item.report) for result in results if result.item.lane is Lane.ASIDE]
    tx.conn.executemany("DELETE FROM behind WHERE destination = ? AND report = ?", back)


def _delivery(tx: Transaction, destination: str, result: Result) -> tuple[object, ...]:
    item, sent = result.item, result.sent
    assert sent is not None
    own = item.entry is not None and sent.message_id == item.entry.key
    at = tx.now if result.at is None else to_text(result.at)
    digest = hashlib.sha256(sent.body).digest()
    message_id = None if own else sent.message_id
    answered = (result.code, at, sent.tries + 1)
    return item.report, destination, message_id, digest, *answered, sent.late, sent.association, sent.mapping


def _note_acknowledgement(tx: Transaction, destination: str, code: str, at: datetime) -> None:
    tx.conn.execute(
        "UPDATE destinations SET last_code = ?, last_ack_at = ?, trouble = NULL, trouble_at = NULL WHERE id = ?",
        (code, to_text(at), destination),
    )


def _step_aside(tx: Transaction, destination: str, results: Sequence[Result]) -> None:
    tx.conn.executemany(
        "INSERT INTO behind (destination, report, device, received_at, patient, state, since, not_before, code, reason)"
        " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 WHERE EXISTS (SELECT 1 FROM reports WHERE id = ?2)"  # or given up
        " ON CONFLICT (destination, report) DO UPDATE SET"
        " since = CASE WHEN state = excluded.state THEN since ELSE excluded.since END, patient = excluded.patient,"
        " state = excluded.state, not_before = excluded.not_before, code = excluded.code, reason = excluded.reason",
        [
            (
                destination,
                result.item.report,
                result.item.device,
                result.item.received_at,
                result.item.patient,
                result.state.value,
                tx.now,
                None if result.not_before is None else to_text(result.not_before),
                result.code,
                result.reason,
            )
            for result in results
        ],
    )
    tx.conn.executemany(
        "UPDATE attempts SET tries = ?, spent_s = ? WHERE destination = ? AND report = ?",
        [(result.tries, result.spent_s, destination, result.item.report) for result in results if result.tries],
    )


def spend(tx: Transaction, destination: str, report: int, tries: int, spent_s: float) -> None:
    """Record what an item at the head of the line has cost so far."""
    tx.conn.execute(
        "UPDATE attempts SET tries = ?, spent_s = ? WHERE destination = ? AND report = ?", (tries, spent_s, destination, report)
    )


def end_pauses(tx: Transaction, destination: str) -> None:
    """Whatever waits to be tried again is due: the clock that its pauses were measured by is not the present one."""
    tx.conn.execute("UPDATE behind SET not_before = NULL WHERE destination = ? AND state = 'retry'", (destination,))


def trouble(tx: Transaction, destination: str, why: str) -> None:
    """Note why nothing goes out at present; `trouble_at` is when that began."""
    tx.conn.execute(
        "UPDATE destinations SET trouble = ?, trouble_at = coalesce(trouble_at, ?) WHERE id = ?", (why, tx.now, destination)
    )


_FREE_ALL = "UPDATE behind SET state = 'due', since = ?1, code = '', reason = '' WHERE destination = ?2 AND state = 'held'"
_FREE = """
WITH held AS (
  SELECT b.report, b.device, b.received_at, r.stored_at, (
    SELECT max(s.recorded_at) FROM associations s WHERE s.device = b.device AND s.after_report < b.report) AS said_at
  FROM behind b LEFT JOIN reports r ON r.id = b.report
  WHERE b.destination = :destination AND b.state = 'held' AND b.code <> :unmapped),
timed AS (
  SELECT report, device, CASE WHEN said_at > stored_at THEN said_at ELSE received_at END AS at FROM held)
UPDATE behind SET state = 'due', since = :now, not_before = NULL, reason = ''
WHERE destination = :destination AND report IN (
  SELECT t.report FROM timed t
  WHERE EXISTS (
    SELECT 1 FROM associations a
    WHERE a.device = t.device AND a.superseded_at IS NULL
      AND a.valid_from <= t.at AND (a.valid_to IS NULL OR a.valid_to > t.at))
  ORDER BY t.report LIMIT :limit)
"""
"""`at` is associations.wearing_time: the time of receipt, unless the clock was set back since somebody said who wears it."""


def free_held(tx: Transaction, destination: str) -> int:
    """Set free held reports whose patient is known by now, at most RELEASE_MAX; how many."""
    return tx.conn.execute(
        _FREE, {"now": tx.now, "destination": destination, "limit": RELEASE_MAX, "unmapped": UNMAPPED}
    ).rowcount


def free_all_held(tx: Transaction, destination: str) -> int:
    """Set free every report held for its patient: the destination takes them without one now; how many."""
    return tx.conn.execute(f"{_FREE_ALL} AND code <> ?3", (tx.now, destination, UNMAPPED)).rowcount


def free_unmapped(tx: Transaction, destination: str) -> int:
    """Have reports looked at again that are held for their codes, at most RELEASE_MAX: these or the setting may have changed."""
    some = "report IN (SELECT report FROM behind WHERE destination = ?2 AND state = 'held' AND code = ?3 LIMIT ?4)"
    sql = f"{_FREE_ALL} AND {some}"
    return tx.conn.execute(sql, (tx.now, destination, UNMAPPED, RELEASE_MAX)).rowcount
