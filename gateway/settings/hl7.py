"""What receivers of HL7 v2 want differently, whatever the message: MSH, patient, visit, times, codes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field

from gateway.settings import Settings

_FORBIDDEN: Final = re.compile('[|~\\\\&\x00-\x1f\x7f]|""')
_PLACES: Final = frozenset({"point_of_care", "room", "bed", "facility"})


def _encoded(text: str) -> str:
    """A field written by a person: components separated by ^, nothing that ends a field, repeats it or deletes what is held."""
    if _FORBIDDEN.search(text):
        raise ValueError('may hold ^ between components, but none of | ~ \\ & "" and no control character')
    return text


def _hd(text: str) -> str:
    """HD: namespace, or namespace^universal id^type."""
    parts = _encoded(text).split("^")
    if len(parts) not in (1, 3) or (len(parts) == 3 and not (parts[1] and parts[2])):
        raise ValueError("expected a namespace, or namespace^universal id^type (type: EUI-64, ISO, URN, DNS, UUID)")
    return text


def _layout(text: str) -> str:
    """A PL layout: the words point_of_care, room, bed, facility in braces, and ^."""
    for word in re.findall(r"\{([^}]*)\}", _encoded(text)):
        if word not in _PLACES:
            raise ValueError(f"unknown word {{{word}}}: expected {{point_of_care}}, {{room}}, {{bed}} or {{facility}}")
    if re.search(r"[{}]", re.sub(r"\{[^{}]*\}", "", text)):
        raise ValueError("a brace is left open")
    return text


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"unknown time zone {text!r}: expected a name such as UTC or Europe/Berlin") from None
    return text


Hd = Annotated[str, Field(max_length=227), AfterValidator(_hd)]
Encoded = Annotated[str, Field(max_length=250), AfterValidator(_encoded)]
Layout = Annotated[str, Field(max_length=250), AfterValidator(_layout)]
Zone = Annotated[str, AfterValidator(_zone)]
AckType = Literal["AL", "NE", "ER", "SU", ""]
PatientClass = Literal["E", "I", "O", "P", "R", "B", "U"]
Charset = Literal["UNICODE UTF-8", "8859/1", "8859/15", "ASCII"]
PrivateSystem = Annotated[str, Field(pattern=r"^(99[A-Z0-9]{1,18})?$")]


class Hl7Settings(Settings):
    """The keys that every HL7 v2 format has. Formats change defaults, never meanings."""

    sending_application: Hd = ""
    """MSH-3. Empty: the gateway's name and EUI-64, `name^EUI64^EUI-64`, which makes MSH-10 unique (IHE PCD TF-2 B.1). Some
    engines route by a namespace alone: write just that."""
    sending_facility: Hd = ""
    """MSH-4, as the site agrees with the receiver."""
    receiving_application: Hd = ""
    """MSH-5."""
    receiving_facility: Hd = ""
    """MSH-6."""
    processing_id: Literal["P", "D", "T"] = "P"
    """MSH-11: P production, D debugging, T training. Receivers reject a value they do not expect."""
    accept_ack: AckType = "AL"
    """MSH-15: AL asks for an accept acknowledgement (CA); empty, with `application_ack` empty, is original mode (AA)."""
    application_ack: AckType = "NE"
    """MSH-16: NE asks for no application acknowledgement. Older receivers want NE/AL, or both empty, and answer AA."""
    country: Annotated[str, Field(pattern="^([A-Z]{3})?$")] = ""
    """MSH-17, ISO 3166 alpha-3."""
    charset: Charset = "UNICODE UTF-8"
    """MSH-18. A character that the chosen one lacks becomes a question mark."""
    profile: Encoded = ""
    """MSH-21. Receivers recognise a profile by its third component."""

    default_assigner: Hd = ""
    """PID-3.4 where the patient's own assigning authority is not known."""
    patient_class: PatientClass = "U"
    """PV1-2 where the patient's own class is not known; U says so."""
    pv1: bool = True
    """Send PV1 where location, visit or class is known."""
    pv1_3: Layout = "{point_of_care}^{room}^{bed}^{facility}"
    """PV1-3 layout. Some receivers want `{point_of_care}^^{bed}` or a fixed facility: `{point_of_care}^{room}^{bed}^HOSP`."""
    location: Literal["patient", "device"] = "patient"
    """Whose location PV1-3 says first: the patient's (ADT) or the device's. The other one stands in where it is not known."""

    timezone: Zone = "UTC"
    """The zone in which times are written, always with their offset. TF-2 prefers +0000; some receivers show what is written."""
    time_digits: Literal[0, 3] = 3
    """Digits of a second. 3 keeps readings of one second apart; 0 for receivers that cannot read fractions."""

    inferred: bool = False
    """Send LOINC codes too whose match to a device's code is inferred. A terminologist of the site should have looked at them."""
    private_system: PrivateSystem = ""
    """The coding system of codes that only the maker knows. Empty: 99 and the maker's name."""
    convert: Annotated[Mapping[str, str], Field(max_length=500)] = {}
    """Units this receiver wants: REFID or LOINC = UCUM unit. Only listed linear conversions are done; otherwise the device's unit
    travels."""
    result_status: Literal["as-is", "F"] = "as-is"
    """OBX-11 of a value. F says "validated": only where a site files nothing else and has agreed that the receiver validates."""
    notes: bool = True
    """Send the device's comments as NTE."""
