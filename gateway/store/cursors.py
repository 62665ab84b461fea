"""A destination's way through the journal: what is next, the bytes it was sent, what became of it.

The order within one destination is the journal's. What cannot go now steps aside into the table `behind`, so that the cursor
goes on: held (no patient yet), retry (the receiver said not now; its device waits behind it), parked (a person decides), due.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import msgspec

from gateway.errors import DamagedError, LocalProtocolError
from gateway.model import Category, Entry, Subject, decode
from gateway.store import associations, audit, checksums
from gateway.store.associations import Association
from gateway.store.checksums import PIN_DAMAGED, ROW_DAMAGED
from gateway.store.damage import is_damage, is_text_damage
from gateway.store.epochs import Epochs
from gateway.store.times import from_text, to_text
from gateway.store.writer import Transaction

RELEASE_MAX = 5_000
"""Held reports set free in one commit: small rows, a few milliseconds; the next commit takes the rest."""
ZLIB_LEVEL = 1
"""zlib's fastest: a sixth of the size at 20 µs a message (5.6 kB); more effort buys little."""


class State(StrEnum):
    """What became of a report for a destination; the first is counted, the others are rows in `behind`."""

    DELIVERED = "delivered"
    HELD = "held"
    DUE = "due"
    RETRY = "retry"
    PARKED = "parked"
    GONE = "gone"
    """Given up for want of room while it was about to be sent, and counted where that was done."""


@dataclass(frozen=True, slots=True)
class Pin:
    """The bytes a report was first sent with, and what its own refusals have cost."""

    message_id: str
    body: bytes
    tries: int = 0
    spent_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A report that is next for a destination. `entry` None: the row cannot be read, `fault` says why."""

    report: int
    device: str
    category: Category
    received_at: str
    entry: Entry | None
    subject: Subject | None
    pin: Pin | None
    state: State | None
    """Its state in `behind`; None: it comes from the cursor."""
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What is next, read from one consistent state of the journal."""

    items: list[Item]
    acts: int
    """The latest act of a person when this was read."""
    held: int
    parked: int
    blocked: frozenset[str]
    """Devices whose reports wait behind one that the receiver did not want yet."""
    next_retry: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of an item. `not_before`: when a retry is due; `code` and `reason` as the receiver gave them."""

    item: Item
    state: State
    code: str = ""
    reason: str = ""
    not_before: datetime | None = None
    tries: int = 0
    spent_s: float = 0.0
    unpin: bool = False
    """The bytes need not be kept: accepted or refused, or never sent."""


_IN_USE = "SELECT takes, cursor, until FROM destinations WHERE id = ?"
_STATES = "SELECT state, count(*) FROM behind WHERE destination = ? GROUP BY state"
_RETRYING = "SELECT device, count(*), max(not_before) FROM behind WHERE destination = ? AND state = 'retry' GROUP BY device"
_BEHIND = (
    "SELECT report, state, device FROM behind WHERE destination = ? AND state IN ('due', 'retry')"
    " AND (state = 'due' OR device NOT IN"
    "  (SELECT device FROM behind WHERE destination = ? AND state = 'retry' AND not_before > ?))"
    " ORDER BY report LIMIT ?"
)
_AHEAD = "SELECT id FROM reports WHERE category = ? AND id > ? AND id <= ? ORDER BY id LIMIT ?"
_ROW = (
    "SELECT r.device, r.category, r.received_at, r.stored_at, r.identity, r.crc, CAST(r.payload AS BLOB),"
    " a.message_id, a.body, a.tries, a.spent_s"
    " FROM reports r LEFT JOIN attempts a ON a.destination = ? AND a.report = r.id WHERE r.id = ?"
)
_WHOSE = "SELECT CAST(device AS BLOB), CAST(category AS BLOB), CAST(received_at AS BLOB) FROM reports WHERE id = ?"
_THERE = "SELECT id FROM reports WHERE id IN (SELECT value FROM json_each(?))"
_NO_END = 2**63 - 1


def batch(conn: sqlite3.Connection, destination: str, *, now: datetime, limit: int, strict: bool) -> Batch:
    """What `destination` is to be sent next, at most `limit` reports; what stepped aside takes at most half of them.

    `strict`: nothing new while anything is parked. LocalProtocolError for a destination the journal was not told of.
    """
    known = conn.execute(_IN_USE, (destination,)).fetchone()
    if known is None:
        raise LocalProtocolError(f"the journal knows no destination {destination!r}: tell it with Journal.use first")
    states = dict(conn.execute(_STATES, (destination,)).fetchall())
    retrying = conn.execute(_RETRYING, (destination,)).fetchall() if State.RETRY in states else []
    aside: list[tuple[int, str, str]] = []
    if State.DUE in states or retrying:
        aside = conn.execute(_BEHIND, (destination, destination, to_text(now), max(1, limit // 2))).fetchall()
    fetched: list[tuple[int, str | None]] = [(report, state) for report, state, _ in aside]
    if not (strict and State.PARKED in states):
        fetched += [(report, None) for report in _ahead(conn, known, limit - len(aside))]
    worn: dict[str, Association] = {}
    numbers = [report for report, _ in fetched]
    epochs = Epochs(conn, min(numbers, default=0), max(numbers, default=0))
    items = [_item(conn, destination, epochs, one, worn) for one in fetched]
    waits = [from_text(at) for _, _, at in retrying if at is not None and from_text(at) > now]
    return Batch(
        items=items,
        acts=audit.last(conn),
        held=states.get(State.HELD, 0),
        parked=states.get(State.PARKED, 0),
        blocked=_blocked(aside, retrying),
        next_retry=min(waits, default=None),
    )


def _ahead(conn: sqlite3.Connection, known: tuple[str, int, int | None], limit: int) -> list[int]:
    """The next ids behind the cursor, each category by its own index: a lab destination never scans a month of vitals."""
    takes, cursor, until = known
    ids: list[int] = []
    for category in msgspec.json.decode(takes, type=list[str]):
        rows = conn.execute(_AHEAD, (category, cursor, _NO_END if until is None else until, limit)).fetchall()
        ids += [report for (report,) in rows]
    return sorted(ids)[:limit]


def _blocked(aside: Sequence[tuple[int, str, str]], retrying: Sequence[tuple[str, int, str | None]]) -> frozenset[str]:
    """Devices with reports in retry beyond those in this batch."""
    left = {device: n for device, n, _ in retrying}
    for _, state, device in aside:
        if state == State.RETRY:
            left[device] -= 1
    return frozenset(device for device, n in left.items() if n > 0)


def _item(
    conn: sqlite3.Connection, destination: str, epochs: Epochs, fetched: tuple[int, str | None], worn: dict[str, Association]
) -> Item:
    report, state = fetched[0], None if fetched[1] is None else State(fetched[1])
    try:
        row = conn.execute(_ROW, (destination, report)).fetchone()
        device, category, received_at, stored_at, identity, crc, payload, *pinned = row
    except sqlite3.OperationalError as error:
        if is_damage(error) and not is_text_damage(error):
            raise
        return _damaged(conn, report, state)
    except TypeError:
        raise DamagedError(f"an index of the journal names report {report}, the table does not hold it") from None
    entry, pin, fault = None, None, ""
    try:
        entry = _entry(report, epochs, stored_at, (device, category, received_at, identity, payload), crc)
    except (msgspec.DecodeError, ValueError, KeyError) as error:
        fault = str(error) if isinstance(error, _DamagedRowError) else f"the journal row cannot be read: {type(error).__name__}"
    try:
        pin = None if pinned[0] is None else Pin(pinned[0], zlib.decompress(pinned[1]), pinned[2], pinned[3])
    except zlib.error:
        entry, fault = None, PIN_DAMAGED
    if entry is None and pin is None:
        return _damaged(conn, report, state, fault)
    return Item(
        report=report,
        device=device,
        category=Category(category),
        received_at=received_at,
        entry=entry,
        subject=None if pin or category == Category.QC else _subject(conn, device, from_text(received_at), worn),
        pin=pin,
        state=state,
        fault=fault,
    )


class _DamagedRowError(ValueError):
    """A row whose checksum fails."""


def _entry(report: int, epochs: Epochs, stored_at: str, said: tuple[str, str, str, str | None, bytes], crc: int | None) -> Entry:
    """The row as an entry, once its checksum is right; rows of before schema 3 have none."""
    if crc is not None and crc != checksums.of_row(checksums.of_report(*said), stored_at):
        raise _DamagedRowError(ROW_DAMAGED)
    return Entry(id=report, epoch=epochs.of(report), stored_at=from_text(stored_at), report=decode(said[-1]))


def _damaged(conn: sqlite3.Connection, report: int, state: State | None, fault: str = ROW_DAMAGED) -> Item:
    """What can be said of a row that cannot be trusted: enough to park it, nothing to send."""
    device, category, received_at = (
        bytes(part).decode("utf-8", "replace") for part in conn.execute(_WHOSE, (report,)).fetchone()
    )
    known = category in Category.__members__.values()
    return Item(
        report=report,
        device=device,
        category=Category(category) if known else Category.VITALS,
        received_at=received_at,
        entry=None,
        subject=None,
        pin=None,
        state=state,
        fault=fault,
    )


def _subject(conn: sqlite3.Connection, device: str, at: datetime, worn: dict[str, Association]) -> Subject | None:
    """The patient of the report's own time, however late it is sent; `worn` remembers within one consistent state."""
    known = worn.get(device)
    if known is None or not known.covers(at):
        known = associations.wearer(conn, device, at)
        if known is None:
            return None
        worn[device] = known
    return known.subject


def pin(tx: Transaction, destination: str, pins: Sequence[tuple[int, Pin]]) -> frozenset[int]:
    """Make the bytes durable that are about to be sent: whatever happens, a resend is these.

    Returns the reports that were given up since they were read: these must not be sent.
    """
    numbers = msgspec.json.encode([report for report, _ in pins]).decode()
    there = {report for (report,) in tx.conn.execute(_THERE, (numbers,)).fetchall()}
    rows = [
        (destination, report, one.message_id, zlib.compress(one.body, ZLIB_LEVEL), tx.now, one.tries, one.spent_s)
        for report, one in pins
        if report in there
    ]
    tx.conn.executemany(
        "INSERT INTO attempts (destination, report, message_id, body, pinned_at, tries, spent_s) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (destination, report) DO UPDATE SET message_id = excluded.message_id, body = excluded.body",
        rows,
    )
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
    results = [result for result in results if _open(tx.conn, destination, result.item, cursor)]
    ahead = [result.item.report for result in results if result.item.state is None]
    if ahead:
        tx.conn.execute("UPDATE destinations SET cursor = ? WHERE id = ?", (ahead[-1], destination))
    delivered = [result.item for result in results if result.state is State.DELIVERED]
    for item in delivered:
        tx.tally(destination, item.device, "delivered", day=tx.days.of(item.report))
    back = [(destination, item.report) for item in delivered if item.state is not None]
    tx.conn.executemany("DELETE FROM behind WHERE destination = ? AND report = ?", back)
    _step_aside(tx, destination, [result for result in results if result.state not in {State.DELIVERED, State.GONE}])
    unpin(tx, destination, [result.item.report for result in results if result.unpin])
    if acknowledged is not None:
        _note_acknowledgement(tx, destination, *acknowledged)


def _open(conn: sqlite3.Connection, destination: str, item: Item, cursor: int) -> bool:
    """Whether the item is still to be dealt with."""
    if item.state is None:
        return item.report > cursor
    sql = "SELECT 1 FROM behind WHERE destination = ? AND report = ? AND state IN ('due', 'retry')"
    return conn.execute(sql, (destination, item.report)).fetchone() is not None


def _note_acknowledgement(tx: Transaction, destination: str, code: str, at: datetime) -> None:
    tx.conn.execute(
        "UPDATE destinations SET last_code = ?, last_ack_at = ?, trouble = NULL, trouble_at = NULL WHERE id = ?",
        (code, to_text(at), destination),
    )


def _step_aside(tx: Transaction, destination: str, results: Sequence[Result]) -> None:
    tx.conn.executemany(
        "INSERT INTO behind (destination, report, device, received_at, state, since, not_before, code, reason)"
        " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 WHERE EXISTS (SELECT 1 FROM reports WHERE id = ?2)"  # or given up meanwhile
        " ON CONFLICT (destination, report) DO UPDATE SET"
        " since = CASE WHEN state = excluded.state THEN since ELSE excluded.since END,"
        " state = excluded.state, not_before = excluded.not_before, code = excluded.code, reason = excluded.reason",
        [
            (
                destination,
                result.item.report,
                result.item.device,
                result.item.received_at,
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


def trouble(tx: Transaction, destination: str, why: str) -> None:
    """Note why nothing goes out at present; `trouble_at` is when that began."""
    tx.conn.execute(
        "UPDATE destinations SET trouble = ?, trouble_at = coalesce(trouble_at, ?) WHERE id = ?", (why, tx.now, destination)
    )


_FREE = """
UPDATE behind SET state = 'due', since = :now, not_before = NULL, reason = ''
WHERE destination = :destination AND report IN (
  SELECT b.report FROM behind b
  WHERE b.destination = :destination AND b.state = 'held' AND EXISTS (
    SELECT 1 FROM associations a
    WHERE a.device = b.device AND a.superseded_at IS NULL
      AND a.valid_from <= b.received_at AND (a.valid_to IS NULL OR a.valid_to > b.received_at))
  ORDER BY b.report LIMIT :limit)
"""


def free_held(tx: Transaction, destination: str) -> int:
    """Set free held reports whose patient is known by now, at most RELEASE_MAX; how many."""
    return tx.conn.execute(_FREE, {"now": tx.now, "destination": destination, "limit": RELEASE_MAX}).rowcount


def free_all_held(tx: Transaction, destination: str) -> int:
    """Set free every held report: the destination takes them without a patient now; how many."""
    return tx.conn.execute(
        "UPDATE behind SET state = 'due', since = ?, reason = '' WHERE destination = ? AND state = 'held'", (tx.now, destination)
    ).rowcount
