"""The host's side of a conversation: greet, ask for results, acknowledge each only when it is durable, keep listening.

Basic profile: HEL, DST, then the host asks for what the device announced (REQ ROBS, REQ RDEV), each topic ends with EOT.
Then, if the device can, START_CONTINUOUS, and it speaks at will. One message of ours is under way at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias

from protocols.poct1a.message import NOTHING, NotAMessage, Object, Poct1aMessage, document, leaf, parse
from protocols.poct1a.stream import DOCUMENT_MAX, Document, Splitter
from protocols.sansio import SAMPLE_MAX, BadFrame, Event, Message, Note

Poct1aEvent: TypeAlias = Event[Poct1aMessage]

RESPONSE_S: Final = 30.0
"""How long a device may take to answer what we asked before we go on: eight seconds of silence were seen in a healthy one."""
CONTROL_ID_MAX: Final = 64
"""Characters of a device's control id that we repeat: twenty is the most seen."""
_PASSING: Final = frozenset({"HEL.R01", "DST.R01", "ACK.R01", "EOT.R01", "KPA.R01", "END.R01", "ESC.R01", "REQ.R01"})
"""What holds no result. All else must be durable before it is acknowledged, known or not: the device forgets it then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationProfile:
    """Where devices differ."""

    ask: bool = True
    """Ask for results after DST (REQ ROBS). Off: the device sends them unasked."""
    ask_always: bool = False
    """Ask even when DST announces none."""
    events: bool = True
    """Ask for device events too (REQ RDEV), where the device has the topic D_EV."""
    continuous: bool = True
    """Then START_CONTINUOUS, where the device supports that directive."""
    set_time: bool = False
    """Set the device's clock (DTV SET_TIME), where it supports that directive."""
    ack_eot: bool = False
    """Acknowledge the device's EOT although it answers our REQ."""
    refusal: Literal["AE", "AR"] = "AR"
    """What to answer when nothing can be kept: the device must keep the result."""
    mllp: bool = False
    """Each document in an MLLP frame, ours too; theirs are recognised either way."""
    idle_s: float = 300.0
    """Silence after which the host sends a keep-alive (KPA); 0: never."""
    document_max: int = DOCUMENT_MAX


class Host:
    """The codec. `wall` stamps our messages and is what SET_TIME tells; plainly no real time until somebody sets it."""

    def __init__(self, profile: ConversationProfile) -> None:
        self.wall: Callable[[float], datetime] = lambda at: datetime.fromtimestamp(at, UTC)
        self._profile = profile
        self._out = bytearray()
        self._token = 0
        self._control = 0
        self.start(0.0)

    def start(self, now: float) -> None:
        """A connection came up: the device speaks first."""
        self._splitter = Splitter(document_max=self._profile.document_max)
        self._now = self._heard = now
        self._hello: Object = NOTHING
        self._waiting: dict[int, str] = {}
        self._todo: deque[tuple[str, str]] = deque()
        self._ours = ""
        self._our_type = ""
        self._asked_at = 0.0
        self._topic = False
        self._out.clear()

    def receive(self, data: bytes, now: float) -> Sequence[Poct1aEvent]:
        """Take bytes."""
        self._now = self._heard = now
        events: list[Poct1aEvent] = []
        for found in self._splitter.feed(data, now):
            if isinstance(found, BadFrame):
                events.append(found)
            else:
                events += self._document(found)
        return events

    def data_to_send(self) -> bytes:
        """The bytes to write now."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def deadline(self) -> float | None:
        """When an answer of the device is overdue, or it was silent for long."""
        times = [self._asked_at + RESPONSE_S] if self._busy else []
        if self._profile.idle_s and self._hello is not NOTHING:
            times.append(self._heard + self._profile.idle_s)
        return min(times, default=None)

    def on_deadline(self, now: float) -> Sequence[Poct1aEvent]:
        """Go on without an answer; ask a silent device whether it is there."""
        self._now = now
        if self._busy and now >= self._asked_at + RESPONSE_S:
            what = self._our_type or "topic"
            self._ours, self._our_type, self._topic = "", "", False
            self._go_on()
            return (Note(f"no answer to {what}"),)
        if self._profile.idle_s and self._hello is not NOTHING and now >= self._heard + self._profile.idle_s:
            self._heard = now
            self._todo.append(("KPA.R01", ""))
            self._go_on()
        return ()

    def confirm(self, token: int) -> None:
        """Durable: AA, and the device may forget it."""
        if (control_id := self._waiting.pop(token, None)) is not None:
            self._acknowledge(control_id, "AA")
            self._go_on()

    def reject(self, token: int) -> None:
        """Not durable: the device keeps it."""
        if (control_id := self._waiting.pop(token, None)) is not None:
            self._acknowledge(control_id, self._profile.refusal, "cannot be kept now, send it again")

    def end(self, now: float) -> Sequence[Poct1aEvent]:
        """The connection went down; half a document was never acknowledged, so the device still has it."""
        self._now = now
        return self._splitter.end()

    @property
    def _busy(self) -> bool:
        return bool(self._ours) or self._topic

    def _document(self, found: Document) -> list[Poct1aEvent]:
        try:
            body = parse(found.raw)
        except NotAMessage as error:
            return [BadFrame(found.offset, len(found.raw), found.raw[:SAMPLE_MAX], str(error))]
        if body.type == "HEL.R01":
            self._greet(body)
        message = replace(body, hello=self._hello)
        if self._topic and (body.type not in _PASSING or body.type == "EOT.R01"):
            self._ours, self._our_type = "", ""  # what was asked for is answer enough: not every device acknowledges a REQ
        if body.type not in _PASSING:
            self._token += 1
            self._waiting[self._token] = body.control_id
            self._asked_at = self._now
            return [Message(message, found.raw, found.at, self._token)]
        return self._other(message, found)

    def _other(self, body: Poct1aMessage, found: Document) -> list[Poct1aEvent]:
        """What holds no result: answered at once."""
        events: list[Poct1aEvent] = [Message(body, found.raw, found.at)]
        if body.type == "ACK.R01":
            events += self._acknowledged(body.root)
        elif body.type == "ESC.R01":
            events.append(Note("the device escaped"))
            self._ours, self._our_type, self._topic = "", "", False
        elif body.type == "EOT.R01":
            if self._profile.ack_eot or not self._topic:
                self._acknowledge(body.control_id, "AA")
            self._topic = False
        elif body.type == "REQ.R01":
            events.append(Note("the device asked for what is not served"))
            self._acknowledge(body.control_id, "AE", "not served here")
        else:
            self._acknowledge(body.control_id, "AA")
            if body.type == "DST.R01":
                self._plan(body.root)
            elif body.type == "END.R01":
                self._todo.clear()
        self._go_on()
        return events

    def _greet(self, body: Poct1aMessage) -> None:
        self._hello = body.root
        self._todo.clear()
        self._ours, self._our_type, self._topic = "", "", False

    def _acknowledged(self, root: Object) -> list[Poct1aEvent]:
        """The device's word on ours. An AA may carry an error all the same: it is told, and counts as AA."""
        ack = root.find("ACK") or NOTHING
        to = ack.value("ACK.ack_control_id", "ACK.control_id", "ACK.type_id")
        if not self._ours or (to and to != self._ours):
            return [Note("stray acknowledgement")]
        said, what, self._ours, self._our_type = ack.value("ACK.type_cd") or "AA", self._our_type, "", ""
        if said == "AA":
            error = ack.value("ACK.error_detail_cd")
            return [Note("acknowledged with an error")] if error.strip("0") else []
        self._topic = False
        return [Note(f"the device refused {what}")]

    def _plan(self, status_message: Object) -> None:
        """What to ask for after a DST: what it announces, then the directives the device understands."""
        status, profile = status_message.find("DST") or NOTHING, self._profile
        wanted: list[tuple[str, str]] = []
        if profile.ask and (profile.ask_always or _announced(status, "DST.new_observations_qty")):
            wanted.append(("REQ.R01", "ROBS"))
        if profile.events and self._supports("DSC.topics_supported_cd", "D_EV") and _announced(status, "DST.new_events_qty"):
            wanted.append(("REQ.R01", "RDEV"))
        if profile.set_time and self._supports("DSC.directives_supported_cd", "SET_TIME"):
            wanted.append(("DTV.R02", "SET_TIME"))
        if profile.continuous and self._supports("DSC.directives_supported_cd", "START_CONTINUOUS"):
            wanted.append(("DTV.R01", "START_CONTINUOUS"))
        self._todo.extend(one for one in wanted if one not in self._todo)

    def _supports(self, name: str, what: str) -> bool:
        for capabilities in self._hello.walk("DSC"):
            if any(what in (one.v, *one.v.replace(";", " ").replace(",", " ").split()) for one in capabilities.all(name)):
                return True
        return False

    def _go_on(self) -> None:
        """The next message of ours, if none is under way and nothing of theirs waits for its commit."""
        if self._busy or self._waiting or not self._todo:
            return
        type_, what = self._todo.popleft()
        self._control += 1
        self._ours, self._our_type, self._asked_at = str(self._control), f"{type_} {what}".strip(), self._now
        self._topic = type_ == "REQ.R01"
        self._send(document(type_, self._ours, self._stamp(), _body(type_, what, self._stamp())))

    def _acknowledge(self, control_id: str, type_cd: str, note: str = "") -> None:
        self._control += 1
        body = leaf("ACK.type_cd", type_cd) + leaf("ACK.ack_control_id", control_id[:CONTROL_ID_MAX])
        body += leaf("ACK.note_txt", note) if note else ""
        self._send(document("ACK.R01", str(self._control), self._stamp(), f"<ACK>{body}</ACK>"))

    def _send(self, raw: bytes) -> None:
        self._out += b"\x0b%b\x1c\r" % raw if self._profile.mllp else raw

    def _stamp(self) -> str:
        return self.wall(self._now).isoformat(timespec="seconds")


def _announced(status: Object, name: str) -> bool:
    """Whether a DST says that there is something; a device that gives no number is asked."""
    said = status.value(name)
    return not said.isdecimal() or int(said[:9]) > 0


def _body(type_: str, what: str, stamp: str) -> str:
    if type_ == "REQ.R01":
        return f"<REQ>{leaf('REQ.request_cd', what)}</REQ>"
    if type_ in ("DTV.R01", "DTV.R02"):
        time = f"<TM>{leaf('TM.dttm', stamp)}</TM>" if what == "SET_TIME" else ""
        return f"<DTV>{leaf('DTV.command_cd', what)}</DTV>{time}"
    return ""
