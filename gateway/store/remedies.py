"""What a person does about messages: try again now, send again, edit, give up. Audited, from any process, in small steps.

Each function does the first ACT_MAX messages of a selection in one transaction, its own or the caller's, and says how far it
came: `Done.last` is the `after` of the next call. So no device waits long for its commit while a person replays a month.
"""

from __future__ import annotations

import secrets
import sqlite3
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.errors import ActError
from gateway.store import audit, days
from gateway.store.cursors import ZLIB_LEVEL
from gateway.store.database import joined
from gateway.store.items import State
from gateway.store.selection import BEHIND, DELIVERED, Selection
from gateway.store.times import to_text, utc_now

DISMISSED = "dropped:dismissed"
ACT_MAX = 1_000
"""Messages in one transaction: some 20 ms, so that no device waits long for its own commit."""

_CHOSEN = f"SELECT b.report, b.device, b.again, b.edit FROM behind b WHERE {BEHIND} ORDER BY b.report LIMIT :limit"  # noqa: S608 - constants
_CHOSEN_DELIVERED = (
    "SELECT d.report, r.device, r.received_at, (SELECT e.id FROM edits e WHERE e.message_id = d.message_id)"  # noqa: S608 - constants
    f" FROM deliveries d JOIN reports r ON r.id = d.report WHERE {DELIVERED} ORDER BY d.report LIMIT :limit"
)
_AGAIN = "UPDATE behind SET state = 'due', since = ?, not_before = NULL WHERE destination = ? AND report = ?"
_ONCE_MORE = (
    "INSERT INTO behind (destination, report, device, received_at, state, since, again, edit) VALUES (?, ?, ?, ?, 'due', ?, 1, ?)"
)
_EDITED_BYTES = (
    "INSERT INTO attempts (destination, report, message_id, body, pinned_at, mapping, association, late)"
    " SELECT e.destination, e.report, e.message_id, e.body, ?2, e.mapping, d.association, coalesce(d.late, 0) FROM edits e"
    " LEFT JOIN deliveries d ON d.report = e.report AND d.destination = e.destination AND e.mapping IS NOT NULL"
    " WHERE e.id = ?1"
    " ON CONFLICT (destination, report) DO UPDATE SET message_id = excluded.message_id, body = excluded.body,"
    " association = coalesce(excluded.association, association), late = iif(excluded.mapping IS NULL, late, excluded.late),"
    " mapping = excluded.mapping, tries = 0, spent_s = 0"
)


@dataclass(frozen=True, slots=True)
class Done:
    """How many messages an act concerned, and the last of them; None: that was all."""

    n: int
    last: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class By:
    """Who acts, when (None: now) and why."""

    whom: str
    note: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A message that takes the place of another. `body` holds the id `message_id` already."""

    destination: str
    report: int
    message_id: str
    replaces: str
    body: bytes
    diff: str
    patient_changed: str = ""
    """Why it is for another patient now; empty: it is not."""
    mapping: int | None = None
    """The moment of the decisions about codes that it was rendered with; None: a person wrote it."""


def retry(conn: sqlite3.Connection, selection: Selection, by: By, after: int = 0) -> Done:
    """Try now what waits for another try, whatever `selection.states` says; a destination that pauses goes on at once."""
    chosen = replace(selection, states=frozenset({State.RETRY}))
    with joined(conn):
        rows = _rows(conn, _CHOSEN, chosen, after)
        places = [(selection.destination, row[0]) for row in rows]
        conn.executemany("UPDATE behind SET not_before = NULL WHERE destination = ? AND report = ?", places)
        return _done(conn, "retry", chosen, by, [row[0] for row in rows])


def replay(conn: sqlite3.Connection, selection: Selection, by: By, after: int = 0) -> Done:
    """Send again what is parked or delivered, as `selection.states` says.

    What was refused is rendered anew; one whose fate is unknown goes out with the same bytes; what was delivered goes out with
    the same id and the same bytes, or is parked where these cannot be made any more.
    """
    now = to_text(by.at or utc_now())
    with joined(conn):
        rows = _rows(conn, _CHOSEN, replace(selection, states=selection.states & {State.PARKED}), after)
        again = _rows(conn, _CHOSEN_DELIVERED, selection, after) if State.DELIVERED in selection.states else []
        numbers = sorted([row[0] for row in (*rows, *again)])[:ACT_MAX]
        last = numbers[-1] if numbers else 0
        for report, _, _, edit in (row for row in rows if row[0] <= last):
            conn.execute(
                "UPDATE attempts SET tries = 0, spent_s = 0 WHERE destination = ? AND report = ?", (selection.destination, report)
            )
            conn.execute(_AGAIN, (now, selection.destination, report))
            _restore_edit(conn, edit, now)
        for report, device, received_at, edit in (row for row in again if row[0] <= last):
            conn.execute(_ONCE_MORE, (selection.destination, report, device, received_at, now, edit))
            _restore_edit(conn, edit, now)
        return _done(conn, "replay", selection, by, numbers)


def dismiss(conn: sqlite3.Connection, selection: Selection, by: By, after: int = 0) -> Done:
    """Give up what is parked, held or retrying, as `selection.states` says; the reports stay in the journal.

    Counted as dropped: dismissed; what had been delivered before and was only to be sent again stays delivered.
    """
    chosen = replace(selection, states=selection.states & {State.PARKED, State.HELD, State.RETRY})
    with joined(conn):
        rows = _rows(conn, _CHOSEN, chosen, after)
        places = [(selection.destination, row[0]) for row in rows]
        conn.executemany("DELETE FROM behind WHERE destination = ? AND report = ?", places)
        conn.executemany("DELETE FROM attempts WHERE destination = ? AND report = ?", places)
        days.count(conn, [((selection.destination, device, DISMISSED), report) for report, device, again, _ in rows if not again])
        return _done(conn, "dismiss", chosen, by, [row[0] for row in rows])


def edit(conn: sqlite3.Connection, edited: Edit, by: By) -> None:
    """Send `edited` in the place of a message that is parked or delivered. ActError for any other."""
    at = by.at or utc_now()
    now, place = to_text(at), (edited.destination, edited.report)
    with joined(conn):
        found = conn.execute("SELECT state FROM behind WHERE destination = ? AND report = ?", place).fetchone()
        if found is None and not _is_delivered(conn, edited):
            raise ActError(
                f"{edited.destination}: report {edited.report} is neither parked nor delivered there; see `wardlink queue list`"
            )
        if found is not None and found[0] != State.PARKED:
            raise ActError(
                f"{edited.destination}: report {edited.report} is {found[0]}; expected a message that is parked or delivered"
            )
        number = _keep_edit(conn, edited, by, now)
        if found is None:
            device, received_at = conn.execute(
                "SELECT device, received_at FROM reports WHERE id = ?", (edited.report,)
            ).fetchone()
            conn.execute(_ONCE_MORE, (*place, device, received_at, now, number))
        else:
            conn.execute(_AGAIN, (now, *place))
            conn.execute("UPDATE behind SET edit = ? WHERE destination = ? AND report = ?", (number, *place))
        _restore_edit(conn, number, now)
        lineage = {"message_id": edited.message_id, "replaces": edited.replaces, "patient_changed": edited.patient_changed}
        _record(conn, ("edit", edited.destination), by, lineage, [edited.report])


def correct(conn: sqlite3.Connection, edits: Sequence[Edit], by: By, told: Mapping[str, str]) -> int:
    """Send corrections of messages of one destination that it has: as `edit`, but one act for all; how many.

    What is under way again since it was read, or gone, is passed over; what is parked gives way.
    `told`: what else the audit trail is to say.
    """
    now = to_text(by.at or utc_now())
    with joined(conn):
        reports = [one.report for one in edits if _correct(conn, one, by, now)]
        if reports:
            _record(conn, ("correct", edits[0].destination), by, told, reports)
        return len(reports)


def withdraw(conn: sqlite3.Connection, destination: str, reports: Sequence[int], by: By) -> None:
    """Give parked corrections up that would say what the receiver has: the reports stay delivered."""
    places = [(destination, report) for report in reports]
    with joined(conn):
        conn.executemany("DELETE FROM behind WHERE destination = ? AND report = ? AND state = 'parked'", places)
        conn.executemany(
            "DELETE FROM attempts WHERE destination = ?1 AND report = ?2"
            " AND NOT EXISTS (SELECT 1 FROM behind WHERE destination = ?1 AND report = ?2)",
            places,
        )
        _record(conn, ("withdraw", destination), by, {}, reports)


def _correct(conn: sqlite3.Connection, edited: Edit, by: By, now: str) -> bool:
    place = (edited.destination, edited.report)
    aside = conn.execute("SELECT state FROM behind WHERE destination = ? AND report = ?", place).fetchone()
    if (aside is not None and aside[0] != State.PARKED) or not _is_delivered(conn, edited):
        return False
    number = _keep_edit(conn, edited, by, now)
    device, received_at = conn.execute("SELECT device, received_at FROM reports WHERE id = ?", (edited.report,)).fetchone()
    conn.execute("DELETE FROM behind WHERE destination = ? AND report = ?", place)  # a correction that was not taken
    conn.execute(_ONCE_MORE, (*place, device, received_at, now, number))
    _restore_edit(conn, number, now)
    return True


def new_message_id() -> str:
    """An id for an edited message: 20 characters, never one of a report, which begins with a lower-case hex digit."""
    return f"E{secrets.token_hex(10)[:19]}"


def _is_delivered(conn: sqlite3.Connection, edited: Edit) -> bool:
    sql = "SELECT 1 FROM deliveries WHERE report = ? AND destination = ?"
    return conn.execute(sql, (edited.report, edited.destination)).fetchone() is not None


def _keep_edit(conn: sqlite3.Connection, edited: Edit, by: By, now: str) -> int:
    row = conn.execute(
        "INSERT INTO edits (destination, report, message_id, replaces, at, by_whom, reason, patient_changed, diff, body, mapping)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (
            edited.destination,
            edited.report,
            edited.message_id,
            edited.replaces,
            now,
            by.whom,
            by.note,
            edited.patient_changed,
            edited.diff,
            zlib.compress(edited.body, ZLIB_LEVEL),
            edited.mapping,
        ),
    ).fetchone()
    return int(row[0])


def _restore_edit(conn: sqlite3.Connection, number: int | None, now: str) -> None:
    """An edit's bytes are those that go out, whatever the report would be rendered to."""
    if number is not None:
        conn.execute(_EDITED_BYTES, (number, now))


def _rows(conn: sqlite3.Connection, sql: str, selection: Selection, after: int) -> list[tuple[int, str, int, int | None]]:
    return conn.execute(sql, {**selection.values(after), "limit": ACT_MAX}).fetchall()


def _done(conn: sqlite3.Connection, act: str, selection: Selection, by: By, reports: Sequence[int]) -> Done:
    _record(conn, (act, selection.destination), by, selection.told(), reports)
    return Done(len(reports), reports[-1] if len(reports) >= ACT_MAX else None)


def _record(conn: sqlite3.Connection, what: tuple[str, str], by: By, detail: Mapping[str, str], reports: Sequence[int]) -> None:
    act, destination = what
    told = {**detail, "n": str(len(reports)), **({"note": by.note} if by.note else {})}
    number = audit.record(conn, at=by.at or utc_now(), by=by.whom, act=act, object_id=destination, detail=told)
    conn.executemany(
        "INSERT INTO acted (report, destination, act) VALUES (?, ?, ?)", [(report, destination, number) for report in reports]
    )
