"""Segments in order → specimens, orders and results with what belongs to each, whichever structure the message claims to have."""

from __future__ import annotations

from dataclasses import dataclass, field

from protocols.hl7v2.message import Message, Segment

_OBJECTS = ("NTE", "INV", "TCD")
"""What hangs on the order or result before it."""
_OF_ORDER = ("ORC", "TQ1")
"""What stands before its OBR or, in LAW, behind it."""
_STALE = {"PID": ("PV1", "SPM", "SAC", *_OF_ORDER), "SPM": ("SAC", *_OF_ORDER)}
"""What no longer holds when another patient or specimen begins."""


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


class _Grower:
    """What is in force while the segments go by."""

    def __init__(self, *, specimen_first: bool) -> None:
        self.groups: list[Group] = []
        self._specimen_first = specimen_first
        self._around: dict[str, Segment] = {}
        self._group: Group | None = None
        self._of_specimen: list[Segment] = []

    def take(self, segment: Segment) -> None:
        name = segment.name
        if name == "OBR":
            self._open(OBR=segment)
            for name in _OF_ORDER:
                self._around.pop(name, None)
        elif name == "OBX":
            (self._group or self._open()).results.append(Result(segment))
        elif name in _OBJECTS:
            self._attach(segment)
        elif not self._belongs(segment):
            self._begin(segment)

    def _open(self, **own: Segment) -> Group:
        self._group = Group({**self._around, **own}, attached=[*self._of_specimen])
        self.groups.append(self._group)
        return self._group

    def _attach(self, segment: Segment) -> None:
        if self._group is not None:
            (self._group.results[-1].attached if self._group.results else self._group.attached).append(segment)
        elif segment.name == "INV":
            self._of_specimen.append(segment)

    def _belongs(self, segment: Segment) -> bool:
        """Whether it belongs to the order before it."""
        group, name = self._group, segment.name
        if group is None or name in group.around:
            return False
        if (name in _OF_ORDER and not group.results) or (name in ("SPM", "SAC") and not self._specimen_first):
            group.around[name] = segment
            return True
        return False

    def _begin(self, segment: Segment) -> None:
        """It is in force from here on; a new patient or specimen ends what belonged to the former one."""
        name = segment.name
        if name in _STALE or name == "SAC":
            self._group = None
        if name in _STALE:
            self._of_specimen = []
        for stale in _STALE.get(name, ()):
            self._around.pop(stale, None)
        self._around[name] = segment


def grow(message: Message) -> list[Group]:
    """The groups of a message.

    In OUL a specimen comes before its orders; elsewhere (ORU) SPM and SAC follow the results and belong to the order before them.
    ORC stands before its OBR or, in LAW, behind it.
    """
    grower = _Grower(specimen_first=message.text("MSH", 9) == "OUL")
    for segment in message.segments:
        grower.take(segment)
    return grower.groups
