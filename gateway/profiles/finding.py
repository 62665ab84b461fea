"""Which driver and profile a person means: by the driver and a name, by a name alone where it is one driver's, or by a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.acquire import registry
from gateway.driver import Driver, Options
from gateway.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Chosen:
    """A profile: the driver, its name or path, its file, what the file says, and the options that it makes."""

    driver: Driver[Any, Any]
    name: str
    path: Path
    table: dict[str, Any]
    options: Options


def drivers() -> Iterator[Driver[Any, Any]]:
    """Every driver with profiles that can be imported."""
    for name in registry.ids():
        try:
            driver = registry.load(name)
        except ConfigError:  # a plug-in that cannot be imported is named by `wardlink drivers`
            continue
        if driver.profiles is not None:
            yield driver


def choose(profile: str, driver: str = "") -> Chosen:
    """The profile of that name, or in that file. Raises ConfigError that says what to say more."""
    name = as_name(profile)
    if driver:
        return _made(registry.load(driver), name)
    found = _by_file(name) if name.startswith("/") else [one for one in drivers() if name in registry.profiles(one)]
    if len(found) == 1:
        return _made(found[0], name)
    known = sorted(one.id for one in found or drivers())
    what = "is a profile of several drivers" if found else "is a profile of no driver"
    if name.startswith("/"):
        what = "fits several drivers" if found else "fits no driver as it is"
    raise ConfigError(f"profile {profile!r} {what}: give --driver, one of {', '.join(known)}")


def as_name(profile: str) -> str:
    """A profile's name as it is; a file's path, as a person gives it on the command line, absolute."""
    path = Path(profile)
    return str(path.absolute()) if "/" in profile or path.suffix == ".toml" else profile


def _by_file(name: str) -> list[Driver[Any, Any]]:
    """The drivers whose schema the file fits; where only one is left that way, it need not be said."""
    found = []
    for one in drivers():
        try:
            registry.options(one, name, {})
        except ConfigError:
            continue
        found.append(one)
    return found


def _made(driver: Driver[Any, Any], name: str) -> Chosen:
    if driver.profiles is None:
        raise ConfigError(f"the driver {driver.id} has no profiles")
    path = registry.profile_path(driver, name)
    assert path is not None  # a driver with profiles needs one, and says so
    return Chosen(driver, name, path, registry.profile_table(driver, name), registry.options(driver, name, {}))
