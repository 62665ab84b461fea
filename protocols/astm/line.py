"""An analyzer's line in both directions: the receiver as long as the analyzer speaks, the sender when the line is neutral."""

from __future__ import annotations

from collections.abc import Sequence

from protocols.astm.frames import STX
from protocols.astm.link import Receiver
from protocols.astm.profile import LinkProfile, SendProfile
from protocols.astm.records import AstmMessage
from protocols.astm.sender import Sender
from protocols.sansio import BadFrame, Event, Message

_STX = bytes([STX])


class Line:
    """A sansio.Codec of AstmMessage that is also Sending.

    The instrument has priority: we begin only while it sends nothing, yield at a collision, and what it sends in the middle of
    our enquiry is heard. A message goes out in the form in which the analyzer's last one came: framed, or bare records.
    """

    def __init__(self, profile: LinkProfile, sending: SendProfile) -> None:
        self._receiver = Receiver(profile)
        self._sender = Sender(sending, records_may_come=profile.mode != "framed")
        self._bare = profile.mode == "records"
        self._auto = profile.mode == "auto"
        self._out = bytearray()
        self._now = 0.0

    # The contract

    def start(self, now: float) -> None:
        self._now = now
        self._out.clear()
        self._receiver.start(now)
        self._sender.start(now)

    def receive(self, data: bytes, now: float) -> Sequence[Event[AstmMessage]]:
        self._now = now
        events: list[Event[AstmMessage]] = []
        at = 0
        while at < len(data):
            if not self._sender.active:
                busy = not self._receiver.idle
                events += self._heard(self._receiver.receive(data[at:], now), busy=busy)
                break
            at += self._sender.receive(data[at], now)
            events += self._told()
        return [*events, *self._told()]

    def data_to_send(self) -> bytes:
        self._collect()
        data = bytes(self._out)
        self._out.clear()
        return data

    def deadline(self) -> float | None:
        due = (self._receiver.deadline(), self._sender.deadline(idle=self._receiver.idle))
        return min((at for at in due if at is not None), default=None)

    def on_deadline(self, now: float) -> Sequence[Event[AstmMessage]]:
        self._now = now
        busy = not self._receiver.idle
        events = self._heard(self._receiver.on_deadline(now), busy=busy)
        self._sender.on_deadline(now, idle=self._receiver.idle)
        return [*events, *self._told()]

    def confirm(self, token: int) -> None:
        self._receiver.confirm(token)
        self._freed()

    def reject(self, token: int) -> None:
        self._receiver.reject(token)
        self._freed()

    def late(self, now: float) -> None:
        self._now = max(self._now, now)
        self._receiver.late(now)

    def end(self, now: float) -> Sequence[Event[AstmMessage]]:
        return [*self._receiver.end(now), *self._told()]

    # Sending

    @property
    def clear(self) -> bool:
        """Whether nothing is under way on the line and nothing waits to be sent."""
        return self._receiver.idle and not self._sender.active and not self._sender.waiting

    def send(self, text: bytes, now: float) -> int:
        """Send records as soon as the line is free; the token of the Sent or Unsent that follows."""
        return self._sender.send(text, now, bare=self._bare)

    def withdraw(self, token: int) -> bool:
        return self._sender.withdraw(token)

    def _heard(self, events: Sequence[Event[AstmMessage]], *, busy: bool) -> list[Event[AstmMessage]]:
        for event in events:
            if self._auto and isinstance(event, Message):
                self._bare = not event.raw.startswith(_STX)
        if busy or any(not isinstance(event, BadFrame) for event in events):
            self._freed()
        return list(events)

    def _freed(self) -> None:
        """The analyzer has sent something: once it has finished, what we yielded the line for is done."""
        if self._receiver.idle:
            self._sender.free(self._now)

    def _told(self) -> list[Event[AstmMessage]]:
        self._collect()
        return list(self._sender.told())

    def _collect(self) -> None:
        """In the order in which it was said: a reply of the receiver's never before our own EOT."""
        self._out += self._sender.data_to_send()
        self._out += self._receiver.data_to_send()
