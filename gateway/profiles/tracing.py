"""Where each property of a reading comes from, found out by trying: another text in a place of the message, a rule taken away.

No driver has to tell: what changes when a place says something else was read from there, and what changes when a key of the
profile is taken out was decided by it. So it is the code that runs which answers, for every driver, a site's own too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from gateway.acquire import registry
from gateway.acquire.flow import Flow
from gateway.driver import Context
from gateway.errors import ConfigError
from gateway.model import Report, encode
from gateway.profiles import runs, schema
from gateway.profiles.finding import Chosen
from gateway.profiles.tokens import Token, tokens
from gateway.readings import Reading, readings
from protocols.sansio import Message

TRIED_MAX = 4000
"""Places of a message that are tried, twice each: a blood count with all its alarms has some hundreds."""
ALIKE_MAX = 3
"""Tokens of a place that are tried before it counts as read nowhere: the first may hold what a profile leaves out."""
OTHERS_MAX = 8
"""Properties that one place may change: a code changes its name, term, unit and their like; more is another sort of message."""
_UNTOLD = ("raw", "identity", "received_at", "message_id")
"""What of a report is no reading of the message's content."""


@dataclass(frozen=True, slots=True)
class Ruled:
    """A key of the profile that decided a property, and what that would be without it."""

    key: str
    value: str
    otherwise: Any


@dataclass(slots=True)
class Traced:
    """A reading: by property the places that it was read from, and the rules that decided it."""

    reading: Reading
    rules: dict[str, list[Ruled]] = field(default_factory=dict)
    _said: dict[str, list[Token]] = field(default_factory=dict)
    _there: dict[str, list[Token]] = field(default_factory=dict)

    def note(self, name: str, token: Token, *, blank: bool) -> None:
        """The property changed when the place said something else, or, `blank`, nothing."""
        at = (self._there if blank else self._said).setdefault(name, [])
        if token not in at:
            at.append(token)

    def places(self, name: str) -> list[Token]:
        """Where a property was read from. Where other words change it, that is it; else where something has to stand at all."""
        return self._said.get(name) or self._there.get(name, [])


@dataclass(slots=True)
class Placed:
    """A message: its readings, and the places that nothing was read from. `cut`: too many places to try them all."""

    raw: bytes
    readings: list[Traced] = field(default_factory=list)
    start: int = -1
    """Where in the recording it begins; below 0: it cannot be said, as for a frame that came twice."""
    unread: list[Token] = field(default_factory=list)
    deciding: list[Token] = field(default_factory=list)
    """Places that decide which results there are at all."""
    cut: bool = False


@dataclass(slots=True)
class Trace:
    """A recording: its messages, and the rules that decide which results there are at all."""

    messages: list[Placed] = field(default_factory=list)
    deciding: list[Ruled] = field(default_factory=list)


def trace(chosen: Chosen, flows: Sequence[Flow]) -> Trace:
    """Everything about a recording."""
    run = runs.run(chosen.driver, chosen.options, flows, chosen.name)
    found = Trace([places(message, chosen) for message in run.messages])
    data, at = b"".join(chunk.data for flow in flows for chunk in flow.chunks), 0
    for message in found.messages:
        message.start = data.find(message.raw, at)
        at = max(at, message.start)
    _rules(found, chosen, flows, run.readings)
    return found


def unread(messages: Sequence[Message[Any]], chosen: Chosen) -> list[Token]:
    """The first token of each place that nothing is read from: some of a place's tokens are tried, for all are read alike."""
    told = [[_content(one) for one in _read(message, chosen)] for message in messages]
    by_place: dict[str, list[tuple[int, Token]]] = {}
    for n, message in enumerate(messages):
        for token in tokens(message.body):
            by_place.setdefault(token.place, []).append((n, token))
    return [
        found[0][1]
        for found in by_place.values()
        if not any(_matters(token, messages[n], chosen, told[n]) for n, token in found[:ALIKE_MAX])
    ]


def _matters(token: Token, message: Message[Any], chosen: Chosen, told: list[Any]) -> bool:
    others = (dataclasses.replace(message, body=token.put(text)) for text in (shifted(token.text), ""))
    return any([_content(one) for one in _read(other, chosen)] != told for other in others)


def places(message: Message[Any], chosen: Chosen) -> Placed:
    """Which places of a message each property of its readings was read from."""
    base = _read(message, chosen)
    found = Placed(message.raw, [Traced(one) for report in base for one in readings(report, received_known=False)])
    told = [_content(one) for one in base]
    for n, token in enumerate(tokens(message.body)):
        if n >= TRIED_MAX:
            found.cut = True
            break
        if not _try(token, message, chosen, found, told):
            found.unread.append(token)
    return found


def _try(token: Token, message: Message[Any], chosen: Chosen, found: Placed, told: list[Any]) -> bool:
    """Put other texts in a place; whether anything changed."""
    before, touched = [one.reading for one in found.readings], False
    for text in (shifted(token.text), ""):
        reports = _read(dataclasses.replace(message, body=token.put(text)), chosen)
        if [_content(one) for one in reports] == told:
            continue
        touched = True
        after = [one for report in reports for one in readings(report, received_known=False)]
        changed = [list(_changed(one, other)) for one, other in zip(before, after, strict=False)]
        if len(after) != len(before) or any(len(names) > OTHERS_MAX for names in changed):
            if token not in found.deciding:
                found.deciding.append(token)
            continue
        for traced, names in zip(found.readings, changed, strict=True):
            for name in names:
                traced.note(name, token, blank=not text)
    return touched


def shifted(text: str) -> str:
    """A text of the same form that says something else: each digit and letter the next one."""
    other = "".join(_next(char) for char in text)
    return other if other != text else f"{text}1"


def _next(char: str) -> str:
    if char.isdigit() and char.isascii():
        return str((int(char) + 1) % 10)
    if char.isascii() and char.isalpha():
        return chr((ord(char.lower()) - 96) % 26 + (97 if char.islower() else 65))
    return char


def _read(message: Message[Any], chosen: Chosen) -> list[Report]:
    about: Context[Any] = runs.context(chosen.driver, chosen.options, chosen.name)
    return list(chosen.driver.interpret(message, about))


def _content(report: Report) -> Any:
    told = msgspec.json.decode(encode(report))
    return {key: value for key, value in told.items() if key not in _UNTOLD}


def _changed(one: Reading, other: Reading) -> Iterator[str]:
    """The properties in which two readings differ."""
    return (key for key, value in one.items() if value != other.get(key))


def offset(token: Token, data: bytes, start: int, end: int) -> int | None:
    """Where in `data` a piece of the message from `start` to `end` stands; None where a frame's end cuts the record in two."""
    for encoding in ("utf-8", "latin-1"):
        try:
            around, text = token.container.encode(encoding), token.text.encode(encoding)
            before = len(token.container[: max(token.start, 0)].encode(encoding))
        except UnicodeEncodeError:
            continue
        at = start - 1
        for _ in range(token.occurrence):
            at = data.find(around, at + 1, end)
            if at < 0:
                break
        if at < 0:
            continue
        at = at + before if token.start >= 0 else data.find(text, at + len(around), end)
        return at if at >= 0 else None
    return None


# ---- rules


def _rules(found: Trace, chosen: Chosen, flows: Sequence[Flow], before: Sequence[Reading]) -> None:
    """Which key of the profile decided what, by taking one out after the other."""
    traced = [one for message in found.messages for one in message.readings]
    for key, value, table in without(chosen.table):
        try:
            options = _options(chosen, table)
        except ConfigError:  # the profile needs it
            continue
        after = runs.run(chosen.driver, options, flows, chosen.name).readings
        if len(after) != len(before) or len(traced) != len(before):
            if after != list(before):
                found.deciding.append(Ruled(key, value, f"{len(after)} readings"))
            continue
        for one, was, other in zip(traced, before, after, strict=True):
            for name in _changed(was, other):
                one.rules.setdefault(name, []).append(Ruled(key, value, other.get(name)))


def without(table: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(key, its value, the table without it) for each thing that a profile says; of tables and lists of tables, each entry."""
    for name, value in table.items():
        here = (*path, name)
        if not path and name in schema.ABOUT[1:]:
            continue
        if isinstance(value, Mapping) and value:
            for key, told, rest in without(value, here):
                yield key, told, {**table, name: rest}
        elif isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
            for n, one in enumerate(value):
                told = ", ".join(f"{key} = {part!r}" for key, part in one.items())
                yield f"{'.'.join(here)}[{n + 1}]", told, {**table, name: [*value[:n], *value[n + 1 :]]}
        else:
            yield ".".join(here), repr(value), {key: one for key, one in table.items() if key != name}


def _options(chosen: Chosen, table: Mapping[str, Any]) -> Any:
    return registry.checked(chosen.driver, table)
