"""Whether a LOINC can be what a result is: its check digit, its property, and the unit that stands beside the value."""

from __future__ import annotations

import re

from gateway import model, terms
from gateway.errors import ActError
from gateway.mapping.decisions import Decision, Kind
from gateway.model import Observation
from gateway.terms import checks, properties

_LOINC = re.compile(r"\d{1,7}-\d", re.ASCII)

DEPRECATED = {
    "21000-5": "LOINC has deprecated it; 788-0 is the erythrocyte distribution width ratio, 30384-2 the entitic volume",
}
"""Codes that makers still send. The tables hold no LOINC status: a release of LOINC names them all."""


def fault_of(loinc: str) -> str:
    """What is wrong with a LOINC's form, or nothing."""
    if _LOINC.fullmatch(loinc) is None:
        return f"{loinc!r} is no LOINC code: expected digits, a hyphen and a check digit, such as 2345-7"
    number, _, digit = loinc.partition("-")
    if int(digit) != (expected := checks.check_digit(number)):
        return f"LOINC {loinc} has a wrong check digit: got {digit}, expected {expected}"
    return ""


def property_of(loinc: str, given: str = "") -> str:
    """The property of a LOINC: the terms', else `given`. ActError where neither says it, or they differ."""
    if fault := fault_of(loinc):
        raise ActError(fault)
    known = terms.loinc(loinc)
    if known is None and not given:
        raise ActError(
            f"LOINC {loinc} is none that the terms hold: give its property (--property MCnc) and its name (--name),"
            " as a release of LOINC has them"
        )
    held = known.property if known is not None else given
    if known is not None and given and held != given and held not in properties.OPEN:
        raise ActError(f"LOINC {loinc}: got the property {given}; the terms say {held}")
    if not properties.known(held):
        raise ActError(f"LOINC {loinc} has the property {held!r}, and no unit can be checked against it (docs/terms.md)")
    return held


def unit_fault(loinc: str, prop: str, ucum: str) -> str:
    """Why a unit cannot stand beside a LOINC, or nothing; without a unit nothing is said."""
    if not ucum:
        return ""
    measured, allowed = terms.dimension(ucum), _allowed(loinc, prop)
    if measured is None:
        return f"{ucum!r} is no UCUM unit that can be read"
    if prop in properties.NO_UNIT:
        return f"LOINC {loinc} has the property {prop}, a finding in words; {ucum} measures {measured}"
    if allowed and measured not in allowed:
        return f"LOINC {loinc} has the property {prop} ({' or '.join(sorted(allowed))}); {ucum} measures {measured}"
    return ""


def fits(decision: Decision, observation: Observation) -> bool:
    """Whether a decision's LOINC may stand beside a result: never beside a unit of another kind, or one that nobody knows."""
    unit = observation.unit or decision.ucum
    if not unit and observation.vendor_unit:
        return False
    if decision.prop in properties.NO_UNIT and observation.kind is model.Kind.NUMERIC and observation.value is not None:
        return False
    return not unit_fault(decision.loinc, decision.prop, unit)


def kind_fault(loinc: str, prop: str, result: Kind) -> str:
    """Why a LOINC cannot name this sort of result, or nothing."""
    if result is Kind.NUMBER and prop in properties.NO_UNIT:
        return f"LOINC {loinc} has the property {prop}, a finding in words; the device sends a number"
    return ""


def _allowed(loinc: str, prop: str) -> frozenset[str]:
    """The dimensions of the rows that hold the code (D-dimer in FEU is not D-dimer in DDU), else those of its property."""
    return terms.dimensions(loinc) or properties.allowed(prop, "")
