"""The rows of a PCD-01 that never change for a device: escaped once, ordered once (IHE PCD TF-2 B.8)."""

from __future__ import annotations

from typing import Final, NamedTuple

from gateway import terms
from gateway.deliver.messages.containment import Base, groups, place_of
from gateway.deliver.messages.hl7 import CACHE_MAX, device_ei, hd, private_system
from gateway.deliver.messages.values import METHODS, named_loinc
from gateway.model import Gateway, Kind, Method, Observation, Place, Report
from gateway.settings.pcd01 import Pcd01Settings
from protocols.hl7v2.message import field

_SYNC_CODES: Final = {
    "NONE": 532224,
    "NTPV3": 532225,
    "NTPV4": 532226,
    "SNTPV4": 532227,
    "SNTPV4330": 532228,
    "BTV1": 532229,
    "HL7_NCK": 532231,
    "EBWW": 532234,
    "GPS": 532238,
}
_DIMLESS: Final = "262656^MDC_DIM_DIMLESS^MDC"
_PLANS_MAX: Final = 64
"""Row orders remembered for a device: one for each set of things it says together."""


class Metric(NamedTuple):
    """What never changes of a metric's row: escaped once."""

    place: Place
    left: str
    """OBX-3 and OBX-4 between their bars."""
    unit: str
    method: str
    plain: str
    """All behind the value of a numeric that has nothing to tell but its digits; empty: it is no numeric."""


class Row(NamedTuple):
    """A row of a plan: constant text, or the observation number `at` behind its `head`."""

    at: int
    set_id: int
    head: str
    metric: Metric | None


TEXT: Final = -1
"""`Row.at` of constant text."""

CLOCK: Final = -2
"""`Row.at` of the device's clock."""


class Device:
    """One device's static strings; thrown away when the device or its containment tree changes."""

    def __init__(self, report: Report, settings: Pcd01Settings, gateway: Gateway) -> None:
        self.identity, self.parts, self.driver = report.device, report.parts, report.driver
        self._settings = settings
        self._system = private_system(settings, report)
        self._ei = device_ei(report.device, gateway, label=settings.device_label)
        has_mds = any(part.place == (1, 0, 0, 0) for part in report.parts)
        self.every_ei = self._ei if settings.device_row == "every" or not has_mds else ""
        self.service = self._service()
        self._metrics: dict[object, Metric] = {}
        self._plans: dict[object, list[list[Row]]] = {}
        self._constant = [(part.place, self._part(part.place, part.refid)) for part in report.parts]
        self._constant += _sync_rows(settings)

    def fits(self, report: Report) -> bool:
        """Whether the report still comes from the same device."""
        return self.identity == report.device and self.parts == report.parts and self.driver == report.driver

    def metric(self, observation: Observation) -> Metric:
        """The static part of an observation's row."""
        o = observation
        key = (
            o.vendor_code,
            o.refid,
            o.unit,
            o.place,
            o.vendor_unit,
            o.vendor_text,
            o.loinc,
            o.loinc_text,
            o.method,
            o.kind,
            o.sub_id,
        )
        found = self._metrics.get(key)
        if found is None:
            if len(self._metrics) >= CACHE_MAX:
                self._metrics.clear()
                self._plans.clear()
            found = self._metrics[key] = self._new_metric(o)
        return found

    def plan(self, metrics: tuple[Metric, ...], bases: tuple[Base, ...], *, clock: Place | None) -> list[list[Row]]:
        """The rows of each OBR in their order; `clock`: where the clock's row stands."""
        key = (tuple(map(id, metrics)), bases, clock)
        found = self._plans.get(key)
        if found is None:
            if len(self._plans) >= _PLANS_MAX:
                self._plans.clear()
            found = self._plans[key] = self._new_plan(metrics, bases, clock=clock)
        return found

    def _new_plan(self, metrics: tuple[Metric, ...], bases: tuple[Base, ...], *, clock: Place | None) -> list[list[Row]]:
        out, set_id = [], 0
        for number, indices in enumerate(groups([metric.place for metric in metrics], bases)):
            rows: list[tuple[Place, int, str]] = [(place, TEXT, text) for place, text in self._constant]
            if clock and number == 0:
                rows.append((clock, CLOCK, ""))
            rows += [(metrics[index].place, index, "") for index in indices]
            plan = []
            for place, index, text in sorted(rows):
                set_id += 1
                plan.append(self._row(set_id, index, text, metrics[index] if index >= 0 else None, place))
            out.append(plan)
        return out

    def _row(self, set_id: int, index: int, text: str, metric: Metric | None, place: Place) -> Row:
        if metric is not None:
            return Row(index, set_id, f"OBX|{set_id}|NM|{metric.left}|", metric)
        if index == CLOCK:
            return Row(index, set_id, f"OBX|{set_id}|DTM|67975^MDC_ATTR_TIME_ABS^MDC|{_dots(place)}|", None)
        return Row(index, set_id, f"OBX|{set_id}|{text}", None)

    def _new_metric(self, observation: Observation) -> Metric:
        place = place_of(observation)
        unit = self._unit(observation)
        measured = observation.method is Method.AUTO_MEASURED
        method = "" if measured and self._settings.method == "not-measured" else METHODS[observation.method]
        status = "F" if self._settings.result_status == "F" else "R"
        plain = f"|{unit}|||||{status}||||||{method}|{self.every_ei}".rstrip("|") + "\r"
        numeric = observation.kind is Kind.NUMERIC and unit != ""
        left = f"{self._identifier(observation)}|{_dots(place)}"
        return Metric(place, left, unit, method, plain if numeric else "")

    def _identifier(self, observation: Observation) -> str:
        """OBX-3: MDC, else LOINC, else the maker's own code under its 99… system (TF-2 B.8.3 order of preference)."""
        own = (observation.vendor_code, observation.vendor_text, self._system)
        term = terms.find(observation.refid) if observation.refid else None
        if term is not None:
            return field(str(term.code), term.refid, "MDC", *self._alternate(observation, own))
        if observation.loinc:
            loinc = named_loinc(observation.loinc, observation.loinc_text)
            return field(loinc.code, loinc.display, "LN", *own)
        return field(*own)

    def _alternate(self, observation: Observation, own: tuple[str, str, str]) -> tuple[str, ...]:
        if self._settings.alternate == "vendor":
            return own
        if self._settings.alternate == "loinc" and observation.refid:
            found = terms.loincs(observation.refid, observation.unit, inferred=self._settings.inferred)
            return (found[0].code, found[0].display, "LN") if found else ()
        return ()

    def _unit(self, observation: Observation) -> str:
        """OBX-6: MDC and UCUM side by side; a unit that the terms do not know in the maker's words (TF-2 B.8.6)."""
        ucum, term = observation.unit, terms.find(observation.refid) if observation.refid else None
        if ucum is None:
            if observation.vendor_unit:
                return field(observation.vendor_unit, "", self._system)
            return _DIMLESS if term and any(unit.refid == "MDC_DIM_DIMLESS" for unit in term.units) else ""
        mdc = terms.mdc_unit(term.refid, ucum) if term else None
        if mdc is None or self._settings.units == "ucum":
            return field(ucum, ucum, "UCUM")
        own = (str(mdc.code), mdc.refid, "MDC")
        return field(*own) if self._settings.units == "mdc" else field(*own, ucum, ucum, "UCUM")

    def _part(self, place: Place, refid: str) -> str:
        """A device row behind OBX-1: no type, no value, OBX-11 X; the highest one carries the device's id (TF-2 B.8.18)."""
        ei = self._ei if place == (1, 0, 0, 0) else self.every_ei
        return f"|{_term(refid)}|{_dots(place)}|||||||X|||||||{ei}".rstrip("|") + "\r"

    def _service(self) -> str:
        mds = next((part.refid for part in self.parts if part.place == (1, 0, 0, 0)), None)
        if self._settings.service != "mds":
            return hd(self._settings.service)
        return _term(mds) if mds else hd("182777000^monitoring of patient^SCT")


def _term(refid: str) -> str:
    term = terms.find(refid)
    return field(str(term.code) if term else "", refid, "MDC")


def _dots(place: Place) -> str:
    return ".".join(map(str, place))


def _sync_rows(settings: Pcd01Settings) -> list[tuple[Place, str]]:
    """How the gateway's own clock is kept right (TF-2 B.8.7), at its own level 0.0.0."""
    rows = []
    if settings.sync_protocol:
        code = _SYNC_CODES[settings.sync_protocol]
        name = f"{code}^MDC_TIME_SYNC_{settings.sync_protocol}^MDC"
        rows.append(((0, 0, 0, 1), f"CWE|68220^MDC_TIME_SYNC_PROTOCOL^MDC|0.0.0.1|{name}||||||R\r"))
    if settings.sync_accuracy_s:
        value = f"{settings.sync_accuracy_s}|264320^MDC_DIM_SEC^MDC^s^s^UCUM|||||R\r"
        rows.append(((0, 0, 0, 2), f"NM|68221^MDC_TIME_SYNC_ACCURACY^MDC|0.0.0.2|{value}"))
    return rows
