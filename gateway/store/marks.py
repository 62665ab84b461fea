"""The marks of a filling disk: from the share of room that is used to what is given up."""

from __future__ import annotations

from enum import IntEnum

from gateway.settings.disk import DiskSettings
from gateway.thinning import Policy

BACK = 0.02
"""A mark is left this far below itself: a share that hovers about it must not switch at every look."""


class Level(IntEnum):
    """How far it has come; each includes those before."""

    ROOM = 0
    HISTORY = 1
    WAVEFORMS = 2
    TRENDS = 3
    FULL = 4

    @property
    def words(self) -> str:
        """What happens at this level, for people."""
        return _WORDS[self]


_WORDS = {
    Level.ROOM: "everything is kept",
    Level.HISTORY: "delivered reports are forgotten early, nothing else is given up",
    Level.WAVEFORMS: "new waveforms are dropped",
    Level.TRENDS: "waveforms are dropped and trends thinned",
    Level.FULL: "nothing is taken in, devices are not acknowledged",
}


class Marks:
    """Where each level begins, and which one holds now."""

    def __init__(self, settings: DiskSettings) -> None:
        self._settings = settings
        percents = (settings.history_percent, settings.waveforms_percent, settings.trends_percent)
        self._marks = dict(zip((Level.HISTORY, Level.WAVEFORMS, Level.TRENDS), (one / 100 for one in percents), strict=True))
        self.level = Level.ROOM

    def move(self, share: float, *, full: bool) -> Level:
        """The level at `share` used; `full`: nothing more goes in, whatever the share."""
        reached = max((level for level, mark in self._marks.items() if share >= mark - self._back(level)), default=Level.ROOM)
        self.level = Level.FULL if full else reached
        return self.level

    def below(self, level: Level) -> float:
        """The share at which the level is left: what making room aims at."""
        return max(0.0, self._marks[level] - BACK)

    def policy(self) -> Policy:
        """What acquisition gives up at the present level."""
        trend_interval_s = self._settings.trend_interval_s if self.level >= Level.TRENDS else 0
        return Policy(waveforms=self.level >= Level.WAVEFORMS, trend_interval_s=trend_interval_s)

    def _back(self, level: Level) -> float:
        return BACK if self.level >= level else 0.0
