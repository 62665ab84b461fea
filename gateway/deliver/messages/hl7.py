"""What PCD-01 and lab messages share: times, MSH, PID, PV1, device ids, the maker's own coding system."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

from gateway.deliver.destination import Outgoing
from gateway.model import DeviceIdentity, Entry, Gateway, Given, Location, Report, Subject
from gateway.settings.hl7 import Hl7Settings
from protocols.hl7v2.message import CHARSETS, escape, field

CACHE_MAX: Final = 1024
"""Strings a renderer remembers of one sort: more than a ward has devices and patients, a few hundred kB at most."""

Stamp: TypeAlias = Callable[[datetime], str]

_EUI64: Final = re.compile("[0-9A-F]{16}")
_SYSTEM_LETTERS: Final = re.compile("[^A-Z0-9]")
_UUID_SPACE: Final = uuid.UUID("a1c0f3c6-7d0b-5c55-9f5c-3b7c2a3e6d10")


def dtm(moment: datetime, digits: int = 3) -> str:
    """DTM with seconds at least and always an offset (IHE PCD TF-2 C.4), in the offset that `moment` has."""
    offset = moment.utcoffset()
    if offset is None or offset.seconds % 60:  # an offset DTM cannot write, from before standard time
        moment = moment.replace(tzinfo=UTC) if offset is None else (moment - offset).replace(tzinfo=UTC)
    iso = moment.isoformat(timespec="milliseconds" if digits else "seconds")
    day_and_hour = f"{iso[:4]}{iso[5:7]}{iso[8:10]}{iso[11:13]}{iso[14:16]}"
    return f"{day_and_hour}{iso[17:-6]}{iso[-6:-3]}{iso[-2:]}"


def stamps(settings: Hl7Settings) -> Stamp:
    """Times in the destination's zone; one at the edge of the calendar stays in its own."""
    zone = UTC if settings.timezone == "UTC" else ZoneInfo(settings.timezone)
    digits = settings.time_digits

    def stamp(moment: datetime) -> str:
        try:
            return dtm(moment.astimezone(zone) if moment.tzinfo else moment, digits)
        except OverflowError:
            return dtm(moment.replace(tzinfo=UTC), digits)

    return stamp


def shifted(moment: datetime, seconds: float) -> datetime:
    """`moment` moved by `seconds`, or itself where the calendar ends."""
    try:
        return moment + timedelta(seconds=seconds)
    except OverflowError:
        return moment


def private_system(settings: Hl7Settings, report: Report) -> str:
    """The 99… system of codes that only the maker knows (HL7 table 0396)."""
    if settings.private_system:
        return settings.private_system
    letters = _SYSTEM_LETTERS.sub("", (report.device.maker or report.driver).upper())
    return f"99{letters[:18] or 'LOCAL'}"


def hd(text: str) -> str:
    """An HD that a person wrote, ready for a field."""
    return field(*text.split("^"))


def gateway_ei(gateway: Gateway) -> tuple[str, str, str]:
    """EI-2 to EI-4 of ids that the gateway gives."""
    return gateway.name, gateway.eui64, "EUI-64"


def device_ei(device: DeviceIdentity, gateway: Gateway, *, label: bool = False) -> str:
    """OBX-18: the EUI-64; without one serial number, model and a URN made of them, or of the gateway and the asset tag."""
    known = _EUI64.fullmatch(device.eui64) is not None
    own = device.eui64 if known else device.serial or device.id
    first = device.id if label else own
    if known:
        return field(first, "" if first == own else device.model, device.eui64, "EUI-64")
    names = (device.maker, device.model, device.serial) if device.serial else (gateway.eui64, device.id)
    urn = uuid.uuid5(_UUID_SPACE, "\x1f".join(names).encode("utf-8", "replace").decode()).urn
    return field(first, device.model, urn, "URN")


class Head:
    """Writes MSH, PID and PV1 for one destination."""

    def __init__(self, settings: Hl7Settings, gateway: Gateway, *, version: str, language: str = "", set_id: str = "") -> None:
        self._settings = settings
        self._set_id = set_id
        self._codec = CHARSETS[settings.charset]
        self._stamp = stamps(settings)
        application = hd(settings.sending_application) or field(*gateway_ei(gateway))
        others = (settings.sending_facility, settings.receiving_application, settings.receiving_facility)
        self._before = f"MSH|^~\\&|{application}|{'|'.join(map(hd, others))}|"
        acks = f"{settings.accept_ack}|{settings.application_ack}|{settings.country}|{settings.charset}"
        after = f"|{version}|||{acks}|{hd(language)}||{hd(settings.profile)}"
        self._after = after.rstrip("|") + "\r"
        self.patient = lru_cache(CACHE_MAX)(self._patient)

    def msh(self, entry: Entry, processing_id: str = "", kind: str = "ORU^R01^ORU_R01") -> str:
        """MSH: created when the journal stored the report, numbered by its row, so a resend is the same. `kind` is MSH-9."""
        mode = processing_id or self._settings.processing_id
        return f"{self._before}{self._stamp(entry.stored_at)}||{kind}|{escape(entry.message_id)}|{mode}{self._after}"

    def outgoing(self, entry: Entry, lines: list[str]) -> Outgoing:
        """The message as bytes, under its stable id."""
        return Outgoing(entry.message_id, "".join(lines).encode(self._codec, "replace"))

    def _patient(self, subject: Subject, location: Location | None) -> str:
        return self.pid(subject) + self.pv1(subject, location)

    def pid(self, subject: Subject) -> str:
        """PID-3, 5, 7, 8; a name that is not known is said to be so (name type U)."""
        assigner = subject.assigner or self._settings.default_assigner.replace("^", "&")
        number = field(subject.patient_id, "", "", tuple(assigner.split("&")), subject.id_type)
        named = subject.family_name or subject.given_name
        name = field(subject.family_name, subject.given_name, "", "", "", "", "L" if named else "U")
        sex = subject.sex if self._set_id or subject.sex != "U" else ""  # TF-2 B.5 lists F M O A N
        return f"PID|{self._set_id}||{number}||{name}||{_day(subject.birth_date)}|{escape(sex)}".rstrip("|") + "\r"

    def unknown(self, number: str, name: str) -> str:
        """A PID that says the identity is unknown (PID-31)."""
        return f"PID|{self._set_id}||{hd(number)}||{hd(name)}" + 26 * "|" + "Y\r"

    def pv1(self, subject: Subject | None, location: Location | None) -> str:
        """PV1-2, 3, 19, where anything of them is known; else nothing."""
        theirs = subject.location if subject else None
        first, second = (theirs, location) if self._settings.location == "patient" else (location, theirs)
        place = first or second
        visit, kind = (subject.visit_id, subject.patient_class) if subject else ("", "")
        if not self._settings.pv1 or not (place or visit or kind):
            return ""
        where = self._pl(place) if place else ""
        number = field(visit, "", "", "", "VN") if visit else ""
        return f"PV1|{self._set_id}|{escape(kind) or self._settings.patient_class}|{where}{16 * '|'}{number}".rstrip("|") + "\r"

    def _pl(self, place: Location) -> str:
        values = {
            "{point_of_care}": place.point_of_care,
            "{room}": place.room,
            "{bed}": place.bed,
            "{facility}": place.facility,
        }
        parts = self._settings.pv1_3.split("^")
        return field(*(re.sub(r"\{\w+\}", lambda match: values[match.group()], part) for part in parts))


def given_subject(given: Given) -> Subject | None:
    """The patient as the device itself named them, or None."""
    if not (given.patient_id or given.family_name):
        return None
    return Subject(
        patient_id=given.patient_id,
        family_name=given.family_name,
        given_name=given.given_name,
        birth_date=given.birth_date,
        sex=given.sex,
    )


def _day(digits: str) -> str:
    """YYYYMMDD, or nothing where there is no such day: analyzers write 20240000 for a date that nobody entered."""
    if not (len(digits) == 8 and digits.isascii() and digits.isdigit()):
        return ""
    try:
        date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return ""
    return digits
