"""What a person may set of the disk: how much of it the journal has, and what is given up as it fills."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from gateway.settings import Settings

MIB = 2**20


class DiskSettings(Settings):
    """Marks are shares of what the journal has and could still take; each default is safe."""

    max_bytes: int | None = Field(default=None, ge=64 * MIB)
    """Most bytes of the journal's file; without it the file system is the limit."""
    reserve_bytes: int = Field(default=32 * MIB, ge=16 * MIB)
    """Kept free for recording what receivers acknowledge; half as much beside it is where intake stops."""
    history_percent: float = Field(default=60, gt=0, lt=100)
    """From here on delivered reports are forgotten before their keep_days, oldest first."""
    waveforms_percent: float = Field(default=70, gt=0, lt=100)
    """From here on new waveforms are dropped, and counted."""
    trends_percent: float = Field(default=85, gt=0, lt=100)
    """From here on waiting waveforms are dropped, and trends thinned: new ones as they come, waiting ones oldest first."""
    trend_interval_s: float = Field(default=60, ge=1, le=3600)
    """Seconds between two reports of a device that thinning leaves."""

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if not self.history_percent <= self.waveforms_percent <= self.trends_percent:
            raise ValueError("expected history_percent, waveforms_percent and trends_percent to rise, in this order")
        return self
