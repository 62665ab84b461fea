"""LIVD: what makers of analyzers say their codes are in LOINC (IICC LIVD format; HL7 LIVD guide). Suggestions, no decisions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from gateway import terms
from gateway.errors import ActError
from gateway.mapping.decisions import Decision, Key, Kind, normal_unit, same_maker, same_model, same_specimen
from gateway.mapping.fitting import DEPRECATED, fault_of, unit_fault
from gateway.terms import properties

SIZE_MAX = 64 * 1024 * 1024
"""Bytes of a file: fifty times the largest public one."""
ROWS_MAX = 100_000
"""Rows of a file: a maker's whole catalogue has some thousands."""
_REMARK = re.compile(r"\([^()]*\^[^()]*\)")
"""A code beside the words, as the tables of public health have it: Serum (119364003^Serum specimen^SCT)."""
_SHOWN_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """One device, one code, one LOINC. `specimen` and `result` are the maker's words, several separated by ;."""

    place: str
    maker: str
    model: str
    code: str
    analyte: str = ""
    specimen: str = ""
    result: str = ""
    loinc: str
    name: str = ""
    prop: str = ""
    doubts: tuple[str, ...] = ()

    @property
    def units(self) -> tuple[str, ...]:
        """The units that `result` names, in UCUM."""
        known = (terms.spelling(one) for one in self.result.split("; ") if one)
        return tuple(dict.fromkeys(one.ucum for one in known if one is not None and one.ucum))

    @property
    def specimens(self) -> tuple[str, ...]:
        """The specimens by name; none: any."""
        return tuple(one for one in self.specimen.split("; ") if one)

    @property
    def kind(self) -> Kind:
        """Number or words, as far as property and unit say so."""
        if self.prop in properties.NO_UNIT:
            return Kind.WORDS
        return Kind.ANY if self.units or not properties.known(self.prop) else Kind.NUMBER


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that cannot be used."""

    place: str
    code: str
    loinc: str
    why: str


@dataclass(frozen=True, slots=True)
class Table:
    """What a file says, judged: `rows` may be taken, `refused` may not; `version` as the file names itself."""

    version: str
    rows: tuple[Suggestion, ...]
    refused: tuple[Refused, ...]


def cell(text: str) -> str:
    """The words of a cell: codes beside them left out, several lines made one, each said once."""
    lines = (" ".join(_REMARK.sub("", line).split()).strip(" *,;") for line in text.replace("; ", "\n").splitlines())
    return "; ".join(dict.fromkeys(line[:_SHOWN_MAX] for line in lines if line))


def judge(version: str, rows: Iterable[Suggestion]) -> Table:
    """Every row on its own, and beside the others of its file."""
    taken: dict[tuple[str, ...], Suggestion] = {}
    refused = []
    for number, one in enumerate(rows):
        if number >= ROWS_MAX:
            raise ActError(f"got more than {ROWS_MAX} rows: that is no LIVD file")
        one, why = _completed(one)  # noqa: PLW2901 - the same row, with what the terms know of its LOINC
        if why:
            refused.append(Refused(one.place, one.code, one.loinc, why))
        else:
            taken.setdefault((one.maker, one.model, one.code, one.specimen, one.result, one.loinc), one)
    loincs: dict[tuple[str, ...], set[str]] = {}
    for one in taken.values():
        loincs.setdefault(_meant(one), set()).add(one.loinc)
    ambiguous = frozenset(meant for meant, codes in loincs.items() if len(codes) > 1)
    return Table(version, tuple(_doubted(one, ambiguous) for one in taken.values()), tuple(refused))


def _completed(one: Suggestion) -> tuple[Suggestion, str]:
    """The row with what the terms know of its LOINC, and why it cannot be used."""
    if not one.code:
        return one, f"no code by which {one.analyte or 'the device'} is sent"
    if fault := fault_of(one.loinc):
        return one, fault
    known = terms.loinc(one.loinc)
    doubts = list(one.doubts)
    if known is not None and one.prop and known.property not in {one.prop, "-"}:
        doubts.append(f"the file says property {one.prop}, the terms {known.property}")
    one = replace(one, prop=known.property if known is not None else one.prop, doubts=tuple(doubts))
    for unit in one.units if properties.known(one.prop) else ():
        if fault := unit_fault(one.loinc, one.prop, unit):
            return one, fault
    return one, ""


def _doubted(one: Suggestion, ambiguous: frozenset[tuple[str, ...]]) -> Suggestion:
    """The row with what a person should know before accepting it."""
    doubts = list(one.doubts)
    if note := DEPRECATED.get(one.loinc):
        doubts.append(note)
    if not properties.known(one.prop):
        said = f"its property {one.prop!r}" if one.prop else "a LOINC without a property"
        doubts.append(f"{said}: no unit can be checked against it")
    elif one.result and one.prop not in properties.NO_UNIT and not one.units:
        doubts.append(f"its result {one.result!r} names no unit that is known")
    if _meant(one) in ambiguous:
        doubts.append("ambiguous: the file gives several LOINC codes for the same code, unit and specimen")
    for unit in one.units or ("",):
        known = _known(one, unit)
        if known and known != one.loinc:
            doubts.append(f"contradicts the terms: they say {known}{f' in {unit}' if unit else ''}")
    return replace(one, doubts=tuple(dict.fromkeys(doubts)))


def _known(one: Suggestion, unit: str) -> str:
    """What the terms say of it, for the first of its specimens that they know."""
    if not unit and one.kind is not Kind.NUMBER:
        return ""
    found = (terms.analyte(one.maker, one.code, unit or None, specimen=name) for name in one.specimens or ("",))
    return next((analyte.loinc.code for analyte in found if analyte is not None), "")


def _meant(one: Suggestion) -> tuple[str, ...]:
    return one.maker, one.model, one.code, one.specimen, one.result


def suits(one: Suggestion, key: Key) -> bool:
    """Whether a suggestion is about a result: its code, its maker, the model where the device says it, its unit and sort."""
    units = one.units
    return (
        one.code == key.code
        and (not key.maker or not one.maker or same_maker(key.maker, one.maker))
        and (not key.model or not one.model or same_model(key.model, one.model))
        and (not key.unit or not units or normal_unit(key.unit) in units)
        and one.kind in {Kind.ANY, key.result or one.kind}
        and (not one.specimens or any(same_specimen(key.specimen, name) for name in one.specimens))
    )


def contradiction(one: Suggestion, decided: Iterable[Decision]) -> str:
    """What a person decided about some of the same results otherwise, in words; or nothing."""
    for decision in decided:
        key = decision.key
        if (
            key.code == one.code
            and decision.loinc != one.loinc
            and (not key.maker or not one.maker or same_maker(key.maker, one.maker))
            and (not key.model or not one.model or same_model(key.model, one.model))
            and (not key.unit or not one.units or key.unit in one.units)
            and (not key.specimen or not one.specimens or any(same_specimen(key.specimen, name) for name in one.specimens))
            and (key.result is one.kind or Kind.ANY in {key.result, one.kind})
            and _reaches(decision, one)
        ):
            return f"contradicts decision {decision.id}: {decision.told()}"
    return ""


def _reaches(decision: Decision, one: Suggestion) -> bool:
    """Whether a decision can hold in a unit of the row: its LOINC's property decides."""
    return decision.ignores or not one.units or any(not unit_fault(decision.loinc, decision.prop, unit) for unit in one.units)


def decisions(one: Suggestion, others: Sequence[Suggestion], about: Key, source: str) -> list[Decision]:
    """What accepting a suggestion decides. `about` gives device, maker and model; `others` are the suggestions beside it.

    The specimen narrows it only where another suggestion makes it something else, as most devices do not say theirs.
    """
    rivals = [
        other
        for other in others
        if (other.maker, other.model, other.code) == (one.maker, one.model, one.code) and other.loinc != one.loinc
    ]
    found = []
    for unit in one.units or ("",):
        near = [other for other in rivals if other.kind == one.kind and (not other.units or not unit or unit in other.units)]
        for specimen in (one.specimens if near else ()) or ("",):
            key = replace(about, code=one.code, unit=unit, specimen=specimen, result=one.kind)
            found.append(Decision(id=0, key=key, loinc=one.loinc, name=one.name, prop=one.prop, source=source))
    return found
