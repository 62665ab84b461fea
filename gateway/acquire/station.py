"""A configured device with all that acquisition needs of it: driver, options and link, checked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Any

from gateway.acquire import registry
from gateway.acquire.links import Link, parse_link
from gateway.acquire.links.listen import secured
from gateway.driver import Driver, Options
from gateway.errors import ConfigError
from gateway.model import DeviceIdentity, Location

if TYPE_CHECKING:
    from gateway.config import DeviceConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """One configured device and its link: all that acquisition needs to know of it."""

    identity: DeviceIdentity
    driver: Driver[Any, Any]
    options: Options
    link: Link
    profile: str = ""
    timezone: tzinfo = UTC
    location: Location | None = None
    interval_s: float = 0
    """Vital signs closer together are dropped by policy and counted; 0: none are."""


def station(device: DeviceConfig, zone: tzinfo) -> Station:
    """The station of a configured device; `zone` is its clock's. Opens nothing. Raises ConfigError."""
    driver = registry.load(device.driver)
    options = registry.options(driver, device.profile, device.options)
    if device.timezone is not None and options.zone is not None and str(options.zone) != device.timezone:
        raise ConfigError(
            f"timezone {device.timezone!r}: the profile {device.profile} has its times in {options.zone} at every site; "
            'leave timezone out, or say options = { timezone = "" }'
        )
    return Station(
        identity=device.identity(),
        driver=driver,
        options=options,
        link=secured(parse_link(device.link, driver.line), device.tls).link(),
        profile=device.profile,
        timezone=zone,
        location=device.place(),
        interval_s=device.interval_s,
    )
