"""The MDC side: units, terms, and the LOINC codes a term's value may carry."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from gateway.terms import checks, properties, unit_names
from gateway.terms.entries import Loinc, Term, Unit
from gateway.terms.reading import Row, rows
from gateway.terms.ucum import dimension

UNITS = "mdc_units.csv"
TERMS = "mdc_terms.csv"
VITALS = "vitals_loinc.csv"
UNIT_COLUMNS = ("refid", "code", "ucum", "source")
TERM_COLUMNS = ("refid", "code", "display", "units", "also", "source")
VITAL_COLUMNS = ("refid", "loinc", "display", "property", "ucum", "confidence", "source", "note")

_DIMENSION_PARTITION = 4


class MdcUnit(NamedTuple):
    """A unit and every UCUM text that means it, the one we write first."""

    unit: Unit
    ucums: tuple[str, ...]


class Vital(NamedTuple):
    """A LOINC candidate for a term, with the dimensions of the units it may stand beside; none: it stands without a unit."""

    loinc: Loinc
    dimensions: frozenset[str]


class Entry(NamedTuple):
    """A term, its units with all their UCUM texts, its LOINC candidates in order of choice."""

    term: Term
    units: tuple[MdcUnit, ...]
    vitals: tuple[Vital, ...]


@cache
def units() -> dict[str, MdcUnit]:
    """MDC units by reference id. Raises ConfigError for a row whose UCUM texts measure different things."""
    found: dict[str, MdcUnit] = {}
    for row in rows(UNITS, UNIT_COLUMNS):
        refid, code, ucum, _ = row.fields
        if refid in found:
            raise row.wrong("the unit stands there twice")
        number = _code(row, code)
        if number >> 16 != _DIMENSION_PARTITION:
            raise row.wrong(f"code {code} is not in partition 4, where MDC keeps its units")
        ucums = tuple(ucum.split("|"))
        measured = {checks.unit_dimension(row, text) for text in ucums}
        if len(measured) > 1:
            raise row.wrong(f"the UCUM texts {ucum} measure different things")
        if (said := unit_names.measured(refid)) is not None and said not in measured:
            raise row.wrong(f"the MDC unit measures {said}, its UCUM unit {ucum} measures {measured.pop()}")
        found[refid] = MdcUnit(Unit(refid, number, ucums[0]), ucums)
    return found


@cache
def entries() -> dict[str, Entry]:
    """Every term by reference id, its LOINC candidates proved against its units. Raises ConfigError."""
    vitals = _vitals()
    found: dict[str, Entry] = {}
    for row in rows(TERMS, TERM_COLUMNS):
        entry = _entry(row, vitals.pop(row.fields[0], []))
        if entry.term.refid in found:
            raise row.wrong("the term stands there twice")
        found[entry.term.refid] = entry
    for strays in vitals.values():
        raise strays[0].wrong(f"no such term in {TERMS}")
    return found


def _vitals() -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows(VITALS, VITAL_COLUMNS):
        found.setdefault(row.fields[0], []).append(row)
    return found


def _entry(row: Row, vital_rows: list[Row]) -> Entry:
    refid, code, display, listed, also, _ = row.fields
    if not refid.startswith("MDC_"):
        raise row.wrong("a reference id starts with MDC_")
    allowed = tuple(_unit(row, name) for text in (listed, also) for name in text.split("|") if name)
    candidates = sorted(_candidates(vital_rows, allowed), key=lambda vital: vital.loinc.confidence == "inferred")
    term = Term(refid, _code(row, code), display, tuple(v.loinc for v in candidates), tuple(u.unit for u in allowed))
    return Entry(term, allowed, tuple(candidates))


def _candidates(vital_rows: list[Row], allowed: tuple[MdcUnit, ...]) -> list[Vital]:
    found: dict[str, Vital] = {}
    for row in vital_rows:
        vital = _vital(row, allowed)
        if vital.loinc.code in found:
            raise row.wrong("the term names one LOINC code twice")
        found[vital.loinc.code] = vital
    return list(found.values())


def _unit(row: Row, refid: str) -> MdcUnit:
    unit = units().get(refid)
    if unit is None:
        raise row.wrong(f"names the unit {refid}, which is not in {UNITS}")
    return unit


def _vital(row: Row, allowed: tuple[MdcUnit, ...]) -> Vital:
    """The row, once its UCUM unit is one of the term's MDC units and its LOINC property measures the same."""
    refid, code, display, prop, ucum, confidence, _, _ = row.fields
    checks.loinc_code(row, code)
    checks.property_fits(row, code, prop, ucum)
    if ucum and unit_for(allowed, ucum) is None:
        names = ", ".join(f"{u.unit.refid} ({u.unit.ucum})" for u in allowed) or "none"
        raise row.wrong(f"the UCUM unit {ucum} is none of the MDC units of {refid}: {names}")
    return Vital(Loinc(code, display, prop, checks.confidence(row, confidence)), properties.allowed(prop, ucum))


def unit_for(allowed: tuple[MdcUnit, ...], ucum: str) -> MdcUnit | None:
    """The first unit whose UCUM texts hold `ucum`; a lone annotation ({score}) is the dimensionless unit."""
    for unit in allowed:
        if ucum in unit.ucums:
            return unit
    if ucum.startswith("{") and ucum.endswith("}") and dimension(ucum) == "1":
        return next((unit for unit in allowed if "1" in unit.ucums), None)
    return None


def _code(row: Row, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 1 << 32):
        raise row.wrong(f"code {text!r} is no 32-bit context-free code")
    return int(text)
