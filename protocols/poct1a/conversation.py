"""The host's side of a conversation: greet, ask for results, acknowledge each only when it is durable, tell lists, listen on.

Basic profile: HEL, DST, then the host asks for what the device announced (REQ ROBS, REQ RDEV), each topic ends with EOT; then
directives and lists, each message acknowledged before the next; then END. Or, if the device can, START_CONTINUOUS, and it speaks
at will. One message of ours is under way at a time, and none while one of the device's waits for its commit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, TypeAlias

from protocols.poct1a import host_talk
from protocols.poct1a.host_talk import Mail, Saying
from protocols.poct1a.message import NOTHING, Field, NotAMessage, Object, Poct1aMessage, document, leaf, parse
from protocols.poct1a.profile import ConversationProfile
from protocols.poct1a.stream import Document, Splitter
from protocols.sansio import SAMPLE_MAX, BadFrame, Event, Message, Note, Sent, Unsent

__all__ = ["ConversationProfile", "Host"]

Poct1aEvent: TypeAlias = Event[Poct1aMessage]
_Content: TypeAlias = tuple[str, str, tuple[Field, ...], tuple[Object, ...]]

RESPONSE_S: Final = 30.0
"""How long a device may take to answer what we asked before we go on: eight seconds of silence were seen in a healthy one."""
EOT_S: Final = 3.0
"""How long we wait for an answer to our EOT: some devices give none, as we give none to theirs (Nova's hosts go on at once)."""
RESPONSE_MAX_S: Final = 300.0
"""What we grant at most where the device asks for more itself (DCP.application_timeout: 60, 100 and 120 seconds were seen)."""
CONTROL_ID_MAX: Final = 64
"""Characters of a device's control id that we repeat: twenty is the most seen."""
MAILS_MAX: Final = 8
"""What may wait to be sent: two lists, and an answer each to a device that asks again and again."""


@dataclass(frozen=True, slots=True)
class _Ours:
    """What we said and is not answered yet; `mail` is the rest of what it is part of."""

    control_id: str
    saying: Saying
    mail: Mail | None = None


class Host:
    """The codec; also Sending and Overhearing. `wall` stamps our messages; plainly no real time until somebody sets it."""

    def __init__(self, profile: ConversationProfile) -> None:
        self.wall: Callable[[float], datetime] = lambda at: datetime.fromtimestamp(at, UTC)
        self._profile = profile
        self._overhearing = False
        self._out = bytearray()
        self._token = self._control = self._letters = 0
        self._question = self._topic = ""
        self._asked_at = 0.0
        self.start(0.0)

    def start(self, now: float) -> None:
        """A connection came up: the device speaks first."""
        self._splitter = Splitter(document_max=self._profile.document_max)
        self._now = self._heard = now
        self._framed = False
        self._waiting: dict[int, str] = {}
        self._last: _Content | None = None
        self._last_token = 0
        self._told: list[Sent | Unsent | Note] = []
        self._mails: deque[Mail] = deque()
        self._ours: _Ours | None = None
        self._begin(NOTHING)
        self._out.clear()

    def overhear(self) -> None:
        """Listen to a recording, of either side or of both: say nothing, expect nothing."""
        self._overhearing = True

    def receive(self, data: bytes, now: float) -> Sequence[Poct1aEvent]:
        """Take bytes."""
        self._now = self._heard = now
        events: list[Poct1aEvent] = []
        for found in self._splitter.feed(data, now):
            if isinstance(found, BadFrame):
                events.append(found)
            else:
                events += self._document(found)
                events += self._tell()
        return events

    def data_to_send(self) -> bytes:
        """The bytes to write now."""
        data = bytes(self._out)
        self._out.clear()
        return b"" if self._overhearing else data

    def deadline(self) -> float | None:
        """When an answer of the device is overdue, something waits to be said, or the device was silent for long."""
        if self._told or self._due:
            return self._now
        times = [self._asked_at + self._patience_s] if self._busy else []
        if self._profile.idle_s and self._hello is not NOTHING:
            times.append(self._heard + self._profile.idle_s)
        return min(times, default=None)

    def on_deadline(self, now: float) -> Sequence[Poct1aEvent]:
        """Go on without an answer; end the basic profile; ask a silent device whether it is there."""
        self._now = now
        if self._question:
            self._escape(self._question)
            self._question = ""
        if self._busy and now >= self._asked_at + self._patience_s:
            self._overdue()
        elif self._profile.idle_s and self._hello is not NOTHING and now >= self._heard + self._profile.idle_s:
            self._heard = now
            self._todo.append(Saying("KPA.R01"))
        self._go_on(closing=True)
        return self._tell()

    def confirm(self, token: int) -> None:
        """Durable: AA, and the device may forget it."""
        if (control_id := self._waiting.pop(token, None)) is not None:
            self._acknowledge(control_id, "AA")
            self._go_on()

    def reject(self, token: int) -> None:
        """Not durable: the device keeps it."""
        if (control_id := self._waiting.pop(token, None)) is not None:
            self._last = None
            self._acknowledge(control_id, self._profile.refusal, "cannot be kept now, send it again")

    def end(self, now: float) -> Sequence[Poct1aEvent]:
        """The connection went down; half a document was never acknowledged, so the device still has it."""
        self._now = now
        self._give_up("the connection was lost")
        return [*self._splitter.end(), *self._tell()]

    # Sending

    @property
    def clear(self) -> bool:
        """Whether a conversation is under way, nothing is unanswered on either side, and nothing waits to be sent."""
        waits = self._busy or self._waiting or self._todo or self._mails or self._closing
        return self._greeted and not waits

    def send(self, text: bytes, now: float) -> int:
        """Say `text`: messages without headers, one behind the other; each is acknowledged before the next. Sent when all are."""
        self._letters += 1
        self._now = now
        mail = Mail(self._letters, host_talk.sayings(text))
        if len(self._mails) >= MAILS_MAX:
            self._told.append(Unsent(mail.token, "too much to send"))
        elif not mail.sayings:
            self._told.append(Sent(mail.token))
        elif self._question:
            self._question = ""
            self._mails.appendleft(mail)
        else:
            self._mails.append(mail)
        self._go_on()
        return mail.token

    def withdraw(self, token: int) -> bool:
        """Do not send it any more, if it has not begun."""
        found = next((mail for mail in self._mails if mail.token == token and not mail.begun), None)
        if found is not None:
            self._mails.remove(found)
        return found is not None

    # what the device says

    def _begin(self, hello: Object) -> None:
        """A conversation begins: with HEL, or with whatever a device says first."""
        self._give_up("the conversation began anew")
        self._hello = hello
        said = [one.value("DCP.application_timeout") for one in hello.walk("DCP")]
        wanted = next((float(text[:6]) for text in said if text.isdecimal()), RESPONSE_S)
        self._response_s = min(max(wanted, RESPONSE_S), RESPONSE_MAX_S)
        self._todo: deque[Saying] = deque()
        self._closing: deque[Saying] = deque()
        self._question = self._topic = ""
        self._results = 0
        self._asked_at = 0.0
        self._greeted = False

    @property
    def _busy(self) -> bool:
        return self._ours is not None or bool(self._topic)

    @property
    def _patience_s(self) -> float:
        return EOT_S if self._ours is not None and self._ours.saying.type == "EOT.R01" else self._response_s

    @property
    def _due(self) -> bool:
        """Whether something is to be said as soon as everybody who hears what the device said has had their turn."""
        free = not self._busy and not self._waiting and not self._todo and not self._mails
        return bool(self._question) or (free and bool(self._closing))

    def _document(self, found: Document) -> list[Poct1aEvent]:
        self._framed |= found.framed
        try:
            body = parse(found.raw)
        except NotAMessage as error:
            return [BadFrame(found.offset, len(found.raw), found.raw[:SAMPLE_MAX], str(error))]
        if body.type == "HEL.R01":
            self._begin(body.root)
        message = replace(body, hello=self._hello)
        if host_talk.is_hosts(body.type) or body.type in host_talk.PASSING:
            return self._other(message, found)
        content = _content(body)
        if content == self._last:
            return self._again(body)
        self._last = content
        if self._topic:  # what was asked for is answer enough: not every device acknowledges a REQ
            self._ours = None
            self._results += 1
        self._asked_at = self._now
        self._token += 1
        self._waiting[self._token] = body.control_id
        self._last_token = self._token
        return [Message(message, found.raw, found.at, self._token)]

    def _again(self, body: Poct1aMessage) -> list[Poct1aEvent]:
        """The same message under the same number: our answer was lost, or is not given yet."""
        self._asked_at = self._now
        if self._last_token not in self._waiting:
            self._acknowledge(body.control_id, "AA")
        return [Note("retransmission")]

    def _other(self, body: Poct1aMessage, found: Document) -> list[Poct1aEvent]:
        """What holds no result: answered at once."""
        events: list[Poct1aEvent] = [Message(body, found.raw, found.at)]
        if self._overhearing:
            return events
        if body.type == "ACK.R01":
            events += self._acknowledged(body.root)
        elif body.type == "ESC.R01":
            events += self._escaped(body.root)
        elif body.type == "EOT.R01":
            if self._profile.ack_eot or not self._topic:
                self._acknowledge(body.control_id, "AA")
            self._ours = self._ours if not self._topic else None
            self._topic = ""
        elif body.type == "REQ.R01" or host_talk.is_hosts(body.type):
            self._question = body.control_id or "0"
        else:
            self._acknowledge(body.control_id, "AA")
            self._status(body)
        self._go_on()
        return events

    def _status(self, body: Poct1aMessage) -> None:
        """DST: what there is to do. END: nothing any more."""
        if body.type == "DST.R01":
            self._greeted = True
            planned = host_talk.agenda(body.root, self._hello, self._profile)
            self._todo.extend(one for one in planned if one not in self._todo)
            self._closing = deque(host_talk.closing(self._hello, self._profile))
        elif body.type == "END.R01":
            self._greeted = False
            self._todo.clear()
            self._closing.clear()
            self._give_up("the device ended the conversation")

    def _acknowledged(self, root: Object) -> list[Poct1aEvent]:
        """The device's word on ours. An AA may carry an error all the same: it is told, and counts as AA."""
        ack = root.find("ACK") or NOTHING
        to = ack.value("ACK.ack_control_id", "ACK.control_id")
        ours = self._ours
        if ours is None or (to and to != ours.control_id):
            return [Note("stray acknowledgement")]
        self._ours = None
        if _verdict(ack) == "AA":
            self._taken(ours)
            return [Note("acknowledged with an error")] if ack.value("ACK.error_detail_cd").strip("0") else []
        self._topic = ""
        return self._refused(ours, f"the device refused {ours.saying.label}")

    def _escaped(self, root: Object) -> list[Poct1aEvent]:
        """The device cannot do what we asked now: the message that it names, else the one under way."""
        to = (root.find("ESC") or NOTHING).value("ESC.esc_control_id")
        ours = self._ours
        if ours is not None and to and to != ours.control_id:
            return [Note("the device escaped")]
        self._ours, self._topic = None, ""
        return [Note("the device escaped")] if ours is None else self._refused(ours, f"the device escaped {ours.saying.label}")

    def _taken(self, ours: _Ours) -> None:
        """Acknowledged: the next page of what it is part of, or all of that is done."""
        if ours.mail is not None and ours.mail.sayings:
            self._mails.appendleft(ours.mail)
        elif ours.mail is not None:
            self._told.append(Sent(ours.mail.token))

    def _refused(self, ours: _Ours, note: str) -> list[Poct1aEvent]:
        """Not taken. The pages behind it are not sent, nor an EOT: half a list must not become the device's list."""
        if ours.mail is not None:
            self._told.append(Unsent(ours.mail.token, note))
        return [Note(note)]

    def _overdue(self) -> None:
        """No answer in time. A list whose every page was acknowledged is taken, also when its EOT was not."""
        ours, topic = self._ours, self._topic
        self._ours, self._topic = None, ""
        if ours is not None and ours.saying.type == "EOT.R01":
            self._taken(ours)
            return
        self._told.append(Note(f"no answer to {ours.saying.label if ours else 'topic'}"))
        if ours is not None and ours.mail is not None:
            self._told.append(Unsent(ours.mail.token, "no answer"))
        elif topic and self._results:
            self._todo.appendleft(host_talk.request(topic))  # one result a question: i-STAT's hosts ask for each

    def _give_up(self, why: str) -> None:
        """What is under way and what waits to be sent comes to nothing."""
        mails = [*([self._ours.mail] if self._ours is not None and self._ours.mail is not None else []), *self._mails]
        self._told += [Unsent(mail.token, why) for mail in mails]
        self._mails.clear()
        self._ours = None

    # what we say

    def _go_on(self, *, closing: bool = False) -> None:
        """The next message of ours, if none is under way and nothing of theirs waits for its commit."""
        if self._busy or self._waiting or self._overhearing or self._question:
            return
        if self._todo:
            self._say(self._todo.popleft())
        elif self._mails:
            mail = self._mails.popleft()
            self._say(mail.sayings[0], mail.rest())
        elif self._closing and (closing or not self._takes_lists):
            self._say(self._closing.popleft())

    @property
    def _takes_lists(self) -> bool:
        """Whether there may be lists to tell it: whoever hears its DST gives us them, and they come before the profile ends."""
        return bool(host_talk.topics(self._hello) & host_talk.LIST_TOPICS)

    def _say(self, saying: Saying, mail: Mail | None = None) -> None:
        self._control += 1
        self._ours, self._asked_at = _Ours(str(self._control), saying, mail), self._now
        if saying.type == "REQ.R01":
            self._topic, self._results = saying.about, 0
        elif saying.type == "END.R01":
            self._greeted = False
        body = saying.body
        if saying.about == host_talk.SET_TIME:
            body += f"<TM>{leaf('TM.dttm', self._stamp())}</TM>"
        self._send(saying.type, body)

    def _acknowledge(self, control_id: str, type_cd: str, note: str = "") -> None:
        self._control += 1
        body = leaf(self._profile.ack_type, type_cd) + leaf(self._profile.ack_id, control_id[:CONTROL_ID_MAX])
        body += leaf("ACK.note_txt", note) if note else ""
        self._send("ACK.R01", f"<ACK>{body}</ACK>")

    def _escape(self, control_id: str) -> None:
        """What the device asked for nobody here serves."""
        self._control += 1
        body = leaf("ESC.esc_control_id", control_id[:CONTROL_ID_MAX]) + leaf("ESC.detail_cd", "OTH")
        self._send("ESC.R01", f"<ESC>{body}{leaf('ESC.note_txt', 'not served here')}</ESC>")
        self._told.append(Note("the device asked for what is not served"))

    def _send(self, type_: str, body: str) -> None:
        """Under the last number, in an MLLP frame where the device's stand in such."""
        raw = document(type_, str(self._control), self._stamp(), body)
        self._out += b"\x0b%b\x1c\r" % raw if self._framed else raw

    def _stamp(self) -> str:
        return self.wall(self._now).isoformat(timespec="seconds")

    def _tell(self) -> list[Sent | Unsent | Note]:
        told, self._told = self._told, []
        return told


def _verdict(ack: Object) -> str:
    """AA, AE or AR, by any of the names that makers give the field; nothing said is AA."""
    said = (ack.value(name).upper() for name in ("ACK.type_cd", "ACK.type_id"))
    return next((text for text in said if text in {"AA", "AE", "AR"}), "AA")


def _content(body: Poct1aMessage) -> _Content:
    """What makes a message the same as the one before it: its number and all but its header, which says when it was sent."""
    return body.type, body.control_id, body.root.fields, tuple(one for one in body.root.objects if one.name != "HDR")
