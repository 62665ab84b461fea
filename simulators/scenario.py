"""A synthetic patient over time, and what goes wrong on the line: seeded, so that a seed is a script.

Every value is a smooth function of (seed, time): two simulators that share a scenario agree, at whatever moments they ask.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Vitals:
    """A moment of the patient. SpO2 %, pulse and respiration /min, perfusion index %, pressures cmH2O, volumes L."""

    spo2: int
    pulse: int
    perfusion: float
    respiration: int
    tidal_volume: float
    minute_volume: float
    peak_pressure: float
    mean_pressure: float
    peep: float
    oxygen: int
    pleth: int
    """Plethysmogram sample, 0 to 255."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A patient and a line. `start` is the wall time at scenario time 0 (aware); faults are chances between 0 and 1.

    `garble`: a byte is changed; `drop`: a byte is lost; `noise`: random bytes come between messages; each per message.
    """

    seed: int
    start: datetime
    garble: float = 0.0
    drop: float = 0.0
    noise: float = 0.0

    def at(self, t_s: float) -> datetime:
        """Wall time at scenario time `t_s` (seconds)."""
        return self.start + timedelta(seconds=t_s)

    def vitals(self, t_s: float) -> Vitals:
        """The patient at scenario time `t_s` (seconds)."""
        rate = self._wave("respiration", t_s, 16.0, 3.0)
        tidal = self._wave("tidal", t_s, 0.48, 0.05)
        pulse = self._wave("pulse", t_s, 78.0, 14.0)
        peep = 5.0
        return Vitals(
            spo2=round(min(100.0, self._wave("spo2", t_s, 96.5, 2.5))),
            pulse=round(pulse),
            perfusion=round(self._wave("perfusion", t_s, 3.2, 1.4), 2),
            respiration=round(rate),
            tidal_volume=round(tidal, 2),
            minute_volume=round(rate * tidal, 2),
            peak_pressure=round(self._wave("peak", t_s, 21.0, 3.0), 1),
            mean_pressure=round(self._wave("mean", t_s, 10.0, 1.0), 1),
            peep=peep,
            oxygen=round(self._wave("oxygen", t_s, 41.0, 1.4)),
            pleth=round(128 + 100 * math.sin(2 * math.pi * (pulse / 60) * t_s)),
        )

    def fault(self, data: bytes, t_s: float) -> bytes:
        """`data` as it leaves the cable: unharmed unless a fault's chance came up at this moment."""
        dice = random.Random(f"{self.seed}/{t_s:.6f}/{len(data)}")  # noqa: S311 - a script, not a secret
        if data and dice.random() < self.garble:
            at = dice.randrange(len(data))
            data = data[:at] + bytes([data[at] ^ (1 << dice.randrange(8))]) + data[at + 1 :]
        if data and dice.random() < self.drop:
            at = dice.randrange(len(data))
            data = data[:at] + data[at + 1 :]
        if dice.random() < self.noise:
            data += dice.randbytes(dice.randrange(1, 12))
        return data

    def _wave(self, name: str, t_s: float, middle: float, swing: float) -> float:
        dice = random.Random(f"{self.seed}/{name}")  # noqa: S311 - a script, not a secret
        total = 0.0
        for period_s in (47.0, 191.0, 613.0):
            total += math.sin(2 * math.pi * (t_s / (period_s * dice.uniform(0.8, 1.2)) + dice.random()))
        return middle + swing * total / 3
