"""Lists over POCT1-A: operators (OPL) and patients (PTL), complete or what changed, in pages that fit the device's messages.

    OPL.R01  OPR*                         complete, then EOT    OPR: operator_id, name, ACC* (method, password, dates, level)
    OPL.R02  UPD(D: OPR*) UPD(I: OPR*)    changes, then EOT     a deletion names the id alone
    PTL.R01, PTL.R02                      the same with PT      PT: patient_id, location, name (FAM, GIV), birth_date, gender

The codec puts a header into each message: HEADER_MAX of the device's `DSC.max_message_sz` is its.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from xml.sax.saxutils import escape

from drivers.lab.poct1a_profile import Poct1aOptions
from drivers.lab.poct1a_results import moment
from gateway.driver import Context, Lists, ListTold, Operator, Telling
from gateway.model import Location, Subject
from protocols.poct1a import host_talk
from protocols.poct1a.message import HEADER_MAX, NOTHING, Object, Poct1aMessage, leaf
from protocols.sansio import Message

PoctMessage = Message[Poct1aMessage]
PoctContext = Context[Poct1aOptions]

PAGE_BYTES = 4096
"""What a device that names no DSC.max_message_sz is sent at most: NovaNet's own choice."""
_DIGEST = 16
"""Hex digits that tell whether an entry changed: 64 bits."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """One list: its name, the topics a device names it by, its messages, and where DST and HEL speak of it."""

    name: str
    complete: str
    changes: str
    type: str
    element: str
    id: str
    updated: str
    most: str


_OPERATORS = _Kind(
    "operators", "OP_LST", "OP_LST_I", "OPL", "OPR", "OPR.operator_id", "DST.operators_update_dttm", "max_op_list_sz"
)
_PATIENTS = _Kind("patients", "PT_LST", "PT_LST_I", "PTL", "PT", "PT.patient_id", "DST.patients_update_dttm", "max_pat_list_sz")


def takes(message: PoctMessage, context: PoctContext) -> bool:
    """DST, of a device that has a topic of lists."""
    return message.body.type == "DST.R01" and any(
        _wanted(kind, message.body, context.options) for kind in (_OPERATORS, _PATIENTS)
    )


def write(message: PoctMessage, lists: Lists, context: PoctContext, at: datetime) -> Sequence[Telling]:
    """The lists that the device which sent this DST does not have as they are."""
    options, body = context.options, message.body
    operators = {one.id: _operator(one, options) for one in lists.operators}
    patients = {one.patient_id: _patient(one) for one in lists.patients}
    told = (
        _Page(kind, entries, body=body, context=context, told=lists.told.get(kind.name), at=at).telling()
        for kind, entries in ((_OPERATORS, operators), (_PATIENTS, patients))
        if _wanted(kind, body, options)
    )
    return [one for one in told if one is not None]


def asks(message: PoctMessage, context: PoctContext) -> str | None:
    """REQ RPAT with the number; or, where the profile says so, what a HEL asks for (Cepheid: DCP.vendor_specific, "…=1268")."""
    body = message.body
    if body.type == "REQ.R01":
        question = body.root.find("REQ") or NOTHING
        if question.value("REQ.request_cd") != "RPAT":
            return None
        return (question.find("PT") or NOTHING).value("PT.patient_id")
    if body.type == "HEL.R01" and context.options.lists.patient_query:
        said = _vendor_specific(body.root)
        return next((value for key, value in said.items() if not key.startswith("max_") and "mac" not in key), None)
    return None


def patient(message: PoctMessage, subject: Subject | None, context: PoctContext, at: datetime) -> bytes:  # noqa: ARG001 - the kit's signature
    """A list of that one patient, under the number that was asked for; of nobody where nobody knows them."""
    asked = asks(message, context) or ""
    about = _patient(subject, asked) if subject is not None else ""
    if message.body.type == "REQ.R01":
        return f"<PTL.R01>{about}</PTL.R01>".encode()
    type_ = context.options.lists.patient_query
    command = f"<DTV>{leaf('DTV.command_cd', '1', SN=type_.split('.')[1] if type_.count('.') > 1 else '')}</DTV>"
    return f"<{type_}>{command}{about}</{type_}>".encode() if about else b""


def _wanted(kind: _Kind, body: Poct1aMessage, options: Poct1aOptions) -> bool:
    allowed = options.lists.operators if kind is _OPERATORS else options.lists.patients
    return allowed and bool({kind.complete, kind.changes} & host_talk.topics(body.hello))


class _Page:
    """One list for one device."""

    def __init__(
        self,
        kind: _Kind,
        entries: Mapping[str, str],
        *,
        body: Poct1aMessage,
        context: PoctContext,
        told: ListTold | None,
        at: datetime,
    ) -> None:
        self._kind, self._entries, self._at = kind, entries, at.replace(microsecond=0)
        self._hello, self._options = body.hello, context.options.lists
        self._serial = (body.hello.find("DEV") or NOTHING).value("DEV.serial_id")
        said = moment((body.root.find("DST") or NOTHING).value(kind.updated), context.localise)
        self._known = told if told is not None and told.serial == self._serial and _has(told, said) else None
        self._never = told is None

    def telling(self) -> Telling | None:
        """What to say; None when the device has it all, or has a list of its own and we have none."""
        digests = {number: _digest(text) for number, text in self._entries.items()}
        known = self._known.entries if self._known is not None else {}
        if (self._known is not None and known == digests) or (self._never and not digests):
            return None
        most = _most(self._hello, self._kind.most)
        if most is not None and len(digests) > most:
            return self._problem(known, f"there are {len(digests)}, and the device holds {most}; what it has stays")
        changes = self._known is not None and self._options.incremental and self._kind.changes in host_talk.topics(self._hello)
        pages, too_long = self._changes(known, digests) if changes else self._complete()
        kept = {number: digest for number, digest in digests.items() if number not in too_long}
        problem = f"{len(too_long)} do not fit a message of {_page_bytes(self._hello)} bytes even alone" if too_long else ""
        if self._known is not None and kept == known:
            return self._problem(known, problem)
        text = "".join(pages) + self._end()
        return Telling(self._kind.name, text.encode(), self._then(kept), problem)

    def _problem(self, known: Mapping[str, str], problem: str) -> Telling:
        return Telling(self._kind.name, b"", self._then(known), problem)

    def _then(self, entries: Mapping[str, str]) -> ListTold:
        return ListTold(serial=self._serial, at=self._at, entries=dict(entries))

    def _complete(self) -> tuple[list[str], set[str]]:
        room = self._room(f"<{self._kind.type}.R01></{self._kind.type}.R01>")
        groups, too_long = _fill(self._entries, room)
        return [f"<{self._kind.type}.R01>{''.join(group)}</{self._kind.type}.R01>" for group in groups or [[]]], too_long

    def _changes(self, known: Mapping[str, str], digests: Mapping[str, str]) -> tuple[list[str], set[str]]:
        """Deletions first: a device that is full must have room."""
        gone = {number: self._named(number) for number in known if number not in digests}
        new = {number: text for number, text in self._entries.items() if known.get(number) != digests[number]}
        pages: list[str] = []
        too_long: set[str] = set()
        for action, entries in (("D", gone), ("I", new)):
            before = f"<{self._kind.type}.R02><UPD>{leaf('UPD.action_cd', action)}"
            after = f"</UPD></{self._kind.type}.R02>"
            groups, long = _fill(entries, self._room(before + after))
            pages += [f"{before}{''.join(group)}{after}" for group in groups]
            too_long |= long
        return pages, too_long

    def _named(self, number: str) -> str:
        return f"<{self._kind.element}>{leaf(self._kind.id, number)}</{self._kind.element}>"

    def _end(self) -> str:
        topic = self._kind.complete if self._options.eot_topic == "topic" else self._kind.type
        return f"<EOT.R01><EOT>{leaf('EOT.topic_cd', topic)}{leaf('EOT.update_dttm', self._at.isoformat())}</EOT></EOT.R01>"

    def _room(self, around: str) -> int:
        return _page_bytes(self._hello) - HEADER_MAX - len(around)


def _fill(entries: Mapping[str, str], room: int) -> tuple[list[list[str]], set[str]]:
    """Entries in pages of at most `room` bytes; those that fit none."""
    groups: list[list[str]] = []
    free, too_long = 0, set()
    for number, text in entries.items():
        size = len(text.encode())
        if size > room:
            too_long.add(number)
        elif size <= free:
            groups[-1].append(text)
            free -= size
        else:
            groups.append([text])
            free = room - size
    return groups, too_long


def _has(told: ListTold, said: datetime | None) -> bool:
    """Whether a device still has what it was told: unless it says that its list is older."""
    return told.fresh or said is None or said >= told.at


def _operator(one: Operator, options: Poct1aOptions) -> str:
    """OPR with an ACC a method; a level in words only where the profile has the maker's number for it."""
    level = options.lists.levels.get(one.level, "" if one.level in _WORDS else one.level)
    password = "" if one.password is None else base64.b64encode(one.password.text.encode()).decode()
    rights = "".join(
        (
            f'<ACC.password ENC="B64">{password}</ACC.password>' if password else "",
            _leaf("ACC.active_date", one.valid_from),
            _leaf("ACC.expiration_date", one.valid_until),
            leaf("ACC.permission_level_cd", level) if level else "",
        )
    )
    methods = one.methods or ("ALL",)
    access = "".join(f"<ACC>{leaf('ACC.method_cd', method)}{rights}</ACC>" for method in methods)
    return f"<OPR>{leaf('OPR.operator_id', one.id)}{_name('OPR.name', one.family_name, one.given_name)}{access}</OPR>"


_WORDS = ("user", "supervisor", "administrator")


def _patient(one: Subject, number: str = "") -> str:
    where = one.location or Location()
    place = f"{where.facility}^{where.point_of_care}^{where.room}^{where.bed}".rstrip("^")
    birth = one.birth_date
    parts = (
        leaf("PT.patient_id", number or one.patient_id),
        leaf("PT.location", place) if place else "",
        _name("PT.name", one.family_name, one.given_name),
        leaf("PT.birth_date", f"{birth[:4]}-{birth[4:6]}-{birth[6:8]}") if len(birth) == 8 else "",
        leaf("PT.gender_cd", one.sex) if one.sex else "",
    )
    return f"<PT>{''.join(parts)}</PT>"


def _name(element: str, family: str, given: str) -> str:
    """A person's name: whole, and in its parts, for devices read either."""
    if not (family or given):
        return ""
    whole = escape(" ".join(filter(None, (given, family))), {'"': "&quot;"})
    parts = (leaf("FAM", family) if family else "") + (leaf("GIV", given) if given else "")
    return f'<{element} V="{whole}">{parts}</{element}>'


def _leaf(name: str, at: datetime | None) -> str:
    return "" if at is None else leaf(name, at.replace(microsecond=0).isoformat())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST]


def _page_bytes(hello: Object) -> int:
    said = (one.value("DSC.max_message_sz").strip() for one in hello.walk("DSC"))
    return next((int(text[:9]) for text in said if text.isdecimal() and int(text[:9]) > 0), PAGE_BYTES)


def _most(hello: Object, name: str) -> int | None:
    """How many entries a device's list holds, as it says in DSC or (Nova) in DCP.vendor_specific."""
    said = [one.value(f"DSC.{name}") for one in hello.walk("DSC")]
    found = [text for text in (*said, _vendor_specific(hello).get(name, "")) if text.isdecimal()]
    return int(found[0][:9]) if found else None


def _vendor_specific(hello: Object) -> dict[str, str]:
    """DCP.vendor_specific: "key=value^key=value", keys in any case."""
    texts: Iterable[str] = (one.value("DCP.vendor_specific") for one in hello.walk("DCP"))
    return {key.strip().lower(): value.strip() for key, value in _pairs(texts)}


def _pairs(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    for text in texts:
        for part in text.split("^"):
            key, equals, value = part.partition("=")
            if equals:
                yield key, value
