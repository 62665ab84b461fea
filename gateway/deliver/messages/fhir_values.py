"""Texts, times, numbers, values and ranges as FHIR R4 writes them; the digits stay those of the device."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from urllib.parse import quote

from msgspec import Raw

from gateway.deliver.messages.fhir_codes import (
    ABSENT_REASON,
    FHIR_COMPARATORS,
    FLAGS,
    INTERPRETATION,
    LOINC,
    MDC,
    MEASUREMENT_STATUS,
    RANGE_TYPE,
    REASON,
    SNOMED,
    STATES,
    TERMINOLOGY,
    UCUM,
)
from gateway.deliver.messages.fhir_types import CodeableConcept, Coding, Quantity, Ratio, ReferenceRange, SampledData, raw
from gateway.deliver.messages.values import own_unit
from gateway.model import Category, Kind, Observation, Validity
from gateway.terms.decimals import decimal_text

_FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_JSON_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?", re.ASCII)
_RATIO: Final = re.compile(r"(\d+(?:\.\d+)?):(\d+(?:\.\d+)?)", re.ASCII)
_BETWEEN: Final = re.compile(r"(-?\d+(?:\.\d+)?)\s*(?:-|to|\.\.)\s*(-?\d+(?:\.\d+)?)", re.ASCII)
_BEYOND: Final = re.compile(r"(<=?|>=?)\s*(-?\d+(?:\.\d+)?)", re.ASCII)
_SAMPLES: Final = re.compile(r"(?:-?\d+(?:\.\d+)?|[EUL])(?: (?:-?\d+(?:\.\d+)?|[EUL]))*", re.ASCII)
_V2_TABLE: Final = re.compile(r"HL7(\d{4})")
_OFFSET_MAX: Final = timedelta(hours=14)
"""FHIR's dateTime allows no offset beyond 14:00."""
_SYSTEMS: Final = {"MDC": MDC, "LN": LOINC, "SCT": SNOMED, "UCUM": UCUM}
_OFF_SCALE: Final = {Validity.OVER: ">", Validity.UNDER: "<"}


class Value(NamedTuple):
    """value[x]: at most one is there."""

    quantity: Quantity | None = None
    concept: CodeableConcept | None = None
    string: str | None = None
    ratio: Ratio | None = None
    sampled: SampledData | None = None


def text(words: str) -> str | None:
    """A FHIR string: no control characters but tab and line ends, never empty."""
    if not (words.isascii() and words.isprintable()):
        words = _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", words)
    return words if words.strip() else None


def code(words: str) -> str | None:
    """A FHIR code: single spaces inside, none outside."""
    return text(" ".join(words.split()))


def moment(when: datetime) -> str:
    """A FHIR dateTime or instant: milliseconds, and the offset it came with."""
    offset = when.utcoffset()
    if offset is None:
        when = when.replace(tzinfo=UTC)
    elif offset.seconds % 60 or offset.microseconds or abs(offset) > _OFFSET_MAX:
        try:
            when = when.astimezone(UTC)
        except OverflowError:
            when = when.replace(tzinfo=UTC)
    return when.isoformat(timespec="milliseconds")


def number(digits: str) -> Raw | None:
    """The digits as a JSON number, none added or lost; None when they are no plain decimal."""
    if _JSON_NUMBER.fullmatch(digits):
        return Raw(digits.encode())
    plain = decimal_text(digits)
    return Raw(plain.encode()) if plain is not None and _JSON_NUMBER.fullmatch(plain) else None


def quantity(digits: str, unit: Quantity, comparator: str = "") -> Quantity | None:
    """The digits in a unit made by `unit_of`; None when they are no number or FHIR lacks the comparator."""
    if comparator and comparator not in FHIR_COMPARATORS:
        return None
    found = number(digits)
    if found is None:
        return None
    return Quantity(value=found, comparator=comparator or None, unit=unit.unit, system=unit.system, code=unit.code)


def unit_of(observation: Observation) -> Quantity:
    """A Quantity with nothing but the unit: UCUM, or the device's own words where its unit is unknown."""
    ucum = code(observation.unit or "")
    shown = text(own_unit(ucum, observation.vendor_unit)) or ucum
    return Quantity(unit=shown, system=UCUM, code=ucum) if ucum else Quantity(unit=shown)


def value(observation: Observation, unit: Quantity, vendor_system: str) -> Value:
    """value[x] of an observation that has one; what is no number is never made one."""
    o = observation
    words = o.value or ""
    if o.kind is Kind.NUMERIC:
        found = quantity(words, unit, o.comparator)
        if found is not None:
            return Value(quantity=found)
    if o.kind is Kind.CODED and o.coding is not None:
        return Value(concept=_coded(o.coding, words, vendor_system))
    if o.kind is Kind.WAVEFORM:
        return _sampled(o, unit)
    ratio = _RATIO.fullmatch(words) if o.refid and not o.comparator else None
    if ratio:
        one, two = number(ratio[1]), number(ratio[2])
        if one is not None and two is not None:
            return Value(ratio=Ratio(numerator=Quantity(value=one), denominator=Quantity(value=two)))
    return Value(string=text(o.comparator + words))


def reason(observation: Observation) -> Raw:
    """Why there is no value (dataAbsentReason)."""
    return _REASONS[observation.validity]


def interpretation(observation: Observation, category: Category) -> tuple[CodeableConcept, ...]:
    """Measurement status and abnormal flags."""
    o = observation
    if not o.flags and o.validity is Validity.OK:
        return ()
    found = []
    if o.validity in STATES:
        found.append(_STATES[o.validity])
    flags = [*o.flags]
    off = _OFF_SCALE.get(o.validity, "")
    if category is not Category.VITALS and off and off not in flags:
        flags.append(off)
    return (*found, *_flags(flags))


def ranges(observation: Observation, unit: Quantity, category: Category) -> tuple[ReferenceRange, ...]:
    """referenceRange: limits where they can be read, the device's text always; a bedside device's are its alarm limits.

    Limits beyond which a result is critical are a second one; R4 has no code for them.
    """
    kind = _ALARM_LIMITS if category is not Category.LAB and category is not Category.QC else None
    return (*_range(observation.range, unit, kind), *_range(observation.critical, unit, _CRITICAL))


def _range(said: str, unit: Quantity, kind: CodeableConcept | None) -> tuple[ReferenceRange, ...]:
    words = text(said.strip())
    if words is None:
        return ()
    low, high = _limits(words, unit)
    return (ReferenceRange(low=low, high=high, type=kind, text=words),)


def query(system: str | None, own: str) -> str:
    """An identifier as a search parameter: FHIR's separators escaped, then what a URL cannot hold."""
    escaped = re.sub(r"([\\|,$])", r"\\\1", own)
    token = quote(escaped, safe=":/~")
    return f"identifier={quote(system, safe=':/~')}|{token}" if system else f"identifier={token}"


def _coded(coding: tuple[str, str, str], words: str, vendor_system: str) -> CodeableConcept:
    own, display, system = coding
    found = code(own)
    if found is None:
        return CodeableConcept(text=text(display) or text(words) or "?")
    table = _V2_TABLE.fullmatch(system)
    uri = _SYSTEMS.get(system) or (f"{TERMINOLOGY}v2-{table[1]}" if table else vendor_system)
    # LOINC and SNOMED CT displays are theirs to word, and servers reject others
    shown = None if uri in (LOINC, SNOMED) else text(display)
    return CodeableConcept(coding=(Coding(system=uri, code=found, display=shown),), text=text(words) or text(display))


def _sampled(observation: Observation, unit: Quantity) -> Value:
    data = " ".join((observation.value or "").split())
    period = number(observation.period_ms)
    if period is None or not _SAMPLES.fullmatch(data) or set(observation.period_ms) <= {"0", "."}:
        return Value(string=text(data))
    origin = Quantity(value=Raw(b"0"), unit=unit.unit, system=unit.system, code=unit.code)
    return Value(sampled=SampledData(origin=origin, period=period, factor=Raw(b"1"), dimensions=1, data=data))


def _flags(flags: Iterable[str]) -> Iterable[CodeableConcept]:
    for flag in flags:
        if flag in FLAGS:
            yield CodeableConcept(coding=(Coding(system=INTERPRETATION, code=flag),))
        elif (words := text(flag)) is not None:
            yield CodeableConcept(text=words)


def _limits(words: str, unit: Quantity) -> tuple[Quantity | None, Quantity | None]:
    between, beyond = _BETWEEN.fullmatch(words), _BEYOND.fullmatch(words)
    if between and float(between[1]) <= float(between[2]):
        return quantity(between[1], unit), quantity(between[2], unit)
    if beyond:
        limit = quantity(beyond[2], unit)
        return (limit, None) if beyond[1].startswith(">") else (None, limit)
    return None, None


_CRITICAL: Final = CodeableConcept(text="critical limits")
_ALARM_LIMITS: Final = CodeableConcept(coding=(Coding(system=RANGE_TYPE, code="alarm-limits", display="Alarm limits"),))
_STATES: Final = {
    validity: CodeableConcept(coding=(Coding(system=MEASUREMENT_STATUS, code=own, display=display),))
    for validity, (own, display) in STATES.items()
}
_REASONS: Final = {
    validity: raw(CodeableConcept(coding=(Coding(system=ABSENT_REASON, code=REASON.get(validity, "unknown")),)))
    for validity in Validity
}
