"""Where in a message a thing stands: component 3 of field 4 of the O record is "O.4.3", of the third repeat "O.4[3].3"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BeforeValidator, StringConstraints

from drivers.lab.shared_options import Pattern
from gateway.driver import Options
from protocols.astm.records import Record

FIELD_MAX = 250
"""Characters of an id, a name or a code: the standard's longest is 220; the whole of it is in the raw message."""

PLACE = r"^[A-Z]\.[1-9][0-9]{0,2}(\[[1-9][0-9]?\])?(\.[1-9][0-9]{0,2})?$"

At = Annotated[str, StringConstraints(pattern=PLACE)]
"""A place: record type, field, repeat, component (1 when left out), all counted from 1 as the standard does."""


class Source(Options):
    """A place to look at: taken when it is not blank, `when` (if given) is one of `among`, and `unless` is blank.

    Where `fits` is given, the whole text must fit it; its group `part`, if it has one, is all that is taken.
    """

    at: At
    when: At | None = None
    among: tuple[str, ...] = ()
    unless: At | None = None
    fits: Pattern = ""


def _source(value: Any) -> Any:
    return {"at": value} if isinstance(value, str) else value


Sources = tuple[Annotated[Source, BeforeValidator(_source)], ...]
"""Places in order of preference; a bare text stands for `{ at = text }`."""


def sources(*places: str) -> Sources:
    """Plain places as sources."""
    return tuple(Source(at=place) for place in places)


Scope = Mapping[str, Record]
"""The records in force, by type: the header, patient, order and result that a thing belongs to."""


def read(scope: Scope, at: str) -> str:
    """The text at a place, without the blanks around it; "" when the record or the field is not there."""
    kind, number, repeat, component = _parsed(at)
    record = scope.get(kind)
    return "" if record is None else record.component(number, component, repeat).strip()[:FIELD_MAX]


def first(scope: Scope, sources: Iterable[Source]) -> str:
    """The first source that has something to say, or ""."""
    for source in sources:
        text = _fitting(read(scope, source.at), source.fits)
        if text and _applies(scope, source):
            return text
    return ""


def _fitting(text: str, pattern: str) -> str:
    if not text or not pattern:
        return text
    found = re.fullmatch(pattern, text)
    return "" if found is None else found.groupdict(found[0]).get("part", found[0]).strip()


def _applies(scope: Scope, source: Source) -> bool:
    if source.unless is not None and read(scope, source.unless):
        return False
    return source.when is None or read(scope, source.when) in source.among


@lru_cache(maxsize=512)
def _parsed(at: str) -> tuple[str, int, int, int]:
    """Record type, field, repeat (from 0), component."""
    kind, number, *component = at.split(".")
    number, _, repeat = number.rstrip("]").partition("[")
    return kind, int(number), int(repeat or 1) - 1, int(component[0]) if component else 1


def person(parts: Sequence[str]) -> tuple[str, ...]:
    """Number, family and given name of somebody, without empty ones at the end."""
    said = [part.strip()[:FIELD_MAX] for part in parts[:3]]
    while said and not said[-1]:
        said.pop()
    return tuple(said)
