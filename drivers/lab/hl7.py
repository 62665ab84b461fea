"""Laboratory analyzers that send HL7 over MLLP (ORU, OUL, point-of-care ORU), each a profile in hl7_analyzers/."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from drivers.lab import hl7_about as about
from drivers.lab import hl7_orders as orders
from drivers.lab import hl7_results as results
from drivers.lab.hl7_materials import materials
from drivers.lab.hl7_places import read
from drivers.lab.hl7_profile import Hl7LabOptions
from drivers.lab.hl7_tree import Group, Result, grow
from drivers.lab.hl7_values import is_image
from drivers.lab.places import FIELD_MAX
from drivers.lab.times import device_time
from gateway.driver import Context, Driver, Ordering
from gateway.model import Category, Kind, Observation, Report
from protocols.hl7v2 import queries
from protocols.hl7v2.message import Message as Hl7Message
from protocols.hl7v2.message import Segment
from protocols.hl7v2.server import Server
from protocols.sansio import Codec, Message

Hl7Context: TypeAlias = Context[Hl7LabOptions]

_PASSING = {"OBX": (1,), "OBR": (1,), "NTE": (1,), "SPM": (1,), "PID": (1,)}
"""Fields that number a segment within its message: a repeat may number otherwise."""


def codec(options: Hl7LabOptions) -> Codec[Hl7Message]:
    """The receiving side of the line, set as the profile says."""
    return Server(options.server_profile())


def interpret(message: Message[Hl7Message], context: Hl7Context) -> Iterator[Report]:
    """A report an order (OBR); a message without results is an event, for it was acknowledged. A query gives none."""
    body = message.body
    if queries.name_of(body):
        return
    groups = [group for group in grow(body) if group.results or "OBR" in group.around]
    for group in groups:
        _complete(group, context.options)
    if not any(group.results for group in groups):
        yield _without_results(message, context)
        return
    for nth, group in enumerate(groups):
        if group.results:
            yield _report(message, group, nth, context)


def _complete(group: Group, options: Hl7LabOptions) -> None:
    """An OBR that is itself a result gets its OBX; one that holds several becomes several."""
    made = results.of_order(group.around, options) if not group.results else None
    if made is not None:
        group.results.append(made)
    group.results = [piece for one in group.results for piece in results.apart(one, options)]


def _report(message: Message[Hl7Message], group: Group, nth: int, context: Hl7Context) -> Report:
    options, scope = context.options, group.around
    kept, told = _kept(group, options)
    device, control = about.device(scope, kept, context), about.is_control(scope, options)
    seen = [results.observe(one, scope, options, sender=device.maker, localise=context.localise) for one in kept]
    return context.report(
        message,
        tuple(results.timed(seen)),
        category=Category.QC if control else Category.LAB,
        device_time=device_time(read(scope, "MSH-7")),
        device=device,
        episodic=True,
        given=about.given(scope, kept, options, control=control),
        specimen=about.specimen(scope, context),
        order=about.order(scope, options),
        notes=(*told, *about.order_notes(scope, options, control=control), *results.notes(group.attached)),
        materials=materials(group.attached),
        identity=_identity(group, nth, context),
        message_id=read(scope, "MSH-10")[:FIELD_MAX],
    )


def _kept(group: Group, options: Hl7LabOptions) -> tuple[list[Result], list[str]]:
    """The results of a group, and in words what is none. What hangs on something left out belongs to the result before it."""
    kept: list[Result] = []
    told: list[str] = []
    pictures = 0
    for one in group.results:
        if results.is_setting(one.obx, options) or results.is_supplemental(one.obx, options):
            told += filter(None, [results.as_note(one.obx)])
        elif options.images == "drop" and is_image(one.obx):
            pictures += 1
        elif not results.is_echo(one, kept[-1] if kept else None):
            kept.append(Result(one.obx, [*one.attached]))
            continue
        (kept[-1].attached if kept else group.attached).extend(one.attached)
    if pictures:
        told.append(f"images left out by the profile: {pictures}")
    return kept, told


def _without_results(message: Message[Hl7Message], context: Hl7Context) -> Report:
    body = message.body
    kind = "^".join(filter(None, (body.text("MSH", 9, n) for n in (1, 2))))[:FIELD_MAX]
    scope = {segment.name: segment for segment in reversed(body.segments)}
    return context.report(
        message,
        (Observation(kind=Kind.EVENT, vendor_code=kind or "HL7", value="a message without results"),),
        category=Category.EVENTS,
        device_time=device_time(read(scope, "MSH-7")),
        device=about.device(scope, [], context),
        episodic=True,
        identity=_digest([context.device.id, read(scope, "MSH-10"), *(_text(one) for one in body.segments[1:])]),
        message_id=read(scope, "MSH-10")[:FIELD_MAX],
    )


def _identity(group: Group, nth: int, context: Hl7Context) -> str:
    """Equal for the same content, whenever sent and however numbered; where nothing tells when, the message's id counts."""
    scope = group.around
    dated = any(
        device_time(read({**scope, "OBX": one.obx}, place)) for one in group.results for place in context.options.result_time
    )
    about = [_text(scope[name]) for name in ("PID", "SPM", "SAC", "OBR") if name in scope]
    content = [_text(segment) for one in group.results for segment in (one.obx, *one.attached)]
    when = [] if dated else [read(scope, "MSH-7"), read(scope, "MSH-10"), str(nth)]
    return _digest([context.device.id, read(scope, "MSH-11"), *when, *about, *content])


def _text(segment: Segment) -> str:
    passing = _PASSING.get(segment.name, ())
    return "\x1e".join(text for n, text in enumerate(segment.fields) if n not in passing)


def _digest(parts: list[str]) -> str:
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


DRIVER = Driver(
    id="hl7-lab",
    maker="",
    models=(),
    source="HL7 v2.3.1 to v2.5.1 chapter 7; IHE Laboratory Analytical Workflow (LAB-29); HL7 v2.5 ORU^R30 to R32",
    options=Hl7LabOptions,
    codec=codec,
    interpret=interpret,
    profiles=Path(__file__).parent / "hl7_analyzers",
    ordering=Ordering(orders.asks, orders.answer, orders.worklists, lambda options: options.orders.tests),
)
