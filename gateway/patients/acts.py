"""What a person says of devices and patients, recorded and audited: inside the gateway and from another process alike.

Each function works on a connection that may write and makes its own transaction, or joins the caller's.
From another process: `with closing(open_for_acts(folder)) as conn: associate(conn, ...)`; inside the gateway:
`await journal.act(lambda conn: associate(conn, ...))`.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta

from gateway.model import Subject
from gateway.patients import association
from gateway.patients.association import Change, Said
from gateway.store import associations, audit
from gateway.store.associations import Association
from gateway.store.database import joined, open_for_acts
from gateway.store.times import utc_now

__all__ = ["associate", "history", "open_for_acts", "release", "wearer"]

history = associations.history
wearer = associations.wearer


def associate(
    conn: sqlite3.Connection,
    device: str,
    subject: Subject,
    *,
    at: datetime | None = None,
    by: str,
    source: str,
    reason: str = "",
    now: datetime | None = None,
) -> Association | None:
    """`subject` wears `device` from `at` (None: now) on; the new association, None when it was known already.

    ActError when that cannot be so (gateway.patients.association has the rules), StoreError when it could not be kept.
    """
    with joined(conn):
        said = _said(conn, device, at, now, by=by, source=source, reason=reason)
        change = association.start(associations.history(conn, device), subject, said)
        if not change.begun:
            return None
        _record(conn, change, said, "associate", subject.patient_id)
        return associations.wearer(conn, device, said.at)


def release(
    conn: sqlite3.Connection,
    device: str,
    *,
    at: datetime | None = None,
    by: str,
    source: str,
    reason: str = "",
    now: datetime | None = None,
) -> Association:
    """Nobody wears `device` from `at` (None: now) on; what was true until then. ActError when nobody wore it then."""
    with joined(conn):
        said = _said(conn, device, at, now, by=by, source=source, reason=reason)
        change = association.release(associations.history(conn, device), said)
        former = change.ended[0]
        _record(conn, change, said, "release", former.subject.patient_id)
        return former


def _said(
    conn: sqlite3.Connection, device: str, at: datetime | None, now: datetime | None, *, by: str, source: str, reason: str
) -> Said:
    moment = _not_before_the_last(conn, device, now or utc_now())
    return Said(device=device, at=at or moment, now=moment, by=by, source=source, reason=reason)


def _not_before_the_last(conn: sqlite3.Connection, device: str, now: datetime) -> datetime:
    """Of what is said of a device, what was said later is later, also when the clock was set back in between."""
    last = associations.last_statement(conn, device)
    return now if last is None or last <= now else last + timedelta(microseconds=1)


def _record(conn: sqlite3.Connection, change: Change, said: Said, act: str, patient_id: str) -> None:
    associations.replace(conn, change.ended, change.begun, said.now)
    detail = {"patient_id": patient_id, "at": said.at.isoformat(), "source": said.source, "reason": said.reason}
    audit.record(conn, at=said.now, by=said.by, act=act, object_id=said.device, detail=detail)
