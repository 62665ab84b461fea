"""Which destinations there are, what they take, and where each stands in the journal."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping

import msgspec

from gateway.model import Category
from gateway.store.writer import Transaction

NOT_TAKEN = "dropped:category no longer taken"
_PASSED = "SELECT report, device FROM ahead WHERE destination = ? AND category = ?"
_WITH_DESTINATION = (
    "SELECT m.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' AND c.name = 'destination'"
)
_LAST = "SELECT coalesce(max(id), 0) FROM reports"


def takers(conn: sqlite3.Connection) -> dict[str, list[str]]:
    """Category to the destinations in use that take it."""
    found: dict[str, list[str]] = {}
    for destination, takes in conn.execute("SELECT id, takes FROM destinations WHERE until IS NULL ORDER BY id"):
        for category in msgspec.json.decode(takes, type=list[str]):
            found.setdefault(category, []).append(destination)
    return found


def use(
    tx: Transaction,
    takes: Mapping[str, Collection[Category]],
    begin_now: Collection[str] = (),
    formerly: Mapping[str, str] | None = None,
) -> dict[str, list[str]]:
    """Bring the table to what the configuration says, and the tallies with it; the new `takers`. `formerly`: id to former id."""
    for destination, former in (formerly or {}).items():
        rename(tx, former, destination)
    for destination, categories in takes.items():
        _use_one(tx, destination, {str(category.value) for category in categories}, begin_now=destination in begin_now)
    names = msgspec.json.encode(list(takes)).decode()
    tx.conn.execute(
        f"UPDATE destinations SET until = ({_LAST}), trouble = NULL, trouble_at = NULL"  # noqa: S608 - a constant
        " WHERE until IS NULL AND id NOT IN (SELECT value FROM json_each(?))",
        (names,),
    )
    return takers(tx.conn)


def rename(tx: Transaction, former: str, destination: str) -> bool:
    """What there is of `former` belongs to `destination` from now on; False: that has a queue of its own, or there is nothing.

    Cursor, counts, what waits, the bytes that were sent: every table with a column `destination`, whichever room it belongs to.
    """
    known = {one for (one,) in tx.conn.execute("SELECT id FROM destinations WHERE id IN (?, ?)", (former, destination))}
    if known != {former}:
        return False
    tx.flush()  # others of this commit may have counted under the former id
    tx.conn.execute("UPDATE destinations SET id = ? WHERE id = ?", (destination, former))
    for (table,) in tx.conn.execute(_WITH_DESTINATION).fetchall():
        tx.conn.execute(f'UPDATE "{table}" SET destination = ? WHERE destination = ?', (destination, former))  # noqa: S608 - of the schema
    return True


def _use_one(tx: Transaction, destination: str, takes: set[str], *, begin_now: bool) -> None:
    known = tx.conn.execute("SELECT takes, cursor, until FROM destinations WHERE id = ?", (destination,)).fetchone()
    text = msgspec.json.encode(sorted(takes)).decode()
    (last,) = tx.conn.execute(_LAST).fetchone()
    if known is None:
        cursor = last if begin_now else 0
        tx.conn.execute(
            "INSERT INTO destinations (id, takes, cursor, created_at) VALUES (?, ?, ?, ?)", (destination, text, cursor, tx.now)
        )
        _received(tx, destination, takes, cursor, last)
        return
    had, cursor, until = set(msgspec.json.decode(known[0], type=list[str])), known[1], known[2]
    counted = last if until is None else until
    _received(tx, destination, takes - had, cursor, counted)
    _received(tx, destination, takes, max(cursor, counted), last)
    _drop(tx, destination, had - takes, cursor, counted)
    tx.conn.execute("UPDATE destinations SET takes = ?, until = NULL WHERE id = ?", (text, destination))


def _received(tx: Transaction, destination: str, categories: Iterable[str], after: int, upto: int) -> None:
    """Count rows that were kept before the destination took them."""
    for device, day, n in _per_device(tx, categories, after, upto):
        tx.tally(destination, device, "received", n, day=day)


def _drop(tx: Transaction, destination: str, categories: Iterable[str], after: int, upto: int) -> None:
    """Count rows that were meant for the destination and are not taken any more."""
    for device, day, n in _per_device(tx, categories, after, upto):
        tx.tally(destination, device, NOT_TAKEN, n, day=day)
    for category in categories:
        for report, device in tx.conn.execute(_PASSED, (destination, category)).fetchall():
            tx.tally(destination, device, NOT_TAKEN, -1, day=tx.days.of(report))
        tx.conn.execute("DELETE FROM ahead WHERE destination = ? AND category = ?", (destination, category))
        tx.conn.execute(
            "DELETE FROM attempts WHERE destination = ? AND report > ?"
            " AND report IN (SELECT id FROM reports WHERE category = ? AND id > ?)",
            (destination, after, category, after),
        )


def _per_device(tx: Transaction, categories: Iterable[str], after: int, upto: int) -> list[tuple[str, str, int]]:
    """(device, day, how many) of the rows with after < id <= upto."""
    found: list[tuple[str, str, int]] = []
    for day, first, last in tx.days.runs():
        for category in categories:
            rows = tx.conn.execute(
                "SELECT device, count(*) FROM reports WHERE category = ? AND id > ? AND id <= ? GROUP BY device",
                (category, max(after, first - 1), min(upto, last)),
            ).fetchall()
            found += [(device, day, n) for device, n in rows]
    return found
