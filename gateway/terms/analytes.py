"""Laboratory analytes: what a maker's code means for one specimen and unit class."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from gateway.terms import checks, properties, spellings
from gateway.terms.entries import Loinc
from gateway.terms.reading import Row, rows

TABLE = "lab_analytes.csv"
COLUMNS = (
    "group",
    "analyte",
    "specimen",
    "loinc",
    "shortname",
    "property",
    "ucum",
    "units",
    "codes",
    "codes_inferred",
    "confidence",
    "source",
    "note",
)


class Meaning(NamedTuple):
    """One row of the table as one maker's code sees it; `maker` empty: any maker."""

    maker: str
    loinc: Loinc
    analyte: str
    specimen: str
    ucum: str
    dimensions: frozenset[str]


class Analytes(NamedTuple):
    """The table both ways: meanings by the maker's code, in the table's order, and its LOINC codes."""

    by_code: dict[str, tuple[Meaning, ...]]
    by_loinc: dict[str, Loinc]


@cache
def load() -> Analytes:
    """The table. Raises ConfigError for a row that does not agree with itself."""
    found = Analytes({}, {})
    for row in rows(TABLE, COLUMNS):
        loinc = _loinc(row)
        found.by_loinc.setdefault(loinc.code, loinc)
        for code, meaning in _meanings(row, loinc):
            found.by_code[code] = (*found.by_code.get(code, ()), meaning)
    return found


def _loinc(row: Row) -> Loinc:
    _, analyte, specimen, code, _, prop, _, _, _, _, confidence, _, _ = row.fields
    return Loinc(checks.loinc_code(row, code), f"{analyte}, {specimen}", prop, checks.confidence(row, confidence))


def _meanings(row: Row, loinc: Loinc) -> list[tuple[str, Meaning]]:
    _, analyte, specimen, code, _, prop, ucum, units, codes, codes_inferred, _, _, _ = row.fields
    checks.property_fits(row, code, prop, ucum)
    dimensions = properties.allowed(prop, ucum)
    _prove_units(row, units, dimensions)
    unsure = loinc._replace(confidence="inferred")
    return [
        (name, Meaning(maker.casefold(), coding, analyte, specimen, ucum, dimensions))
        for texts, coding in ((codes, loinc), (codes_inferred, unsure))
        for maker, _, name in (text.partition(":") for text in texts.split("|") if text)
    ]


def _prove_units(row: Row, units: str, dimensions: frozenset[str]) -> None:
    """Refuse a row when a unit its makers write is of another dimension than its LOINC property."""
    for text in units.split(";") if dimensions else ():
        known = spellings.spellings().get(text.strip())
        if known is None:
            raise row.wrong(f"its makers' unit {text!r} is not in {spellings.TABLE}")
        if known.ucum and checks.unit_dimension(row, known.ucum) not in dimensions:
            raise row.wrong(f"its makers' unit {text!r} ({known.ucum}) does not measure what its LOINC property does")
