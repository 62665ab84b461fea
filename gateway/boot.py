"""Which configuration a gateway starts with: its file's, or, where that was spoilt, the last one that ran."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from gateway import known_good, loaded, parts
from gateway.errors import ConfigError
from gateway.known_good import Kept
from gateway.loaded import Loaded
from gateway.parts import Parts
from gateway.verify import verify

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Start:
    """What a gateway starts with. `instead`: the kept configuration that stands in for a file with these `problems`."""

    loaded: Loaded
    parts: Parts
    instead: Kept | None = None
    problems: str = ""


def choose(path: Path, *, strict: bool = False) -> Start:
    """The configuration of `path`; unless `strict`, the last known good one when that cannot be used.

    Raises ConfigError with everything that is wrong with the file when there is none, or that cannot be used either.
    """
    try:
        return _start(loaded.load(path))
    except ConfigError as error:
        kept = None if strict else known_good.latest(path)
        if kept is None:
            raise
        return _instead(path, kept, str(error))


def _start(found: Loaded, instead: Kept | None = None, problems: str = "") -> Start:
    verify(found.settings)
    return Start(found, parts.make(found.settings), instead, problems)


def _instead(path: Path, kept: Kept, problems: str) -> Start:
    try:
        start = _start(loaded.parse(kept.text, path, str(kept.file)), kept, problems)
    except ConfigError as error:
        raise ConfigError(f"{problems}\nThe last configuration that ran cannot be used either:\n{error}") from None
    for line in problems.splitlines():
        log.error("configuration: %s", line)
    log.error(
        "configuration: %s cannot be used: starts with the LAST KNOWN GOOD one, of %s (%s). Mend the file, then: wardlink reload",
        path,
        kept.since.isoformat(timespec="seconds"),
        kept.file,
    )
    return start
