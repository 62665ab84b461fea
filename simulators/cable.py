"""The cable of a device that is answered: what is said again meets another fate than the first time."""

from __future__ import annotations

from simulators.scenario import Scenario

_APART_S = 1e-4
"""Seconds by which writes of one moment are told apart: faults depend on the moment."""


class Cable:
    """Carries a device's bytes with the faults of its scenario."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario, self._writes = scenario, 0

    def carry(self, data: bytes, t_s: float) -> bytes:
        """`data` as it arrives, written at scenario time `t_s` (seconds)."""
        self._writes += 1
        return self._scenario.fault(data, t_s + self._writes * _APART_S)
