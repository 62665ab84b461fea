"""MDC codes and units against the terms: the code and the name must be the same thing, the unit one that the term has."""

from __future__ import annotations

from functools import cache

from gateway import terms
from gateway.lint.finding import Line
from gateway.terms import vocabulary


@cache
def _terms_by_code() -> dict[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = {}
    for refid, entry in vocabulary.entries().items():
        found[entry.term.code] = (*found.get(entry.term.code, ()), refid)
    return found


@cache
def _units_by_code() -> dict[int, vocabulary.MdcUnit]:
    return {unit.unit.code: unit for unit in vocabulary.units().values()}


def check_code(line: Line, number: int, first: int) -> None:
    """Judge the MDC triplet that begins at component `first`: 0 and MDCX_ names are not yet assigned and pass."""
    text, refid = line.text(number, first), line.text(number, first + 1)
    if text == "0" or refid.startswith(("MDCX_", "MDC_PRIVATE_")):
        return
    if not text.isdecimal() or len(text) > 10:
        line.add("obx-3-code", number, "a decimal code", component=first, got=text)
        return
    code = int(text)
    names = _terms_by_code().get(code, ())
    term = terms.find(refid) or terms.find(refid.upper())
    if code < 0x10000:
        line.add("obx-3-context", number, f"{term.code}" if term else "partition * 65536 + code", component=first, got=text)
    elif (term and term.code != code) or (names and refid.upper() not in names):
        wanted = f"{term.code}^{term.refid}" if term and not names else f"{code}^{' or '.join(names)}"
        line.add("obx-3-code", number, wanted, got=f"{text}^{refid}")
    elif not term:
        line.add("obx-3-unknown", number, "a term that this gateway knows: nobody checked it", got=f"{text}^{refid}")


def check_unit(line: Line) -> None:
    """Judge OBX-6: each triplet of itself, then against what the term allows."""
    found = [_triplet(line, first) for first in (1, 4) if line.text(6, first) or line.text(6, first + 1)]
    if not found:
        return
    mdc = next((unit for unit in found if unit is not None), None)
    for first in (1, 4):
        if line.text(6, first + 2) == "UCUM":
            _ucum(line, first, mdc)
    term = terms.find(line.text(3, 2)) if line.text(3, 3) == "MDC" else None
    if mdc and term and term.units and mdc.unit.refid not in {unit.refid for unit in term.units}:
        expected = ", ".join(unit.refid for unit in term.units)
        line.add("obx-6-allowed", 6, expected, got=mdc.unit.refid)


def _triplet(line: Line, first: int) -> vocabulary.MdcUnit | None:
    code, refid, system = (line.text(6, first + n) for n in range(3))
    if not system:
        line.add("obx-6", 6, "a coding system: MDC or UCUM", component=first + 2)
    if system != "MDC":
        return None
    unit = _units_by_code().get(int(code)) if code.isdecimal() and len(code) <= 10 else None
    named = vocabulary.units().get(refid)
    if unit is None and named is None:
        line.add("obx-3-unknown", 6, "a unit that this gateway knows: nobody checked it", got=f"{code}^{refid}")
    elif unit is None or named is None or unit != named:
        right = unit or named
        assert right is not None
        line.add("obx-6-code", 6, f"{right.unit.code}^{right.unit.refid}^MDC", component=first, got=f"{code}^{refid}")
    return unit or named


def _ucum(line: Line, first: int, mdc: vocabulary.MdcUnit | None) -> None:
    """A UCUM triplet beside an MDC one must be a listed text of it; alone it must be UCUM at all."""
    for component in (first, first + 1):
        text = line.text(6, component)
        if mdc and text and text not in mdc.ucums and not text.startswith("MDC_DIM"):
            line.add("obx-6-text", 6, " or ".join(mdc.ucums), component=component, got=text)
    code = line.text(6, first)
    if mdc is None and terms.dimension(code) is None:
        line.add("obx-6-ucum", 6, "a UCUM unit", component=first, got=code)
