"""Which errors of SQLite mean that the file itself is damaged, and not that the disk is full or somebody else is at work."""

from __future__ import annotations

import sqlite3

_DAMAGE = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_IOERR_READ", "SQLITE_IOERR_SHORT_READ", "SQLITE_IOERR_DATA")
"""Pages that cannot be read, or are none. Errors of writing are not among them: a new file on that disk would fare no better."""
_NO_TEXT = "Could not decode to UTF-8"
"""How Python words it that a text is none: SQLite itself never looks."""


def is_damage(error: BaseException | None) -> bool:
    """Whether `error` says that the journal gave back what was never written."""
    if isinstance(error, UnicodeDecodeError):  # SQLite quotes a damaged schema in its message, and Python cannot read that
        return True
    if not isinstance(error, sqlite3.Error):
        return False
    return getattr(error, "sqlite_errorname", "").startswith(_DAMAGE) or is_text_damage(error)


def is_text_damage(error: BaseException) -> bool:
    """Whether one row's text is no text."""
    return isinstance(error, sqlite3.OperationalError) and str(error).startswith(_NO_TEXT)
