"""What is next for a destination: what stepped aside and is due again, then the journal behind its cursor, in its order.

A destination that lets fresh reports go first has two lanes while it has a backlog: fresh ones go past it, each noted in the
table `ahead`, and the cursor follows through the backlog beside them. Without a backlog there is one line.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from gateway.errors import DamagedError, LocalProtocolError
from gateway.mapping import Overlay
from gateway.model import Category, Entry, Report, decode
from gateway.store import associations, audit, checksums
from gateway.store.associations import Association
from gateway.store.checksums import PIN_DAMAGED, ROW_DAMAGED
from gateway.store.damage import is_damage, is_text_damage
from gateway.store.entries import first_since
from gateway.store.epochs import Epochs
from gateway.store.items import Batch, Item, Lane, Order, Pin, Sent, State, patient_key
from gateway.store.mappings import Remembered
from gateway.store.times import from_text, to_text

_IN_USE = "SELECT takes, cursor, until FROM destinations WHERE id = ?"
_STATES = "SELECT state, count(*) FROM behind WHERE destination = ? GROUP BY state"
_LINE = "CASE WHEN :by_patient AND patient <> '' THEN patient ELSE device END"
_RETRYING = (
    f"SELECT {_LINE}, count(*), max(not_before) FROM behind"  # noqa: S608 - constants
    " WHERE destination = :destination AND state = 'retry' GROUP BY 1"
)
_BEHIND = (
    f"SELECT report, state, {_LINE}, patient, again FROM behind"  # noqa: S608 - constants
    " WHERE destination = :destination AND state IN ('due', 'retry')"
    f" AND (state = 'due' OR {_LINE} NOT IN (SELECT {_LINE} FROM behind"
    "  WHERE destination = :destination AND state = 'retry' AND not_before > :now))"
    " ORDER BY report LIMIT :limit"
)
_NEXT = "SELECT id FROM reports WHERE category = ?1 AND id > ?2 AND id <= ?3 ORDER BY id LIMIT ?4"
_NEXT_OPEN = (
    "SELECT id FROM reports WHERE category = ?1 AND id > ?2 AND id <= ?3"
    " AND NOT EXISTS (SELECT 1 FROM ahead a WHERE a.destination = ?5 AND a.report = reports.id) ORDER BY id LIMIT ?4"
)
_ROW = (
    "SELECT r.device, r.category, r.received_at, r.stored_at, r.identity, r.crc, CAST(r.payload AS BLOB),"
    " a.message_id, a.body, a.tries, a.spent_s, a.association, a.late, a.mapping"
    " FROM reports r LEFT JOIN attempts a ON a.destination = ? AND a.report = r.id WHERE r.id = ?"
)
_WHOSE = "SELECT CAST(device AS BLOB), CAST(category AS BLOB), CAST(received_at AS BLOB) FROM reports WHERE id = ?"
_COPIED = "SELECT CAST(device AS BLOB), category FROM reports INDEXED BY reports_category WHERE category = ? AND id = ?"
"""The index has a copy of whose a report is, and is what the statement counts by."""
_SENT = "SELECT sha256, late, mapping FROM deliveries WHERE report = ? AND destination = ?"
_NO_END = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Lanes:
    """Fresh reports go first: what was stored in the last `fresh_s` seconds, past at most `backlog` older ones at a time."""

    fresh_s: float
    backlog: int


class _Next(NamedTuple):
    """A report that is next, and what `behind` says of it."""

    report: int
    lane: Lane
    state: State | None = None
    patient: str = ""
    again: bool = False


def batch(
    conn: sqlite3.Connection,
    destination: str,
    *,
    now: datetime,
    limit: int,
    order: Order = "device",
    lanes: Lanes | None = None,
    decided: Remembered | None = None,
) -> Batch:
    """What `destination` is to be sent next, at most `limit` reports; what stepped aside takes at most half of them.

    In strict order nothing new while anything is parked. LocalProtocolError for a destination the journal was not told of.
    `decided` keeps what was read of the decisions about codes from one batch to the next.
    """
    states = dict(conn.execute(_STATES, (destination,)).fetchall())
    asked = {"destination": destination, "by_patient": order == "patient", "now": to_text(now), "limit": max(1, limit // 2)}
    retrying = conn.execute(_RETRYING, asked).fetchall() if State.RETRY in states else []
    aside = conn.execute(_BEHIND, asked).fetchall() if State.DUE in states or retrying else []
    chosen = [_Next(report, Lane.ASIDE, State(state), patient, bool(again)) for report, state, _, patient, again in aside]
    line, backlog = _Line(conn, destination), False
    if not (order == "strict" and State.PARKED in states):
        ahead, backlog = _ahead(line, now, limit - len(aside), lanes)
        chosen += ahead
    waits = [from_text(at) for _, _, at in retrying if at is not None and from_text(at) > now]
    return Batch(
        items=_Desk(conn, destination, order, chosen, decided or Remembered()).items(),
        acts=audit.last(conn),
        held=states.get(State.HELD, 0),
        parked=states.get(State.PARKED, 0),
        blocked=_blocked(aside, retrying),
        next_retry=min(waits, default=None),
        backlog=backlog,
    )


class _Line:
    """The reports behind a destination's cursor that are not dealt with, each category by its own index.

    So a lab destination never scans a month of vitals.
    """

    def __init__(self, conn: sqlite3.Connection, destination: str) -> None:
        known = conn.execute(_IN_USE, (destination,)).fetchone()
        if known is None:
            raise LocalProtocolError(f"the journal knows no destination {destination!r}: tell it with Journal.use first")
        self.conn, self._destination = conn, destination
        self._categories = msgspec.json.decode(known[0], type=list[str])
        self.cursor: int = known[1]
        self.end: int = _NO_END if known[2] is None else known[2]
        self._passed = conn.execute("SELECT 1 FROM ahead WHERE destination = ? LIMIT 1", (destination,)).fetchone() is not None

    def next(self, after: int, upto: int, limit: int) -> list[int]:
        """The next ids with after < id <= upto."""
        ids: list[int] = []
        sql, more = (_NEXT_OPEN, (self._destination,)) if self._passed else (_NEXT, ())
        for category in self._categories:
            ids += [report for (report,) in self.conn.execute(sql, (category, after, upto, limit, *more)).fetchall()]
        return sorted(ids)[:limit]


def _ahead(line: _Line, now: datetime, limit: int, lanes: Lanes | None) -> tuple[list[_Next], bool]:
    """What comes from the journal, and whether there are two lanes now."""
    edge = _edge(line, now - timedelta(seconds=lanes.fresh_s)) if lanes is not None else None
    if lanes is None or edge is None:
        return [_Next(report, Lane.LINE) for report in line.next(line.cursor, line.end, limit)], False
    live = [_Next(report, Lane.LIVE) for report in line.next(max(line.cursor, edge), line.end, limit)]
    old = line.next(line.cursor, min(edge, line.end), min(limit, lanes.backlog)) if lanes.backlog else []
    return [*live, *(_Next(report, Lane.BACKLOG) for report in old)], True


def _edge(line: _Line, fresh_since: datetime) -> int | None:
    """The last report of the backlog; None when the next one is fresh, or nothing waits."""
    first = line.next(line.cursor, line.end, 1)
    if not first:
        return None
    (stored_at,) = line.conn.execute("SELECT stored_at FROM reports WHERE id = ?", (first[0],)).fetchone()
    return first_since(line.conn, fresh_since) - 1 if stored_at < to_text(fresh_since) else None


def next_open(conn: sqlite3.Connection, destination: str) -> int | None:
    """The first report behind the cursor that is not dealt with."""
    line = _Line(conn, destination)
    return next(iter(line.next(line.cursor, line.end, 1)), None)


def waiting(conn: sqlite3.Connection, destination: str, limit: int) -> list[int]:
    """The first reports behind the cursor that are not dealt with."""
    line = _Line(conn, destination)
    return line.next(line.cursor, line.end, limit)


def _blocked(aside: Sequence[tuple[int, str, str, str, int]], retrying: Sequence[tuple[str, int, str | None]]) -> frozenset[str]:
    """Lines with reports in retry beyond those in this batch."""
    left = {line: n for line, n, _ in retrying}
    for _, state, line, *_ in aside:
        if state == State.RETRY:
            left[line] -= 1
    return frozenset(line for line, n in left.items() if n > 0)


class _DamagedRowError(ValueError):
    """A row whose checksum fails."""


@dataclass(slots=True)
class _Desk:
    """Reads the rows of one batch from one consistent state."""

    conn: sqlite3.Connection
    destination: str
    order: Order
    chosen: list[_Next]
    decided: Remembered
    worn: dict[str, Association] = field(default_factory=dict)

    def items(self) -> list[Item]:
        numbers = [one.report for one in self.chosen]
        epochs = Epochs(self.conn, min(numbers, default=0), max(numbers, default=0))
        present = self.decided.at(self.conn) if numbers else Overlay()
        return [self._item(one, epochs, present) for one in self.chosen]

    def _item(self, one: _Next, epochs: Epochs, present: Overlay) -> Item:
        try:
            row = self.conn.execute(_ROW, (self.destination, one.report)).fetchone()
            device, category, received_at, stored_at, identity, crc, payload, *pinned = row
        except sqlite3.OperationalError as error:
            if is_damage(error) and not is_text_damage(error):
                raise
            return self._damaged(one)
        except TypeError:
            raise DamagedError(f"an index of the journal names report {one.report}, the table does not hold it") from None
        entry, pin, fault = None, None, ""
        try:
            entry = _entry(one.report, epochs, stored_at, (device, category, received_at, identity, payload), crc)
        except (msgspec.DecodeError, ValueError, KeyError) as error:
            fault = (
                str(error) if isinstance(error, _DamagedRowError) else f"the journal row cannot be read: {type(error).__name__}"
            )
        try:
            pin = _pin(pinned)
        except zlib.error:
            entry, fault = None, PIN_DAMAGED
        if entry is None and pin is None:
            return self._damaged(one, fault)
        worn = None if pin or category == Category.QC else self._wearer(one.report, device, received_at, stored_at)
        again = self._sent(one)
        overlay = present if again is None else self.decided.at(self.conn, again.mapping)
        applied = None if entry is None else overlay.apply(entry.report)
        return Item(
            report=one.report,
            device=device,
            category=Category(category),
            received_at=received_at,
            entry=None if entry is None or applied is None else replace(entry, report=applied.report),
            worn=worn,
            pin=pin,
            state=one.state,
            lane=one.lane,
            patient=self._patient(one, pin, worn),
            again=again,
            fault=fault,
            mapping=overlay.state,
            unmapped=() if applied is None else applied.unmapped,
            stale=entry is not None and self._stale(entry.report, pin, again, present),
        )

    def _stale(self, report: Report, pin: Pin | None, again: Sent | None, present: Overlay) -> bool:
        """Whether the bytes are a correction that has not arrived, and its codes are decided otherwise by now."""
        if pin is None or again is None or pin.mapping in {None, again.mapping, present.state}:
            return False
        return self.decided.at(self.conn, pin.mapping).apply(report).report != present.apply(report).report

    def _patient(self, one: _Next, pin: Pin | None, worn: Association | None) -> str:
        """Whom the message is for: pinned bytes keep to the patient they were made for."""
        if self.order != "patient" or one.patient or pin is None or pin.association is None:
            return patient_key(worn) or one.patient
        return patient_key(associations.by_id(self.conn, pin.association))

    def _sent(self, one: _Next) -> Sent | None:
        if not one.again:
            return None
        row = self.conn.execute(_SENT, (one.report, self.destination)).fetchone()
        return Sent(b"", late=False) if row is None else Sent(row[0], bool(row[1]), row[2] or 0)

    def _wearer(self, report: int, device: str, received_at: str, stored_at: str) -> Association | None:
        """The patient of the report's own time, however late it is sent; remembered within one consistent state."""
        at = from_text(associations.wearing_time(self.conn, device, report, received_at, stored_at))
        known = self.worn.get(device)
        if known is None or not known.covers(at):
            known = associations.wearer(self.conn, device, at)
            if known is None:
                return None
            self.worn[device] = known
        return known

    def _damaged(self, one: _Next, fault: str = ROW_DAMAGED) -> Item:
        """What can be said of a row that cannot be trusted: enough to park it, nothing to send."""
        parts = self.conn.execute(_WHOSE, (one.report,)).fetchone()
        device, category, received_at = (bytes(part).decode("utf-8", "replace") for part in parts)
        copies = (self.conn.execute(_COPIED, (each.value, one.report)).fetchone() for each in Category)
        if (copy := next(filter(None, copies), None)) is not None:
            device, category = bytes(copy[0]).decode("utf-8", "replace"), str(copy[1])
        known = category in Category.__members__.values()
        return Item(
            report=one.report,
            device=device,
            category=Category(category) if known else Category.VITALS,
            received_at=received_at,
            entry=None,
            worn=None,
            pin=None,
            state=one.state,
            lane=one.lane,
            patient=one.patient,
            again=self._sent(one),
            fault=fault,
        )


def _pin(pinned: Sequence[Any]) -> Pin | None:
    message_id, body, tries, spent_s, association, late, mapping = pinned
    if message_id is None:
        return None
    return Pin(message_id, zlib.decompress(body), tries, spent_s, association, bool(late), mapping)


def _entry(report: int, epochs: Epochs, stored_at: str, said: tuple[str, str, str, str | None, bytes], crc: int | None) -> Entry:
    """The row as an entry, once its checksum is right; rows of before schema 3 have none."""
    if crc is not None and crc != checksums.of_row(checksums.of_report(*said), stored_at):
        raise _DamagedRowError(ROW_DAMAGED)
    return Entry(id=report, epoch=epochs.of(report), stored_at=from_text(stored_at), report=decode(said[-1]))
