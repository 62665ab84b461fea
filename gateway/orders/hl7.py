"""HL7 orders to commands for the order cache: OML^O21, OML^O33 (IHE LAB-28) and ORM^O01 (HL7 v2.5.1 chapter 4)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from gateway.errors import ActError
from gateway.model import Subject, WorkOrder
from gateway.orders.times import of_hl7
from protocols.hl7v2 import message
from protocols.hl7v2.message import Message, Segment

ORDERS_MAX = 1000
"""Orders of one message: a rack's worth is fifty."""

TYPES = frozenset({("OML", "O21"), ("OML", "O33"), ("ORM", "O01")})
_PLACE = frozenset({"", "NW", "XO", "XR", "RO", "RP", "RU", "SC", "SN"})
"""ORC-1 (HL7 table 0119): new, changed, replacement."""
_CANCEL = frozenset({"CA", "DC", "OC", "OD"})

_STARTS = re.compile(rb"(?:^|[\r\n\x0b\x1c]+)(?=MSH[!-/:-@\[-`{-~])")


@dataclass(frozen=True, slots=True)
class Command:
    """An order to be placed, or with `cancel` to be cancelled; then only its placer number counts."""

    order: WorkOrder
    cancel: bool = False


@dataclass(slots=True)
class _Group:
    """What stands around an ORC: in OML^O33 the specimen before it, elsewhere behind it."""

    control: Segment | None = None
    request: Segment | None = None
    timing: Segment | None = None
    specimen: Segment | None = None
    container: Segment | None = None


def read_file(data: bytes) -> list[Command]:
    """The commands of messages one behind the other, framed as MLLP or not. Raises ActError that says which one is wrong."""
    found: list[Command] = []
    for n, body in enumerate(filter(None, (part.strip(b"\x0b\x1c\r\n") for part in _STARTS.split(data))), 1):
        parsed = message.parse(body)
        if parsed is None:
            raise ActError(f"message {n}: no usable MSH; expected OML^O21, OML^O33 or ORM^O01")
        try:
            found += commands(parsed)
        except ActError as error:
            raise ActError(f"message {n}: {error}") from None
    return found


def commands(order: Message) -> list[Command]:
    """What a message wants done, in its order. Raises ActError for another sort of message and for a control code not served."""
    kind = (order.text("MSH", 9, 1), order.text("MSH", 9, 2))
    if kind not in TYPES:
        raise ActError(f"got the message type {'^'.join(kind)}, expected OML^O21, OML^O33 or ORM^O01")
    groups = list(_groups(order, specimen_first=kind[1] == "O33"))
    if len(groups) > ORDERS_MAX:
        raise ActError(f"got {len(groups)} orders in one message, expected at most {ORDERS_MAX}")
    patient = _patient(order)
    replaced = any(_text(group.control, 1) == "RO" for group in groups)
    return _merged([_command(group, patient, replaced=replaced) for group in groups])


def _groups(order: Message, *, specimen_first: bool) -> Iterator[_Group]:
    """The orders of a message: an ORC begins one, and so does a second OBR under the same ORC."""
    group = _Group()
    around = _Group()
    for segment in order.segments:
        begins = segment.name == "ORC" or (segment.name == "OBR" and group.request is not None)
        if specimen_first and segment.name == "SPM":
            if group.control or group.request:
                yield group
            group, around = _Group(specimen=segment), _Group(specimen=segment)
            continue
        if begins:
            if group.control or group.request:
                yield group
            control = group.control if segment.name == "OBR" else None
            group = _Group(control=control, specimen=around.specimen, container=around.container)
        _put(group, segment)
        if specimen_first and segment.name == "SAC":
            around.container = segment
    if group.control or group.request:
        yield group


def _put(group: _Group, segment: Segment) -> None:
    match segment.name:
        case "ORC":
            group.control = segment
        case "OBR":
            group.request = segment
        case "TQ1":
            group.timing = group.timing or segment
        case "SPM":
            group.specimen = group.specimen or segment
        case "SAC":
            group.container = group.container or segment


def _command(group: _Group, patient: Subject | None, *, replaced: bool) -> Command:
    control, request = group.control, group.request
    code = _text(control, 1)
    placer = _text(control, 2) or _text(request, 2)
    cancels = code in _CANCEL or (code == "RP" and replaced)
    if not cancels and code not in _PLACE:
        raise ActError(f"order {placer!r}: got the order control {code!r} (ORC-1), expected NW, XO, RP, CA or DC")
    test = _text(request, 4) or _text(request, 4, 4)
    order = WorkOrder(
        placer=placer,
        specimen=_specimen_id(group),
        tests=(test,) if test else (),
        priority=_priority(group),
        specimen_type=_text(group.specimen, 4) or _text(request, 15),
        patient=patient,
        ordered_at=of_hl7(_text(control, 9) or _text(request, 6)),
        collected_at=of_hl7(_text(group.specimen, 17) or _text(request, 7)),
    )
    return Command(order, cancel=cancels)


def _specimen_id(group: _Group) -> str:
    """SPM-2 (the placer's, else the filler's), the container's (SAC-3), or, in messages without, the filler's number (OBR-3)."""
    places = (
        (group.specimen, 2, 1),
        (group.specimen, 2, 2),
        (group.container, 3, 1),
        (group.request, 3, 1),
        (group.control, 3, 1),
    )
    numbers = (_text(segment, field, component) for segment, field, component in places)
    return next(filter(None, numbers), _text(group.request, 2) or _text(group.control, 2))


def _priority(group: _Group) -> str:
    """TQ1-9, else the older places: OBR-27.6, ORC-7.6, OBR-5; what ASTM has no letter for is routine."""
    places = ((group.timing, 9, 1), (group.request, 27, 6), (group.control, 7, 6), (group.request, 5, 1))
    text = next(filter(None, (_text(segment, field, component) for segment, field, component in places)), "R")
    return text[0].upper() if text[0].upper() in "SARCP" else "R"


def _patient(order: Message) -> Subject | None:
    found = order.first("PID")
    if found is None or not (found.text(3) or found.text(5)):
        return None
    return Subject(
        patient_id=found.text(3),
        assigner=found.text(3, 4),
        family_name=found.text(5),
        given_name=found.text(5, 2),
        birth_date=found.text(7)[:8],
        sex=found.text(8),
    )


def _merged(found: list[Command]) -> list[Command]:
    """One command an order number: several tests under one number are one order, on several specimens one each."""
    specimens: dict[str, set[str]] = {}
    for one in found:
        specimens.setdefault(one.order.placer, set()).add(one.order.specimen)
    merged: dict[tuple[str, bool], Command] = {}
    for one in found:
        placer = one.order.placer
        number = f"{placer}/{one.order.specimen}" if len(specimens[placer]) > 1 else placer
        former = merged.get((number, one.cancel))
        tests = dict.fromkeys((*(former.order.tests if former else ()), *one.order.tests))
        merged[number, one.cancel] = Command(msgspec.structs.replace(one.order, placer=number, tests=tuple(tests)), one.cancel)
    return list(merged.values())


def _text(segment: Segment | None, field: int, component: int = 1) -> str:
    return "" if segment is None else segment.text(field, component).strip()
