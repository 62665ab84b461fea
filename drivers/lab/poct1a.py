"""Point-of-care devices that speak POCT1-A: meters and benchtop analyzers, each a profile in poct_devices/."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import msgspec

from drivers.lab import poct1a_lists as lists
from drivers.lab import poct1a_results as results
from drivers.lab.places import FIELD_MAX
from drivers.lab.poct1a_profile import Poct1aOptions
from drivers.lab.results import NOTES_MAX
from drivers.lab.values import shown
from gateway.driver import Context, Driver, Listing
from gateway.model import Category, DeviceIdentity, Given, Kind, Material, Observation, Order, Report, Specimen
from protocols.poct1a import conversation, host_talk
from protocols.poct1a.message import NOTHING, Object, Poct1aMessage
from protocols.sansio import Codec, Message

PoctContext: TypeAlias = Context[Poct1aOptions]

_ROLES = {"EQC": "E", "PRF": "O", "CAL": "C", "LIN": "V"}
"""SVC.role_cd to HL7 table 0369; any other that is no patient's is a control's."""


def codec(options: Poct1aOptions) -> Codec[Poct1aMessage]:
    """The host's side of the conversation, set as the profile says."""
    return conversation.Host(options.conversation_profile())


def interpret(message: Message[Poct1aMessage], context: PoctContext) -> Iterator[Report]:
    """A report for each service of an OBS, for each event of an EVS; a maker's own message is kept as an event."""
    body = message.body
    if body.type in host_talk.PASSING or host_talk.is_hosts(body.type):
        return
    if body.type.startswith("OBS."):
        for service in body.root.walk("SVC"):
            yield _service(message, service, context)
    elif body.type == "EVS.R01":
        yield _events(message, context)
    else:
        what = Observation(kind=Kind.EVENT, vendor_code=body.type[:FIELD_MAX], value="a message of the maker's own")
        yield _report(message, (what,), context, category=Category.EVENTS, identity=_identity(body, context, body.root))


def _service(message: Message[Poct1aMessage], service: Object, context: PoctContext) -> Report:
    body, options = message.body, context.options
    about = service.find("PT") or NOTHING
    specimen = service.find("SPC") or NOTHING
    order = service.find("ORD") or NOTHING
    measured = results.moment(service.value("SVC.observation_dttm"), context.localise)
    kind = specimen.value("SPC.type_cd")
    control = _is_control(body, service, options)
    seen = tuple(
        results.observe(
            obs,
            measured=measured,
            specimen=options.specimens.get(kind, kind) or options.specimen,
            sender=_device(body, context).maker,
            options=options,
            localise=context.localise,
        )
        for obs in service.walk("OBS")
    )
    operator = (service.find("OPR") or NOTHING).value("OPR.operator_id")[:FIELD_MAX]
    return _report(
        message,
        seen,
        context,
        category=Category.QC if control else Category.LAB,
        given=_given(about, operator),
        specimen=Specimen(
            type=kind[:FIELD_MAX],
            role=_ROLES.get(service.value("SVC.role_cd").upper(), "Q") if control else "",
            collected=results.moment(specimen.value("SPC.specimen_dttm"), context.localise),
        ),
        order=Order(
            placer_id=order.value("ORD.order_id")[:FIELD_MAX],
            services=tuple(filter(None, [order.value("ORD.universal_service_id")[:FIELD_MAX]])),
        ),
        notes=(*_told(service), *results.notes(service, options), *results.notes(about, options)),
        materials=tuple(islice(_materials(service), NOTES_MAX)),
        identity=_identity(body, context, service),
    )


def _events(message: Message[Poct1aMessage], context: PoctContext) -> Report:
    seen = tuple(
        Observation(
            kind=Kind.EVENT,
            vendor_code="device event",
            value=shown(event.value("EVT.description")) or "without a description",
            flags=tuple(filter(None, [event.value("EVT.severity_cd")[:FIELD_MAX]])),
            time=results.moment(event.value("EVT.event_dttm"), context.localise),
        )
        for event in message.body.root.walk("EVT")
    )
    return _report(message, seen, context, category=Category.EVENTS, identity=_identity(message.body, context, message.body.root))


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
        device=_device(body, context),
        episodic=True,
        notes=(*body.problems, *notes),
        message_id=body.control_id[:FIELD_MAX],
        **more,
    )


def _device(body: Poct1aMessage, context: PoctContext) -> DeviceIdentity:
    """The configured device with what its HEL says; what the configuration states stays."""
    said, known, options = body.hello.find("DEV") or NOTHING, context.device, context.options
    return msgspec.structs.replace(
        known,
        maker=known.maker or options.maker or said.value("DEV.manufacturer_name", "DEV.vendor_id")[:FIELD_MAX],
        model=known.model or said.value("DEV.model_id", "DEV.device_name")[:FIELD_MAX],
        serial=known.serial or said.value("DEV.serial_id")[:FIELD_MAX],
        firmware=known.firmware or said.value("DEV.sw_version")[:FIELD_MAX],
    )


def _given(about: Object, operator: str) -> Given:
    name = about.field("PT.name")
    family, _, rest = (name.v if name is not None else "").partition("^")
    birth = "".join(about.value("PT.birth_date")[:10].split("-"))
    sex = about.value("PT.gender_cd").upper()
    return Given(
        patient_id=about.value("PT.patient_id")[:FIELD_MAX],
        family_name=family[:FIELD_MAX],
        given_name=rest.partition("^")[0][:FIELD_MAX],
        birth_date=birth if len(birth) == 8 and birth.isdecimal() and birth.isascii() else "",
        sex=sex if sex in ("M", "F", "U", "O", "A", "N") else "",
        operator=operator,
        location=about.value("PT.location")[:FIELD_MAX],
    )


def _is_control(body: Poct1aMessage, service: Object, options: Poct1aOptions) -> bool:
    """R02 is never a patient's, whatever its role says (Sofia's own example says OBS there); nor what has a control material."""
    if body.type != "OBS.R01" or service.find("CTC") is not None:
        return True
    return service.value("SVC.role_cd").upper() in options.qc_roles


def _materials(service: Object) -> Iterator[Material]:
    """Control and reagent with their lots."""
    for name, kind in (("CTC", "CO"), ("RGT", "SR")):
        for one in service.walk(name):
            found = Material(
                name=one.value(f"{name}.name")[:FIELD_MAX],
                kind=kind,
                lot=one.value(f"{name}.lot_number")[:FIELD_MAX],
                expires=_day(one.value(f"{name}.expiration_date")),
                level=one.value(f"{name}.level_cd")[:FIELD_MAX],
            )
            if found != Material(kind=kind):
                yield found


def _day(text: str) -> str:
    """An ISO date as digits; nothing for what is none."""
    digits = text[:10].replace("-", "")
    return digits if len(digits) == 8 and digits.isascii() and digits.isdigit() else ""


def _told(service: Object) -> Iterator[str]:
    """Control and reagent with their lots in words, and a status or reason that is not the usual one."""
    for name, what in (("CTC", "control"), ("RGT", "reagent")):
        for one in service.walk(name):
            parts = (
                (one.value(f"{name}.name"), "{}"),
                (one.value(f"{name}.lot_number"), "lot {}"),
                (one.value(f"{name}.level_cd"), "level {}"),
                (one.value(f"{name}.expiration_date")[:10], "expires {}"),
            )
            told = " ".join(form.format(text) for text, form in parts if text)
            if told:
                yield shown(f"{what}: {told}")
    if service.value("SVC.status_cd").upper() == "OVR":
        yield "taken with an override on the device"


def _identity(body: Poct1aMessage, context: PoctContext, content: Object) -> str:
    """Equal for the same content, whenever and however often it is sent: neither control id nor time of sending is part of it."""
    serial = (body.hello.find("DEV") or NOTHING).value("DEV.serial_id")
    parts = [context.device.id, serial, body.type, *_texts(content)]
    if not any(_is_dated(one) for one in content.objects if one.name != "HDR") and not content.value("SVC.observation_dttm"):
        parts.append(body.control_id)
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


_PASSING = ("SVC.reason_cd", "SVC.sequence_nbr")
"""What differs between a result and its repeat: NEW or RES (resent), and the number in its batch."""


def _is_dated(content: Object) -> bool:
    """Whether its own content tells it from the next one of the same value."""
    return any(one.name.endswith("_dttm") and one.v for one in content.fields) or any(map(_is_dated, content.objects))


def _texts(content: Object) -> Iterator[str]:
    for one in content.fields:
        if one.name not in _PASSING:
            yield from (one.name, one.v, one.unit, one.system, one.text)
    for inner in content.objects:
        if inner.name != "HDR":
            yield f"\x1e{inner.name}"
            yield from _texts(inner)


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
