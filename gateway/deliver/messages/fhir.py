"""FHIR R4: a report as a transaction Bundle that may be sent any number of times; docs/messages/fhir.md lists the rules."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from msgspec import Raw

from gateway.deliver.destination import Outgoing
from gateway.deliver.messages import Renderer, fhir_lab
from gateway.deliver.messages.fhir_device import Equipment, Metric
from gateway.deliver.messages.fhir_material import Lots
from gateway.deliver.messages.fhir_names import create, own_system, reference, update, vendor_system
from gateway.deliver.messages.fhir_observation import LABS, Context, Made, Writer, name
from gateway.deliver.messages.fhir_order import Ordered, ordered
from gateway.deliver.messages.fhir_patient import People, Person, evidence
from gateway.deliver.messages.fhir_types import Bundle, Identifier, encode
from gateway.deliver.messages.fhir_values import moment
from gateway.deliver.messages.hl7 import CACHE_MAX
from gateway.deliver.messages.values import converted
from gateway.model import Category, Entry, Gateway, Observation, Report, Subject, Validity
from gateway.settings.fhir import FhirMessageSettings

CONTENT_TYPE: Final = "application/fhir+json"


def renderer(settings: FhirMessageSettings, gateway: Gateway) -> Renderer:
    """A renderer of Bundles. Subject None: an observation is about its device (PoCD), a lab result about whom that named."""
    return _Writer(settings, gateway)


class _Writer:
    """Report and subject to bytes. Everything it remembers is derived from its arguments, so it is pure to its callers."""

    def __init__(self, settings: FhirMessageSettings, gateway: Gateway) -> None:
        self._settings, self._gateway = settings, gateway
        self._system = own_system(settings, gateway)
        self._vendor = vendor_system(settings)
        self._person = lru_cache(CACHE_MAX)(People(settings, gateway).person)
        self._equipment: dict[tuple[str, Category], Equipment] = {}

    def __call__(self, entry: Entry, subject: Subject | None) -> Outgoing:
        """The Bundle for one journal row: what others point at first."""
        context = self._context(entry, subject)
        observations = self._wanted(entry.report)
        metrics = [context.equipment.metric(observation) for observation in observations]
        made = Writer(self._settings, context).write(observations, metrics)
        entries = [*self._basics(context), *_device_metrics(observations, metrics), *context.lots.entries()]
        entries += [one.entry for one in made]
        if entry.report.category is Category.LAB and made:
            entries.append(_diagnostic_report(made, context))
        bundle = Bundle(
            identifier=Identifier(system=self._system, value=entry.message_id),
            type="transaction",
            timestamp=moment(entry.stored_at),
            entry=tuple(entries),
        )
        return Outgoing(entry.message_id, encode(bundle))

    def _wanted(self, report: Report) -> Sequence[Observation]:
        wanted = self._settings.convert
        if not wanted:
            return report.observations
        return [converted(one, wanted, inferred=self._settings.inferred) for one in report.observations]

    def _context(self, entry: Entry, subject: Subject | None) -> Context:
        report, vendor = entry.report, self._vendor(entry.report)
        lab = report.category in LABS
        person = None if subject is None or report.category is Category.QC else self._person(subject)
        equipment = self._device(report, vendor)
        examined = reference("Specimen", name(entry, "specimen", self._system, person)) if lab and report.specimen else None
        about = _about(report, person, equipment)
        known = about if person is not None else None
        order = ordered(report, known, examined, self._settings, (self._system, vendor)) if lab else Ordered()
        return Context(
            entry, equipment, person, about, self._system, vendor, examined, order, Lots(report, self._system), subject
        )

    def _device(self, report: Report, vendor: str) -> Equipment:
        key = report.device.id, report.category
        found = self._equipment.get(key)
        if found is None or not found.fits(report):
            if len(self._equipment) >= CACHE_MAX:
                self._equipment.clear()
            found = self._equipment[key] = Equipment(report, self._settings, self._gateway, self._system, vendor)
        return found

    def _basics(self, context: Context) -> list[Raw]:
        """Patient, Device, Specimen and ServiceRequest."""
        person = context.person.entry if context.person is not None else None
        entries = [context.equipment.entry] if person is None else [person, context.equipment.entry]
        if context.specimen is not None:
            identifier = context.name("specimen")
            found = fhir_lab.specimen(context.report, identifier, context.subject, self._settings, context.vendor)
            if found is not None:
                entries.append(create("Specimen", identifier, found))
        if context.order.entry is not None:
            entries.append(context.order.entry)
        return entries


def _about(report: Report, person: Person | None, equipment: Equipment) -> Raw | None:
    """Observation.subject: the patient of the association; else the device, or for a lab result whom the device named."""
    if person is not None:
        return person.subject
    return evidence(report.given) if report.category is Category.LAB else equipment.reference


def _device_metrics(observations: Sequence[Observation], metrics: Sequence[Metric]) -> list[Raw]:
    """One entry a metric, however often it was measured."""
    found: dict[str, Raw] = {}
    for observation, metric in zip(observations, metrics, strict=True):
        entry = metric.off if observation.validity is Validity.OFF else metric.on
        if entry is not None:
            found[metric.name] = entry
    return list(found.values())


def _diagnostic_report(made: Sequence[Made], context: Context) -> Raw:
    identifier = context.name("report")
    resource = fhir_lab.diagnostic_report(
        context.report,
        identifier,
        [one.url for one in made],
        [one.status for one in made],
        [one.code for one in made],
        subject=context.subject,
        encounter=context.person.encounter if context.person is not None else None,
        specimen=(context.specimen,) if context.specimen is not None else (),
        order=context.order,
        vendor=context.vendor,
    )
    write = update if context.entry.number else create
    return write("DiagnosticReport", identifier, resource)
