"""What stands around the results of a POCT1-A service: which device, which patient, operator, specimen, order, lots."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from datetime import datetime

import msgspec

from drivers.lab import poct1a_results as results
from drivers.lab.places import FIELD_MAX, person
from drivers.lab.poct1a_profile import Poct1aOptions
from drivers.lab.values import shown
from gateway.driver import Context
from gateway.model import DeviceIdentity, Given, Material, Order, Specimen
from protocols.poct1a.message import NOTHING, Object, Poct1aMessage

_THREE = re.compile(r"([^&^]*)[&^]([^&^]*)[&^]([^&^]*)\Z")
"""Vendor, model and serial number in one field: "SIEM^DCA Vantage^S012345", "Roche&CoaguChekXSPlus&UP012345"."""
_ROLES = {"EQC": "E", "AQC": "E", "PRF": "O", "CAL": "C", "CVR": "V", "LIN": "V"}
"""SVC.role_cd to HL7 table 0369; any other that is no patient's is a control's."""
_AS_USUAL = ("", "NRM")
_KNOWN = frozenset({"PT", "OBS", "CTC", "OPR", "ORD", "SPC", "RGT", "NTE", "HDR", "SVC", "SBJ"})
_PASSING = ("SVC.reason_cd", "SVC.sequence_nbr")
"""What differs between a result and its repeat: NEW or RES (resent), and the number in its batch."""


def device(body: Poct1aMessage, known: DeviceIdentity, options: Poct1aOptions) -> DeviceIdentity:
    """The configured device with what its HEL says; what the configuration states stays."""
    said = body.hello.find("DEV") or NOTHING
    vendor = said.value("DEV.vendor_id")
    match = _THREE.match(said.value("DEV.device_id")) or _THREE.match(vendor)
    maker, model, serial = match.groups() if match is not None else ("", "", "")
    makers = (known.maker, options.maker, said.value("DEV.manufacturer_name"), "" if _THREE.match(vendor) else vendor, maker)
    models = (known.model, said.value("DEV.model_id"), model, said.value("DEV.device_name"))
    return msgspec.structs.replace(
        known,
        maker=_first(*makers),
        model=_first(*models),
        serial=_first(known.serial, said.value("DEV.serial_id"), serial),
        firmware=_first(known.firmware, said.value("DEV.sw_version")),
    )


def given(about: Object, operator: Object, options: Poct1aOptions) -> Given:
    """What the device says of the patient and the operator. A name has its parts, or is one text, HL7's way or plain."""
    name = about.field("PT.name")
    whole = name.v.strip() if name is not None else ""
    family, _, rest = whole.partition("^")
    parts = (name.part("FAM"), name.part("GIV")) if name is not None and name.parts else (family, rest.partition("^")[0])
    birth = "".join(about.value("PT.birth_date")[:10].split("-"))
    sex = about.value("PT.gender_cd").upper()
    number = about.value("PT.patient_id")[:FIELD_MAX]
    return Given(
        patient_id="" if number in options.nobody else number,
        family_name=(parts[0] or ("" if parts[1] else whole))[:FIELD_MAX],
        given_name=parts[1][:FIELD_MAX],
        birth_date=birth if len(birth) == 8 and birth.isdecimal() and birth.isascii() else "",
        sex=sex if sex in ("M", "F", "U", "O", "A", "N") else "",
        operator=operator.value("OPR.operator_id").partition("^")[0][:FIELD_MAX],
        location=about.value("PT.location")[:FIELD_MAX],
    )


def is_control(body: Poct1aMessage, service: Object, options: Poct1aOptions) -> bool:
    """R02 is never a patient's, whatever its role says (Sofia's own example says OBS there); nor what has a control material."""
    if body.type != "OBS.R01" or service.find("CTC") is not None:
        return True
    return service.value("SVC.role_cd").upper() in options.qc_roles


def specimen(service: Object, localise: Callable[[datetime], datetime], *, control: bool) -> Specimen:
    """What was examined."""
    found = service.find("SPC") or NOTHING
    return Specimen(
        id=found.value("SPC.specimen_id")[:FIELD_MAX],
        instrument_id=service.value("SVC.sequence_nbr")[:FIELD_MAX],
        type=found.value("SPC.type_cd")[:FIELD_MAX],
        source=found.value("SPC.source_cd")[:FIELD_MAX],
        role=_ROLES.get(service.value("SVC.role_cd").upper(), "Q") if control else "",
        collected=results.moment(found.value("SPC.specimen_dttm"), localise),
    )


def order(service: Object) -> Order:
    """What was asked for."""
    found = service.find("ORD") or NOTHING
    wanted = found.value("ORD.universal_service_id")[:FIELD_MAX]
    return Order(
        placer_id=found.value("ORD.order_id")[:FIELD_MAX],
        services=(wanted,) if wanted else (),
        provider=person([found.value("ORD.ordering_provider_id")]),
    )


def materials(service: Object) -> Iterator[Material]:
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


def told(service: Object) -> Iterator[str]:
    """Control and reagent with their lots in words, who released it, what is not as usual, and what a maker adds."""
    for name, what in (("CTC", "control"), ("RGT", "reagent")):
        for one in service.walk(name):
            parts = (
                (one.value(f"{name}.name"), "{}"),
                (one.value(f"{name}.lot_number"), "lot {}"),
                (one.value(f"{name}.level_cd"), "level {}"),
                (one.value(f"{name}.expiration_date")[:10], "expires {}"),
            )
            words = " ".join(form.format(text) for text, form in parts if text)
            if words:
                yield shown(f"{what}: {words}")
    _, caret, released = (service.find("OPR") or NOTHING).value("OPR.operator_id").partition("^")
    if caret and released:
        yield shown(f"released by {released}")
    status = service.value("SVC.status_cd").upper()
    if status == "OVR":
        yield "taken with an override on the device"
    elif status not in _AS_USUAL:
        yield shown(f"status on the device: {status}")
    yield from _makers_own(service)


def identity(body: Poct1aMessage, context: Context[Poct1aOptions], content: Object) -> str:
    """Equal for the same content, whenever and however often it is sent: neither control id nor time of sending is part of it."""
    serial = (body.hello.find("DEV") or NOTHING).value("DEV.serial_id")
    parts = [context.device.id, serial, body.type, *_texts(content)]
    if not any(_is_dated(one) for one in content.objects if one.name != "HDR") and not content.value("SVC.observation_dttm"):
        parts.append(body.control_id)
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


def _first(*texts: str) -> str:
    return next(filter(None, texts), "")[:FIELD_MAX]


def _day(text: str) -> str:
    """An ISO date as digits; nothing for what is none."""
    digits = text[:10].replace("-", "")
    return digits if len(digits) == 8 and digits.isascii() and digits.isdigit() else ""


def _makers_own(holder: Object) -> Iterator[str]:
    """Objects that the standard does not have, in words (i-STAT: RSN.apoc_prompt "PT Temp F", RSN.apoc_content "101.2")."""
    for one in holder.objects:
        if one.name in {"PT", "CTC", "SBJ"}:
            yield from _makers_own(one)
        elif one.name not in _KNOWN:
            values = [text for field in one.fields if (text := " ".join(filter(None, (field.v, field.unit))))]
            if values:
                yield shown(": ".join(values) if len(values) == 2 else f"{one.name}: {', '.join(values)}")


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
