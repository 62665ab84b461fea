"""An OBX → one observation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import islice

from msgspec.structs import replace

from drivers.lab import hl7_values, values
from drivers.lab.hl7_about import operator_of
from drivers.lab.hl7_materials import material_words
from drivers.lab.hl7_materials import materials as materials_of
from drivers.lab.hl7_places import NULL, Scope, first, read
from drivers.lab.hl7_profile import TEST_MODES, Hl7LabOptions
from drivers.lab.hl7_tree import Result
from drivers.lab.meaning import Meaning, is_loinc, meaning
from drivers.lab.places import FIELD_MAX
from drivers.lab.results import NOTES_MAX
from drivers.lab.times import device_time
from drivers.lab.values import shown
from gateway import terms
from gateway.model import Kind, Observation, Validity
from protocols.hl7v2.message import Segment

_LOINC_SYSTEMS = ("LN", "LOINC")
_SPECIMENS = {"wb": "BLD", "whole blood": "BLD", "serplas": "Serum/Plasma"}
"""Words for specimens that HL7 table 0487 lacks: Mindray's and FineCare's, Roche's for serum or plasma."""
_SUPPLEMENTAL = ("S_", "IHELAW")
"""What LAW's OBX-3.4 begins with and OBX-3.6 is where an OBX tells of the measurement and is no result (S_OTHER, S_RAW)."""
_BRACKETS = re.compile(r"\[([^;\]]+);([^;\]]+)\]\Z")
_DILUTIONS = ((2, "automatic "), (3, "rerun "), (4, "pre-"))
"""TCD fields (HL7 v2.5.1 13.4.10)."""
_NAMED_ELSE = ("OBX-3.1", "OBX-3.2", "OBX-3.4", "OBX-3.5", "OBR-4.1", "OBR-4.2")
"""What names a result whose code stands at none of the profile's places: ^^^WBC, as ASTM has it; the order of one test."""
_NTE_TEXTS = (3, 4)
"""i-STAT writes its comments into NTE-4."""


def observe(
    result: Result, around: Scope, options: Hl7LabOptions, *, sender: str, localise: Callable[[datetime], datetime]
) -> Observation:
    """The observation of an OBX; `around` holds the segments in force, `sender` is who made the analyzer."""
    obx = result.obx
    scope = {**around, "OBX": obx}
    code = first(scope, (*options.code, *_NAMED_ELSE))[:FIELD_MAX]
    found, beside = hl7_values.value(obx, code, options)
    found = hl7_values.verdict(obx, found, options)
    said = hl7_values.unit(obx)
    if options.power_of_ten == "multiply":
        found, said = hl7_values.multiplied(found, said)
    means = _meaning(scope, code, said, options, sender)
    status, validity = hl7_values.state(obx, found, options)
    if found.text is not None and read(scope, "MSH-11") in TEST_MODES:
        validity = Validity.TEST
    numeric = found.kind is Kind.NUMERIC or (found.text is None and (means.unit is not None or obx.text(2) == "NM"))
    return Observation(
        kind=Kind.NUMERIC if numeric else Kind.TEXT,
        vendor_code=code,
        vendor_text=_other(scope, options.name, code),
        value=found.text,
        loinc=means.loinc,
        unit=means.unit,
        vendor_unit=means.vendor_unit,
        comparator=found.comparator,
        validity=validity,
        status=status,
        flags=hl7_values.flags(obx, options),
        range=_range(obx, options),
        time=_time(scope, options, localise),
        notes=(*beside, *means.doubts, *hl7_values.flag_words(obx), *notes(result.attached)),
        operator=operator_of(scope, options),
        sub_id=_sub_id(scope, options, code),
        materials=materials_of(result.attached),
        instance=_instance(obx),
    )


def timed(seen: Iterable[Observation]) -> Iterator[Observation]:
    """The same, each without a time with that of the one before it: some say it once for a whole sample (Radiometer)."""
    time = None
    for one in seen:
        time = one.time or time
        yield one if one.time == time else replace(one, time=time)


def of_order(around: dict[str, Segment], options: Hl7LabOptions) -> Result | None:
    """The result that an OBR itself is, by the profile, as an OBX; its specimen goes into `around`. None where it is none."""
    rule, obr = options.order_result, around.get("OBR")
    if rule is None or obr is None or not read(around, rule.value):
        return None
    if not all(read(around, one.field) in one.values for one in rule.when):
        return None
    code, name, value, unit, time = (read(around, at) for at in (rule.code, rule.name, rule.value, rule.unit, rule.time))
    fields = ["OBX", "1", "", code, name, value, unit, "", "", "", "", "", "", "", time]
    around["SPM"] = Segment("SPM", ("SPM", "1", read(around, rule.specimen)), obr.delimiters, obr.codec)
    return Result(Segment("OBX", tuple(fields), obr.delimiters, obr.codec))


def apart(result: Result, options: Hl7LabOptions) -> list[Result]:
    """The results that one OBX holds; what hangs on it stays with the first."""
    first_one, *others = hl7_values.pieces(result.obx, options)
    return [Result(first_one, result.attached), *map(Result, others)]


def is_setting(obx: Segment, options: Hl7LabOptions) -> bool:
    """Whether an OBX says how the analyzer was set."""
    return options.settings is not None and options.settings.fullmatch(obx.text(3)) is not None


def is_supplemental(obx: Segment, options: Hl7LabOptions) -> bool:
    """Whether an OBX tells of the measurement and is no result (LAW)."""
    start, system = _SUPPLEMENTAL
    return options.supplemental == "note" and obx.text(3, 4).startswith(start) and obx.text(3, 6) == system


def as_note(obx: Segment) -> str:
    """An OBX that is no result, in words; nothing when it says nothing."""
    code, name, unit = obx.text(3).strip(), obx.text(3, 2).strip(), hl7_values.unit(obx)
    value = " ".join(part for part in hl7_values.words(obx) if part and part != NULL)
    name = "" if code.startswith(name) else name  # FT3.RLU^FT3
    named = f"{code} {name}" if obx.text(3, 4) and name else name or code
    return shown(" ".join(filter(None, (f"{named}: {value}", unit)))) if value else ""


def is_echo(result: Result, before: Result | None) -> bool:
    """Whether it is the valueless double of the result before it (cobas pure says each result as NM and once more as CE)."""
    if before is None or any(result.obx.text(5, n).strip() for n in (1, 2)) or result.obx.text(11) == "X":
        return False
    return (result.obx.raw(3), result.obx.raw(4)) == (before.obx.raw(3), before.obx.raw(4)) and bool(before.obx.raw(5))


def notes(attached: Iterable[Segment]) -> tuple[str, ...]:
    """Comments and materials, in words; what is said twice, once."""
    return tuple(islice(dict.fromkeys(filter(None, map(_note, attached))), NOTES_MAX))


def _note(segment: Segment) -> str:
    if segment.name == "INV":
        return material_words(segment)
    if segment.name == "TCD":
        return _dilutions(segment)
    if segment.name != "NTE":
        return ""
    for number in _NTE_TEXTS:
        repeats, mark = segment.repeats(number), segment.delimiters.component
        said = (segment.text(number, c, n).strip() for n, one in enumerate(repeats, 1) for c in range(1, one.count(mark) + 2))
        if text := " ".join(part for part in said if part and part != NULL):
            return shown(text)
    return ""


def _dilutions(tcd: Segment) -> str:
    """TCD-2 to TCD-4, each a ratio (SN `^1^:^10`) or a word (cobas 8000: Dec, less of the sample).

    One that dilutes nothing (1:1, and 1:0 as cobas 6800 writes) says nothing.
    """
    told = [
        f"{what}dilution {said}"
        for n, what in _DILUTIONS
        if (said := _dilution(*(tcd.text(n, part).strip() for part in (1, 2, 3, 4))))
    ]
    return shown(", ".join(told))


def _dilution(word: str, one: str, mark: str, part: str) -> str:
    if mark == ":":
        return f"{one or '1'}:{part}" if part not in ("", "0", "1") else ""
    return "" if one or mark or part or word in (NULL, "0", "1") else word


def _meaning(scope: Scope, code: str, said: str, options: Hl7LabOptions, sender: str) -> Meaning:
    obx, maker = scope["OBX"], options.maker or sender
    logarithm = _sub_id(scope, options, code) in options.logarithms
    specimen = _specimen(scope, options)
    means = meaning(code, [said], options, maker=maker, specimen=specimen, claims=_claims(obx), logarithm=logarithm)
    if means.unit is None and obx.text(6, 3).upper() == "UCUM" and said and terms.dimension(said) is not None:
        return means._replace(unit=said)
    return means


def _claims(obx: Segment) -> list[str]:
    """The LOINCs that OBX-3 names, also one that a counter writes under no system or its own (6690-2^WBC^99MRC)."""
    named = [(obx.text(3, n).strip(), obx.text(3, n + 2).strip().upper() in _LOINC_SYSTEMS) for n in (1, 4)]
    return [code for code, labelled in named if labelled or (is_loinc(code) and terms.loinc(code) is not None)]


def _specimen(scope: Scope, options: Hl7LabOptions) -> str:
    said = first(scope, options.specimen_type)
    return options.specimens.get(said, _SPECIMENS.get(said.lower(), said)) or options.specimen


def _other(scope: Scope, places: Iterable[str], code: str) -> str:
    """The first place that holds something else than the code."""
    return next((text for text in (read(scope, at) for at in places) if text and text != code), "")[:FIELD_MAX]


def _sub_id(scope: Scope, options: Hl7LabOptions, code: str) -> str:
    """What tells apart what shares a code; nothing where that is its code or name already."""
    said = first(scope, options.sub_id)
    return "" if said in {code, _other(scope, options.name, code)} else said[: values.TEXT_MAX]


def _range(obx: Segment, options: Hl7LabOptions) -> str:
    """OBX-7; a lone dash is Mindray's way to say that there is none, brackets are BioNote's."""
    said = _BRACKETS.sub(r"\1-\2", obx.text(7).strip())
    return "" if said in {"-", NULL} else values.interval(said, decimal_comma=options.decimal_comma)[: values.TEXT_MAX]


def _instance(obx: Segment) -> str:
    """OBX-21, with who gave it: the same number of two instruments is not one result."""
    parts = [obx.text(21, n).strip() for n in range(1, 5)]
    return "^".join(parts).rstrip("^")[:FIELD_MAX] if parts[0] and parts[0] != NULL else ""


def _time(scope: Scope, options: Hl7LabOptions, localise: Callable[[datetime], datetime]) -> datetime | None:
    moments = (device_time(read(scope, place)) for place in options.result_time)
    found = next((moment for moment in moments if moment is not None), None)
    return found if found is None or found.tzinfo is not None else localise(found)
