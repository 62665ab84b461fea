"""The [[device]] table for a device that was unknown: printed for a person, or written behind the configuration."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from gateway import callers, config
from gateway.errors import ActError, ConfigError
from gateway.model import Caller
from gateway.verify import verify


def link(caller: Caller) -> str:
    """The dial string by which the device that called is reached from now on."""
    if not caller.door.startswith("tcp-listen://"):
        return caller.door
    return f"{caller.door.partition('?')[0]}?allow={caller.address}"


def table(caller: Caller, *, device: str, driver: str, profile: str, timezone: str) -> str:
    """The table, as a person would write it."""
    said = {"id": device, "driver": driver, "profile": profile, "link": link(caller), "timezone": timezone}
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in said.items() if value]
    about = f"# {caller.says}\n" if caller.says else ""
    return f"{about}[[device]]\n" + "\n".join(lines) + "\n"


def checked(path: Path, block: str) -> str:
    """The configuration with `block` behind it. Raises ConfigError for what `wardlink config check` would refuse,
    ActError where another device takes the same callers already.
    """
    text = config.decode(config.read(path), path)
    whole = f"{text.rstrip()}\n\n{block}"
    found = verify(config.parse(whole, str(path)))
    device = found.device[-1].id
    for doubt in callers.doubts(found):
        if doubt.startswith("devices ") and device in doubt.split(" take ")[0].split():
            raise ActError(
                f"{doubt}; two analyzers at one address need a port each: set one of them to another, and write its table by hand"
            )
    return whole


def write(path: Path, whole: str) -> None:
    """Put `whole` in the place of the configuration, in one step; whoever may read it still may."""
    fresh = path.with_name(f"{path.name}.new")
    try:
        stat = path.stat()
        handle = os.open(fresh, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, stat.st_mode & 0o777)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(whole)
            file.flush()
            os.fsync(file.fileno())
        with suppress(PermissionError):
            os.chown(fresh, stat.st_uid, stat.st_gid)
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise ActError(f"{path} cannot be written: {error.strerror}; put the block in it by hand") from None


def known(settings: config.Config, device: str) -> bool:
    """Whether the configuration has this device; ConfigError when that can be no id."""
    if not device.isprintable() or len(device) > 64:
        raise ConfigError(f"--device {device[:64]!r}: expected an id of at most 64 letters, digits and . _ : -")
    return any(one.id == device for one in settings.device)
