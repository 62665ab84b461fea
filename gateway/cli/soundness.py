"""What there is to say of the journal's own health: the check under way, damage that was found, what was salvaged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_Doc = Mapping[str, Any]

Told = tuple[str, str, bool]
"""What is so, what to do about it, whether a person has to."""

NAMED_MAX = 20
_DISK = "replace the disk soon (docs/recovery.md)"


def told(status: _Doc) -> Iterator[Told]:
    """Everything about damage in a status document, while it concerns somebody."""
    if gone := status.get("moved"):
        what = (
            f"the journal was moved into the bundle {gone['to']} by {gone['by']} at {gone['at'][:19]}Z: nothing is sent from here"
        )
        yield what, "use the other box; if none has taken it over: `wardlink bundle --take-back`", True
    check = status.get("check") or {}
    if check.get("state") == "stopped" and check.get("why"):
        yield (
            f"the check of the journal came to no end: {check['why']}",
            "it is tried again in a day, and at the next start",
            False,
        )
    if n := check.get("n_damaged_reports"):
        named = ", ".join(map(str, check["damaged_reports"])) + (" …" if n > NAMED_MAX else "")
        yield f"{n} reports are damaged on the disk and are parked, not sent: {named}", _DISK, True
    if n := check.get("n_damaged_associations"):
        do = f"say them anew with `wardlink associate --at`; {_DISK}"
        yield f"{n} associations are damaged; what they covered is held", do, True
    if n := check.get("n_damaged_decisions"):
        do = f"say them anew (`wardlink unmapped decided`); {_DISK}"
        yield f"{n} decisions about codes are damaged; they decide nothing", do, True
    if n := check.get("n_damaged_unknown"):
        yield f"{n} parts of what unknown devices sent are damaged; they are kept, and not replayed", _DISK, True
    for one in status["journal"].get("salvages", ()):
        yield _salvage(one)


def _salvage(one: _Doc) -> Told:
    lost = sum(n for devices in one["lost"].values() for n in devices.values())
    said = f"{lost} LOST of what was to be sent ({_whose(one['lost'])})" if lost else "nothing that was to be sent was lost"
    notes = "".join(f"; {note}" for note in one["notes"])
    what = (
        f"the journal was damaged and salvaged at {one['at'][:19]}Z: {one['why']}; {one['reports']} reports found, {said}{notes}"
    )
    return what, f"{_DISK}; once {one['evidence']} is moved elsewhere, this is shown no more", True


def _whose(lost: Mapping[str, Mapping[str, int]]) -> str:
    return "; ".join(f"{to}: {', '.join(f'{device} {n}' for device, n in devices.items())}" for to, devices in lost.items())


def progress(status: _Doc) -> str:
    """How far the check under way has come; empty when none is."""
    check = status.get("check") or {}
    if not str(check.get("state", "")).startswith("checking"):
        return ""
    return f"{check['state']}, {check['checked']} of {check['of']}" if check["of"] else str(check["state"])
