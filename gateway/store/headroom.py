"""How long the journal's room lasts: from what came in and what went out lately, to hours."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

WINDOW_S = 600.0
"""Rates are means of this long: an analyzer's burst does not frighten, a receiver that fell silent shows within minutes."""
LEAST_S = 60.0
"""Nothing is said from less than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Totals at one instant; each only ever grows but `waiting`."""

    at_s: float
    """Monotonic."""
    taken_bytes: int
    """Room that what was taken in has cost, whether or not it was given back since."""
    received: int
    """Reports that some destination takes."""
    waiting: int
    """Of these, how many some destination is not done with: waiting, held, parked."""


class Rates(NamedTuple):
    """Means over the window."""

    taken_bytes_s: float
    """What intake costs."""
    filling_bytes_s: float
    """What of that stays: the share of intake by which the waiting grows. 0 while receivers keep pace or catch up."""


@dataclass(frozen=True, slots=True)
class Headroom:
    """Hours until devices are not acknowledged any more; infinite: never."""

    hours: float
    """As things go now."""
    outage_hours: float
    """If no receiver took anything from now on."""


class Window:
    """Samples of the last WINDOW_S seconds."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque()

    def add(self, sample: Sample) -> None:
        """The latest state; a clock that went back begins anew."""
        if self._samples and sample.at_s < self._samples[-1].at_s:
            self._samples.clear()
        self._samples.append(sample)
        while len(self._samples) > 2 and self._samples[1].at_s <= sample.at_s - WINDOW_S:
            self._samples.popleft()

    def rates(self) -> Rates | None:
        """None while too little was seen."""
        if not self._samples:
            return None
        first, last = self._samples[0], self._samples[-1]
        took_s = last.at_s - first.at_s
        if took_s < LEAST_S:
            return None
        taken_s = max(0, last.taken_bytes - first.taken_bytes) / took_s
        return Rates(taken_s, taken_s * self._staying(first, last))

    def _staying(self, first: Sample, last: Sample) -> float:
        """The share of what was received by which the waiting grew, 0 to 1.

        The least of the later half is held against the least of the earlier one: what is under way with a receiver that keeps
        pace comes and goes, and is no growth.
        """
        middle_s = (first.at_s + last.at_s) / 2
        earlier = min(one.waiting for one in self._samples if one.at_s <= middle_s)
        later = min(one.waiting for one in self._samples if one.at_s >= middle_s)
        received = (last.received - first.received) / 2
        return min(1.0, max(0.0, (later - earlier) / received)) if received > 0 else 0.0


def headroom(rates: Rates, capacity_bytes: float) -> Headroom:
    """`capacity_bytes`: what can still be taken in once everything delivered is forgotten."""
    return Headroom(_hours(capacity_bytes, rates.filling_bytes_s), _hours(capacity_bytes, rates.taken_bytes_s))


def _hours(capacity_bytes: float, bytes_s: float) -> float:
    return capacity_bytes / bytes_s / 3600 if bytes_s > 0 else float("inf")
