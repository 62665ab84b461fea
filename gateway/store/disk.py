"""The state of the disk, for people and programs: how full, how long it lasts, what is given up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gateway.store.facts import Facts
from gateway.store.headroom import Headroom, Rates, headroom
from gateway.store.marks import Level
from gateway.store.reserve import Space

NEVER_H = 10 * 365 * 24.0
"""Hours that no gateway lasts: what takes longer does not happen."""


@dataclass(frozen=True, slots=True)
class DiskState:
    """What the watch saw at its last look."""

    level: Level
    space: Space
    facts: Facts
    rows: int
    """Reports that the journal holds, as last counted."""
    rates: Rates | None
    """None while too little was seen."""

    @property
    def capacity_bytes(self) -> float:
        """What can be taken in until intake stops: the room, and what delivered reports take, which are forgotten before."""
        history = 1 - min(1.0, self.facts.waiting / self.rows) if self.rows else 0.0
        return self.space.room + self.space.used * history

    @property
    def headroom(self) -> Headroom | None:
        """Hours until intake stops; None while too little was seen."""
        return None if self.rates is None else headroom(self.rates, self.capacity_bytes)

    @property
    def words(self) -> str:
        """The state in a line."""
        space, left = self.space, self.headroom
        used = f"{100 * space.share:.0f} % of {megabytes(space.used + space.room)} used ({space.limit}): {self.level.words}"
        if left is None:
            return used
        outage = hours(left.outage_hours, "in ")
        now = "never full" if left.hours > NEVER_H else f"full {hours(left.hours, 'in ')}"
        return f"{used}; {now} at the present rate, {outage} if no receiver answered"

    def as_json(self) -> dict[str, Any]:
        """The same for programs. Hours are null when that is never, or not known yet; `headroom` and `outage` say which."""
        space, rates, left = self.space, self.rates, self.headroom
        return {
            "level": self.level.name.lower(),
            "words": self.words,
            "share": round(space.share, 4),
            "limit": space.limit,
            "used_bytes": space.used,
            "room_bytes": space.room,
            "free_page_bytes": space.free_pages,
            "log_bytes": space.log,
            "max_bytes": space.max_bytes,
            "disk_free_bytes": space.disk_free,
            "disk_total_bytes": space.disk_total,
            "reserve_whole": space.reserve_whole,
            "reports": self.rows,
            "waiting_reports": self.facts.waiting,
            "bytes_per_report": round(space.used / self.rows) if self.rows else None,
            "taken_bytes_per_s": None if rates is None else round(rates.taken_bytes_s, 1),
            "filling_bytes_per_s": None if rates is None else round(rates.filling_bytes_s, 1),
            "headroom": "measuring" if left is None else hours(left.hours),
            "headroom_hours": None if left is None else _finite(left.hours),
            "outage": "measuring" if left is None else hours(left.outage_hours),
            "outage_hours": None if left is None else _finite(left.outage_hours),
        }


def hours(value: float, before: str = "") -> str:
    """A span for people: minutes up to two hours, hours up to four days, then days."""
    if value > NEVER_H:
        return "never"
    if value < 2:
        return f"{before}{60 * value:.0f} min"
    return f"{before}{value:.0f} h" if value < 96 else f"{before}{value / 24:.0f} days"


def megabytes(size: int) -> str:
    """A size for people."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def _finite(value: float) -> float | None:
    return None if value > NEVER_H else round(value, 2)
