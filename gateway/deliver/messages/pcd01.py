"""PCD-01: a report as ORU^R01 of HL7 2.6 (IHE PCD TF-2 3.1 and appendix B); docs/messages/pcd01.md lists the rules."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from gateway.deliver.destination import Outgoing
from gateway.deliver.messages import LATE, Renderer, UnsuitedError
from gateway.deliver.messages.containment import DEVICE_CLOCK, GATEWAY_CLOCK, base_of
from gateway.deliver.messages.hl7 import CACHE_MAX, Head, dtm, gateway_ei, shifted, stamps
from gateway.deliver.messages.pcd01_rows import TEXT, Device, Metric, Row
from gateway.deliver.messages.values import NUMBER, absent, converted, state, typed
from gateway.model import Category, Entry, Gateway, Kind, Observation, Report, Subject, Validity
from gateway.settings.pcd01 import Pcd01Settings
from protocols.hl7v2.message import escape, field


def renderer(settings: Pcd01Settings, gateway: Gateway) -> Renderer:
    """A renderer of PCD-01 messages. Subject None: the patient is not known, and the destination sends all the same."""
    return _Writer(settings, gateway)


class _Writer:
    """Report and subject to bytes. Everything it remembers is derived from its arguments, so it is pure to its callers."""

    def __init__(self, settings: Pcd01Settings, gateway: Gateway) -> None:
        self._settings, self._gateway = settings, gateway
        self._head = Head(settings, gateway, version=settings.version, language=settings.language)
        self._stamp = stamps(settings)
        self._authority = field(*gateway_ei(gateway))
        self._devices: dict[str, Device] = {}

    def __call__(self, entry: Entry, subject: Subject | None) -> Outgoing:
        """The message for one journal row."""
        report = entry.report
        if report.category is Category.QC:
            raise UnsuitedError("a control, which PCD-01 cannot tell from a patient's reading")
        device = self._device(report)
        observations = self._observations(report)
        metrics = tuple(map(device.metric, observations))
        bases = tuple([None if o.time is None else base_of(o, report) for o in observations])
        clock = GATEWAY_CLOCK if report.device_time is None else DEVICE_CLOCK
        lines = [self._head.msh(entry), self._who(report, subject)]
        for number, rows in enumerate(device.plan(metrics, bases, clock=clock if self._settings.device_clock else None), 1):
            lines.append(self._obr(number, entry, device, [observations[row.at] for row in rows if row.at >= 0]))
            self._obx(lines, rows, observations, report, device)
        return self._head.outgoing(entry, lines)

    def _device(self, report: Report) -> Device:
        found = self._devices.get(report.device.id)
        if found is None or not found.fits(report):
            if len(self._devices) >= CACHE_MAX:
                self._devices.clear()
            found = self._devices[report.device.id] = Device(report, self._settings, self._gateway)
        return found

    def _observations(self, report: Report) -> Sequence[Observation]:
        found = [observation for observation in report.observations if observation.kind is not Kind.WAVEFORM]
        if not self._settings.convert:
            return found
        return [converted(observation, self._settings.convert, inferred=self._settings.inferred) for observation in found]

    def _who(self, report: Report, subject: Subject | None) -> str:
        if subject is not None:
            return self._head.patient(subject, report.location)
        if self._settings.unknown_patient == "omit":
            return ""
        return self._head.unknown(self._settings.unknown_id, self._settings.unknown_name) + self._head.pv1(None, report.location)

    def _obr(self, number: int, entry: Entry, device: Device, observations: list[Observation]) -> str:
        """OBR-7 is a time point: the gateway's instant, or the oldest episodic one; OBR-8 is not used (SDPi R8006 to R8008)."""
        report = entry.report
        start = self._now(report)
        if report.episodic or number > 1:
            start = min([self._corrected(o.time, report) for o in observations if o.time], default=start)
        filler = f"{escape(entry.key if number == 1 else f'{entry.key}.{number}')}^{self._authority}"
        placer = filler if self._settings.placer else ""
        collector = escape(report.given.operator)
        obr = f"OBR|{number}|{placer}|{filler}|{device.service}|||{self._stamp(start)}|||{collector}".rstrip("|") + "\r"
        return obr + (self._remarks(entry) if number == 1 else "")

    def _obx(
        self, lines: list[str], rows: list[Row], observations: Sequence[Observation], report: Report, device: Device
    ) -> None:
        always = report.episodic or self._settings.observation_time == "always" or bool(report.given.operator)
        number = NUMBER.fullmatch
        for index, set_id, head, metric in rows:
            if metric is None:
                lines.append(head if index == TEXT else self._clock(head, report))
                continue
            o = observations[index]
            value = o.value
            if (
                value
                and metric.plain
                and not always
                and o.validity is Validity.OK
                and o.status == "R"
                and o.time is None
                and not (o.comparator or o.flags or o.range or o.notes or o.operator)
                and number(value)
            ):
                lines.append(f"{head}{value}{metric.plain}")
            else:
                lines.append(self._full(set_id, metric, o, report, device))

    def _full(self, set_id: int, metric: Metric, observation: Observation, report: Report, device: Device) -> str:
        """A row with all that it may have."""
        flags, status = state(observation)
        kind, value, unit = "", "", ""
        if not absent(observation):
            kind, value = typed(observation, unit=bool(metric.unit))
            unit = metric.unit if kind in ("NM", "SN") else ""
            status = "F" if status == "R" and self._settings.result_status == "F" else status
        when = self._when(observation, report)
        copy = when if self._settings.analysis_time else ""
        operator = escape(observation.operator or report.given.operator)
        row = f"OBX|{set_id}|{kind}|{metric.left}|{value}|{unit}|{escape(observation.range)}|{flags}|||{status}|||{when}||"
        row += f"{operator}|{metric.method}|{device.every_ei}|{copy}"
        return row.rstrip("|") + "\r" + self._nte(observation.notes)

    def _when(self, observation: Observation, report: Report) -> str:
        """OBX-14: its presence says episodic (TF-2 B.8.14)."""
        if observation.time is not None:
            return self._stamp(self._corrected(observation.time, report))
        if report.episodic or self._settings.observation_time == "always":
            return self._stamp(self._now(report))
        return ""

    def _now(self, report: Report) -> datetime:
        """The reporting instant: the gateway's, which is the device's own, corrected by its measured offset."""
        if self._settings.correct_times or report.device_time is None:
            return report.received_at
        return report.device_time

    def _corrected(self, moment: datetime, report: Report) -> datetime:
        if not self._settings.correct_times or not report.clock_offset_s:
            return moment
        return shifted(moment, -report.clock_offset_s)

    def _clock(self, head: str, report: Report) -> str:
        """What the device's clock showed, in its own offset, beside the gateway's time (TF-2 B.8.7); or just that."""
        now = self._stamp(report.received_at)
        shown = now if report.device_time is None else dtm(report.device_time, self._settings.time_digits)
        return f"{head}{shown}||||||R|||{now}\r"

    def _remarks(self, entry: Entry) -> str:
        """Under the first OBR: that the data are late, and the device's remarks on the whole."""
        remarks = entry.report.notes if self._settings.notes else ()
        return _nte((LATE, *remarks) if entry.late else remarks)

    def _nte(self, notes: tuple[str, ...]) -> str:
        return _nte(notes) if self._settings.notes else ""


def _nte(notes: tuple[str, ...]) -> str:
    """One NTE, its comments as repetitions: TF-2 allows no second one."""
    text = "~".join(escape(note) for note in notes if note)
    return f"NTE|1||{text}\r" if text else ""
