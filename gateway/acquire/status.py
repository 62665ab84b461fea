"""What is known of a device right now: its state and since when, counts, last values. For screens, `status` and the log."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from gateway.model import Kind, Report

_log = logging.getLogger(__name__)

VALUES_MAX = 256
"""Codes whose last value is remembered: more than a screen shows, few enough that a hostile peer cannot grow it."""
REASONS_MAX = 64
"""Kinds of things counted a device; what comes beyond counts as "other"."""
SHAPES_KEPT = 8
"""Kinds of report whose last one is kept whole until somebody asks for values: a device has one to three."""
_VALUE_MAX = 80
"""Characters of a remembered value: a screen's line."""


class State(StrEnum):
    """A device's state."""

    CONNECTING = "connecting"
    UP = "up"
    SILENT = "silent"
    """The link is there, but the device has not spoken for longer than a healthy one does."""
    HOLDING = "holding"
    """The journal takes no reports: nothing is read from the device until it does again."""
    DOWN = "down"


class LastValue(NamedTuple):
    """The last thing a device said under a code."""

    value: str | None
    unit: str
    validity: str
    time: datetime


@dataclass(slots=True)
class DeviceStatus:
    """One device's status; the supervisor and the pump write it, everybody else reads it."""

    device_id: str
    driver: str
    link: str
    since: datetime
    state: State = State.CONNECTING
    reason: str = ""
    reports: int = 0
    readings: int = 0
    received_bytes: int = 0
    """Read from the link."""
    last_report: datetime | None = None
    clock_offset_s: float | None = None
    """Device minus gateway, as last measured."""
    counts: Counter[str] = field(default_factory=Counter)
    _latest: dict[tuple[str, ...], Report] = field(default_factory=dict)
    _values: dict[str, LastValue] = field(default_factory=dict)
    _unmapped: set[str] = field(default_factory=set)

    @property
    def values(self) -> dict[str, LastValue]:
        """The last value under each code; put together when asked for, since a hundred reports go by for each look."""
        latest, self._latest = self._latest, {}
        for report in latest.values():
            self._remember(report)
        return self._values

    @property
    def unmapped(self) -> list[str]:
        """The codes for which no term is known, at most VALUES_MAX."""
        _ = self.values
        return sorted(self._unmapped)

    def change(self, state: State, reason: str, now: datetime) -> None:
        """The device is in `state`, because of `reason`; logged when the state is another one than before."""
        if state is not self.state:
            about = {"event": "device state", "device": self.device_id}
            _log.info("%s: %s, was %s: %s", self.device_id, state, self.state, reason, extra=about)
            self.since = now
        self.state, self.reason = state, reason

    def count(self, what: str, n: int = 1) -> None:
        """`what` happened `n` times."""
        self.counts[what if what in self.counts or len(self.counts) < REASONS_MAX else "other"] += n

    def kept(self, reports: Iterable[Report]) -> None:
        """These reports are durable."""
        for report in reports:
            self.reports += 1
            self.last_report = report.received_at
            if report.clock_offset_s is not None:
                self.clock_offset_s = report.clock_offset_s
            codes = tuple([seen.vendor_code for seen in report.observations])
            self.readings += len(codes)
            self._latest.pop(codes, None)
            self._latest[codes] = report
        if len(self._latest) > SHAPES_KEPT:
            _ = self.values

    def _remember(self, report: Report) -> None:
        values, time = self._values, report.received_at
        for seen in report.observations:
            if not seen.mapped and len(self._unmapped) < VALUES_MAX:
                self._unmapped.add(seen.vendor_code)
            if seen.kind is Kind.WAVEFORM or (seen.vendor_code not in values and len(values) >= VALUES_MAX):
                continue
            text = seen.value if seen.value is None or len(seen.value) <= _VALUE_MAX else f"{seen.value[:_VALUE_MAX]}…"
            values[seen.vendor_code] = LastValue(text, seen.unit or seen.vendor_unit, seen.validity.value, seen.time or time)
