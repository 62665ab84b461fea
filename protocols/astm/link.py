"""The receiver of ASTM E1381-95 = LIS01-A2: an analyzer's transmissions to messages, each frame acknowledged once it is durable.

    neutral ──ENQ / ACK──▶ transfer ──frame / (confirm) ACK, (reject, damaged, wrong number) NAK──▶ transfer ──EOT──▶ neutral

A frame's number is the last one's plus 1, modulo 8; the last one's number again, with the same text, is a retransmission:
it is acknowledged and dropped. Texts are joined before they are split into records, because a frame may end anywhere.
A message is whole at its L record, if an ETX ends that frame; without L, at an EOT after ETX, or at the next H. All else is
Incomplete: EOT after ETB, 30 s of silence, a new ENQ, the link's end.

One reply per frame, in wire order, never one too many: a sender takes a stray ACK for the next frame's. Hence no reply at all
to what has no frame end, none to a frame sent again while its first copy is not durable yet, and no late ones after a new ENQ.
The sender that gave up waiting (15 s) sends EOT and later everything again; what was stored by then the journal
knows by its content.

Where a sender goes on although it was refused, it does not listen: a recording, or a line that only talks. It is refused
until the next H record, which begins a new message whatever its number.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from protocols.astm import frames
from protocols.astm.frames import Bare, Control, Frame, Scanner
from protocols.astm.profile import Checksum, FrameEnd, FrameNumbers, LinkProfile, Mode
from protocols.astm.records import AstmMessage, is_header, parse
from protocols.astm.transmission import Part, Transmission
from protocols.sansio import SAMPLE_MAX, BadFrame, Event, Fragment, Incomplete, Message, Note

__all__ = ["Checksum", "FrameEnd", "FrameNumbers", "LinkProfile", "Mode", "Receiver"]

_ACK = bytes([frames.ACK])
_NAK = bytes([frames.NAK])
_GIVEN_UP = 0.9
"""Part of the sender's reply timer after which an EOT means that it gave up: its clock and ours don't start together."""


@dataclass(slots=True)
class _Reply:
    """A reply owed to the sender, and how to take the frame back if it is refused (None: the transfer is over)."""

    token: int
    at: float
    answer: bytes = b""
    late: bool = False
    """The sender has given up waiting for it."""
    undo: Callable[[], None] | None = None


class Receiver:
    """One analyzer's line, the gateway as receiver: a sansio.Codec of AstmMessage."""

    _message: Transmission | None
    _replies: deque[_Reply]
    _number: int
    _accepted: tuple[bytes, bool] | None
    """The last accepted frame, to know it when it comes again."""
    _refused: bytes
    """The last frame with a wrong number: a sender that goes on to another one does not listen."""
    _damaged: bool
    """Something was lost since the last accepted frame."""
    _heard: bool
    _restarts: bool
    _unnumbered: bool
    """The frames of this session have no numbers: its first had none."""
    _transfer: bool

    def __init__(self, profile: LinkProfile | None = None) -> None:
        self._profile = profile or LinkProfile()
        self._scanner = Scanner(self._profile)
        self._out = bytearray()
        self._tokens = 0
        self._now = self._heard_at = 0.0
        self._neutral()

    # The contract

    def start(self, now: float) -> None:
        self._now = self._heard_at = now
        self._scanner.clear()
        self._out.clear()
        self._neutral()

    def receive(self, data: bytes, now: float) -> Sequence[Event[AstmMessage]]:
        self._now = self._heard_at = now
        self._scanner.feed(data, now)
        return self._events(frames.FLOWING)

    def data_to_send(self) -> bytes:
        data = bytes(self._out)
        self._out.clear()
        return data

    def deadline(self) -> float | None:
        """The receiver's 30 s (not while a reply is owed: then it is the sender who waits), or the settling of a doubt."""
        due = [self._heard_at + self._profile.quiet_s] if self._scanner.undecided else []
        if not self._replies and (self._transfer or self._scanner.pending):
            due.append(self._heard_at + self._profile.silence_s)
        return min(due, default=None)

    def on_deadline(self, now: float) -> Sequence[Event[AstmMessage]]:
        events: list[Event[AstmMessage]] = []
        self._now = max(self._now, now)
        if self._scanner.undecided and now >= self._heard_at + self._profile.quiet_s:
            events += self._events(frames.QUIET)
            self._out += _ACK if self._scanner.alone and self._transfer else b""
        waiting = not self._replies and (self._transfer or self._scanner.pending)
        if waiting and now >= self._heard_at + self._profile.silence_s:
            was_transfer = self._transfer
            events += self._over("silence")
            events += [Note("silence")] if was_transfer else []
        return events

    def confirm(self, token: int) -> None:
        for reply in self._replies:
            if reply.token == token:
                reply.answer = reply.answer or _ACK
                break
        self._flush()

    def reject(self, token: int) -> None:
        """NAK, and forget the frame and all behind it: the sender sends it again."""
        owed = list(self._replies)
        for n, reply in enumerate(owed):
            if reply.token == token and not reply.answer:
                if reply.undo is not None:
                    reply.undo()
                for later in owed[n:]:
                    later.answer = _NAK
                break
        self._flush()

    def late(self, now: float) -> None:
        """What the sender waits for no longer is not said; it will send EOT, and everything again."""
        self._now = max(self._now, now)
        for reply in self._replies:
            if not reply.answer and self._now - reply.at >= _GIVEN_UP * self._profile.reply_s:
                reply.late = self._damaged = True

    def end(self, now: float) -> Sequence[Event[AstmMessage]]:
        self._now = max(self._now, now)
        events = self._over("link end")
        self._replies.clear()
        return events

    @property
    def idle(self) -> bool:
        """Whether the line is neutral: nothing is under way, no reply is owed."""
        return not (self._transfer or self._replies or self._scanner.pending)

    # What comes in

    def _events(self, level: int, why: str = "silence") -> list[Event[AstmMessage]]:
        events: list[Event[AstmMessage]] = []
        for item in self._scanner.items(level):
            if isinstance(item, Frame):
                events += self._frame(item)
            elif isinstance(item, Control):
                events += self._enq() if item.code == frames.ENQ else self._eot()
            elif isinstance(item, Bare):
                events += self._bare(item, why)
            else:
                self._damaged = True
                events.append(item)
        return events

    def _enq(self) -> list[Event[AstmMessage]]:
        if self._transfer and not self._profile.enq_restarts:
            self._answer(_NAK)
            return [Note("ENQ in transfer")]
        events = self._close("ENQ in transfer", whole=False)
        self._neutral()
        self._out.clear()
        self._begin(number=0)
        self._out += _ACK
        return events

    def _eot(self) -> list[Event[AstmMessage]]:
        if not self._transfer:
            return []
        patience = _GIVEN_UP * self._profile.reply_s
        gave_up = any(not reply.answer and self._now - reply.at >= patience for reply in self._replies)
        reason = "aborted" if gave_up or self._damaged or self._refused else "EOT after ETB"
        empty = not self._heard
        self._out.clear()
        events = self._close(reason, whole=reason != "aborted", owed=self._profile.ack_eot)
        owed = [] if gave_up else list(self._replies)
        self._neutral()
        for reply in owed:
            reply.undo = None
        self._replies.extend(owed)
        if self._profile.ack_eot and not any(isinstance(event, Message) for event in events):
            self._answer(_ACK)
        return [*events, Note("empty session")] if empty else events

    def _frame(self, frame: Frame) -> list[Event[AstmMessage]]:
        if not frame.sound:
            self._damaged = True
            return self._refuse(frame, "checksum")
        number, text = self._numbered(frame.body)
        begins = is_header(text.lstrip(b" \t"))
        if begins and self._accepted is None and self._profile.frame_numbers == "if-present":
            self._unnumbered, self._number = number < 0, number - 1
        if not self._transfer:
            if self._profile.mode == "framed" or not begins:
                return self._refuse(frame, "outside a session")
            self._begin(number=number - 1)
            self._restarts = True
        if self._accepted == (frame.body, frame.last):
            return self._again()
        events: list[Event[AstmMessage]] = []
        headless = self._message is None and self._refused != b"" and not begins
        if headless or not self._follows(number, begins=begins):
            elsewhere = self._damaged or self._message is not None or self._refused not in (b"", frame.body)
            if not (begins and elsewhere):
                self._refused = frame.body
                return self._refuse(frame, "frame number")
            events += [*self._close("frame lost", whole=False), Note("resynchronised")]
        if begins and self._message is not None and self._message.last:
            events += self._close("no L record", whole=True)
        return events + self._accept(frame, number, text)

    def _numbered(self, body: bytes) -> tuple[int, bytes]:
        """(frame number, text); the number is -1 where there is none."""
        if self._profile.frame_numbers == "absent" or self._unnumbered:
            return -1, body
        return (body[0] - 0x30, body[1:]) if body[:1] in _DIGITS else (-1, body)

    def _follows(self, number: int, *, begins: bool) -> bool:
        rule = self._profile.frame_numbers
        if rule in ("ignored", "absent") or self._unnumbered or number == (self._number + 1) % 8:
            return True
        restarts = rule in ("restart-per-message", "if-present") or self._restarts
        return number == 1 and (self._message is None or (begins and self._message.last)) and restarts

    def _accept(self, frame: Frame, number: int, text: bytes) -> list[Event[AstmMessage]]:
        message = self._message or Transmission(frame.at)
        if message.size + len(frame.raw) > self._profile.message_max:
            return self._refuse(frame, "message too long")
        undo = self._undo(self._message)
        message.add(Part(text, frame.raw, frame.last))
        self._message, self._number, self._accepted = message, number, (frame.body, frame.last)
        self._heard, self._damaged, self._refused, self._scanner.bare = True, False, b"", False
        token = self._owe(undo)
        if frame.last and message.terminated:
            self._message = None
            return self._messages(message, token)
        return [Fragment(frame.raw, frame.at, token)]

    def _again(self) -> list[Event[AstmMessage]]:
        self._damaged = False
        if not any(not reply.answer for reply in self._replies):
            self._answer(_ACK)
        return [Note("retransmission")]

    def _refuse(self, frame: Frame, reason: str) -> list[Event[AstmMessage]]:
        """In neutral a strict receiver hears only ENQ; otherwise a NAK tells the sender sooner than its timer would."""
        if self._transfer or self._profile.mode != "framed":
            self._answer(_NAK)
        return [BadFrame(frame.offset, len(frame.raw), frame.raw[:SAMPLE_MAX], reason)]

    def _bare(self, bare: Bare, why: str) -> list[Event[AstmMessage]]:
        self._heard, self._damaged = True, False
        reason = why if bare.ended == "silence" else bare.ended
        sure = bare.ended in ("H", "EOT") or (bare.ended == "silence" and self._profile.close_ends)
        if bare.ended == "L" or (sure and not self._profile.needs_terminator):
            token = self._owe(None) if self._profile.ack_records else None
            message = Transmission(bare.at)
            message.add(Part(bare.raw, bare.raw, last=True))
            return self._messages(message, token)
        return [Incomplete(bare.raw, bare.at, _REASONS.get(reason, reason))]

    # What becomes of it

    def _messages(self, message: Transmission, token: int | None) -> list[Event[AstmMessage]]:
        """A message for each H; the sender's reply hangs on the last."""
        how = self._profile
        bodies = parse(message.text, encoding=how.encoding, lf_separates=how.lf_separates, assumed=how.delimiters)
        if not bodies:
            self._replies = deque(reply for reply in self._replies if reply.token != token)
            return [Incomplete(message.raw, message.at, "no records")]
        raw, last = message.raw, len(bodies) - 1
        return [Message(body, raw, message.at, token if n == last else None) for n, body in enumerate(bodies)]

    def _close(self, reason: str, *, whole: bool, owed: bool = False) -> list[Event[AstmMessage]]:
        """End the message under way: delivered if it may be `whole` and its frames say so, else Incomplete with `reason`."""
        message, self._message = self._message, None
        if message is None:
            return []
        if whole and not message.terminated and (not message.last or self._profile.needs_terminator):
            whole = False
            reason = "no L record" if message.last else reason
        if whole:
            return self._messages(message, self._owe(None) if owed else None)
        return [Incomplete(message.raw, message.at, reason)]

    def _over(self, why: str) -> list[Event[AstmMessage]]:
        """No more bytes will come: the link is down, or the sender has been silent for too long."""
        events = self._events(frames.OVER, why)
        events += self._close(why, whole=self._profile.close_ends and not self._damaged)
        owed = list(self._replies)
        self._neutral()
        self._replies.extend(owed)
        return events

    # State

    def _neutral(self) -> None:
        self._message = None
        self._replies = deque()
        self._number = 0
        self._accepted = None
        self._refused = b""
        self._damaged = self._heard = self._restarts = self._unnumbered = False
        self._transfer = self._scanner.transfer = False
        self._scanner.bare = self._profile.mode != "framed"

    def _begin(self, number: int) -> None:
        self._transfer = self._scanner.transfer = True
        self._number = number % 8

    def _undo(self, message: Transmission | None) -> Callable[[], None]:
        """How to come back to now: the message under way with its frames, the last frame."""
        number, accepted, count = self._number, self._accepted, 0 if message is None else len(message.parts)

        def undo() -> None:
            self._message, self._number, self._accepted, self._damaged = message, number, accepted, True
            if message is not None:
                message.cut(count)

        return undo

    # Replies

    def _owe(self, undo: Callable[[], None] | None) -> int:
        self._tokens += 1
        self._replies.append(_Reply(self._tokens, self._now, undo=undo))
        return self._tokens

    def _answer(self, answer: bytes) -> None:
        """Reply behind what is still owed."""
        self._replies.append(_Reply(0, self._now, answer))
        self._flush()

    def _flush(self) -> None:
        while self._replies and self._replies[0].answer:
            reply = self._replies.popleft()
            self._out += b"" if reply.late else reply.answer


_DIGITS = frozenset(b"%d" % n for n in range(8))
_REASONS = {
    "ENQ": "ENQ in transfer",
    "STX": "frame among records",
    "H": "no L record",
    "EOT": "no L record",
    "too long": "too long",
}
