"""What a person or a laboratory system says of orders, recorded and audited: in the gateway and from another process alike."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from gateway.errors import ActError
from gateway.model import WorkOrder
from gateway.store import audit, orders
from gateway.store.database import joined
from gateway.store.orders import Outcome
from gateway.store.times import utc_now

TESTS_MAX = 200
"""Tests of one order: more than any panel has."""
TEXT_MAX = 80
"""Characters of an id or a code: ASTM and HL7 fields hold fewer; what is longer is a mistake, and would not fit a frame."""
PRIORITIES = "SARCP"


def place(conn: sqlite3.Connection, order: WorkOrder, *, by: str, source: str, now: datetime | None = None) -> Outcome:
    """Keep an order, or the present form of one. ActError when it cannot be one, StoreError when it could not be kept."""
    check(order)
    at = now or utc_now()
    with joined(conn):
        outcome = orders.place(conn, order, at)
        if outcome in {Outcome.NEW, Outcome.CHANGED}:
            patient = order.patient.patient_id if order.patient else ""
            detail = {"specimen": order.specimen, "tests": " ".join(order.tests), "patient_id": patient, "source": source}
            audit.record(conn, at=at, by=by, act="order", object_id=order.placer, detail=detail)
    return outcome


def cancel(conn: sqlite3.Connection, placer: str, *, by: str, source: str, now: datetime | None = None) -> Outcome:
    """Cancel an order. StoreError when that could not be kept."""
    at = now or utc_now()
    with joined(conn):
        outcome = orders.cancel(conn, placer, at)
        if outcome is Outcome.CANCELLED:
            audit.record(conn, at=at, by=by, act="cancel order", object_id=placer, detail={"source": source})
    return outcome


def check(order: WorkOrder) -> None:
    """Raise ActError, saying what was got and what was expected, when no analyzer could be sent this."""
    named = {"placer number": order.placer, "specimen id": order.specimen}
    for what, text in named.items():
        if not text.strip():
            raise ActError(f"an order without {what}: expected one")
    if not order.tests or len(order.tests) > TESTS_MAX:
        raise ActError(f"order {order.placer!r}: got {len(order.tests)} tests, expected 1 to {TESTS_MAX}")
    texts = {**named, **{f"test {n}": test for n, test in enumerate(order.tests, 1)}, "specimen type": order.specimen_type}
    for what, text in texts.items():
        if len(text) > TEXT_MAX or not text.isprintable():
            raise ActError(f"{what}: got {text[:TEXT_MAX]!r}, expected at most {TEXT_MAX} printable characters")
    if not all(order.tests):
        raise ActError(f"order {order.placer!r}: got an empty test code, expected the codes that the analyzer knows")
    if order.priority not in PRIORITIES or len(order.priority) != 1:
        raise ActError(f"order {order.placer!r}: got the priority {order.priority!r}, expected one of {', '.join(PRIORITIES)}")
