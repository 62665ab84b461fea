"""How fast a backlog goes out beside fresh reports: a token bucket, slower while the receiver answers slower than it can."""

from __future__ import annotations

import math

BURST_S = 1.0
"""Seconds' worth of tokens that are kept: enough to use the rate up in spite of pauses, too few to hit a receiver with a heap."""
TURN_S = 0.25
"""A turn of the backlog takes about this long, then fresh reports are looked for: what a nurse does not notice."""
SMOOTHING = 0.1
"""Weight of the latest answer: ten answers tell a trend, one slow answer does not."""
RECOVERY = 1.001
"""How fast the best time that is remembered grows with each answer: a receiver that stays slower is the norm after a thousand."""
SLOW = 2.0
"""An answer that takes so many times the best one is slow: the backlog gives way in proportion."""
LEAST = 0.1
"""Part of the rate that a backlog keeps whatever happens, so that it ends some day."""


class Pace:
    """At most `rate` messages a second (0: as fast as they are taken), in turns short enough for fresh ones. Times in seconds."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._tokens = min(1.0, rate)
        self._at: float | None = None
        self._answer_s = 0.0
        self._best_s = math.inf

    def turn(self, now: float, most: int) -> int:
        """How many of the backlog may be sent next; 0 while they must wait."""
        self._fill(now)
        allowed = most if not self._answer_s else max(1, min(most, int(TURN_S / self._answer_s)))
        return min(allowed, int(self._tokens)) if self._rate else allowed

    def wait_s(self, now: float) -> float:
        """Seconds until one may be sent."""
        self._fill(now)
        return max(0.0, (1.0 - self._tokens) / self._present_rate()) if self._rate else 0.0

    def took(self) -> None:
        """One of the backlog was sent."""
        self._tokens -= 1.0

    def answered(self, seconds: float) -> None:
        """The receiver took so long to answer."""
        seconds = max(seconds, 1e-6)
        self._answer_s = seconds if not self._answer_s else self._answer_s + SMOOTHING * (seconds - self._answer_s)
        self._best_s = min(self._best_s * RECOVERY, self._answer_s)

    def _present_rate(self) -> float:
        slowness = self._answer_s / self._best_s if self._answer_s else 1.0
        return self._rate * max(LEAST, min(1.0, SLOW / slowness))

    def _fill(self, now: float) -> None:
        passed_s = 0.0 if self._at is None else max(0.0, now - self._at)  # a clock that stepped back gives nothing
        self._at = now
        if self._rate:
            rate = self._present_rate()
            self._tokens = min(max(1.0, rate * BURST_S), self._tokens + passed_s * rate)
