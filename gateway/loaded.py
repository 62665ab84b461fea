"""A configuration as it was read: its text, what it says, and digests of what the files that it names held then."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gateway import config
from gateway.config import Config, DeviceConfig
from gateway.errors import ConfigError
from gateway.security.tls import key_path
from gateway.settings import Settings, TlsSettings

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
    parts = (*settings.destination, *settings.device, *doors(settings.gateway).values())
    found = {name: _file(name) for one in parts for name in files_of(one)}
    if settings.gateway.terms is not None:
        found[str(settings.gateway.terms)] = _folder(settings.gateway.terms)
    return found


def doors(gateway: Settings) -> dict[str, Settings]:
    """The tables within [gateway], by their keys: what it listens on is among them."""
    named = {name: getattr(gateway, name) for name in type(gateway).model_fields}
    return {name: one for name, one in named.items() if isinstance(one, Settings)}


def files_of(one: Settings) -> tuple[str, ...]:
    """The files of a part, as the configuration names them: a site's own profile, certificates and their key."""
    profile = (one.profile,) if isinstance(one, DeviceConfig) and one.profile.startswith("/") else ()
    tls = getattr(one, "tls", None)
    named = (tls.ca, tls.cert, tls.key) if isinstance(tls, TlsSettings) else ()
    return (*profile, *(str(file) for file in named if file is not None))


def _file(name: str) -> str | None:
    try:
        with key_path(name).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ConfigError):
        return None


def _folder(folder: Path) -> str | None:
    digests = [(path.name, _file(str(path))) for path in sorted(folder.glob("*.csv"))]
    return hashlib.sha256(repr(digests).encode()).hexdigest() if folder.is_dir() else None
