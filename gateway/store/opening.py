"""Before a journal is opened to be used: is it one, is it whole, was it suspected? What is damaged is salvaged first.

What is looked at here takes milliseconds, so that devices are acknowledged soon; the whole file is checked while the
gateway works (gateway/store/integrity.py), and what that finds, or what a query meets, comes back here with the next start.
"""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

from gateway.errors import StoreError
from gateway.store import database, swap, wal
from gateway.store.damage import is_damage
from gateway.store.pages import PAGE_SIZE
from gateway.store.salvage import Salvaged, salvage
from gateway.store.shapes import damaged_texts
from gateway.store.times import utc_now

log = logging.getLogger(__name__)

_NEEDED = {"meta", "reports", "destinations", "behind", "attempts", "tally", "associations", "audit"}
_SMALL = ("meta", "epochs", "destinations", "salvages")
"""Tables that are read whole at every start: a few rows each."""

_CONTRADICTIONS = (
    (
        "SELECT 1 FROM tally WHERE destination NOT IN (SELECT id FROM destinations) LIMIT 1",
        "a destination that reports were counted for is missing",
    ),
    (
        (
            "SELECT 1 FROM destinations WHERE cursor > max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'reports'), 0),"
            " coalesce((SELECT max(id) FROM reports), 0)) LIMIT 1"
        ),
        "a destination has come further than there are reports",
    ),
    (
        "SELECT 1 FROM reports WHERE NOT EXISTS (SELECT 1 FROM epochs WHERE first <= (SELECT min(id) FROM reports)) LIMIT 1",
        "there are reports of no known run",
    ),
    (
        "SELECT 1 FROM destinations WHERE NOT EXISTS (SELECT 1 FROM meta WHERE key = 'eui64') LIMIT 1",
        "the gateway's identity is missing",
    ),
)
"""What no sound journal says: a page that another one, or an empty one, was written over looks whole to SQLite."""


def look(folder: Path) -> Salvaged | None:
    """Make the journal in `folder` fit to be opened; what a salvage came to, None where none was needed.

    Under the folder's lock. StoreError when it is damaged and cannot be salvaged either; it is left as it is then.
    """
    suspicion = swap.finish(folder)
    path = folder / database.FILE
    log_beside = wal.Log()
    if path.is_file():
        log_beside = wal.examine(path.with_name(f"{path.name}-wal"), PAGE_SIZE)
    why = _fault(folder, log_beside, thoroughly=suspicion is not None)
    if not why:
        swap.clear(folder)
        return None
    if suspicion is not None:
        why = f"{suspicion.why}; {why}"
    log.error("the journal %s is damaged (%s): salvaging what can be read; devices are not acknowledged meanwhile", path, why)
    swap.suspect(folder, why)
    done = salvage(folder, why, log_beside, utc_now())
    log.error("the journal was damaged and made anew: %s", done.say())
    return done


def _fault(folder: Path, beside: wal.Log, *, thoroughly: bool) -> str:
    """What is wrong with the file, or nothing; a file that is not there yet is not wrong."""
    path = folder / database.FILE
    if not path.exists():
        return ""
    if not path.is_file():
        return "it is no file"
    if path.stat().st_size == 0:
        was_used = (folder / "journal.reserve").exists() or bool(beside.pages)
        return "it is empty, though reports were kept in it" if was_used else ""
    if beside.broken:
        return "its log is damaged, and commits stand behind the damage"
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)) as conn:
            return _sanity(conn) or (_everything(conn) if thoroughly else "")
    except (sqlite3.Error, UnicodeDecodeError) as error:
        if is_damage(error) or not isinstance(error, sqlite3.OperationalError):
            return str(error)
        raise StoreError(f"cannot read the journal {path}: {error}") from error


def _sanity(conn: sqlite3.Connection) -> str:
    """The schema and the tables without which nothing works."""
    tables = {name for (name,) in conn.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()}
    version = database.check_not_newer(conn)
    if not tables and not version:
        return ""  # made, and nothing was written yet
    if missing := sorted(_NEEDED - tables):
        return f"its schema is damaged: no table {', '.join(missing)}"
    if not version:
        return "its schema is damaged: it has no version"
    for table in _SMALL:
        if table in tables:
            conn.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 - our own names
    if "epochs" not in tables:
        return ""  # of before schema 3
    return next((why for sql, why in _CONTRADICTIONS if conn.execute(sql).fetchone()), "")


def _everything(conn: sqlite3.Connection) -> str:
    """Whether what was suspected is so: every page, every index entry, every text."""
    found = [str(row[0]) for row in conn.execute("PRAGMA integrity_check(3)").fetchall()]
    if found != ["ok"]:
        return "; ".join(" ".join(one.split()) for one in found)
    return damaged_texts(conn)
