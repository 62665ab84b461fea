"""Where each row of a PCD-01 stands: OBX-4 places, their order, and which rows share an OBR (IHE PCD TF-2 B.7, B.8.4)."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from gateway.model import Observation, Place, Report

UNMAPPED_VMD: Final = 999
"""The VMD of what no mapping has a place for: behind the VMDs of any device, so that a growing driver renumbers nothing."""

DEVICE_CLOCK: Final = (1, 0, 0, 67975)
"""MDC_ATTR_TIME_ABS stands at the MDS under its own code: no metric of a containment tree is ever numbered there."""

GATEWAY_CLOCK: Final = (0, 0, 0, 67975)
"""The same row of the gateway's own level, for a device without a clock."""

Base = timedelta | None


def place_of(observation: Observation) -> Place:
    """The observation's place; an unmapped one has an anonymous channel's, numbered by what the device calls it.

    The number is the CRC-32 of the device's own name: the same in every message, after every restart, with no memory.
    """
    if observation.place is not None:
        return observation.place
    name = f"{observation.refid or observation.vendor_code}\x1f{observation.sub_id}"
    return (1, UNMAPPED_VMD, 0, zlib.crc32(name.encode("utf-8", "replace")) or 1)


def base_of(observation: Observation, report: Report) -> Base:
    """The time base: None is the report's; another offset than the device's clock has now is a jump (DST), TF-2 B.7.7."""
    if observation.time is None or report.device_time is None:
        return None
    offset = observation.time.utcoffset()
    return None if offset == report.device_time.utcoffset() else offset


def groups(places: Sequence[Place], bases: Sequence[Base]) -> list[list[int]]:
    """Indices by OBR: the report's own time base first; a place that comes again, or another time base, begins a new OBR."""
    seen: dict[tuple[Base, Place], int] = {}
    found: dict[tuple[Base, int], list[int]] = {(None, 0): []}
    for index, (place, base) in enumerate(zip(places, bases, strict=True)):
        again = seen.get((base, place), 0)
        seen[base, place] = again + 1
        found.setdefault((base, again), []).append(index)
    return list(found.values())
