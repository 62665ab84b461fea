"""What devices said, as changes to the journal: reports, fragments of transmissions, transmissions that broke off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeAlias
from zlib import crc32

from gateway.errors import DamagedError, LocalProtocolError
from gateway.model import Category, Report, encode
from gateway.store import checksums
from gateway.store.times import to_text
from gateway.store.writer import Transaction

Row: TypeAlias = tuple[str, str, str, str | None, str, bytes, int, int]
"""(device, category, received_at, identity, payload, raw, checksum of raw, checksum of the rest)"""

Takers: TypeAlias = Callable[[str], Sequence[str]]
"""The destinations in use that take a category."""

RESTARTED = "gateway restarted"

_INSERT = (
    "INSERT INTO reports (device, category, received_at, identity, payload, raw, raw_crc, crc, stored_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (device, identity) WHERE identity IS NOT NULL DO NOTHING"
)
_INCOMPLETE = "INSERT INTO incomplete (device, received_at, stored_at, reason, raw) VALUES (?, ?, ?, ?, ?)"


def row(report: Report, device: str) -> Row:
    """A report as a row; LocalProtocolError for one that cannot be written down."""
    try:
        payload = encode(report)
    except (TypeError, ValueError, OverflowError) as error:
        raise LocalProtocolError(f"a report of {device} cannot be written as JSON: {type(error).__name__}") from error
    category, received_at, identity = Category(report.category).value, to_text(report.received_at), report.identity or None
    crc = checksums.of_report(device, category, received_at, identity, payload)
    return device, category, received_at, identity, payload.decode("utf-8"), report.raw, crc32(report.raw), crc


def keep(tx: Transaction, rows: Sequence[Row], device: str, takers: Takers, *, ends_transmission: bool) -> list[int | None]:
    """Store rows; the ids, None for a repeat. `ends_transmission`: the device's fragments are whole now, in these rows."""
    ids: list[int | None] = []
    for *values, crc in rows:
        cursor = tx.conn.execute(_INSERT, (*values, checksums.of_row(crc, tx.now), tx.now))
        if cursor.rowcount == 0:
            tx.count(device, "repeat")
            ids.append(None)
            continue
        number = cursor.lastrowid or 0
        ids.append(number)
        day = tx.days.store(tx.conn, number, str(values[2]))
        for destination in takers(str(values[1])):
            tx.tally(destination, device, "received", day=day)
    if ends_transmission:
        tx.conn.execute("DELETE FROM fragments WHERE device = ?", (device,))
    return ids


def keep_fragment(tx: Transaction, device: str, raw: bytes, at: datetime) -> None:
    """Store an acknowledged part of a transmission that is still under way."""
    tx.conn.execute("INSERT INTO fragments (device, received_at, raw) VALUES (?, ?, ?)", (device, to_text(at), raw))


def keep_incomplete(tx: Transaction, device: str, raw: bytes, at: datetime, reason: str) -> None:
    """Turn the device's fragments, or `raw` where that says more, into one incomplete transmission."""
    parts = tx.conn.execute("SELECT received_at, raw FROM fragments WHERE device = ? ORDER BY id", (device,)).fetchall()
    acknowledged = b"".join(part for _, part in parts)
    since = parts[0][0] if parts else to_text(at)
    whole = raw if len(raw) >= len(acknowledged) else acknowledged + raw
    tx.conn.execute(_INCOMPLETE, (device, since, tx.now, reason, whole))
    tx.conn.execute("DELETE FROM fragments WHERE device = ?", (device,))


def keep_evidence(tx: Transaction, device: str, raw: bytes, at: datetime, reason: str) -> None:
    """Store what came to nothing, beside a transmission of the device that may be under way."""
    tx.conn.execute(_INCOMPLETE, (device, to_text(at), tx.now, reason, raw))


def close_interrupted(tx: Transaction) -> list[str]:
    """After a start: what the former run left under way is incomplete now; the devices concerned."""
    devices = [device for (device,) in tx.conn.execute("SELECT DISTINCT device FROM fragments ORDER BY device").fetchall()]
    for device in devices:
        (at,) = tx.conn.execute("SELECT max(received_at) FROM fragments WHERE device = ?", (device,)).fetchone()
        if at is None:
            raise DamagedError(f"an index of the journal names fragments of {device}, the table holds none")
        keep_incomplete(tx, device, b"", datetime.fromisoformat(at), RESTARTED)
    return devices
