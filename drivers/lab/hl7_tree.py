"""Segments in order → specimens, orders and results with what belongs to each, whichever structure the message claims to have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from drivers.lab.hl7_profile import parts_of
from protocols.hl7v2.message import Message, Segment

Scope: TypeAlias = Mapping[str, Segment]

_OBJECTS = ("NTE", "INV", "TCD")
"""What hangs on the order or result before it."""
NULL = '""'


@dataclass(slots=True)
class Result:
    """An OBX and what hangs on it."""

    obx: Segment
    attached: list[Segment] = field(default_factory=list)


@dataclass(slots=True)
class Group:
    """An OBR (or results without one): the segments in force by name, its results, and what hangs on the order itself."""

    around: dict[str, Segment]
    results: list[Result] = field(default_factory=list)
    attached: list[Segment] = field(default_factory=list)


def grow(message: Message) -> list[Group]:
    """The groups of a message.

    In OUL a specimen comes before its orders; elsewhere (ORU) SPM and SAC follow the results and belong to the order before them.
    ORC stands before its OBR or, in LAW, behind it.
    """
    specimen_first = message.text("MSH", 9) == "OUL"
    around: dict[str, Segment] = {}
    groups: list[Group] = []
    group: Group | None = None
    for segment in message.segments:
        name = segment.name
        if name == "OBR":
            group = Group({**around, "OBR": segment})
            groups.append(group)
            around.pop("ORC", None)
        elif name == "OBX":
            if group is None:
                group = Group(dict(around))
                groups.append(group)
            group.results.append(Result(segment))
        elif name in _OBJECTS:
            if group is not None:
                (group.results[-1].attached if group.results else group.attached).append(segment)
        elif name == "ORC" and group is not None and not group.results and "ORC" not in group.around:
            group.around["ORC"] = segment
        elif name in ("SPM", "SAC") and group is not None and not specimen_first:
            group.around.setdefault(name, segment)
        else:
            if name in ("PID", "SPM"):
                group = None
                for stale in ("SAC", "ORC") if name == "SPM" else ("SPM", "SAC", "ORC"):
                    around.pop(stale, None)
            if name == "SAC" and specimen_first:
                group = None
            around[name] = segment
    return groups


def read(scope: Scope, place: str) -> str:
    """What stands at a place, without blanks; HL7's null is nothing."""
    name, number, component, sub = parts_of(place)
    segment = scope.get(name)
    text = segment.text(number, component, sub=sub).strip() if segment is not None else ""
    return "" if text == NULL else text


def first(scope: Scope, places: tuple[str, ...]) -> str:
    """The first place that holds something."""
    return next(filter(None, (read(scope, place) for place in places)), "")
