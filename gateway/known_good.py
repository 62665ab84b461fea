"""Configurations that ran: kept in the data folder, so that a gateway whose file was spoilt starts with the last good one.

A kept file is the configuration itself, byte for byte, behind one comment line that says where it came from and since when it
ran. A person can copy it back; a damaged one is recognised by its SHA-256 and never used.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gateway import __version__, config
from gateway.config import GatewayConfig
from gateway.errors import ConfigError
from gateway.loaded import Loaded

log = logging.getLogger(__name__)

FOLDER = "configurations"
"""In the data folder."""
KEPT_MAX = 10
"""Configurations that are kept: a month of changes on a ward; each has a few kilobytes."""
_HEAD = b"# wardlink ran with this: "
_NUMBERED = re.compile(r"(\d{6})-\d{8}T\d{6}Z-[0-9a-f]{12}\.toml\Z")
_DATA = re.compile(rb"""^\s*data\s*=\s*(?:"([^"\\\n]+)"|'([^'\n]+)')""", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Kept:
    """A configuration that ran. `path`: the file that it was read from; `since`: when it was first known to be good."""

    file: Path
    path: Path
    sha256: str
    since: datetime
    version: str
    text: bytes


def keep(folder: Path, loaded: Loaded, now: datetime) -> None:
    """Keep `loaded` as the latest good one of data folder `folder`; those beyond KEPT_MAX go. Raises OSError."""
    own = folder / FOLDER
    own.mkdir(mode=0o700, exist_ok=True)
    kept = _files(own)
    latest = _read(kept[-1]) if kept else None
    if latest is not None and (latest.path, latest.sha256) == (loaded.path, loaded.sha256):
        return
    number = int(kept[-1].name[:6]) + 1 if kept else 1
    head = {"path": str(loaded.path), "sha256": loaded.sha256, "since": now.isoformat(), "version": __version__}
    name = f"{number:06}-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{loaded.sha256[:12]}.toml"
    _write(own / name, _HEAD + json.dumps(head).encode() + b"\n" + loaded.text)
    for old in kept[: max(0, len(kept) + 1 - KEPT_MAX)]:
        old.unlink(missing_ok=True)


def history(folder: Path) -> list[Kept]:
    """Those kept in data folder `folder`, the latest first; damaged ones are left out and named in the log."""
    return [kept for file in reversed(_files(folder / FOLDER)) if (kept := _read(file)) is not None]


def latest(path: Path) -> Kept | None:
    """The last good configuration of the file `path`, wherever its data folder can be; None when there is none."""
    return next((kept for folder in data_folders(path) if (kept := last(folder, path)) is not None), None)


def last(folder: Path, path: Path) -> Kept | None:
    """The last good configuration of the file `path` in data folder `folder`; None when there is none."""
    return next((kept for kept in history(folder) if kept.path == path.absolute()), None)


def data_folders(path: Path) -> list[Path]:
    """Where the data of a configuration that cannot be used may be: what its text says, what systemd says, the default."""
    found: list[Path] = []
    with suppress(ConfigError):
        text = config.read(path)
        found += _named(text)
    if state := os.environ.get("STATE_DIRECTORY"):
        found.append(Path(state.partition(":")[0]))
    found.append(GatewayConfig().data)
    return list(dict.fromkeys(found))


def _named(text: bytes) -> Iterator[Path]:
    with suppress(tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError):
        gateway = tomllib.loads(text.decode("utf-8-sig")).get("gateway")
        data = gateway.get("data") if isinstance(gateway, dict) else None
        if isinstance(data, str):
            yield Path(data)
    if (line := _DATA.search(text)) is not None:  # no TOML any more, but a line that still says it
        yield Path(os.fsdecode(line[1] or line[2]))


def _files(own: Path) -> list[Path]:
    """The kept files in the order in which they were written; their numbers tell, whatever the clock did."""
    with suppress(OSError):
        return sorted(file for file in own.iterdir() if _NUMBERED.match(file.name))
    return []


def _read(file: Path) -> Kept | None:
    try:
        head, _, text = config.read(file).partition(b"\n")
        said = json.loads(head.removeprefix(_HEAD))
        kept = Kept(file, Path(said["path"]), said["sha256"], datetime.fromisoformat(said["since"]), said["version"], text)
    except (ConfigError, ValueError, KeyError, TypeError) as error:
        log.warning("%s: not used: it cannot be read as a kept configuration: %s", file, error)
        return None
    if hashlib.sha256(text).hexdigest() != kept.sha256:
        log.warning("%s: not used: it was changed or damaged after it was kept", file)
        return None
    return kept


def _write(file: Path, data: bytes) -> None:
    """All of it or nothing, on the disk when this returns."""
    part = file.with_suffix(".part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    part.rename(file)
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
