"""Pauses that double up to a cap and never meet in step."""

from __future__ import annotations

from collections.abc import Callable

AFTER_MAX_S = 3_600.0
"""Longest pause that a receiver may ask for (Retry-After): a wrong header must not silence a ward for a day."""
_DOUBLINGS_MAX = 30
"""Beyond this any base has reached any sensible cap, and the power must not grow without end."""


class Backoff:
    """`delay_s(0)` is about `base_s`, each next twice that, at most `cap_s`, all varied by `jitter` (a part) either way."""

    def __init__(self, base_s: float, cap_s: float, jitter: float, chance: Callable[[], float]) -> None:
        self._base_s = base_s
        self._cap_s = cap_s
        self._jitter = jitter
        self._chance = chance

    def delay_s(self, tries: int, after_s: float | None = None) -> float:
        """The pause after `tries` earlier ones; not less than `after_s`, what the receiver asked for."""
        plain = min(self._cap_s, self._base_s * 2.0 ** min(tries, _DOUBLINGS_MAX))
        varied = plain * (1 + self._jitter * (2 * self._chance() - 1))
        return max(varied, min(after_s, AFTER_MAX_S)) if after_s is not None else varied
