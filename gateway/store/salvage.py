"""A new journal out of a damaged one: every row that can be read, under its own number; what could not be read is counted.

Rows are read twice: along the trees, halving around pages that cannot be read, and then from every leaf by itself, which also
finds what stands below a lost inner page, behind a lost first page, or in the log behind a damaged place. The damaged files are
only read; they are set aside as evidence at the end, in one step with the new file's coming.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

import msgspec

from gateway.errors import StoreError
from gateway.store import audit, database, mending, swap
from gateway.store.damage import is_damage
from gateway.store.pages import NULL, PAGE_SIZE, Pages, Value, Wanted, is_blob
from gateway.store.shapes import Shape, match, mended, shapes
from gateway.store.times import to_text
from gateway.store.wal import Log

log = logging.getLogger(__name__)

Row: TypeAlias = tuple[Value, ...]

NEW = f"{database.FILE}.salvaging"
BY = "wardlink"
"""Who did it, in the audit trail: nobody asked for it."""
CHUNK = 1024
"""Report numbers read in one go, 6 MB; halved around damage."""
CHUNK_MIN = 8
"""Numbers that are left to the leaves when they cannot be read together: asking for fewer would cost more than it finds."""
SPAN_MAX = 100_000_000
"""Numbers asked for: a damaged number must not make the salvage endless. Rows beyond are found by their leaves."""
NUMBER_MAX = 10**12 - 1
"""The highest report number that a message id has room for; a higher one is damage."""
GAP = 1_000_000
"""Numbers left unused behind the highest known: what people wrote down of lost reports must not mean another one later."""
ROOM = 1.2
"""The new file is rarely larger than the old; its indexes may be."""

_LOWEST = "SELECT min(id) FROM reports"
_HIGHEST = "SELECT max(id) FROM reports"
_NUMBERED = "SELECT name, seq FROM sqlite_sequence"


@dataclass(slots=True)
class Salvaged:
    """What came of it. `found`: table to rows; `lost`: destination to device to reports; `notes`: what else is to be known."""

    why: str
    evidence: str
    at: str
    found: Counter[str] = field(default_factory=Counter)
    numbers: dict[str, int] = field(default_factory=dict)
    """Table to the highest number that it had given out, as far as it says so."""
    lost: dict[str, dict[str, int]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def number(self, table: str, number: Value) -> None:
        """Note a number that a table had given out."""
        if isinstance(number, int) and 0 < number <= NUMBER_MAX:
            self.numbers[table] = max(number, self.numbers.get(table, 0))

    def say(self) -> str:
        """For the log."""
        lost = ", ".join(f"{to}: {sum(devices.values())}" for to, devices in self.lost.items())
        said = f"{self.why}; salvaged {self.found['reports']} reports, lost of what was to be sent: {lost or 'none'}"
        return "; ".join([said, *self.notes, f"the damaged file is kept as {self.evidence}"])


def salvage(folder: Path, why: str, wal: Log, now: datetime) -> Salvaged:
    """Make the journal in `folder` anew. StoreError when the disk has no room for it; then nothing was changed."""
    source, target = folder / database.FILE, folder / NEW
    done = Salvaged(why, swap.name_aside(folder, database.FILE, "damaged", now), to_text(now))
    _check_room(folder, source)
    try:
        for end in swap.BESIDE:
            target.with_name(f"{NEW}{end}").unlink(missing_ok=True)
        with closing(_create(target)) as conn:
            known = shapes(conn)
            conn.execute("BEGIN")
            if wal.broken:  # the newest images stand where SQLite does not look
                _from_leaves(conn, source, wal, known, done)
            _from_trees(conn, source, known, done)
            _from_leaves(conn, source, wal, known, done)
            mending.mend(conn, done, gap=GAP, now=now)
            _record(conn, done, now)
            conn.execute("COMMIT")
            conn.execute("PRAGMA journal_mode=WAL")
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"the damaged journal {source} could not be salvaged: {error}; it was left as it is") from error
    swap.sync(target)
    swap.swap(folder, why, NEW, database.FILE, done.evidence)
    return done


def _check_room(folder: Path, source: Path) -> None:
    disk = os.statvfs(folder)
    needed = int(source.stat().st_size * ROOM) if source.is_file() else 0
    if disk.f_bavail * disk.f_frsize < needed:
        raise StoreError(
            f"the journal {source} is damaged, and the disk has no room for a new one: {needed // 2**20} MiB are needed"
            f" in {folder}; make room (older *.damaged-* and *.aside-* files may be moved elsewhere), then start again"
        )


def _create(target: Path) -> sqlite3.Connection:
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    conn = sqlite3.connect(target, isolation_level=None, uri=True)
    conn.execute(f"PRAGMA page_size={PAGE_SIZE}")
    conn.execute("PRAGMA auto_vacuum=INCREMENTAL")
    conn.execute("PRAGMA journal_mode=OFF")  # nobody needs half of it: a salvage that was interrupted begins anew
    conn.execute("PRAGMA synchronous=OFF")  # synced as a whole before it takes the old one's place
    database.migrate(conn)
    return conn


# ---- along the trees


class _NoText(bytes):
    """A text whose bytes are none."""


def _text(data: bytes) -> str | _NoText:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return _NoText(data)


def _from_trees(conn: sqlite3.Connection, source: Path, known: Sequence[Shape], done: Salvaged) -> None:
    if not source.is_file():
        return
    try:
        with closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)) as old:
            old.text_factory = _text
            old.execute("BEGIN")
            for shape in known:
                _from_tree(conn, old, shape, done)
            for table, number in _read(old, _NUMBERED) or ():
                done.number(str(table), number)
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        if isinstance(error, sqlite3.OperationalError) and not is_damage(error):
            raise
        log.warning("the trees of the damaged journal cannot be followed (%s): its leaves are read one by one", error)


def _from_tree(conn: sqlite3.Connection, old: sqlite3.Connection, shape: Shape, done: Salvaged) -> None:
    there = {str(row[1]) for row in old.execute(f"PRAGMA table_info({shape.table})")}
    columns = tuple(column for column in shape.columns if column in there)  # the file may be of an older schema
    if not columns:
        return
    listed = f"SELECT {', '.join(columns)} FROM {shape.table}"  # noqa: S608 - our own names
    for row in _by_stretches(old, listed) if shape.table == "reports" else _from_both_ends(old, listed, shape.key):
        _insert(conn, shape.table, columns, mended(shape, row, done.at), done.found)


def _from_both_ends(old: sqlite3.Connection, listed: str, key: Sequence[str]) -> Iterator[Row]:
    """A table from its beginning up to the damage, and from its end down to it."""
    for order in ("ASC", "DESC"):
        try:
            yield from old.execute(f"{listed} ORDER BY {', '.join(f'{one} {order}' for one in key)}")
        except sqlite3.Error as error:
            if not is_damage(error):
                raise
        else:
            return


def _by_stretches(old: sqlite3.Connection, listed: str) -> Iterator[Row]:
    """Reports, a stretch of numbers at a time; one that cannot be read is halved until what is left is for the leaves."""
    lowest, highest = (
        next((one for (one,) in _read(old, sql) or () if isinstance(one, int)), None) for sql in (_LOWEST, _HIGHEST)
    )
    numbered = [number for name, number in _read(old, _NUMBERED) or () if name == "reports" and isinstance(number, int)]
    first = 1 if lowest is None else lowest
    last = min(max(numbered, default=0) if highest is None else highest, first + SPAN_MAX)
    stretches = [(start, start + CHUNK - 1) for start in range(first, last + 1, CHUNK)][::-1]
    while stretches:
        first, last = stretches.pop()
        rows = _read(old, f"{listed} NOT INDEXED WHERE id BETWEEN {first} AND {last}")
        if rows is not None:
            yield from rows
        elif last - first >= CHUNK_MIN:
            middle = (first + last) // 2
            stretches += [(middle + 1, last), (first, middle)]


def _read(old: sqlite3.Connection, sql: str) -> list[Row] | None:
    """The rows of a query; None when it meets damage."""
    try:
        return old.execute(sql).fetchall()
    except sqlite3.Error as error:
        if not is_damage(error) and not str(error).startswith("no such table"):  # a schema of which only a part is left
            raise
        return None


# ---- from the leaves


def _from_leaves(conn: sqlite3.Connection, source: Path, wal: Log, known: Sequence[Shape], done: Salvaged) -> None:
    if not source.is_file():
        return
    with Pages(source, wal) as pages:
        for cell in pages.cells(_unfound(conn, known)):
            if (found := match(cell, known)) is not None:
                shape, row = found
                _insert(conn, shape.table, shape.columns[: len(row)], row, done.found)
            elif cell.rowid is not None and len(cell.values) == 2:  # a row of sqlite_sequence
                done.number(str(cell.values[0]), cell.values[1])


def _unfound(conn: sqlite3.Connection, known: Sequence[Shape]) -> Wanted:
    """Which rows on the leaves could be of use: most are reports that the trees gave already, or rows of indexes."""
    of_keys = [shape for shape in known if shape.without_rowid]
    (report,) = (shape for shape in known if shape.table == "reports")
    blob = report.columns.index("raw")
    alike = any(one is not report and one.kinds[blob : blob + 1] == ("BLOB",) and one.alias == 0 for one in known)
    lookup = "SELECT 1 FROM reports WHERE id = ?"

    def wanted(rowid: int | None, kinds: list[int]) -> bool:
        if rowid is None:
            return any(shape.may_be(kinds) for shape in of_keys)
        is_report = not alike and len(kinds) in report.lengths and kinds[0] == NULL and is_blob(kinds[blob])
        return not is_report or conn.execute(lookup, (rowid,)).fetchone() is None

    return wanted


def _insert(conn: sqlite3.Connection, table: str, columns: Sequence[str], row: Row, found: Counter[str]) -> None:
    """Add a row that is not there yet; one that no table of ours could hold is passed over."""
    if any(isinstance(value, _NoText) for value in row):
        if table != "reports":
            return
        row = tuple(value.decode("utf-8", "replace") if isinstance(value, _NoText) else value for value in row)
    if table == "reports" and not 0 < int(row[0] or 0) <= NUMBER_MAX:
        return
    sql = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - our own names
    with suppress(sqlite3.IntegrityError, OverflowError):
        found[table] += conn.execute(sql, row).rowcount


def _record(conn: sqlite3.Connection, done: Salvaged, now: datetime) -> None:
    said = {"why": done.why, "evidence": done.evidence, "reports": str(done.found["reports"])}
    audit.record(conn, at=now, by=BY, act="salvage", object_id=database.FILE, detail=said)
    conn.execute(
        "INSERT INTO salvages (at, evidence, why, found, lost) VALUES (?, ?, ?, ?, ?)",
        (
            to_text(now),
            done.evidence,
            done.why,
            msgspec.json.encode(dict(done.found)).decode(),
            msgspec.json.encode({"reports": done.lost, "notes": done.notes}).decode(),
        ),
    )
