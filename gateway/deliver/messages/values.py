"""An observation's value as HL7 writes it: type, text, state, unit conversion."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from gateway import terms
from gateway.model import ABSENT, Category, Kind, Method, Observation, Report, Subject, Validity
from protocols.hl7v2.message import escape, field

NUMBER: Final = re.compile(r"[+-]?\d+(?:\.\d+)?", re.ASCII)
METHODS: Final = {
    Method.AUTO_MEASURED: "AMEAS^auto-measurement^MDC",
    Method.MANUAL_MEASURED: "MMEAS^manual-measurement^MDC",
    Method.AUTO_SET: "ASET^auto-setting^MDC",
    Method.MANUAL_SET: "MSET^manual-setting^MDC",
    Method.AUTO_CALCULATED: "ACALC^auto-calculation^MDC",
    Method.MANUAL_CALCULATED: "MCALC^manual-calculation^MDC",
    Method.UNSPECIFIED: "UNSPEC^unspecified^MDC",
}
"""OBX-17 (IHE PCD TF-2 B.8.17)."""
_RATIO: Final = re.compile(r"(\d+(?:\.\d+)?):(\d+(?:\.\d+)?)", re.ASCII)
_COMPARATORS: Final = frozenset({"<", "<=", ">", ">=", "=", "<>"})
_NEGATIVE: Final = re.compile(r"(?<![\d.])-\s*\d", re.ASCII)
_IN_RANGE: Final = re.compile(r"\d+(?:\.\d+)?", re.ASCII)


class Typed(NamedTuple):
    """OBX-2 and OBX-5."""

    type: str
    text: str


def typed(observation: Observation, *, structured: bool = True, unit: bool = True) -> Typed:
    """Type and text of a value that is there (IHE PCD TF-2 B.8.2, B.8.5); digits stay as the device sent them.

    A comparator or a ratio (I:E) makes SN; `structured` False writes it as text. Text in a numeric's place is ST, never NM; so is
    a number without a `unit` where the message must have one: it is not known to be dimensionless.
    """
    value, comparator = observation.value or "", observation.comparator
    structured = structured and unit
    if observation.kind is Kind.NUMERIC and unit and NUMBER.fullmatch(value):
        if not comparator:
            return Typed("NM", value)
        if structured and comparator in _COMPARATORS:
            return Typed("SN", f"{comparator}^{value}")
    if observation.kind is Kind.CODED and observation.coding is not None:
        return Typed("CWE", field(*observation.coding))
    ratio = _RATIO.fullmatch(value) if structured and observation.refid and not comparator else None
    if ratio:
        return Typed("SN", f"^{ratio[1]}^:^{ratio[2]}")
    return Typed("ST", escape(comparator + value))


def own_unit(ucum: str | None, written: str) -> str:
    """The device's own words for a unit; "" where they mean another than the value has (GeneXpert: LOG of "copies/mL")."""
    known = terms.spelling(written) if ucum else None
    return "" if known is not None and known.ucum not in (None, ucum) else written


def absent(observation: Observation) -> bool:
    """Whether no value may be sent: there is none, or the device says that it cannot be had."""
    return not observation.value or observation.validity in ABSENT or observation.status == "X"


def state(observation: Observation) -> tuple[str, str]:
    """OBX-8 and OBX-11 by the measurement status table (IHE PCD TF-2 B.8.8), flags behind the status."""
    validity = observation.validity
    if absent(observation):
        codes, status = [] if validity in ABSENT else ["NAV"], "X"
    else:
        codes, status = [], observation.status or "R"
        if validity is Validity.VALIDATED:
            status = "F"
    if validity not in (Validity.OK, Validity.VALIDATED):
        codes.append(validity.value)
    return "~".join([*codes, *map(escape, filter(None, observation.flags))]), escape(status)


def converted(observation: Observation, wanted: Mapping[str, str], *, inferred: bool = False) -> Observation:
    """The observation in the unit that the destination wants, limits too; itself when that is not listed as linear."""
    unit = wanted.get(observation.refid or "") or wanted.get(observation.loinc or "")
    if not unit or not observation.unit or unit == observation.unit or observation.value is None:
        return observation
    code = _loinc(observation, inferred=inferred)
    found = terms.convert(observation.value, code, observation.unit, unit) if code else None
    if found is None:
        return observation
    limits = _limits(observation.range, code, observation.unit, unit)
    if limits is None:
        return observation
    value, loinc = found
    return msgspec.structs.replace(
        observation, value=value, unit=unit, vendor_unit="", range=limits, loinc=loinc if observation.loinc else None
    )


def _loinc(observation: Observation, *, inferred: bool) -> str:
    if observation.loinc:
        return observation.loinc
    found = terms.loincs(observation.refid or "", observation.unit, inferred=inferred)
    return found[0].code if found else ""


def _limits(text: str, code: str, unit: str, wanted: str) -> str | None:
    """OBX-7 with each number converted; None when one of them cannot be."""
    if _NEGATIVE.search(text):  # a minus is easily taken for "to"; an offset (degrees) would then be added with the wrong sign
        return None
    out, end = "", 0
    for match in _IN_RANGE.finditer(text):
        number = terms.convert(match.group(), code, unit, wanted)
        if number is None:
            return None
        out, end = f"{out}{text[end : match.start()]}{number[0]}", match.end()
    return out + text[end:]


def named_loinc(code: str, text: str) -> terms.Loinc:
    """A LOINC with its name: the terms', or the one that a person gave with a code that these do not hold."""
    return terms.loinc(code) or terms.Loinc(code, text, "", "explicit")


def analyte_loinc(observation: Observation, report: Report, *, inferred: bool) -> str | None:
    """The observation's LOINC; where a site enables inferred rows, also one that the terms only infer from the maker's code."""
    if observation.loinc or observation.refid or not inferred:
        return observation.loinc
    specimen = report.specimen.type if report.specimen else ""
    found = terms.analyte(report.device.maker, observation.vendor_code, observation.unit, specimen=specimen, inferred=True)
    return found.loinc.code if found else None


def patient_note(report: Report, subject: Subject | None) -> str:
    """That the device named another patient than the one it is associated with; nothing where both are one."""
    said = report.given.patient_id
    if subject is None or not said or report.category is Category.QC:
        return ""
    if said.lstrip("0").upper() == subject.patient_id.lstrip("0").upper():  # devices fill numbers up
        return ""
    return f"the device named another patient: {said}"


def clock_note(report: Report, limit_s: float) -> str:
    """How far the device's clock is off, and which zone it shows, as its times travel unchanged; nothing within `limit_s`."""
    offset = report.clock_offset_s
    if offset is None or abs(offset) <= limit_s:
        return ""
    shown = report.device_time
    zone = f", its zone {shown:%z}" if shown is not None and shown.tzinfo is not None else ""
    return f"device clock minus gateway clock: {offset:+.0f} s{zone}"
