"""Opening the journal file: pragmas, numbered schemas, one gateway a folder."""

from __future__ import annotations

import fcntl
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gateway.errors import ConfigError, StoreError
from gateway.store import moved, swap

FILE = "journal.sqlite3"
BUSY_TIMEOUT_MS = 5_000
"""How long a writer waits for another process' transaction: a person's act takes milliseconds, a stuck one must show."""
WAL_LIMIT = 16 * 1024 * 1024
"""The write-ahead log is cut back to this after a checkpoint: four checkpoints' worth, so that it is rarely regrown."""

_SCHEMAS = Path(__file__).parent / "schema"
_NUMBERED = re.compile(r"(\d{3})\.sql\Z")


def schemas(folder: Path = _SCHEMAS) -> list[tuple[int, str]]:
    """The numbered schema files, in order: (number, SQL)."""
    found = [(int(match[1]), path.read_text("utf-8")) for path in folder.iterdir() if (match := _NUMBERED.fullmatch(path.name))]
    return sorted(found)


def connect(folder: Path) -> sqlite3.Connection:
    """A connection that may write: WAL, every commit synced. StoreError when the file cannot be opened as one."""
    swap.refuse(folder)
    path = folder / FILE
    try:
        _make(path)
        conn = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"cannot open the journal {path}: {error}") from error
    try:
        _set_pragmas(conn)
    except sqlite3.Error as error:
        conn.close()
        raise StoreError(f"cannot use the journal {path}: {error}") from error
    return conn


def _make(path: Path) -> None:
    """An empty file for its owner alone, where there is none.

    A file that is there is never opened beside SQLite: closing it would drop all locks that this process has on it (fcntl(2)),
    and the next command of another process that ends would take itself for the last, and delete the log that we write to.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))


def _set_pragmas(conn: sqlite3.Connection) -> None:
    conn.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    conn.execute("PRAGMA auto_vacuum=INCREMENTAL")  # only heeded before the first table
    (mode,) = conn.execute("PRAGMA journal_mode=WAL").fetchone()
    if mode != "wal":
        raise StoreError(f"the file system of the journal cannot do write-ahead logging: got mode {mode!r}, expected 'wal'")
    conn.execute("PRAGMA synchronous=FULL")
    conn.execute(f"PRAGMA journal_size_limit={WAL_LIMIT}")
    # Debian's SQLite zeroes what it frees, through the log: on a full disk that takes the very space that deleting should give.
    conn.execute("PRAGMA secure_delete=FAST")


def migrate(conn: sqlite3.Connection, steps: list[tuple[int, str]] | None = None) -> None:
    """Bring the file to the newest schema: each step wholly or not at all. StoreError for a newer file or a failed step."""
    steps = schemas() if steps is None else steps
    version = check_not_newer(conn, steps)
    for number, sql in steps:
        if number > version:
            _step(conn, number, sql)


def check_not_newer(conn: sqlite3.Connection, steps: list[tuple[int, str]] | None = None) -> int:
    """The file's schema number; StoreError when it is newer than this program knows."""
    known = (schemas() if steps is None else steps)[-1][0]
    (version,) = conn.execute("PRAGMA user_version").fetchone()
    if version > known:
        raise StoreError(
            f"the journal has schema {version}, this wardlink knows up to {known}: "
            "it was written by a newer wardlink; start that one again, the journal was not touched"
        )
    return int(version)


def _step(conn: sqlite3.Connection, number: int, sql: str) -> None:
    try:
        conn.executescript(f"BEGIN IMMEDIATE;\n{sql}\n;PRAGMA user_version={number};\nCOMMIT;")
    except sqlite3.Error as error:
        if conn.in_transaction:
            conn.execute("ROLLBACK")
        raise StoreError(f"the journal could not be brought to schema {number} and was left as it was: {error}") from error


@contextmanager
def transaction(conn: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All or nothing, with the write lock from the start. StoreError when it cannot be made durable."""
    try:
        conn.execute("BEGIN IMMEDIATE")
        try:
            yield conn
            conn.execute("COMMIT")
        finally:
            if conn.in_transaction:
                conn.execute("ROLLBACK")
    except sqlite3.Error as error:
        raise StoreError(f"the journal could not be written: {error}") from error


@contextmanager
def joined(conn: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """The caller's transaction where there is one, else one of its own."""
    if conn.in_transaction:
        yield conn
        return
    with transaction(conn):
        yield conn


def open_reader(folder: Path, *, any_schema: bool = False) -> sqlite3.Connection:
    """Read-only access while a gateway runs (or not). StoreError when there is no journal, a newer one, or (but for `any_schema`)
    one of an older wardlink, that no gateway has opened since.
    """
    swap.refuse(folder)
    path = folder / FILE
    if not path.exists():
        raise StoreError(f"there is no journal at {path}: expected the data folder of a gateway that ran at least once")
    try:
        conn = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise StoreError(f"cannot read the journal {path}: {error}") from error
    try:
        conn.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        conn.execute("PRAGMA query_only=1")
        version = check_not_newer(conn)
        if not any_schema:
            _check_not_older(path, version)
    except sqlite3.Error as error:
        conn.close()
        raise StoreError(f"cannot read the journal {path}: {error}") from error
    except StoreError:
        conn.close()
        raise
    return conn


def _check_not_older(path: Path, version: int) -> None:
    newest = schemas()[-1][0]
    if version < newest:
        raise StoreError(
            f"the journal {path} has schema {version}, this wardlink reads {newest}: start the gateway once, it brings it there;"
            " `wardlink backup` copies it as it is"
        )


def open_for_acts(folder: Path) -> sqlite3.Connection:
    """A second writer, for what a person does from another process; makes the journal when there is none yet."""
    moved.refuse(folder)
    make_folder(folder)
    conn = connect(folder)
    try:
        migrate(conn)
    except StoreError:
        conn.close()
        raise
    return conn


def make_folder(folder: Path) -> None:
    """The data folder, readable by nobody else; ConfigError when it cannot be made."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make the data folder {folder}: {error.strerror}; check the path and who owns it") from error


def lock(folder: Path) -> int:
    """Take the folder for this process; the file descriptor keeps it. ConfigError when another gateway has it."""
    path = folder / "journal.lock"
    try:
        handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"cannot make the lock file {path}: {error.strerror}; check who owns the folder") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise ConfigError(
            f"another gateway is running on the data folder {folder}: stop it first, or set another `data` folder"
        ) from error
    return handle
