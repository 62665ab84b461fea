"""What a changed configuration restarts: the difference of two, and nothing else. Pure; gateway.service carries it out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from gateway.config import AssociationConfig, Config, DeviceConfig
from gateway.loaded import Loaded, Prints, doors, files_of
from gateway.settings import Settings
from gateway.settings.destinations import AnyDestination

ONLY_AT_START = frozenset({"data", "eui64"})
"""Keys of [gateway] that a running gateway cannot change: where the journal is, and who it belongs to."""
OF_EVERY_DESTINATION = ("name", "terms")
"""Keys of [gateway] that messages are made with."""
WITHOUT_EFFECT = frozenset({"begin", "formerly"})
"""Keys of a destination that are only read when the journal first hears of it."""

Part = DeviceConfig | AnyDestination
P = TypeVar("P", DeviceConfig, AnyDestination)


class Kind(StrEnum):
    """What a step is done to."""

    DEVICE = "device"
    DESTINATION = "destination"


class Act(StrEnum):
    """What is done to it."""

    START = "start"
    RESTART = "restart"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Step:
    """A device or destination that does not stay as it is. `why`: the keys and files that changed; of a new one its former id."""

    kind: Kind
    id: str
    act: Act
    why: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.act.value} {self.kind.value} {self.id}" + (f" ({', '.join(self.why)})" if self.why else "")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a reload does. `keys` changed and are no device's and no destination's ("gateway.keep_days")."""

    steps: tuple[Step, ...] = ()
    associations: tuple[AssociationConfig, ...] = ()
    keys: frozenset[str] = frozenset()
    refusals: tuple[str, ...] = ()
    """Why it cannot be done: a line each, with file, line and key."""

    def ids(self, kind: Kind, *acts: Act) -> list[str]:
        """Those of a kind to which one of these is done, in the order of the configuration."""
        return [step.id for step in self.steps if step.kind is kind and step.act in acts]

    def lines(self) -> list[str]:
        """The plan for people, a line a step; without patients."""
        told = [str(step) for step in self.steps]
        told += [f"associate device {one.device}" for one in self.associations]
        return told + [f"use {key}" for key in sorted(self.keys)]


def diff(old: Loaded, new: Loaded, *, eui64: str, live: Collection[str]) -> Plan:
    """What leads from `old` to `new`. `eui64` is the gateway's own; `live`: further keys that can change while it runs."""
    before, after = old.settings, new.settings
    keys = _gateway_keys(old, new)
    return Plan(
        steps=(*_devices(old, new), *_destinations(old, new, [f"gateway.{k}" for k in OF_EVERY_DESTINATION if k in keys])),
        associations=tuple(one for one in after.association if one not in before.association),
        keys=frozenset(f"gateway.{key}" for key in keys - ONLY_AT_START),
        refusals=tuple(_refusals(before, after, eui64) + _not_live(after, keys - ONLY_AT_START, live)),
    )


def _gateway_keys(old: Loaded, new: Loaded) -> set[str]:
    """Keys of [gateway] with another value, or whose files hold something else."""
    keys = _differing(old.settings.gateway, new.settings.gateway)
    terms = new.settings.gateway.terms
    if terms is not None and _changed(str(terms), old.prints, new.prints):
        keys.add("terms")
    return keys | {name for name, door in doors(new.settings.gateway).items() if _files(door, old.prints, new.prints)}


def _refusals(before: Config, after: Config, eui64: str) -> list[str]:
    told = []
    if before.gateway.data != after.gateway.data:
        what = f"got {str(after.gateway.data)!r}; the running gateway has its journal in {str(before.gateway.data)!r}"
        told.append(after.problem(("gateway", "data"), f"{what}: a reload cannot move it, restart the gateway"))
    if after.gateway.eui64 not in {None, eui64}:
        what = f"got {after.gateway.eui64!r}; the running gateway is {eui64!r} to its receivers"
        told.append(after.problem(("gateway", "eui64"), f"{what}: a reload cannot change that, restart the gateway"))
    return told


def _not_live(after: Config, keys: Collection[str], live: Collection[str]) -> list[str]:
    known = {"timezone", *OF_EVERY_DESTINATION, *(key.removeprefix("gateway.") for key in live)}
    what = "changed; it is only read at the start, restart the gateway"
    return [after.problem(("gateway", key), what) for key in sorted(set(keys) - known)]


def _devices(old: Loaded, new: Loaded) -> list[Step]:
    def why(one: DeviceConfig, other: DeviceConfig) -> set[str]:
        keys = _differing(one, other) - {"timezone"} | _files(other, old.prints, new.prints)
        if old.settings.zone(one).key != new.settings.zone(other).key:
            keys.add("timezone" if one.timezone != other.timezone else "gateway.timezone")
        return keys

    return _steps(Kind.DEVICE, _by_id(old.settings.device), _by_id(new.settings.device), why)


def _destinations(old: Loaded, new: Loaded, of_all: Sequence[str]) -> list[Step]:
    def why(one: AnyDestination, other: AnyDestination) -> set[str]:
        return {*_differing(one, other) - WITHOUT_EFFECT, *_files(other, old.prints, new.prints), *of_all}

    return _steps(Kind.DESTINATION, _by_id(old.settings.destination), _by_id(new.settings.destination), why)


def _steps(kind: Kind, before: Mapping[str, P], after: Mapping[str, P], why: Any) -> list[Step]:
    steps = [Step(kind, name, Act.STOP) for name in before if name not in after]
    for name, part in after.items():
        if name not in before:
            steps.append(Step(kind, name, Act.START, _former(part)))
        elif keys := why(before[name], part):
            steps.append(Step(kind, name, Act.RESTART, tuple(sorted(keys))))
    return steps


def _former(part: Part) -> tuple[str, ...]:
    former = None if isinstance(part, DeviceConfig) else part.formerly
    return (f"formerly {former}",) if former else ()


def _by_id(parts: Sequence[P]) -> dict[str, P]:
    return {part.id: part for part in parts}


def _differing(one: Settings, other: Settings) -> set[str]:
    """Keys that have another value in `other`, or that only one of them has."""
    names = {*type(one).model_fields, *type(other).model_fields}
    return {name for name in names if getattr(one, name, None) != getattr(other, name, None)}


def _files(part: Settings, before: Prints, after: Prints) -> set[str]:
    return {name for name in files_of(part) if _changed(name, before, after)}


def _changed(name: str, before: Prints, after: Prints) -> bool:
    """Whether a file that both name holds something else now; one that this process cannot read is taken for unchanged."""
    return name in before and after.get(name) is not None and before[name] != after[name]
