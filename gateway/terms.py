"""Nomenclature: MDC, LOINC, UCUM and MDC units side by side, each row with its source; unit spellings and conversions."""

from __future__ import annotations

from typing import NamedTuple


class Unit(NamedTuple):
    """An MDC unit: `refid` (MDC_DIM_…), context-free `code`, and its `ucum` text."""

    refid: str
    code: int
    ucum: str


class Loinc(NamedTuple):
    """A LOINC coding: `display` is our short wording, `property` LOINC's (NRat …), `confidence` explicit|paired|inferred."""

    code: str
    display: str
    property: str
    confidence: str


class Term(NamedTuple):
    """An MDC term: `code` is the 32-bit context-free decimal code; `loincs` best first; `units` the MDC units allowed."""

    refid: str
    code: int
    display: str
    loincs: tuple[Loinc, ...]
    units: tuple[Unit, ...]


class Spelling(NamedTuple):
    """What a unit text means: `ucum` None when it is known but means nothing certain; `danger` says what to mind."""

    ucum: str | None
    danger: str


class Analyte(NamedTuple):
    """What a maker's analyte code means for one specimen and unit class."""

    loinc: Loinc
    analyte: str
    specimen: str
    ucum: str


def find(refid: str) -> Term | None:
    """The term, or None."""
    raise NotImplementedError


def require(refid: str, ucum: str | None = None) -> Term:
    """The term; ConfigError when the terms lack it, or when `ucum` is given and is no unit allowed for it."""
    raise NotImplementedError


def mdc_unit(refid: str, ucum: str) -> Unit | None:
    """The MDC unit to write beside `ucum` for this term; None when the terms hold none of that dimension."""
    raise NotImplementedError


def loincs(refid: str, ucum: str | None, *, inferred: bool = False) -> tuple[Loinc, ...]:
    """The LOINC codings to send for this term in this unit, first one first; inferred rows only where a site enables them."""
    raise NotImplementedError


def loinc(code: str) -> Loinc | None:
    """The LOINC row for a code, or None."""
    raise NotImplementedError


def analyte(maker: str, code: str, ucum: str | None, *, specimen: str = "", inferred: bool = False) -> Analyte | None:
    """What `maker`'s `code` in unit `ucum` means, or None; never a LOINC of another unit class."""
    raise NotImplementedError


def spelling(text: str) -> Spelling | None:
    """What a device's unit text means; None: unknown, keep the device's text."""
    raise NotImplementedError


def convert(value: str, loinc_code: str, from_ucum: str, to_ucum: str) -> tuple[str, str] | None:
    """(`value` converted, LOINC that fits) when the conversion is listed and linear, else None. Exact Decimal arithmetic."""
    raise NotImplementedError


def dimension(ucum: str) -> str | None:
    """The physical dimension of a UCUM unit the tables know ("time^-1"), or None."""
    raise NotImplementedError
