"""Fixed-bucket histograms: latencies counted at half a microsecond an observation, quantiles read from the buckets."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

COMMIT_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0)
"""Upper bounds for a commit: a server disk syncs in 0.2 ms, flash in 2 to 20, a dying card in seconds."""
ACK_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds for a receiver's answer: an engine takes milliseconds, 30 s is the time-out most of them are given."""


class Histogram:
    """Observations in seconds, counted by upper bounds; the last bucket has none."""

    __slots__ = ("bounds", "counts", "total_s")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total_s = 0.0

    def observe(self, seconds: float) -> None:
        """Count one; what equals a bound belongs below it."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.total_s += seconds

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self.counts)

    def quantile(self, part: float) -> float | None:
        """Seconds that `part` (0 to 1) of the observations do not exceed, by proportion within a bucket; None: there was none.

        Beyond the last bound nothing is known: then it is that bound.
        """
        wanted, below = part * self.count, 0
        if not self.count:
            return None
        for index, bound in enumerate(self.bounds):
            inside = self.counts[index]
            if inside and below + inside >= wanted:
                lower = self.bounds[index - 1] if index else 0.0
                return lower + (bound - lower) * (wanted - below) / inside
            below += inside
        return self.bounds[-1]

    def as_json(self) -> dict[str, object]:
        """For the status document: counts by upper bound (each apart, the last without), their sum, two quantiles."""
        return {
            "bounds_s": list(self.bounds),
            "counts": list(self.counts),
            "count": self.count,
            "sum_s": self.total_s,
            "p50_s": self.quantile(0.5),
            "p99_s": self.quantile(0.99),
        }
