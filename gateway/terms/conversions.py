"""Conversions a destination may ask for: linear, listed one by one, never derived."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from gateway.terms import checks, properties
from gateway.terms.entries import Loinc
from gateway.terms.reading import Row, rows

TABLE = "conversions.csv"
COLUMNS = ("analyte", "from_loinc", "from_ucum", "to_loinc", "to_ucum", "factor", "molar_mass", "source", "note")


class Conversion(NamedTuple):
    """Multiply by `factor`; the result carries `to_loinc`."""

    to_loinc: str
    factor: Decimal


Key = tuple[str, str, str]


def load(loincs: dict[str, Loinc]) -> dict[Key, Conversion]:
    """Conversions by (LOINC, from unit, to unit), each end proved against `loincs`. Raises ConfigError."""
    found: dict[Key, Conversion] = {}
    for row in rows(TABLE, COLUMNS):
        _, from_loinc, from_ucum, to_loinc, to_ucum, factor, _, _, _ = row.fields
        for code, ucum in ((from_loinc, from_ucum), (to_loinc, to_ucum)):
            _prove_end(row, code, ucum, loincs)
        key = (from_loinc, from_ucum, to_ucum)
        if key in found:
            raise row.wrong(f"{from_loinc} from {from_ucum} to {to_ucum} stands there twice")
        found[key] = Conversion(to_loinc, _factor(row, factor))
    return found


def _prove_end(row: Row, code: str, ucum: str, loincs: dict[str, Loinc]) -> None:
    checks.loinc_code(row, code)
    loinc = loincs.get(code)
    if loinc is None:
        raise row.wrong(f"LOINC {code} is in no table")
    if loinc.property in properties.OPEN:
        checks.unit_dimension(row, ucum)
    else:
        checks.property_fits(row, code, loinc.property, ucum)


def _factor(row: Row, text: str) -> Decimal:
    try:
        factor = Decimal(text)
    except InvalidOperation:
        factor = Decimal(0)
    if not (factor.is_finite() and factor > 0):
        raise row.wrong(f"factor is {text!r}, expected a decimal above zero: a conversion without a factor is none")
    return factor
