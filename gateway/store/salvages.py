"""What was salvaged, as long as the evidence stands in the data folder: a person who has seen to it moves that away."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import msgspec

LISTED_MAX = 5
"""The latest ones that are told of: a disk that needs more is to be replaced."""
_TOLD = "SELECT at, evidence, why, found, lost FROM salvages ORDER BY id DESC LIMIT ?"


def salvages(conn: sqlite3.Connection) -> list[dict[str, Any]]:
    """The latest salvages whose evidence is still there, newest first, for `wardlink status` and its JSON."""
    (file,) = [row[2] for row in conn.execute("PRAGMA database_list") if row[1] == "main"]
    folder = Path(file).parent
    rows = conn.execute(_TOLD, (LISTED_MAX,)).fetchall()
    return [_told(folder, row) for row in rows if (folder / row[1]).exists()]


def _told(folder: Path, row: tuple[str, str, str, str, str]) -> dict[str, Any]:
    at, evidence, why, found, lost = row
    told = msgspec.json.decode(lost, type=dict[str, Any])
    return {
        "at": at,
        "why": why,
        "evidence": str(folder / evidence),
        "reports": msgspec.json.decode(found, type=dict[str, int]).get("reports", 0),
        "lost": told["reports"],
        "notes": told["notes"],
    }
