"""MLLP for analyzers: each message is answered once it is durable, a query at once; orders follow as their own message."""

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
from protocols.sansio import SAMPLE_MAX, BadFrame, Event, Message, Note, Sent, Unsent

Hl7Event: TypeAlias = Event[Hl7Message]

WAITING_MAX: Final = 64
"""Messages that may wait for their commit: a sender with more than one under way is already unusual."""
HELD_S: Final = 5.0
"""A query that nobody has answered by then is told that there is nothing: whoever asks waits seconds."""
_WANTED: Final = ("AL", "SU")
"""MSH-15, MSH-16 (HL7 table 0155): an answer is wanted always, or of success."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerProfile:
    """Where senders differ."""

    fill: bytes = b"\r\n\x02"
    """Bytes between blocks that mean nothing: line ends, and the heartbeat (02) of Mindray's analyzers."""
    block_max: int = BLOCK_MAX
    unacknowledged: tuple[str, ...] = ("ACK", "ORL", "ORR")
    """Message codes (MSH-9.1) that are never answered: answers themselves."""
    hold: tuple[str, ...] = ()
    """Queries (QPD-1.1) that wait for `send`; to all others nothing is known here."""
    reply_s: float = 30.0
    """How long the analyzer may take to answer orders."""


class Server:
    """The codec. `wall` stamps our answers; plainly no real time until somebody sets it."""

    def __init__(self, profile: ServerProfile = ServerProfile()) -> None:
        self.wall: Callable[[float], datetime] = lambda at: datetime.fromtimestamp(at, UTC)
        self._profile = profile
        self._token = self._answers = 0
        self._sent: dict[str, tuple[int, float]] = {}
        self._told: list[Sent | Unsent] = []
        self.start(0.0)

    def start(self, now: float) -> None:
        """A connection came up."""
        self._decoder = MllpDecoder(max_bytes=self._profile.block_max, fill=self._profile.fill)
        self._waiting: dict[int, Hl7Message] = {}
        self._query: Hl7Message | None = None
        self._asked_at = now
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
        """When something sent has waited too long for its answer; of what comes in the sender has the timers."""
        due = [until for _, until in self._sent.values()]
        due += [self._now] if self._told else []
        due += [self._asked_at + HELD_S] if self._query is not None else []
        return min(due, default=None)

    def on_deadline(self, now: float) -> Sequence[Hl7Event]:
        """Give up waiting for answers, the analyzer's and the caller's."""
        self._now = now
        if self._query is not None and now >= self._asked_at + HELD_S:
            self._end_query(found=False)
        late = [id_ for id_, (_, until) in self._sent.items() if until <= now]
        self._told += [Unsent(self._sent.pop(id_)[0], "no reply") for id_ in late]
        told, self._told = self._told, []
        return told

    @property
    def clear(self) -> bool:
        """Whether nothing is under way on the line and nothing waits to be sent."""
        return not (self._query or self._sent or self._waiting)

    def send(self, text: bytes, now: float) -> int:
        """Answer the open query, if there is one (QAK OK, or NF when `text` is empty), and send `text` behind it.

        Sent when the analyzer has accepted it (MSA-1 AA or CA of an answer to its MSH-10); for an empty text at once.
        """
        self._token += 1
        self._end_query(found=bool(text))
        sent = parse(text)
        if sent is None:
            self._told.append(Sent(self._token))
        elif len(self._sent) >= WAITING_MAX:
            self._told.append(Unsent(self._token, "too much to send"))
        else:
            self._send(text)
            self._sent[sent.text("MSH", 10)] = (self._token, now + self._profile.reply_s)
        return self._token

    def withdraw(self, token: int) -> bool:  # noqa: ARG002 - the contract's signature
        """What was to be sent has left already."""
        return False

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
            return self._answered(found)
        if found.text("MSH", 9) == "QBP":
            self._ask(found)
            return [Message(found, body, at)]
        if len(self._waiting) >= WAITING_MAX:
            self._answer(found, Code.AE, AckError("207", text="too many messages wait for an answer"))
            return [Note("too many messages under way")]
        self._token += 1
        self._waiting[self._token] = found
        return [Message(found, body, at, self._token)]

    def _answer(self, received: Hl7Message | None, code: Code, *errors: AckError) -> None:
        self._send(ack.build(received, code, control_id=self._next_id(), time=self.wall(self._now), errors=errors))

    def _answered(self, answer: Hl7Message) -> list[Hl7Event]:
        """An answer of the analyzer's: to something sent, or to nothing that we know of."""
        token, _ = self._sent.pop(answer.text("MSA", 2), (0, 0.0))
        if not token:
            return [Note("acknowledgement from the device")]
        return [Sent(token) if answer.text("MSA", 1) in {"AA", "CA"} else Unsent(token, "refused")]

    def _ask(self, query: Hl7Message) -> None:
        """Hold a query that is answered by `send`; one at a time, so that a former one is answered now."""
        if query.text("QPD", 1) not in self._profile.hold:
            self._send(self._response(query, found=False))
            return
        self._end_query(found=False)
        self._query, self._asked_at = query, self._now

    def _end_query(self, *, found: bool) -> None:
        if self._query is not None:
            self._send(self._response(self._query, found=found))
            self._query = None

    def _response(self, query: Hl7Message, *, found: bool) -> bytes:
        """RSP^K11 (HL7 2.5.1 chapter 5): whether orders follow."""
        back = ack.build(query, Code.AA, control_id=self._next_id(), time=self.wall(self._now))
        text = back.decode("utf-8", "replace")
        msh, _, rest = text.partition("\r")
        fields = msh.split("|")
        fields[8] = field("RSP", "K11", "RSP_K11")
        qpd = query.first("QPD")
        state = "OK" if found else "NF"
        told = [field(query.text("QPD", 2)), state, field(*(query.text("QPD", 1, n) for n in (1, 2, 3)))]
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
