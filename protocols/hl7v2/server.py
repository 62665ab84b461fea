"""MLLP for analyzers: each message is answered once it is durable, a query at once; orders follow as their own message."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeAlias

from protocols.hl7v2 import ack, queries
from protocols.hl7v2.ack import Code
from protocols.hl7v2.ack import Error as AckError
from protocols.hl7v2.blocks import Block, Blocks, messages
from protocols.hl7v2.message import Message as Hl7Message
from protocols.hl7v2.message import parse
from protocols.hl7v2.mllp import BLOCK_MAX, encode
from protocols.sansio import SAMPLE_MAX, BadFrame, Event, Message, Note, Sent, Unsent

Hl7Event: TypeAlias = Event[Hl7Message]

WAITING_MAX: Final = 64
"""Messages that may wait for their commit: a sender with more than one under way is already unusual."""
HELD_S: Final = 5.0
"""A query that nobody has answered by then is told that there is nothing: whoever asks waits seconds."""
QUIET_S: Final = 2.0
"""Silence after which a message without a frame is whole: a pause of the network is shorter, an analyzer's patience longer."""
_ALWAYS, _FAILED, _TAKEN, _NEVER = "AL", "ER", "SU", "NE"
"""MSH-15, MSH-16 (HL7 table 0155): an answer is wanted always, of errors, of success, never. Mindray's chemistry analyzers and
FineCare write numbers of their own there, which ask for nothing."""
_VALUED: Final = (_ALWAYS, _FAILED, _TAKEN, _NEVER)
_PROFILE: Final = 21
"""MSH-21: LAW analyzers expect it again."""
_DECLINED: Final = ("UA", "UC")
"""ORC-1 of an order that the analyzer declines though it took the message (LAB-28: unable to accept, unable to cancel).
It has no such test, or knows the number already; sending it again changes neither."""
_AWAITED: Final = ("OML", "DSR")
"""What an analyzer answers (ORL^O34, ACK^Q03) when it has taken it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerProfile:
    """Where senders differ."""

    fill: bytes = b"\r\n\x02"
    """Bytes between blocks that mean nothing: line ends, and the heartbeat (02) of Mindray's analyzers."""
    block_max: int = BLOCK_MAX
    open_end: bool = False
    """The sender never ends a block: the next one does, or silence."""
    broken: bool = False
    """The sender writes line ends into fields."""
    unacknowledged: tuple[str, ...] = ("ACK", "ORL", "ORR")
    """Message codes (MSH-9.1) that are never answered: answers themselves."""
    echo: tuple[int, ...] = ()
    """Fields of the sender's MSH, beside MSH-21, that its answers repeat."""
    says: tuple[str, ...] = ()
    """MSA-3 and on of an answer that accepts."""
    hold: tuple[str, ...] = ()
    """Queries (by name, protocols.hl7v2.queries) that wait for `send`; to all others nothing is known here."""
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
        profile = self._profile
        self._blocks = Blocks(max_bytes=profile.block_max, fill=profile.fill, open_end=profile.open_end)
        self._waiting: dict[int, Hl7Message] = {}
        self._query: Hl7Message | None = None
        self._asked_at = now
        self._framed = True
        self._out = bytearray()
        self._now = self._begun = self._heard = now

    def receive(self, data: bytes, now: float) -> Sequence[Hl7Event]:
        """Take bytes."""
        self._now = self._heard = now
        begun = self._begun if self._blocks.inside else now
        events: list[Hl7Event] = []
        for offset, found in self._blocks.feed_at(data):
            events += self._found(offset, found, begun)
            begun = now
        self._begun = begun
        return events

    def data_to_send(self) -> bytes:
        """The answers to write now."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def deadline(self) -> float | None:
        """When something sent has waited too long, or silence ends a message; of what else comes in the sender has the timers."""
        due = [until for _, until in self._sent.values()]
        due += [self._now] if self._told else []
        due += [self._asked_at + HELD_S] if self._query is not None else []
        due += [self._heard + QUIET_S] if self._blocks.quiet_ends else []
        return min(due, default=None)

    def on_deadline(self, now: float) -> Sequence[Hl7Event]:
        """Give up waiting: for answers, the analyzer's and the caller's, and for more of a message that nothing else ends."""
        self._now = now
        quiet = now >= self._heard + QUIET_S
        events = [
            event for offset, found in (self._blocks.rest() if quiet else ()) for event in self._found(offset, found, self._begun)
        ]
        if self._query is not None and now >= self._asked_at + HELD_S:
            self._end_query(found=False)
        late = [id_ for id_, (_, until) in self._sent.items() if until <= now]
        self._told += [Unsent(self._sent.pop(id_)[0], "no reply") for id_ in late]
        told, self._told = self._told, []
        return [*events, *told]

    @property
    def clear(self) -> bool:
        """Whether nothing is under way on the line and nothing waits to be sent."""
        return not (self._query or self._sent or self._waiting)

    def send(self, text: bytes, now: float) -> int:
        """Answer the open query, if there is one (there is nothing when `text` is empty), and send `text` behind it.

        Sent when the analyzer has accepted it (MSA-1 AA or CA of an answer to its MSH-10); at once for an empty text, and for one
        that no analyzer answers.
        """
        self._token += 1
        sent = parse(text)
        self._end_query(found=sent is not None)
        if sent is None:
            self._told.append(Sent(self._token))
        elif len(self._sent) >= WAITING_MAX:
            self._told.append(Unsent(self._token, "too much to send"))
        else:
            self._send(text)
            self._await(sent, now)
        return self._token

    def withdraw(self, token: int) -> bool:  # noqa: ARG002 - the contract's signature
        """What was to be sent has left already."""
        return False

    def confirm(self, token: int) -> None:
        """Durable: accepted."""
        if (received := self._waiting.pop(token, None)) is not None:
            for code in _acceptances(received):
                self._answer(received, code)

    def reject(self, token: int) -> None:
        """Not durable: an error that the sender answers by sending it again."""
        if (received := self._waiting.pop(token, None)) is not None:
            self._refuse(received, "cannot be kept now, send it again")

    def end(self, now: float) -> Sequence[Hl7Event]:
        """The connection went down; half a block was never acknowledged, so the sender still has it."""
        self._now = now
        return [event for offset, found in self._blocks.end() for event in self._found(offset, found, self._begun)]

    def _found(self, offset: int, found: Block | BadFrame, at: float) -> list[Hl7Event]:
        if isinstance(found, BadFrame):
            return [found]
        self._framed = found.framed
        return [event for body in messages(found.body) for event in self._message(body, offset, at)]

    def _message(self, body: bytes, offset: int, at: float) -> list[Hl7Event]:
        found = parse(body, broken=self._profile.broken)
        if found is None:
            self._answer(None, Code.AR, AckError("100", text="no MSH with usable delimiters"))
            return [BadFrame(offset, len(body), body[:SAMPLE_MAX], "no HL7 message")]
        if found.text("MSH", 9) in self._profile.unacknowledged:
            return self._answered(found)
        if queries.name_of(found):
            self._ask(found)
            return [Message(found, body, at)]
        if len(self._waiting) >= WAITING_MAX:
            self._refuse(found, "too many messages wait for an answer")
            return [Note("too many messages under way")]
        self._token += 1
        self._waiting[self._token] = found
        return [Message(found, body, at, self._token)]

    def _answer(self, received: Hl7Message | None, code: Code, *errors: AckError) -> None:
        profile, says = self._profile, () if errors else self._profile.says
        time, echo = self.wall(self._now), (_PROFILE, *profile.echo)
        self._send(ack.build(received, code, control_id=self._next_id(), time=time, errors=errors, echo=echo, says=says))

    def _refuse(self, received: Hl7Message, why: str) -> None:
        """In enhanced mode only who wants to hear of errors does (HL7 2.9.3)."""
        accept, application = _wanted(received)
        if accept in {_ALWAYS, _FAILED}:
            self._answer(received, Code.CE, AckError("207", text=why))
        elif application in {_ALWAYS, _FAILED} or not (accept or application):
            self._answer(received, Code.AE, AckError("207", text=why))

    def _answered(self, answer: Hl7Message) -> list[Hl7Event]:
        """An answer of the analyzer's: to something sent, or to nothing that we know of."""
        token, _ = self._sent.pop(answer.text("MSA", 2), (0, 0.0))
        if not token:
            return [Note("acknowledgement from the device")]
        declined = any(orc.text(1) in _DECLINED for orc in answer.every("ORC"))
        taken = Sent(token) if answer.text("MSA", 1) in {"AA", "CA"} else Unsent(token, "refused")
        return [*([Note("order declined by the device")] if declined else []), taken]

    def _await(self, sent: Hl7Message, now: float) -> None:
        if sent.text("MSH", 9) not in _AWAITED:
            self._told.append(Sent(self._token))
            return
        former, _ = self._sent.pop(sent.text("MSH", 10), (0, 0.0))
        self._told += [Unsent(former, "sent anew")] if former else []
        self._sent[sent.text("MSH", 10)] = (self._token, now + self._profile.reply_s)

    def _ask(self, query: Hl7Message) -> None:
        """Hold a query that is answered by `send`; one at a time, so that a former one is answered now."""
        self._end_query(found=False)
        if queries.name_of(query) in self._profile.hold:
            self._query, self._asked_at = query, self._now
        else:
            self._head(query, found=False)

    def _end_query(self, *, found: bool) -> None:
        if self._query is not None:
            if not (found and queries.carries(self._query)):
                self._head(self._query, found=found)
            self._query = None

    def _head(self, query: Hl7Message, *, found: bool) -> None:
        time, says = self.wall(self._now), self._profile.says
        self._send(queries.head(query, found=found, control_id=self._next_id(), time=time, echo=(_PROFILE,), says=says))

    def _next_id(self) -> str:
        self._answers += 1
        return f"{self.wall(self._now):%Y%m%d%H%M%S}{self._answers:06d}"

    def _send(self, body: bytes) -> None:
        plain = body.replace(b"\x0b", b"").replace(b"\x1c", b"")
        self._out += encode(plain) if self._framed else plain


def _wanted(received: Hl7Message) -> tuple[str, str]:
    """MSH-15 and MSH-16, where they are of the table."""
    first, second = (received.text("MSH", n).strip().upper() for n in (15, 16))
    return first if first in _VALUED else "", second if second in _VALUED else ""


def _acceptances(received: Hl7Message) -> list[Code]:
    """What the sender wants to hear: CA, AA, both or nothing (HL7 2.9.3: enhanced mode where MSH-15 or -16 is valued)."""
    accept, application = _wanted(received)
    if not accept and not application:
        return [Code.AA]
    wanted = [Code.CA] if accept in {_ALWAYS, _TAKEN} else []
    return [*wanted, Code.AA] if application in {_ALWAYS, _TAKEN} else wanted
