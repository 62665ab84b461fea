"""Drivers by name: entry points of the group wardlink.drivers, imported only when asked for; their profiles and options."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gateway.driver import Driver, Options
from gateway.errors import ConfigError
from gateway.positions import Positions

GROUP = "wardlink.drivers"
PROFILE_MAX = 1024 * 1024
"""Bytes of a profile: a thousand analyte rows fit; a disk image given by mistake does not."""


def ids() -> list[str]:
    """The ids of all drivers that are installed, in order."""
    return sorted(_points())


def load(driver_id: str) -> Driver[Any, Any]:
    """The driver. Raises ConfigError for an id nobody registered, and for a plug-in that cannot be imported."""
    point = _points().get(driver_id)
    if point is None:
        raise ConfigError(f"driver {driver_id!r}: {_expected(driver_id, ids())}")
    try:
        driver = point.load()
    except Exception as error:  # a third party's module may fail in any way, and must be named
        raise ConfigError(f"driver {driver_id!r}: {point.value} cannot be imported: {type(error).__name__}: {error}") from error
    if not isinstance(driver, Driver):
        raise ConfigError(f"driver {driver_id!r}: {point.value} is a {type(driver).__name__}; expected a gateway.driver.Driver")
    return driver


def profiles(driver: Driver[Any, Any]) -> list[str]:
    """The names of the driver's profiles, in order; none for a driver without."""
    return sorted(path.stem for path in driver.profiles.glob("*.toml")) if driver.profiles is not None else []


def options(driver: Driver[Any, Any], profile: str, table: Mapping[str, Any]) -> Options:
    """The driver's options: its defaults, then the profile's, then those in `table`; tables in them are merged key by key.

    `profile` is a name of `profiles`, or the absolute path of a site's own TOML file. Raises ConfigError.
    """
    path = profile_path(driver, profile)
    text = _text(path) if path is not None else ""
    base = _toml(text, path) if path is not None else {}
    try:
        found: Options = driver.options.model_validate(_merged(base, table))
    except ValidationError as error:
        problems = [_problem(driver, table, path, text, item) for item in error.errors(include_url=False)]
        raise ConfigError("\n".join(problems)) from None
    return found


def checked(driver: Driver[Any, Any], table: Mapping[str, Any]) -> Options:
    """The options that `table` alone makes: a profile's file that is being written. Raises ConfigError."""
    try:
        found: Options = driver.options.model_validate(table)
    except ValidationError as error:
        raise ConfigError(
            "\n".join(_problem(driver, table, None, "", item) for item in error.errors(include_url=False))
        ) from None
    return found


def profile_table(driver: Driver[Any, Any], profile: str) -> dict[str, Any]:
    """What a profile's file says, unchecked; nothing for a driver without. Raises ConfigError."""
    path = profile_path(driver, profile)
    return _toml(_text(path), path) if path is not None else {}


@cache
def _points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _expected(got: str, known: Iterable[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(got, names, 1)
    return f"expected one of {', '.join(names) or '(none is installed)'}{f'; did you mean {near[0]!r}?' if near else ''}"


def profile_path(driver: Driver[Any, Any], profile: str) -> Path | None:
    """The file of a profile: a name of `profiles`, or a site's own by its absolute path. Raises ConfigError."""
    if driver.profiles is None:
        if profile:
            raise ConfigError(f"profile {profile!r}: the driver {driver.id} has no profiles; leave it out")
        return None
    if profile.startswith("/"):
        return Path(profile)
    if profile not in profiles(driver):
        given = f"profile {profile!r}" if profile else f"driver {driver.id} needs a profile"
        if "/" in profile or profile.endswith(".toml"):
            raise ConfigError(f"{given}: a file is given by its absolute path, such as {Path(profile).absolute()}")
        raise ConfigError(f"{given}: {_expected(profile, profiles(driver))}")
    return driver.profiles / f"{profile}.toml"


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > PROFILE_MAX:
            raise ConfigError(f"{path}: larger than {PROFILE_MAX} bytes; expected a profile")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None


def _toml(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        under = merged.get(key)
        merged[key] = _merged(under, value) if isinstance(under, Mapping) and isinstance(value, Mapping) else value
    return merged


def _problem(driver: Driver[Any, Any], table: Mapping[str, Any], file: Path | None, text: str, item: Any) -> str:
    path = item["loc"]
    own = file is None or (path and path[0] in table)
    place = f"options of driver {driver.id}" if own else f"{file}:{Positions(text).line(path)}"
    key = ".".join(str(part) for part in path) or "file"
    if item["type"] == "extra_forbidden":
        known = driver.options.model_fields if len(path) == 1 else ()
        return f"{place}: {key}: no such option; {_expected(str(path[-1]), known) if known else 'leave it out'}"
    if item["type"] == "missing":
        return f"{place}: {key}: is missing and must be given"
    said = str(item["msg"]).removeprefix("Value error, ")
    got = item["input"]
    return f"{place}: {key}: {said}" if isinstance(got, dict | list | tuple) else f"{place}: {key}: got {got!r}; {said}"
