"""Where in an HL7 message a thing stands: "SPM-2.1" is component 1 of field 2 of SPM; "OBX-18[2].1" is in its second repeat."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Annotated, NamedTuple, TypeAlias

from pydantic import AfterValidator

from protocols.hl7v2.message import Segment

Scope: TypeAlias = Mapping[str, Segment]
"""The segments in force, by name: what a result or an order belongs to."""
NULL = '""'
"""HL7's null: the sender says that there is nothing."""
_PLACE = re.compile(r"([A-Z][A-Z0-9]{2})-([1-9]\d?)(?:\[([1-9]\d?)\])?(?:\.([1-9]\d?))?(?:\.([1-9]\d?))?\Z")


class Place(NamedTuple):
    """Segment, field, component, subcomponent and repeat, all counted from 1."""

    segment: str
    number: int
    component: int = 1
    sub: int = 1
    repeat: int = 1


def _checked(text: str) -> str:
    if _PLACE.match(text) is None:
        raise ValueError(f'{text!r} is no place in a message; expected segment-field.component, like "SPM-2.1" or "OBX-18[2].1"')
    return text


At = Annotated[str, AfterValidator(_checked)]


@lru_cache(maxsize=1024)
def place(text: str) -> Place:
    """A place taken apart; `text` has been checked."""
    match = _PLACE.match(text)
    assert match is not None
    return Place(match[1], int(match[2]), int(match[4] or 1), int(match[5] or 1), int(match[3] or 1))


def text_at(segment: Segment, at: Place) -> str:
    """What a segment has at a place, without blanks; HL7's null is nothing."""
    text = segment.text(at.number, at.component, at.repeat, at.sub).strip()
    return "" if text == NULL else text


def read(scope: Scope, at: str) -> str:
    """What stands at a place, without blanks; HL7's null is nothing."""
    found = place(at)
    segment = scope.get(found.segment)
    return "" if segment is None else text_at(segment, found)


def first(scope: Scope, places: Iterable[str]) -> str:
    """The first place that holds something."""
    return next(filter(None, (read(scope, at) for at in places)), "")
