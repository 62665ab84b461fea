"""Point-of-care results as ORU^R30, R31 or R32: LAB-32 of IHE (HL7 2.5); docs/messages/poct.md lists the rules."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.deliver.destination import Outgoing
from gateway.deliver.messages import Renderer, UnsuitedError
from gateway.deliver.messages.hl7 import Head, private_system, stamps
from gateway.deliver.messages.lab_parts import Parts, mode
from gateway.deliver.messages.lab_rows import Rows
from gateway.model import Category, Entry, Gateway, Observation, Report, Subject
from gateway.settings.lab import PoctSettings
from protocols.hl7v2.message import field, segment

_CONTROLS = {"R30": "NW", "R31": "NW", "R32": "RE"}
"""ORC-1: a new order with its result, or the result of one that exists."""
_SPECIMEN_UNKNOWN = "UNK^Unknown^NULLFL"


def renderer(settings: PoctSettings, gateway: Gateway) -> Renderer:
    """A renderer of LAB-32. It raises UnsuitedError for what is no patient's result: the structure has no place for it."""
    return _Writer(settings, gateway)


class _Writer:
    """Report and subject to bytes; pure. A report is one order of one patient, and so is the message."""

    def __init__(self, settings: PoctSettings, gateway: Gateway) -> None:
        self._settings = settings
        self._head = Head(settings, gateway, version=settings.version, set_id="1")
        self._rows = Rows(settings, gateway)
        self._parts = Parts(settings, gateway, self._head, stamps(settings), self._rows)

    def __call__(self, entry: Entry, subject: Subject | None) -> Outgoing:
        """The message for one journal row."""
        report, observations = entry.report, self._parts.observations(entry.report)
        if report.category is not Category.LAB:
            raise UnsuitedError(f"a report of category {report.category.value}; LAB-32 carries patients' results alone (lab)")
        placer = self._parts.placer(report)
        event = self._settings.event if self._settings.event != "by order" else "R32" if self._parts.ordered(report) else "R30"
        lines = [self._head.msh(entry, mode(report), f"ORU^{event}^ORU_R30"), self._who(report, subject)]
        lines += self._order(entry, subject, observations, (placer, _CONTROLS[event]))
        lines += self._rows.results(entry, observations) or [self._nothing(report)]
        lines.append(self._parts.spm(report, _SPECIMEN_UNKNOWN) if self._with_spm(report) else "")
        return self._head.outgoing(entry, lines)

    def _who(self, report: Report, subject: Subject | None) -> str:
        known = self._parts.who(report, subject)
        if known:
            return known
        if self._settings.unknown_patient == "park":
            raise UnsuitedError("no patient is known for its time, and the destination says unknown_patient = park")
        return self._parts.nobody(report, self._settings.unknown_id, self._settings.unknown_name)

    def _order(
        self, entry: Entry, subject: Subject | None, observations: Sequence[Observation], known: tuple[str, str]
    ) -> list[str]:
        """ORC, OBR and NTE; `known` are the order's number and ORC-1."""
        placer, control = known
        report, filler = entry.report, self._parts.filler(entry, self._settings.filler)
        orc = segment("ORC", control, placer, filler)
        source, told = ("", []) if self._with_spm(report) else self._specimen(report)
        only = self._settings.collected_only
        obr = self._parts.obr(placer, filler, report, observations, collected_only=only, source=source)
        return [orc, obr, *self._parts.remarks(entry, subject, told)]

    def _with_spm(self, report: Report) -> bool:
        return self._settings.specimen == "spm" and report.specimen is not None

    def _specimen(self, report: Report) -> tuple[str, list[str]]:
        """OBR-15 (type, site) and what else is known of the specimen, in words."""
        specimen = report.specimen
        if specimen is None:
            return "", []
        system = private_system(self._settings, report)
        kind = (specimen.type, "", system) if specimen.type else ()
        source = field(kind, "", "", (specimen.source, "", system) if specimen.source else ())
        told = [f"specimen {specimen.id}"] if specimen.id else []
        return source, told + ([f"specimen number of the device: {specimen.instrument_id}"] if specimen.instrument_id else [])

    def _nothing(self, report: Report) -> str:
        """The one row that a report without results has: no value to be had for what was asked."""
        return segment("OBX", "1", "", self._parts.service(report, ()), *([""] * 7), "X")
