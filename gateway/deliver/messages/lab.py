"""Laboratory results as ORU^R01 of HL7 2.5.1, order-centred with SPM (LAB-3 style); docs/messages/lab.md lists the rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.deliver.destination import Outgoing
from gateway.deliver.messages import LATE, Renderer
from gateway.deliver.messages.hl7 import Head, gateway_ei, given_subject, hd, private_system, stamps
from gateway.deliver.messages.lab_rows import Rows
from gateway.deliver.messages.values import absent, converted
from gateway.model import Category, Entry, Gateway, Kind, Observation, Report, Specimen, Subject
from gateway.settings.lab import LabSettings
from protocols.hl7v2.message import escape, field, segment

_PATIENT_ROLE: Final = "P^Patient^HL70369"
_CONTROL_ROLE: Final = "Q^Control specimen^HL70369"


def renderer(settings: LabSettings, gateway: Gateway) -> Renderer:
    """A renderer of laboratory results. Subject None: the patient is as the device named it, if it did."""
    return _Writer(settings, gateway)


class _Writer:
    """Report and subject to bytes; pure."""

    def __init__(self, settings: LabSettings, gateway: Gateway) -> None:
        self._settings = settings
        self._head = Head(settings, gateway, version=settings.version, set_id="1")
        self._stamp = stamps(settings)
        self._authority = gateway_ei(gateway)
        self._rows = Rows(settings, gateway)

    def __call__(self, entry: Entry, subject: Subject | None) -> Outgoing:
        """The message for one journal row."""
        report = entry.report
        found = [observation for observation in report.observations if observation.kind is not Kind.WAVEFORM]
        observations = [converted(one, self._settings.convert, inferred=self._settings.inferred) for one in found]
        mode = self._settings.qc_processing_id if report.category is Category.QC else ""
        lines = [self._head.msh(entry, mode), self._who(report, subject), *self._order(entry, observations)]
        lines += self._rows.results(report, observations)
        lines.append(self._spm(report))
        return self._head.outgoing(entry, lines)

    def _who(self, report: Report, subject: Subject | None) -> str:
        """PID and PV1: the patient of the association, else as the device named it; a control has none."""
        if report.category is Category.QC:
            return ""
        known = subject or given_subject(report.given)
        if known is not None:
            return self._head.patient(known, report.location)
        if self._settings.unknown_patient == "omit":
            return ""
        return self._head.unknown("", "^^^^^^U") + self._head.pv1(None, report.location)

    def _order(self, entry: Entry, observations: Sequence[Observation]) -> list[str]:
        report = entry.report
        specimen = report.specimen or Specimen()
        own = field(entry.key, *self._authority)
        filler = field(specimen.id) if self._settings.filler == "specimen" and specimen.id else own
        placer = field(specimen.id if self._settings.placer == "specimen" else report.order.placer_id if report.order else "")
        status = _status(report, observations)
        orc = [segment("ORC", "RE", placer, filler)] if self._settings.orc else []
        when = self._collected(report, observations)
        received = self._stamp(specimen.received) if specimen.received else ""
        reported = self._stamp(report.device_time or report.received_at)
        middle = [self._service(report, observations), "", "", when, "", "", "", "", "", "", received]
        obr = segment("OBR", "1", placer, filler, *middle, "", "", "", "", "", "", "", reported, "", "", status)
        return [*orc, obr, *self._notes(report, late=entry.late)]

    def _service(self, report: Report, observations: Sequence[Observation]) -> str:
        """OBR-4: the one observation's own code, else the one test ordered, else what the site calls a laboratory report."""
        codes = {self._rows.identifier(observation, report) for observation in observations}
        if len(codes) == 1:
            return codes.pop()
        services = report.order.services if report.order else ()
        if len(services) == 1 and services[0]:
            return field(services[0], "", private_system(self._settings, report))
        return hd(self._settings.service)

    def _collected(self, report: Report, observations: Sequence[Observation]) -> str:
        """OBR-7, the clinically relevant time."""
        specimen = report.specimen
        if specimen is not None and specimen.collected is not None:
            return self._stamp(specimen.collected)
        if self._settings.collected_only:
            return ""
        times = [observation.time for observation in observations if observation.time is not None]
        return self._stamp(min(times, default=report.device_time or report.received_at))

    def _notes(self, report: Report, *, late: bool) -> list[str]:
        """NTE under OBR: the device's remarks, how far its clock is off, as its times travel unchanged, and that it is late."""
        notes = [note for note in report.notes if note] if self._settings.notes else []
        offset = report.clock_offset_s
        if offset is not None and abs(offset) > self._settings.clock_note_s:
            notes.append(f"device clock minus gateway clock: {offset:+.0f} s")
        if late:
            notes.append(LATE)
        return [segment("NTE", str(number), "L", escape(note)) for number, note in enumerate(notes, 1)]

    def _spm(self, report: Report) -> str:
        specimen = report.specimen
        control = report.category is Category.QC
        if not self._settings.specimen or (specimen is None and not control):
            return ""
        specimen = specimen or Specimen()
        system = private_system(self._settings, report)
        number = field((specimen.id,), (specimen.instrument_id,))
        kind = field(specimen.type, "", system) if specimen.type else hd(self._settings.specimen_unknown)
        source = field(specimen.source, "", system) if specimen.source else ""
        collected = self._stamp(specimen.collected) if specimen.collected else ""
        received = self._stamp(specimen.received) if specimen.received else ""
        role = _CONTROL_ROLE if control else _PATIENT_ROLE
        return segment("SPM", "1", number, "", kind, "", "", "", source, "", "", role, "", "", "", "", "", collected, received)


def _status(report: Report, observations: Sequence[Observation]) -> str:
    """OBR-25 (HL7 table 0123): what the device says of its report, else the least finished of its results; I: none yet."""
    said = report.order.report_type if report.order else ""
    if said in ("F", "P", "X", "C"):
        return said
    if not observations:
        return "I"  # nobody said that it was cancelled
    states = {"X" if absent(observation) else observation.status for observation in observations}
    if states == {"X"}:
        return "X"
    return next((one for one in ("R", "P", "C") if one in states), "F")
