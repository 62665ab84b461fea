"""The table of orders: what laboratory systems want done, by specimen; looked up in a millisecond when an analyzer asks."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from gateway.errors import DamagedError
from gateway.model import Inquiry, WorkOrder
from gateway.store.times import from_text, to_text

KEPT = timedelta(days=14)
"""How long an order is answered from and kept: specimens are worked within days, and barcodes are used again after weeks."""
FOUND_MAX = 200
"""Orders told in one answer: some 40 kB of records, more than any analyzer holds in its worklist."""

_ANSWERED = "status <> 'cancelled' AND stored_at >= :since AND device IN ('', :device)"
_TOLD = "UPDATE orders SET waits = 0, status = iif(status = 'open', 'sent', status), sent_to = ?, sent_at = ? WHERE placer = ?"

_decoder = msgspec.json.Decoder(WorkOrder)


class Outcome(StrEnum):
    """What became of an order that was said."""

    NEW = "new"
    SAME = "known already"
    CHANGED = "changed"
    CANCELLED = "cancelled"
    DEAD = "cancelled before"
    """A cancelled order stays cancelled: a message that comes late or twice must not bring it back."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Row:
    """An order with what became of it."""

    order: WorkOrder
    status: str
    stored_at: datetime
    changed_at: datetime
    sent_to: str
    sent_at: datetime | None


def place(conn: sqlite3.Connection, order: WorkOrder, at: datetime) -> Outcome:
    """Keep an order, or the present form of one, inside the caller's transaction."""
    found = conn.execute("SELECT payload, status FROM orders WHERE placer = ?", (order.placer,)).fetchone()
    payload, now = msgspec.json.encode(order).decode(), to_text(at)
    if found is None:
        conn.execute(
            "INSERT INTO orders (placer, specimen, device, payload, status, waits, stored_at, changed_at)"
            " VALUES (?, ?, ?, ?, 'open', 1, ?, ?)",
            (order.placer, order.specimen, order.device, payload, now, now),
        )
        return Outcome.NEW
    if found[1] == "cancelled":
        return Outcome.DEAD
    if found[0] == payload:
        return Outcome.SAME
    conn.execute(
        "UPDATE orders SET specimen = ?, device = ?, payload = ?, status = 'open', waits = 1, stored_at = ?, changed_at = ?"
        " WHERE placer = ?",
        (order.specimen, order.device, payload, now, now, order.placer),
    )
    return Outcome.CHANGED


def cancel(conn: sqlite3.Connection, placer: str, at: datetime) -> Outcome:
    """Cancel an order; an analyzer that was sent it is to be told."""
    found = conn.execute("SELECT status FROM orders WHERE placer = ?", (placer,)).fetchone()
    if found is None:
        return Outcome.UNKNOWN
    if found[0] == "cancelled":
        return Outcome.DEAD
    conn.execute(
        "UPDATE orders SET status = 'cancelled', waits = (sent_at IS NOT NULL), changed_at = ? WHERE placer = ?",
        (to_text(at), placer),
    )
    return Outcome.CANCELLED


def find(conn: sqlite3.Connection, asked: Inquiry, device: str, now: datetime) -> list[WorkOrder]:
    """What is to be done with what `device` asks for, in the order it was said. Everything: what it was not told yet."""
    given: dict[str, str] = {"device": device, "since": to_text(now - KEPT)}
    if asked.everything:
        which = "(waits OR sent_to <> :device)"
    elif asked.specimens:
        given["wanted"] = msgspec.json.encode(asked.specimens).decode()
        which = "specimen IN (SELECT value FROM json_each(:wanted))"
    else:
        given |= {"first": asked.first, "last": asked.last}
        which = "specimen BETWEEN :first AND :last"
    return _orders(conn, f"{_ANSWERED} AND {which}", given)


def waiting(conn: sqlite3.Connection, device: str, now: datetime) -> list[WorkOrder]:
    """What an analyzer that is sent worklists was not told yet: orders meant for it by name, and their cancellations."""
    return _orders(conn, "waits AND device = :device AND stored_at >= :since", {"device": device, "since": to_text(now - KEPT)})


def told(conn: sqlite3.Connection, orders: Iterable[WorkOrder], device: str, at: datetime) -> None:
    """`device` has acknowledged these, inside the caller's transaction. One that changed meanwhile is still to be told."""
    for order in orders:
        plain = msgspec.json.encode(msgspec.structs.replace(order, cancelled=False)).decode()
        row = conn.execute("SELECT payload, status FROM orders WHERE placer = ?", (order.placer,)).fetchone()
        if row is not None and row[0] == plain and (row[1] == "cancelled") == order.cancelled:
            conn.execute(_TOLD, (device, to_text(at), order.placer))


def rows(conn: sqlite3.Connection, specimen: str = "", *, every: bool = False, limit: int = 1000) -> list[Row]:
    """Orders, the latest first; cancelled ones only with `every`."""
    sql = (
        "SELECT payload, status, stored_at, changed_at, sent_to, sent_at FROM orders"
        " WHERE (? = '' OR specimen = ?) AND (? OR status <> 'cancelled') ORDER BY id DESC LIMIT ?"
    )
    found = conn.execute(sql, (specimen, specimen, every, limit)).fetchall()
    return [
        Row(_order(payload, status), status, from_text(stored), from_text(changed), to, None if at is None else from_text(at))
        for payload, status, stored, changed, to, at in found
    ]


def forget(conn: sqlite3.Connection, now: datetime) -> int:
    """Delete what is older than KEPT, inside the caller's transaction; how many."""
    return conn.execute("DELETE FROM orders WHERE stored_at < ?", (to_text(now - KEPT),)).rowcount


def _orders(conn: sqlite3.Connection, where: str, given: dict[str, str]) -> list[WorkOrder]:
    sql = f"SELECT payload, status FROM orders WHERE {where} ORDER BY id LIMIT {FOUND_MAX}"  # noqa: S608 - our own conditions
    return [_order(payload, status) for payload, status in conn.execute(sql, given)]


def _order(payload: str, status: str) -> WorkOrder:
    try:
        order = _decoder.decode(payload)
    except (msgspec.DecodeError, ValueError):
        raise DamagedError("the journal holds an order that it never wrote") from None
    return msgspec.structs.replace(order, cancelled=True) if status == "cancelled" else order
