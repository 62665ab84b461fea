"""Specimen and DiagnosticReport of a laboratory report."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from msgspec import Raw

from gateway.deliver.messages.fhir_codes import SECTION, SPECIMEN_TYPES
from gateway.deliver.messages.fhir_order import STUDIES, Ordered
from gateway.deliver.messages.fhir_types import (
    CodeableConcept,
    Coding,
    Collection,
    DiagnosticReport,
    Identifier,
    Reference,
    Specimen,
)
from gateway.deliver.messages.fhir_values import code, moment, text
from gateway.model import Report
from gateway.settings.fhir import FhirMessageSettings

_LAB: Final = CodeableConcept(coding=(Coding(system=SECTION, code="LAB", display="Laboratory"),))
_REPORT_TYPES: Final = {"F": "final", "P": "preliminary", "C": "corrected", "X": "cancelled"}
_LEAST: Final = ("registered", "preliminary", "unknown", "entered-in-error", "corrected", "amended")
"""Result statuses by which a report is less than final, the weightiest first."""


def specimen(
    report: Report, identifier: Identifier, subject: Raw | None, settings: FhirMessageSettings, vendor: str
) -> Specimen | None:
    """What was examined; None when the device said nothing of it. A barcode is used again some day, so it is no identity."""
    found = report.specimen
    if found is None:
        return None
    accession = text(found.id)
    instrument = text(found.instrument_id)
    named = (identifier, Identifier(value=instrument)) if instrument else (identifier,)
    site = _named(found.source, vendor)
    collected = moment(found.collected) if found.collected else None
    return Specimen(
        identifier=named,
        accession_identifier=Identifier(system=settings.specimen_system or None, value=accession) if accession else None,
        type=_named(found.type, SPECIMEN_TYPES.get(found.type_system, vendor)),
        subject=subject,
        received_time=moment(found.received) if found.received else None,
        collection=Collection(collected_date_time=collected, body_site=site) if collected or site else None,
    )


def effective(report: Report) -> datetime:
    """The clinically relevant time: collection, else the first result."""
    if report.specimen is not None and report.specimen.collected is not None:
        return report.specimen.collected
    times = [observation.time for observation in report.observations if observation.time is not None]
    return min(times, default=report.device_time or report.received_at)


def diagnostic_report(
    report: Report,
    identifier: Identifier,
    results: Sequence[str],
    statuses: Sequence[str],
    codes: Sequence[Raw],
    *,
    subject: Raw | None,
    encounter: Raw | None,
    specimen: tuple[Reference, ...],
    order: Ordered,
    vendor: str,
) -> DiagnosticReport:
    """The report over its results, whose fullUrls, statuses and codes are given."""
    return DiagnosticReport(
        identifier=(identifier, *order.identifiers),
        based_on=order.references,
        status=_status(report, statuses),
        category=(_LAB,),
        code=_service(report, codes, vendor),
        subject=subject,
        encounter=encounter,
        effective_date_time=moment(effective(report)),
        issued=moment(report.device_time or report.received_at),
        specimen=specimen,
        result=tuple(Reference(reference=url) for url in results),
    )


def _status(report: Report, statuses: Sequence[str]) -> str:
    """DiagnosticReport.status: what the device says of its report, else the least finished of its results."""
    said = _REPORT_TYPES.get(report.order.report_type) if report.order else None
    if said is not None:
        return said
    if not statuses or set(statuses) == {"cancelled"}:
        return "cancelled"
    return next((one for one in _LEAST if one in statuses), "final")


def _service(report: Report, codes: Sequence[Raw], vendor: str) -> CodeableConcept | Raw:
    """The one result's code, else the one test ordered, else laboratory studies."""
    if len({bytes(one) for one in codes}) == 1:
        return codes[0]
    services = report.order.services if report.order else ()
    own = code(services[0]) if len(services) == 1 else None
    return STUDIES if own is None else CodeableConcept(coding=(Coding(system=vendor, code=own),), text=own)


def _named(own: str, vendor: str) -> CodeableConcept | None:
    found = code(own)
    return None if found is None else CodeableConcept(coding=(Coding(system=vendor, code=found),), text=found)
