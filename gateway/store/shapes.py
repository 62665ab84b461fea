"""Which table a row found on a page belongs to: told by the number of its values, their kinds, and what they look like."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

import msgspec

from gateway.model import Category, decode
from gateway.store import checksums
from gateway.store.damage import is_text_damage
from gateway.store.pages import FIRST_BLOB, NULL, Cell, Value

_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"
_LOOKS: Mapping[str, str] = {
    "at": _TIME,
    "received_at": _TIME,
    "stored_at": _TIME,
    "created_at": _TIME,
    "last_at": _TIME,
    "pinned_at": _TIME,
    "recorded_at": _TIME,
    "valid_from": _TIME,
    "valid_to": _TIME,
    "superseded_at": _TIME,
    "not_before": _TIME,
    "last_ack_at": _TIME,
    "trouble_at": _TIME,
    "changed_at": _TIME,
    "sent_at": _TIME,
    "said_at": _TIME,
    "until_at": _TIME,
    "imported_at": _TIME,
    "decided_at": _TIME,
    "since": _TIME,
    "category": "|".join(category.value for category in Category),
    "state": "held|due|retry|parked",
    "takes": r"\[.*\]",
    "payload": r"\{.*\}",
    "subject": r"\{.*\}",
    "found": r"\{.*\}",
    "lost": r"\{.*\}",
    "detail": r"\{.*\}",
    "evidence": r".*\.damaged-.*",
    "epoch": "[0-9a-f]{8}",
    "day": r"(?:\d{4}-\d\d-\d\d)?",
    "meta.key": "eui64|name|day|[a-z_]+",
    "mappings.result": "(?:number|words)?",
    "livd.doubts": r"\[.*\]",
    "livd.state": "suggested|accepted|dismissed",
    "orders.status": "open|sent|cancelled",
    "unknown_peers.status": "open|assigned|dismissed",
    "unknown_peers.first_at": _TIME,
    "unknown_peers.lost": r"\d+",
    "unknown_peers.door": r"\?|[a-z0-9-]+://.*",
    "unknown_parts.status": "kept|assigned|dismissed",
    "tally.what": r"received|delivered|(?:dropped|lost|resent|edited)\b.*",
    "tally_days.what": r"received|delivered|(?:dropped|lost|resent|edited)\b.*",
}
"""What a column's text must look like, by name, or by table and name."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A table: its columns as they stand in a record."""

    table: str
    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    needed: tuple[bool, ...]
    """NOT NULL."""
    looks: tuple[re.Pattern[str] | None, ...]
    alias: int | None
    """The column that is the row id, which a record holds as NULL."""
    without_rowid: bool
    key: tuple[str, ...]
    """What its tree is ordered by."""
    defaults: int
    """How many columns at the end may be missing: rows of before they were added."""

    @property
    def lengths(self) -> range:
        """How many columns its rows may have."""
        return range(len(self.columns) - self.defaults, len(self.columns) + 1)

    def may_be(self, kinds: Sequence[int]) -> bool:
        """Whether a record of these types can be one of its rows, at a glance."""
        return len(kinds) in self.lengths and all(
            (not needed if kind == NULL else kind >= FIRST_BLOB and kind % 2 == 1) if column == "TEXT" else kind < FIRST_BLOB
            for kind, column, needed in zip(kinds, self.kinds, self.needed, strict=False)
            if column in {"TEXT", "INTEGER"}
        )


def shapes(conn: sqlite3.Connection) -> list[Shape]:
    """Of every table of a sound journal; those with the most to check come first."""
    tables = conn.execute("SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table'").fetchall()
    found = [_shape(conn, name, without_rowid=bool(wr)) for name, wr in tables if not name.startswith("sqlite_")]
    return sorted(found, key=lambda shape: (-sum(look is not None for look in shape.looks), shape.table))


def _shape(conn: sqlite3.Connection, table: str, *, without_rowid: bool) -> Shape:
    rows = conn.execute(f"PRAGMA table_info({table})").fetchall()
    if without_rowid:  # a record there begins with the key
        rows.sort(key=lambda row: (row[5] == 0, row[5] or row[0]))
    columns = tuple(str(row[1]) for row in rows)
    keys = [i for i, row in enumerate(rows) if row[5]]
    alias = keys[0] if not without_rowid and len(keys) == 1 and rows[keys[0]][2] == "INTEGER" else None
    looks = [_LOOKS.get(f"{table}.{name}", _LOOKS.get(name)) for name in columns]
    spare = 0
    for row in reversed(rows):
        if row[5] or (row[3] and row[4] is None):
            break
        spare += 1
    return Shape(
        table,
        columns,
        tuple(str(row[2]) for row in rows),
        tuple(bool(row[3]) for row in rows),
        tuple(None if look is None else re.compile(look, re.DOTALL) for look in looks),
        alias,
        without_rowid,
        tuple(str(row[1]) for row in rows if row[5]) if without_rowid else ("rowid",),
        spare,
    )


def match(cell: Cell, known: Sequence[Shape]) -> tuple[Shape, tuple[Value, ...]] | None:
    """The table of a row and its values in that table's columns; None for what fits nowhere, such as a row of an index."""
    for shape in known:
        if (cell.rowid is None) != shape.without_rowid or len(cell.values) not in shape.lengths:
            continue
        values = cell.values
        if shape.alias is not None:
            if values[shape.alias] is not None:
                continue
            values = (*values[: shape.alias], cell.rowid, *values[shape.alias + 1 :])
        if all(_fits(shape, index, value) for index, value in enumerate(values)) and _is_genuine(shape, values):
            return shape, values
    return None


_PYTHON: Mapping[str, tuple[type, ...]] = {"INTEGER": (int,), "TEXT": (str,), "BLOB": (bytes,), "REAL": (float, int)}


def _fits(shape: Shape, index: int, value: Value) -> bool:
    if value is None:
        return not shape.needed[index]
    look = shape.looks[index]
    return isinstance(value, _PYTHON[shape.kinds[index]]) and (look is None or look.fullmatch(str(value)) is not None)


def _is_genuine(shape: Shape, values: tuple[Value, ...]) -> bool:
    """Whether what a row proves of itself holds: checksums where it has them; a report without must be one."""
    row = dict(zip(shape.columns, values, strict=False))
    if shape.table == "associations":
        told = [row.get(column) for column in checksums.ASSOCIATION]
        return row.get("crc") in {None, checksums.of_association(told)}
    if shape.table == "unknown_parts":
        return _is_part(row)
    if shape.table == "mappings":
        return checksums.is_decision(values)
    return shape.table != "reports" or _is_report(row)


def _is_part(row: Mapping[str, Value]) -> bool:
    peer, call, messages, raw = row["peer"], row["call"], row["messages"], row["raw"]
    assert isinstance(peer, int) and isinstance(call, int) and isinstance(messages, int) and isinstance(raw, bytes)  # noqa: PT018 - kinds were looked at
    return row["crc"] == checksums.of_unknown(peer, call, str(row["received_at"]), messages, raw)


def _is_report(row: Mapping[str, Value]) -> bool:
    payload, raw = str(row["payload"]).encode(), row["raw"]
    if row.get("crc") is not None:
        identity = None if row["identity"] is None else str(row["identity"])
        told = checksums.of_report(str(row["device"]), str(row["category"]), str(row["received_at"]), identity, payload)
        return checksums.of_row(told, str(row["stored_at"])) == row["crc"] and (
            isinstance(raw, bytes) and crc32(raw) == row.get("raw_crc")
        )
    try:
        decode(payload)
    except (msgspec.DecodeError, ValueError):
        return False
    return True


_SUMMED = frozenset({"reports", "associations", "unknown_parts"})


def _time(column: str) -> re.Pattern[str] | None:
    """What a column of times must look like; None for any other."""
    return re.compile(_TIME) if _LOOKS.get(column) == _TIME else None


def mended(shape: Shape, row: tuple[Value, ...], now: str) -> tuple[Value, ...]:
    """A row whose damaged times are taken back: to none where there may be none, else to `now`. Not where checksums tell."""
    if shape.table in _SUMMED:
        return row
    found = list(row)
    for index, value in enumerate(row):
        look = _time(shape.columns[index])
        if look and isinstance(value, str) and not look.fullmatch(value):
            found[index] = now if shape.needed[index] else None
    return tuple(found)


def damaged_texts(conn: sqlite3.Connection) -> str:
    """The first table with a text that is none, or a time that is none, or nothing: SQLite itself never looks at a text's bytes.

    What checksums cover is left to them: one row of these is parked, or names nobody, and the others go on.
    """
    for shape in shapes(conn):
        texts = [name for name, kind in zip(shape.columns, shape.kinds, strict=True) if kind == "TEXT" and name != "payload"]
        if not texts:
            continue
        looks = [_time(name) if shape.table not in _SUMMED else None for name in texts]
        try:
            for row in conn.execute(f"SELECT {', '.join(texts)} FROM {shape.table}"):  # noqa: S608 - our own names
                if any(look and value is not None and not look.fullmatch(value) for look, value in zip(looks, row, strict=True)):
                    return f"a time in {shape.table} is damaged"
        except sqlite3.OperationalError as error:
            if not is_text_damage(error):
                raise
            return f"a text in {shape.table} is damaged"
    return ""
