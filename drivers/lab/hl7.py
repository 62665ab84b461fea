"""Laboratory analyzers that send HL7 over MLLP (ORU, OUL, point-of-care ORU), each a profile in hl7_analyzers/."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import msgspec

from drivers.lab import hl7_orders as orders
from drivers.lab import hl7_results as results
from drivers.lab.hl7_profile import Hl7LabOptions
from drivers.lab.hl7_tree import Group, Result, Scope, first, grow, read
from drivers.lab.places import FIELD_MAX
from drivers.lab.times import device_time
from gateway.driver import Context, Driver, Ordering
from gateway.model import Category, DeviceIdentity, Given, Kind, Observation, Order, Report, Specimen
from protocols.hl7v2.message import Message as Hl7Message
from protocols.hl7v2.message import Segment
from protocols.hl7v2.server import Server
from protocols.sansio import Codec, Message

Hl7Context: TypeAlias = Context[Hl7LabOptions]

_QUERIES = ("QBP", "QRY")
_PASSING = {"OBX": (1,), "OBR": (1,), "NTE": (1,), "SPM": (1,), "PID": (1,)}
"""Fields that number a segment within its message: a repeat may number otherwise."""


def codec(options: Hl7LabOptions) -> Codec[Hl7Message]:
    """The receiving side of the line, set as the profile says."""
    return Server(options.server_profile())


def interpret(message: Message[Hl7Message], context: Hl7Context) -> Iterator[Report]:
    """A report an order (OBR); a message without results is an event, for it was acknowledged. A query gives none."""
    body = message.body
    if body.text("MSH", 9) in _QUERIES:
        return
    groups = [group for group in grow(body) if group.results or "OBR" in group.around]
    if not any(group.results for group in groups):
        yield _without_results(message, context)
        return
    for nth, group in enumerate(groups):
        if group.results:
            yield _report(message, group, nth, context)


def _report(message: Message[Hl7Message], group: Group, nth: int, context: Hl7Context) -> Report:
    options, scope = context.options, group.around
    wanted = [one for one in group.results if not results.is_setting(one.obx, options)]
    told = [results.as_note(one.obx) for one in group.results if results.is_setting(one.obx, options)]
    pictures = [one for one in wanted if results.is_image(one.obx)] if options.images == "drop" else []
    kept = [
        one for at, one in enumerate(wanted) if one not in pictures and not results.is_echo(one, wanted[at - 1] if at else None)
    ]
    device = _device(scope, kept, context)
    seen = tuple(results.observe(one, scope, options, sender=device.maker, localise=context.localise) for one in kept)
    if pictures:
        told.append(f"images left out by the profile: {len(pictures)}")
    return context.report(
        message,
        seen,
        category=Category.QC if _is_control(scope, options) else Category.LAB,
        device_time=device_time(read(scope, "MSH-7")),
        device=device,
        episodic=True,
        given=_given(scope, kept, options),
        specimen=_specimen(scope, context),
        order=Order(
            placer_id=read(scope, "OBR-2.1")[:FIELD_MAX], services=tuple(filter(None, [read(scope, "OBR-4.1")[:FIELD_MAX]]))
        ),
        notes=(*filter(None, told), *results.notes(group.attached)),
        materials=results.materials(group.attached),
        identity=_identity(group, nth, context),
        message_id=read(scope, "MSH-10")[:FIELD_MAX],
    )


def _without_results(message: Message[Hl7Message], context: Hl7Context) -> Report:
    body = message.body
    kind = "^".join(filter(None, (body.text("MSH", 9, n) for n in (1, 2))))[:FIELD_MAX]
    scope = {segment.name: segment for segment in reversed(body.segments)}
    return context.report(
        message,
        (Observation(kind=Kind.EVENT, vendor_code=kind or "HL7", value="a message without results"),),
        category=Category.EVENTS,
        device_time=device_time(read(scope, "MSH-7")),
        device=_device(scope, [], context),
        episodic=True,
        identity=_digest([context.device.id, read(scope, "MSH-10"), *(_text(one) for one in body.segments[1:])]),
        message_id=read(scope, "MSH-10")[:FIELD_MAX],
    )


def _device(scope: Scope, kept: list[Result], context: Hl7Context) -> DeviceIdentity:
    """The configured device with what the message says of it; what the configuration states stays."""
    known, options = context.device, context.options
    around = {**scope, "OBX": kept[0].obx} if kept else scope
    return msgspec.structs.replace(
        known,
        maker=known.maker or options.maker or read(scope, "MSH-4")[:FIELD_MAX],
        model=known.model or first(around, options.model)[:FIELD_MAX],
        serial=known.serial or first(around, options.serial)[:FIELD_MAX],
    )


def _given(scope: Scope, kept: list[Result], options: Hl7LabOptions) -> Given:
    birth, sex = read(scope, "PID-7")[:8], read(scope, "PID-8").upper()
    patient = first(scope, options.patient_id)
    return Given(
        patient_id="" if patient.lower() in options.no_patient else patient[:FIELD_MAX],
        family_name=_named(read(scope, "PID-5.1"), options),
        given_name=_named(read(scope, "PID-5.2"), options),
        birth_date=birth if len(birth) == 8 and birth.isdecimal() and birth.isascii() else "",
        sex=sex if sex in ("M", "F", "U", "O", "A", "N") else "",
        operator=next(filter(None, (one.obx.text(16).strip() for one in kept)), "")[:FIELD_MAX],
        location=" ".join(filter(None, (read(scope, f"PV1-3.{n}") for n in (1, 2, 3))))[:FIELD_MAX],
    )


def _named(text: str, options: Hl7LabOptions) -> str:
    return "" if text.lower() in options.no_patient else text[:FIELD_MAX]


def _specimen(scope: Scope, context: Hl7Context) -> Specimen:
    collected = device_time(read(scope, "SPM-17"))
    received = next(filter(None, (device_time(read(scope, place)) for place in ("SPM-18", "OBR-14"))), None)
    return Specimen(
        id=first(scope, context.options.specimen_id)[:FIELD_MAX],
        type=first(scope, context.options.specimen_type)[:FIELD_MAX],
        position="^".join(filter(None, (read(scope, "SAC-10"), read(scope, "SAC-11"))))[:FIELD_MAX],
        role=read(scope, "SPM-11")[:1].upper(),
        collected=collected and (collected if collected.tzinfo else context.localise(collected)),
        received=received and (received if received.tzinfo else context.localise(received)),
    )


def _is_control(scope: Scope, options: Hl7LabOptions) -> bool:
    if options.control_ids is not None and re.fullmatch(options.control_ids, first(scope, options.specimen_id)):
        return True
    return any(read(scope, rule.field) in rule.values for rule in options.qc)


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
    ordering=Ordering(orders.asks, orders.answer, orders.worklists),
)
