"""What a person does about parked messages: send them again, or give them up. Audited, from any process."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from gateway.errors import ActError
from gateway.store import audit, days
from gateway.store.database import joined
from gateway.store.times import from_text, to_text, utc_now

DISMISSED = "dropped:dismissed"


@dataclass(frozen=True, slots=True)
class Parked:
    """A message that waits for a person."""

    destination: str
    report: int
    device: str
    since: datetime
    code: str
    reason: str


_CHOSEN = (
    "destination = :destination AND state = 'parked'"
    " AND (:reports IS NULL OR report IN (SELECT value FROM json_each(:reports)))"
    " AND (:reason IS NULL OR reason = :reason)"
)
_AFRESH = (
    "UPDATE attempts SET tries = 0, spent_s = 0"  # noqa: S608 - constants
    f" WHERE destination = :destination AND report IN (SELECT report FROM behind WHERE {_CHOSEN})"
)


def parked(conn: sqlite3.Connection, destination: str | None = None, *, limit: int = 1000) -> list[Parked]:
    """Parked messages in journal order."""
    rows = conn.execute(
        "SELECT destination, report, device, since, code, reason FROM behind"
        " WHERE state = 'parked' AND (?1 IS NULL OR destination = ?1) ORDER BY destination, report LIMIT ?2",
        (destination, limit),
    ).fetchall()
    return [Parked(to, report, device, from_text(since), code, reason) for to, report, device, since, code, reason in rows]


def replay(
    conn: sqlite3.Connection,
    destination: str,
    *,
    reports: Sequence[int] | None = None,
    reason: str | None = None,
    by: str,
    now: datetime | None = None,
) -> int:
    """Send parked messages again, those named or those with this reason (neither: all of them); how many.

    A message that was refused is rendered anew; one whose fate is unknown goes out with the same bytes. ActError when none is.
    """
    moment = now or utc_now()
    chosen = _chosen(destination, reports, reason)
    with joined(conn):
        conn.execute(_AFRESH, chosen)
        n = conn.execute(
            f"UPDATE behind SET state = 'due', since = :now, not_before = NULL WHERE {_CHOSEN}",  # noqa: S608 - a constant
            {**chosen, "now": to_text(moment)},
        ).rowcount
        _check_any(n, destination)
        audit.record(conn, at=moment, by=by, act="replay", object_id=destination, detail=_detail(chosen, n))
    return n


def dismiss(
    conn: sqlite3.Connection,
    destination: str,
    *,
    reports: Sequence[int] | None = None,
    reason: str | None = None,
    by: str,
    now: datetime | None = None,
) -> int:
    """Give parked messages up for this destination (the reports stay in the journal); how many. Counted as dropped: dismissed."""
    moment = now or utc_now()
    chosen = _chosen(destination, reports, reason)
    with joined(conn):
        gone = conn.execute(f"DELETE FROM behind WHERE {_CHOSEN} RETURNING report, device", chosen).fetchall()  # noqa: S608 - a constant
        conn.executemany(
            "DELETE FROM attempts WHERE destination = ? AND report = ?", [(destination, report) for report, _ in gone]
        )
        days.count(conn, [((destination, device, DISMISSED), report) for report, device in gone])
        _check_any(len(gone), destination)
        audit.record(conn, at=moment, by=by, act="dismiss", object_id=destination, detail=_detail(chosen, len(gone)))
    return len(gone)


def _chosen(destination: str, reports: Sequence[int] | None, reason: str | None) -> dict[str, str | None]:
    listed = None if reports is None else msgspec.json.encode(list(reports)).decode()
    return {"destination": destination, "reports": listed, "reason": reason}


def _check_any(n: int, destination: str) -> None:
    if n == 0:
        raise ActError(f"{destination}: nothing that was asked for is parked there")


def _detail(chosen: dict[str, str | None], n: int) -> dict[str, str]:
    return {"reports": chosen["reports"] or "", "reason": chosen["reason"] or "", "n": str(n)}
