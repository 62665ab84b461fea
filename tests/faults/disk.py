"""What a disk may hold after its power failed: all that was synced, and of the rest any part.

The model follows what POSIX and disks promise, and nothing more. A write is certain once a sync of its file that began after it
has ended. Before that each of its sectors may be there or not, whatever was written later. A file's name is certain once its
folder was synced; names come and go in order (a journaling file system), and may lag behind what is in the files.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.shim import Act

SECTOR = 512
"""Bytes that a disk writes wholly or not at all; the smallest in use, so that anything larger is torn, too."""
FATES = ("nothing", "everything", "first", "any")
"""What becomes of writes that were not synced: none is there; all are; those up to a moment, the last one torn; any sectors."""


@dataclass(slots=True)
class _File:
    certain: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)
    """(offset, bytes) of writes; (length, None) of cuts and growths."""
    syncing: list[int] = field(default_factory=list)
    """How many were pending when each sync that has not ended began."""


@dataclass(slots=True)
class _Naming:
    """A change to the folder: `name` is this file now, or (None) is gone; of a rename the old name goes in the same moment."""

    name: str
    file: _File | None
    former: str = ""


class Disk:
    """A folder's files as they are in memory and on the medium, from the log of what was done to them."""

    def __init__(self) -> None:
        self._named: dict[str, _File] = {}
        self._certain_names: dict[str, _File] = {}
        self._namings: list[_Naming] = []
        self._syncing: list[int] = []

    @classmethod
    def holding(cls, files: dict[str, bytes]) -> Disk:
        """A disk with these files on the medium and nothing in memory."""
        disk = cls()
        disk._named = {name: _File(bytearray(data)) for name, data in files.items()}
        disk._certain_names = dict(disk._named)
        return disk

    def follow(self, acts: Iterable[Act]) -> None:
        """These were done next."""
        for act in acts:
            self._do(act)

    def _do(self, act: Act) -> None:
        if act.kind == "C" and act.path not in self._named:
            self._name(_Naming(act.path, _File()))
        elif act.kind == "W":
            self._file(act.path).pending.append((act.offset, act.data))
        elif act.kind == "T":
            self._file(act.path).pending.append((act.offset, None))
        elif act.kind == "S":
            self._begin_sync(act.path)
        elif act.kind == "E":
            self._end_sync(act.path)
        elif act.kind == "U":
            self._name(_Naming(act.path, None))
        elif act.kind == "R":
            self._name(_Naming(act.data.decode(), self._file(act.path), act.path))

    def _file(self, path: str) -> _File:
        if path not in self._named:
            raise AssertionError(f"{path}: written to and never created: the log has a gap")
        return self._named[path]

    def _name(self, naming: _Naming) -> None:
        self._namings.append(naming)
        _apply_naming(self._named, naming)

    def _begin_sync(self, path: str) -> None:
        if path == ".":
            self._syncing.append(len(self._namings))
        elif path in self._named:
            self._named[path].syncing.append(len(self._named[path].pending))

    def _end_sync(self, path: str) -> None:
        if path == ".":
            count = self._syncing.pop(0)
            for naming in self._namings[:count]:
                _apply_naming(self._certain_names, naming)
            del self._namings[:count]
            self._syncing = [max(0, other - count) for other in self._syncing]
        elif path in self._named and (file := self._named[path]).syncing:
            count = file.syncing.pop(0)
            for at, data in file.pending[:count]:
                _apply(file.certain, at, data)
            del file.pending[:count]
            file.syncing = [max(0, other - count) for other in file.syncing]

    def after_a_cut(self, dice: random.Random, fate: str = "any") -> dict[str, bytes]:
        """The files that may be found when the power comes back, by name."""
        names = dict(self._certain_names)
        for naming in self._namings[: _how_many(dice, fate, len(self._namings))]:
            _apply_naming(names, naming)
        return {name: _survived(file, dice, fate) for name, file in names.items()}

    def unsynced(self) -> int:
        """Writes and names that are not certain."""
        return len(self._namings) + sum(len(file.pending) for file in self._named.values())


def build(files: dict[str, bytes], folder: Path) -> None:
    """Make `folder` hold these files and nothing else."""
    folder.mkdir(mode=0o700)
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(data)


def _apply_naming(names: dict[str, _File], naming: _Naming) -> None:
    names.pop(naming.former, None)
    if naming.file is None:
        names.pop(naming.name, None)
    else:
        names[naming.name] = naming.file


def _apply(content: bytearray, at: int, data: bytes | None) -> None:
    end = at if data is None else at + len(data)
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    if data is None:
        del content[end:]
    else:
        content[at:end] = data


def _how_many(dice: random.Random, fate: str, count: int) -> int:
    return {"nothing": 0, "everything": count}.get(fate, dice.randint(0, count))


def _survived(file: _File, dice: random.Random, fate: str) -> bytes:
    content = bytearray(file.certain)
    if fate == "any":
        for at, data in file.pending:
            _survive_in_part(content, at, data, dice)
        return bytes(content)
    count = _how_many(dice, fate, len(file.pending))
    for at, data in file.pending[:count]:
        _apply(content, at, data)
    if fate == "first" and count < len(file.pending):
        at, data = file.pending[count]
        if data is not None:
            _apply(content, at, data[: dice.randrange(len(data))])
    return bytes(content)


def _survive_in_part(content: bytearray, at: int, data: bytes | None, dice: random.Random) -> None:
    if data is None:
        if dice.random() < 0.5:
            _apply(content, at, None)
        return
    start = at
    while start < at + len(data):
        end = min(at + len(data), (start // SECTOR + 1) * SECTOR)
        if dice.random() < 0.5:
            _apply(content, start, data[start - at : end - at])
        start = end
