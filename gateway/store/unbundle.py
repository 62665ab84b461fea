"""A bundle put in place on another box: every byte checked against the manifest before anything is changed.

A bundle may come from anywhere. Nothing of it is unpacked by name: members are read in order, each must be a plain file that the
manifest lists with this size and checksum; where they go is decided here. Files go back to where they stood only inside the
folder of the configuration; others are laid down in `unbundled` beside it, for a person to place.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.errors import ActError, ConfigError
from gateway.store import backup, database, moved, swap
from gateway.store.bundle import BLOCK, CONFIGURATION, FILE_MAX, FILES_MAX, FORMAT, JOURNAL, MANIFEST, Bundle, Member

MANIFEST_MAX = 1024 * 1024
CONFIGURATION_MAX = 4 * 1024 * 1024
"""As much as `wardlink run` reads of one."""
LAID_DOWN = "unbundled"
DATA = Path("/var/lib/wardlink")
"""Where the data folder is when the configuration does not say."""

_NAME = re.compile(r"(?:(?:files|keys)/)?[A-Za-z0-9_][A-Za-z0-9._-]*\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(slots=True)
class Placed:
    """What was done: where everything is now."""

    bundle: Bundle
    folder: Path
    config: Path
    files: list[Path] = field(default_factory=list)
    to_place: dict[str, str] = field(default_factory=dict)
    """Files that a person must place: where they lie now, to where they stood."""
    aside: Path | None = None

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "data": str(self.folder),
            "config": str(self.config),
            "files": [str(one) for one in self.files],
            "to_place": self.to_place,
            "missing": self.bundle.missing,
            "aside": None if self.aside is None else str(self.aside),
            "journal": dict(self.bundle.journal),
        }


def unpack(source: Path, config: Path, *, aside: bool, by: str, now: datetime) -> Placed:
    """Put the gateway of a bundle in place: its configuration at `config`, its journal in the folder that this names.

    ActError for a bad bundle, and when something is in the way and `aside` is not said; ConfigError while a gateway runs there.
    Nothing is changed until all is checked.
    """
    with _opened(source) as (archive, bundle), tempfile.TemporaryDirectory(dir=_beside(config), prefix=".unbundling-") as name:
        staging = Path(name)
        room = _folder(_text_of(archive, bundle))
        database.make_folder(room)
        handle = database.lock(room)
        fresh = room / f"{database.FILE}.unbundling"
        try:
            moved_before = moved.read(room) is not None
            staged = _stage(archive, bundle, staging, fresh)
            backup.verify(fresh)
            placed = Placed(bundle, room, config)
            goals = {member: _goal(member, config) for member in bundle.members if member.name != JOURNAL}
            _check_way(placed, goals, staged, aside=aside)
            for member, goal in goals.items():
                _place(staged[member.name], goal, now, placed, member)
            placed.aside = backup.put(room, fresh, by=by, now=now)
            if moved_before:
                moved.clear(room)  # its own bundle came home
            return placed
        finally:
            fresh.unlink(missing_ok=True)
            os.close(handle)


def _beside(config: Path) -> Path:
    try:
        config.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make {config.parent}: {error.strerror}") from error
    return config.parent


@contextmanager
def _opened(source: Path) -> Iterator[tuple[tarfile.TarFile, Bundle]]:
    try:
        archive = tarfile.open(source, "r:")  # noqa: SIM115 - closed below; what goes wrong while it is used is told apart
    except (tarfile.TarError, OSError) as error:
        raise ActError(f"{source} is no bundle, or is damaged: {error}") from error
    with archive:
        try:
            yield archive, _manifest(archive, source)
        except tarfile.TarError as error:
            raise ActError(f"{source} is damaged: {error}") from error


def _manifest(archive: tarfile.TarFile, source: Path) -> Bundle:
    first = archive.next()
    if first is None or first.name != MANIFEST or not first.isreg() or first.size > MANIFEST_MAX:
        raise ActError(f"{source} is no bundle: it does not begin with {MANIFEST}")
    file = archive.extractfile(first)
    assert file is not None
    try:
        told: dict[str, Any] = json.loads(file.read())
        if told["format"] != FORMAT:
            raise ActError(f"{source} is a bundle of format {told['format']}, expected {FORMAT}: it was made by another wardlink")
        members = [Member(str(m["name"]), str(m["path"]), int(m["size"]), str(m["sha256"])) for m in told["members"]]
        made = Bundle(source, members, [str(one) for one in told["missing"]], dict(told["journal"]), told)
    except (ValueError, KeyError, TypeError) as error:
        raise ActError(f"{source}: its {MANIFEST} cannot be understood: {type(error).__name__}") from error
    for member in members:
        _check(member, source)
    names = [member.name for member in members]
    if len(set(names)) != len(names) or not {JOURNAL, CONFIGURATION} <= set(names) or len(names) > FILES_MAX + 2:
        raise ActError(f"{source}: its {MANIFEST} does not list one journal, one configuration, and each file once")
    return made


def _check(member: Member, source: Path) -> None:
    most = {JOURNAL: 2**62, CONFIGURATION: CONFIGURATION_MAX}.get(member.name, FILE_MAX)
    sound = _NAME.fullmatch(member.name) and _SHA256.fullmatch(member.sha256) and 0 <= member.size <= most
    if not sound:
        raise ActError(f"{source}: it lists a file that no bundle has: {member.name[:80]!r} of {member.size} bytes")


def _text_of(archive: tarfile.TarFile, bundle: Bundle) -> str:
    """The configuration, wherever it stands in the archive."""
    (listed,) = [member for member in bundle.members if member.name == CONFIGURATION]
    for info in archive:
        if info.name == CONFIGURATION and info.isreg() and info.size == listed.size:
            file = archive.extractfile(info)
            assert file is not None
            return file.read().decode("utf-8", "replace")
    raise ActError(f"{bundle.file}: the configuration that it lists is not in it")


def _folder(text: str) -> Path:
    try:
        return Path(str(tomllib.loads(text).get("gateway", {}).get("data", DATA)))
    except (tomllib.TOMLDecodeError, AttributeError) as error:
        raise ActError(f"the configuration in the bundle is no TOML: {error}") from error


def _stage(archive: tarfile.TarFile, bundle: Bundle, staging: Path, journal: Path) -> dict[str, Path]:
    """Every member in a file of ours, each with the size and checksum that the manifest says."""
    listed = {member.name: member for member in bundle.members}
    disk = os.statvfs(journal.parent)
    if listed[JOURNAL].size * 2 > disk.f_bavail * disk.f_frsize:  # staged, and put in place
        raise ActError(f"{journal.parent} has no room for the journal: {2 * listed[JOURNAL].size // 2**20} MiB are needed")
    staged: dict[str, Path] = {}
    for info in archive.getmembers()[1:]:
        member = listed.get(info.name)
        if member is None or not info.isreg() or info.size != member.size or info.name in staged:
            raise ActError(f"{bundle.file} holds something that its manifest does not list: {info.name[:80]!r}")
        path = journal if info.name == JOURNAL else staging / str(len(staged))
        _take(archive, info, path, member)
        staged[info.name] = path
    if missing := sorted(set(listed) - set(staged)):
        raise ActError(f"{bundle.file} is cut short: {', '.join(missing)} is not in it")
    return staged


def _take(archive: tarfile.TarFile, info: tarfile.TarInfo, path: Path, member: Member) -> None:
    source = archive.extractfile(info)
    assert source is not None
    found = hashlib.sha256()
    path.unlink(missing_ok=True)
    path.touch(0o600)
    with path.open("wb") as target:
        while block := source.read(BLOCK):
            found.update(block)
            target.write(block)
    swap.sync(path)
    if found.hexdigest() != member.sha256:
        raise ActError(f"{member.name} in the bundle is damaged: its SHA-256 is not the one listed; make the bundle again")


def _goal(member: Member, config: Path) -> Path:
    """Where a file goes: where it stood, if that is inside the folder of the configuration."""
    if member.name == CONFIGURATION:
        return config
    home, stood = config.parent.resolve(), Path(member.path)
    inside = stood.is_absolute() and ".." not in stood.parts and stood.parent.resolve().is_relative_to(home)
    return stood if inside else config.parent / LAID_DOWN / Path(member.name).name


def _check_way(placed: Placed, goals: dict[Member, Path], staged: dict[str, Path], *, aside: bool) -> None:
    """ActError when something else stands where a file is to go."""
    in_way = [goal for member, goal in goals.items() if goal.exists() and not _same(goal, staged[member.name])]
    if (placed.folder / database.FILE).exists():
        in_way.append(placed.folder / database.FILE)
    if in_way and not aside:
        told = ", ".join(map(str, in_way[:5]))
        raise ActError(f"in the way, with other contents: {told}; say --force-aside to set them aside (they are kept)")


def _same(one: Path, other: Path) -> bool:
    return one.is_file() and one.read_bytes() == other.read_bytes()


def _place(staged: Path, goal: Path, now: datetime, placed: Placed, member: Member) -> None:
    goal.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if goal.exists() and not _same(goal, staged):
        goal.rename(goal.with_name(swap.name_aside(goal.parent, goal.name, "aside", now)))
    fresh = goal.with_name(f"{goal.name}{backup.PARTIAL}")
    fresh.unlink(missing_ok=True)
    fresh.touch(0o600)
    shutil.copyfile(staged, fresh)
    swap.sync(fresh)
    fresh.rename(goal)
    swap.sync(goal.parent)
    placed.files.append(goal)
    if goal.parent.name == LAID_DOWN:
        placed.to_place[str(goal)] = member.path
