"""What an analyzer's code and unit mean: UCUM and LOINC by the profile and the terms, whatever protocol they came by."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from drivers.lab.places import FIELD_MAX
from drivers.lab.shared_options import AnalyteOptions
from gateway import terms
from gateway.terms import properties

_LOINC = re.compile(r"(\d{1,7})-(\d)\Z")


class Known(Protocol):
    """What a profile knows of codes and units."""

    @property
    def analytes(self) -> Mapping[str, AnalyteOptions]:
        """By code."""
        ...

    @property
    def units(self) -> Mapping[str, str]:
        """The device's unit to UCUM; "" says it is no unit."""
        ...


class Meaning(NamedTuple):
    """LOINC and UCUM (None where nobody knows them), the unit as the device wrote it, and doubts in words."""

    loinc: str | None
    unit: str | None
    vendor_unit: str
    doubts: tuple[str, ...] = ()


def meaning(
    code: str,
    units: Sequence[str],
    profile: Known,
    *,
    maker: str,
    specimen: str,
    claims: Sequence[str] = (),
    logarithm: bool = False,
) -> Meaning:
    """What `code` means in a unit.

    `units` is what the device wrote, then other readings of it, best first; of a `logarithm` it is the number's. The terms
    decide, but not on a unit that nobody knows, for a LOINC follows the unit. `claims`, the LOINCs that the device names, count
    only where the terms are silent, hold that code, its check digit is right, and the unit is of its class.
    """
    unit, said = _logarithmic(units) if logarithm else _unit(code, units, profile)
    analyte = None
    if unit is not None or not said or said in profile.units:
        known = profile.analytes.get(code)
        analyte = terms.analyte(maker, (known.term if known is not None else "") or code, unit, specimen=specimen)
    if analyte is not None:
        return Meaning(analyte.loinc.code, unit and analyte.ucum, said)
    good = next((claim for claim in claims if credible(claim, unit)), None)
    doubts = () if good else tuple(f"the device says LOINC {claim[:FIELD_MAX]}, which is not used" for claim in claims if claim)
    return Meaning(good, unit, said, doubts)


def _unit(code: str, units: Sequence[str], profile: Known) -> tuple[str | None, str]:
    """The unit in UCUM, and what the device wrote; without one, the profile's word for that code."""
    said = next(iter(units), "").strip()[:FIELD_MAX]
    known = profile.analytes.get(code)
    stated = (known.unit or None) if known is not None else None
    if said in profile.units:
        return profile.units[said] or stated, said
    if not said:
        return stated, said
    spellings = (terms.spelling(one.strip()) for one in units if one.strip())
    return next((spelling.ucum for spelling in spellings if spelling is not None), None), said


def _logarithmic(units: Sequence[str]) -> tuple[str | None, str]:
    """The unit of a logarithm, where the terms know one of numbers in any of these units, and what the device wrote."""
    spellings = (terms.spelling(f"log {one.strip()}") for one in units if one.strip())
    known = next((spelling.ucum for spelling in spellings if spelling is not None), None)
    return known, next(iter(units), "").strip()[:FIELD_MAX]


def credible(claimed: str, unit: str | None) -> bool:
    """Whether a LOINC that a device claims is one the terms hold, with the right check digit and of the unit's class."""
    held = terms.loinc(claimed) if is_loinc(claimed) else None
    if held is None:
        return False
    return unit is None or terms.dimension(unit) in properties.allowed(held.property, unit)


def is_loinc(code: str) -> bool:
    """Whether a text has the form of a LOINC code and its check digit (mod 10, Luhn) is right."""
    match = _LOINC.match(code)
    if match is None:
        return False
    total = 0
    for n, digit in enumerate(reversed(match[1])):
        doubled = int(digit) * (2 if n % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return (10 - total % 10) % 10 == int(match[2])
