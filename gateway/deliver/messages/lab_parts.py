"""What the HL7 formats of laboratory results share: who, which order, which specimen, when, and the device's remarks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.deliver.messages import LATE
from gateway.deliver.messages.hl7 import Head, Stamp, gateway_ei, given_subject, hd, private_system
from gateway.deliver.messages.lab_rows import Rows
from gateway.deliver.messages.lots import in_words
from gateway.deliver.messages.values import absent, clock_note, converted, patient_note
from gateway.model import Category, Entry, Gateway, Kind, Observation, Report, Specimen, Subject, Validity
from gateway.settings.lab import ResultSettings
from protocols.hl7v2.message import escape, field, segment

ROLES: Final = {
    "P": "Patient",
    "Q": "Control specimen",
    "B": "Blind sample",
    "C": "Calibrator",
    "E": "Electronic QC",
    "F": "Specimen used for testing proficiency of the organization performing the testing",
    "G": "Group",
    "L": "Pool",
    "O": "Specimen used for testing operator proficiency",
    "R": "Replicate",
    "V": "Verifying calibrator",
}
"""HL7 table 0369."""
_PATIENTS: Final = frozenset("PGLR")
_TESTS: Final = frozenset({Validity.TEST, Validity.DEMO})


class Parts:
    """Writes parts of the messages of one destination; pure."""

    def __init__(self, settings: ResultSettings, gateway: Gateway, head: Head, stamp: Stamp, rows: Rows) -> None:
        self._settings, self._head, self._stamp, self._rows = settings, head, stamp, rows
        self._authority = gateway_ei(gateway)

    def observations(self, report: Report) -> list[Observation]:
        """What is sent of a report: everything but curves, in the units that the receiver wants."""
        found = [observation for observation in report.observations if observation.kind is not Kind.WAVEFORM]
        return [converted(one, self._settings.convert, inferred=self._settings.inferred) for one in found]

    def who(self, report: Report, subject: Subject | None) -> str:
        """PID, PV1: the patient of the association, else as the device named it; a control has none. Or "": nobody is known."""
        if report.category is Category.QC:
            return ""
        known = subject or given_subject(report.given)
        return "" if known is None else self._head.patient(known, report.location)

    def nobody(self, report: Report, number: str = "", name: str = "^^^^^^U") -> str:
        """PID and PV1 of a patient who is not known."""
        return self._head.unknown(number, name) + self._head.pv1(None, report.location)

    def placer(self, report: Report) -> str:
        """The order's number, or the specimen's where the receiver finds orders by it."""
        if self._settings.placer == "specimen":
            return field(report.specimen.id if report.specimen else "")
        return field(report.order.placer_id if report.order else "")

    @staticmethod
    def ordered(report: Report) -> bool:
        """Whether the order is known by its own number."""
        return report.order is not None and report.order.placer_id != ""

    def filler(self, entry: Entry, wanted: str, number: int = 1) -> str:
        """The gateway's own number of the report, or of its order `number`; or the specimen's id."""
        specimen = entry.report.specimen
        own = field(entry.key if number == 1 else f"{entry.key}.{number}", *self._authority)
        return field(specimen.id) if wanted == "specimen" and specimen is not None and specimen.id else own

    def obr(
        self,
        placer: str,
        filler: str,
        report: Report,
        observations: Sequence[Observation],
        *,
        collected_only: bool,
        source: str = "",
        number: int = 1,
    ) -> str:
        """OBR with numbers, service, times, who ordered it and status; `source` is OBR-15."""
        specimen = report.specimen or Specimen()
        when = self.collected(report, observations, only=collected_only)
        received = self._stamp(specimen.received) if specimen.received else ""
        reported = self._stamp(report.device_time or report.received_at)
        middle = [self.service(report, observations), "", "", when, "", "", "", "", "", "", received, source]
        wanted = field(*report.order.provider) if report.order is not None and report.category is Category.LAB else ""
        last = [wanted, "", "", "", "", "", reported, "", "", status(report, observations)]
        return segment("OBR", str(number), placer, filler, *middle, *last)

    def service(self, report: Report, observations: Sequence[Observation]) -> str:
        """OBR-4: the one observation's own code, else the one test ordered, else what the site calls a laboratory report."""
        codes = {self._rows.identifier(observation, report) for observation in observations}
        if len(codes) == 1:
            return codes.pop()
        services = report.order.services if report.order else ()
        if len(services) == 1 and services[0]:
            return field(services[0], "", private_system(self._settings, report))
        return hd(self._settings.service)

    def collected(self, report: Report, observations: Sequence[Observation], *, only: bool) -> str:
        """OBR-7, the clinically relevant time."""
        specimen = report.specimen
        if specimen is not None and specimen.collected is not None:
            return self._stamp(specimen.collected)
        if only:
            return ""
        times = [observation.time for observation in observations if observation.time is not None]
        return self._stamp(min(times, default=report.device_time or report.received_at))

    def remarks(self, entry: Entry, subject: Subject | None, more: Sequence[str] = ()) -> list[str]:
        """NTE under OBR: the device's remarks, another patient that it named, how far its clock is off, and that it is late."""
        report = entry.report
        notes = [note for note in report.notes if note] if self._settings.notes else []
        if self._settings.notes and not self._rows.materials:
            notes += in_words(report.materials, notes)
        if another := patient_note(report, subject):
            notes.append(another)
        if clock := clock_note(report, self._settings.clock_note_s):
            notes.append(clock)
        if entry.late:
            notes.append(LATE)
        return [segment("NTE", str(number), "L", escape(note)) for number, note in enumerate([*notes, *more], 1)]

    def spm(self, report: Report, unknown: str, system: str = "") -> str:
        """SPM: ids (`system` numbers the first one), type, source, whose it is, collected, received."""
        specimen = report.specimen or Specimen()
        own = private_system(self._settings, report)
        namespace = system if specimen.id else ""
        number = field((specimen.id, namespace), (specimen.instrument_id,))
        kind = field(specimen.type, "", specimen.type_system or own) if specimen.type else hd(unknown)
        source = field(specimen.source, "", own) if specimen.source else ""
        collected = self._stamp(specimen.collected) if specimen.collected else ""
        received = self._stamp(specimen.received) if specimen.received else ""
        whose = field(role(report), ROLES[role(report)], "HL70369")
        return segment("SPM", "1", number, "", kind, "", "", "", source, "", "", whose, "", "", "", "", "", collected, received)


def mode(report: Report, control: str = "") -> str:
    """MSH-11 where it is not the destination's own: training, or what the receiver knows controls by."""
    if any(one.validity in _TESTS for one in report.observations):
        return "T"
    return control if report.category is Category.QC else ""


def role(report: Report) -> str:
    """SPM-11 (HL7 table 0369). What is no patient's never says that it is, and what is one's never says that it is a control."""
    said = report.specimen.role if report.specimen is not None else ""
    if report.category is Category.QC:
        return said if said in ROLES and said not in _PATIENTS else "Q"
    return said if said in _PATIENTS else "P"


def status(report: Report, observations: Sequence[Observation]) -> str:
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
