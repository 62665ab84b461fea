"""One file takes the place of another with its log, as if at once: what is to be moved is written down first, and finished later.

`journal.repair` in the data folder says that the journal there is not to be used as it is: either it is suspected of damage (the
next start looks into it), or files were being moved when the power went (the next start goes on). Acts of other processes wait.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.errors import StoreError

MARK = "journal.repair"
BESIDE = ("", "-wal", "-shm")
"""The files that one SQLite database consists of."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Why the journal is not to be used as it is; `moves` (from, to) where files are under way."""

    why: str
    moves: tuple[tuple[str, str], ...] = ()


def read(folder: Path) -> Mark | None:
    """The mark, where there is one; one that cannot be read is a suspicion."""
    try:
        found: Any = json.loads((folder / MARK).read_text("utf-8"))
        return Mark(str(found["why"]), tuple((str(one), str(other)) for one, other in found["moves"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return Mark("the mark of an earlier repair cannot be read")


def suspect(folder: Path, why: str) -> None:
    """Have the next start look into it; harmless when a mark is there already."""
    if not (folder / MARK).exists():
        with suppress(
            OSError
        ):  # a disk that takes nothing any more: the next start finds the damage by itself, or meets it again
            _write(folder, Mark(why))


def clear(folder: Path) -> None:
    """The journal may be used."""
    (folder / MARK).unlink(missing_ok=True)


def refuse(folder: Path) -> None:
    """StoreError while a repair is due or under way: what was written now could be lost with the damaged file."""
    mark = read(folder)
    if mark is not None:
        raise StoreError(
            f"the journal in {folder} is to be repaired ({mark.why}): the gateway does that at its start; try again then"
        )


def name_aside(folder: Path, file: str, word: str, now: datetime) -> str:
    """A name that is free: journal.sqlite3.damaged-20261121T151403Z."""
    base = f"{file}.{word}-{now.strftime('%Y%m%dT%H%M%SZ')}"
    number, name = 1, base
    while any((folder / f"{name}{end}").exists() for end in BESIDE):
        number += 1
        name = f"{base}-{number}"
    return name


def swap(folder: Path, why: str, new: str, file: str, aside: str) -> None:
    """`file` becomes `aside`, with its log, and `new` becomes `file`; whatever happens in between, `finish` ends it."""
    moves = [(f"{file}{end}", f"{aside}{end}") for end in BESIDE if (folder / f"{file}{end}").exists()]
    mark = Mark(why, (*moves, (new, file)))
    _write(folder, mark)
    _move(folder, mark.moves)


def finish(folder: Path) -> Mark | None:
    """End a swap that was interrupted; the mark where there is a suspicion to look into."""
    mark = read(folder)
    if mark is None or not mark.moves:
        return mark
    _move(folder, mark.moves)
    return None


def _move(folder: Path, moves: Sequence[tuple[str, str]]) -> None:
    """In order; done already is what stands at its new name. The names aside are fresh, so that tells."""
    for source, target in moves:
        if (folder / source).exists() and not (folder / target).exists():
            (folder / source).rename(folder / target)
            sync(folder)
    clear(folder)
    sync(folder)


def _write(folder: Path, mark: Mark) -> None:
    fresh = folder / f"{MARK}.new"
    fresh.touch(0o600)
    fresh.write_text(json.dumps({"why": mark.why, "moves": mark.moves}), "utf-8")
    sync(fresh)
    fresh.rename(folder / MARK)
    sync(folder)


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, on the disk."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
