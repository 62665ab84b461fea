"""Which driver and profile might read an unknown device: by its address, by its name, by what each makes of its bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.acquire import registry
from gateway.acquire.first_bytes import RAW
from gateway.config import Config
from gateway.driver import Driver
from gateway.errors import WardlinkError
from gateway.model import Category
from gateway.profiles.naming import in_common
from gateway.store.unknown import Part, Peer
from gateway.unknown import replay

SAMPLE_MAX = 128 * 1024
"""Bytes that every profile is tried on: some fifty messages; a hundred profiles take a second or two."""
SHOWN_MAX = 8


@dataclass(frozen=True, slots=True)
class Candidate:
    """A driver and profile. `device`: the configured device whose address it is; `named`: words it has in common with it."""

    driver: str
    profile: str
    messages: int
    values: int
    mapped: int
    faults: int
    evidence: str = ""
    device: str = ""
    named: tuple[str, ...] = ()

    @property
    def weight(self) -> tuple[bool, bool, int, int, bool, int, int]:
        """What comes first: its address, that nothing is wrong, its name, how much is read; of nobody's name the generic one."""
        generic = self.profile == "generic"
        return bool(self.device), not self.faults, len(self.named), self.values, generic, self.mapped, -self.faults

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "driver": self.driver,
            "profile": self.profile,
            "messages": self.messages,
            "values": self.values,
            "mapped": self.mapped,
            "faults": self.faults,
            "evidence": self.evidence,
            "device": self.device,
            "named": list(self.named),
        }


def candidates(peer: Peer, parts: Sequence[Part], settings: Config) -> list[Candidate]:
    """Those that understand anything at all, the likeliest first."""
    sample = _sample(parts)
    own = [] if peer.caller.protocol == RAW else [peer.caller.protocol]
    found = _tries(own, peer, sample, settings)
    if not found:  # a maker's own protocol may begin like another: a VIDAS with ENQ, too
        found = _tries([name for name in registry.ids() if name not in own], peer, sample, settings)
    return sorted(found, key=lambda one: one.weight, reverse=True)


def _tries(drivers: Sequence[str], peer: Peer, sample: Sequence[Part], settings: Config) -> list[Candidate]:
    return [one for name in drivers for one in _of_driver(name, peer, sample, settings) if one.messages]


def _of_driver(name: str, peer: Peer, sample: Sequence[Part], settings: Config) -> Iterator[Candidate]:
    try:
        driver = registry.load(name)
    except WardlinkError:  # a plug-in that cannot be imported reads nothing
        return
    for profile in registry.profiles(driver) or [""]:
        try:
            yield _tried(driver, profile, peer, sample, settings)
        except WardlinkError:
            continue


def _tried(driver: Driver[Any, Any], profile: str, peer: Peer, sample: Sequence[Part], settings: Config) -> Candidate:
    made = replay.read(sample, replay.reader(settings, "unknown", driver.id, profile, None))
    seen = [one for report in made.reports if report.category is not Category.EVENTS for one in report.observations]
    options = registry.options(driver, profile, {})
    return Candidate(
        driver=driver.id,
        profile=profile,
        messages=made.messages,
        values=sum(one.value is not None for one in seen),
        mapped=sum(one.mapped for one in seen),
        faults=sum(sum(one.bad.values()) + len(one.incomplete) for one in made.faults) + made.doubts,
        evidence=str(getattr(options, "evidence", "")),
        device=_configured(peer, driver.id, profile, settings),
        named=in_common(peer.caller.says, [getattr(options, "maker", ""), *getattr(options, "models", ()), *driver.models]),
    )


def _sample(parts: Sequence[Part]) -> list[Part]:
    chosen: list[Part] = []
    size = 0
    for part in parts:
        size += len(part.raw)
        if chosen and size > SAMPLE_MAX:
            break
        chosen.append(part)
    return chosen


def _configured(peer: Peer, driver: str, profile: str, settings: Config) -> str:
    """A device of the configuration whose link names this address: it calls at the wrong port, perhaps."""
    address = re.compile(rf"(?<![\w.:]){re.escape(peer.caller.address)}(?![\w.:]*[\w])")
    for one in settings.device:
        if (one.driver, one.profile) == (driver, profile) and address.search(one.link):
            return one.id
    return ""
