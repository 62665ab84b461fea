"""A copy of the journal that is known to be good, made while the gateway works; and a journal put back from one.

The copy is one moment's state: an open read transaction holds it while pages are copied, and writers go on beside it. Before it
gets its name it is held against what was copied: structure, rows of every table, the checksum of every report.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.errors import ActError, StoreError
from gateway.store import audit, database, identity, moved, shapes, swap
from gateway.store.integrity import ROWS_OF_A_CHECK, sound

PARTIAL = ".partial"
PAGES = 2000
"""Pages copied in one step, 8 MB: other threads get their turn in between."""
NEW = f"{database.FILE}.restoring"


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A copy that was looked through. `damaged`: reports that were damaged in the journal already; they come as they are."""

    path: Path
    bytes: int
    schema: int
    gateway: str
    eui64: str
    rows: Mapping[str, int]
    damaged: tuple[int, ...]
    first_at: str
    last_at: str

    def as_json(self) -> dict[str, Any]:
        """For scripts and for the manifest of a bundle."""
        return {
            "bytes": self.bytes,
            "schema": self.schema,
            "gateway": self.gateway,
            "eui64": self.eui64,
            "rows": dict(self.rows),
            "damaged_reports": list(self.damaged),
            "first_report_at": self.first_at,
            "last_report_at": self.last_at,
        }


def backup(folder: Path, target: Path, *, replace: bool = False) -> Copy:
    """Copy the journal in `folder` to `target`, readable by its owner alone, whether a gateway runs or not.

    ActError when the target is there already or the copy is not good, StoreError when it cannot be written; nothing is left then.
    """
    if target.exists() and not replace:
        raise ActError(f"{target} is there already: choose another name, or say --replace")
    with partial(target) as fresh:
        with closing(database.open_reader(folder, any_schema=True)) as source:
            source.execute("BEGIN")
            rows = _rows(source)
            _copy(source, fresh)
        found = verify(fresh)
        if found.rows != rows:
            raise StoreError(f"the copy of the journal has {dict(found.rows)}, expected {rows}: it was thrown away; try again")
        fresh.rename(target)
        swap.sync(target.parent)
    return dataclasses.replace(found, path=target)


@contextmanager
def partial(target: Path) -> Iterator[Path]:
    """A file beside `target` that is to become it, for its owner alone; gone again unless it was renamed.

    StoreError when the disk does not take it.
    """
    fresh = target.with_name(target.name + PARTIAL)
    try:
        fresh.unlink(missing_ok=True)
        os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
        yield fresh
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{target} cannot be written: {error}") from error
    finally:
        fresh.unlink(missing_ok=True)


def _copy(source: sqlite3.Connection, fresh: Path) -> None:
    with closing(sqlite3.connect(fresh, isolation_level=None)) as copy:
        source.backup(copy, pages=PAGES)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file; a gateway that opens it makes a log of its own again
    swap.sync(fresh)


def verify(path: Path) -> Copy:
    """Look through a backup. ActError when it is none, is of a newer wardlink, or is damaged; nothing is changed."""
    if not path.is_file():
        raise ActError(f"{path}: there is no such file")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None)) as conn:
            return _verify(conn, path)
    except sqlite3.Error as error:
        raise ActError(f"{path} is no backup of a journal, or is damaged: {error}") from error
    except StoreError as error:
        raise ActError(f"{path}: {error}") from error


def _verify(conn: sqlite3.Connection, path: Path) -> Copy:
    schema = database.check_not_newer(conn)
    found = [str(row[0]) for row in conn.execute("PRAGMA quick_check(3)").fetchall()]
    if found != ["ok"]:
        raise ActError(f"{path} is damaged: {'; '.join(found)}")
    try:
        gateway = identity.read(conn)
    except (KeyError, sqlite3.OperationalError):
        raise ActError(f"{path} is a database, but not the journal of a gateway") from None
    if text := shapes.damaged_texts(conn):
        raise ActError(f"{path} is damaged: {text}")
    damaged = tuple(row[0] for row in conn.execute(ROWS_OF_A_CHECK, (0, -1)) if not sound(row)) if schema >= 3 else ()
    first, last = conn.execute("SELECT coalesce(min(stored_at), ''), coalesce(max(stored_at), '') FROM reports").fetchone()
    return Copy(
        path=path,
        bytes=path.stat().st_size,
        schema=schema,
        gateway=gateway.name,
        eui64=gateway.eui64,
        rows=_rows(conn),
        damaged=damaged,
        first_at=first,
        last_at=last,
    )


def _rows(conn: sqlite3.Connection) -> dict[str, int]:
    names = [name for (name,) in conn.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").fetchall()]
    tables = [name for name in names if not name.startswith("sqlite_")]
    return {name: conn.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables}  # noqa: S608 - the schema's names


def restore(folder: Path, source: Path, *, aside: bool, by: str, now: datetime) -> tuple[Copy, Path | None]:
    """Put `source` in the place of the journal; what it was, and where the former journal is now (with `aside`).

    ConfigError while a gateway runs or after the journal was moved away; ActError for a bad copy, or when a journal is there and
    `aside` is not said. What was delivered after the copy was made is sent again, under the same ids.
    """
    database.make_folder(folder)
    handle = database.lock(folder)
    try:
        moved.refuse(folder)
        found = verify(source)
        there = (folder / database.FILE).exists() or swap.read(folder) is not None
        if there and not aside:
            raise ActError(
                f"there is a journal in {folder} already, and what waits in it would not be sent:"
                " say --force-aside to set it aside (it is kept), or choose another `data` folder"
            )
        return found, put(folder, source, by=by, now=now)
    finally:
        os.close(handle)


def put(folder: Path, source: Path, *, by: str, now: datetime) -> Path | None:
    """`source` becomes the journal, at once and whatever happens; where the former one is. Under the folder's lock."""
    fresh = folder / NEW
    swap.finish(folder)
    try:
        for end in swap.BESIDE:
            fresh.with_name(fresh.name + end).unlink(missing_ok=True)
        os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
        shutil.copyfile(source, fresh)
        with closing(sqlite3.connect(fresh, isolation_level=None)) as conn, database.transaction(conn):
            audit.record(conn, at=now, by=by, act="restore", object_id=database.FILE, detail={"from": str(source)})
        swap.sync(fresh)
        aside = swap.name_aside(folder, database.FILE, "aside", now)
        had = (folder / database.FILE).exists()
        swap.swap(folder, "a backup was being put back", NEW, database.FILE, aside)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"the journal could not be put into {folder}: {error}; what was there is there") from error
    return folder / aside if had else None
