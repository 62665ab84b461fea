"""What a receiver has had: each message once, again, or changed, and whether a device's messages came in order."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum

IDS_MAX = 2_000_000
"""Messages that are told apart, about 400 MB: a day at 20 a second. Beyond it the summary says that it is not complete."""


NUMBER = 12
"""Last characters of an id that tell the order: wardlink puts eight that name the run before the report's number."""


class Arrival(StrEnum):
    """How a message relates to what came before."""

    FIRST = "first"
    REPEAT = "repeat"
    """The id is known, and the bytes are the same."""
    CHANGED = "changed"
    """The id is known, but the bytes are others: the sender broke its promise."""
    NAMELESS = "nameless"
    """No id could be read."""


@dataclass(slots=True)
class DeviceTally:
    """One device's messages. Order is that of the numbers that ids of equal length end with, as text, by first arrival."""

    unique: int = 0
    out_of_order: int = 0
    last_id: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """The books' balance. `accepted` counts ids that were positively acknowledged at least once."""

    received: int
    unique: int
    accepted: int
    repeats: int
    changed: int
    nameless: int
    in_order: bool
    complete: bool
    devices: dict[str, dict[str, int]]


@dataclass(slots=True)
class Ledger:
    """The books. Pure: no file, no clock."""

    received: int = 0
    _digests: dict[str, bytes] = field(default_factory=dict)
    _accepted: set[str] = field(default_factory=set)
    _devices: dict[str, DeviceTally] = field(default_factory=dict)
    _counts: dict[Arrival, int] = field(default_factory=lambda: dict.fromkeys(Arrival, 0))
    _complete: bool = True

    def add(self, id_: str, device: str, body: bytes, *, accepted: bool) -> Arrival:
        """Enter a message that came; `accepted`: a positive answer naming it was given."""
        self.received += 1
        arrival = self._arrival(id_, hashlib.sha256(body).digest())
        self._counts[arrival] += 1
        if arrival is Arrival.FIRST:
            self._order(device, id_)
        if accepted and id_ in self._digests:
            self._accepted.add(id_)
        return arrival

    def summary(self) -> Summary:
        """The balance now."""
        return Summary(
            received=self.received,
            unique=len(self._digests),
            accepted=len(self._accepted),
            repeats=self._counts[Arrival.REPEAT],
            changed=self._counts[Arrival.CHANGED],
            nameless=self._counts[Arrival.NAMELESS],
            in_order=not any(device.out_of_order for device in self._devices.values()),
            complete=self._complete,
            devices={
                name: {"unique": device.unique, "out_of_order": device.out_of_order} for name, device in self._devices.items()
            },
        )

    def _arrival(self, id_: str, digest: bytes) -> Arrival:
        if not id_:
            return Arrival.NAMELESS
        known = self._digests.get(id_)
        if known is not None:
            return Arrival.REPEAT if known == digest else Arrival.CHANGED
        if len(self._digests) < IDS_MAX:
            self._digests[id_] = digest
        else:
            self._complete = False
        return Arrival.FIRST

    def _order(self, device: str, id_: str) -> None:
        if device not in self._devices and len(self._devices) >= IDS_MAX:
            self._complete = False
            return
        tally = self._devices.setdefault(device, DeviceTally())
        tally.unique += 1
        if len(id_) == len(tally.last_id) and id_[-NUMBER:] < tally.last_id[-NUMBER:]:
            tally.out_of_order += 1
        else:
            tally.last_id = id_
