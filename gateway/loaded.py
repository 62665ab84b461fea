"""A configuration as it was read: its text, what it says, and digests of what the files that it names held then."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gateway import config
from gateway.config import AnyDestination, Config, DeviceConfig
from gateway.errors import ConfigError
from gateway.security.tls import key_path

Prints = Mapping[str, str | None]
"""A file as the configuration names it, to the SHA-256 of what it holds; None: it cannot be read by this process."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """One reading of a file. `path` is absolute; `text` is what it held, byte for byte."""

    path: Path
    text: bytes
    settings: Config
    prints: Prints
    at: datetime

    @property
    def sha256(self) -> str:
        """What tells this configuration from every other."""
        return hashlib.sha256(self.text).hexdigest()


def load(path: Path) -> Loaded:
    """Read a file and the files that it names. Raises ConfigError that lists everything wrong with the text, a line each."""
    return parse(config.read(path), path)


def parse(text: bytes, path: Path, name: str = "") -> Loaded:
    """`text` as the configuration of `path`; `name` stands for the file in messages. Raises ConfigError."""
    settings = config.parse(config.decode(text, path), name or str(path))
    return Loaded(path.absolute(), text, settings, prints(settings), datetime.now(UTC))


def prints(settings: Config) -> Prints:
    """What the files that `settings` names hold now."""
    found = {path: digest for one in settings.destination for path, digest in _each(files_of(one))}
    found |= {path: digest for one in settings.device for path, digest in _each(files_of(one))}
    if settings.gateway.terms is not None:
        found[str(settings.gateway.terms)] = _folder(settings.gateway.terms)
    return found


def files_of(one: DeviceConfig | AnyDestination) -> tuple[str, ...]:
    """The files of a device (its site's own profile) or a destination (certificates, key), as the configuration names them."""
    if isinstance(one, DeviceConfig):
        return (one.profile,) if one.profile.startswith("/") else ()
    if one.tls is None:
        return ()
    named = (one.tls.ca, one.tls.cert, one.tls.key)
    return tuple(str(file) for file in named if file is not None)


def _each(names: tuple[str, ...]) -> Iterator[tuple[str, str | None]]:
    for name in names:
        yield name, _file(name)


def _file(name: str) -> str | None:
    try:
        with key_path(name).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ConfigError):
        return None


def _folder(folder: Path) -> str | None:
    digests = [(path.name, _file(str(path))) for path in sorted(folder.glob("*.csv"))]
    return hashlib.sha256(repr(digests).encode()).hexdigest() if folder.is_dir() else None
