"""The questions the gateway asks of the terms. Each table loads when it is first asked, and stays."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import cache, partial
from pathlib import Path

from gateway.errors import ConfigError
from gateway.terms import analytes, checks, conversions, reading, spellings, vocabulary
from gateway.terms.choice import choose, written
from gateway.terms.entries import Analyte, Loinc, Spelling, Term, Unit
from gateway.terms.ucum import dimension
from gateway.terms.usual import usual

_NUMBER = re.compile(r"-?\d+(\.\d+)?\Z", re.ASCII)
_DIGITS_MAX = 40
"""Digits of a value that is converted: more than any device sends; the arithmetic below stays exact."""

_EXACT = Context(prec=100, rounding=ROUND_HALF_EVEN)


def find(refid: str) -> Term | None:
    """The term, or None."""
    entry = vocabulary.entries().get(refid)
    return None if entry is None else entry.term


def require(refid: str, ucum: str | None = None) -> Term:
    """The term; ConfigError when the terms lack it, or when `ucum` is given and is no unit allowed for it."""
    entry = vocabulary.entries().get(refid)
    if entry is None:
        raise ConfigError(f"the terms hold no {refid}: see mdc_terms.csv, or add it to the site's own terms")
    if ucum is not None and vocabulary.unit_for(entry.units, ucum) is None:
        texts = ", ".join(text for unit in entry.units for text in unit.ucums) or "none"
        raise ConfigError(f"{refid} has no unit {ucum!r}; its units are {texts}")
    return entry.term


def mdc_unit(refid: str, ucum: str) -> Unit | None:
    """The MDC unit to write beside `ucum` for this term; None when the terms hold none of that dimension."""
    entry = vocabulary.entries().get(refid)
    unit = None if entry is None else vocabulary.unit_for(entry.units, ucum)
    return None if unit is None else unit.unit


def loincs(refid: str, ucum: str | None, *, inferred: bool = False) -> tuple[Loinc, ...]:
    """The LOINC codings to send for this term in this unit, first one first; inferred rows only where a site enables them.

    Without a unit: the codings that stand without one, or all when they are of one unit class.
    """
    entry = vocabulary.entries().get(refid)
    if entry is None:
        return ()
    rows = [vital for vital in entry.vitals if inferred or vital.loinc.confidence != "inferred"]
    if ucum:
        measured = dimension(ucum)
        return tuple(vital.loinc for vital in rows if measured in vital.dimensions)
    if len({vital.dimensions for vital in rows}) > 1:
        rows = [vital for vital in rows if not vital.dimensions]
    return tuple(vital.loinc for vital in rows)


def loinc(code: str) -> Loinc | None:
    """The LOINC row for a code, or None."""
    return _all_loincs().get(code)


def dimensions(code: str) -> frozenset[str]:
    """The dimensions of the analytes that a LOINC names in the tables; none where they do not hold it as an analyte's."""
    return _dimensions().get(code, frozenset())


def analyte(maker: str, code: str, ucum: str | None, *, specimen: str = "", inferred: bool = False) -> Analyte | None:
    """What `maker`'s `code` in unit `ucum` means, or None; never a LOINC of another unit class.

    A maker's own row goes before one for all makers. Without a unit it answers only when every candidate is of one unit class.
    `specimen`: a name of the table or its HL7 table 0487 code; not said, only blood, serum and plasma rows are candidates.
    """
    meaning = choose(analytes.load().by_code.get(code.strip(), ()), maker, ucum or None, specimen, inferred=inferred)
    if meaning is None:
        return None
    return Analyte(meaning.loinc, meaning.analyte, meaning.specimen, written(ucum or "", meaning))


def spelling(text: str) -> Spelling | None:
    """What a device's unit text means; None: unknown, keep the device's text.

    The exact text goes first, then a UCUM unit of the tables, then the one meaning its letters have in any case; but a text
    that is UCUM as it stands (Mg, ML) is not taken for another unit. Then all of it once more, written as is usual.
    """
    text = text.strip()
    return _meaning(text) or _meaning(usual(text))


def _meaning(text: str) -> Spelling | None:
    known = spellings.spellings().get(text)
    if known is None and text in _table_ucums():
        known = Spelling(text, "")
    if known is None and dimension(text) is None:
        known = _any_case().get(text.casefold())
    return known


def convert(value: str, loinc_code: str, from_ucum: str, to_ucum: str) -> tuple[str, str] | None:
    """(`value` converted, LOINC that fits) when the conversion is listed and linear, else None. Exact Decimal arithmetic.

    The result is rounded, half to even, to the coarsest decimal place that is no coarser than the step of `value`'s last digit
    times the factor: what the device told apart stays apart, and one analyte always has the same decimals.
    """
    listed = _conversions().get((loinc_code, from_ucum, to_ucum))
    if listed is None or len(value) > _DIGITS_MAX or _NUMBER.match(value) is None:
        return None
    number = Decimal(value)
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    step = _EXACT.multiply(Decimal(1).scaleb(exponent), listed.factor)
    result = _EXACT.multiply(number, listed.factor).quantize(Decimal(1).scaleb(step.adjusted()), context=_EXACT)
    return f"{abs(result) if result.is_zero() else result:f}", listed.to_loinc


def add_site_rows(folder: Path | None) -> Callable[[], None]:
    """Load the tables again with the site's rows of `folder` behind ours (None: ours alone); the answer takes that back.

    Raises ConfigError for the first row that does not pass the checks, and then keeps what was loaded before, read from no file.
    """
    former = reading.add(reading.site(folder))
    try:
        _reload()
    except ConfigError:
        _restore(former)
        raise
    return partial(_restore, former)


def _restore(former: reading.Site) -> None:
    reading.add(former)
    _reload()


def _reload() -> None:
    for load in (vocabulary.units, vocabulary.entries, spellings.spellings, analytes.load):
        load.cache_clear()
    for derived in (_all_loincs, _conversions, _table_ucums, _any_case, _dimensions):
        derived.cache_clear()
    _conversions()
    analytes.load()
    _any_case()


@cache
def _all_loincs() -> dict[str, Loinc]:
    """Every LOINC of the tables by code, as the row that is surest of it has it; a vital sign's before an analyte's."""
    found: dict[str, Loinc] = {}
    vitals = (vital.loinc for entry in vocabulary.entries().values() for vital in entry.vitals)
    for coding in (*vitals, *analytes.load().by_loinc.values()):
        held = found.setdefault(coding.code, coding)
        if checks.CONFIDENCES.index(coding.confidence) < checks.CONFIDENCES.index(held.confidence):
            found[coding.code] = coding
    return found


@cache
def _dimensions() -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for meanings in analytes.load().by_code.values():
        for one in meanings:
            found[one.loinc.code] = found.get(one.loinc.code, frozenset()) | one.dimensions
    return found


@cache
def _conversions() -> dict[conversions.Key, conversions.Conversion]:
    return conversions.load(_all_loincs())


@cache
def _table_ucums() -> frozenset[str]:
    """Every UCUM text of the tables."""
    found = {text for unit in vocabulary.units().values() for text in unit.ucums}
    found |= {spelling.ucum for spelling in spellings.spellings().values() if spelling.ucum}
    found |= {meaning.ucum for meanings in analytes.load().by_code.values() for meaning in meanings}
    return frozenset(found - {"", "{unknown}"})


@cache
def _any_case() -> dict[str, Spelling]:
    """Spellings by case-folded text, where every text with these letters means one unit and none is dangerous."""
    known = {text: Spelling(text, "") for text in _table_ucums()} | spellings.spellings()
    found: dict[str, set[str | None]] = {}
    for text, meaning in known.items():
        safe = meaning.danger.partition(":")[0] in ("", "case")
        found.setdefault(text.casefold(), set()).add(meaning.ucum if safe else None)
    return {text: Spelling(ucum, "case") for text, ucums in found.items() if len(ucums) == 1 and (ucum := next(iter(ucums)))}
