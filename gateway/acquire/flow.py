"""One direction of one recorded connection: what a device sent, and when."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes that arrived together, `t_s` seconds after `Flow.started`."""

    t_s: float
    data: bytes


@dataclass(slots=True)
class Flow:
    """One direction of one connection. `started` is None where the file knows no time. A `datagram` chunk is a whole message."""

    name: str
    started: datetime | None
    chunks: list[Chunk] = field(default_factory=list)
    datagram: bool = False
    missing: int = 0
    """Bytes that the sender's count says were sent and the recording does not hold: lost, or cut by its snap length."""
