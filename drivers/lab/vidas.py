"""bioMérieux VIDAS, mini VIDAS and VITEK 2 in their maker's own protocol: named fields to reports, a profile an instrument."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec

from drivers.lab import vidas_results as results
from drivers.lab.places import FIELD_MAX
from drivers.lab.values import shown
from drivers.lab.vidas_profile import VidasOptions
from gateway.driver import Context, Driver, LineSettings
from gateway.model import Category, DeviceIdentity, Given, Kind, Observation, Report, Specimen
from protocols.sansio import Codec, Message
from protocols.vendor.vidas import BciLine, BciMessage

VidasContext: TypeAlias = Context[VidasOptions]

_ABOUT = {"mt", "ii", "is", "sn", "pi", "pn", "pb", "ps", "ci", "pl", "s1", "s2", "s3", "s4", *results.SPECIMEN_TYPE}
"""Fields that have a place of their own in a report."""


def codec(options: VidasOptions) -> Codec[BciMessage]:
    """The line, set as the profile says."""
    return BciLine(options.link.line_profile())


def interpret(message: Message[BciMessage], context: VidasContext) -> Iterator[Report]:
    """A report a result message; any other is kept and shown as an event, for it has been acknowledged."""
    if message.body.type == "rsl":
        yield _results(message, context)
    else:
        yield _event(message, context)


def _results(message: Message[BciMessage], context: VidasContext) -> Report:
    body, options = message.body, context.options
    specimen_id = body.value("ci")[:FIELD_MAX]
    groups = results.tests(body.fields)
    control = results.is_control(specimen_id, groups, options)
    seen = [seen for group in groups for seen in results.observe(group, options, context.localise)]
    return context.report(
        message,
        seen,
        category=Category.QC if control else Category.LAB,
        device=_device(body, context.device),
        episodic=True,
        given=_given(body, options),
        specimen=_specimen(body, specimen_id, context, control=control),
        notes=(*body.problems, *_notes(body, seen)),
        identity=_identity(body.fields, context),
    )


def _event(message: Message[BciMessage], context: VidasContext) -> Report:
    kind = message.body.type[:FIELD_MAX]
    what = Observation(kind=Kind.EVENT, vendor_code=kind or "mt", value="a message that is no result")
    told = shown("|".join(f"{name}{text}" for name, text in message.body.fields))
    identity = _identity(message.body.fields, context, at=context.wall(message.at).isoformat())
    return context.report(
        message, (what,), category=Category.EVENTS, episodic=True, notes=(*message.body.problems, told), identity=identity
    )


def _device(body: BciMessage, known: DeviceIdentity) -> DeviceIdentity:
    """The configured device with what the message says of it; what the configuration states stays."""
    return msgspec.structs.replace(
        known,
        model=known.model or body.value("ii")[:FIELD_MAX],
        serial=known.serial or (body.value("sn") or body.value("is"))[:FIELD_MAX],
    )


def _specimen(body: BciMessage, specimen_id: str, context: VidasContext, *, control: bool) -> Specimen:
    times = [results.moment(body.fields, on, at, context.options) for on, at in (("s1", "s2"), ("s3", "s4"))]
    collected, received = (context.localise(when) if when else None for when in times)
    kind = results.specimen_type(body)
    return Specimen(id=specimen_id, type=kind, collected=collected, received=received, role="Q" if control else "")


def _given(body: BciMessage, options: VidasOptions) -> Given:
    family, comma, rest = body.value("pn")[:FIELD_MAX].partition(",")
    born = results.day(body.value("pb"), options)
    sex = body.value("ps").upper()
    return Given(
        patient_id=body.value("pi")[:FIELD_MAX],
        family_name=family.strip(),
        given_name=rest.strip() if comma else "",
        birth_date=f"{born:%Y%m%d}" if born else "",
        sex=sex if sex in ("M", "F", "U") else "",
        operator=body.value("m4")[:FIELD_MAX],
        location=body.value("pl")[:FIELD_MAX],
    )


def _notes(body: BciMessage, seen: Sequence[Observation]) -> Iterator[str]:
    """Fields before the first test that no place of a report holds, and a message without any result."""
    for name, text in body.fields:
        if name in results.TEST_BEGINS:
            break
        if name not in _ABOUT and text.strip():
            yield shown(f"{name}: {text.strip()}")
    if not seen:
        yield "no result in the message"


def _identity(fields: Sequence[tuple[str, str]], context: VidasContext, at: str = "") -> str:
    """Equal for the same content, however cut and framed; a rerun has another time (tt, td)."""
    parts = [context.device.id, at, *(f"{name}\x1f{text}" for name, text in fields)]
    return hashlib.sha256("\x1e".join(parts).encode()).hexdigest()


DRIVER = Driver(
    id="vidas",
    maker="bioMérieux",
    models=(),
    source="captures of mini VIDAS, VIDAS PC and VITEK 2; bioMérieux BCI Specification (RS232) 514724-1EN1",
    options=VidasOptions,
    codec=codec,
    interpret=interpret,
    line=LineSettings(baud=4800, bits=8, parity="N", stop=1),
    profiles=Path(__file__).parent / "vidas_analyzers",
)
