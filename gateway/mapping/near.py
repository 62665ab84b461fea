"""What a code that nobody knows may be, for people to judge: what makers suggest, what the terms infer, what is called alike."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gateway import terms
from gateway.mapping.decisions import Key, Kind
from gateway.mapping.livd import Suggestion, suits
from gateway.terms import analytes, properties

SHOWN_MAX = 5
"""Guesses that are shown: more is a list to search."""
INFERRED = "the terms infer it from the maker's code"
_ALIKE = 0.75
"""How alike two names must be (difflib): "Glucose HK" is like "Glucose", "Urea" is not like "Uric acid"."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A LOINC that it may be, and why; `number`: the suggestion's, where a maker made it."""

    loinc: str
    name: str
    why: str
    number: int | None = None


def guesses(key: Key, text: str, livd: Iterable[tuple[int, str, Suggestion]]) -> list[Guess]:
    """What it may be, the surest first. `livd`: (number, file, suggestion) of the suggestions for the code."""
    made = [
        Guess(one.loinc, one.name, f"{file}: {'; '.join((one.analyte, *one.doubts))}", number)
        for number, file, one in livd
        if suits(one, key)
    ]
    more = {one.loinc: one for one in (*_alike(key, text), *_inferred(key))}
    for one in made:
        more.pop(one.loinc, None)
    inferred_first = sorted(more.values(), key=lambda one: one.why != INFERRED)
    return [*made, *inferred_first][:SHOWN_MAX]


def _inferred(key: Key) -> Iterator[Guess]:
    unit = key.unit if key.unit and terms.dimension(key.unit) is not None else None
    if unit is None and key.unit:
        return
    found = terms.analyte(key.maker, key.code, unit, specimen=key.specimen, inferred=True)
    if found is not None:
        yield Guess(found.loinc.code, found.loinc.display, INFERRED)


def _alike(key: Key, text: str) -> Iterator[Guess]:
    """Analytes whose code or name is like the device's, in a unit of the same kind."""
    measured = terms.dimension(key.unit) if key.unit else None
    wanted = [word.casefold() for word in (key.code, text) if len(word) > 1]
    ordinary = terms.specimens(key.specimen)
    scored: dict[str, tuple[float, Guess]] = {}
    for code, meanings in analytes.load().by_code.items():
        for one in meanings:
            if one.specimen.casefold() not in ordinary or not _may_be(one.loinc.property, one.dimensions, measured, key):
                continue
            name = one.analyte.partition("(")[0].strip().casefold()
            score = max((_score(word, other) for word in wanted for other in (code.casefold(), name)), default=0.0)
            if score >= _ALIKE and score > scored.get(one.loinc.code, (0.0,))[0]:
                scored[one.loinc.code] = (score, Guess(one.loinc.code, one.loinc.display, "it is called alike"))
    yield from (guess for _, guess in sorted(scored.values(), key=lambda found: (-found[0], found[1].loinc)))


def _may_be(prop: str, dimensions: frozenset[str], measured: str | None, key: Key) -> bool:
    if key.result is Kind.NUMBER and prop in properties.NO_UNIT:
        return False
    return measured is None or measured in dimensions


def _score(one: str, other: str) -> float:
    if one == other:
        return 1.0
    if min(len(one), len(other)) > 3 and (one.startswith(other) or other.startswith(one)):
        return 0.9
    return difflib.SequenceMatcher(None, one, other).ratio()
