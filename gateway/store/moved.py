"""A journal that was carried to another box must not be used here any more: both would send what waits in it."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.errors import ConfigError
from gateway.store import swap
from gateway.store.times import to_text

MARK = "journal.moved"


def mark(folder: Path, *, to: Path, by: str, at: datetime) -> None:
    """From now on nobody opens it for writing."""
    fresh = folder / f"{MARK}.new"
    fresh.touch(0o600)
    fresh.write_text(json.dumps({"to": str(to), "by": by, "at": to_text(at)}), "utf-8")
    swap.sync(fresh)
    fresh.rename(folder / MARK)
    swap.sync(folder)


def read(folder: Path) -> dict[str, str] | None:
    """Where it went, who carried it and when; None when it is here."""
    try:
        found: Any = json.loads((folder / MARK).read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        found = {}
    told = found if isinstance(found, dict) else {}
    return {key: str(told.get(key, "?")) for key in ("to", "by", "at")}


def clear(folder: Path) -> None:
    """It is used here again."""
    (folder / MARK).unlink(missing_ok=True)
    swap.sync(folder)


def refuse(folder: Path) -> None:
    """ConfigError when it was carried away."""
    if (found := read(folder)) is not None:
        raise ConfigError(
            f"the journal in {folder} was moved into the bundle {found.get('to', '?')} by {found.get('by', '?')} at"
            f" {found.get('at', '?')[:19]}Z, to go on on another box: two gateways would send what waits in it twice."
            " If no other box has taken it over, `wardlink bundle --take-back` makes it usable here again"
        )
