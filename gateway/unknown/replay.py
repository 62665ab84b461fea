"""What an unknown device sent, through a driver and profile that a person picks: the reports that it would have made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from itertools import groupby
from typing import Any

from gateway.acquire import offline, registry
from gateway.acquire.flow import Chunk, Flow
from gateway.acquire.offline import Faults
from gateway.config import Config
from gateway.driver import Context, Driver
from gateway.errors import ActError, place
from gateway.model import Category, DeviceIdentity, Location, Report
from gateway.profiles.runs import Listening
from gateway.store.unknown import Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A device as which bytes are read: its driver and options, its clock's zone, where it stands."""

    identity: DeviceIdentity
    driver: Driver[Any, Any]
    profile: str
    options: Any
    zone: tzinfo
    location: Location | None = None

    def context(self) -> Context[Any]:
        """A fresh context; it is told the time by whoever uses it."""
        return self.driver.context(
            self.identity,
            self.options,
            wall=lambda _: offline.EPOCH,
            timezone=self.zone,
            profile=self.profile,
            location=self.location,
        )


@dataclass(slots=True)
class Replay:
    """What became of the parts: reports in order, how many messages were understood, and what was not."""

    reports: list[Report] = field(default_factory=list)
    messages: int = 0
    faults: list[Faults] = field(default_factory=list)

    @property
    def doubts(self) -> int:
        """Values without a code, and results without specimen and patient: a profile that looks in the wrong places."""
        results = [one for one in self.reports if one.category in {Category.LAB, Category.QC}]
        seen = [one for report in results for one in report.observations]
        nobodys = [one for one in results if not (one.specimen and one.specimen.id) and not one.given.patient_id]
        return sum(not one.vendor_code for one in seen) + len(nobodys)

    def lines(self) -> Iterator[str]:
        """The faults in words."""
        for one in self.faults:
            yield from one.lines()


def reader(settings: Config, device: str, driver: str, profile: str, zone: tzinfo | None) -> Reader:
    """How to read as `device`: as it is configured, where it is; what is given comes first. Raises ConfigError, ActError."""
    known = next((one for one in settings.device if one.id == device), None)
    if known is None and not driver:
        raise ActError(f"{device} is not in the configuration: say which --driver and --profile read it")
    if known is not None and driver and driver != known.driver:
        raise ActError(f"{device} is configured with the driver {known.driver}, not {driver}; choose another id")
    chosen = registry.load(driver or (known.driver if known else ""))
    same = known is not None and profile in {"", known.profile}
    name = known.profile if known is not None and same else profile
    return Reader(
        identity=known.identity() if known is not None else DeviceIdentity(id=device),
        driver=chosen,
        profile=name,
        options=registry.options(chosen, name, known.options if known is not None and same else {}),
        zone=zone or (settings.zone(known) if known is not None else _zone_of(settings)),
        location=known.place() if known is not None else None,
    )


def _zone_of(settings: Config) -> tzinfo:
    from zoneinfo import ZoneInfo

    return ZoneInfo(settings.gateway.timezone)


def read(parts: Sequence[Part], how: Reader) -> Replay:
    """Everything, call by call, at the times at which it came. Raises ActError when the driver fails at it."""
    found = Replay()
    try:
        for _, call in groupby(sorted(parts, key=lambda one: (one.call, one.id)), key=lambda one: one.call):
            _read(list(call), how, found)
    except Exception as error:  # a driver's bug may be anything
        raise ActError(f"the driver {how.driver.id} fails at these bytes ({place(error)}): try another, and report it") from error
    return found


def _read(call: Sequence[Part], how: Reader, found: Replay) -> None:
    start = call[0].received_at
    chunks = [Chunk((one.received_at - start).total_seconds(), one.raw) for one in call if one.raw]
    context = how.context()
    codec = Listening(context.codec())
    for item in offline.decode(Flow("", start, chunks), codec, context):
        if isinstance(item, Faults):
            found.faults.append(item)
        else:
            found.reports.append(item)
    found.messages += len(codec.messages)
