"""An edited message: shown as text, read back, given an id of its own; and whether it is for another patient now."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

import msgspec

from gateway.errors import ActError
from protocols.hl7v2.message import Message, parse

EDIT_MAX = 4 * 1024 * 1024
"""Bytes of an edited message: far more than any receiver takes."""


def is_hl7(body: bytes) -> bool:
    """Whether it is an HL7 v2 message; else it is a FHIR Bundle."""
    return body.startswith(b"MSH")


def shown(body: bytes) -> str:
    """The message as people read it: a segment a line, or indented JSON with the digits as they are."""
    if not is_hl7(body):
        return msgspec.json.format(body, indent=2).decode() + "\n"
    return "\n".join(_decoded(body).split("\r"))


def read(text: str, original: bytes) -> bytes:
    """An edited text as a message of the original's kind and charset. ActError when it is none."""
    if not is_hl7(original):
        try:
            return msgspec.json.format(text.encode(), indent=-1)
        except (msgspec.DecodeError, UnicodeEncodeError) as error:
            raise ActError(f"the edited message is no JSON: {error}") from None
    lines = [line for line in text.replace("\r", "\n").split("\n") if line.strip()]
    try:
        body = "".join(f"{line}\r" for line in lines).encode(_parsed(original).codec)
    except UnicodeEncodeError as error:
        raise ActError(f"the edited message holds {text[error.start]!r}, which its charset (MSH-18) lacks") from None
    found = _parsed(body)
    if found.segments[0].raw(9) != _parsed(original).segments[0].raw(9):
        raise ActError("the edited message is of another type (MSH-9) than the one it takes the place of")
    return body


def renumbered(body: bytes, old: str, new: str) -> bytes:
    """The message under the id `new`: MSH-10; in a Bundle every identifier made of the old one. ActError when there is none."""
    if is_hl7(body):
        head, end, rest = body.partition(b"\r")
        fields = head.split(b"|")
        if len(fields) < 10:
            raise ActError("the edited message's MSH has no MSH-10")
        fields[9] = new.encode()
        return b"|".join(fields) + end + rest
    if old.encode() not in body:
        raise ActError(
            f"the edited Bundle does not hold its identifier {old} any more; leave it as it is, it is replaced by a new one"
        )
    return body.replace(old.encode(), new.encode())


def difference(before: bytes, after: bytes) -> str:
    """What was changed, line by line (unified, without context)."""
    return "\n".join(difflib.unified_diff(shown(before).split("\n"), shown(after).split("\n"), "before", "after", "", "", 0, ""))


def patients(body: bytes) -> frozenset[str]:
    """Whom a message is about, in its own words: PID-3 and PID-5, or a Bundle's patients and subjects."""
    if is_hl7(body):
        return frozenset(f"PID-{number} {pid.raw(number)}" for pid in _parsed(body).every("PID") for number in (3, 5))
    return frozenset(_of_bundle(msgspec.json.decode(body), ""))


def _of_bundle(value: Any, key: str) -> Iterator[str]:
    if isinstance(value, dict):
        if key == "subject" or (value.get("resourceType") == "Patient" and "identifier" in value):
            told = value if key == "subject" else {name: value.get(name) for name in ("identifier", "name")}
            yield msgspec.json.encode(told, order="sorted").decode()
        for name, one in value.items():
            yield from _of_bundle(one, name)
    elif isinstance(value, list):
        for one in value:
            yield from _of_bundle(one, key)


def _parsed(body: bytes) -> Message:
    found = parse(body)
    if found is None:
        raise ActError("the edited message is no HL7 v2 message: expected MSH| at its beginning, a segment a line")
    return found


def _decoded(body: bytes) -> str:
    return body.decode(_parsed(body).codec, "replace")
