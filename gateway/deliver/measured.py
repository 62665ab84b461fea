"""A destination whose answers are counted and timed: the same `send`, and what status and metrics show of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from gateway.deliver.destination import Destination, Outcome, Outgoing, Refused, Retry
from gateway.histogram import ACK_S, Histogram
from gateway.security.certificates import Certificate

OUT_OF_REACH = "out of reach"
NOT_NOW = "not now"


class Measured:
    """`inner`, watched. Only what a receiver answered is timed: a refused connection says nothing of its speed."""

    def __init__(self, inner: Destination, clock: Callable[[], float] = time.perf_counter) -> None:
        self.inner: Any = inner
        self._clock = clock
        self.acks = Histogram(ACK_S)
        self.retries: Counter[str] = Counter()
        self.refused = 0

    async def send(self, message: Outgoing) -> Outcome:
        """Deliver one message and wait for the receiver's word."""
        began = self._clock()
        outcome: Outcome = await self.inner.send(message)
        if isinstance(outcome, Retry):
            self.retries[OUT_OF_REACH if outcome.link else NOT_NOW] += 1
        else:
            self.acks.observe(self._clock() - began)
            self.refused += isinstance(outcome, Refused)
        return outcome

    async def close(self) -> None:
        """Close the connection; a later `send` opens a new one."""
        await self.inner.close()

    def status(self, own: Certificate | None) -> dict[str, Any]:
        """For the status document; `own` is the certificate that the receiver is shown."""
        peer = self.inner.peer_certificate()
        shown = {"own": own, "peer": peer}
        return {
            "connected": self.inner.connected,
            "acks": self.acks.as_json(),
            "retries": dict(self.retries),
            "refused": self.refused,
            "certificates": {
                whose: {"subject": one.subject, "not_after": one.not_after} for whose, one in shown.items() if one is not None
            },
        }
