"""One observation as a flat JSON object: what `wardlink decode`, `export` and the screens show of a reading."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict

from gateway import terms
from gateway.model import Category, DeviceIdentity, Observation, Report


class Reading(TypedDict):
    """The keys, in the order they are printed. `value` keeps the device's precision; absent is None, never a number."""

    kind: str
    vendor_code: str
    mdc: int | None
    refid: str | None
    loinc: str | None
    value: str | None
    unit: str | None
    vendor_unit: str
    comparator: str
    status: str
    flags: list[str]
    range: str
    time: str | None
    patient_id: str | None
    specimen_id: str | None
    device: str
    qc: bool
    vendor_text: str
    method: str
    sub_id: str
    operator: str
    notes: list[str]


def readings(report: Report, *, received_known: bool = True) -> list[Reading]:
    """The readings of a report. Without `received_known` only a device's own time counts."""
    return [_reading(report, observation, received_known=received_known) for observation in report.observations]


def _reading(report: Report, seen: Observation, *, received_known: bool) -> Reading:
    term = terms.find(seen.refid) if seen.refid else None
    loincs = terms.loincs(seen.refid, seen.unit) if seen.refid else ()
    at = seen.time or report.device_time or (report.received_at if received_known else None)
    return Reading(
        kind=seen.kind.value,
        vendor_code=seen.vendor_code,
        mdc=term.code if term else None,
        refid=seen.refid,
        loinc=seen.loinc or (loincs[0].code if loincs else None),
        value=seen.value,
        unit=seen.unit,
        vendor_unit=seen.vendor_unit,
        comparator=seen.comparator,
        status=seen.status,
        flags=[*seen.flags, *([seen.validity.value] if seen.validity else [])],
        range=seen.range,
        time=_iso(at),
        patient_id=report.given.patient_id or None,
        specimen_id=(report.specimen.id or None) if report.specimen else None,
        device=device_label(report.device),
        qc=report.category is Category.QC,
        vendor_text=seen.vendor_text,
        method=seen.method.value,
        sub_id=seen.sub_id,
        operator=seen.operator,
        notes=[*report.notes, *seen.notes],
    )


def device_label(device: DeviceIdentity) -> str:
    """A device in one word for people: the asset tag; with what tells two of a kind apart where it is known."""
    return " ".join(part for part in (device.id, device.model, device.serial) if part)


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
