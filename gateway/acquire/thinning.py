"""The named policy "thinned": a device's vital signs no oftener than every so many seconds."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from gateway.model import Category, Report

SHAPES_MAX = 64
"""Kinds of report told apart a device (a ventilator has two); one more forgets the oldest, and so is sent rather than dropped."""

_Shape = tuple[str, ...]


class Thinning:
    """Which reports to keep. Only vital signs sent by the clock are dropped: never an event, a spot check, a laboratory's result.

    Reports of different codes (settings, measurements) are thinned apart, else one would always hide the other.
    """

    def __init__(self, interval_s: float) -> None:
        """`interval_s` 0: keep everything."""
        self._interval_s = interval_s
        self._last: dict[_Shape, datetime] = {}

    def wanted(self, reports: list[Report]) -> list[Report]:
        """Those of `reports` that are to be kept; the interval counts from them."""
        if not self._interval_s:
            return reports
        return [report for report in reports if not _thinnable(report) or self._due(report)]

    def forget(self, reports: Iterable[Report]) -> None:
        """These could not be kept after all: the device will send them again."""
        for report in reports:
            self._last.pop(_shape(report), None)

    def _due(self, report: Report) -> bool:
        shape = _shape(report)
        last = self._last.get(shape)
        if last is not None and 0 <= (report.received_at - last).total_seconds() < self._interval_s:
            return False
        self._last.pop(shape, None)
        self._last[shape] = report.received_at
        if len(self._last) > SHAPES_MAX:
            del self._last[next(iter(self._last))]
        return True


def _thinnable(report: Report) -> bool:
    return report.category is Category.VITALS and not report.episodic and bool(report.observations)


def _shape(report: Report) -> _Shape:
    return tuple(seen.vendor_code for seen in report.observations)
