"""What a person may set of order, retries and parking of a destination."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from gateway.settings import Settings


class DispatchSettings(Settings):
    """How a destination's queue behaves; every default is safe."""

    order: Literal["device", "patient", "strict"] = "device"
    """device: what the receiver does not want yet holds up its own device only. patient: it holds up its patient's messages, of
    whatever device. strict: it holds up everything, and what it refuses does too."""
    live_first: bool = False
    """After an outage fresh reports go at once, past the backlog, which is sent beside them. Ends the order of a device."""
    fresh_s: float = Field(default=60.0, gt=0, le=86_400)
    """With live_first: what the journal has held longer than this is backlog."""
    drain_rate: float = Field(default=0.0, ge=0, le=100_000)
    """With live_first: messages a second that the backlog may add; fewer while the receiver answers slowly. 0: no limit."""
    late_after_s: float = Field(default=900.0, gt=0, le=31_536_000)
    """A report that is sent later than this after it was received counts as late."""
    mark_late: bool = False
    """Tell the receiver of late data in the message itself: NTE under OBR, FHIR meta.tag."""
    hold: bool = True
    """Whether vitals, events and waveforms wait for a patient; lab results travel on their specimen id in any case."""
    unmapped: Literal["send", "hold"] = "send"
    """A laboratory result whose code nobody knows: `send` it under the maker's code, or `hold` it until a person has decided
    what the code means (`wardlink unmapped`)."""
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

    @model_validator(mode="after")
    def _lanes(self) -> DispatchSettings:
        if self.live_first and self.order != "device":
            raise ValueError(
                f'live_first = true lets fresh messages overtake older ones, order = "{self.order}" forbids it: remove one'
            )
        if self.drain_rate and not self.live_first:
            raise ValueError("drain_rate paces the backlog beside fresh messages: add live_first = true, or remove drain_rate")
        return self
