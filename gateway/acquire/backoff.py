"""Pauses between attempts: doubling from a base to a cap, with jitter, so that fifty devices do not knock at once."""

from __future__ import annotations

from collections.abc import Callable


class Backoff:
    """`next` gives the seconds to wait; between half and all of base, twice base, … cap. `random` gives 0 to 1."""

    def __init__(self, random: Callable[[], float], *, base_s: float = 1.0, cap_s: float = 30.0) -> None:
        self._random, self._base_s, self._cap_s = random, base_s, cap_s
        self._wait_s = base_s

    def next(self) -> float:
        """The next pause in seconds."""
        wait_s, self._wait_s = self._wait_s, min(self._cap_s, self._wait_s * 2)
        return wait_s * (0.5 + self._random() / 2)

    def reset(self) -> None:
        """It worked: begin with the base again."""
        self._wait_s = self._base_s
