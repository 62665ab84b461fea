"""What a configuration sets up, made and not begun: stations of devices and ways to receivers. What cannot be used shows here."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from gateway.acquire.station import Station, station
from gateway.config import Config
from gateway.deliver.destination import Destination
from gateway.deliver.making import make_destination
from gateway.settings.destinations import AnyDestination


@dataclass(frozen=True, slots=True)
class Parts:
    """Devices, and destinations with their settings, in the order of the file."""

    stations: tuple[Station, ...]
    destinations: tuple[tuple[AnyDestination, Destination], ...]


def make(settings: Config, devices: Collection[str] | None = None, destinations: Collection[str] | None = None) -> Parts:
    """The parts of `settings` with these ids (None: all). Opens nothing. Raises ConfigError for a file that cannot be used."""
    wanted = [one for one in settings.device if devices is None or one.id in devices]
    takers = [one for one in settings.destination if destinations is None or one.id in destinations]
    return Parts(
        tuple(station(one, settings.zone(one)) for one in wanted),
        tuple((one, make_destination(one)) for one in takers),
    )
