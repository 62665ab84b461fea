"""An OBX → one observation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import islice

from drivers.lab import values
from drivers.lab.hl7_profile import TEST_MODES, Hl7LabOptions
from drivers.lab.hl7_tree import NULL, Result, Scope, first, read
from drivers.lab.meaning import meaning
from drivers.lab.places import FIELD_MAX
from drivers.lab.results import NOTES_MAX
from drivers.lab.times import device_time
from drivers.lab.values import NO_VALUE, Value, shown
from gateway.model import Kind, Material, Observation, Validity
from protocols.hl7v2.message import Segment

_LOINC_SYSTEMS = ("LN", "LOINC")
_DIGITS = re.compile(r"\d{8}(?:\d{6})?")
_STATUSES = frozenset("CDFINOPRSUWX")
"""HL7 table 0085; V and B and A, which later versions add, promise less than F and become R."""


def observe(
    result: Result, around: Scope, options: Hl7LabOptions, *, sender: str, localise: Callable[[datetime], datetime]
) -> Observation:
    """The observation of an OBX; `around` holds the segments in force, `sender` is who made the analyzer."""
    obx = result.obx
    scope = {**around, "OBX": obx}
    code = _code(obx, options)
    found, extra = _value(obx, code, options)
    means = meaning(
        code, [_unit(obx)], options, maker=options.maker or sender, specimen=_specimen(scope, options), claims=_claims(obx)
    )
    status, validity = _state(obx, found, options)
    if found.text is not None and read(scope, "MSH-11") in TEST_MODES:
        validity = Validity.TEST
    numeric = found.kind is Kind.NUMERIC or (found.text is None and (means.unit is not None or obx.text(2) == "NM"))
    return Observation(
        kind=Kind.NUMERIC if numeric else Kind.TEXT,
        vendor_code=code,
        vendor_text=_text(obx, code),
        value=found.text,
        loinc=means.loinc,
        unit=means.unit,
        vendor_unit=means.vendor_unit,
        comparator=found.comparator,
        validity=validity,
        status=status,
        flags=_flags(obx, options),
        range=values.interval(obx.text(7).strip(), decimal_comma=options.decimal_comma)[: values.TEXT_MAX],
        time=_time(scope, options, localise),
        notes=(*extra, *means.doubts, *notes(result.attached)),
        operator=obx.text(16).strip()[:FIELD_MAX],
        sub_id=obx.text(4).strip()[: values.TEXT_MAX],
        materials=materials(result.attached),
        instance=_instance(obx),
    )


def is_setting(obx: Segment, options: Hl7LabOptions) -> bool:
    """Whether an OBX says how the analyzer was set."""
    return options.settings is not None and options.settings.fullmatch(obx.text(3)) is not None


def as_note(obx: Segment) -> str:
    """Such an OBX in words; nothing when it says nothing."""
    value = obx.text(5).strip()
    return shown(f"{obx.text(3, 2).strip() or obx.text(3)}: {value}") if value and value != NULL else ""


def is_image(obx: Segment) -> bool:
    """Whether an OBX carries encapsulated data: a picture, a curve."""
    return obx.text(2) in ("ED", "RP")


def is_echo(result: Result, before: Result | None) -> bool:
    """Whether it is the valueless double of the result before it (cobas pure says each result as NM and once more as CE)."""
    if before is None or any(result.obx.text(5, n).strip() for n in (1, 2)) or result.obx.text(11) == "X":
        return False
    return (result.obx.raw(3), result.obx.raw(4)) == (before.obx.raw(3), before.obx.raw(4)) and bool(before.obx.raw(5))


def materials(attached: Iterable[Segment]) -> tuple[Material, ...]:
    """The lots that INV segments name."""
    found = (_material(segment) for segment in attached if segment.name == "INV")
    return tuple(islice((one for one in found if one.name or one.lot), NOTES_MAX))


def _material(inv: Segment) -> Material:
    """INV-1 what, INV-3 of which sort, INV-12 until when, INV-16 which lot; HL7's null is nothing."""
    name, text, kind, lot = (
        "" if said == NULL else said[:FIELD_MAX]
        for said in (inv.text(1).strip(), inv.text(1, 2).strip(), inv.text(3).strip(), inv.text(16).strip())
    )
    expires = _DIGITS.match(inv.text(12).strip())
    return Material(name=name or text, kind=kind, lot=lot, expires=expires[0] if expires else "")


def _instance(obx: Segment) -> str:
    """OBX-21, with who gave it: the same number of two instruments is not one result."""
    parts = [obx.text(21, n).strip() for n in range(1, 5)]
    return "^".join(parts).rstrip("^")[:FIELD_MAX] if parts[0] and parts[0] != NULL else ""


def notes(attached: Iterable[Segment]) -> tuple[str, ...]:
    """Comments and materials, in words."""
    return tuple(islice(filter(None, map(_note, attached)), NOTES_MAX))


def _note(segment: Segment) -> str:
    if segment.name == "NTE":
        return shown(" ".join(part.strip() for part in segment.repeats(3) if part.strip(" ^")) and segment.text(3).strip())
    if segment.name == "INV":
        lot, expires = segment.text(16).strip(), segment.text(12).strip()[:8]
        parts = [segment.text(1).strip(), segment.text(1, 2).strip(), lot and f"lot {lot}", expires and f"expires {expires}"]
        return shown("material: " + " ".join(part for part in parts if part and part != NULL)) if any(parts) else ""
    return ""


def _code(obx: Segment, options: Hl7LabOptions) -> str:
    return next(filter(None, (obx.text(3, n).strip() for n in options.code)), "")[:FIELD_MAX]


def _text(obx: Segment, code: str) -> str:
    named = (obx.text(3, n).strip() for n in (2, 1, 5))
    return next((text for text in named if text and text != code), "")[:FIELD_MAX]


def _value(obx: Segment, code: str, options: Hl7LabOptions) -> tuple[Value, tuple[str, ...]]:
    """The value and what stands beside it, by OBX-2; an analyzer that leaves OBX-2 empty is read by what it wrote."""
    kind = obx.text(2)
    parts = [obx.text(5, n).strip() for n in range(1, 6)]
    if kind == "SN":
        return _structured(parts, options), ()
    if is_image(obx):
        return Value(Kind.TEXT, next(filter(None, reversed(parts)), None)), ()
    if kind in ("CE", "CWE", "CNE", "CF"):
        said = parts[1] or parts[0] or parts[4]
        return (Value(Kind.TEXT, said) if said and said != NULL else NO_VALUE), ()
    text = "" if parts[0] == NULL else parts[0]
    found = values.value(text, options.reading)
    known = options.analytes.get(code)
    if found.text is not None and (kind in ("DTM", "TS", "DT", "TM", "EI") or (known is not None and known.kind is Kind.TEXT)):
        found = Value(Kind.TEXT, text)
    repeats = [text.strip() for text in obx.repeats(5)[1:]]
    return found, tuple(shown(text) for text in (*parts[1:2], *repeats) if text and text != NULL)


def _structured(parts: list[str], options: Hl7LabOptions) -> Value:
    """SN: comparator, number, separator, number; a ratio or a span is text."""
    comparator, number, separator, other = parts[:4]
    if separator or other:
        return Value(Kind.TEXT, f"{comparator}{number}{separator}{other}")
    return values.value(f"{comparator}{number}", options.reading)


def _unit(obx: Segment) -> str:
    said = next(filter(None, (obx.text(6, n).strip() for n in (1, 2))), "")
    return "" if said == NULL else said


def _claims(obx: Segment) -> list[str]:
    """The LOINCs that OBX-3 names."""
    return [obx.text(3, n).strip() for n in (1, 4) if obx.text(3, n + 2).strip().upper() in _LOINC_SYSTEMS]


def _specimen(scope: Scope, options: Hl7LabOptions) -> str:
    said = first(scope, options.specimen_type)
    return options.specimens.get(said, said) or options.specimen


def _state(obx: Segment, found: Value, options: Hl7LabOptions) -> tuple[str, Validity]:
    said = obx.text(11).strip().upper()
    if found.text is None:
        return "X", found.validity
    letter = options.statuses.get(said) or (said if said in _STATUSES else "R")
    if found.kind is Kind.TEXT and re.fullmatch(options.failed, found.text):
        letter = "X"
    return letter, Validity.QUESTIONABLE if letter == "X" else found.validity


def _flags(obx: Segment, options: Hl7LabOptions) -> tuple[str, ...]:
    said = (flag.split(obx.delimiters.component)[0].strip() for flag in obx.repeats(8))
    told = (options.flags.get(flag, flag) for flag in said if flag and flag != NULL)
    return tuple(dict.fromkeys(flag[: values.FLAG_MAX] for flag in told if flag))[: values.FLAGS_MAX]


def _time(scope: Scope, options: Hl7LabOptions, localise: Callable[[datetime], datetime]) -> datetime | None:
    moments = (device_time(read(scope, place)) for place in options.result_time)
    found = next((moment for moment in moments if moment is not None), None)
    return found if found is None or found.tzinfo is not None else localise(found)
