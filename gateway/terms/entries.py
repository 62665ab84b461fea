"""What the terms tables hold: one frozen row type a table."""

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
    """What a maker's analyte code means for one specimen and unit class.

    `ucum` is the device's unit as the analyte's property writes it (mU/L of TSH is m[IU]/L); empty when the device gave none.
    """

    loinc: Loinc
    analyte: str
    specimen: str
    ucum: str
