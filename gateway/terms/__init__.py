"""Nomenclature: MDC, LOINC, UCUM and MDC units side by side, each row with its source; unit spellings and conversions."""

from gateway.terms.choice import specimens
from gateway.terms.entries import Analyte, Loinc, Spelling, Term, Unit
from gateway.terms.lookup import (
    add_site_rows,
    analyte,
    convert,
    dimensions,
    find,
    loinc,
    loincs,
    mdc_unit,
    require,
    spelling,
)
from gateway.terms.ucum import dimension

__all__ = [
    "Analyte",
    "Loinc",
    "Spelling",
    "Term",
    "Unit",
    "add_site_rows",
    "analyte",
    "convert",
    "dimension",
    "dimensions",
    "find",
    "loinc",
    "loincs",
    "mdc_unit",
    "require",
    "specimens",
    "spelling",
]
