"""One file that moves a gateway to another box: journal and queue, configuration, the site's terms and profiles, keys if asked.

A tar archive without compression. `manifest.json` comes first and names every other member with its size, its SHA-256 and where
it stood. What the configuration refers to is found by reading the configuration; what it refers to and is not in the bundle is
listed, so that a person can bring it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from gateway import __version__
from gateway.errors import ActError, ConfigError
from gateway.store import backup, database, moved, swap
from gateway.store.times import to_text

FORMAT = 1
MANIFEST, JOURNAL, CONFIGURATION = "manifest.json", "journal.sqlite3", "wardlink.toml"
BLOCK = 1024 * 1024
FILE_MAX = 16 * 1024 * 1024
"""Bytes of a file that the configuration names: tables, profiles and certificates are far smaller."""
FILES_MAX = 1000
"""Files that one bundle holds: a folder of terms given by mistake as / would not end."""

_SECRETS = frozenset({"ca", "cert", "key"})
"""Keys of a configuration that name certificates and private keys."""
_OTHERS = frozenset({"terms", "profile"})


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a bundle: its name there, where it stood, what must come out."""

    name: str
    path: str
    size: int
    sha256: str


@dataclass(slots=True)
class Bundle:
    """What a bundle holds, and what the configuration names and it does not hold."""

    file: Path
    members: list[Member] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    journal: Mapping[str, Any] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The manifest."""
        members = [{"name": one.name, "path": one.path, "size": one.size, "sha256": one.sha256} for one in self.members]
        return {"format": FORMAT, **self.about, "journal": dict(self.journal), "members": members, "missing": self.missing}


def pack(folder: Path, config: Path, target: Path, *, keys: bool, by: str, now: datetime) -> Bundle:
    """Move the gateway of `folder` and `config` into `target`; from then on the journal here is marked as moved.

    ConfigError while the gateway runs or without a journal; ActError when the target is there. Interrupted, it leaves the mark
    and no bundle: nothing is sent twice; say it again, or take it back.
    """
    if target.exists():
        raise ActError(f"{target} is there already: choose another name")
    if not (folder / database.FILE).exists():
        raise ConfigError(f"there is no journal in {folder}: nothing to move")
    handle = database.lock(folder)
    try:
        if moved.read(folder) is None:
            _fold(folder)
        moved.mark(folder, to=target.absolute(), by=by, at=now)
        try:
            return _pack(folder, config, target, keys=keys, by=by, now=now)
        except Exception:
            moved.clear(folder)
            raise
    finally:
        os.close(handle)


def _fold(folder: Path) -> None:
    """Open it once, so that damage shows here and not on the other box, and the log is in the file."""
    conn = database.open_for_acts(folder)
    try:
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        conn.close()


def _pack(folder: Path, config: Path, target: Path, *, keys: bool, by: str, now: datetime) -> Bundle:
    text = config.read_bytes()
    made = Bundle(target)
    copy = folder / f"{database.FILE}.bundling"
    try:
        found = backup.backup(folder, copy, replace=True)
        made.journal = found.as_json()
        made.about = {"wardlink": __version__, "made_at": to_text(now), "made_by": by, "keys": keys, "data": str(folder)}
        sources = [(JOURNAL, copy, database.FILE), (CONFIGURATION, config, str(config))]
        wanted = list(_referred(tomllib.loads(text.decode("utf-8"))))
        for number, (path, secret) in enumerate(_files(wanted, made, keys=keys), 1):
            sources.append((f"{'keys' if secret else 'files'}/{number:03d}-{_plain(path.name)}", path, str(path)))
        made.members = [_member(name, path, stood) for name, path, stood in sources]
        with backup.partial(target) as fresh:
            _write(fresh, made, sources)
            swap.sync(fresh)
            fresh.rename(target)
            swap.sync(target.parent)
    finally:
        copy.unlink(missing_ok=True)
    return made


def _write(fresh: Path, made: Bundle, sources: Sequence[tuple[str, Path, str]]) -> None:
    with tarfile.open(fresh, "w", format=tarfile.PAX_FORMAT) as archive:
        manifest = json.dumps(made.as_json(), indent=2).encode()
        archive.addfile(_info(MANIFEST, len(manifest)), io.BytesIO(manifest))
        for (_, path, _), member in zip(sources, made.members, strict=True):
            with path.open("rb") as file:
                archive.addfile(_info(member.name, member.size), file)


def _info(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info


def _member(name: str, path: Path, stood: str) -> Member:
    with path.open("rb") as file:
        return Member(name, stood, path.stat().st_size, digest(file))


def digest(file: BinaryIO) -> str:
    """SHA-256 of what is left of a file."""
    found = hashlib.sha256()
    while block := file.read(BLOCK):
        found.update(block)
    return found.hexdigest()


def _referred(table: object, key: str = "") -> Iterator[tuple[str, bool]]:
    """Every path that a configuration names, and whether it leads to keys or certificates."""
    if isinstance(table, dict):
        for name, value in table.items():
            yield from _referred(value, name)
    elif isinstance(table, list):
        for value in table:
            yield from _referred(value, key)
    elif isinstance(table, str) and key in _SECRETS | _OTHERS and ("/" in table or table.startswith("credential:")):
        yield table, key in _SECRETS


def _files(wanted: Sequence[tuple[str, bool]], made: Bundle, *, keys: bool) -> Iterator[tuple[Path, bool]]:
    """The files to pack, each once; what is not packed is listed in `made.missing`."""
    seen: set[Path] = set()
    for text, secret in wanted:
        path = Path(text)
        found = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
        if (secret and not keys) or text.startswith("credential:") or not path.exists():
            made.missing += [text] if text not in made.missing else []
            continue
        for one in found:
            if one in seen:
                continue
            seen.add(one)
            if one.stat().st_size > FILE_MAX or len(seen) > FILES_MAX:
                raise ConfigError(f"{one}: too large for a bundle, or one of too many; the configuration names {text}")
            yield one, secret


def _plain(name: str) -> str:
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "_" for letter in name)
