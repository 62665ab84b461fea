"""What the host says of its own accord: questions, directives, lists in pages; and who of the two speaks which message."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from protocols.poct1a.message import NOTHING, Object, leaf
from protocols.poct1a.profile import ConversationProfile
from protocols.poct1a.stream import Document, Splitter

BOTH: Final = frozenset({"ACK.R01", "EOT.R01", "KPA.R01", "END.R01", "ESC.R01", "REQ.R01"})
"""What either side says, and what holds no result."""
PASSING: Final = BOTH | {"HEL.R01", "DST.R01"}
"""What holds no result. All else of a device must be durable before it is acknowledged: it forgets it then."""
_OURS: Final = ("OPL.", "PTL.", "DTV.", "SWU.")
_OURS_WHOLE: Final = frozenset({"NOVA.REAG", "NOVA.LOC", "NOVA.FRM", "NOVA.STATSTRIP.SETUP"})
SET_TIME: Final = "SET_TIME"
"""The directive whose time is written when it is sent, not when it is planned."""
_WHOLE: Final = re.compile(r"<([^\s/>]+)\s*(?:/>|>(.*)</\1>)\Z", re.DOTALL)
LIST_TOPICS: Final = frozenset({"OP_LST", "OP_LST_I", "PT_LST", "PT_LST_I"})


def is_hosts(type_: str) -> bool:
    """Whether only a host says this: lists and directives, makers' own among them."""
    return type_.startswith((*_OURS, "NOVA.PHYS")) or type_ in _OURS_WHOLE


@dataclass(frozen=True, slots=True)
class Saying:
    """A message of ours before it is numbered: its type, its body, and what it is about in a word ("ROBS")."""

    type: str
    body: str = ""
    about: str = ""

    @property
    def label(self) -> str:
        """For people and counts: "REQ.R01 ROBS"."""
        return f"{self.type} {self.about}".strip()


@dataclass(frozen=True, slots=True)
class Mail:
    """What `send` was given: the messages that are still to be said, one acknowledged before the next."""

    token: int
    sayings: tuple[Saying, ...]
    begun: bool = False

    def rest(self) -> Mail:
        """After its first message was said."""
        return replace(self, sayings=self.sayings[1:], begun=True)


def request(what: str) -> Saying:
    """REQ: ROBS results, RDEV events."""
    return Saying("REQ.R01", f"<REQ>{leaf('REQ.request_cd', what)}</REQ>", what)


def directive(type_: str, command: str) -> Saying:
    """DTV: a command."""
    return Saying(type_, f"<DTV>{leaf('DTV.command_cd', command)}</DTV>", command)


def end(note: str) -> Saying:
    """END, normal."""
    told = leaf("TRM.note_txt", note) if note else ""
    return Saying("END.R01", f"<TRM>{leaf('TRM.reason_cd', 'NRM')}{told}</TRM>")


def agenda(status_message: Object, hello: Object, profile: ConversationProfile) -> list[Saying]:
    """What to ask and direct after a DST: what it announces, then the directives that the device understands."""
    status = status_message.find("DST") or NOTHING
    wanted: list[Saying] = []
    if profile.ask and (profile.ask_always or announced(status, "DST.new_observations_qty")):
        wanted.append(request("ROBS"))
    if profile.events and "D_EV" in topics(hello) and announced(status, "DST.new_events_qty"):
        wanted.append(request("RDEV"))
    if profile.set_time and "SET_TIME" in directives(hello):
        wanted.append(directive("DTV.R02", SET_TIME))
    known = topics(hello) | directives(hello)
    wanted += [directive(type_, command) for type_, command in profile.directives if {type_, command} & known]
    return wanted


def closing(hello: Object, profile: ConversationProfile) -> list[Saying]:
    """What ends the basic profile: START_CONTINUOUS where the device can, else END."""
    if profile.continuous and "START_CONTINUOUS" in directives(hello):
        return [directive("DTV.R01", "START_CONTINUOUS")]
    return [end(profile.end_note)] if profile.end and profile.ask else []


def topics(hello: Object) -> frozenset[str]:
    """The topics that a device supports."""
    return _codes(hello, "DSC.topics_supported_cd")


def directives(hello: Object) -> frozenset[str]:
    """The directives that a device supports."""
    return _codes(hello, "DSC.directives_supported_cd")


def announced(status: Object, name: str) -> bool:
    """Whether a DST says that there is something; a device that gives no number is asked."""
    said = status.value(name).strip()
    return not said.isdecimal() or int(said[:9]) > 0


def _codes(hello: Object, name: str) -> frozenset[str]:
    """One a field as the standard has it, or several in one, separated by blanks, commas or semicolons."""
    said = [one.v for capabilities in hello.walk("DSC") for one in capabilities.all(name)]
    return frozenset(code for text in said for code in text.replace(";", " ").replace(",", " ").split())


def sayings(text: bytes) -> tuple[Saying, ...]:
    """Messages without headers, one behind the other, as what is to be said."""
    found = (one.raw.decode() for one in Splitter().feed(text, 0.0) if isinstance(one, Document))
    matches = (_WHOLE.match(raw) for raw in found)
    return tuple(Saying(match[1], match[2] or "") for match in matches if match is not None)
