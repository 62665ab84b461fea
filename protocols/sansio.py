"""The codec contract: bytes and time in, events and bytes out. No IO, no clock, no logging.

One shape carries every kind of device:

- *streaming* (Nonin): `receive` answers with events; nothing is ever sent.
- *polled* (PB840): `start` and `on_deadline` leave a request in `data_to_send`.
- *conversational* (ASTM): an event that the device waits for carries a `token`. The caller makes the
  bytes durable, then says `confirm(token)` (which queues the ACK) or `reject(token)` (which queues the NAK).
- *datagram* (UDP): `receive` is called once a datagram.

Time is the caller's monotonic clock in seconds. A codec never raises for what a peer sent: noise is a
`BadFrame` event, and the good frame behind it, in the same read, still comes out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, runtime_checkable

SAMPLE_MAX = 256
"""Bytes of a bad frame that are kept as evidence: enough to see what it was, too few to fill a log."""

P = TypeVar("P")
P_co = TypeVar("P_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Message(Generic[P_co]):
    """One whole application message: `body` is the protocol's own frozen dataclass, `raw` the bytes it came from.

    `at` is the caller's clock when the message's first byte arrived, in seconds. With a `token` the device
    waits for the answer: commit, then `confirm(token)`.
    """

    body: P_co
    raw: bytes
    at: float
    token: int | None = None


@dataclass(frozen=True, slots=True)
class Fragment:
    """Part of a transmission that must be durable before `confirm(token)`; its meaning comes with a later Message."""

    raw: bytes
    at: float
    token: int


@dataclass(frozen=True, slots=True)
class Incomplete:
    """A transmission that ended before it was whole; `raw` is what was accepted, `reason` says how it ended."""

    raw: bytes
    at: float
    reason: str


@dataclass(frozen=True, slots=True)
class BadFrame:
    """Bytes that are no frame. `offset` counts from the first byte the codec received; `size` is the bytes passed over.

    `raw` is the first SAMPLE_MAX of them. `reason` is a short fixed phrase ("checksum", "too long", "garbage"),
    so that counts by reason are bounded.
    """

    offset: int
    size: int
    raw: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something of the link worth counting that is no data and no fault: "retransmission", "contention", "silence"."""

    what: str


@dataclass(frozen=True, slots=True)
class Sent:
    """What was given to `Sending.send` under this token: the device has it."""

    token: int


@dataclass(frozen=True, slots=True)
class Unsent:
    """What was given to `Sending.send` under this token: it was given up. `reason` is a short fixed phrase."""

    token: int
    reason: str


Event: TypeAlias = Message[P] | Fragment | Incomplete | BadFrame | Note | Sent | Unsent


class Codec(Protocol[P_co]):
    """One device's conversation. Calls never overlap; after each call the caller sends `data_to_send()`."""

    def start(self, now: float) -> None:
        """The link came up (again): forget half a frame of the former connection, queue the opening bytes if any."""
        ...

    def receive(self, data: bytes, now: float) -> Sequence[Event[P_co]]:
        """Take bytes in any split; return what they complete, in wire order."""
        ...

    def data_to_send(self) -> bytes:
        """The bytes to write now; a second call returns nothing new."""
        ...

    def deadline(self) -> float | None:
        """When `on_deadline` wants to be called, on the caller's clock; None: never."""
        ...

    def on_deadline(self, now: float) -> Sequence[Event[P_co]]:
        """Time has passed: poll, time out, close a transmission. Harmless when called early."""
        ...

    def confirm(self, token: int) -> None:
        """What the token stood for is durable: acknowledge it. An unknown token is ignored."""
        ...

    def reject(self, token: int) -> None:
        """What the token stood for could not be kept: refuse it, so that the device keeps it."""
        ...

    def end(self, now: float) -> Sequence[Event[P_co]]:
        """The link went down or the file ended: return what that leaves incomplete."""
        ...


@runtime_checkable
class Sending(Protocol):
    """A codec that can send its device a message of its own accord, when the line allows it."""

    @property
    def clear(self) -> bool:
        """Whether nothing is under way on the line and nothing waits to be sent."""
        ...

    def send(self, text: bytes, now: float) -> int:
        """Send `text`, the message's own bytes, as soon as the line is free; the token of the Sent or Unsent that follows."""
        ...

    def withdraw(self, token: int) -> bool:
        """Do not send it any more: True, and no event follows. False: it is on its way and finished, or the token is unknown."""
        ...


@runtime_checkable
class Overhearing(Protocol):
    """A codec of a conversation that can be set to listen to what two others say: it neither speaks nor expects an answer."""

    def overhear(self) -> None:
        """From now on, before `start`: what comes may be of either side."""
        ...


@runtime_checkable
class Punctual(Protocol):
    """A codec whose answers name nothing: one that comes after the device gave up waiting would be taken for the next one."""

    def late(self, now: float) -> None:
        """Time has passed while something was kept: what the device waits for no longer is not said. Before confirm or reject."""
        ...


@runtime_checkable
class Timed(Protocol):
    """A codec whose protocol has the host say what time it is: `wall` turns its clock into aware time, set before `start`."""

    wall: Callable[[float], datetime]


class Quiet:
    """The parts of the contract that a codec without timers and acknowledgements leaves empty."""

    def start(self, now: float) -> None: ...

    def data_to_send(self) -> bytes:
        return b""

    def deadline(self) -> float | None:
        return None

    def on_deadline(self, now: float) -> Sequence[Event[Any]]:  # noqa: ARG002 - the contract's signature
        return ()

    def confirm(self, token: int) -> None: ...

    def reject(self, token: int) -> None: ...
