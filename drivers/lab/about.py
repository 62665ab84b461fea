"""What a report says besides its results: the device, who and what was examined, what was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

import msgspec

from drivers.lab import results
from drivers.lab.message_tree import Result, Specimen
from drivers.lab.places import Scope, Sources, first, person, read
from drivers.lab.profile import AstmOptions
from drivers.lab.times import device_time
from gateway.driver import Context
from gateway.model import DeviceIdentity, Given, Order
from gateway.model import Specimen as SpecimenOf
from protocols.astm.records import Record

RESULTS_ASKED = 5
"""Results that are asked who measured them: the first says it, a picture or an empty one may stand before it."""

_SEXES = {"MALE": "M", "FEMALE": "F"}
"""Words where the standard has letters (HumaStar)."""

SERVICES_MAX = 200
"""Tests of one order that are kept: more than any panel has, few enough that a hostile O.5 cannot swell a report."""


def device(known: DeviceIdentity, around: Scope, options: AstmOptions, measured: Sequence[Result] = ()) -> DeviceIdentity:
    """The configured device with what header and results say of it; what the configuration states stays."""
    scopes = [around, *({**around, "R": result.record} for result in measured[:RESULTS_ASKED])]
    return msgspec.structs.replace(
        known,
        maker=known.maker or options.maker,
        model=known.model or _said(scopes, options.model),
        serial=known.serial or _said(scopes, options.serial),
        firmware=known.firmware or _said(scopes, options.firmware),
    )


def _said(scopes: Iterable[Scope], places: Sources) -> str:
    return next(filter(None, (first(scope, places) for scope in scopes)), "")


def given(around: Scope, specimen: Specimen, options: AstmOptions) -> Given:
    birth, sex = read(around, "P.8")[:8], read(around, "P.9").upper()
    sex = _SEXES.get(sex, sex)
    operators = (results.somebody(result.record.component(11, 1).strip(), options) for result in specimen.results)
    return Given(
        patient_id=results.somebody(first(around, options.patient_id), options),
        family_name=results.somebody(first(around, options.family_name), options),
        given_name=results.somebody(first(around, options.given_name), options),
        birth_date=birth if len(birth) == 8 and birth.isdecimal() and birth.isascii() else "",
        sex=sex if sex in ("M", "F", "U", "O", "A", "N") else "",
        operator=next(filter(None, operators), ""),
        location=" ".join(filter(None, (part.strip() for part in around["P"].components(26)))) if "P" in around else "",
    )


def clock(around: Scope, context: Context[AstmOptions]) -> Callable[[datetime], datetime]:
    """How times without an offset are read: in the configured zone, unless the header's own time has another offset there.

    An analyzer that says its clock's offset in H.14 and nowhere else (Alinity ci) is right about it, whatever was configured.
    """
    said = device_time(read(around, "H.14"))
    if said is None or said.tzinfo is None:
        return context.localise
    zone = said.tzinfo
    agreed = context.localise(said.replace(tzinfo=None)).utcoffset() == said.utcoffset()
    return context.localise if agreed else lambda naive: naive.replace(tzinfo=zone)


def specimen(around: Scope, specimen_id: str, context: Context[AstmOptions], *, qc: bool) -> SpecimenOf:
    options, localise = context.options, clock(around, context)
    instrument_id = first(around, options.instrument_specimen_id)
    collected, received = device_time(read(around, "O.8")), device_time(read(around, "O.15"))
    return SpecimenOf(
        id=specimen_id,
        instrument_id=instrument_id if instrument_id != specimen_id else "",
        type=first(around, options.specimen_type),
        source=first(around, options.specimen_source),
        role="Q" if qc else "",
        position="^".join(first(around, (source,)) for source in options.position).strip("^"),
        collected=collected and (collected if collected.tzinfo else localise(collected)),
        received=received and (received if received.tzinfo else localise(received)),
    )


def order(record: Record | None, options: AstmOptions) -> Order | None:
    if record is None:
        return None
    return Order(
        services=tuple(services(record, options)),
        priority=record.component(6, 1).strip(),
        action=record.component(12, 1).strip(),
        report_type=record.component(26, 1).strip(),
        provider=person(record.components(17)),
    )


def services(record: Record | None, options: AstmOptions) -> list[str]:
    if record is None:
        return []
    codes = (results.identify(record, 5, options, repeat)[0] for repeat in range(min(record.repeats(5), SERVICES_MAX)))
    return [code for code in codes if code]
