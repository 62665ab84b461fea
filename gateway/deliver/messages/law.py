"""Laboratory results as OUL^R22, specimen-centred: LAB-29 of IHE LAW (HL7 2.5.1); docs/messages/law.md lists the rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.deliver.destination import Outgoing
from gateway.deliver.messages import Renderer, UnsuitedError
from gateway.deliver.messages.hl7 import Head, private_system, stamps
from gateway.deliver.messages.lab_parts import Parts, mode, status
from gateway.deliver.messages.lab_rows import NAMESPACE_MAX, Rows
from gateway.deliver.messages.values import absent
from gateway.model import Category, DeviceIdentity, Entry, Gateway, Material, Observation, Report, Specimen, Subject
from gateway.settings.lab import LawSettings
from protocols.hl7v2.message import field, segment

NULL: Final = '""'
"""Of OBR-2: the analyzer knows no order number."""
RUN: Final = "1"
"""OBX-4 of a result that comes once: LAW counts runs."""
_CONTROL: Final = "CO"
_KINDS: Final = frozenset({"SR", "MR", "DI", "PT", "RC", "CO", "PW", "LW", "SW", "SC", "LI", "OT"})
"""HL7 table 0384, what a substance is."""
_PRIORITIES: Final = frozenset("SARPCT")
"""HL7 table 0485."""
_UNFINISHED: Final = frozenset("RPISO")


def renderer(settings: LawSettings, gateway: Gateway) -> Renderer:
    """A renderer of LAB-29. Subject None: the patient is as the device named it, if it did."""
    return _Writer(settings, gateway)


class _Writer:
    """Report and subject to bytes; pure."""

    def __init__(self, settings: LawSettings, gateway: Gateway) -> None:
        self._settings = settings
        self._head = Head(settings, gateway, version=settings.version, set_id="1")

        def device(identity: DeviceIdentity) -> str:
            return _device(identity, gateway)

        self._rows = Rows(
            settings,
            gateway,
            device=device,
            instances=settings.instance,
            first=RUN,
            kind="RSLT" if settings.observation_type else "",
            between=self._reagents if settings.materials else None,
        )
        self._parts = Parts(settings, gateway, self._head, stamps(settings), self._rows)

    def __call__(self, entry: Entry, subject: Subject | None) -> Outgoing:
        """The message for one journal row: one specimen with one order."""
        report, observations = entry.report, self._parts.observations(entry.report)
        if report.category not in (Category.LAB, Category.QC):
            raise UnsuitedError(f"a report of category {report.category.value}; LAB-29 carries results of specimens (lab, qc)")
        processing = mode(report, self._settings.qc_processing_id)
        lines = [self._head.msh(entry, processing, "OUL^R22^OUL_R22"), self._who(report, subject)]
        lines += self._specimen(report)
        for number, group in enumerate(self._groups(observations), 1):
            lines += self._order(entry, subject, group, number)
            lines += self._rows.results(entry, group)
        return self._head.outgoing(entry, lines)

    def _groups(self, observations: Sequence[Observation]) -> list[list[Observation]]:
        """The results of each OBR: all of them, or a test's."""
        if self._settings.orders == "report" or not observations:
            return [list(observations)]
        found: dict[str, list[Observation]] = {}
        for one in observations:
            found.setdefault(one.vendor_code, []).append(one)
        return list(found.values())

    def _who(self, report: Report, subject: Subject | None) -> str:
        known = self._parts.who(report, subject)
        if known or report.category is Category.QC or self._settings.unknown_patient == "omit":
            return known
        return self._parts.nobody(report)

    def _specimen(self, report: Report) -> list[str]:
        """SPM, its container, and the control that was in it."""
        specimen = report.specimen or Specimen()
        spm = self._parts.spm(report, self._settings.specimen_unknown, self._settings.specimen_system)
        carrier, _, position = specimen.position.partition("^")
        numeric = position.isascii() and position.isdigit()  # SAC-11 is numbers; "A3" is a location
        places = [field(carrier), position if numeric else "", "", "", "", "" if numeric else field(position)]
        sac = segment("SAC", "", "", field(specimen.id), "", "", "", "", "", "", *places)
        controls = self._controls(report, specimen) if self._settings.materials else []
        return [spm, *([sac] if sac != "SAC\r" else []), *controls]

    def _controls(self, report: Report, specimen: Specimen) -> list[str]:
        """INV of a control: its lot and level; where the device says nothing of them, its id."""
        if report.category is not Category.QC:
            return []
        named = [one for one in report.materials if one.kind == _CONTROL]
        return [self._inv(one, report) for one in named or [Material(name=specimen.id or specimen.instrument_id, kind=_CONTROL)]]

    def _order(self, entry: Entry, subject: Subject | None, observations: Sequence[Observation], number: int) -> list[str]:
        """OBR, then ORC: OK for an order that is known, SC for none; then remarks, in the first one, and priority."""
        report = entry.report
        placer = self._parts.placer(report)
        if self._settings.obr == "full":
            filler = self._parts.filler(entry, "message", number)
            obr = self._parts.obr(placer or NULL, filler, report, observations, collected_only=False, number=number)
        else:
            obr = segment("OBR", str(number), placer or NULL, "", self._parts.service(report, observations))
        orc = segment("ORC", "OK" if self._parts.ordered(report) else "SC", "", "", "", _order_status(report, observations))
        remarks = self._parts.remarks(entry, subject) if number == 1 else []
        return [obr, orc, *remarks, *_priority(report)]

    def _reagents(self, observation: Observation, report: Report) -> list[str]:
        """INV of what a result was made with: its own lots, then those of the whole report."""
        shared = [one for one in report.materials if one.kind != _CONTROL]
        return [self._inv(one, report) for one in (*observation.materials, *shared)]

    def _inv(self, material: Material, report: Report) -> str:
        """INV: what (a lot stands for a name that is not told), in use, of which sort, until when, which lot."""
        own = private_system(self._settings, report)
        level = f"level {material.level}" if material.level else ""
        what = field(material.name or material.lot or material.kind or "unknown", level, own)
        kind = field(material.kind, "", "HL70384" if material.kind in _KINDS else own) if material.kind else ""
        blank = [""] * 8
        return segment("INV", what, "OK^^HL70383", kind, *blank, field(material.expires[:8]), "", "", "", field(material.lot))


def _device(device: DeviceIdentity, gateway: Gateway) -> str:
    """OBX-18: model, serial number, and the asset tag that this gateway knows it by."""
    maker = device.maker[:NAMESPACE_MAX]
    known = (field(device.model, maker), field(device.serial, maker), field(device.id, gateway.name[:NAMESPACE_MAX]))
    return "~".join(known)


def _order_status(report: Report, observations: Sequence[Observation]) -> str:
    """ORC-5 (HL7 table 0038): cancelled where nothing could be measured, in process while something is preliminary."""
    if status(report, observations) == "X":
        return "CA"
    unfinished = any(not absent(one) and one.status in _UNFINISHED for one in observations)
    return "IP" if unfinished or not observations else "CM"


def _priority(report: Report) -> list[str]:
    said = report.order.priority if report.order else ""
    return [segment("TQ1", *([""] * 8), field(said, "", "HL70485"))] if said in _PRIORITIES and said else []
