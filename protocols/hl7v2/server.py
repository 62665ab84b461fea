"""The receiving side of MLLP, for analyzers: each message is answered once it is durable, a query at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeAlias

from protocols.hl7v2 import ack
from protocols.hl7v2.ack import Code
from protocols.hl7v2.ack import Error as AckError
from protocols.hl7v2.message import Message as Hl7Message
from protocols.hl7v2.message import field, parse, segment
from protocols.hl7v2.mllp import BLOCK_MAX, MllpDecoder, encode
from protocols.sansio import SAMPLE_MAX, BadFrame, Event, Message, Note

Hl7Event: TypeAlias = Event[Hl7Message]

WAITING_MAX: Final = 64
"""Messages that may wait for their commit: a sender with more than one under way is already unusual."""
_WANTED: Final = ("AL", "SU")
"""MSH-15, MSH-16 (HL7 table 0155): an answer is wanted always, or of success."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerProfile:
    """Where senders differ."""

    fill: bytes = b"\r\n\x02"
    """Bytes between blocks that mean nothing: line ends, and the heartbeat (02) of Mindray's analyzers."""
    block_max: int = BLOCK_MAX
    unacknowledged: tuple[str, ...] = ("ACK",)
    """Message codes (MSH-9.1) that are never answered."""


class Server:
    """The codec. `wall` stamps our answers; plainly no real time until somebody sets it."""

    def __init__(self, profile: ServerProfile = ServerProfile()) -> None:
        self.wall: Callable[[float], datetime] = lambda at: datetime.fromtimestamp(at, UTC)
        self._profile = profile
        self._token = self._answers = 0
        self.start(0.0)

    def start(self, now: float) -> None:
        """A connection came up."""
        self._decoder = MllpDecoder(max_bytes=self._profile.block_max, fill=self._profile.fill)
        self._waiting: dict[int, Hl7Message] = {}
        self._out = bytearray()
        self._now = self._begun = now

    def receive(self, data: bytes, now: float) -> Sequence[Hl7Event]:
        """Take bytes."""
        self._now = now
        begun = self._begun if self._decoder.inside else now
        events: list[Hl7Event] = []
        for offset, found in self._decoder.feed_at(data):
            events += [found] if isinstance(found, BadFrame) else self._message(found, offset, begun)
            begun = now
        self._begun = begun
        return events

    def data_to_send(self) -> bytes:
        """The answers to write now."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def deadline(self) -> float | None:
        """There are no timers: the sender has them."""
        return None

    def on_deadline(self, now: float) -> Sequence[Hl7Event]:
        """Nothing is due."""
        self._now = now
        return ()

    def confirm(self, token: int) -> None:
        """Durable: accepted."""
        if (received := self._waiting.pop(token, None)) is not None:
            for code in _answers(received):
                self._answer(received, code)

    def reject(self, token: int) -> None:
        """Not durable: an error that the sender answers by sending it again."""
        if (received := self._waiting.pop(token, None)) is not None:
            busy = AckError("207", text="cannot be kept now, send it again")
            self._answer(received, Code.AE, busy)

    def end(self, now: float) -> Sequence[Hl7Event]:
        """The connection went down; half a block was never acknowledged, so the sender still has it."""
        self._now = now
        return self._decoder.end()

    def _message(self, body: bytes, offset: int, at: float) -> list[Hl7Event]:
        found = parse(body)
        if found is None:
            self._answer(None, Code.AR, AckError("100", text="no MSH with usable delimiters"))
            return [BadFrame(offset, len(body), body[:SAMPLE_MAX], "no HL7 message")]
        if found.text("MSH", 9) in self._profile.unacknowledged:
            return [Note("acknowledgement from the device")]
        if found.text("MSH", 9) == "QBP":
            self._send(self._nothing_found(found))
            return [Message(found, body, at)]
        if len(self._waiting) >= WAITING_MAX:
            self._answer(found, Code.AE, AckError("207", text="too many messages wait for an answer"))
            return [Note("too many messages under way")]
        self._token += 1
        self._waiting[self._token] = found
        return [Message(found, body, at, self._token)]

    def _answer(self, received: Hl7Message | None, code: Code, *errors: AckError) -> None:
        self._send(ack.build(received, code, control_id=self._next_id(), time=self.wall(self._now), errors=errors))

    def _nothing_found(self, query: Hl7Message) -> bytes:
        """RSP^K11 (HL7 2.5.1 chapter 5): no orders are known here."""
        back = ack.build(query, Code.AA, control_id=self._next_id(), time=self.wall(self._now))
        text = back.decode("utf-8", "replace")
        msh, _, rest = text.partition("\r")
        fields = msh.split("|")
        fields[8] = field("RSP", "K11", "RSP_K11")
        qpd = query.first("QPD")
        told = [field(query.text("QPD", 2)), "NF", field(*(query.text("QPD", 1, n) for n in (1, 2, 3)))]
        asked = [field(*(qpd.text(n, c) for c in (1, 2, 3))) for n in range(1, min(len(qpd.fields), 20))] if qpd else []
        return f"{'|'.join(fields)}\r{rest}{segment('QAK', *told)}{segment('QPD', *asked)}".encode()

    def _next_id(self) -> str:
        self._answers += 1
        return f"{self.wall(self._now):%Y%m%d%H%M%S}{self._answers:06d}"

    def _send(self, body: bytes) -> None:
        self._out += encode(body.replace(b"\x0b", b"").replace(b"\x1c", b""))


def _answers(received: Hl7Message) -> list[Code]:
    """What the sender wants to hear: CA, AA, both or nothing (HL7 2.9.3: enhanced mode where MSH-15 or -16 is valued)."""
    accept, application = received.text("MSH", 15).upper(), received.text("MSH", 16).upper()
    if not accept and not application:
        return [Code.AA]
    wanted = [Code.CA] if accept in _WANTED else []
    return [*wanted, Code.AA] if application in _WANTED else wanted
