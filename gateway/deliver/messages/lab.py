"""Laboratory results as ORU^R01 of HL7 2.5.1, order-centred with SPM (LAB-3 style); docs/messages/lab.md lists the rules."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.deliver.destination import Outgoing
from gateway.deliver.messages import Renderer
from gateway.deliver.messages.hl7 import Head, stamps
from gateway.deliver.messages.lab_parts import Parts, mode
from gateway.deliver.messages.lab_rows import Rows
from gateway.model import Category, Entry, Gateway, Observation, Report, Subject
from gateway.settings.lab import LabSettings
from protocols.hl7v2.message import segment


def renderer(settings: LabSettings, gateway: Gateway) -> Renderer:
    """A renderer of laboratory results. Subject None: the patient is as the device named it, if it did."""
    return _Writer(settings, gateway)


class _Writer:
    """Report and subject to bytes; pure."""

    def __init__(self, settings: LabSettings, gateway: Gateway) -> None:
        self._settings = settings
        self._head = Head(settings, gateway, version=settings.version, set_id="1")
        self._rows = Rows(settings, gateway, instances=settings.instance)
        self._parts = Parts(settings, gateway, self._head, stamps(settings), self._rows)

    def __call__(self, entry: Entry, subject: Subject | None) -> Outgoing:
        """The message for one journal row."""
        report, observations = entry.report, self._parts.observations(entry.report)
        lines = [self._head.msh(entry, mode(report, self._settings.qc_processing_id)), self._who(report, subject)]
        lines += self._order(entry, subject, observations)
        lines += self._rows.results(entry, observations)
        lines.append(self._spm(report))
        return self._head.outgoing(entry, lines)

    def _who(self, report: Report, subject: Subject | None) -> str:
        known = self._parts.who(report, subject)
        if known or report.category is Category.QC or self._settings.unknown_patient == "omit":
            return known
        return self._parts.nobody(report)

    def _order(self, entry: Entry, subject: Subject | None, observations: Sequence[Observation]) -> list[str]:
        placer, filler = self._parts.placer(entry.report), self._parts.filler(entry, self._settings.filler)
        orc = [segment("ORC", "RE", placer, filler)] if self._settings.orc else []
        obr = self._parts.obr(placer, filler, entry.report, observations, collected_only=self._settings.collected_only)
        return [*orc, obr, *self._parts.remarks(entry, subject)]

    def _spm(self, report: Report) -> str:
        wanted = self._settings.specimen and (report.specimen is not None or report.category is Category.QC)
        return self._parts.spm(report, self._settings.specimen_unknown) if wanted else ""
