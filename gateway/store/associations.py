"""The table of who wore what: true from when to when, known from when to when."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from gateway.model import Subject
from gateway.store.checksums import of_association
from gateway.store.times import from_text, to_text

_COLUMNS = "id, device, subject, valid_from, valid_to, recorded_at, superseded_at, source, by_whom, reason"
_KNOWN = "recorded_at <= :known AND (superseded_at IS NULL OR superseded_at > :known)"
_WEARER = "device = :device AND valid_from <= :at AND (valid_to IS NULL OR valid_to > :at)"
_FORMER_STATEMENT = "SELECT recorded_at FROM associations WHERE device = ? AND after_report < ? ORDER BY id DESC LIMIT 1"

_subjects = msgspec.json.Decoder(Subject)


class Association(msgspec.Struct, frozen=True, kw_only=True):
    """A patient wore a device in [valid_from, valid_to); so we knew in [recorded_at, superseded_at). None: without end."""

    device: str
    subject: Subject
    valid_from: datetime
    valid_to: datetime | None = None
    recorded_at: datetime
    superseded_at: datetime | None = None
    source: str = ""
    """How it was captured: cli, configuration, scan, ..."""
    by: str = ""
    reason: str = ""
    id: int = 0

    def covers(self, at: datetime) -> bool:
        """Whether it was true at `at`."""
        return self.valid_from <= at and (self.valid_to is None or at < self.valid_to)


def wearer(conn: sqlite3.Connection, device: str, at: datetime, *, known_at: datetime | None = None) -> Association | None:
    """Who wore `device` at `at`, as known at `known_at` (None: as known now). A row whose checksum fails names nobody."""
    known = "superseded_at IS NULL" if known_at is None else _KNOWN
    rows = conn.execute(
        f"SELECT {_COLUMNS}, after_report, crc FROM associations WHERE {_WEARER} AND {known}",  # noqa: S608 - constants
        {"device": device, "at": to_text(at), "known": to_text(known_at) if known_at else None},
    )
    return next((_association(row[:-2]) for row in rows if not _is_damaged(row)), None)


def wearing_time(conn: sqlite3.Connection, device: str, report: int, received_at: str, stored_at: str) -> str:
    """The time at which to ask who wore the device that a report is of: when it was received.

    Unless the clock was set back meanwhile: a report that came after a statement and was stored at a time before it is of the
    time of that statement, not of the patient before.
    """
    row = conn.execute(_FORMER_STATEMENT, (device, report)).fetchone()
    return str(row[0]) if row is not None and row[0] > stored_at else received_at


def last_statement(conn: sqlite3.Connection, device: str) -> datetime | None:
    """When something was last recorded of a device."""
    (text,) = conn.execute("SELECT max(recorded_at) FROM associations WHERE device = ?", (device,)).fetchone()
    return None if text is None else from_text(text)


def by_id(conn: sqlite3.Connection, number: int) -> Association | None:
    """One version; None when it is not there or its checksum fails."""
    row = conn.execute(f"SELECT {_COLUMNS}, after_report, crc FROM associations WHERE id = ?", (number,)).fetchone()  # noqa: S608 - constants
    return None if row is None or _is_damaged(row) else _association(row[:-2])


def history(
    conn: sqlite3.Connection, device: str | None = None, *, known_at: datetime | None = None, every_version: bool = False
) -> list[Association]:
    """Associations in the order they began: what is held true now or was at `known_at`, or every version ever recorded.

    Rows whose checksum fails are left out: they must not keep a person from saying it anew.
    """
    known = "1" if every_version else "superseded_at IS NULL" if known_at is None else _KNOWN
    rows = conn.execute(
        f"SELECT {_COLUMNS}, after_report, crc FROM associations WHERE (:device IS NULL OR device = :device) AND {known}"  # noqa: S608 - constants
        " ORDER BY device, valid_from, id",
        {"device": device, "known": to_text(known_at) if known_at else None},
    ).fetchall()
    return [_association(row[:-2]) for row in rows if not _is_damaged(row)]


def replace(conn: sqlite3.Connection, ended: Sequence[Association], begun: Sequence[Association], at: datetime) -> None:
    """Supersede the versions `ended` and record the versions `begun`, inside the caller's transaction."""
    conn.executemany("UPDATE associations SET superseded_at = ? WHERE id = ?", [(to_text(at), old.id) for old in ended])
    (after_report,) = conn.execute("SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'reports'), 0)").fetchone()
    conn.executemany(
        "INSERT INTO associations (device, patient_id, subject, valid_from, valid_to, recorded_at, source, by_whom, reason,"
        " after_report, crc) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [_row(new, after_report) for new in begun],
    )


def _is_damaged(row: tuple[Any, ...]) -> bool:
    _, device, subject, valid_from, valid_to, recorded_at, *_, after_report, crc = row
    return crc is not None and crc != of_association((device, subject, valid_from, valid_to, recorded_at, after_report))


def _row(new: Association, after_report: int) -> tuple[str | int | None, ...]:
    subject = msgspec.json.encode(new.subject).decode()
    valid_from, valid_to = to_text(new.valid_from), None if new.valid_to is None else to_text(new.valid_to)
    return (
        new.device,
        new.subject.patient_id,
        subject,
        valid_from,
        valid_to,
        to_text(new.recorded_at),
        new.source,
        new.by,
        new.reason,
        after_report,
        of_association((new.device, subject, valid_from, valid_to, to_text(new.recorded_at), after_report)),
    )


def _association(row: tuple[int, str, str, str, str | None, str, str | None, str, str, str]) -> Association:
    number, device, subject, valid_from, valid_to, recorded_at, superseded_at, source, by, reason = row
    return Association(
        id=number,
        device=device,
        subject=_subjects.decode(subject),
        valid_from=from_text(valid_from),
        valid_to=None if valid_to is None else from_text(valid_to),
        recorded_at=from_text(recorded_at),
        superseded_at=None if superseded_at is None else from_text(superseded_at),
        source=source,
        by=by,
        reason=reason,
    )
