"""What `wardlink status` says of the journal's own health: the check under way, damage that was found, what was salvaged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def lines(found: dict[str, Any]) -> Iterator[str]:
    """A line for each thing that a person should know; nothing while all is well and checked."""
    if check := found.get("check"):
        yield from _check(check)
    for one in found["journal"].get("salvages", ()):
        yield from _salvage(one)


def _check(check: dict[str, Any]) -> Iterator[str]:
    if check["state"].startswith("checking"):
        yield (
            f"journal: {check['state']}, report {check['checked']} of {check['of']}"
            if check["of"]
            else f"journal: {check['state']}"
        )
    elif check["state"] in {"damaged", "stopped"}:
        yield f"journal: the check came to no end: {check['why'] or 'it was stopped'}"
    if n := check["n_damaged_reports"]:
        named = ", ".join(map(str, check["damaged_reports"]))
        yield f"journal: {n} reports are damaged on the disk and will be parked, not sent: {named}{' …' if n > 20 else ''}"
    if n := check["n_damaged_associations"]:
        yield f"journal: {n} associations are damaged: what they covered is held; say them anew with wardlink associate --at"


def _salvage(one: dict[str, Any]) -> Iterator[str]:
    lost = sum(n for devices in one["lost"].values() for n in devices.values())
    said = (
        "nothing that was still to be sent was lost"
        if not lost
        else f"{lost} LOST of what was to be sent ({_whose(one['lost'])})"
    )
    yield f"journal: was damaged and salvaged {one['at'][:19]}Z: {one['why']}; {one['reports']} reports found; {said}"
    yield from (f"journal: {note}" for note in one["notes"])
    yield f"journal: the damaged file is kept: {one['evidence']}; replace the disk, move the file away, and this is shown no more"


def _whose(lost: dict[str, dict[str, int]]) -> str:
    return "; ".join(f"{to}: {', '.join(f'{device} {n}' for device, n in devices.items())}" for to, devices in lost.items())
