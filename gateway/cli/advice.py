"""What in a gateway's status needs a person, in words, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.cli import soundness

_Doc = Mapping[str, Any]

CLOCK_S = 120.0
"""A device's clock further off than this is put right: times in a record are read to the minute."""
LATE_S = 900.0
"""A report that waits longer than a quarter of an hour is missed on a ward."""
CERTIFICATE_DAYS = 30.0
"""Before a certificate expires: what a hospital's authority needs to issue another."""
HEADROOM_H = 24.0
"""Hours of room that are too few: a disk is not changed at night."""
BAD_SHARE, BAD_LEAST = 0.01, 10
"""Damaged frames beyond one in a hundred are a cable or a setting; a few are noise."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to know. `urgent`: a person has to act, and the exit code says so."""

    what: str
    do: str
    urgent: bool = True


def findings(status: _Doc, now: datetime) -> list[Finding]:
    """Everything to know of a status document, the urgent first; `now` is aware."""
    found = [
        *_statement(status["journal"]["account"]),
        *_configuration(status.get("config") or {}),
        *_journal(status),
        *(Finding(*one) for one in soundness.told(status)),
        *(one for device in status.get("devices", ()) for one in _device(device, now)),
        *(one for device in status.get("devices", ()) for one in _codes(device, status["journal"])),
        *_destinations(status, now),
        *_kept(status["journal"]),
        *_unknown(status),
    ]
    return sorted(found, key=lambda one: not one.urgent)


def _unknown(status: _Doc) -> Iterator[Finding]:
    """Devices that nobody configured: what waits for a decision, what was refused, doors that are shut."""
    for one in status["journal"].get("unknown", ()):
        name = f"unknown device {one['id']} ({one['says'] or one['protocol']} at {one['address']})"
        if not one["balanced"]:
            yield Finding(f"{name}: its messages do not add up", "a fault of the gateway: `wardlink account`; report it")
        if one["status"] == "assigned" and one["quarantined"]:
            do = f"once its [[device]] is in the configuration: `wardlink unknown assign {one['id']} --device {one['device']}`"
            yield Finding(f"{name} was assigned to {one['device']}, and has sent {one['quarantined']} more since", do)
        elif one["status"] == "open":
            do = f"`wardlink unknown show {one['id']}` says what it is, then assign or dismiss it"
            yield Finding(f"{name}: what it sent is kept ({one['quarantined']}), and sent nowhere", do)
        if one["refused"] and one["status"] == "open":
            yield Finding(f"{name}: {one['refused']} messages REFUSED, its room is full", "assign or dismiss it; it keeps them")
    for door, state in (status.get("unknown") or {}).get("doors", {}).items():
        if not state.startswith(("listening", "opening", "/")):
            yield Finding(f"unknown devices cannot call at {door}: {state}", "mend `gateway.unknown.listen`", urgent=False)


def _statement(lines: list[_Doc]) -> Iterator[Finding]:
    wrong = [f"{one['device']} to {one['destination']}" for one in lines if not one["balanced"]]
    if wrong:
        yield Finding(
            f"the conservation statement does not add up: {_listed(wrong)}",
            "a fault of the gateway: `wardlink account` shows it; keep the data folder and report it",
        )


def _configuration(config: _Doc) -> Iterator[Finding]:
    do = "mend the file (`wardlink config check` lists what is wrong), then `wardlink reload`"
    if since := config.get("last_known_good_since"):
        said = f"the configuration is the LAST KNOWN GOOD one, of {_short(since)}: the file has errors"
        yield Finding(f"{said}: {_listed(config['problems'], 1)}", do)
    elif refused := config.get("refused"):
        said = f"a changed configuration was refused at {_short(refused['at'])}, the old one goes on"
        yield Finding(f"{said}: {_listed(refused['problems'], 1)}", do)


def _journal(status: _Doc) -> Iterator[Finding]:
    room = status.get("room") or {}
    if room.get("level", "room") != "room":
        do = "bring the receivers back, or give the data folder more disk"
        yield Finding(f"the disk fills: {room.get('words', room['level'])}", do)
    elif (hours := room.get("headroom_hours")) is not None and hours < HEADROOM_H:
        yield Finding(
            f"the disk is full in {hours:.0f} h as things go", "bring the receivers back, or give the data folder more disk"
        )


def _device(one: _Doc, now: datetime) -> Iterator[Finding]:
    name, counts = one["id"], one["counts"]
    if one["state"] in {"down", "silent", "holding"}:
        yield Finding(f"{name} is {one['state']} for {span(_age(one.get('since'), now))}: {one['reason']}", _DO[one["state"]])
    offset = one["clock_offset_s"]
    if offset is not None and abs(offset) > CLOCK_S:
        ahead = "ahead" if offset > 0 else "behind"
        yield Finding(
            f"the clock of {name} is {span(abs(offset))} {ahead}", "set the device's clock; what it sent keeps its own times"
        )
    bad = sum(n for what, n in counts.items() if what.startswith("bad: "))
    if bad >= BAD_LEAST and bad > BAD_SHARE * (bad + one["reports"]):
        yield Finding(
            f"{name}: {bad} damaged frames beside {one['reports']} reports", "check the cable, its length, the line settings"
        )
    if n := counts.get("crashed", 0) + counts.get("driver failed", 0):
        yield Finding(f"the driver of {name} failed {n} times; what it could not read is kept", "see the log, and report it")


def _codes(device: _Doc, journal: _Doc) -> Iterator[Finding]:
    """Codes that no term is known for, and that nobody has decided about."""
    decided = set(journal.get("decided_codes", ()))
    if codes := [code for code in device.get("unmapped", ()) if code not in decided]:
        yield Finding(
            f"{device['id']} sends {len(codes)} codes without a term: {_listed(codes)}",
            "they travel under the maker's code; `wardlink unmapped list` says which have no LOINC, and what to do",
            urgent=False,
        )


_DO = {
    "down": "check that it is on, the cable, the address and port; `wardlink config check` names what is wrong in the file",
    "silent": "check that it is on and set to send; where it is not in use, nothing needs to be done",
    "holding": "see what is said of the disk and the journal",
}


def _destinations(status: _Doc, now: datetime) -> Iterator[Finding]:
    live = {one["id"]: one for one in status.get("destinations", ())}
    for one in status["journal"]["destinations"]:
        name, state = one["id"], live.get(one["id"], {}).get("state", "")
        age = _age(one["oldest"], now)
        if state.startswith("waiting") or one["trouble"] or (age is not None and age > LATE_S and one["in_use"]):
            why = one["trouble"] or (state.removeprefix("waiting: ") if state.startswith("waiting") else "it does not keep pace")
            yield Finding(
                f"{name}: {one['waiting']} wait, the oldest for {span(age)}: {why}", "nothing is lost; ask its team if it lasts"
            )
        if not one["in_use"] and one["waiting"]:
            yield Finding(
                f"{name} is not in the configuration any more, and {one['waiting']} still wait for it",
                "put it back, say `formerly` in its successor, or give them up",
            )
        if one["parked"]:
            most = next(iter(one["parked_by_reason"].items()))
            yield Finding(
                f"{name}: {one['parked']} parked; {most[1]} of them: {most[0]}", "look at them, then send again or give up"
            )
        unmapped = one.get("held_unmapped") or {}
        if unmapped:
            named = _listed([f"{device} {n}" for device, n in unmapped.items()])
            yield Finding(f"{name}: held until their codes are decided about: {named}", "`wardlink unmapped list`")
        if one["held"] > sum(unmapped.values()):
            counts = {device: n - unmapped.get(device, 0) for device, n in one["held_by_device"].items()}
            waiting = _listed([f"{device} {n}" for device, n in counts.items() if n])
            yield Finding(
                f"{name}: held until a patient is known: {waiting}", "`wardlink associate DEVICE PATIENT`", urgent=False
            )
        yield from _certificates(name, live.get(name, {}).get("certificates", {}), now)
        if live.get(name, {}).get("plaintext"):
            yield Finding(f"{name} is sent PLAINTEXT over the network", "give tls = { ca, cert, key }", urgent=False)


def _certificates(name: str, certificates: _Doc, now: datetime) -> Iterator[Finding]:
    for whose, one in certificates.items():
        days = (_time(one["not_after"]) - now).total_seconds() / 86400
        if days < CERTIFICATE_DAYS:
            told = f"expires in {int(days)} days" if days >= 0 else f"expired {int(-days)} days ago"
            owner = "our" if whose == "own" else "its"
            yield Finding(f"{name}: {owner} certificate {told}", "have a new one issued" if whose == "own" else "tell its team")


def _kept(journal: _Doc) -> Iterator[Finding]:
    for one in journal["incomplete"]:
        yield Finding(
            f"{one['device']}, {_short(one['received_at'])}: a transmission broke off: {one['reason']} ({one['size']} bytes)",
            "have the device send it again; the bytes are kept",
            urgent=False,
        )


def span(seconds: float | None) -> str:
    """A length of time in the largest unit that says it."""
    if seconds is None:
        return "-"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


def _age(at: Any, now: datetime) -> float | None:
    return None if not at else (now - _time(at)).total_seconds()


def _time(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value))


def _short(at: Any) -> str:
    return str(at)[:16].replace("T", " ")


def _listed(names: list[str], most: int = 5) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
