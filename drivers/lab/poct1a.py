"""Point-of-care devices that speak POCT1-A: meters and benchtop analyzers, each a profile in poct_devices/."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from drivers.lab import poct1a_about as about
from drivers.lab import poct1a_lists as lists
from drivers.lab import poct1a_results as results
from drivers.lab.places import FIELD_MAX
from drivers.lab.poct1a_profile import Poct1aOptions
from drivers.lab.results import NOTES_MAX
from drivers.lab.values import shown
from gateway.driver import Context, Driver, Listing
from gateway.model import Category, Kind, Observation, Report
from protocols.poct1a import conversation, host_talk
from protocols.poct1a.message import NOTHING, Object, Poct1aMessage
from protocols.sansio import Codec, Message

PoctContext: TypeAlias = Context[Poct1aOptions]


def codec(options: Poct1aOptions) -> Codec[Poct1aMessage]:
    """The host's side of the conversation, set as the profile says."""
    return conversation.Host(options.conversation_profile())


def interpret(message: Message[Poct1aMessage], context: PoctContext) -> Iterator[Report]:
    """A report for each service of an OBS, one for the events of an EVS; a maker's own message is kept as an event."""
    body = message.body
    if body.type in host_talk.PASSING or host_talk.is_hosts(body.type):
        return
    if body.type.startswith("OBS."):
        for service in _services(body):
            yield _service(message, service, context)
    elif body.type == "EVS.R01":
        yield _events(message, context)
    else:
        what = Observation(kind=Kind.EVENT, vendor_code=body.type[:FIELD_MAX], value="a message of the maker's own")
        identity = about.identity(body, context, body.root)
        yield _report(message, (what,), context, category=Category.EVENTS, identity=identity)


def _services(body: Poct1aMessage) -> Iterator[Object]:
    """The services of an OBS; each has one patient: one with several is as many services, and results without any are one."""
    found = list(body.root.walk("SVC")) or [body.root]
    for service in found:
        patients = [one for one in service.objects if one.name == "PT"]
        rest = tuple(one for one in service.objects if one.name != "PT")
        for patient in patients[1:]:
            yield Object(service.name, service.fields, (patient, *rest))
        yield service if len(patients) < 2 else Object(service.name, service.fields, (patients[0], *rest))


def _service(message: Message[Poct1aMessage], service: Object, context: PoctContext) -> Report:
    body, options = message.body, context.options
    patient = service.find("PT") or NOTHING
    control = about.is_control(body, service, options)
    examined = about.specimen(service, context.localise, control=control)
    device = about.device(body, context.device, options)
    given = about.given(patient, service.find("OPR") or NOTHING, options)
    seen = tuple(
        results.observe(
            obs,
            measured=results.moment(service.value("SVC.observation_dttm"), context.localise),
            specimen=options.specimens.get(examined.type, examined.type) or options.specimen,
            sender=device.maker,
            operator=given.operator,
            options=options,
            localise=context.localise,
        )
        for obs in service.walk("OBS")
    )
    return _report(
        message,
        seen,
        context,
        category=Category.QC if control else Category.LAB,
        given=given,
        specimen=examined,
        order=about.order(service),
        notes=(*about.told(service), *results.notes(service, options), *results.notes(patient, options)),
        materials=tuple(islice(about.materials(service), NOTES_MAX)),
        identity=about.identity(body, context, service),
    )


def _events(message: Message[Poct1aMessage], context: PoctContext) -> Report:
    body = message.body
    seen = tuple(
        Observation(
            kind=Kind.EVENT,
            vendor_code="device event",
            value=shown(event.value("EVT.description")) or "without a description",
            flags=tuple(filter(None, [event.value("EVT.severity_cd")[:FIELD_MAX]])),
            time=results.moment(event.value("EVT.event_dttm"), context.localise),
            operator=(event.find("OPR") or NOTHING).value("OPR.operator_id")[:FIELD_MAX],
            notes=tuple(islice(_beside(event), NOTES_MAX)),
        )
        for event in body.root.walk("EVT")
    )
    identity = about.identity(body, context, body.root)
    return _report(message, seen, context, category=Category.EVENTS, identity=identity)


def _beside(event: Object) -> Iterator[str]:
    """What an event says besides its description: a number, a sample, a kind."""
    for one in event.fields:
        if one.name in {"EVT.severity_cd", "EVT.event_dttm"}:
            continue
        text = one.text if one.name == "EVT.description" else one.v
        if text:
            yield shown(f"{one.name.rpartition('.')[2]}: {text}")


def _report(
    message: Message[Poct1aMessage],
    seen: tuple[Observation, ...],
    context: PoctContext,
    *,
    category: Category,
    notes: tuple[str, ...] = (),
    **more: object,
) -> Report:
    body = message.body
    header = body.root.find("HDR") or NOTHING
    return context.report(
        message,
        seen,
        category=category,
        device_time=results.moment(header.value("HDR.creation_dttm"), context.localise),
        device=about.device(body, context.device, context.options),
        episodic=True,
        notes=(*body.problems, *notes),
        message_id=body.control_id[:FIELD_MAX],
        **more,
    )


DRIVER = Driver(
    id="poct1a",
    maker="",
    models=(),
    source="CLSI POCT01-A2 (POCT1-A), device messaging layer",
    options=Poct1aOptions,
    codec=codec,
    interpret=interpret,
    profiles=Path(__file__).parent / "poct_devices",
    listing=Listing(lists.takes, lists.write, lists.asks, lists.patient),
)
