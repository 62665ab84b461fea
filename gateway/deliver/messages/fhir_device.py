"""Device and DeviceMetric of a Bundle, and what is the same in every Observation of one metric: encoded once, then kept."""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

from msgspec import Raw

from gateway import terms
from gateway.deliver.messages.fhir_codes import CATEGORY, LOINC, MDC, METRIC_CATEGORY, METRICS, PANEL, SETTINGS, SPECIMEN_ROLE
from gateway.deliver.messages.fhir_codes import VITAL_SIGNS as VITALS
from gateway.deliver.messages.fhir_names import create, device_identifiers, reference, update
from gateway.deliver.messages.fhir_types import (
    CodeableConcept,
    Coding,
    Device,
    DeviceMetric,
    DeviceName,
    Identifier,
    Quantity,
    Udi,
    Version,
    raw,
)
from gateway.deliver.messages.fhir_values import code, text, unit_of
from gateway.model import Category, Gateway, Kind, Observation, Place, Report
from gateway.settings.fhir import FhirMessageSettings

METRICS_MAX: Final = 4096
"""Metrics remembered of one device: more than any has; a device that makes up codes cannot grow it."""

_PRESSURES: Final = ("_SYS", "_DIA", "_MEAN")


class Metric(NamedTuple):
    """What is the same in every Observation of a metric. `on` and `off` are its DeviceMetric entry by operational status."""

    code: Raw
    category: Raw
    vital: Raw
    unit: Quantity
    device: Raw
    name: str
    on: Raw | None
    off: Raw | None
    panel: str


MetricKey: TypeAlias = tuple[object, ...]


class Equipment:
    """One device of one destination: its entry, the reference to it, its metrics. Fits as long as nothing about it changes."""

    def __init__(self, report: Report, settings: FhirMessageSettings, gateway: Gateway, system: str, vendor: str) -> None:
        self._settings, self._system, self._vendor = settings, system, vendor
        self._key = self.key(report)
        self._lab = report.category in (Category.LAB, Category.QC)
        self._category = report.category
        identifiers = device_identifiers(report.device, gateway, system)
        self.identifier = identifiers[0]
        self.reference = raw(reference("Device", self.identifier))
        self.entry = self._written("Device", self.identifier, _device(report, identifiers))
        self._metrics: dict[MetricKey, Metric] = {}

    @staticmethod
    def key(report: Report) -> tuple[object, ...]:
        """What a device's entry depends on."""
        mds = next((part.refid for part in report.parts if part.place[1:] == (0, 0, 0)), "")
        return report.device, report.driver, report.category, mds

    def fits(self, report: Report) -> bool:
        """Whether the report's device is this one, unchanged."""
        return self._key == self.key(report)

    def metric(self, o: Observation) -> Metric:
        """The static part of an observation."""
        key = (
            o.vendor_code,
            o.refid,
            o.loinc,
            o.loinc_text,
            o.unit,
            o.vendor_unit,
            o.vendor_text,
            o.place,
            o.method,
            o.kind,
            o.sub_id,
        )
        found = self._metrics.get(key)
        if found is None:
            if len(self._metrics) >= METRICS_MAX:
                self._metrics.clear()
            found = self._metrics[key] = self._metric(o)
        return found

    def panel_code(self, refid: str) -> Raw:
        """Observation.code of a blood pressure panel."""
        return raw(self._concept((PANEL,), refid, "", ""))

    def _written(self, kind: str, identifier: Identifier, resource: Device | DeviceMetric) -> Raw:
        write = update if self._settings.device == "update" else create
        return write(kind, identifier, resource)

    def _metric(self, o: Observation) -> Metric:
        loincs = self._loincs(o)
        unit = unit_of(o)
        identifier, on, off = self._device_metric(o)
        category = raw(_categories(o, self._category))
        vital = raw((_VITAL,)) if self._is_vital(o, loincs) else category
        device = raw(reference("DeviceMetric", identifier)) if identifier is not None else self.reference
        concept = raw(self._concept(loincs, o.refid or "", o.vendor_code, o.vendor_text, o.loinc_text))
        return Metric(concept, category, vital, unit, device, _named(identifier), on, off, self._panel(o))

    def _loincs(self, o: Observation) -> tuple[str, ...]:
        """LOINC codes, best first. What is set is not what was measured: only a term that is a setting has a setting's codes."""
        if o.loinc:
            return (o.loinc,)
        if not o.refid or (o.method in SETTINGS and not o.refid.endswith("_SETTING")):
            return ()
        return tuple(found.code for found in terms.loincs(o.refid, o.unit, inferred=self._settings.inferred))

    def _concept(
        self, loincs: tuple[str, ...], refid: str, vendor_code: str, vendor_text: str, loinc_text: str = ""
    ) -> CodeableConcept:
        term = terms.find(refid) if refid else None
        codings = [Coding(system=LOINC, code=own) for own in loincs]
        if term is not None:
            codings.append(Coding(system=MDC, code=str(term.code), display=term.refid))
        own = code(vendor_code)
        if own is not None:
            codings.append(Coding(system=self._vendor, code=own, display=text(vendor_text)))
        known = terms.loinc(loincs[0]) if loincs else None
        words = (known.display if known else loinc_text) or (term.display if term else "") or vendor_text or vendor_code
        return CodeableConcept(coding=tuple(codings), text=text(words) or "?")

    def _is_vital(self, o: Observation, loincs: tuple[str, ...]) -> bool:
        """Whether the vital signs profile is met: a LOINC of its table in a unit of its table, measured at the bedside."""
        if self._category is not Category.VITALS or o.kind is not Kind.NUMERIC or o.method in SETTINGS:
            return False
        listed = [VITALS[own] for own in loincs if own in VITALS]
        return bool(listed) and all(o.unit in units for units in listed)

    def _device_metric(self, o: Observation) -> tuple[Identifier | None, Raw | None, Raw | None]:
        term = terms.find(o.refid) if o.refid and self._settings.metrics and not self._lab else None
        if term is None or o.kind is Kind.EVENT:
            return None, None, None
        unit = terms.mdc_unit(term.refid, o.unit) if o.unit else None
        place = _dotted(o.place) if o.place is not None else f"{code(o.vendor_code) or ''}.{code(o.sub_id) or ''}"
        parts = (self.identifier.value or "", str(term.code), place, METRICS[o.method], str(unit.code) if unit else "")
        identifier = Identifier(system=f"{self._system}:metric", value="/".join(parts))

        def entry(status: str | None) -> Raw:
            resource = DeviceMetric(
                identifier=(identifier,),
                type=CodeableConcept(coding=(Coding(system=MDC, code=str(term.code), display=term.refid),)),
                unit=CodeableConcept(coding=(Coding(system=MDC, code=str(unit.code), display=unit.refid),)) if unit else None,
                source=reference("Device", self.identifier),
                operational_status=status,
                category=METRICS[o.method],
            )
            return self._written("DeviceMetric", identifier, resource)

        # a metric that is made once and never touched again cannot say whether it is on
        follows = self._settings.device == "update"
        return identifier, entry("on" if follows else None), entry("off" if follows else None)

    def _panel(self, o: Observation) -> str:
        """The MDC term of the blood pressure panel that the observation is a part of, or nothing."""
        ending = next((one for one in _PRESSURES if (o.refid or "").endswith(one)), "")
        if not ending or not self._settings.panels or o.kind is not Kind.NUMERIC or o.method in SETTINGS or self._lab:
            return ""
        base = (o.refid or "").removesuffix(ending)
        return base if any(found.code == PANEL for found in terms.loincs(base, None)) else ""


def _device(report: Report, identifiers: tuple[Identifier, ...]) -> Device:
    device = report.device
    mds = next((part.refid for part in report.parts if part.place[1:] == (0, 0, 0)), "")
    term = terms.find(mds) if mds else None
    model, label, udi, firmware = map(text, (device.model, device.id, device.udi, device.firmware))
    names = [DeviceName(name=label, type="user-friendly-name")] if label else []
    if model:
        names.append(DeviceName(name=model, type="model-name"))
    carrier = () if udi is None else ((Udi(carrier_h_r_f=udi) if "(" in udi else Udi(device_identifier=udi)),)
    return Device(
        identifier=identifiers,
        udi_carrier=carrier,
        status="active",
        manufacturer=text(device.maker),
        serial_number=text(device.serial),
        device_name=tuple(names),
        model_number=model,
        type=CodeableConcept(coding=(Coding(system=MDC, code=str(term.code), display=term.refid),)) if term else None,
        version=(Version(value=firmware),) if firmware else (),
    )


def _categories(o: Observation, category: Category) -> tuple[CodeableConcept, ...]:
    if category is Category.LAB:
        return (_LABORATORY,)
    if category is Category.QC:
        return (_LABORATORY, _CONTROL)
    if o.kind is Kind.EVENT:
        return (_EVENT,)
    return (CodeableConcept(coding=(Coding(system=METRIC_CATEGORY, code=METRICS[o.method]),)),)


def _named(identifier: Identifier | None) -> str:
    return (identifier.value if identifier is not None else None) or ""


def _dotted(place: Place) -> str:
    return ".".join(map(str, place))


_VITAL: Final = CodeableConcept(coding=(Coding(system=CATEGORY, code="vital-signs", display="Vital Signs"),))
_LABORATORY: Final = CodeableConcept(coding=(Coding(system=CATEGORY, code="laboratory", display="Laboratory"),))
_CONTROL: Final = CodeableConcept(coding=(Coding(system=SPECIMEN_ROLE, code="Q", display="Control specimen"),))
_EVENT: Final = CodeableConcept(text="Device event")
VITAL: Final = raw((_VITAL,))
