"""Which of a device's reports go to the journal: fewer than come, where the configuration or a filling disk wants it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from gateway.model import Category, Report
from gateway.thinning import INTERVAL, TRENDS, WAVEFORMS, Kept, Policy, Worth, worth

Dropped: TypeAlias = Counter[tuple[Category, str]]
"""How many, by category and named policy."""
_ALL = Policy()


class Sorted(NamedTuple):
    """Reports that are to be kept, and how many are not."""

    wanted: list[Report]
    dropped: Dropped


class Thinning:
    """One device's share in what is given up: its own `interval_s` (0: keep everything), and the present policy of the disk."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._kept = Kept()

    def sort(self, reports: list[Report], policy: Policy = _ALL) -> Sorted:
        """Those to be kept, in their order; an interval counts from them."""
        if not self._interval_s and policy == _ALL:
            return Sorted(reports, Counter())
        wanted: list[Report] = []
        dropped: Dropped = Counter()
        for report in reports:
            if why := self._unwanted(report, policy):
                dropped[report.category, why] += 1
            else:
                wanted.append(report)
        return Sorted(wanted, dropped)

    def forget(self, reports: Iterable[Report]) -> None:
        """These could not be kept after all: the device will send them again."""
        self._kept.forget(reports)

    def _unwanted(self, report: Report, policy: Policy) -> str:
        """The policy that drops it; empty when none does."""
        kind = worth(report)
        if kind is Worth.WAVEFORM:
            return WAVEFORMS if policy.waveforms else ""
        if kind is Worth.KEPT:
            return ""
        age_s = self._kept.age_s(report)
        if age_s < self._interval_s:
            return INTERVAL
        if age_s < policy.trend_interval_s:
            return TRENDS
        self._kept.keep(report)
        return ""
