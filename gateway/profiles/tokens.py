"""A message taken apart into what a maker's document has names for: components, attributes, columns; each can be changed."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from protocols.astm.records import Record
from protocols.hl7v2.message import Segment
from protocols.poct1a.message import Field

Put = Callable[[Any], Any]
"""The message with something else in one place."""

COLUMNS_MAX = 4096
"""Characters of a text without delimiters that are looked at one by one: the longest of an AU; a bitmap is no text."""

COLUMN = "column"
GAP_MAX = 1
"""Columns between two that belong together: a decimal point."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a message. `container` is the text around it as it was sent, `start` where in it the piece begins."""

    place: str
    nth: int
    """The how manieth record, segment or object of the message it is in, from 1; 0: these are not numbered."""
    text: str
    put: Callable[[str], Any]
    container: str
    start: int
    """Below 0: it stands somewhere behind `container`."""
    occurrence: int = 1
    """The how manieth `container` of the message it is."""


def tokens(body: Any) -> Iterator[Token]:
    """The pieces of a message that say anything, in order."""
    for token in _walk(body, lambda other: other, "", _Count()):
        if token.text:
            yield token


def joined(found: Sequence[Token]) -> list[Token]:
    """The same with columns that stand side by side as one."""
    told: list[Token] = []
    for one in found:
        last = told[-1] if told else None
        if last is not None and one.place.startswith(COLUMN) and last.place.startswith(COLUMN):
            gap = one.start - last.start - len(last.text)
            if last.container == one.container and 0 <= gap <= GAP_MAX:
                text = last.container[last.start : one.start + 1]
                told[-1] = dataclasses.replace(last, place=f"{COLUMN} {last.start + 1} to {one.start + 1}", text=text)
                continue
        told.append(one)
    return told


class _Count:
    """Numbers records and segments."""

    def __init__(self) -> None:
        self.n = 0
        self._names: Counter[str] = Counter()

    def next(self) -> int:
        self.n += 1
        return self.n

    def of(self, name: str) -> int:
        """The how manieth of that name this one is."""
        self._names[name] += 1
        return self._names[name]


def _walk(one: Any, put: Put, path: str, count: _Count) -> Iterator[Token]:
    if isinstance(one, Record):
        yield from _record(one, put, count.next())
    elif isinstance(one, Segment):
        yield from _segment(one, put, count.next())
    elif isinstance(one, Field):
        yield from _field(one, put, count)
    elif isinstance(one, str):
        yield from _plain(one, put, path)
    elif isinstance(one, tuple):
        yield from _tuple(one, put, path, count)
    elif dataclasses.is_dataclass(one) and not isinstance(one, type):
        for field in dataclasses.fields(one):
            if field.init and field.name not in _TOLD:
                yield from _walk(getattr(one, field.name), partial(_with, one, put, field.name), field.name, count)


_TOLD = frozenset({"problems", "encoding", "terminated", "type", "control_id", "delimiters", "codec"})
"""What a parser says of the message, or says once more."""


def _with(one: Any, put: Put, name: str, new: Any) -> Any:
    return put(dataclasses.replace(one, **{name: new}))


def _record(one: Record, put: Put, nth: int) -> Iterator[Token]:
    """An ASTM record: R.4.1, a repeat behind the first in brackets."""
    marks = one.delimiters
    at = 0
    for n, field in enumerate(one.text.split(marks.field) if marks.field else [one.text], 1):
        declares = n == 2 and one.type == "H"
        for start, text, repeat, component in _parts(
            field, "" if declares else marks.repeat, "" if declares else marks.component
        ):
            place = f"{one.type}.{n}" + (f"[{repeat}]" if repeat > 1 else "") + f".{component}"
            if n > 1 and not declares:
                yield Token(
                    place, nth, text, _within(one.text, at + start, text, lambda new: put(_again(one, new))), one.text, at + start
                )
        at += len(field) + len(marks.field)


def _again(one: Record, text: str) -> Record:
    return Record(one.type, text, one.delimiters)


def _segment(one: Segment, put: Put, nth: int) -> Iterator[Token]:
    """An HL7 segment: OBX-5.1."""
    marks = one.delimiters
    whole = one.name + marks.field + marks.field.join(one.fields[2 if one.name == "MSH" else 1 :])
    at = len(one.name) + len(marks.field)
    for n, field in enumerate(one.fields):
        if n == 0 or (one.name == "MSH" and n == 1):
            continue
        declares = one.name == "MSH" and n == 2
        for start, text, repeat, component in _parts(field, marks.repetition, marks.component):
            place = f"{one.name}-{n}" + (f"[{repeat}]" if repeat > 1 else "") + f".{component}"
            if not declares:
                put_field = _within(field, start, text, partial(_with_field, one, put, n))
                yield Token(place, nth, text, put_field, whole, at + start)
        at += len(field) + len(marks.field)


def _with_field(one: Segment, put: Put, n: int, text: str) -> Any:
    return put(dataclasses.replace(one, fields=(*one.fields[:n], text, *one.fields[n + 1 :])))


def _field(one: Field, put: Put, count: _Count) -> Iterator[Token]:
    """A leaf of POCT1-A: its value by its name, the attributes beside it behind a blank."""
    nth = count.of(one.name)
    for name, what in (("v", ""), ("unit", " U"), ("system", " SN"), ("display", " DN"), ("text", " text"), ("null", " NULL")):
        text = getattr(one, name)
        yield Token(f"{one.name}{what}", 0, text, partial(_with, one, put, name), f"<{one.name}", -1, nth)
    for name in ("translations", "parts"):
        for n, part in enumerate(getattr(one, name)):
            yield from _field(part, partial(_with_part, one, put, name, n), count)


def _with_part(one: Field, put: Put, name: str, n: int, part: Any) -> Any:
    former = getattr(one, name)
    return _with(one, put, name, (*former[:n], part, *former[n + 1 :]))


def _tuple(one: tuple[Any, ...], put: Put, path: str, count: _Count) -> Iterator[Token]:
    """A pair of texts is a name and its value; else one after the other."""
    if len(one) == 2 and all(isinstance(part, str) for part in one):
        yield Token(one[0], 0, one[1], lambda new: put((one[0], new)), f"{one[0]}{one[1]}", len(one[0]))
        return
    for n, part in enumerate(one):
        yield from _walk(part, partial(_with_element, one, put, n), f"{path}[{n + 1}]", count)


def _with_element(one: tuple[Any, ...], put: Put, n: int, new: Any) -> Any:
    return put((*one[:n], new, *one[n + 1 :]))


def _plain(one: str, put: Put, path: str) -> Iterator[Token]:
    """A text without delimiters, column by column."""
    if path == "name" or len(one) > COLUMNS_MAX:
        return
    for n, char in enumerate(one):
        if not char.isspace():
            yield Token(f"{COLUMN} {n + 1}", 0, char, _within(one, n, char, put), one, n)


def _parts(field: str, repeat: str, component: str) -> Iterator[tuple[int, str, int, int]]:
    """(start, text, number of the repeat, number of the component) of each component of a field."""
    at = 0
    for r, one in enumerate(field.split(repeat) if repeat else [field], 1):
        for c, text in enumerate(one.split(component) if component else [one], 1):
            yield at, text, r, c
            at += len(text) + len(component)
        at += len(repeat) - len(component)


def _within(whole: str, start: int, text: str, put: Callable[[str], Any]) -> Callable[[str], Any]:
    return lambda new: put(f"{whole[:start]}{new}{whole[start + len(text) :]}")
