"""The configuration that a command is about: the file's, or, where that was spoilt, the last one that a gateway ran on."""

from __future__ import annotations

from pathlib import Path

from gateway import config, control, known_good, loaded
from gateway.cli.show import say
from gateway.config import Config
from gateway.errors import ConfigError
from gateway.loaded import Loaded


def running(path: Path, *, tell: bool = True) -> Config:
    """What a gateway runs on, or would start with; what is wrong with the file is said on stderr. Raises ConfigError."""
    try:
        return config.load(path)
    except ConfigError as error:
        found = _of_gateway(path) or last_good(path)
        if found is None:
            raise
        if tell:
            say(f"{error}\n{path} cannot be used: this is about the configuration that runs, or last did.")
        return found.settings


def _of_gateway(path: Path) -> Loaded | None:
    """What a gateway says that runs on this file."""
    for folder in known_good.data_folders(path):
        said = control.ask(folder, "configuration")
        if isinstance(said, dict) and said.get("path") == str(path.absolute()):
            return loaded.parse(said["text"].encode(), path)
    return None


def last_good(path: Path) -> Loaded | None:
    """The last known good configuration of a file; None when there is none that this wardlink can read."""
    kept = known_good.latest(path)
    try:
        return None if kept is None else loaded.parse(kept.text, path, str(kept.file))
    except ConfigError:
        return None
