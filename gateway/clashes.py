"""What one table of a configuration alone does not show: an id twice, a name that belongs to nothing, tables that are none."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from gateway import explain
from gateway.positions import Place

Problem: TypeAlias = tuple[Place, str]
"""Where, and what is wrong there."""
_ARRAYS = ("device", "destination", "association")


def no_arrays(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Tables in single brackets, and elements that are no tables."""
    for key in _ARRAYS:
        tables = data.get(key, [])
        if not isinstance(tables, list):
            yield (key,), f"got {explain.shown(tables)}; expected [[{key}]], in double brackets, for each {key}"
            continue
        for index, table in enumerate(tables):
            if not isinstance(table, Mapping):
                yield (key, index), f"got {explain.shown(table)}; expected a table [[{key}]]"


def clashes(data: Mapping[str, Any]) -> Iterator[Problem]:
    """An id used twice, an association of a device that is not there, a former id that is somebody's."""
    for key in ("device", "destination"):
        seen = set()
        for index, one in _texts(data, key, "id"):
            if one in seen:
                yield (key, index, "id"), f"got {one!r} a second time; expected an id of its own for each {key}"
            seen.add(one)
    devices = {one for _, one in _texts(data, "device", "id")}
    for index, one in _texts(data, "association", "device"):
        if one not in devices:
            yield ("association", index, "device"), f"got {one!r}; expected {_one_of(one, devices)}"
    yield from _former_ids(data)


def _former_ids(data: Mapping[str, Any]) -> Iterator[Problem]:
    taken = {one for _, one in _texts(data, "destination", "id")}
    for index, one in _texts(data, "destination", "formerly"):
        if one in taken:
            what = f"got {one!r}, which is used in this file; expected an id that this destination had and nobody has now"
            yield ("destination", index, "formerly"), what
        taken.add(one)


def _texts(data: Mapping[str, Any], key: str, name: str) -> list[tuple[int, str]]:
    tables = enumerate(data.get(key, []))
    return [(index, table[name]) for index, table in tables if isinstance(table.get(name), str)]


def _one_of(got: str, devices: set[str]) -> str:
    near = difflib.get_close_matches(got, devices, 1)
    return f"the id of a [[device]]{f', did you mean {near[0]!r}?' if near else ''}"
