"""What a person may set of order, retries and parking of a destination."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gateway.settings import Settings


class DispatchSettings(Settings):
    """How a destination's queue behaves; every default is safe."""

    order: Literal["device", "strict"] = "device"
    """device: what the receiver does not want holds up its own device only. strict: it holds up everything."""
    hold: bool = True
    """Whether vitals, events and waveforms wait for a patient; lab results travel on their specimen id in any case."""
    begin: Literal["oldest", "now"] = "oldest"
    """Where a destination that is new begins: with the oldest report kept, or with the next one."""
    retry_base_s: float = Field(default=5.0, gt=0)
    """First pause; each further one is twice as long."""
    retry_cap_s: float = Field(default=600.0, gt=0)
    """Longest pause."""
    retry_jitter: float = Field(default=0.2, ge=0, lt=1)
    """Part by which a pause varies either way, so that gateways do not all come back at once."""
    retry_budget_h: float = Field(default=24.0, gt=0)
    """Hours of pauses that a message's own "not now" may cost before it is parked; an unreachable receiver costs none."""
    refused_retry: frozenset[str] = frozenset()
    """Codes of refusals (such as AR) that this receiver uses for "not now": tried again instead of parked."""
    batch: int = Field(default=64, ge=1, le=1000)
    """Messages made ready in one commit."""
