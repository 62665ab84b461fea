"""What may be given up when there is too much: the worth of a report, and how often a device's trends are kept.

Ground floor: acquisition thins what comes, the journal thins what waits, and both by the same rules.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import TypeAlias

from gateway.model import Category, Kind, Report

SHAPES_MAX = 64
"""Kinds of report told apart a device (a ventilator has two); one more forgets the oldest, and so is kept rather than dropped."""

INTERVAL = "thinned to interval_s"
WAVEFORMS = "waveforms, disk filling"
TRENDS = "trends thinned, disk filling"
WAITING_WAVEFORMS = "waiting waveforms, disk filling"
WAITING_TRENDS = "waiting trends thinned, disk filling"
"""The policies by which reports are dropped, as the statement, the counters and the log name them."""


class Worth(Enum):
    """What giving a report up would cost."""

    KEPT = auto()
    """It comes once: a laboratory's or control's result, a spot check, an event, what a driver failed at."""
    TREND = auto()
    """One of a row of vital signs sent by the clock: the next one says nearly the same."""
    WAVEFORM = auto()
    """A piece of a curve that is drawn all the time."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What is given up at present because the disk fills."""

    waveforms: bool = False
    """Whether waveforms are dropped."""
    trend_interval_s: float = 0
    """Of a device's trends one is kept in so many seconds; 0: all are."""


_WORTH = {Category.VITALS: Worth.TREND, Category.WAVEFORMS: Worth.WAVEFORM}


def worth(report: Report) -> Worth:
    """The worth of a report; in doubt it is kept."""
    if report.episodic or all(seen.kind is Kind.EVENT for seen in report.observations):
        return Worth.KEPT
    return _WORTH.get(report.category, Worth.KEPT)


_Shape: TypeAlias = tuple[str, ...]
_News: TypeAlias = tuple[datetime | str | None, ...]


class Kept:
    """When each kind of trend of one device was last kept.

    Reports of different codes (settings, measurements) are told apart, else one would always hide the other.
    """

    def __init__(self) -> None:
        self._last: dict[_Shape, tuple[datetime, _News]] = {}

    def __len__(self) -> int:
        return len(self._last)

    def age_s(self, report: Report) -> float:
        """Seconds since the last kept one of its kind; infinite when it says more than a later value.

        That is: none was kept, the clock was set back, a value was measured at a time of its own that is new (a cuff pressure
        among a monitor's numbers), or a state among the numbers is another one (an alarm word).
        """
        last = self._last.get(_shape(report))
        if last is None or last[1] != _news(report):
            return math.inf
        age_s = (report.received_at - last[0]).total_seconds()
        return age_s if age_s >= 0 else math.inf

    def keep(self, report: Report) -> None:
        """Take note of one that is kept."""
        shape = _shape(report)
        self._last.pop(shape, None)
        self._last[shape] = report.received_at, _news(report)
        if len(self._last) > SHAPES_MAX:
            del self._last[next(iter(self._last))]

    def forget(self, reports: Iterable[Report]) -> None:
        """These could not be kept after all: the device will send them again."""
        for report in reports:
            self._last.pop(_shape(report), None)


def _shape(report: Report) -> _Shape:
    return tuple(seen.vendor_code for seen in report.observations)


def _news(report: Report) -> _News:
    return tuple([seen.value if seen.kind is Kind.EVENT else seen.time for seen in report.observations])
