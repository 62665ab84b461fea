"""Observations of a Bundle: status, time, value or the reason why there is none; pressures of one measurement as a panel."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from msgspec import Raw

from gateway.deliver.messages import LATE
from gateway.deliver.messages.fhir_codes import ACT_REASON, LOCAL, STATUS
from gateway.deliver.messages.fhir_device import VITAL, Equipment, Metric
from gateway.deliver.messages.fhir_lab import effective
from gateway.deliver.messages.fhir_material import Lots
from gateway.deliver.messages.fhir_names import create, full_url, update
from gateway.deliver.messages.fhir_order import Ordered
from gateway.deliver.messages.fhir_patient import Person
from gateway.deliver.messages.fhir_types import Annotation, CodeableConcept, Coding, Component, Identifier, Meta, Reference
from gateway.deliver.messages.fhir_types import Observation as Resource
from gateway.deliver.messages.fhir_values import Value, interpretation, moment, query, ranges, reason, text, value
from gateway.deliver.messages.hl7 import shifted
from gateway.deliver.messages.instance import instances
from gateway.deliver.messages.values import METHODS, absent, clock_note, patient_note
from gateway.model import Category, Entry, Method, Observation, Place, Report, Subject, Validity
from gateway.settings.fhir import FhirMessageSettings

LABS: Final = (Category.LAB, Category.QC)
_TEST: Final = (Coding(system=ACT_REASON, code="HTEST", display="test health data"),)
_LATE: Final = (Coding(system=f"{LOCAL}tag", code="late", display=LATE),)
_METAS: Final = {
    (False, False): None,
    (True, False): Meta(security=_TEST),
    (False, True): Meta(tag=_LATE),
    (True, True): Meta(tag=_LATE, security=_TEST),
}
"""By (test data, late data)."""
_UNREAL: Final = frozenset({Validity.TEST, Validity.DEMO})
_NO_VALUE: Final = Value()


class Context(NamedTuple):
    """What all resources of one report share. `person` None: no patient is known, and `subject` is a device or nobody."""

    entry: Entry
    equipment: Equipment
    person: Person | None
    subject: Raw | None
    system: str
    vendor: str
    specimen: Reference | None
    order: Ordered
    lots: Lots
    patient: Subject | None
    """Whom the device is associated with."""

    @property
    def report(self) -> Report:
        """The report itself."""
        return self.entry.report

    def name(self, what: str) -> Identifier:
        """A resource's identity: journal row, what of it, and for whom: a replay for another patient is another resource."""
        return name(self.entry, what, self.system, self.person)


def name(entry: Entry, what: str, system: str, person: Person | None) -> Identifier:
    """See `Context.name`."""
    mark = f".{person.mark}" if person is not None else ""
    return Identifier(system=system, value=f"{entry.key}.{what}{mark}")


class Made(NamedTuple):
    """An Observation's entry, and what a DiagnosticReport needs of it."""

    entry: Raw
    url: str
    status: str
    code: Raw


class _Content(NamedTuple):
    """What differs between a single Observation and a panel."""

    code: Raw
    category: Raw
    device: Raw
    value: Value = _NO_VALUE
    reason: Raw | None = None
    component: tuple[Component, ...] = ()


class Writer:
    """Writes the observations of one report."""

    def __init__(self, settings: FhirMessageSettings, context: Context) -> None:
        report = context.report
        self._settings, self._context, self._category = settings, context, report.category
        self._lab = report.category in LABS
        self._now = moment(self._instant(report))
        everything = context.name("observation")
        # a UUID of the row, its last group counting: one hash for a report instead of one for each value
        self._urls = full_url("Observation", everything)[:-12]
        self._condition = query(context.system, "")
        self._notes = self._of_report(report)
        self._performer = _performer(report.given.operator)
        self._raw = "preliminary" if self._lab else settings.raw_status
        self._before, _, self._after = str(everything.value).partition("observation")
        self._focus = context.lots.controls() if report.category is Category.QC else ()
        self._instances: Sequence[tuple[str, ...]] = ()
        self._encounter = context.person.encounter if context.person is not None else None

    def write(self, observations: Sequence[Observation], metrics: Sequence[Metric]) -> list[Made]:
        """In the device's order, a panel where its first part stood."""
        panels = _panels(observations, metrics)
        self._instances = instances(self._context.entry, observations) if self._lab else ()
        made = []
        for index, (observation, metric) in enumerate(zip(observations, metrics, strict=True)):
            members = panels.get(index)
            if members is None:
                made.append(self._single(index, observation, metric))
            elif members[0] == index:
                made.append(self._panel(index, [observations[i] for i in members], [metrics[i] for i in members]))
        return made

    def _single(self, index: int, o: Observation, metric: Metric) -> Made:
        found = _NO_VALUE if absent(o) else value(o, metric.unit, self._context.vendor)
        missing = reason(o) if found == _NO_VALUE else None
        category = metric.vital if self._context.person is not None else metric.category
        return self._made(index, [o], [metric], _Content(metric.code, category, metric.device, found, missing))

    def _panel(self, index: int, members: list[Observation], metrics: list[Metric]) -> Made:
        equipment = self._context.equipment
        category = VITAL if self._context.person is not None else metrics[0].category
        component = tuple(map(self._component, members, metrics))
        content = _Content(equipment.panel_code(metrics[0].panel), category, equipment.reference, component=component)
        return self._made(index, members, metrics, content)

    def _component(self, o: Observation, metric: Metric) -> Component:
        found = _NO_VALUE if absent(o) else value(o, metric.unit, self._context.vendor)
        return Component(
            code=metric.code,
            value_quantity=found.quantity,
            value_string=found.string,
            data_absent_reason=reason(o) if found == _NO_VALUE else None,
            interpretation=interpretation(o, self._category),
            reference_range=ranges(o, metric.unit, self._category),
        )

    def _made(self, index: int, members: list[Observation], metrics: list[Metric], content: _Content) -> Made:
        first, context, found = members[0], self._context, content.value
        alone = not content.component
        own = f"{self._before}{index + 1}{'' if alone else 'p'}{self._after}"
        status = self._status(members)
        resource = Resource(
            extension=context.lots.reagents(first),
            meta=_METAS[not _UNREAL.isdisjoint([o.validity for o in members]), context.entry.late],
            identifier=(Identifier(system=context.system, value=own), *self._instance(index)),
            based_on=context.order.references,
            status=status,
            category=content.category,
            code=content.code,
            subject=context.subject,
            focus=self._focus,
            encounter=self._encounter,
            effective_date_time=self._when(first),
            issued=self._issued(first),
            performer=_performer(first.operator) if first.operator else self._performer,
            value_quantity=found.quantity,
            value_codeable_concept=found.concept,
            value_string=found.string,
            value_ratio=found.ratio,
            value_sampled_data=found.sampled,
            data_absent_reason=content.reason,
            interpretation=interpretation(first, self._category) if alone else (),
            note=self._note(members),
            method=self._method(first),
            specimen=context.specimen,
            device=content.device,
            reference_range=ranges(first, metrics[0].unit, self._category) if alone and (first.range or first.critical) else (),
            component=content.component,
        )
        url = f"{self._urls}{index + 1:012x}"
        condition = f"{self._condition}{own}"
        write = update if index in context.entry.corrected else create
        if status == "corrected" and self._settings.corrections == "update" and len(resource.identifier) > 1:
            name = resource.identifier[1]
            write, condition = update, query(name.system, name.value or "")
        entry = write("Observation", resource.identifier[0], resource, url, condition)
        return Made(entry, url, status, content.code)

    def _instance(self, index: int) -> tuple[Identifier, ...]:
        """The name of a laboratory result, the same in its correction; and for whom, as the resource's identity says it."""
        if not self._instances:
            return ()
        context = self._context
        mark = f".{context.person.mark}" if context.person is not None else ""
        own = text("^".join(self._instances[index])) or "?"
        return (Identifier(system=f"{context.system}:result", value=f"{own}{mark}"),)

    def _method(self, o: Observation) -> CodeableConcept | None:
        """How a laboratory value came about, where it was not measured; the bedside's is the metric's category."""
        return (
            CodeableConcept(text=METHODS[o.method].split("^")[1]) if self._lab and o.method is not Method.AUTO_MEASURED else None
        )

    def _status(self, members: list[Observation]) -> str:
        """Observation.status; a value that is missing at the bedside is final: the device has said all it will say."""
        first = members[0]
        if len(members) == 1 and first.value and first.validity is Validity.OK and first.status == "R":
            return self._raw
        states = {o.validity for o in members}
        if all(map(absent, members)) and first.status not in ("D", "W"):
            if self._lab:
                return "cancelled"
            return "preliminary" if first.validity is Validity.ONGOING else "final"
        if Validity.VALIDATED in states:
            return "final"
        found = self._raw if first.status in ("R", "X", "") else STATUS.get(first.status, "unknown")
        return "preliminary" if Validity.EARLY in states and found == "final" else found

    def _instant(self, report: Report) -> datetime:
        """A bedside report's instant is the gateway's (the device's own, corrected); a lab report's is collection or result."""
        if self._lab:
            return effective(report)
        if self._settings.correct_times or report.device_time is None:
            return report.received_at
        return report.device_time

    def _when(self, o: Observation) -> str:
        report = self._context.report
        if o.time is None or (self._lab and report.specimen is not None and report.specimen.collected is not None):
            return self._now
        if self._lab or not self._settings.correct_times or not report.clock_offset_s:
            return moment(o.time)
        return moment(shifted(o.time, -report.clock_offset_s))

    def _issued(self, o: Observation) -> str | None:
        report = self._context.report
        return moment(o.time or report.device_time or report.received_at) if self._lab else None

    def _of_report(self, report: Report) -> tuple[Annotation, ...]:
        """The device's remarks on the whole report, and how far its clock is off."""
        found = [text(note) for note in report.notes] if self._settings.notes else []
        if self._lab and (another := patient_note(report, self._context.patient)):
            found.append(text(another))
        if clock := clock_note(report, self._settings.clock_note_s):
            found.append(clock)
        return tuple(Annotation(text=note) for note in found if note is not None)

    def _note(self, members: list[Observation]) -> tuple[Annotation, ...]:
        found = self._notes
        for o in members:
            if self._settings.notes and o.sub_id and self._lab:
                found += (Annotation(text=f"sub id: {text(o.sub_id) or '?'}"),)
            if self._settings.notes and o.notes:
                found += tuple(Annotation(text=words) for note in o.notes if (words := text(note)) is not None)
            if o.value and absent(o):  # what nobody may count with is kept as words
                found += (Annotation(text=f"device sent {text(f'{o.comparator}{o.value}')!r}"),)
        return found


def _performer(operator: str) -> tuple[Reference, ...]:
    own = text(operator)
    return () if own is None else (Reference(type="Practitioner", identifier=Identifier(value=own)),)


def _panels(observations: Sequence[Observation], metrics: Sequence[Metric]) -> dict[int, list[int]]:
    """Members of each blood pressure panel by each member's index: systolic, diastolic, perhaps mean, of one measurement."""
    found: dict[tuple[str, Place | None, datetime | None, str], list[int]] = {}
    for index, (o, metric) in enumerate(zip(observations, metrics, strict=True)):
        if metric.panel:
            channel = (*o.place[:3], 0) if o.place is not None else None
            found.setdefault((metric.panel, channel, o.time, o.status if not absent(o) else "R"), []).append(index)
    panels: dict[int, list[int]] = {}
    for members in found.values():
        kinds = [str(observations[index].refid).rpartition("_")[2] for index in members]
        if {"SYS", "DIA"} <= set(kinds) and len(set(kinds)) == len(kinds):
            panels.update(dict.fromkeys(members, members))
    return panels
