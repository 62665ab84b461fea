"""What stands in the queue, and everything the journal knows of one report: for `wardlink queue` and `wardlink why`."""

from __future__ import annotations

import re
import sqlite3
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from gateway.errors import ActError
from gateway.model import Entry, decode
from gateway.store import associations, audit, upcoming
from gateway.store.associations import Association
from gateway.store.audit import Act
from gateway.store.epochs import Epochs
from gateway.store.items import Pin, State
from gateway.store.selection import BEHIND, DELIVERED, Selection
from gateway.store.times import from_text, to_text

WAITING = "waiting"
"""The state of what the cursor has not reached."""
_KEY = re.compile(r"([0-9a-f]{8})(\d{12})(?:\.(\d+))?")
"""A message id, or an identifier made of it (OBR-3, FHIR): epoch, report, observation."""

_LISTED = (
    "SELECT b.report, b.device, b.received_at, b.state, b.since, b.not_before, b.code, b.reason, b.again"  # noqa: S608 - a constant
    f" FROM behind b WHERE {BEHIND} ORDER BY b.report LIMIT :limit"
)
_LISTED_DELIVERED = (
    "SELECT d.report, r.device, r.received_at, 'delivered', coalesce(d.again_at, d.acked_at), NULL, d.code, '', 0"  # noqa: S608 - a constant
    f" FROM deliveries d JOIN reports r ON r.id = d.report WHERE {DELIVERED} ORDER BY d.report DESC LIMIT :limit"
)
_REPORT = "SELECT device, category, received_at, stored_at, CAST(payload AS BLOB), raw FROM reports WHERE id = ?"
_BEHIND = "SELECT state, since, not_before, code, reason, again FROM behind WHERE destination = ? AND report = ?"
_DELIVERY = (
    "SELECT message_id, sha256, code, acked_at, tries, late, association, again, again_at, mapping FROM deliveries"
    " WHERE destination = ? AND report = ?"
)
_ATTEMPT = (
    "SELECT message_id, body, tries, spent_s, association, late, pinned_at, mapping FROM attempts"
    " WHERE destination = ? AND report = ?"
)
_EDITS = (
    "SELECT message_id, replaces, at, by_whom, reason, patient_changed, diff, body, mapping FROM edits"
    " WHERE destination = ? AND report = ? ORDER BY id"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """A message in the queue of a destination. `since`: in this state; `again`: it was delivered before."""

    destination: str
    report: int
    device: str
    received_at: datetime
    state: str
    since: datetime | None = None
    not_before: datetime | None = None
    code: str = ""
    reason: str = ""
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The latest acknowledgement. `association`: who the message said it is about."""

    message_id: str
    sha256: bytes
    code: str
    acked_at: datetime
    tries: int
    late: bool
    association: Association | None
    again: int
    again_at: datetime | None
    mapping: int
    """The moment of the decisions about codes that it was rendered with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """A message that took the place of `replaces`: a person wrote it, or decided about a code (`mapping`)."""

    message_id: str
    replaces: str
    at: datetime
    by: str
    reason: str
    patient_changed: str
    diff: str
    body: bytes
    mapping: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of a report at one destination. `state`: of State, "waiting", or "settled" where nothing more is known."""

    destination: str
    state: str
    queued: Queued | None
    delivery: Delivery | None
    pin: Pin | None
    pinned_at: datetime | None
    edits: tuple[Edited, ...]
    acts: tuple[Act, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A report as the journal has it, with its raw bytes, and who wore its device at its time, as known now."""

    entry: Entry
    device: str
    category: str
    received_at: datetime
    worn: Association | None
    fates: tuple[Fate, ...]


def destinations(conn: sqlite3.Connection) -> list[str]:
    """Every destination that the journal knows."""
    return [one for (one,) in conn.execute("SELECT id FROM destinations ORDER BY id").fetchall()]


def listed(conn: sqlite3.Connection, selection: Selection, limit: int) -> list[Queued]:
    """What a selection means, oldest first; of what was delivered the latest."""
    values = {**selection.values(), "limit": limit}
    rows = conn.execute(_LISTED, values).fetchall()
    if State.DELIVERED in selection.states:
        rows += conn.execute(_LISTED_DELIVERED, values).fetchall()[::-1]
    return [_queued(selection.destination, row) for row in rows]


def _queued(destination: str, row: tuple[int, str, str, str, str, str | None, str, str, int]) -> Queued:
    report, device, received_at, state, since, not_before, code, reason, again = row
    return Queued(
        destination=destination,
        report=report,
        device=device,
        received_at=from_text(received_at),
        state=state,
        since=from_text(since),
        not_before=None if not_before is None else from_text(not_before),
        code=code,
        reason=reason,
        again=bool(again),
    )


def waiting(conn: sqlite3.Connection, selection: Selection, limit: int) -> Iterator[Queued]:
    """What the cursor has not reached, oldest first: at most `limit` reports are looked at."""
    since, until = (None if at is None else to_text(at) for at in (selection.since, selection.until))
    for number in upcoming.waiting(conn, selection.destination, limit):
        device, received_at, stored_at = conn.execute(
            "SELECT device, received_at, stored_at FROM reports WHERE id = ?", (number,)
        ).fetchone()
        wanted = selection.device in {"", device} and (selection.reports is None or number in selection.reports)
        if not wanted or (since is not None and received_at < since) or (until is not None and received_at >= until):
            continue
        if selection.patient:
            at = associations.wearing_time(conn, device, number, received_at, stored_at)
            worn = associations.wearer(conn, device, from_text(at))
            if worn is None or worn.subject.patient_id != selection.patient:
                continue
        yield Queued(
            destination=selection.destination, report=number, device=device, received_at=from_text(received_at), state=WAITING
        )


@dataclass(frozen=True, slots=True)
class Named:
    """What an id means: a report, and the number of an observation in it where the id names one."""

    report: int
    observation: int | None = None


def named(conn: sqlite3.Connection, word: str) -> Named:
    """The report that `word` names: its number, a message id (MSH-10), an identifier made of it (OBR-3, FHIR). ActError."""
    found = _KEY.match(word)
    if found is not None and word[20:21] in {"", "."}:
        report = int(found[2])
        _check(conn, report, word)
        if Epochs(conn, report, report).of(report) != found[1]:
            raise ActError(
                f"{word!r}: report {report} of this journal is not of the run {found[1]}; is it another gateway's message?"
            )
        return Named(report, int(found[3]) if found[3] else None)
    if word.isdecimal():
        return Named(_check(conn, int(word), word))
    row = conn.execute("SELECT report FROM edits WHERE message_id = ?", (word,)).fetchone()
    if row is None:
        raise ActError(f"{word!r}: expected a report's number, a message id (MSH-10), or an identifier made of it (OBR-3, FHIR)")
    return Named(int(row[0]))


def _check(conn: sqlite3.Connection, report: int, word: str) -> int:
    if conn.execute("SELECT 1 FROM reports WHERE id = ?", (report,)).fetchone() is None:
        raise ActError(f"{word!r}: the journal holds no report {report}: never received, or forgotten after gateway.keep_days")
    return report


def at_time(conn: sqlite3.Connection, device: str, at: datetime) -> Named:
    """The last report of a device that was received at or before `at`. ActError when there is none."""
    sql = "SELECT id FROM reports WHERE device = ? AND received_at <= ? ORDER BY received_at DESC LIMIT 1"
    row = conn.execute(sql, (device, to_text(at))).fetchone()
    if row is None:
        raise ActError(f"{device}: the journal holds no report of it that was received at or before {to_text(at)}")
    return Named(int(row[0]))


def kept(conn: sqlite3.Connection, report: int) -> Kept:
    """All that is known of a report. ActError when the journal does not hold it."""
    row = conn.execute(_REPORT, (_check(conn, report, str(report)),)).fetchone()
    device, category, received_at, stored_at, payload, raw = row
    epoch = Epochs(conn, report, report).of(report)
    entry = Entry(id=report, epoch=epoch, stored_at=from_text(stored_at), report=decode(payload, raw))
    worn_at = from_text(associations.wearing_time(conn, device, report, received_at, stored_at))
    fates = [_fate(conn, entry, category, *known) for known in conn.execute("SELECT id, takes, cursor, until FROM destinations")]
    return Kept(
        entry=entry,
        device=device,
        category=category,
        received_at=from_text(received_at),
        worn=None if category == "qc" else associations.wearer(conn, device, worn_at),
        fates=tuple(one for one in fates if one is not None),
    )


def _fate(conn: sqlite3.Connection, entry: Entry, category: str, destination: str, takes: str, *place: int | None) -> Fate | None:
    where = (destination, entry.id)
    queued, delivery, attempt = (conn.execute(sql, where).fetchone() for sql in (_BEHIND, _DELIVERY, _ATTEMPT))
    pin, pinned_at = (None, None) if attempt is None else _pin(*attempt)
    state = _state(conn, entry.id, destination, place) if category in msgspec.json.decode(takes, type=list[str]) else ""
    state = queued[0] if queued is not None else State.DELIVERED.value if delivery is not None else state
    if not state:
        return None
    return Fate(
        destination=destination,
        state=state,
        queued=None if queued is None else _queued(destination, (entry.id, "", to_text(entry.stored_at), *queued)),
        delivery=None if delivery is None else _delivery(conn, entry, delivery),
        pin=pin,
        pinned_at=pinned_at,
        edits=tuple(_edited(row) for row in conn.execute(_EDITS, where).fetchall()),
        acts=tuple(audit.acts_on(conn, entry.id, destination)),
    )


def _pin(*row: Any) -> tuple[Pin, datetime]:
    message_id, body, tries, spent_s, association, late, pinned_at, mapping = row
    return Pin(message_id, zlib.decompress(body), tries, spent_s, association, bool(late), mapping), from_text(pinned_at)


def _state(conn: sqlite3.Connection, report: int, destination: str, place: tuple[int | None, ...]) -> str:
    cursor, until = place
    passed = conn.execute("SELECT 1 FROM ahead WHERE destination = ? AND report = ?", (destination, report)).fetchone()
    if cursor is None or report <= cursor or passed is not None:
        return "settled"
    return WAITING if until is None or report <= until else ""


def _delivery(
    conn: sqlite3.Connection,
    entry: Entry,
    row: tuple[str | None, bytes, str, str, int, int, int | None, int, str | None, int | None],
) -> Delivery:
    message_id, sha256, code, acked_at, tries, late, association, again, again_at, mapping = row
    return Delivery(
        message_id=message_id or entry.key,
        sha256=sha256,
        code=code,
        acked_at=from_text(acked_at),
        tries=tries,
        late=bool(late),
        association=None if association is None else associations.by_id(conn, association),
        again=again,
        again_at=None if again_at is None else from_text(again_at),
        mapping=mapping or 0,
    )


def _edited(row: tuple[str, str, str, str, str, str, str, bytes, int | None]) -> Edited:
    message_id, replaces, at, by, reason, patient_changed, diff, body, mapping = row
    return Edited(
        message_id=message_id,
        replaces=replaces,
        at=from_text(at),
        by=by,
        reason=reason,
        patient_changed=patient_changed,
        diff=diff,
        body=zlib.decompress(body),
        mapping=mapping,
    )
