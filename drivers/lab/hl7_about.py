"""What a message says besides its results: the device, who and what was examined, what was asked for, whether it is a control."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

import msgspec

from drivers.lab.hl7_places import Scope, first, read
from drivers.lab.hl7_profile import Hl7LabOptions
from drivers.lab.hl7_tree import Result
from drivers.lab.places import FIELD_MAX, person
from drivers.lab.times import device_time
from drivers.lab.values import shown
from gateway.driver import Context
from gateway.model import DeviceIdentity, Given, Order, Specimen

_NOBODY = ("unknown",)
"""What cobas 6800 writes for a serial number that it does not know."""
_SEXES = {"MALE": "M", "FEMALE": "F", "UNKNOWN": "U"}
"""Mindray's words for HL7 table 0001."""

TYPE_SYSTEMS = frozenset(["HL70487", "HL70070", "SCT"])
"""Whose codes a receiver knows: HL7 tables 0487 and 0070, SNOMED CT."""


def device(scope: Scope, kept: Sequence[Result], context: Context[Hl7LabOptions]) -> DeviceIdentity:
    """The configured device with what the message says of it; what the configuration states stays."""
    known, options = context.device, context.options
    around = {**scope, "OBX": kept[0].obx} if kept else scope
    return msgspec.structs.replace(
        known,
        maker=known.maker or options.maker or read(scope, "MSH-4")[:FIELD_MAX],
        model=known.model or _named(around, options.model),
        serial=known.serial or _named(around, options.serial),
        firmware=known.firmware or _named(around, options.firmware),
    )


def _named(scope: Scope, places: Sequence[str]) -> str:
    said = (read(scope, at)[:FIELD_MAX] for at in places)
    return next((text for text in said if text and text.lower() not in _NOBODY), "")


def given(scope: Scope, kept: Sequence[Result], options: Hl7LabOptions, *, control: bool) -> Given:
    """Who the analyzer says that it was; a control is nobody."""
    operator = next(filter(None, (operator_of({"OBX": one.obx}, options) for one in kept)), "")
    if control:
        return Given(operator=operator)
    birth, sex = read(scope, "PID-7")[:8], read(scope, "PID-8").upper()
    sex = _SEXES.get(sex, sex)
    return Given(
        patient_id=_person(first(scope, options.patient_id), options),
        family_name=_person(read(scope, "PID-5.1"), options),
        given_name=_person(read(scope, "PID-5.2"), options),
        birth_date=birth if len(birth) == 8 and birth.isdecimal() and birth.isascii() else "",
        sex=sex if sex in ("M", "F", "U", "O", "A", "N") else "",
        operator=operator,
        location=" ".join(filter(None, (read(scope, f"PV1-3.{n}") for n in (1, 2, 3))))[:FIELD_MAX],
    )


def operator_of(scope: Scope, options: Hl7LabOptions) -> str:
    """Who measured, where somebody says."""
    return _person(first(scope, options.operator), options)


def _person(text: str, options: Hl7LabOptions) -> str:
    return "" if text.lower() in options.no_patient else text[:FIELD_MAX]


def specimen(scope: Scope, context: Context[Hl7LabOptions]) -> Specimen:
    """What was examined."""
    return Specimen(
        id=first(scope, context.options.specimen_id)[:FIELD_MAX],
        type=first(scope, context.options.specimen_type)[:FIELD_MAX],
        type_system=_type_system(scope, context.options),
        position="^".join(filter(None, (read(scope, "SAC-10"), read(scope, "SAC-11"))))[:FIELD_MAX],
        instrument_id=_instrument_id(scope, context.options),
        source=read(scope, "SPM-8.1")[:FIELD_MAX],
        role=read(scope, "SPM-11")[:1].upper(),
        collected=_moment(scope, ("SPM-17",), context),
        received=_moment(scope, ("SPM-18", "OBR-14"), context),
    )


def _type_system(scope: Scope, options: Hl7LabOptions) -> str:
    """The table that SPM-4 names, where the specimen's type is from there; a maker's own one says nothing to others."""
    said = read(scope, "SPM-4.1")
    system = read(scope, "SPM-4.3").upper()
    return system if said and said == first(scope, options.specimen_type) and system in TYPE_SYSTEMS else ""


def _instrument_id(scope: Scope, options: Hl7LabOptions) -> str:
    """The analyzer's own number, where the specimen has another's beside it."""
    own = read(scope, "SPM-2.2")[:FIELD_MAX]
    return "" if own == first(scope, options.specimen_id)[:FIELD_MAX] else own


def _moment(scope: Scope, places: Sequence[str], context: Context[Hl7LabOptions]) -> datetime | None:
    found = next(filter(None, (device_time(read(scope, at)) for at in places)), None)
    return found and (found if found.tzinfo else context.localise(found))


def order(scope: Scope, options: Hl7LabOptions) -> Order:
    """The request that the results answer, as far as the analyzer repeats it."""
    services = tuple(filter(None, [read(scope, "OBR-4.1")[:FIELD_MAX]]))
    asked = next((at for at in ("OBR-16", "ORC-12") if read(scope, at) or read(scope, f"{at}.2")), "")
    return Order(
        placer_id=first(scope, options.order_id)[:FIELD_MAX],
        services=services,
        priority=first(scope, ("TQ1-9.1", "OBR-27.6", "OBR-5.1"))[:FIELD_MAX],
        provider=person([read(scope, f"{asked}.{n}") for n in (1, 2, 3)]) if asked else (),
    )


def is_control(scope: Scope, options: Hl7LabOptions) -> bool:
    """Whether it is no patient's, by the profile's rules."""
    if options.control_ids is not None and re.fullmatch(options.control_ids, first(scope, options.specimen_id)):
        return True
    return any(read(scope, rule.field) in rule.values for rule in options.qc)


def order_notes(scope: Scope, options: Hl7LabOptions, *, control: bool) -> tuple[str, ...]:
    """What the profile wants told of the order, and whose number stood for a control's patient.

    Where a control is a specimen of its own (SPM), PID is of the patients beside it in the message, and none of its business.
    """
    wanted = {**options.order_notes, **(options.control_notes if control else {})}
    told = [f"{word} {said}" for word, at in wanted.items() if (said := read(scope, at))]
    material = _person(first(scope, options.patient_id), options) if control and "SPM" not in scope else ""
    if material and material != first(scope, options.specimen_id):
        told.append(f"control material {material}")
    return tuple(map(shown, told))
